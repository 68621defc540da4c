//! `events.sqlite`, open: one connection that writes, others that read.
//!
//! Opening it checks the header, the version, the key, and (where the live sessions are restored) the events of the last day by their digests, whatever
//! its length; [`EventStore::check`](super::EventStore::check) reads every page.

use std::borrow::Cow;
use std::collections::HashMap;
use std::os::unix::fs::MetadataExt;
use std::path::{Path, PathBuf};
use std::time::Duration;

use rusqlite::{Connection, OpenFlags, OptionalExtension, Transaction, TransactionBehavior, params};

use super::error::{EventError, Step};
use super::event::{Event, Item};
use super::identity::IdentityKey;
use super::kind::EventKind;
use super::live::{LiveSessions, SignIn};
use super::orders::{Known, is_known_by_order};
use super::restore;
use super::row::{COLUMNS, Columns, Hashes, StoredItem, apart_from, pack_items, with_kind};
use super::tables::{self, is_there, pragma};

/// Name of the file in a catalog's folder.
pub const EVENTS_FILE: &str = "events.sqlite";

/// How long opening the file waits for another process: whoever opens it may try again.
const OPEN_TIMEOUT: Duration = Duration::from_secs(2);
/// How long a write waits for another process.
pub(super) const BUSY_TIMEOUT: Duration = Duration::from_secs(10);
/// Names of products and placements that are held in memory; past it they are looked up anew.
const MAX_NAMES: usize = 1_000_000;
/// Pages of the log after which it is written back: 64 MiB. Keys are spread all over their index, so that a page changes many times
/// until then, and is written back once.
const CHECKPOINT_PAGES: i64 = 16_384;

/// Of two sign-ins the earlier counts, in whatever order they come.
const LINK: &str = "INSERT INTO links VALUES (?1, ?2, ?3) ON CONFLICT (visitor) DO UPDATE
    SET user = excluded.user, time_ms = excluded.time_ms
    WHERE (excluded.time_ms, excluded.user) < (links.time_ms, links.user)";

/// An open file of events.
#[derive(Debug)]
pub(super) struct EventFile {
    path: PathBuf,
    connection: Connection,
    names: Names,
    /// `PRAGMA data_version` when the names were known.
    names_seen: i64,
    /// `PRAGMA data_version` when other processes' writes were last looked for.
    seen: i64,
    /// Number of the last event that the live sessions have.
    last_live: i64,
    /// Erasures, and what they erased, when they were last counted.
    num_erasures: i64,
    /// Which file was opened.
    file: Option<(u64, u64)>,
}

impl EventFile {
    /// Opens the file in `folder`, whose ids are hashed with `key`, making it if it is missing.
    ///
    /// Returns an error naming the file if it cannot be made, is damaged, foreign, of a newer version, or of another key.
    pub(super) fn open(folder: &Path, key: &IdentityKey) -> Result<Self, EventError> {
        let path = folder.join(EVENTS_FILE);
        if !is_there(&path)? {
            tables::make(folder, &path, key)?;
        }
        let failed = |error| Step::Open.failed(&path, error);
        let flags = OpenFlags::SQLITE_OPEN_READ_WRITE | OpenFlags::SQLITE_OPEN_NO_MUTEX;
        let mut connection = Connection::open_with_flags(&path, flags).map_err(failed)?;
        connection.busy_timeout(OPEN_TIMEOUT).map_err(failed)?;
        // Before the first write: what is freed is overwritten with zeros.
        connection.pragma_update(None, "secure_delete", "ON").map_err(failed)?;
        tables::check(folder, &path, &connection, key)?;
        connection.pragma_update(None, "journal_mode", "WAL").map_err(failed)?;
        connection.pragma_update(None, "synchronous", "FULL").map_err(failed)?;
        connection.pragma_update(None, "wal_autocheckpoint", CHECKPOINT_PAGES).map_err(failed)?;
        connection.pragma_update(None, "cache_size", -65_536).map_err(failed)?;
        tables::upgrade(&mut connection).map_err(failed)?;
        let seen = data_version(&connection).map_err(failed)?;
        connection.busy_timeout(BUSY_TIMEOUT).map_err(failed)?;
        let file = file_at(&path);
        Ok(Self {
            path,
            connection,
            names: Names::default(),
            names_seen: seen,
            seen,
            last_live: 0,
            num_erasures: 0,
            file,
        })
    }

    pub(super) fn path(&self) -> &Path {
        &self.path
    }

    pub(super) fn connection(&self) -> &Connection {
        &self.connection
    }

