//! How many of a text's nearest neighbours two sets of vectors agree on: what the fast precision changes in the lists that a
//! shop shows.

use std::collections::HashSet;

use rayon::prelude::*;
use serde::Serialize;

use super::embedder::Embedder;
use super::error::EmbedError;
use super::vectors::Embeddings;
use super::{EmbedConfig, Precision};
use crate::rank::{RowId, ScoredRow, keep_best};

/// Neighbours compared of each text.
const K: usize = 10;
/// A neighbour whose f32 cosine is this near to the tenth's counts as equally good: texts that the tokenizer reads alike tie.
const TIE: f32 = 1e-6;

/// The share of each text's ten nearest neighbours in f32 that the fast precision keeps, over all texts.
#[derive(Debug, Clone, PartialEq, Serialize)]
pub struct NeighborOverlap {
    /// Different texts compared, each with all others.
    pub num_texts: usize,
    /// Mean share over the texts, in [0, 1].
    pub mean_share: f64,
    /// Share of the text that keeps the fewest, in [0, 1].
    pub least_share: f64,
    /// That text.
    pub worst_text: String,
}

/// Embeds `texts` with the model of `config` in f32 and in the fast precision, whatever `config.precision` says, and compares
/// each text's ten nearest by exact cosine, or all others where there are fewer. Copies of one text count once. The time grows
/// with the square of the number of texts.
///
/// Returns an error if there are fewer than two different texts, the model cannot be loaded, or embedding fails.
pub fn compare_precisions(config: &EmbedConfig, texts: &[&str]) -> Result<NeighborOverlap, EmbedError> {
    let mut seen = HashSet::with_capacity(texts.len());
    let different: Vec<&str> = texts.iter().copied().filter(|text| seen.insert(*text)).collect();
    let embed = |precision| Embedder::load(&EmbedConfig { precision, ..config.clone() })?.embed(&different, &|_| {});
    if different.len() < 2 {
        return Err(EmbedError::NoNeighbors { num_texts: different.len() });
    }
    let shares = shared_neighbors(&embed(Precision::F32)?, &embed(Precision::Fast)?);
    let worst = (0..shares.len()).min_by(|&a, &b| shares[a].total_cmp(&shares[b])).unwrap_or(0);
    Ok(NeighborOverlap {
        num_texts: different.len(),
        mean_share: shares.iter().sum::<f64>() / shares.len() as f64,
        least_share: shares[worst],
        worst_text: different[worst].to_owned(),
    })
}

/// For each row, the share of its nearest by `other` that are among its nearest by `exact`, or tie with the last of those.
/// Both hold as many rows, at least two.
fn shared_neighbors(exact: &Embeddings, other: &Embeddings) -> Vec<f64> {
    let share = |row: usize| {
        let tenth = nearest(exact, row).last().map_or(f32::NEG_INFINITY, |scored| scored.score);
        let found = nearest(other, row);
        let is_shared = |scored: &&ScoredRow| dot(exact.row(row), exact.row(scored.row.index())) >= tenth - TIE;
        found.iter().filter(is_shared).count() as f64 / found.len() as f64
    };
    (0..exact.len()).into_par_iter().map(share).collect()
}

/// The nearest other rows, best first.
fn nearest(rows: &Embeddings, row: usize) -> Vec<ScoredRow> {
    let others = (0..rows.len()).filter(|&other| other != row);
    let score = |other: usize| ScoredRow { row: RowId(other as u32), score: dot(rows.row(row), rows.row(other)) };
    let mut scored: Vec<ScoredRow> = others.map(score).collect();
    keep_best(&mut scored, K);
    scored
}

/// Cosine of vectors of length 1. Several sums at once, so that the compiler takes vector instructions.
fn dot(a: &[f32], b: &[f32]) -> f32 {
    const LANES: usize = 16;
    let mut sums = [0.0; LANES];
    let (a, b) = (a.chunks_exact(LANES), b.chunks_exact(LANES));
    let rest: f32 = a.remainder().iter().zip(b.remainder()).map(|(x, y)| x * y).sum();
    for (a, b) in a.zip(b) {
        for lane in 0..LANES {
            sums[lane] += a[lane] * b[lane];
        }
    }
    sums.iter().sum::<f32>() + rest
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Points of the unit circle at these angles, in degrees.
    fn circle(degrees: &[f32]) -> Embeddings {
        let mut rows = Embeddings::zeros(degrees.len(), 2);
        for (row, angle) in degrees.iter().enumerate() {
            let (sin, cos) = angle.to_radians().sin_cos();
            rows.set_row(row, &[cos, sin]);
        }
        rows
    }

    #[test]
    fn a_neighbor_that_moved_away_is_missed_by_those_that_had_it_alone() {
        // Seen from row 0, the ten nearest are rows 1 to 10. Row 10 moves behind row 11, so one of ten is another.
        let mut degrees: Vec<f32> = (0..12).map(|row| 5.0 * row as f32).collect();
        let exact = circle(&degrees);
        degrees[10] = 57.0;
        let shares = shared_neighbors(&exact, &circle(&degrees));
        assert_eq!(shares[0], 0.9);
        // Row 5 has eleven others and misses but the farthest: row 11 before, row 10 now.
        assert_eq!(shares[5], 0.9);
        assert_eq!(shares[11], 1.0, "row 0 stays the farthest from row 11");
    }

    #[test]
    fn neighbors_that_tie_with_the_tenth_are_as_good() {
        // Rows 10, 11 and 12 are one point: whichever two the other vectors put behind, nothing is lost.
        let mut degrees: Vec<f32> = (0..10).map(|row| 5.0 * row as f32).collect();
        degrees.extend([50.0, 50.0, 50.0]);
        let exact = circle(&degrees);
        degrees[10] = 52.0;
        degrees[11] = 51.0;
        assert_eq!(shared_neighbors(&exact, &circle(&degrees))[0], 1.0);
    }

    #[test]
    fn a_dot_product_is_the_sum_of_all_products() {
        for dim in [1, 15, 16, 17, 384] {
            let a: Vec<f32> = (0..dim).map(|i| (i % 7) as f32).collect();
            let b: Vec<f32> = (0..dim).map(|i| (i % 5) as f32).collect();
            let expected: usize = (0..dim).map(|i| (i % 7) * (i % 5)).sum();
            assert_eq!(dot(&a, &b), expected as f32, "whole numbers are exact");
        }
    }
}
