//! Events of purchases that tests tell.

use super::{Event, EventKind, Ids, Item};
use crate::catalog::ProductId;

/// A day of 2026, in milliseconds since 1970.
pub(super) const DAY: i64 = 1_780_000_000_000;
pub(super) const HOUR: i64 = 3_600_000;

/// `kind` by a visitor and a user (where named), of an order (where named), `hour` hours after [`DAY`].
pub(super) fn told(
    kind: EventKind,
    (visitor, user): (&str, &str),
    hour: i64,
    order: &str,
    items: &[(&str, u32)],
) -> Event {
    let text = |text: &str| (!text.is_empty()).then(|| text.to_owned());
    let item =
        |(id, quantity): &(&str, u32)| Item { product: ProductId::new(*id).unwrap(), quantity: *quantity, price: None };
    Event {
        ids: Ids { visitor: text(visitor), user: text(user), ..Ids::default() },
        order: text(order),
        items: items.iter().map(item).collect(),
        ..Event::new(kind, DAY + hour * HOUR)
    }
}
