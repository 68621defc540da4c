//! Questions in, ranked products out: the one place that joins products, vectors, behavior and filters.
//!
//! It never reads HTTP; what changes between two questions is in `live`.
//!
//! | file | subject |
//! |---|---|
//! | `query` | the question and the answer |
//! | `engine` | answering: what is asked about, what may appear |
//! | `search` | the nearest rows, fit, families, floor |
//! | `source` | the makers of candidates and what each counts |
//! | `candidates` | what each source knows of a session |
//! | `blend` | candidates of all sources as one shelf |
//! | `filter` | a filter's conditions looked up |
//! | `ruled` | the shop's rules: compiled, in force, applied to hits |
//! | `fit` | products made for another model than the one asked about |
//! | `error` | what can be wrong with a question |

mod blend;
mod candidates;
mod engine;
mod error;
mod filter;
mod fit;
mod query;
mod ruled;
mod search;
mod source;

pub use engine::{Engine, RecommendConfig, TrialRules};
pub use error::RecommendError;
pub use query::{
    Answer, FewerBecause, FiredRule, Hit, Intent, MAX_ANCHORS, MAX_LIMIT, MAX_QUERY_BYTES, Mark, Query, RelativePrice,
    SessionEvent, Shopper,
};
pub use ruled::{
    BrokenPin, DryRun, DryRunReport, ListChange, Orders, PlacementReport, RuleReach, Rulebook, Saved, Saver, Thinned,
};
pub use source::{Source, SourceScores, SourceWeights};
