//! The judge of every ranking: how well it foretells what shoppers did next, beside baselines, with intervals.
//!
//! Rules that hold for every figure: one cut in time, and nothing from the cut on is learned from; every product is ranked, none is sampled;
//! settings are chosen on a validation window before the test window; ties break by id; intervals are drawn by whole sessions or baskets;
//! the same input and seed give the same figures on any number of threads.
//!
//! | file | subject |
//! |---|---|
//! | `question` | [`Question`], [`Scores`], [`Ranker`]: what is asked and how it is answered |
//! | `task` | [`Task`], [`Case`], [`Split`], [`Window`]: what is learned from and asked about |
//! | `protocol` | the tasks: sessions, baskets, cold products, the evidence ladder |
//! | `baselines`, `bm25`, `type_transition` | the methods that stand beside every other |
//! | `learned` | what Kindred learns from events, and what it serves, as rankers |
//! | `cross_sell` | what is served beside a cart, as a ranker |
//! | `metrics` | HR, recall, nDCG, MRR |
//! | `slices` | popularity deciles and evidence buckets |
//! | `bootstrap` | 95 % intervals |
//! | `judge`, `report` | [`judge()`]: measures every ranker · [`Report`] |
//! | `suite` | which methods a protocol compares |
//! | `texts` | what the catalog says of a task's products |
//! | `files` | sessions and lists in files |
//! | `order_file` | orders in files, as an import reads them |
//! | `plot` | the evidence ladder as SVG |
//! | `random` | seeded draws |
//! | `error` | [`EvalError`] |
//!
//! ```
//! use kindred::eval::{Bootstrap, Popularity, Settings, judge, sessions};
//! use kindred::events::{EventKind, HistoryBuilder, Interaction, NO_ORDER};
//!
//! let mut builder = HistoryBuilder::default();
//! for (session, ids) in [["mug", "bag"], ["mug", "lamp"], ["lamp", "mug"]].iter().enumerate() {
//!     for (at, id) in ids.iter().enumerate() {
//!         let (product, time_s) = (builder.product(id), (100 * session + at) as u32);
//!         let view = Interaction { product, time_s, order: NO_ORDER, quantity: 1, price: f32::NAN, kind: EventKind::ViewItem };
//!         builder.push(session as u64, session as u32, view);
//!     }
//! }
//! let history = builder.finish();
//! let task = sessions(&history, &history, 1)?;
//! let settings = Settings { bootstrap: Bootstrap { draws: 100, seed: 1 }, texts: None, reference: None, progress: &|_| {} };
//! let report = judge(&task, &[&Popularity::learn(&task.train)], &settings)?;
//! assert_eq!(report.methods[0].hit_rate.value, 1.0 / 3.0);
//! # Ok::<(), kindred::eval::EvalError>(())
//! ```

mod baselines;
mod bm25;
mod bootstrap;
mod cross_sell;
mod error;
mod files;
#[cfg(test)]
mod fixture;
mod judge;
mod learned;
mod metrics;
mod order_file;
mod plot;
mod protocol;
mod question;
mod random;
mod report;
mod slices;
mod suite;
mod task;
mod texts;
mod type_transition;

pub use baselines::{CoCount, Cosine, NoSubstitutes, PairsOf, Popularity};
pub use bm25::Bm25;
pub use bootstrap::{Bootstrap, Interval};
pub use cross_sell::CrossSellRanker;
pub use error::EvalError;
pub use files::{ForeignList, read_lists, read_sessions};
pub use judge::{Settings, judge};
pub use learned::{Neighbors, RowsOf, SemanticRanker, ServedRanker, SessionRanker, TableRanker};
pub use metrics::Measures;
pub use order_file::{OrderFile, read_orders};
pub use plot::write_ladder;
pub use protocol::{
    AccessoryAnswer, AccessoryReport, AccessoryResult, AccessorySettings, BasketSettings, ColdSettings, Ladder,
    LadderSettings, Made, RUNGS, Rung, UpsellAnswer, UpsellReport, UpsellResult, UpsellSettings, accessories, baskets,
    cold_anchors, cold_candidates, cold_sessions, next_items, order_times, sessions, upsell,
};
pub use question::{Question, Ranker, Scores};
pub use report::{Estimate, MethodReport, Report, Slice};
pub use slices::{EVIDENCE_BUCKETS, SliceKind, evidence};
pub use suite::{Learning, climb, judge_carts, judge_orders, judge_sessions};
pub use task::{Case, Split, Task, Window, by_id};
pub use texts::{ProductTexts, SUBSTITUTE_COSINE};
pub use type_transition::TypeTransition;
