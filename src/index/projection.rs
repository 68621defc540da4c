//! The directions in which the vectors of an index differ most: their codes hold these alone.
//!
//! Embeddings crowd into part of their space. Of 384 dimensions of product names, the 256 best directions hold 95 % of the
//! squared length. A walk that compares fewer bytes waits less for memory, and exact scores for its best rows make up for
//! the rest (as in LeanVec, TMLR 2024).
//!
//! The directions are the leading eigenvectors of the second moments, found by subspace iteration and kept as bytes. Sums are made
//! by [`super::kernels`] in one order on every processor, so the same vectors give the same directions everywhere.

use std::borrow::Cow;

use rayon::prelude::*;

use super::codes;
use super::kernels;

/// Directions are added, so many at a time, which fill a cache line, …
const STEP: usize = codes::LINE_NUMBERS;
/// … until they hold this share of the squared length of the vectors.
const KEPT_SHARE: f64 = 0.88;
/// Rows that the directions are found from, evenly spaced.
const SAMPLE: usize = 20_000;
/// Rounds of subspace iteration for each number of directions.
const ROUNDS: usize = 24;

/// Directions of length 1, at right angles to each other, as bytes; or all dimensions as they are.
#[derive(Debug, Clone, PartialEq)]
pub struct Projection<'a> {
    dim: usize,
    /// What a number of a direction was multiplied by to become a code.
    scale: f32,
    /// Direction after direction, `dim` rounded up to a multiple of [`PAD`] bytes each, shifted by [`ZERO`];
    /// empty when all dimensions are kept.
    codes: Cow<'a, [u8]>,
}

/// Memory for [`Projection::apply`].
#[derive(Debug, Clone, Default)]
pub struct Scratch {
    vector: Vec<i8>,
    products: Vec<i32>,
}

/// A stored code of zero: the byte instructions want one side unsigned.
const ZERO: u8 = 128;
/// Rows of directions are padded to a multiple of this, a cache line.
const PAD: usize = 64;

impl<'a> Projection<'a> {
    /// All dimensions as they are.
    pub fn whole(dim: usize) -> Self {
        Self { dim, scale: 1.0, codes: Cow::Borrowed(&[]) }
    }

    /// From what [`Projection::codes`] and [`Projection::scale`] give; `None` unless the codes are fewer than `dim` rows.
    pub fn new(codes: &'a [u8], scale: f32, dim: usize) -> Option<Self> {
        let stride = dim.next_multiple_of(PAD).max(PAD);
        let fits = codes.len().is_multiple_of(stride) && codes.len() / stride <= dim;
        fits.then_some(Self { dim, scale, codes: codes.into() })
    }

    /// Direction after direction; empty when all dimensions are kept.
    pub fn codes(&self) -> &[u8] {
        &self.codes
    }

    /// What a number of a direction was multiplied by to become a code.
    pub fn scale(&self) -> f32 {
        self.scale
    }

    /// Numbers of a projected vector.
    pub fn num_directions(&self) -> usize {
        if self.codes.is_empty() { self.dim } else { self.codes.len() / self.dim.next_multiple_of(PAD) }
    }

    /// Writes the parts of `vector` along each direction to `out`.
    pub fn apply(&self, vector: &[f32], scratch: &mut Scratch, out: &mut Vec<f32>) {
        out.clear();
        if self.codes.is_empty() {
            out.extend_from_slice(vector);
            return;
        }
        let scale = codes::LARGEST / codes::largest(vector);
        scratch.vector.resize(self.dim.next_multiple_of(PAD), 0);
        codes::quantise(vector.iter().copied(), scale, &mut scratch.vector);
        scratch.products.resize(self.num_directions(), 0);
        kernels::multiply()(&self.codes, &scratch.vector, &mut scratch.products);
        // What the shift of the directions adds to every product.
        let shift = i32::from(ZERO) * scratch.vector.iter().map(|code| i32::from(*code)).sum::<i32>();
        let factor = 1.0 / (scale * self.scale);
        out.extend(scratch.products.iter().map(|product| (product - shift) as f32 * factor));
    }

    fn of_directions(directions: &[Vec<f32>], dim: usize) -> Projection<'static> {
        let magnitudes = directions.iter().flatten().map(|x| x.abs()).collect();
        let scale = codes::scale_for(magnitudes);
        let stride = dim.next_multiple_of(PAD);
        let (mut codes, mut row) = (Vec::with_capacity(directions.len() * stride), vec![0i8; stride]);
        for direction in directions {
            codes::quantise(direction.iter().copied(), scale, &mut row);
            codes.extend(row.iter().map(|code| *code as u8 ^ ZERO));
        }
        Projection { dim, scale, codes: codes.into() }
    }

    /// Finds the directions of `vectors`, row after row of `dim` numbers.
    pub fn fit(vectors: &[f32], dim: usize) -> Projection<'static> {
        if dim <= STEP || vectors.is_empty() {
            return Projection::whole(dim);
        }
        let moments = Moments::of(vectors, dim);
        let mut directions: Vec<Vec<f32>> = Vec::new();
        while directions.len() + STEP < dim {
            // A start that no direction is at right angles to: unit vectors, which the rounds turn.
            directions.extend((directions.len()..directions.len() + STEP).map(|at| unit(at, dim)));
            for _ in 0..ROUNDS {
                directions = moments.turn(&directions);
                orthonormalise(&mut directions);
            }
            if moments.share(&directions) >= KEPT_SHARE {
                return Projection::of_directions(&directions, dim);
            }
        }
        Projection::whole(dim)
    }
}

