//! Erasing and exporting what is kept of one shopper, and forgetting what is older than its retention.
//!
//! SQLite overwrites what it deletes with zeros (`secure_delete`), but when it splits a page, copies of the rows that moved away stay
//! in the free part of the old one. So an erasure does three things: it deletes, it cuts the log (`-wal`) to nothing, and it searches the
//! file's bytes for the erased hashes; where any is left, the file is written anew (`VACUUM`) and the log is cut again.

use std::collections::HashSet;
use std::fs::File;
use std::io::{BufReader, Read};
use std::path::Path;

use jiff::Timestamp;
use rusqlite::{Connection, params};
use serde::Serialize;
use utoipa::ToSchema;

use super::error::{EventError, Step};
use super::event::PRICE_PARTS;
use super::file::{EventFile, last_seq, name_of, scan};
use super::identity::Domain;
use super::kind::EventKind;
use super::row::Columns;
use super::store::EventStore;

/// Events that one transaction of a purge looks at.
const PURGE_STEP: i64 = 100_000;
/// Bytes of the file that are searched at a time.
const SEARCH_BYTES: usize = 1 << 20;
/// Bytes of what is searched for: a hash, or the start of an event's key.
const NEEDLE_BYTES: usize = 8;

type Needles = HashSet<[u8; NEEDLE_BYTES]>;

/// What is the shopper's: events under the id, as visitor or user, and anonymous ones of visitors who first signed in as this user.
const OF_SHOPPER: &str = "WHERE visitor = ?1 OR user = ?1
    OR (user IS NULL AND visitor IN (SELECT visitor FROM links WHERE user = ?1))";

/// Proof of an erasure. It bears nothing of whose it was.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, ToSchema)]
#[schema(example = json!({"receipt_id": "01K…", "erased_at": "2026-01-31T12:00:00Z", "events": 17, "links": 1}))]
pub struct ErasureReceipt {
    /// Names the erasure.
    pub receipt_id: String,
    /// When it was done.
    #[schema(value_type = String)]
    pub erased_at: Timestamp,
    /// Events that were erased.
    pub events: u64,
    /// Sign-ins that were erased.
    pub links: u64,
}

/// One event as it is kept of a shopper.
#[derive(Debug, Clone, PartialEq, Serialize, ToSchema)]
pub struct ExportedEvent {
    /// What was done.
    pub event: EventKind,
    /// When.
    #[schema(value_type = String)]
    pub timestamp: Timestamp,
    /// The products.
    pub items: Vec<ExportedItem>,
    /// Currency of the prices.
    pub currency: Option<String>,
    /// The slot of the page.
    pub placement: Option<String>,
    /// The answer that led to it.
    pub recommendation_id: Option<String>,
    /// What it was done on.
    pub device: Option<String>,
    /// What was searched for.
    pub search_term: Option<String>,
    /// Hash of the session's id, in hexadecimal; the id itself is not kept.
    pub session_hash: Option<String>,
    /// Hash of the order's number, in hexadecimal; the number itself is not kept.
    pub order_hash: Option<String>,
}

/// One product of an [`ExportedEvent`].
#[derive(Debug, Clone, PartialEq, Serialize, ToSchema)]
pub struct ExportedItem {
    /// The product.
    pub item_id: String,
    /// Pieces.
    pub quantity: u32,
    /// Price of a piece.
    pub price: Option<f64>,
}

impl EventStore {
    /// Erases all that is kept under `id`, a visitor's or a user's: the events, their place in the indexes, the sign-ins, the live
    /// session. When this returns, neither their hashes nor their events are in any file of the store.
    ///
    /// Whole copies of the file may be written: it takes about a second a million events, in which no event is kept. Returns an error if
    /// the file cannot be read or written, or another process keeps old pages in use.
    pub fn erase(&self, id: &str) -> Result<ErasureReceipt, EventError> {
        let now = Timestamp::now();
        let mut receipt =
            ErasureReceipt { receipt_id: ulid::Ulid::generate().to_string(), erased_at: now, events: 0, links: 0 };
        let mut file = self.shared.file();
        self.shared.find_file(&mut file)?;
        let (Some(file), Some(key)) = (file.as_mut(), self.shared.key()) else { return Ok(receipt) };
        let shopper = key.hash(Domain::Shopper, id);
        let needles = delete(file, shopper, &mut receipt)?;
        scrub(file, &needles)?;
        self.shared.restore(file)?;
        Ok(receipt)
    }

