//! Stored events to a [`History`]: whose they are, which session and order they belong to, and which order a refund takes back.
//!
//! The result depends on the events that are kept alone, never on the order in which they came nor on the key that hides who shoppers are (but
//! of an order that was told twice in different words the first telling is kept, see [`super::orders`]): events of one shopper at the same time, and sessions that end together, come by what was done with which products, and products are numbered by
//! their ids.
//!
//! * A *shopper* is the user of an event, else the user as whom its visitor first signed in, else the visitor, else the session, else the
//!   order, else the event itself.
//! * A *session* is what a shopper did under one session id; without one, what was done with no pause longer than the idle time.
//! * A *refund* that names a known order takes back pieces of that order, whoever sent it and however many events told the order: those of
//!   its products, or, where it names none, all that are left. Any other takes back the shopper's latest purchases of the product before
//!   it, as many as it has pieces. So a line of a refund with an order is that many sold pieces of it, no piece is taken back twice, and
//!   what takes back nothing that is known bears no order.

use std::collections::{BTreeMap, HashMap, HashSet};
use std::ops::Range;
use std::path::Path;

use rusqlite::Connection;

use super::error::{EventError, Step};
use super::event::PRICE_PARTS;
use super::file::{reader, scan};
use super::history::{History, HistoryParts, Interaction, NO_ORDER};
use super::kind::EventKind;
use super::row::{Columns, Hashes};
use crate::catalog::Currency;

mod all_shoppers;
mod one_shopper;
mod refunds;

pub(super) use all_shoppers::purchasers;
pub(super) use one_shopper::{BuyerHash, history_of};

/// Which events a history is made of.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct HistoryPart {
    /// From this time on, in milliseconds since 1970.
    pub from_ms: Option<i64>,
    /// Before this time.
    pub until_ms: Option<i64>,
    /// The currency of the prices: those in another one are left out (NaN), those without one are taken. Unset: the one in most events.
    pub currency: Option<Currency>,
}

/// An event without its products.
#[derive(Debug, Clone, Copy)]
struct Head {
    shopper: i64,
    /// Hash of the session's id; later the number of the session.
    session: Option<i64>,
    order: i64,
    time_ms: i64,
    /// What was done with which products: orders events of one time.
    content: u64,
    /// Tells events of the same content apart.
    tie: i64,
    first_line: u32,
    num_lines: u16,
    currency: u8,
    kind: EventKind,
}

/// [`Head::order`] of what names no order.
const NO_HASH: i64 = 0;
/// [`Head::currency`] of prices without one.
const NO_CURRENCY: u8 = 0;

impl Head {
    /// Places of its products in [`Gathered::lines`].
    fn lines(&self) -> Range<usize> {
        let first = self.first_line as usize;
        first..first + usize::from(self.num_lines)
    }

    /// Whole seconds since 1970; before and beyond what fits are the nearest.
    fn time_s(&self) -> u32 {
        (self.time_ms / 1000).clamp(0, i64::from(u32::MAX)) as u32
    }
}

/// A session, by number.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
struct SessionEnd {
    last_s: u32,
    /// Sum of the contents of its events.
    content: u64,
    number: u32,
}

#[derive(Default)]
struct Gathered {
    heads: Vec<Head>,
    lines: Vec<Interaction>,
    currencies: BTreeMap<String, u8>,
    /// Of lines of refunds, by place: the order whose pieces they take back.
    taken_back: HashMap<u32, i64>,
}

/// Some of the events, as SQL tells them apart.
#[derive(Debug, Clone, Copy)]
pub(super) struct Chosen<'a> {
    /// From `WHERE` on, with two parameters.
    pub(super) condition: &'a str,
    /// The two.
    pub(super) hashes: [i64; 2],
}

