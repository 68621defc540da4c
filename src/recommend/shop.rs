//! What a blend asks of a shop, so that a live catalog and a measurement are answered by the same code.

use std::borrow::Cow;

use super::error::RecommendError;
use crate::behavior::Knowledge;
use crate::rank::{RowId, ScoredRow};

/// A shop's products, and what was learned of them.
pub trait Shop {
    /// What was learned from events; `None` where there were none.
    fn knowledge(&self) -> Option<Knowledge<'_>>;

    /// Whether the row is there and may be in the answer.
    fn may_appear(&self, row: RowId) -> bool;

    /// The row's family, of which one product is in an answer; `None` where there is no such row.
    fn family(&self, row: RowId) -> Option<u32>;

    /// The row's vector, of length 1; `None` where it has none.
    fn vector(&self, row: RowId) -> Option<Cow<'_, [f32]>>;

    /// The `k` rows nearest to `vector` of those that may appear, by cosine similarity, best first.
    ///
    /// Returns an error if the index cannot be searched.
    fn similar(&self, vector: &[f32], k: usize) -> Result<Vec<ScoredRow>, RecommendError>;

    /// The `k` past sessions nearest to `vector`: rows of [`Knowledge::session_of`].
    ///
    /// Returns an error if the index cannot be searched.
    fn nearest_sessions(&self, vector: &[f32], k: usize) -> Result<Vec<ScoredRow>, RecommendError>;
}
