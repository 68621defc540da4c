//! One row of the table `events`, as it is written and read.
//!
//! `items` holds, product after product, three LEB128 numbers: the product's number, its pieces, and its price plus one in
//! [`PRICE_PARTS`](super::event::PRICE_PARTS)ths of the currency's major unit, 0 without a price.

use rusqlite::Row;

use super::event::Event;
use super::identity::{Domain, IdentityKey};
use super::kind::EventKind;

/// The columns, in the order of [`Columns`].
pub(super) const COLUMNS: &str = "visitor, user, session, order_hash, key, kind, time_ms, items, currency, placement, recommendation, device, query, digest";

/// First bytes of the key of an order's refund, which tell its id, or else its order and the time that was told of it, whatever the clock made
/// of that time.
pub(super) const REFUND_BYTES: usize = 8;

/// A product of a stored event.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct StoredItem {
    pub(super) product: u32,
    pub(super) quantity: u32,
    pub(super) price: Option<u64>,
}

/// The hashes of an event's ids: all that is kept of them.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Hashes {
    pub(super) visitor: Option<i64>,
    pub(super) user: Option<i64>,
    pub(super) session: Option<i64>,
    pub(super) order: Option<i64>,
    /// What makes the event one with another that says the same.
    pub(super) key: [u8; 16],
}

impl Hashes {
    /// An event with an id is known by it and its kind. A refund without one has a key that begins as those of its order and told time do
    /// ([`REFUND_BYTES`]). Any other is known by all that was told of it, its time included; where no time was told
    /// either, it is like no other.
    pub(super) fn of(event: &Event, key: &IdentityKey) -> Self {
        let hash = |domain, text: &Option<String>| text.as_deref().map(|text| key.hash(domain, text));
        let ids = &event.ids;
        Self {
            visitor: hash(Domain::Shopper, &ids.visitor),
            user: hash(Domain::Shopper, &ids.user),
            session: hash(Domain::Session, &ids.session),
            order: hash(Domain::Order, &event.order),
            key: match (&ids.event, event.told_ms) {
                (Some(id), _) => with_kind(key.digest(Domain::Event, id.as_bytes()), event.kind),
                (None, Some(told_ms)) if event.kind == EventKind::Refund && event.order.is_some() => {
                    refund_key(event, told_ms, key)
                }
                (None, Some(told_ms)) => key.digest(Domain::Content, &content(event, told_ms)),
                (None, None) => key.digest(Domain::Content, &ulid::Ulid::generate().to_bytes()),
            },
        }
    }
}

/// The `key` of an event's id for an event of `kind`. Doing it twice gives `key` back.
pub(super) fn with_kind(mut key: [u8; 16], kind: EventKind) -> [u8; 16] {
    key[15] ^= kind.number() + 1;
    key
}

/// A key like no other for a part of the order's event of `kind` that bears `key`; a refund's begins as `key` does ([`REFUND_BYTES`]).
pub(super) fn apart_from(key: [u8; 16], kind: EventKind) -> [u8; 16] {
    let random = blake3::hash(&ulid::Ulid::generate().to_bytes());
    let mut apart = [0; 16];
    apart.copy_from_slice(&random.as_bytes()[..16]);
    if kind == EventKind::Refund {
        apart[..REFUND_BYTES].copy_from_slice(&key[..REFUND_BYTES]);
    }
    apart
}

/// The key of a refund that is known by its order and its told time: these first, then all that was told.
fn refund_key(event: &Event, told_ms: i64, key: &IdentityKey) -> [u8; 16] {
    let order = event.order.as_deref().unwrap_or_default();
    let refund = key.digest(Domain::Refund, &[&told_ms.to_le_bytes(), order.as_bytes()].concat());
    let mut joined = key.digest(Domain::Content, &content(event, told_ms));
    joined[..REFUND_BYTES].copy_from_slice(&refund[..REFUND_BYTES]);
    joined
}

/// All that was told, without two ways to read it.
fn content(event: &Event, told_ms: i64) -> Vec<u8> {
    let mut out = vec![event.kind.number()];
    out.extend(told_ms.to_le_bytes());
    let ids = [&event.ids.visitor, &event.ids.user, &event.ids.session, &event.order];
    let words = [&event.placement, &event.recommendation, &event.device, &event.query];
    let currency = event.currency.map(|currency| currency.code().to_owned());
    for text in ids.into_iter().chain(words).chain([&currency]) {
        push_number(&mut out, text.as_ref().map_or(0, |text| text.len() as u64 + 1));
        out.extend(text.as_deref().unwrap_or_default().as_bytes());
    }
    for item in &event.items {
        push_number(&mut out, item.product.as_str().len() as u64);
        out.extend(item.product.as_str().as_bytes());
        push_number(&mut out, u64::from(item.quantity));
        push_number(&mut out, item.price.map_or(0, |price| price + 1));
    }
    out
}

/// One row.
#[derive(Debug, Clone, Copy, PartialEq)]
pub(super) struct Columns<'a> {
    pub(super) hashes: Hashes,
    pub(super) kind: EventKind,
    pub(super) time_ms: i64,
    pub(super) items: &'a [u8],
    pub(super) currency: Option<&'a str>,
    pub(super) placement: Option<u32>,
    pub(super) recommendation: Option<&'a str>,
    pub(super) device: Option<&'a str>,
    pub(super) query: Option<&'a str>,
}