fn unit(at: usize, dim: usize) -> Vec<f32> {
    (0..dim).map(|place| if place == at { 1.0 } else { 0.0 }).collect()
}

/// The mean of `x xᵀ` over a sample.
struct Moments {
    /// Row after row.
    rows: Vec<Vec<f32>>,
}

impl Moments {
    fn of(vectors: &[f32], dim: usize) -> Self {
        let num_rows = vectors.len() / dim;
        let step = (num_rows / SAMPLE).max(1);
        let sample: Vec<&[f32]> = vectors.chunks_exact(dim).step_by(step).collect();
        let columns: Vec<Vec<f32>> =
            (0..dim).into_par_iter().map(|at| sample.iter().map(|row| row[at]).collect()).collect();
        let (dot, count) = (kernels::dot(), sample.len() as f32);
        let row = |a: &Vec<f32>| columns.iter().map(|b| dot(a, b) / count).collect();
        Self { rows: columns.par_iter().map(row).collect() }
    }

    fn turn(&self, directions: &[Vec<f32>]) -> Vec<Vec<f32>> {
        let dot = kernels::dot();
        directions.par_iter().map(|direction| self.rows.iter().map(|row| dot(row, direction)).collect()).collect()
    }

    /// The share of the squared length that lies along the directions.
    fn share(&self, directions: &[Vec<f32>]) -> f64 {
        let dot = kernels::dot();
        let all: f64 = self.rows.iter().enumerate().map(|(at, row)| f64::from(row[at])).sum();
        let along = directions.iter().zip(self.turn(directions)).map(|(a, b)| f64::from(dot(a, &b)));
        along.sum::<f64>() / all
    }
}

/// Gram–Schmidt, in order; a direction that the ones before it leave nothing of stays short and is of no harm.
fn orthonormalise(directions: &mut [Vec<f32>]) {
    let dot = kernels::dot();
    for at in 0..directions.len() {
        let (before, rest) = directions.split_at_mut(at);
        let direction = &mut rest[0];
        for other in before {
            let along = dot(direction, other);
            direction.iter_mut().zip(other).for_each(|(x, y)| *x -= along * *y);
        }
        let length = dot(direction, direction).sqrt();
        if length > f32::MIN_POSITIVE {
            direction.iter_mut().for_each(|x| *x /= length);
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Vectors of length 1 in 256 dimensions that lie in a tilted space of 40, but for noise.
    fn flat_vectors() -> Vec<f32> {
        let mut seed = 1u32;
        let mut next = move || {
            seed = seed.wrapping_mul(1_664_525).wrapping_add(1_013_904_223);
            (seed >> 8) as f32 / (1 << 23) as f32 - 1.0
        };
        let axes: Vec<Vec<f32>> = (0..40).map(|_| (0..256).map(|_| next()).collect()).collect();
        let mut vectors = Vec::new();
        for _ in 0..600 {
            let mut row = vec![0f32; 256];
            for axis in &axes {
                let part = next();
                row.iter_mut().zip(axis).for_each(|(x, y)| *x += part * y);
            }
            row.iter_mut().for_each(|x| *x += 0.3 * next());
            let length = row.iter().map(|x| x * x).sum::<f32>().sqrt();
            vectors.extend(row.iter().map(|x| x / length));
        }
        vectors
    }

    #[test]
    fn projected_vectors_keep_their_products_when_they_lie_in_few_directions() {
        let vectors = flat_vectors();
        let projection = Projection::fit(&vectors, 256);
        assert_eq!(projection.num_directions(), 128);
        let project = |vector| {
            let mut out = Vec::new();
            projection.apply(vector, &mut Scratch::default(), &mut out);
            out
        };
        let dot = |a: &[f32], b: &[f32]| a.iter().zip(b).map(|(x, y)| x * y).sum::<f32>();
        let rows: Vec<&[f32]> = vectors.chunks(256).take(40).collect();
        for (a, b) in rows.iter().flat_map(|a| rows.iter().map(move |b| (*a, *b))) {
            let (whole, projected) = (dot(a, b), dot(&project(a), &project(b)));
            assert!((whole - projected).abs() < 0.06, "{whole} became {projected}");
        }
    }

    #[test]
    fn vectors_that_fill_their_space_keep_all_dimensions() {
        let units: Vec<f32> = (0..256).flat_map(|at| unit(at, 256)).collect();
        let projection = Projection::fit(&units, 256);
        assert!(projection.codes().is_empty());
        let mut out = Vec::new();
        projection.apply(&units[256..512], &mut Scratch::default(), &mut out);
        assert_eq!(out, units[256..512]);
    }
}
