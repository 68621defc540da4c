//! What shoppers bought and kept, and when: what comes due again, and what goes with an order, starts from it.
//!
//! [`EventStore::purchases`] reads one shopper's, [`EventStore::shoppers`] everybody's. Ids are kept as keyed hashes alone, so that a list of
//! everybody can only name those whose ids are asked about: [`Shoppers::number_of`] finds them.

use std::collections::{HashMap, HashSet};

use super::bought::Buyer;
use super::error::EventError;
use super::file::reader;
use super::history::{History, NO_ORDER};
use super::identity::{Domain, IdentityKey};
use super::kind::EventKind;
use super::sessions::purchasers;
use super::store::EventStore;
use super::tables::is_there;

/// Most lines of purchases of one shopper that are read, the newest. What is said of them ("bought 4 times") is said of all, so nobody but
/// a wholesaler of many years has more.
const MAX_LINES: usize = 20_000;

/// A product of an order that was not sent back whole.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub struct Purchase {
    /// When it was bought first, in seconds since 1970.
    pub time_s: u32,
    /// Its order: [`Interaction::order`](super::Interaction::order).
    pub order: u32,
    /// Its product: an index into [`History::products`].
    pub product: u32,
}

/// The same by the product's id.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Purchased {
    /// The product's id.
    pub product: String,
    /// Equal numbers are one order.
    pub order: u32,
    /// When it was bought first, in seconds since 1970.
    pub time_s: u32,
}

/// What each shopper of `history` ([`Session::visitor`](super::Session::visitor)) bought and kept, oldest first, each product of an order
/// once. What is of no order is left out.
pub fn purchases_by_shopper(history: &History) -> HashMap<u32, Vec<Purchase>> {
    let mut left: HashMap<(u32, u32), i64> = HashMap::new();
    let mut first: HashMap<(u32, u32), (u32, u32)> = HashMap::new();
    for session in history.sessions() {
        for step in session.interactions.iter().filter(|step| step.order != NO_ORDER) {
            let line = (step.order, step.product);
            match step.kind {
                EventKind::Purchase => {
                    *left.entry(line).or_default() += i64::from(step.quantity);
                    let known = first.entry(line).or_insert((step.time_s, session.visitor));
                    *known = (*known).min((step.time_s, session.visitor));
                }
                EventKind::Refund => *left.entry(line).or_default() -= i64::from(step.quantity),
                _ => {}
            }
        }
    }
    let mut purchases: HashMap<u32, Vec<Purchase>> = HashMap::new();
    for ((order, product), (time_s, shopper)) in first {
        if left.get(&(order, product)).is_some_and(|pieces| *pieces > 0) {
            purchases.entry(shopper).or_default().push(Purchase { time_s, order, product });
        }
    }
    purchases.values_mut().for_each(|lines| lines.sort_unstable());
    purchases
}

/// Everybody who bought anything.
pub struct Shoppers {
    history: History,
    purchases: HashMap<u32, Vec<Purchase>>,
    /// The hash of each shopper, by number.
    hashes: Vec<i64>,
    numbers: HashMap<i64, u32>,
    /// Hashes of users and visitors.
    lasting: HashSet<i64>,
    /// The user as whom each visitor signed in.
    links: HashMap<i64, i64>,
    key: Option<IdentityKey>,
}

impl Shoppers {
    /// Nobody.
    fn none() -> Self {
        Self {
            history: History::default(),
            purchases: HashMap::new(),
            hashes: Vec::new(),
            numbers: HashMap::new(),
            lasting: HashSet::new(),
            links: HashMap::new(),
            key: None,
        }
    }

    /// Numbers of the shoppers who are known by a visitor's or a user's id; whoever bought once under neither cannot be met again.
    pub fn numbers(&self) -> Vec<u32> {
        let is_lasting =
            |number: &u32| self.hashes.get(*number as usize).is_some_and(|hash| self.lasting.contains(hash));
        let mut numbers: Vec<u32> = self.purchases.keys().copied().filter(is_lasting).collect();
        numbers.sort_unstable();
        numbers
    }

    /// The number of a visitor or user, a visitor who signed in being who signed in; `None` for who bought nothing.
    pub fn number_of(&self, id: &str) -> Option<u32> {
        let hash = self.key.as_ref()?.hash(Domain::Shopper, id);
        let whose = self.links.get(&hash).copied().unwrap_or(hash);
        self.numbers.get(&whose).copied()
    }

    /// What tells the shopper from the others where the id is not known: 16 hexadecimal digits, the same in every list of this catalog.
    pub fn key(&self, number: u32) -> String {
        format!("{:016x}", self.hashes.get(number as usize).copied().unwrap_or_default())
    }

    /// What the shopper bought and kept, oldest first.
    pub fn purchases(&self, number: u32) -> Vec<Purchased> {
        self.purchases.get(&number).map_or(Vec::new(), |lines| by_id(&self.history, lines))
    }
}

fn by_id(history: &History, lines: &[Purchase]) -> Vec<Purchased> {
    let id = |line: &Purchase| history.products().get(line.product as usize).cloned().unwrap_or_default();
    lines.iter().map(|line| Purchased { product: id(line), order: line.order, time_s: line.time_s }).collect()
}

impl EventStore {
    /// What `buyer` bought and kept, oldest first, of the newest 20,000 lines of purchases. Empty for a shopper who is not known, and while an
    /// erasure rids the file of its bytes.
    ///
    /// Refunds are taken off as by [`EventStore::bought`]. Returns an error if the file is damaged or cannot be read.
    pub fn purchases(&self, buyer: &Buyer) -> Result<Vec<Purchased>, EventError> {
        let history = self.purchases_of(buyer, MAX_LINES)?;
        let mut lines: Vec<Purchase> = purchases_by_shopper(&history).into_values().flatten().collect();
        lines.sort_unstable();
        Ok(by_id(&history, &lines))
    }

    /// Everybody who bought anything, in one reading of all purchases and refunds. Nobody while an erasure rids the file of its bytes.
    ///
    /// Returns an error if the file is damaged or cannot be read.
    pub fn shoppers(&self) -> Result<Shoppers, EventError> {
        let Some(key) = self.shared.key() else { return Ok(Shoppers::none()) };
        let Some(_reading) = self.shared.reading() else { return Ok(Shoppers::none()) };
        if !is_there(self.path())? {
            return Ok(Shoppers::none());
        }
        let read = purchasers(self.path(), &reader(self.path())?, self.shared.config.session_idle_ms())?;
        let purchases = purchases_by_shopper(&read.history);
        let numbers: HashMap<i64, u32> = read.hashes.iter().copied().zip(0..).collect();
        let (history, hashes, lasting, links) = (read.history, read.hashes, read.lasting, read.links);
        Ok(Shoppers { history, purchases, hashes, numbers, lasting, links, key: Some(key.clone()) })
    }
}

#[cfg(test)]
mod tests;
