//! What a shopper bought before: products with the number of orders, which shops whose buyers come back for the same show again.
//!
//! [`EventStore::bought`] reads one shopper's purchases through the indexes, by a connection of its own that does not wait for the writer;
//! [`bought_by_shopper`] counts them, here and wherever a [`History`] is measured. Whose a purchase is, and which order a refund takes back,
//! [`super::sessions`] decides.

use std::collections::{HashMap, HashSet};

use super::error::EventError;
use super::file::reader;
use super::history::{History, NO_ORDER};
use super::identity::{Domain, IdentityKey};
use super::kind::EventKind;
use super::sessions::{BuyerHash, history_of};
use super::store::EventStore;
use super::tables::is_there;

/// Most lines of purchases of one shopper that count, the newest.
pub const MAX_BOUGHT_LINES: usize = 500;

/// Whose purchases count.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Buyer {
    /// A user's, on whatever device, by their id.
    User(String),
    /// Those made on a visitor's device, by its id: who is not signed in need not be who once was.
    Visitor(String),
}

impl Buyer {
    pub(super) fn hashed(&self, key: &IdentityKey) -> BuyerHash {
        match self {
            Self::User(id) => BuyerHash::User(key.hash(Domain::Shopper, id)),
            Self::Visitor(id) => BuyerHash::Visitor(key.hash(Domain::Shopper, id)),
        }
    }
}

/// A product that a shopper bought.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct BoughtProduct {
    /// Its id.
    pub product: String,
    /// Orders of the shopper's with it, 1 or more.
    pub num_orders: u32,
}

/// What each shopper of `history` ([`Session::visitor`](super::Session::visitor)) bought: numbers of products, each with how many orders
/// of the shopper's hold it, the most first. Counted are the newest [`MAX_BOUGHT_LINES`] lines of purchases, without those that were sent back
/// whole and what is of no order.
pub fn bought_by_shopper(history: &History) -> HashMap<u32, Vec<(u32, u32)>> {
    let mut lines = Vec::new();
    let mut left: HashMap<(u32, u32), i64> = HashMap::new();
    for session in history.sessions() {
        for step in session.interactions.iter().filter(|step| step.order != NO_ORDER) {
            let pieces = left.entry((step.order, step.product)).or_default();
            match step.kind {
                EventKind::Purchase => {
                    *pieces += i64::from(step.quantity);
                    lines.push((session.visitor, u32::MAX - step.time_s, step.order, step.product));
                }
                EventKind::Refund => *pieces -= i64::from(step.quantity),
                _ => {}
            }
        }
    }
    lines.sort_unstable();
    let shoppers = lines.chunk_by(|a, b| a.0 == b.0).map(|of_shopper| {
        let newest = &of_shopper[..of_shopper.len().min(MAX_BOUGHT_LINES)];
        let kept: HashSet<(u32, u32)> = newest.iter().map(|&(.., order, product)| (order, product)).collect();
        let kept = kept.into_iter().filter(|line| left.get(line).is_some_and(|pieces| *pieces > 0));
        (of_shopper[0].0, by_num_orders(kept.map(|(_, product)| product)))
    });
    shoppers.filter(|(_, bought)| !bought.is_empty()).collect()
}

/// How often each of `products` occurs, the most often first.
fn by_num_orders(products: impl Iterator<Item = u32>) -> Vec<(u32, u32)> {
    let mut counts: HashMap<u32, u32> = HashMap::new();
    products.for_each(|product| *counts.entry(product).or_default() += 1);
    let mut counts: Vec<(u32, u32)> = counts.into_iter().collect();
    counts.sort_unstable_by_key(|(product, num_orders)| (u32::MAX - num_orders, *product));
    counts
}

impl EventStore {
    /// What `buyer` bought, the products of most orders first: see [`bought_by_shopper`]. A user's are those too that were made on a device,
    /// by nobody who was signed in, on which they signed in first. Empty for a shopper who is not known, and while an erasure rids the file of its bytes, which a reader would hinder.
    ///
    /// Refunds are taken off as in [`EventStore::history`], those too that others told of these orders; but one that names no order takes
    /// back nothing that is older than the lines that count. Returns an error if the file is damaged or cannot be read.
    pub fn bought(&self, buyer: &Buyer) -> Result<Vec<BoughtProduct>, EventError> {
        let history = self.purchases_of(buyer, MAX_BOUGHT_LINES)?;
        let ids = history.products();
        // Purchases of one shopper alone were read.
        let bought = bought_by_shopper(&history).into_values().flatten();
        Ok(bought
            .map(|(product, num_orders)| BoughtProduct { product: ids[product as usize].clone(), num_orders })
            .collect())
    }

    /// The newest purchases of `buyer`, `most` lines or a few more, with what was sent back of them. Empty for a shopper who is not known, and while an erasure rids the
    /// file of its bytes, which a reader would hinder.
    pub(super) fn purchases_of(&self, buyer: &Buyer, most: usize) -> Result<History, EventError> {
        let Some(key) = self.shared.key() else { return Ok(History::default()) };
        let Some(_reading) = self.shared.reading() else { return Ok(History::default()) };
        if !is_there(self.path())? {
            return Ok(History::default());
        }
        let connection = reader(self.path())?;
        history_of(self.path(), &connection, buyer.hashed(key), most, self.shared.config.session_idle_ms())
    }
}

#[cfg(test)]
mod tests;
