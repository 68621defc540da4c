//! One thing that a shopper did, as it was told and checked, and the bounds that it must keep.
//!
//! Ids are as the shop gave them: an [`Event`] lives in memory alone, and what is stored of it bears hashes.

use super::kind::EventKind;
use crate::catalog::{Currency, ProductId};

/// Most products of one event; GA4 itself allows 200.
pub const MAX_ITEMS: usize = 1_000;
/// Most pieces of one product in one event.
pub const MAX_QUANTITY: u32 = 1_000_000;
/// Highest price of a piece, in the currency's major unit.
pub const MAX_PRICE: u64 = 1_000_000_000;
/// Longest visitor, user, session, event or order id in bytes.
pub const MAX_ID_BYTES: usize = 256;
/// Longest placement (`item_list_id`), recommendation id or device in bytes.
pub const MAX_WORD_BYTES: usize = 128;
/// Longest text that was searched for, in bytes.
pub const MAX_QUERY_BYTES: usize = 512;
/// Parts of the currency's major unit in which a price is kept.
pub const PRICE_PARTS: u64 = 10_000;

/// One thing that a shopper did.
#[derive(Debug, Clone, PartialEq)]
pub struct Event {
    /// What was done.
    pub kind: EventKind,
    /// When, in milliseconds since 1970: what was told, or the time of receipt.
    pub time_ms: i64,
    /// When as it was told, in milliseconds since 1970; `None` when nothing was told.
    pub told_ms: Option<i64>,
    /// Whose it is.
    pub ids: Ids,
    /// Whether the shopper agreed to its being kept; `None` when nothing was told.
    pub consent: Option<bool>,
    /// Number of the order: GA4's `transaction_id`.
    pub order: Option<String>,
    /// Currency of the prices.
    pub currency: Option<Currency>,
    /// The slot of the page: GA4's `item_list_id`.
    pub placement: Option<String>,
    /// The answer that led to it.
    pub recommendation: Option<String>,
    /// What it was done on.
    pub device: Option<String>,
    /// What was searched for.
    pub query: Option<String>,
    /// The products, at most [`MAX_ITEMS`].
    pub items: Vec<Item>,
}

/// Who did it, in the shop's own ids, each of 1 to [`MAX_ID_BYTES`] bytes.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct Ids {
    /// Names the event: told twice, it counts once.
    pub event: Option<String>,
    /// The browser or device.
    pub visitor: Option<String>,
    /// The customer who is signed in.
    pub user: Option<String>,
    /// The visit.
    pub session: Option<String>,
}

/// One product of an event.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Item {
    /// The product; the catalog need not have it yet.
    pub product: ProductId,
    /// Pieces, 1 to [`MAX_QUANTITY`].
    pub quantity: u32,
    /// Price of a piece in [`PRICE_PARTS`]ths of the currency's major unit: 25,500 is 2.55.
    pub price: Option<u64>,
}

impl Event {
    /// An event of `kind` at `time_ms` of which nothing else is known.
    pub fn new(kind: EventKind, time_ms: i64) -> Self {
        Self {
            kind,
            time_ms,
            told_ms: Some(time_ms),
            ids: Ids::default(),
            consent: None,
            order: None,
            currency: None,
            placement: None,
            recommendation: None,
            device: None,
            query: None,
            items: Vec::new(),
        }
    }
}
