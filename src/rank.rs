//! Scored rows and their one total order. Every list in Kindred is sorted here and nowhere else.

use std::cmp::Ordering;

use serde::{Deserialize, Serialize};

/// A product's dense number inside one generation.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord, Serialize, Deserialize)]
pub struct RowId(pub u32);

impl RowId {
    /// The row as an index into per-row tables.
    pub fn index(self) -> usize {
        self.0 as usize
    }
}

/// A row and its score; higher is better.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct ScoredRow {
    /// The row.
    pub row: RowId,
    /// Cosine similarity in `[-1, 1]`, or a blend of such.
    pub score: f32,
}

/// Best first: higher score first, then the lower row. Total: a NaN cannot panic and ties cannot wander.
pub fn best_first(a: &ScoredRow, b: &ScoredRow) -> Ordering {
    // One comparison of whole numbers, without a branch: sorting short lists is part of every search.
    place(a).cmp(&place(b))
}

/// Smaller for the better row: the bits of a score, made to ascend as [`f32::total_cmp`] has it and turned round, then the row.
fn place(scored: &ScoredRow) -> u64 {
    let bits = scored.score.to_bits();
    let ascending = if bits >> 31 == 1 { !bits } else { bits | 1 << 31 };
    u64::from(!ascending) << 32 | u64::from(scored.row.0)
}

/// Sorts `rows` with [`best_first`] and keeps the first `limit`.
pub fn keep_best(rows: &mut Vec<ScoredRow>, limit: usize) {
    if rows.len() > limit && limit > 0 {
        rows.select_nth_unstable_by(limit - 1, best_first);
    }
    rows.truncate(limit);
    rows.sort_unstable_by(best_first);
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    #[test]
    fn higher_scores_come_first_and_of_equal_ones_the_lower_row() {
        let mut rows: Vec<_> = [(5, 0.5), (1, 0.7), (3, 0.7), (2, 0.5), (9, f32::NAN)]
            .map(|(row, score)| ScoredRow { row: RowId(row), score })
            .into();
        keep_best(&mut rows, 10);
        assert_eq!(rows.iter().map(|scored| scored.row.0).collect::<Vec<_>>(), [9, 1, 3, 2, 5]);
    }

    proptest! {
        #[test]
        fn keep_best_is_the_head_of_a_full_sort(scores in prop::collection::vec(any::<f32>(), 0..60), limit in 0usize..70) {
            let rows: Vec<_> = scores.iter().enumerate().map(|(i, &score)| ScoredRow { row: RowId(i as u32), score }).collect();
            let mut kept = rows.clone();
            keep_best(&mut kept, limit);
            let mut all = rows;
            all.sort_by(|a, b| b.score.total_cmp(&a.score).then(a.row.cmp(&b.row)));
            all.truncate(limit);
            prop_assert_eq!(kept.iter().map(|r| r.row).collect::<Vec<_>>(), all.iter().map(|r| r.row).collect::<Vec<_>>());
        }
    }
}
