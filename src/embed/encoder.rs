//! The seam between tokens and vectors. Everything above it (tokenizing, batching, threads, the cache) is the same whatever
//! computes the forward pass.

use super::stages::Stopwatch;

/// Computes a batch's forward pass and pooling. One batch runs on one thread; several threads call at once.
pub(super) trait Encoder: Send + Sync {
    /// Writes the pooled vector of each row of token ids to `out`, which holds `rows.len()` × dim numbers; not yet normalised.
    ///
    /// The time spent is counted on `stopwatch`, as far as the encoder knows its stages.
    ///
    /// Rows are never empty, no id reaches past the vocabulary, and no row is longer than the model's positions: the caller
    /// checked all three at load or by cutting. A row's vector does not depend on the other rows, but
    /// for rounding where a GPU computes.
    ///
    /// Returns an error if a tensor operation fails.
    fn encode(&self, rows: &[&[u32]], out: &mut [f32], stopwatch: &mut Stopwatch) -> Result<(), candle_core::Error>;

    /// Whose operators compute: `kindred` or `candle`, for reports.
    fn name(&self) -> &'static str;

    /// What it runs on, for reports.
    fn instructions(&self) -> String;
}
