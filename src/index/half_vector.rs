//! A vector as half-precision numbers: what a generation keeps and scores, and so what is compared with its rows.

use half::f16;
use half::slice::{HalfBitsSliceExt, HalfFloatSliceExt};

use super::kernels;

/// A vector of length 1 but for rounding to half precision.
#[derive(Debug, Clone, PartialEq)]
pub struct HalfVector(Box<[u16]>);

impl HalfVector {
    /// Rounds `vector`.
    pub fn new(vector: &[f32]) -> Self {
        let mut bits = vec![0; vector.len()].into_boxed_slice();
        bits.reinterpret_cast_mut::<f16>().convert_from_f32_slice(vector);
        Self(bits)
    }

    /// The rounded numbers.
    pub fn to_vec(&self) -> Vec<f32> {
        widen(&self.0)
    }

    /// Cosine similarity with `query`, of length 1 and as many numbers; the same as that of a generation's row with this vector.
    pub fn score(&self, query: &[f32]) -> f32 {
        score(kernels::dot_half(), query, &self.0)
    }
}

/// The numbers with these bits.
pub(super) fn widen(bits: &[u16]) -> Vec<f32> {
    bits.reinterpret_cast::<f16>().to_f32_vec()
}

/// Cosine similarity of vectors of length 1.
pub(super) fn score(dot: kernels::DotHalf, query: &[f32], bits: &[u16]) -> f32 {
    dot(query, bits).clamp(-1.0, 1.0)
}
