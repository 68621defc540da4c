//! How fine the codes are that walks compare.
//!
//! Codes of one digit, four bits a number, tell most products apart and are fastest. Where products are nearly alike, as names that
//! differ in their numbers alone, the nearest rows by codes are not the nearest: then each number gets a second digit.

use rayon::prelude::*;

use super::super::beam::Beam;
use super::super::codes::{self, Levels};
use super::super::exact;
use super::super::kernels;
use super::super::projection::Projection;
use super::super::walk::BLOCK;

/// Rows whose nearest are looked at, evenly spaced.
const ASKED: usize = 400;
/// So many of the nearest, each row itself among them, …
const NEAREST: usize = 11;
/// … should be among so many of the best by codes, …
const BEST: usize = 30;
/// … on average at least this share: the names of shops of many kinds of products have .999 …
const ENOUGH: f64 = 0.98;
/// … and of all but this share of the rows …
const POOR_SHARE: f64 = 0.01;
/// … at least this one: a group of products that are nearly alike may be a small part of a shop.
const ENOUGH_EACH: f64 = 0.8;

/// What the codes hold of a vector, where their levels lie, and the codes.
pub(super) struct Coding {
    pub(super) projection: Projection<'static>,
    pub(super) levels: Levels,
    pub(super) codes: Vec<u8>,
}

impl Coding {
    /// The coarsest codes that tell the rows of `vectors`, `dim` numbers each, apart.
    pub(super) fn find(vectors: &[f32], dim: usize) -> Self {
        let projection = Projection::fit(vectors, dim);
        let levels = Levels::fit(vectors, dim, &projection);
        let one = Self::with(vectors, dim, projection, levels);
        if one.finds_enough(vectors, dim) {
            return one;
        }
        let levels = one.levels.with_second_digit();
        Self::with(vectors, dim, one.projection, levels)
    }

    fn with(vectors: &[f32], dim: usize, projection: Projection<'static>, levels: Levels) -> Self {
        let codes = codes::encode(vectors, dim, &projection, &levels);
        Self { projection, levels, codes }
    }

    /// Whether the nearest rows are among the best by codes.
    fn finds_enough(&self, vectors: &[f32], dim: usize) -> bool {
        let shares = self.shares_found(vectors, dim);
        let num_poor = shares.iter().filter(|share| **share < ENOUGH_EACH).count();
        shares.iter().sum::<f64>() >= ENOUGH * shares.len() as f64
            && num_poor as f64 <= POOR_SHARE * shares.len() as f64
    }

    /// For each row asked, the share of its nearest that are among the best by codes.
    fn shares_found(&self, vectors: &[f32], dim: usize) -> Vec<f64> {
        let rows: Vec<u32> = (0..(vectors.len() / dim) as u32).collect();
        let num_asked = rows.len().min(ASKED);
        let vector = |row: u32| &vectors[row as usize * dim..][..dim];
        let queries: Vec<&[f32]> = (0..num_asked).map(|at| vector((at * rows.len() / num_asked) as u32)).collect();
        let share = |(query, truth): (&&[f32], exact::Truth)| {
            let best = self.best_by_codes(query, &rows);
            let score = |row: u32| kernels::dot()(query, vector(row));
            let hits = best.rows().iter().filter(|met| score(met.row()) >= truth.last - exact::TIE).count();
            hits.min(truth.count) as f64 / truth.count as f64
        };
        queries.par_iter().zip(exact::truths(vectors, &rows, &queries, NEAREST)).map(share).collect()
    }

    fn best_by_codes(&self, query: &[f32], rows: &[u32]) -> Beam {
        let (mut projected, mut scratch, mut query_codes) = Default::default();
        self.projection.apply(query, &mut scratch, &mut projected);
        codes::encode_query(&mut projected, &self.levels.step, &mut query_codes);
        let (mut beam, mut products, mut promising) = (Beam::default(), [0; BLOCK], Vec::new());
        beam.start(BEST);
        for block in rows.chunks(BLOCK) {
            let products = &mut products[..block.len()];
            kernels::score_unfetched(&self.codes, self.levels.stride(), block, &query_codes, products);
            beam.offer_all(block, products, &mut promising);
        }
        beam
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::index::hnsw::Hnsw;
    use crate::index::{IndexConfig, recall};

    const DIM: usize = 48;

    /// Vectors of length 1: around each of `centers` random ones, `rows` that differ from it by about `radius`.
    fn vectors(centers: usize, rows: usize, radius: f32) -> Vec<f32> {
        let mut seed = 11u32;
        let mut next = move || {
            seed = seed.wrapping_mul(1_664_525).wrapping_add(1_013_904_223);
            (seed >> 8) as f32 / (1 << 23) as f32 - 1.0
        };
        let mut all = Vec::new();
        for _ in 0..centers {
            let center: Vec<f32> = (0..DIM).map(|_| next()).collect();
            for _ in 0..rows {
                let row: Vec<f32> = center.iter().map(|x| x + radius * next()).collect();
                let length = row.iter().map(|x| x * x).sum::<f32>().sqrt();
                all.extend(row.iter().map(|x| x / length));
            }
        }
        all
    }

    #[test]
    fn numbers_get_a_second_digit_where_rows_are_nearly_alike_and_only_there() {
        let num_digits = |vectors: &[f32]| Coding::find(vectors, DIM).levels.step.len() / DIM;
        assert_eq!(num_digits(&vectors(1_000, 1, 0.0)), 1);
        assert_eq!(num_digits(&vectors(3, 300, 0.05)), 2);
        // A group of two in a hundred.
        assert_eq!(num_digits(&[vectors(4_900, 1, 0.0), vectors(1, 100, 0.05)].concat()), 2);
        // Copies of one text are no nearer to each other in finer codes.
        assert_eq!(num_digits(&vectors(3, 300, 0.0)), 1);
        assert_eq!(num_digits(&[]), 1);
    }

    /// The width at which recall reaches its floor, and that recall.
    fn widened(vectors: &[f32]) -> (usize, f64) {
        let dir = tempfile::tempdir().unwrap();
        let (path, config) = (dir.path().join("hnsw.bin"), IndexConfig::default());
        Hnsw::build(&path, vectors, DIM, &config, &mut |_| {}).unwrap();
        let (ef_search, measured) = recall::widen(&Hnsw::open(&path).unwrap(), &config).unwrap();
        (ef_search, measured.recall_at_10)
    }

    #[test]
    fn rows_that_are_nearly_alike_are_found_without_a_wider_walk() {
        let (ef_search, recall) = widened(&[vectors(500, 1, 0.0), vectors(3, 300, 0.2)].concat());
        assert!(ef_search == IndexConfig::default().ef_search && recall >= 0.96, "{recall} at {ef_search}");
    }

    #[test]
    fn rows_around_one_in_their_middle_are_found() {
        // The generator starts anew: these three are the centers of the others.
        let (ef_search, recall) = widened(&[vectors(3, 1, 0.0), vectors(3, 300, 0.3)].concat());
        assert!(ef_search == IndexConfig::default().ef_search && recall >= 0.98, "{recall} at {ef_search}");
    }
}