impl<'a> Columns<'a> {
    /// The row, or in words why it holds no event.
    pub(super) fn read(row: &'a Row<'_>) -> rusqlite::Result<Result<Self, String>> {
        let text = |column: usize| row.get_ref(column)?.as_str_or_null().map_err(rusqlite::Error::from);
        let key: [u8; 16] = match row.get_ref(4)?.as_blob().ok().and_then(|key| key.try_into().ok()) {
            Some(key) => key,
            None => return Ok(Err("a key has not 16 bytes".to_owned())),
        };
        let hashes = Hashes { visitor: row.get(0)?, user: row.get(1)?, session: row.get(2)?, order: row.get(3)?, key };
        let Some(kind) = EventKind::from_number(row.get(5)?) else {
            return Ok(Err("an event is of no kind".to_owned()));
        };
        let columns = Self {
            hashes,
            kind,
            time_ms: row.get(6)?,
            items: row.get_ref(7)?.as_blob()?,
            currency: text(8)?,
            placement: row.get(9)?,
            recommendation: text(10)?,
            device: text(11)?,
            query: text(12)?,
        };
        let is_whole = row.get::<_, u32>(13)? == columns.digest();
        Ok(if is_whole { Ok(columns) } else { Err(format!("an event of {} does not match its digest", kind.word())) })
    }

    /// First 4 bytes of the BLAKE3 of the other columns.
    pub(super) fn digest(&self) -> u32 {
        let mut bytes = Vec::with_capacity(128);
        let Hashes { visitor, user, session, order, key } = self.hashes;
        for hash in [visitor, user, session, order] {
            bytes.push(u8::from(hash.is_some()));
            bytes.extend(hash.unwrap_or(0).to_le_bytes());
        }
        bytes.extend(key);
        bytes.push(self.kind.number());
        bytes.extend(self.time_ms.to_le_bytes());
        bytes.extend(self.placement.map_or(0, |number| u64::from(number) + 1).to_le_bytes());
        let texts = [self.currency, self.recommendation, self.device, self.query].map(|text| text.map(str::as_bytes));
        for part in texts.into_iter().chain([Some(self.items)]) {
            push_number(&mut bytes, part.map_or(0, |part| part.len() as u64 + 1));
            bytes.extend(part.unwrap_or_default());
        }
        let [a, b, c, d, ..] = *blake3::hash(&bytes).as_bytes();
        u32::from_le_bytes([a, b, c, d])
    }

    /// The products; `None` when `items` cannot be read.
    pub(super) fn stored_items(&self) -> Option<Vec<StoredItem>> {
        unpack_items(self.items)
    }
}

/// The products of the column `items`; `None` when it cannot be read.
pub(super) fn unpack_items(bytes: &[u8]) -> Option<Vec<StoredItem>> {
    let mut items = Vec::with_capacity(bytes.len() / 3);
    let mut rest = bytes;
    while !rest.is_empty() {
        let product = take_number(&mut rest)?.try_into().ok()?;
        let quantity = take_number(&mut rest)?.try_into().ok()?;
        let price = take_number(&mut rest)?.checked_sub(1);
        items.push(StoredItem { product, quantity, price });
    }
    Some(items)
}

/// `items` as the column of its name.
pub(super) fn pack_items(items: &[StoredItem]) -> Vec<u8> {
    let mut out = Vec::with_capacity(items.len() * 8);
    for item in items {
        push_number(&mut out, u64::from(item.product));
        push_number(&mut out, u64::from(item.quantity));
        push_number(&mut out, item.price.map_or(0, |price| price + 1));
    }
    out
}

/// LEB128: seven bits a byte, the lowest first; the highest bit says that more follow.
fn push_number(out: &mut Vec<u8>, mut number: u64) {
    while number >= 0x80 {
        out.push(number as u8 | 0x80);
        number >>= 7;
    }
    out.push(number as u8);
}

fn take_number(rest: &mut &[u8]) -> Option<u64> {
    let mut number = 0u64;
    for shift in (0..64).step_by(7) {
        let (&byte, tail) = rest.split_first()?;
        *rest = tail;
        number |= u64::from(byte & 0x7f) << shift;
        if byte < 0x80 {
            return Some(number);
        }
    }
    None
}

#[cfg(test)]
mod tests {
    use super::*;

    fn columns(items: &[u8]) -> Columns<'_> {
        let hashes = Hashes { visitor: Some(1), user: None, session: None, order: None, key: [7; 16] };
        Columns {
            hashes,
            kind: EventKind::Search,
            time_ms: 5,
            items,
            currency: None,
            placement: None,
            recommendation: None,
            device: None,
            query: None,
        }
    }

    #[test]
    fn items_come_back_as_they_were_packed_and_cut_ones_do_not() {
        let items: Vec<StoredItem> = [(0, 1, None), (u32::MAX, 1_000_000, Some(0)), (300, 7, Some(10_000_000_000_000))]
            .map(|(product, quantity, price)| StoredItem { product, quantity, price })
            .to_vec();
        let packed = pack_items(&items);
        assert_eq!(columns(&packed).stored_items().unwrap(), items);
        assert_eq!(columns(&packed[..packed.len() - 1]).stored_items(), None);
        assert_eq!(columns(&[0xff; 12]).stored_items(), None);
    }

    #[test]
    fn a_digest_tells_every_column_from_another() {
        let plain = columns(&[]);
        let others = [
            Columns { time_ms: 6, ..plain },
            Columns { kind: EventKind::Refund, ..plain },
            Columns { placement: Some(0), ..plain },
            Columns { currency: Some("x"), ..plain },
            Columns { query: Some("x"), ..plain },
            Columns { device: Some(""), ..plain },
            Columns { items: &[1], ..plain },
            Columns { hashes: Hashes { visitor: None, user: Some(1), ..plain.hashes }, ..plain },
        ];
        let mut digests: Vec<u32> = others.iter().chain([&plain]).map(Columns::digest).collect();
        digests.sort();
        digests.dedup();
        assert_eq!(digests.len(), others.len() + 1);
    }
}