    /// Bytes of the file, without what is free in it.
    ///
    /// Returns an error if the file cannot be read.
    pub(super) fn num_bytes(&self) -> Result<u64, EventError> {
        let page = |name| {
            let value = pragma(&self.connection, name).map_err(|error| Step::Read.failed(&self.path, error))?;
            Ok(u64::try_from(value).unwrap_or(0))
        };
        Ok(page("page_count")?.saturating_sub(page("freelist_count")?) * page("page_size")?)
    }

    /// Whether another connection has written since this was last asked.
    ///
    /// Returns an error if the file cannot be read.
    pub(super) fn take_news(&mut self) -> Result<bool, EventError> {
        let version = data_version(&self.connection).map_err(|error| Step::Read.failed(&self.path, error))?;
        Ok(std::mem::replace(&mut self.seen, version) != version)
    }

    /// Whether anything was erased since this was last asked.
    ///
    /// Returns an error if the file cannot be read.
    pub(super) fn take_erasures(&mut self) -> Result<bool, EventError> {
        let count =
            self.connection
                .query_row("SELECT count(*) + coalesce(sum(events + links), 0) FROM erasures", [], |row| row.get(0));
        let count = count.map_err(|error| Step::Read.failed(&self.path, error))?;
        Ok(std::mem::replace(&mut self.num_erasures, count) != count)
    }

    /// Puts into `live` what other processes added since it was last looked.
    ///
    /// Returns an error if the file is damaged or cannot be read.
    pub(super) fn show_others(&mut self, live: &mut LiveSessions) -> Result<(), EventError> {
        self.last_live = restore::since(&self.path, &self.connection, self.last_live, live)?;
        Ok(())
    }

    /// Number of the last event that the live sessions have; whoever shows them events moves it on.
    pub(super) fn last_live(&mut self) -> &mut i64 {
        &mut self.last_live
    }

    /// Starts to change the file; no other process changes it until the result is dropped.
    ///
    /// Returns an error if another process keeps the file to itself, it cannot be written, or another file has taken its place.
    pub(super) fn begin(&mut self) -> Result<Append<'_>, EventError> {
        if self.file != file_at(&self.path) {
            // What would be written to a file without a name is gone when it is closed.
            return Err(EventError::Replaced { path: self.path.clone() });
        }
        self.names.forget_uncommitted();
        let failed = |error| Step::Write.failed(&self.path, error);
        let transaction = self.connection.transaction_with_behavior(TransactionBehavior::Immediate).map_err(failed)?;
        let version = data_version(&transaction).map_err(failed)?;
        if std::mem::replace(&mut self.names_seen, version) != version {
            // Another process may have erased some, and given their numbers to others.
            self.names.forget();
        }
        Ok(Append { path: &self.path, transaction, names: &mut self.names, last_live: &mut self.last_live })
    }
}

/// The name of number `number` in `table`: `products` or `placements`.
///
/// Returns an error if the file cannot be read or has no such number.
pub(super) fn name_of(path: &Path, connection: &Connection, table: &str, number: u32) -> Result<String, EventError> {
    let failed = |error| Step::Read.failed(path, error);
    let mut select =
        connection.prepare_cached(&format!("SELECT name FROM {table} WHERE number = ?1")).map_err(failed)?;
    let name = select.query_row([number], |row| row.get(0)).optional().map_err(failed)?;
    name.ok_or_else(|| EventError::Damaged { path: path.to_owned(), reason: format!("{table} lack number {number}") })
}

/// Numbers of names, as far as they are known.
#[derive(Debug, Default)]
struct Names {
    products: HashMap<String, u32>,
    placements: HashMap<String, u32>,
    /// Some may be of a transaction that was not committed.
    is_uncommitted: bool,
}

impl Names {
    fn forget(&mut self) {
        self.products.clear();
        self.placements.clear();
    }

    fn forget_uncommitted(&mut self) {
        if self.is_uncommitted || self.products.len() + self.placements.len() > MAX_NAMES {
            self.forget();
        }
        self.is_uncommitted = true;
    }
}

/// Events that are being added.
pub(super) struct Append<'a> {
    path: &'a Path,
    transaction: Transaction<'a>,
    names: &'a mut Names,
    last_live: &'a mut i64,
}

