//! What a shop's people may say about which products appear: today the filter language, pure and without a clock.
//!
//! | file | subject |
//! |---|---|
//! | `filter` | the filter language: its shape, limits and errors |

mod filter;

pub use filter::{Bound, Clause, Condition, Filter, FilterError, MAX_CONDITIONS, MAX_VALUES, MatchValue, Range};