/// The history of the events in `path`, of sessions that end after `idle_ms` without an event; with `chosen`, no sessions but those of
/// them, whole, that hold one of these events.
///
/// Returns an error if the file is damaged or cannot be read.
pub(super) fn history(
    path: &Path,
    part: &HistoryPart,
    idle_ms: i64,
    chosen: Option<Chosen<'_>>,
) -> Result<History, EventError> {
    let connection = reader(path)?;
    let failed = |error| Step::Read.failed(path, error);
    // One snapshot: what is written meanwhile is in none of the reads.
    let snapshot = connection.unchecked_transaction().map_err(failed)?;
    let mut gathered = gather(path, &snapshot, part)?;
    gathered.drop_other_currencies(part.currency);
    let names = names(path, &snapshot)?;
    let sold_elsewhere = sold(&snapshot, gathered.unknown_orders()).map_err(failed)?;
    let chosen = chosen.map(|chosen| ties(path, &snapshot, chosen)).transpose()?;
    drop(snapshot);
    Ok(gathered.finish(names, &sold_elsewhere, idle_ms, chosen.as_ref()))
}

fn gather(path: &Path, connection: &Connection, part: &HistoryPart) -> Result<Gathered, EventError> {
    let links = links(path, connection)?;
    let mut gathered = Gathered::default();
    let (from_ms, until_ms) = (part.from_ms.unwrap_or(i64::MIN), part.until_ms.unwrap_or(i64::MAX));
    let is_all = part.from_ms.is_none() && part.until_ms.is_none();
    let condition = if is_all { "" } else { "WHERE time_ms >= ?1 AND time_ms < ?2" };
    let parameters: [&dyn rusqlite::ToSql; 2] = [&from_ms, &until_ms];
    let parameters = if is_all { &[][..] } else { &parameters[..] };
    scan(path, connection, condition, parameters, &mut |row| gathered.push(path, row, &links))?;
    Ok(gathered)
}

/// [`Head::tie`] of the events that are `chosen`.
fn ties(path: &Path, connection: &Connection, chosen: Chosen<'_>) -> Result<HashSet<i64>, EventError> {
    let mut ties = HashSet::new();
    let [first, second] = &chosen.hashes;
    scan(path, connection, chosen.condition, &[first, second], &mut |row| {
        ties.insert(tie(&row.hashes));
        Ok(())
    })?;
    Ok(ties)
}

/// The start of the event's key, which is its own.
fn tie(hashes: &Hashes) -> i64 {
    let [a, b, c, d, e, f, g, h, ..] = hashes.key;
    i64::from_be_bytes([a, b, c, d, e, f, g, h])
}

/// The user as whom each visitor first signed in.
fn links(path: &Path, connection: &Connection) -> Result<HashMap<i64, i64>, EventError> {
    let failed = |error| Step::Read.failed(path, error);
    let mut select = connection.prepare("SELECT visitor, user FROM links").map_err(failed)?;
    let rows = select.query_map([], |row| Ok((row.get(0)?, row.get(1)?))).map_err(failed)?;
    rows.collect::<Result<_, _>>().map_err(failed)
}

/// Those of `orders` that were bought at any time.
fn sold(connection: &Connection, mut orders: HashSet<i64>) -> rusqlite::Result<HashSet<i64>> {
    let mut select = connection.prepare("SELECT EXISTS (SELECT 1 FROM events WHERE order_hash = ?1 AND kind = ?2)")?;
    let mut failed = None;
    orders.retain(|order| {
        let is_sold = select.query_row(rusqlite::params![order, EventKind::Purchase.number()], |row| row.get(0));
        is_sold.unwrap_or_else(|error| {
            failed = Some(error);
            false
        })
    });
    failed.map_or(Ok(orders), Err)
}

/// Product ids by number.
fn names(path: &Path, connection: &Connection) -> Result<HashMap<u32, String>, EventError> {
    let failed = |error| Step::Read.failed(path, error);
    let mut select = connection.prepare("SELECT number, name FROM products").map_err(failed)?;
    let rows = select.query_map([], |row| Ok((row.get(0)?, row.get(1)?))).map_err(failed)?;
    rows.collect::<Result<_, _>>().map_err(failed)
}

