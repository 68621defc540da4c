//! Traces: how an answer came about, and why a product is not in it.
//!
//! A question that carries a [`TraceLog`] is answered as any other; what became of each product is worked out after it, from the same
//! parts, and noted in the log. A question without one pays nothing.
//!
//! | file | subject |
//! |---|---|
//! | `log` | what is noted while an answer is made |
//! | `report` | [`Trace`]: sources, what was kept out, scores, rules, order |
//! | `why_not` | [`WhyNot`]: the one step at which a product went |

mod log;
mod report;
mod why_not;

pub(super) use log::{Examined, Examinee, Fate, Judged, WouldBe};
pub use log::{Sieve, TraceLog, WithoutList};
pub use report::{CandidateTrace, LeftOut, ListTrace, PartTrace, PlacedTrace, SourceTrace, Trace};
pub use why_not::{Step, WhyNot};
