//! Questions in, ranked products out: the one place that joins products, vectors, behavior and filters.
//!
//! It never reads HTTP; what changes between two questions is in `live`.
//!
//! | file | subject |
//! |---|---|
//! | `query` | the question and the answer |
//! | `engine` | answering: what is asked about, what may appear |
//! | `search` | the nearest rows, fit, families, floor |
//! | `settings` | what may be in answers, and what each source counts |
//! | `source` | the makers of candidates and what each counts |
//! | `session` | what a session holds for an answer: steps, cart, what it is about |
//! | `shop` | what a blend asks of a shop, live or measured |
//! | `candidates` | what each source knows of a session |
//! | `blend` | candidates of all sources as one shelf: what is served and what is measured |
//! | `filter` | a filter's conditions looked up |
//! | `fit` | products made for another model than the one asked about |
//! | `error` | what can be wrong with a question |

mod blend;
mod candidates;
mod engine;
mod error;
mod filter;
mod fit;
mod query;
mod search;
mod session;
mod settings;
mod shop;
mod source;

pub use blend::{SessionShelf, answer_session};
pub use engine::Engine;
pub use error::RecommendError;
pub use query::{
    Answer, FewerBecause, Hit, Intent, MAX_ANCHORS, MAX_LIMIT, MAX_QUERY_BYTES, Query, RelativePrice, SessionEvent,
};
pub use session::{RowStep, SessionQuestion, in_cart};
pub use settings::{CartMix, RecommendConfig};
pub use shop::Shop;
pub use source::{Source, SourceScores, SourceWeights};