impl Append<'_> {
    pub(super) fn transaction(&self) -> &Connection {
        &self.transaction
    }

    /// Has names looked up anew: some were deleted.
    pub(super) fn forget_names(&mut self) {
        self.names.forget();
    }

    /// Puts into `live` what other processes added since it was last looked.
    ///
    /// Returns an error if the file is damaged or cannot be read.
    pub(super) fn show_others(&mut self, live: &mut LiveSessions) -> Result<(), EventError> {
        *self.last_live = restore::since(self.path, &self.transaction, *self.last_live, live)?;
        Ok(())
    }

    /// The first sign-in on the device of an event's visitor, unless `live` holds the visitor.
    ///
    /// Returns an error if the file is damaged or cannot be read.
    pub(super) fn first_sign_in(&self, hashes: &Hashes, live: &LiveSessions) -> Result<Option<SignIn>, EventError> {
        restore::first_sign_in(self.path, &self.transaction, hashes, live)
    }

    /// Adds what of an event is not there yet: all of it but for orders, of which [`super::orders`] tells. Returns the event as it was added,
    /// `None` when all of it was there.
    ///
    /// Returns an error if it cannot be written.
    pub(super) fn push<'e>(&mut self, event: &'e Event, hashes: Hashes) -> Result<Option<Cow<'e, Event>>, EventError> {
        let numbers = event.items.iter().map(|item| self.number("products", item.product.as_str()));
        let numbers = numbers.collect::<Result<Vec<u32>, _>>()?;
        let unknown = self.unknown(event, &hashes, &numbers).map_err(|error| Step::Write.failed(self.path, error))?;
        let (event, numbers) = match unknown {
            None => (Cow::Borrowed(event), numbers),
            Some(items) if items.is_empty() => return Ok(None),
            Some(items) => {
                let numbers = items.iter().map(|item| self.number("products", item.product.as_str()));
                let numbers = numbers.collect::<Result<_, _>>()?;
                (Cow::Owned(Event { items, ..event.clone() }), numbers)
            }
        };
        let placement = event.placement.as_deref().map(|name| self.number("placements", name)).transpose()?;
        let items = event.items.iter().zip(&numbers);
        let items = items.map(|(item, &product)| StoredItem { product, quantity: item.quantity, price: item.price });
        let currency = event.currency.map(|currency| currency.code().to_owned());
        let row = Columns {
            hashes,
            kind: event.kind,
            time_ms: event.time_ms,
            items: &pack_items(&items.collect::<Vec<_>>()),
            currency: currency.as_deref(),
            placement,
            recommendation: event.recommendation.as_deref(),
            device: event.device.as_deref(),
            query: event.query.as_deref(),
        };
        let is_new = self.keep(&event, row).map_err(|error| Step::Write.failed(self.path, error))?;
        Ok(is_new.then_some(event))
    }

    /// Adds the row of `event`, which was not known by its order. Returns whether it was not known by its key either.
    fn keep(&mut self, event: &Event, row: Columns<'_>) -> rusqlite::Result<bool> {
        let Hashes { key, .. } = row.hashes;
        if is_known_by_order(event) {
            // Another part of the order may have come under the same key: this one is new all the same.
            let apart = Columns { hashes: Hashes { key: apart_from(key, event.kind), ..row.hashes }, ..row };
            return Ok(self.insert(&row)? || self.insert(&apart)?);
        }
        // Files of old bear events' ids without their kinds.
        if event.ids.event.is_some() && self.has(with_kind(key, event.kind), event.kind)? {
            return Ok(false);
        }
        self.insert(&row)
    }

    fn has(&self, key: [u8; 16], kind: EventKind) -> rusqlite::Result<bool> {
        let mut select =
            self.transaction.prepare_cached("SELECT EXISTS (SELECT 1 FROM events WHERE key = ?1 AND kind = ?2)")?;
        select.query_row(params![key, kind.number()], |row| row.get(0))
    }

    /// What of an order's event is not there yet; `None` when that is all of it, or it is of no order.
    fn unknown(&self, event: &Event, hashes: &Hashes, numbers: &[u32]) -> rusqlite::Result<Option<Vec<Item>>> {
        match hashes.order {
            Some(order) if is_known_by_order(event) => {
                Ok(Known::of(&self.transaction, order, event, &hashes.key)?.unknown(&event.items, numbers))
            }
            _ => Ok(None),
        }
    }

    fn insert(&mut self, row: &Columns<'_>) -> rusqlite::Result<bool> {
        const VALUES: &str = "?1, ?2, ?3, ?4, ?5, ?6, ?7, ?8, ?9, ?10, ?11, ?12, ?13, ?14";
        let Hashes { visitor, user, session, order, key } = row.hashes;
        let mut insert = self.transaction.prepare_cached(&format!(
            "INSERT INTO events ({COLUMNS}) VALUES ({VALUES}) ON CONFLICT (key) DO NOTHING"
        ))?;
        let num_rows = insert.execute(params![
            visitor,
            user,
            session,
            order,
            key,
            row.kind.number(),
            row.time_ms,
            row.items,
            row.currency,
            row.placement,
            row.recommendation,
            row.device,
            row.query,
            row.digest()
        ])?;
        if let (1, Some(visitor), Some(user)) = (num_rows, visitor, user)
            && visitor != user
        {
            self.transaction.prepare_cached(LINK)?.execute(params![visitor, user, row.time_ms])?;
        }
        Ok(num_rows == 1)
    }

    /// The number of `name`, given out on first sight.
    fn number(&mut self, table: &'static str, name: &str) -> Result<u32, EventError> {
        let known = if table == "products" { &mut self.names.products } else { &mut self.names.placements };
        if let Some(&number) = known.get(name) {
            return Ok(number);
        }
        let failed = |error| Step::Write.failed(self.path, error);
        let mut select =
            self.transaction.prepare_cached(&format!("SELECT number FROM {table} WHERE name = ?1")).map_err(failed)?;
        let number: i64 = match select.query_row([name], |row| row.get(0)).optional().map_err(failed)? {
            Some(number) => number,
            None => {
                let insert = format!("INSERT INTO {table} (name) VALUES (?1)");
                self.transaction.prepare_cached(&insert).map_err(failed)?.execute([name]).map_err(failed)?;
                self.transaction.last_insert_rowid()
            }
        };
        let too_many = |_| EventError::TooMany { path: self.path.to_owned(), what: "names" };
        let number = u32::try_from(number).map_err(too_many)?;
        known.insert(name.to_owned(), number);
        Ok(number)
    }

    /// Keeps what was added: when this returns it is on disk.
    ///
    /// Returns an error if it cannot be written; then nothing is kept.
    pub(super) fn commit(self) -> Result<(), EventError> {
        let failed = |error| Step::Write.failed(self.path, error);
        let last = last_seq(&self.transaction).map_err(failed)?;
        self.transaction.commit().map_err(failed)?;
        self.names.is_uncommitted = false;
        *self.last_live = last;
        Ok(())
    }
}

