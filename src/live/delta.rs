//! Products that came after the build: new ones, and reworded ones whose row in the generation is masked. Few, so they are compared
//! one by one.

use std::sync::Arc;

use imbl::OrdMap;
use roaring::RoaringBitmap;

use crate::catalog::{Attribute, Product};
use crate::index::HalfVector;
use crate::rank::{RowId, ScoredRow};

/// A product that the generation does not have in this form.
#[derive(Debug)]
pub(super) struct DeltaProduct {
    pub(super) product: Product,
    /// Of length 1; shared by the forms that the product takes as its offer changes.
    pub(super) vector: Arc<HalfVector>,
    /// The family's number, one space with the generation's.
    pub(super) family: u32,
    /// The models that it fits, ascending.
    pub(super) models: Vec<String>,
    /// Its comparable values, by kind.
    pub(super) attributes: Vec<Attribute>,
}

/// The products of `delta` in `allowed` (all when `None`), scored by cosine similarity with `query`, in no order.
pub(super) fn scan<'a>(
    delta: &'a OrdMap<u32, Arc<DeltaProduct>>,
    query: &'a [f32],
    allowed: Option<&'a RoaringBitmap>,
) -> impl Iterator<Item = ScoredRow> + 'a {
    let rows = delta.iter().filter(move |(row, _)| allowed.is_none_or(|allowed| allowed.contains(**row)));
    rows.map(|(row, product)| ScoredRow { row: RowId(*row), score: product.vector.score(query) })
}
