//! Vectors as bytes: what the walk over the graph compares. An eighth of the memory of f32, and one instruction for 64 products.
//!
//! A number `x` of a vector, projected as [`super::projection`] says, becomes `round(x * scale)`, cut to `[-127, 127]`. One scale serves the whole file: the
//! largest magnitude that all but one in [`CLIPPED`] numbers stay below is mapped to 127. Stored codes are shifted by
//! 128 to be unsigned, as the byte instructions want one unsigned and one signed side; rows are padded with zeros to a multiple
//! of [`PAD`].

use rayon::prelude::*;

use super::projection::Projection;

/// Rows are padded to a multiple of this, a cache line.
pub const PAD: usize = 64;
/// One number in so many may be cut.
const CLIPPED: usize = 10_000;
/// The largest magnitude of a code.
pub const LARGEST: f32 = 127.0;
/// A stored code of zero.
pub const ZERO: u8 = 128;

/// Bytes of a row of `dim` numbers.
pub fn stride(dim: usize) -> usize {
    dim.next_multiple_of(PAD)
}

/// Rows of codes with their common scale.
#[derive(Debug, Clone, PartialEq)]
pub struct Codes {
    /// Codes a row, zeros behind `dim` included.
    pub stride: usize,
    /// What a number was multiplied by.
    pub scale: f32,
    /// Row after row.
    pub bytes: Vec<u8>,
}

impl Codes {
    /// Encodes `vectors`, row after row of `dim` numbers.
    pub fn encode(vectors: &[f32], dim: usize, projection: &Projection<'_>) -> Self {
        let (stride, scale) = (stride(projection.num_directions()), scale_of(vectors, dim, projection));
        let mut bytes = vec![ZERO; vectors.len() / dim * stride];
        let rows = bytes.par_chunks_mut(stride).zip(vectors.par_chunks(dim));
        rows.for_each_init(Default::default, |(scratch, projected), (row, vector)| {
            projection.apply(vector, scratch, projected);
            encode_row(projected, scale, row);
        });
        Self { stride, scale, bytes }
    }
}

/// Writes the codes of `numbers` to `row`; what is left of it stays.
pub fn encode_row(numbers: &[f32], scale: f32, row: &mut [u8]) {
    row.iter_mut().zip(numbers).for_each(|(code, x)| *code = (quantise(*x, scale) as u8) ^ ZERO);
}

fn quantise(x: f32, scale: f32) -> i8 {
    // Half away from zero; the cast cuts what is left behind the point.
    (x * scale + 0.5f32.copysign(x)).clamp(-LARGEST, LARGEST) as i8
}

/// [`scale_for`] the projected numbers of a sample.
fn scale_of(vectors: &[f32], dim: usize, projection: &Projection<'_>) -> f32 {
    const SAMPLE: usize = 10_000;
    let step = (vectors.len() / dim / SAMPLE).max(1);
    let (mut scratch, mut projected) = Default::default();
    let mut magnitudes: Vec<f32> = Vec::new();
    for vector in vectors.chunks_exact(dim).step_by(step) {
        projection.apply(vector, &mut scratch, &mut projected);
        magnitudes.extend(projected.iter().map(|x| x.abs()));
    }
    scale_for(magnitudes)
}

/// [`LARGEST`] over the magnitude that all but one in [`CLIPPED`] of these stay below.
pub fn scale_for(mut magnitudes: Vec<f32>) -> f32 {
    if magnitudes.is_empty() {
        return LARGEST;
    }
    let at = magnitudes.len() - 1 - magnitudes.len() / CLIPPED;
    let (_, largest, _) = magnitudes.select_nth_unstable_by(at, f32::total_cmp);
    if *largest > 0.0 { LARGEST / *largest } else { LARGEST }
}

/// A query as signed codes, with what turns a product of codes into a cosine.
#[derive(Debug, Clone, Default)]
pub struct QueryCodes {
    codes: Vec<i8>,
    /// 128 times the sum of the codes: what the shift of the stored side adds to every product.
    shift: i32,
}

impl QueryCodes {
    /// Encodes a query, projected if rows are, into the memory of the one before.
    pub fn set_numbers(&mut self, query: &[f32], scale: f32) {
        self.codes.clear();
        self.codes.extend(query.iter().map(|x| quantise(*x, scale)));
        self.finish(stride(query.len()));
    }

    /// Takes a stored row as the query.
    pub fn set_row(&mut self, row: &[u8]) {
        self.codes.clear();
        self.codes.extend(row.iter().map(|code| (code ^ ZERO) as i8));
        self.finish(row.len());
    }

    fn finish(&mut self, stride: usize) {
        self.codes.resize(stride, 0);
        self.shift = i32::from(ZERO) * self.codes.iter().map(|code| i32::from(*code)).sum::<i32>();
    }

    /// The codes, one row long.
    pub fn codes(&self) -> &[i8] {
        &self.codes
    }

    /// What a product of codes has too much.
    pub fn shift(&self) -> i32 {
        self.shift
    }
}