impl Gathered {
    fn push(&mut self, path: &Path, row: &Columns<'_>, links: &HashMap<i64, i64>) -> Result<(), EventError> {
        if row.kind == EventKind::Search {
            return Ok(());
        }
        let damaged = |reason: &str| EventError::Damaged { path: path.to_owned(), reason: reason.to_owned() };
        let items = row.stored_items().ok_or_else(|| damaged("an event's products cannot be read"))?;
        let too_many = || EventError::TooMany { path: path.to_owned(), what: "products in events" };
        let first_line = u32::try_from(self.lines.len()).map_err(|_| too_many())?;
        let num_lines = u16::try_from(items.len()).map_err(|_| damaged("an event has too many products"))?;
        let hashes = &row.hashes;
        let tie = tie(hashes);
        let order = match (hashes.order, row.kind) {
            (Some(order), _) => order,
            // A purchase without a number is an order of its own.
            (None, EventKind::Purchase) => tie,
            (None, _) => NO_HASH,
        };
        let by_visitor = || hashes.visitor.map(|visitor| links.get(&visitor).copied().unwrap_or(visitor));
        let shopper = hashes.user.or_else(by_visitor).or(hashes.session).or(hashes.order).unwrap_or(tie);
        let currency = row.currency.map_or(NO_CURRENCY, |code| self.currency(code));
        let head = Head {
            shopper,
            session: hashes.session,
            order,
            time_ms: row.time_ms,
            content: 0,
            tie,
            first_line,
            num_lines,
            currency,
            kind: row.kind,
        };
        self.heads.push(head);
        self.lines.extend(items.iter().map(|item| Interaction {
            product: item.product,
            time_s: head.time_s(),
            order: NO_ORDER,
            quantity: item.quantity,
            price: item.price.map_or(f32::NAN, |price| (price as f64 / PRICE_PARTS as f64) as f32),
            kind: row.kind,
        }));
        Ok(())
    }

    /// The number of a currency; all past the 254th share one, as there are fewer on earth.
    fn currency(&mut self, code: &str) -> u8 {
        if let Some(&number) = self.currencies.get(code) {
            return number;
        }
        let number = u8::try_from(self.currencies.len() + 1).unwrap_or(u8::MAX);
        self.currencies.insert(code.to_owned(), number);
        number
    }

    /// Prices in another currency than `wanted` (or than most events name) cannot be compared with the others.
    fn drop_other_currencies(&mut self, wanted: Option<Currency>) {
        let mut counts = [0u64; 256];
        self.heads.iter().for_each(|head| counts[usize::from(head.currency)] += 1);
        let most = || {
            // Of equal counts the first code, whatever came first.
            let by_count = self.currencies.iter().rev().max_by_key(|(_, number)| counts[usize::from(**number)]);
            by_count.map(|(_, number)| *number)
        };
        let own = match wanted {
            Some(currency) => self.currencies.get(currency.code()).copied(),
            None => most(),
        };
        for head in self.heads.iter().filter(|head| head.currency != NO_CURRENCY && Some(head.currency) != own) {
            self.lines[head.lines()].iter_mut().for_each(|line| line.price = f32::NAN);
        }
    }

    /// Sets [`Head::content`]: a hash of time, kind and products by id.
    fn tell_contents(&mut self, names: &HashMap<u32, String>) {
        let Self { heads, lines, .. } = self;
        for head in heads {
            let mut hasher = blake3::Hasher::new();
            hasher.update(&head.time_ms.to_le_bytes()).update(&[head.kind.number()]);
            for line in &lines[head.lines()] {
                let name = names.get(&line.product).map_or("", String::as_str);
                hasher.update(&(name.len() as u32).to_le_bytes()).update(name.as_bytes());
                hasher.update(&line.quantity.to_le_bytes()).update(&line.price.to_bits().to_le_bytes());
            }
            let [a, b, c, d, e, f, g, h, ..] = *hasher.finalize().as_bytes();
            head.content = u64::from_le_bytes([a, b, c, d, e, f, g, h]);
        }
    }

    /// Numbers the sessions of the heads, which are by shopper and time, in [`Head::session`]. Returns when each ended.
    fn number_sessions(&mut self, idle_ms: i64) -> Vec<SessionEnd> {
        let mut sessions: Vec<SessionEnd> = Vec::new();
        let mut by_id: HashMap<i64, u32> = HashMap::new();
        let mut shopper = None;
        let mut open: Option<(u32, i64)> = None;
        for head in &mut self.heads {
            if shopper != Some(head.shopper) {
                shopper = Some(head.shopper);
                by_id.clear();
                open = None;
            }
            let fresh = sessions.len() as u32;
            let number = match (head.session, open) {
                (Some(id), _) => *by_id.entry(id).or_insert(fresh),
                (None, Some((number, last_ms))) if head.time_ms - last_ms <= idle_ms => number,
                (None, _) => fresh,
            };
            if head.session.is_none() {
                open = Some((number, head.time_ms));
            }
            match sessions.get_mut(number as usize) {
                Some(end) => {
                    end.last_s = head.time_s();
                    end.content = end.content.wrapping_add(head.content);
                }
                None => sessions.push(SessionEnd { last_s: head.time_s(), content: head.content, number }),
            }
            head.session = Some(i64::from(number));
        }
        sessions
    }

