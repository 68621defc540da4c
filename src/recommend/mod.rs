//! Questions in, ranked products out: the one place that joins products, vectors and filters.
//!
//! It never reads HTTP; what changes between two questions is in `live`.
//!
//! | file | subject |
//! |---|---|
//! | `query` | the question and the answer |
//! | `engine` | answering: what is asked about, what may appear |
//! | `search` | the nearest rows, fit, families, floor |
//! | `filter` | a filter's conditions looked up |
//! | `fit` | products made for another model than the one asked about |
//! | `error` | what can be wrong with a question |

mod engine;
mod error;
mod filter;
mod fit;
mod query;
mod search;

pub use engine::{Engine, RecommendConfig};
pub use error::RecommendError;
pub use query::{Answer, FewerBecause, Hit, Intent, MAX_ANCHORS, MAX_LIMIT, MAX_QUERY_BYTES, Query, RelativePrice};