    /// All that is kept under `id`, a visitor's or a user's, oldest first.
    ///
    /// Returns an error if the file is damaged or cannot be read.
    pub fn export(&self, id: &str) -> Result<Vec<ExportedEvent>, EventError> {
        let mut file = self.shared.file();
        self.shared.find_file(&mut file)?;
        let (Some(file), Some(key)) = (file.as_ref(), self.shared.key()) else { return Ok(Vec::new()) };
        let shopper = key.hash(Domain::Shopper, id);
        let mut events = Vec::new();
        let condition = format!("{OF_SHOPPER} ORDER BY time_ms, seq");
        scan(file.path(), file.connection(), &condition, &[&shopper], &mut |row| {
            events.push(exported(file, row)?);
            Ok(())
        })?;
        Ok(events)
    }

    /// Forgets the events that are older than their kind's retention at `now_ms`. Returns how many.
    ///
    /// Returns an error if the file cannot be written.
    pub fn purge(&self, now_ms: i64) -> Result<u64, EventError> {
        let mut num_purged = 0;
        let mut next = Some(0);
        while let Some(from) = next {
            // The lock is let go between two steps, so that events go on being kept.
            let mut file = self.shared.file();
            self.shared.find_file(&mut file)?;
            let Some(file) = file.as_mut() else { return Ok(0) };
            let (purged, last) = self.purge_step(file, from, now_ms)?;
            num_purged += purged;
            next = last;
        }
        if num_purged > 0 {
            self.finish_purge()?;
        }
        Ok(num_purged)
    }

    /// Purges the events numbered from `from` on, as many as one step takes. Returns how many went and where the next step begins.
    fn purge_step(&self, file: &mut EventFile, from: i64, now_ms: i64) -> Result<(u64, Option<i64>), EventError> {
        let path = file.path().to_owned();
        let failed = |error| Step::Write.failed(&path, error);
        let append = file.begin()?;
        let last = last_seq(append.transaction()).map_err(failed)?;
        let until = from.saturating_add(PURGE_STEP);
        // One pass over the rows, whatever the number of kinds; what is kept for ever compares with the least time there is.
        let oldest = EventKind::ALL.map(|kind| {
            let oldest_ms = self.shared.config.oldest_ms(kind, now_ms).unwrap_or(i64::MIN);
            format!("WHEN {} THEN {oldest_ms}", kind.number())
        });
        let delete =
            format!("DELETE FROM events WHERE seq >= ?1 AND seq < ?2 AND time_ms < CASE kind {} END", oldest.join(" "));
        let num_purged = append.transaction().execute(&delete, params![from, until]).map_err(failed)? as u64;
        append.commit()?;
        Ok((num_purged, (last >= until).then_some(until)))
    }

    fn finish_purge(&self) -> Result<(), EventError> {
        let mut file = self.shared.file();
        let Some(file) = file.as_mut() else { return Ok(()) };
        let path = file.path().to_owned();
        let append = file.begin()?;
        let unused = "DELETE FROM links WHERE NOT EXISTS (SELECT 1 FROM events WHERE events.visitor = links.visitor)";
        append.transaction().execute(unused, []).map_err(|error| Step::Write.failed(&path, error))?;
        append.commit()?;
        self.shared.restore(file)
    }
}

/// Deletes a shopper's events and sign-ins. Returns the bytes that must not be found any more: the shopper's hash, those of visitors and
/// users of whom nothing is left, and the beginnings of the events' keys.
fn delete(file: &mut EventFile, shopper: i64, receipt: &mut ErasureReceipt) -> Result<Needles, EventError> {
    let path = file.path().to_owned();
    let failed = |error| Step::Write.failed(&path, error);
    let append = file.begin()?;
    let transaction = append.transaction();
    let (mut needles, others) = traces(transaction, shopper).map_err(failed)?;
    let events = transaction.execute(&format!("DELETE FROM events {OF_SHOPPER}"), [shopper]);
    receipt.events = events.map_err(failed)? as u64;
    let links = transaction.execute("DELETE FROM links WHERE visitor = ?1 OR user = ?1", [shopper]);
    receipt.links = links.map_err(failed)? as u64;
    for other in others {
        if !is_left(transaction, other).map_err(failed)? {
            needles.insert(other.to_be_bytes());
        }
    }
    let insert = "INSERT INTO erasures VALUES (?1, ?2, ?3)";
    let values = params![receipt.receipt_id, receipt.erased_at.as_millisecond(), receipt.events];
    transaction.execute(insert, values).map_err(failed)?;
    append.commit()?;
    Ok(needles)
}