    /// Ties refunds to sales and events to sessions; of these only those with an event of the `chosen` ties, where any are.
    fn finish(
        self,
        names: HashMap<u32, String>,
        sold_elsewhere: &HashSet<i64>,
        idle_ms: i64,
        chosen: Option<&HashSet<i64>>,
    ) -> History {
        self.finish_with_hashes(names, sold_elsewhere, idle_ms, chosen).0
    }

    /// As [`Gathered::finish`], with the hash of each shopper by number.
    fn finish_with_hashes(
        mut self,
        names: HashMap<u32, String>,
        sold_elsewhere: &HashSet<i64>,
        idle_ms: i64,
        chosen: Option<&HashSet<i64>>,
    ) -> (History, Vec<i64>) {
        self.tell_contents(&names);
        self.give_refunds_to_their_shoppers();
        // Of one moment purchases come first: nobody sends back what is not bought yet.
        let is_refund = |head: &Head| head.kind == EventKind::Refund;
        self.heads.sort_unstable_by_key(|head| (head.shopper, head.time_ms, is_refund(head), head.content, head.tie));
        self.tie_refunds(sold_elsewhere);
        let sessions = self.number_sessions(idle_ms);
        if let Some(ties) = chosen {
            self.keep_sessions_with(ties);
        }
        self.into_history(sessions, names)
    }

    /// Drops the sessions, which are numbered, that hold none of the events with these `ties`.
    fn keep_sessions_with(&mut self, ties: &HashSet<i64>) {
        let with = self.heads.iter().filter(|head| ties.contains(&head.tie));
        let kept: HashSet<Option<i64>> = with.map(|head| head.session).collect();
        self.heads.retain(|head| kept.contains(&head.session));
    }

    fn into_history(mut self, mut sessions: Vec<SessionEnd>, names: HashMap<u32, String>) -> (History, Vec<i64>) {
        sessions.sort_unstable();
        let mut ranks = vec![0i64; sessions.len()];
        sessions.iter().zip(0i64..).for_each(|(end, rank)| ranks[end.number as usize] = rank);
        for head in &mut self.heads {
            head.session = head.session.and_then(|number| ranks.get(number as usize).copied());
        }
        self.heads.sort_unstable_by_key(|head| (head.session, head.time_ms, head.content, head.tie));
        let (mut orders, mut visitors) = (Numbering::default(), Numbering::default());
        let mut parts = HistoryParts::with_capacity(self.lines.len());
        let mut current = None;
        for head in &self.heads {
            for (line, place) in self.lines[head.lines()].iter().zip(head.first_line..) {
                let order = self.taken_back.get(&place).copied().unwrap_or(head.order);
                if current != head.session {
                    current = head.session;
                    parts.start_session(visitors.of(head.shopper));
                }
                let order = if order == NO_HASH { NO_ORDER } else { orders.of(order) };
                parts.push(Interaction { order, ..*line });
            }
        }
        (parts.finish(names), visitors.in_order())
    }
}

/// Numbers from 0 on, given out on first sight.
#[derive(Default)]
struct Numbering(HashMap<i64, u32>);

impl Numbering {
    fn of(&mut self, hash: i64) -> u32 {
        let fresh = self.0.len() as u32;
        *self.0.entry(hash).or_insert(fresh)
    }

    /// The hashes by number.
    fn in_order(self) -> Vec<i64> {
        let mut hashes: Vec<(u32, i64)> = self.0.into_iter().map(|(hash, number)| (number, hash)).collect();
        hashes.sort_unstable();
        hashes.into_iter().map(|(_, hash)| hash).collect()
    }
}

#[cfg(test)]
mod tests;
