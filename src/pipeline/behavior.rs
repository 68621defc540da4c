//! What a build learns from the shop's events, for the rows of the generation that it writes: the one place where orders, vectors and the
//! training of the map of complements meet.

use std::borrow::Cow;
use std::collections::HashMap;

use super::error::BuildError;
use crate::behavior::{
    self, Baskets, BehaviorConfig, ComplementShop, Complements, Learned, LearnedCounts, NO_CATEGORY, ProductFacts,
    SessionVectors,
};
use crate::catalog::{CATEGORY_SEPARATOR, Product};
use crate::events::History;
use crate::index::{FileDigest, IndexConfig, WrittenRows};
use crate::rank::RowId;

/// The files written, and from how much was learned.
type Written = (Vec<(String, FileDigest)>, LearnedCounts);

/// Learns from `history` and writes the tables beside the rows; returns the files and from how much was learned, or no file where the
/// history says nothing of any product. `progress` is told the steps of the map's training done, and all.
///
/// Returns an error if a file cannot be written or the map cannot be learned.
pub(super) fn write(
    rows: &WrittenRows<'_>,
    products: &[Product],
    history: History,
    (config, index): (&BehaviorConfig, &IndexConfig),
    progress: &mut dyn FnMut(usize, usize),
) -> Result<Written, BuildError> {
    let ids = (0..rows.products.num_rows() as u32).map(|row| rows.products.id(RowId(row)).unwrap_or_default());
    let now_s = u32::try_from(jiff::Timestamp::now().as_second()).unwrap_or(u32::MAX);
    let history = history.for_products(ids.clone()).as_of(now_s);
    if history.num_interactions() == 0 {
        return Ok((Vec::new(), LearnedCounts::default()));
    }
    let mut facts = facts(ids, products);
    facts.attributes_of =
        (0..rows.products.num_rows() as u32).map(|row| rows.comparison.attributes(RowId(row))).collect();
    let mut learned = Learned::from_history(&history, &facts, config);
    let baskets = Baskets::of(&history);
    drop(history);
    let vector = |product: u32| rows.vector(RowId(product)).map(Cow::Owned);
    let dim = rows.vector(RowId(0)).map_or(0, |vector| vector.len());
    let vectors = SessionVectors::new(learned.sessions.view(), dim, config, vector);
    let mut files = behavior::write(rows.dir, &learned, &vectors, index)?;
    drop(vectors);
    let Complements { map, num_pairs } = complements(rows, &learned.category_of, (&baskets, dim), config, progress)?;
    (learned.counts.pairs, learned.counts.has_map) = (num_pairs, map.is_some());
    if let Some(map) = map {
        files.push(behavior::write_map(rows.dir, &map)?);
    }
    Ok((files, learned.counts))
}

/// Two products of one leaf category with a cosine similarity above this are alike, below what makes two of any category alike.
const MAX_COSINE_IN_LEAF: f32 = 0.75;

/// The map of complements for the rows. Alike are those of a family, those near to one another, and, nearer than most, those of one category.
fn complements(
    rows: &WrittenRows<'_>,
    category_of: &[u32],
    (baskets, dim): (&Baskets, usize),
    config: &BehaviorConfig,
    progress: &mut dyn FnMut(usize, usize),
) -> Result<Complements, BuildError> {
    let num_rows = rows.products.num_rows() as u32;
    let vectors: Vec<f32> =
        (0..num_rows).flat_map(|row| rows.vector(RowId(row)).unwrap_or_else(|| vec![0.0; dim])).collect();
    let vector = |row: u32| vectors.get(row as usize * dim..).and_then(|rest| rest.get(..dim)).unwrap_or_default();
    let nearest = |row: u32, k: usize| {
        // The rows' own vectors have the dimensions of their index.
        let found = rows.nearest(vector(row), k).unwrap_or_default();
        found.into_iter().map(|scored| scored.row.0).collect()
    };
    let category = |row: u32| category_of.get(row as usize).filter(|&&category| category != NO_CATEGORY);
    let are_alike = |a: u32, b: u32| {
        let of_category = category(a).is_some_and(|of_a| category(b) == Some(of_a));
        let most = if of_category {
            MAX_COSINE_IN_LEAF.min(config.complement.max_cosine)
        } else {
            config.complement.max_cosine
        };
        let family = |row: u32| rows.products.family(RowId(row));
        family(a) == family(b) || dot(vector(a), vector(b)) > most
    };
    let shop = ComplementShop { vectors: &vectors, dim, nearest: &nearest, are_alike: &are_alike };
    Ok(behavior::complements(baskets, &shop, config, progress)?)
}

fn dot(a: &[f32], b: &[f32]) -> f32 {
    a.iter().zip(b).map(|(x, y)| x * y).sum()
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
