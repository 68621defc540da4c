//! Orders, told once or many times, and kept once.
//!
//! A storefront tells a purchase, tells it again when its page is loaded anew, and the export of orders tells it once more. The rule:
//!
//! * A *purchase* with an order number (`transaction_id`) is known by that number, whatever its `event_id`, its time and its prices. Of each
//!   product the order has as many pieces as the fullest telling of it: a telling adds what is not there yet and nothing else, so a line
//!   that was missing gets in later, and a piece never counts twice. A telling takes nothing away; a refund does.
//! * A *refund* with an order number is known by it and by its `event_id`, or else by it and its time (as it was told, be it ahead of the
//!   clock), and adds pieces as a purchase does: refunds of other ids or times are other refunds. Without either it adds what all the
//!   refunds of its order do not have yet. A refund of a whole order, which names no product, counts once an order.
//! * A *number* is what stands after a leading `#`, without blanks around it: Shopify's export of orders writes `#1001` where a tag sends
//!   `1001`. What is written where no number is known ([`NO_NUMBERS`]) is none.
//! * A *telling* is one event of a request, or all lines of the order (and, of a refund, of its id or time) in one file.
//!
//! Shared by all, the first telling gives time, price and shopper. So of orders that are told twice in different words the order of arrival
//! matters, and of nothing else.

use std::collections::HashMap;

use rusqlite::{Connection, params};

use super::event::{Event, Item};
use super::kind::EventKind;
use super::row::{REFUND_BYTES, unpack_items};

/// What tags and exports write in place of an order's number: orders of that name would all be one.
const NO_NUMBERS: &[&str] = &["", "0", "null", "none", "undefined", "nan", "(not set)", "[object object]"];

/// What is kept of an order's purchases or of a refund of it.
#[derive(Debug, Default)]
pub(super) struct Known {
    /// Pieces by the product's number.
    pieces: HashMap<u32, u64>,
    /// Whether the order is taken back whole.
    is_taken_back: bool,
}

/// The number of the order that is called `name`; `None` where that says that none is known.
pub(super) fn number_of(name: &str) -> Option<String> {
    let name = name.trim();
    let number = name.strip_prefix('#').map_or(name, str::trim_start);
    let is_none = NO_NUMBERS.contains(&number.to_ascii_lowercase().as_str());
    (!is_none).then(|| number.to_owned())
}

/// Whether `event` is known by its order rather than by itself.
pub(super) fn is_known_by_order(event: &Event) -> bool {
    matches!(event.kind, EventKind::Purchase | EventKind::Refund) && event.order.is_some()
}

impl Known {
    /// What is kept of the `order` (its hash) of `event`, whose key is `key`.
    pub(super) fn of(connection: &Connection, order: i64, event: &Event, key: &[u8; 16]) -> rusqlite::Result<Self> {
        let mut select =
            connection.prepare_cached("SELECT time_ms, items, key FROM events WHERE order_hash = ?1 AND kind = ?2")?;
        let mut rows = select.query(params![order, event.kind.number()])?;
        let mut known = Self::default();
        while let Some(row) = rows.next()? {
            // What cannot be read is not known: the event at hand is no worse for another's damage.
            let Some(items) = row.get_ref(1)?.as_blob().ok().and_then(unpack_items) else { continue };
            known.is_taken_back |= items.is_empty();
            if event.kind == EventKind::Refund {
                let is_same = row.get_ref(2)?.as_blob()?.get(..REFUND_BYTES) == key.get(..REFUND_BYTES);
                // A time ahead of the clock is taken as now, another each time that it is told: only the key tells it again.
                let is_at = event.told_ms == Some(event.time_ms) && row.get::<_, i64>(0)? == event.time_ms;
                let is_known = match (&event.ids.event, event.told_ms) {
                    (Some(_), _) => is_same,
                    (None, Some(_)) => is_same || is_at,
                    (None, None) => true,
                };
                if !is_known {
                    continue;
                }
            }
            for item in items {
                *known.pieces.entry(item.product).or_default() += u64::from(item.quantity);
            }
        }
        Ok(known)
    }

    /// The part of an event that is not known: all of it (`None`), or what is left of its `items`, whose products bear `numbers`.
    pub(super) fn unknown(mut self, items: &[Item], numbers: &[u32]) -> Option<Vec<Item>> {
        let is_new = if items.is_empty() { !self.is_taken_back } else { self.pieces.is_empty() };
        if is_new {
            return None;
        }
        let mut unknown = Vec::new();
        for (item, number) in items.iter().zip(numbers) {
            let known = self.pieces.entry(*number).or_default();
            let num_known = u64::from(item.quantity).min(*known);
            *known -= num_known;
            // At most the item's own pieces, which are a `u32`.
            let quantity = item.quantity - num_known as u32;
            if quantity > 0 {
                unknown.push(Item { quantity, ..item.clone() });
            }
        }
        Some(unknown)
    }
}

#[cfg(test)]
mod tests;
