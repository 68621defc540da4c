//! One shopper's purchases and what was sent back of them, read through the indexes.

use std::collections::{HashMap, HashSet};
use std::path::Path;

use rusqlite::{Connection, OptionalExtension};

use super::{Gathered, sold};
use crate::events::error::{EventError, Step};
use crate::events::file::{name_of, scan};
use crate::events::history::History;
use crate::events::kind::EventKind;
use crate::events::row::{Columns, Hashes};

/// Most visitors who signed in as one user whose events are read, those who did so last.
const MAX_VISITORS: usize = 100;

/// Whose purchases are read, by a hash.
#[derive(Debug, Clone, Copy)]
pub(in crate::events) enum BuyerHash {
    /// A user's, on whatever device.
    User(i64),
    /// Those made on a visitor's device, whoever signed in there.
    Visitor(i64),
}

/// The newest purchases of `buyer`, `most` lines or a few more, with the refunds of the shopper and of those orders.
///
/// Returns an error if the file is damaged or cannot be read.
pub(in crate::events) fn history_of(
    path: &Path,
    connection: &Connection,
    buyer: BuyerHash,
    most: usize,
    idle_ms: i64,
) -> Result<History, EventError> {
    let failed = |error| Step::Read.failed(path, error);
    // One snapshot: what is written meanwhile is in none of the reads.
    let snapshot = connection.unchecked_transaction().map_err(failed)?;
    let whose = match buyer {
        BuyerHash::User(user) => Whose::of(&snapshot, user).map_err(failed)?,
        BuyerHash::Visitor(visitor) => Whose { user: None, visitors: HashMap::from([(visitor, visitor)]) },
    };
    let mut reading =
        Reading { path, connection: &snapshot, whose, most, gathered: Gathered::default(), known: HashSet::new() };
    reading.read_own(EventKind::Purchase)?;
    if reading.gathered.heads.is_empty() {
        return Ok(History::default());
    }
    reading.read_own(EventKind::Refund)?;
    reading.read_refunds_of_orders()?;
    let gathered = reading.gathered;
    let names = names_of(path, &snapshot, &gathered)?;
    let sold_elsewhere = sold(&snapshot, gathered.unknown_orders()).map_err(failed)?;
    Ok(gathered.finish(names, &sold_elsewhere, idle_ms, None))
}

/// The ids under which one shopper's events are kept, as hashes.
struct Whose {
    /// `None` where a device's events are read, whoever signed in there.
    user: Option<i64>,
    /// Those whose events belong to `user` where they bear no user, all joined to it.
    visitors: HashMap<i64, i64>,
}

impl Whose {
    fn of(connection: &Connection, shopper: i64) -> rusqlite::Result<Self> {
        let mut signed_in = connection.prepare("SELECT user FROM links WHERE visitor = ?1")?;
        let mut user_of = |visitor: i64| signed_in.query_row([visitor], |row| row.get(0)).optional();
        let user: i64 = user_of(shopper)?.unwrap_or(shopper);
        let newest = format!("SELECT visitor FROM links WHERE user = ?1 ORDER BY time_ms DESC LIMIT {MAX_VISITORS}");
        let mut select = connection.prepare(&newest)?;
        let visitors = select.query_map([user], |row| Ok((row.get(0)?, user)))?;
        let mut visitors: HashMap<i64, i64> = visitors.collect::<Result<_, _>>()?;
        // A visitor who never signed in is nobody else.
        if user_of(user)?.is_none() {
            visitors.insert(user, user);
        }
        Ok(Self { user: Some(user), visitors })
    }
}

struct Reading<'a> {
    path: &'a Path,
    connection: &'a Connection,
    whose: Whose,
    /// Lines of one reading.
    most: usize,
    gathered: Gathered,
    /// Keys of the refunds that were read.
    known: HashSet<[u8; 16]>,
}

impl Reading<'_> {
    /// Reads the shopper's newest events of `kind`.
    fn read_own(&mut self, kind: EventKind) -> Result<(), EventError> {
        // Without the sign the index of all times may be walked for the newest of one shopper.
        let newest = format!("AND kind = ?2 ORDER BY +time_ms DESC, +seq DESC LIMIT {}", self.most);
        if let Some(user) = self.whose.user {
            self.read(&format!("WHERE user = ?1 {newest}"), user, kind)?;
        }
        let of_whom = if self.whose.user.is_some() { "AND user IS NULL" } else { "" };
        for visitor in self.whose.visitors.keys().copied().collect::<Vec<_>>() {
            self.read(&format!("WHERE visitor = ?1 {of_whom} {newest}"), visitor, kind)?;
        }
        Ok(())
    }

    fn read_refunds_of_orders(&mut self) -> Result<(), EventError> {
        let orders: HashSet<i64> = self.gathered.heads.iter().map(|head| head.order).collect();
        orders
            .into_iter()
            .try_for_each(|order| self.read("WHERE order_hash = ?1 AND kind = ?2", order, EventKind::Refund))
    }

    /// Reads the events that `condition` finds for a hash and a kind, until there are lines enough.
    fn read(&mut self, condition: &str, hash: i64, kind: EventKind) -> Result<(), EventError> {
        let Self { path, connection, whose, most, gathered, known } = self;
        let most = gathered.lines.len() + *most;
        let mut take = |row: &Columns<'_>| {
            let is_known = kind == EventKind::Refund && !known.insert(row.hashes.key);
            if is_known || gathered.lines.len() >= most {
                return Ok(());
            }
            // Of a device all are one shopper's.
            let user = row.hashes.user.filter(|_| whose.user.is_some());
            gathered.push(path, &Columns { hashes: Hashes { user, ..row.hashes }, ..*row }, &whose.visitors)
        };
        scan(path, connection, condition, &[&hash, &kind.number()], &mut take)
    }
}

/// Ids of the products that were gathered, by number.
fn names_of(path: &Path, connection: &Connection, gathered: &Gathered) -> Result<HashMap<u32, String>, EventError> {
    let numbers: HashSet<u32> = gathered.lines.iter().map(|line| line.product).collect();
    let named = |number| Ok((number, name_of(path, connection, "products", number)?));
    numbers.into_iter().map(named).collect()
}
