//! The nearest rows by comparing every vector: what builds and measurements judge codes and walks by.

use rayon::prelude::*;

use super::kernels;

/// A row whose score is this near to the last of the nearest is as good: copies of one text tie.
pub const TIE: f32 = 1e-6;
/// Queries that are answered in one reading of the vectors …
const QUERIES_TOGETHER: usize = 64;
/// … so many rows at a time.
const ROWS_TOGETHER: usize = 256;

/// The score that a row must reach to be among a query's nearest, and how many these are.
pub type Truth = (f32, usize);

/// What the `k` nearest of `rows` of `vectors` score for each of `queries`, all with as many numbers, on all threads.
pub fn nearest(vectors: &[f32], rows: &[u32], queries: &[&[f32]], k: usize) -> Vec<Truth> {
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
    best.into_iter().map(|best| (best.last().copied().unwrap_or(f32::INFINITY), best.len())).collect()
}

/// Keeps `score` among the `k` highest, which descend.
fn keep(best: &mut Vec<f32>, k: usize, score: f32) {
    if best.len() < k || best.last().is_some_and(|last| score > *last) {
        best.insert(best.partition_point(|kept| *kept >= score), score);
        best.truncate(k);
    }
}
