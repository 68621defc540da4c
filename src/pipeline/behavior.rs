//! What a build learns from the shop's events, for the rows of the generation that it writes.

use std::borrow::Cow;
use std::collections::HashMap;

use crate::behavior::{self, BehaviorConfig, Learned, LearnedCounts, NO_CATEGORY, ProductFacts, SessionVectors};
use crate::catalog::{CATEGORY_SEPARATOR, Product};
use crate::events::History;
use crate::index::{FileDigest, IndexConfig, IndexError, WrittenRows};
use crate::rank::RowId;

/// Learns from `history` and writes the tables beside the rows; returns the files and from how much was learned, or no file where the
/// history says nothing of any product.
///
/// Returns an error if a file cannot be written.
pub(super) fn write(
    rows: &WrittenRows<'_>,
    products: &[Product],
    history: History,
    (config, index): (&BehaviorConfig, &IndexConfig),
) -> Result<(Vec<(String, FileDigest)>, LearnedCounts), IndexError> {
    let ids = (0..rows.products.num_rows() as u32).map(|row| rows.products.id(RowId(row)).unwrap_or_default());
    let now_s = u32::try_from(jiff::Timestamp::now().as_second()).unwrap_or(u32::MAX);
    let history = history.for_products(ids.clone()).as_of(now_s);
    if history.num_interactions() == 0 {
        return Ok((Vec::new(), LearnedCounts::default()));
    }
    let mut facts = facts(ids, products);
    facts.attributes_of =
        (0..rows.products.num_rows() as u32).map(|row| rows.comparison.attributes(RowId(row))).collect();
    let learned = Learned::from_history(&history, &facts, config);
    drop(history);
    let vector = |product: u32| rows.vector(RowId(product)).map(Cow::Owned);
    let dim = rows.vector(RowId(0)).map_or(0, |vector| vector.len());
    let vectors = SessionVectors::new(learned.sessions.view(), dim, config, vector);
    Ok((behavior::write(rows.dir, &learned, &vectors, index)?, learned.counts))
}

/// Category and price of each of `ids`; categories are numbered by their names.
fn facts<'i>(ids: impl Iterator<Item = &'i str>, products: &[Product]) -> ProductFacts {
    let by_id: HashMap<&str, &Product> = products.iter().map(|product| (product.id.as_str(), product)).collect();
    let in_order: Vec<Option<&Product>> = ids.map(|id| by_id.get(id).copied()).collect();
    let category = |product: &Product| product.main_category().join(CATEGORY_SEPARATOR);
    let mut names: Vec<String> = in_order.iter().flatten().map(|product| category(product)).collect();
    names.retain(|name| !name.is_empty());
    names.sort_unstable();
    names.dedup();
    let number = |product: &&Product| names.binary_search(&category(product)).ok().map(|at| at as u32);
    let price = |product: &&Product| {
        let price = product.effective_price()?;
        Some(price.minor as f32 / 10f32.powi(price.currency.exponent() as i32))
    };
    ProductFacts {
        category_of: in_order.iter().map(|at| at.as_ref().and_then(number).unwrap_or(NO_CATEGORY)).collect(),
        num_categories: names.len(),
        price_of: in_order.iter().map(|at| at.as_ref().and_then(price).unwrap_or(f32::NAN)).collect(),
        attributes_of: Vec::new(),
    }
}
