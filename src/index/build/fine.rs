//! Vectors as signed bytes, a number each: fine enough to tell near rows apart when links are chosen, where the codes of four bits that
//! walks compare would not do.

use rayon::prelude::*;

use super::super::codes;
use super::super::kernels::{self, SquaredDistance};

/// Rows are padded to a multiple of this.
const PAD: usize = 32;
/// Rows that the scale is found from, evenly spaced.
const SAMPLE: usize = 2_000;

/// All rows, in one scale.
pub(super) struct FineRows {
    bytes: Vec<i8>,
    stride: usize,
    distance: SquaredDistance,
}

impl FineRows {
    /// Encodes `vectors`, row after row of `dim` numbers.
    pub(super) fn encode(vectors: &[f32], dim: usize) -> Self {
        let every = (vectors.len() / dim / SAMPLE).max(1);
        let sample = vectors.chunks_exact(dim).step_by(every).flatten();
        let scale = codes::scale_for(sample.map(|x| x.abs()).collect());
        let stride = dim.next_multiple_of(PAD);
        let mut bytes = vec![0; vectors.len() / dim * stride];
        let rows = bytes.par_chunks_mut(stride).zip(vectors.par_chunks(dim));
        rows.for_each(|(row, vector)| codes::quantise(vector.iter().copied(), scale, row));
        Self { bytes, stride, distance: kernels::squared_distance() }
    }

    /// The row's bytes.
    pub(super) fn row(&self, row: u32) -> &[i8] {
        &self.bytes[row as usize * self.stride..][..self.stride]
    }

    /// Squared distance of two rows.
    pub(super) fn distance(&self, a: u32, b: u32) -> i32 {
        (self.distance)(self.row(a), self.row(b))
    }

    /// Asks for the row's bytes, which will be read soon.
    pub(super) fn fetch(&self, row: u32) {
        kernels::fetch(&self.bytes, row as usize * self.stride, self.stride);
    }
}
