//! The nearest rows by comparing every vector: what builds and measurements judge codes and walks by.

use rayon::prelude::*;

use super::kernels;

/// A row whose score is this near to the last of the nearest is as good: copies of one text tie.
pub const TIE: f32 = 1e-6;
/// Queries that are answered in one reading of the vectors …
const QUERIES_TOGETHER: usize = 16;
/// … so many rows at a time.
const ROWS_TOGETHER: usize = 256;

/// The nearest rows of a query, as far as a recall needs to know them.
#[derive(Debug, Clone, Copy)]
pub struct Truth {
    /// The score of the last of them, which a row must reach to be one.
    pub last: f32,
    /// How many there are.
    pub count: usize,
}

/// What the `k` nearest of `rows` of `vectors` score for each of `queries`, all with as many numbers, on all threads.
pub fn truths(vectors: &[f32], rows: &[u32], queries: &[&[f32]], k: usize) -> Vec<Truth> {
    queries.par_chunks(QUERIES_TOGETHER).flat_map_iter(|queries| of_some(vectors, rows, queries, k)).collect()
}

/// Block of rows after block of rows, so that a block is read from memory once for all of `queries`.
fn of_some(vectors: &[f32], rows: &[u32], queries: &[&[f32]], k: usize) -> Vec<Truth> {
    let dot = kernels::dot();
    let mut best = vec![Vec::with_capacity(k + 1); queries.len()];
    for block in rows.chunks(ROWS_TOGETHER) {
        for (query, best) in queries.iter().zip(&mut best) {
            for row in block {
                keep(best, k, dot(query, &vectors[*row as usize * query.len()..][..query.len()]));
            }
        }
    }
    let truth = |best: Vec<f32>| Truth { last: best.last().copied().unwrap_or(f32::INFINITY), count: best.len() };
    best.into_iter().map(truth).collect()
}

/// Keeps `score` among the `k` highest, which descend.
fn keep(best: &mut Vec<f32>, k: usize, score: f32) {
    if best.len() < k || best.last().is_some_and(|last| score > *last) {
        best.insert(best.partition_point(|kept| *kept >= score), score);
        best.truncate(k);
    }
}
