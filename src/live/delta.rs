//! Products that came after the build: new ones, and reworded ones whose row in the generation is masked. Few, so they are compared
//! one by one.

use std::sync::Arc;

use imbl::OrdMap;
use roaring::RoaringBitmap;

use crate::catalog::Product;
use crate::rank::{RowId, ScoredRow};

/// A product that the generation does not have in this form.
#[derive(Debug)]
pub(super) struct DeltaProduct {
    pub(super) product: Product,
    /// Of length 1; shared by the forms that the product takes as its offer changes.
    pub(super) vector: Arc<[f32]>,
    /// The family's number, one space with the generation's.
    pub(super) family: u32,
    /// The models that it fits, ascending.
    pub(super) models: Vec<String>,
}

/// The products of `delta` in `allowed` (all when `None`), scored by cosine similarity with `query`, in no order.
pub(super) fn scan<'a>(
    delta: &'a OrdMap<u32, Arc<DeltaProduct>>,
    query: &'a [f32],
    allowed: Option<&'a RoaringBitmap>,
) -> impl Iterator<Item = ScoredRow> + 'a {
    let rows = delta.iter().filter(move |(row, _)| allowed.is_none_or(|allowed| allowed.contains(**row)));
    rows.map(|(row, product)| ScoredRow { row: RowId(*row), score: dot(query, &product.vector) })
}

/// Sums in eight lanes, which the compiler keeps in registers.
fn dot(a: &[f32], b: &[f32]) -> f32 {
    let (a_lanes, a_rest) = a.as_chunks::<8>();
    let (b_lanes, b_rest) = b.as_chunks::<8>();
    let mut sums = [0f32; 8];
    for (a, b) in a_lanes.iter().zip(b_lanes) {
        for lane in 0..8 {
            sums[lane] += a[lane] * b[lane];
        }
    }
    let rest: f32 = a_rest.iter().zip(b_rest).map(|(a, b)| a * b).sum();
    sums.iter().sum::<f32>() + rest
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    proptest! {
        #[test]
        fn the_dot_product_is_the_plain_sum(pairs in prop::collection::vec((-1f32..1.0, -1f32..1.0), 0..70)) {
            let (a, b): (Vec<f32>, Vec<f32>) = pairs.iter().copied().unzip();
            let plain: f64 = pairs.iter().map(|(a, b)| f64::from(*a) * f64::from(*b)).sum();
            prop_assert!((f64::from(dot(&a, &b)) - plain).abs() < 1e-4);
        }
    }
}
