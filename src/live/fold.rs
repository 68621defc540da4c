//! Changes put into the products of a feed, so that the next generation has them.
//!
//! A feed is the shop as it was when the file was written: a change that is older than the file is *superseded* by it, a younger one is
//! *folded* in.

use std::collections::HashMap;
use std::str::FromStr;

use serde::{Deserialize, Serialize};

use super::change::{Change, Entry};
use super::error::LiveError;
use super::log::ChangeLog;
use crate::catalog::{Offer, Product, ProductId};
use crate::index::LiveMark;

/// Which changes a build folds in.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum FoldChanges {
    /// Those younger than the feed file; older ones are superseded by it.
    #[default]
    Newer,
    /// All that are kept.
    All,
    /// None: the feed supersedes every one.
    None,
}

impl FromStr for FoldChanges {
    type Err = String;

    fn from_str(word: &str) -> Result<Self, String> {
        match word {
            "newer" => Ok(Self::Newer),
            "all" => Ok(Self::All),
            "none" => Ok(Self::None),
            _ => Err(format!("`{word}` is not newer, all or none")),
        }
    }
}

impl FoldChanges {
    /// The time, in milliseconds since 1970, from which on changes are folded in, for a feed written at `written_ms`.
    pub fn first_ms(self, written_ms: i64) -> i64 {
        match self {
            Self::Newer => written_ms,
            Self::All => i64::MIN,
            Self::None => i64::MAX,
        }
    }
}

/// What became of the changes.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct Folded {
    /// Up to where the changes are settled in the products; `None` without a log.
    pub mark: Option<LiveMark>,
    /// Changes that are now in the products.
    pub num_folded: u64,
    /// Changes that are older than the feed, or of products that it does not have.
    pub num_superseded: u64,
}

/// Puts the changes of `log` up to number `last`, made at or after `first_ms`, into `products`. New products come at the end.
///
/// Returns an error if the log cannot be read.
pub fn fold(log: &mut ChangeLog, last: u64, first_ms: i64, products: &mut Vec<Product>) -> Result<Folded, LiveError> {
    let mut shelf = Shelf::of(products);
    let mark = LiveMark { log: log.name().to_owned(), seq: last };
    let mut folded = Folded { mark: Some(mark), ..Folded::default() };
    log.read_since(0, &mut |Entry { seq, at_ms, change }| {
        if seq <= last {
            let is_in = at_ms >= first_ms && shelf.apply(change);
            folded.num_folded += u64::from(is_in);
            folded.num_superseded += u64::from(!is_in);
        }
        Ok(())
    })?;
    *products = shelf.into_products();
    Ok(folded)
}

/// Products by id, in their order.
struct Shelf {
    places: HashMap<ProductId, usize>,
    products: Vec<Option<Product>>,
}

impl Shelf {
    fn of(products: &mut Vec<Product>) -> Self {
        let products: Vec<Option<Product>> = std::mem::take(products).into_iter().map(Some).collect();
        let ids = products.iter().flatten().map(|product| product.id.clone());
        Self { places: ids.zip(0..).collect(), products }
    }

    /// Whether the change has an effect.
    fn apply(&mut self, change: Change) -> bool {
        match change {
            Change::Upsert(upsert) => {
                let product = upsert.product;
                match self.places.get(&product.id) {
                    Some(&place) => self.products[place] = Some(product),
                    None => {
                        self.places.insert(product.id.clone(), self.products.len());
                        self.products.push(Some(product));
                    }
                }
                true
            }
            Change::Patch { id, patch } => {
                let product = self.places.get(&id).and_then(|&place| self.products[place].as_mut());
                let Some(product) = product else { return false };
                patch.applied_to(&Offer::of(product)).put_into(product);
                true
            }
            Change::Delete { id } => match self.places.get(&id) {
                Some(&place) => self.products[place].take().is_some(),
                None => false,
            },
        }
    }

    fn into_products(self) -> Vec<Product> {
        self.products.into_iter().flatten().collect()
    }
}
