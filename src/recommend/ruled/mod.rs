//! Rules in answers: compiled for a generation, put in force as a whole, applied between the sources' hits and the list.
//!
//! | file | subject |
//! |---|---|
//! | `finish` | the seam: hits before rules in, the answer out |
//! | `examine` | what became of each product, for traces |
//! | `select` | hits to list: pins, values, hidden, replaced, capped |
//! | `scene` | what rules may know of a question |
//! | `compiled` | a set for a generation: which rules count, which are about a product |
//! | `act` | one rule: when it counts and what it does |
//! | `expr` | a filter for a generation |
//! | `facts` | what rules ask of products beyond bitmaps |
//! | `book` | the rules in force, and how they are replaced |
//! | `check` | a set held against a catalog before it is saved |
//! | `sample` | the questions of a dry run |
//! | `dry_run` | what a set would do, before it does |

mod act;
mod book;
mod check;
mod compiled;
mod dry_run;
mod examine;
mod expr;
mod facts;
mod finish;
mod sample;
mod scene;
mod select;

use super::error::RecommendError;

pub use book::{Rulebook, Saved, Saver, WaitingRule};
pub(super) use compiled::Compiled;
pub use dry_run::{
    BrokenPin, DryRun, DryRunReport, HiddenPin, ListChange, Orders, PlacementReport, RuleReach, Thinned,
};
pub(super) use finish::{Asked, Depth, Rank, Ranked, is_of_families};