/// The shopper's hash with the keys of the events, and the other hashes of shoppers in them.
fn traces(connection: &Connection, shopper: i64) -> rusqlite::Result<(Needles, HashSet<i64>)> {
    let (mut needles, mut others) = (HashSet::from([shopper.to_be_bytes()]), HashSet::new());
    let mut select = connection.prepare(&format!("SELECT key, visitor, user FROM events {OF_SHOPPER}"))?;
    let mut rows = select.query([shopper])?;
    while let Some(row) = rows.next()? {
        let key: Vec<u8> = row.get(0)?;
        needles.extend(key.first_chunk::<NEEDLE_BYTES>());
        let ids: [Option<i64>; 2] = [row.get(1)?, row.get(2)?];
        others.extend(ids.into_iter().flatten().filter(|id| *id != shopper));
    }
    Ok((needles, others))
}

/// Whether anything of the shopper is kept.
fn is_left(connection: &Connection, shopper: i64) -> rusqlite::Result<bool> {
    const LEFT: &str = "SELECT EXISTS (SELECT 1 FROM events WHERE visitor = ?1 OR user = ?1)
        OR EXISTS (SELECT 1 FROM links WHERE visitor = ?1 OR user = ?1)";
    connection.query_row(LEFT, [shopper], |row| row.get(0))
}

/// Sees to it that none of `needles` is in the file or its log.
fn scrub(file: &EventFile, needles: &Needles) -> Result<(), EventError> {
    let failed = |error| Step::Write.failed(file.path(), error);
    cut_log(file.path(), file.connection())?;
    if holds_any(file.path(), needles)? {
        file.connection().execute_batch("VACUUM").map_err(failed)?;
        cut_log(file.path(), file.connection())?;
    }
    Ok(())
}

/// Writes the log back into the file and cuts it to nothing.
fn cut_log(path: &Path, connection: &Connection) -> Result<(), EventError> {
    let failed = |error| Step::Write.failed(path, error);
    let is_busy: i64 = connection.query_row("PRAGMA wal_checkpoint(TRUNCATE)", [], |row| row.get(0)).map_err(failed)?;
    if is_busy == 0 { Ok(()) } else { Err(EventError::NotScrubbed { path: path.to_owned() }) }
}

/// Whether any of `needles` stands anywhere in the file at `path`.
fn holds_any(path: &Path, needles: &Needles) -> Result<bool, EventError> {
    let failed = |source: std::io::Error| {
        let error = rusqlite::Error::ToSqlConversionFailure(Box::new(source));
        Step::Read.failed(path, error)
    };
    let mut starts = vec![false; 1 << 16];
    needles.iter().for_each(|needle| starts[usize::from(u16::from_le_bytes([needle[0], needle[1]]))] = true);
    let mut file = BufReader::with_capacity(SEARCH_BYTES, File::open(path).map_err(failed)?);
    let mut bytes = Vec::with_capacity(SEARCH_BYTES + NEEDLE_BYTES);
    loop {
        // The end of the last part stays, as a needle may lie across.
        let kept = bytes.len().min(NEEDLE_BYTES - 1);
        bytes.drain(..bytes.len() - kept);
        let num_read = file.by_ref().take(SEARCH_BYTES as u64).read_to_end(&mut bytes).map_err(failed)?;
        let is_there =
            |window: &[u8]| starts[usize::from(u16::from_le_bytes([window[0], window[1]]))] && needles.contains(window);
        if bytes.windows(NEEDLE_BYTES).any(is_there) {
            return Ok(true);
        }
        if num_read == 0 {
            return Ok(false);
        }
    }
}

fn exported(file: &EventFile, row: &Columns<'_>) -> Result<ExportedEvent, EventError> {
    let damaged = |reason: &str| EventError::Damaged { path: file.path().to_owned(), reason: reason.to_owned() };
    let stored = row.stored_items().ok_or_else(|| damaged("an event's products cannot be read"))?;
    let items = stored.iter().map(|item| {
        let price = item.price.map(|price| price as f64 / PRICE_PARTS as f64);
        Ok(ExportedItem {
            item_id: name_of(file.path(), file.connection(), "products", item.product)?,
            quantity: item.quantity,
            price,
        })
    });
    let text = |text: Option<&str>| text.map(str::to_owned);
    let hex = |hash: Option<i64>| hash.map(|hash| format!("{hash:016x}"));
    Ok(ExportedEvent {
        event: row.kind,
        timestamp: Timestamp::from_millisecond(row.time_ms).map_err(|_| damaged("an event has no possible time"))?,
        items: items.collect::<Result<_, EventError>>()?,
        currency: text(row.currency),
        placement: row
            .placement
            .map(|number| name_of(file.path(), file.connection(), "placements", number))
            .transpose()?,
        recommendation_id: text(row.recommendation),
        device: text(row.device),
        search_term: text(row.query),
        session_hash: hex(row.hashes.session),
        order_hash: hex(row.hashes.order),
    })
}