/// Number of the last event; 0 without one.
pub(super) fn last_seq(connection: &Connection) -> rusqlite::Result<i64> {
    let last: Option<i64> = connection.query_row("SELECT max(seq) FROM events", [], |row| row.get(0))?;
    Ok(last.unwrap_or(0))
}

/// A connection that only reads, beside the one that writes.
///
/// Returns an error if the file cannot be opened.
pub(super) fn reader(path: &Path) -> Result<Connection, EventError> {
    let failed = |error| Step::Open.failed(path, error);
    let flags = OpenFlags::SQLITE_OPEN_READ_WRITE | OpenFlags::SQLITE_OPEN_NO_MUTEX;
    let connection = Connection::open_with_flags(path, flags).map_err(failed)?;
    connection.busy_timeout(BUSY_TIMEOUT).map_err(failed)?;
    Ok(connection)
}

/// Calls `take` with the rows that `condition` (SQL after `FROM events`) finds, each held against its digest.
///
/// Returns an error if a row cannot be read or is damaged, or `take` returns one.
pub(super) fn scan(
    path: &Path,
    connection: &Connection,
    condition: &str,
    parameters: &[&dyn rusqlite::ToSql],
    take: &mut dyn FnMut(&Columns<'_>) -> Result<(), EventError>,
) -> Result<(), EventError> {
    let failed = |error| Step::Read.failed(path, error);
    let mut select = connection.prepare(&format!("SELECT {COLUMNS} FROM events {condition}")).map_err(failed)?;
    let mut rows = select.query(parameters).map_err(failed)?;
    while let Some(row) = rows.next().map_err(failed)? {
        let columns = Columns::read(row).map_err(|error| misread(path, error))?;
        take(&columns.map_err(|reason| EventError::Damaged { path: path.to_owned(), reason })?)?;
    }
    Ok(())
}

/// A column of another type is damage.
fn misread(path: &Path, error: rusqlite::Error) -> EventError {
    match error.sqlite_error_code() {
        Some(_) => Step::Read.failed(path, error),
        None => EventError::Damaged { path: path.to_owned(), reason: error.to_string() },
    }
}

/// Tells the file at `path` from any other.
fn file_at(path: &Path) -> Option<(u64, u64)> {
    path.metadata().ok().map(|file| (file.dev(), file.ino()))
}

fn data_version(connection: &Connection) -> rusqlite::Result<i64> {
    connection.pragma_query_value(None, "data_version", |row| row.get(0))
}
