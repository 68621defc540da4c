//! Erasing and exporting what is kept of one shopper.
//!
//! An erasure deletes in one transaction and has [`super::scrub`] rid the files of the bytes. It is not done before that, and until then the
//! file knows, by a keyed hash of its own, that the bytes of this shopper's events may still be there: an erasure that is asked for
//! again, in this process or another, goes on where the first stopped, and its receipt counts what both deleted.

use std::time::{Duration, Instant};

use jiff::Timestamp;
use rusqlite::{Connection, OptionalExtension, params};
use serde::Serialize;
use utoipa::ToSchema;

use super::error::{EventError, Step};
use super::event::{MAX_ID_BYTES, PRICE_PARTS};
use super::file::{EventFile, name_of, scan};
use super::history::History;
use super::identity::{Domain, IdentityKey};
use super::kind::EventKind;
use super::row::Columns;
use super::scrub::{Needles, Scrubbed, cut_log};
use super::sessions::{self, Chosen, HistoryPart};
use super::store::EventStore;
use super::unused_names::Borne;

/// How long an erasure waits, in all, for other processes that read.
const MAX_WAIT: Duration = Duration::from_secs(10);
/// How long it sleeps between two tries; events are kept meanwhile.
const RETRY_AFTER: Duration = Duration::from_millis(50);

/// What is the shopper's: events under the id, as visitor or user, and anonymous ones of visitors who first signed in as this user; and
/// those that bear the id as that of their session and no other.
const OF_SHOPPER: &str = "WHERE visitor = ?1 OR user = ?1
    OR (user IS NULL AND visitor IN (SELECT visitor FROM links WHERE user = ?1))
    OR (session = ?2 AND visitor IS NULL AND user IS NULL)";

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
    /// Erases all that is kept under `id`, a visitor's or a user's, or that of a session whose events bear no other id: the events, their
    /// place in the indexes, the sign-ins, the live session, the names of products and placements that no other event bears. When this returns, neither their hashes nor their events are in any file of the
    /// store: the files were searched after the last write.
    ///
    /// Whole copies of the file may be written: it takes about a second a million events, in which no event is kept. Where another process
    /// reads, this waits for it and lets events be kept meanwhile. Returns an error if `id` is empty or longer than ids are, the file cannot be read or written, or its bytes could
    /// not be shown to be gone; the events are out of the tables even so, and asking again goes on from there.
    pub fn erase(&self, id: &str) -> Result<ErasureReceipt, EventError> {
        self.erase_within(id, MAX_WAIT)
    }

    /// As [`EventStore::erase`], waiting for other processes no longer than `max_wait`.
    fn erase_within(&self, id: &str, max_wait: Duration) -> Result<ErasureReceipt, EventError> {
        check_id(id)?;
        let (receipt, mut needles) = match self.delete(id)? {
            Some(deleted) => deleted,
            None => return Ok(ErasureReceipt::new(Timestamp::now())),
        };
        let began = Instant::now();
        while self.try_scrub(&receipt, &mut needles)? == Scrubbed::Busy {
            if began.elapsed() > max_wait {
                return Err(EventError::NotScrubbed { path: self.path().to_owned() });
            }
            std::thread::sleep(RETRY_AFTER);
        }
        Ok(receipt)
    }

    /// Takes the shopper out of the tables and the live sessions. Returns the receipt, and what must not be found any more; `None` without a
    /// file.
    fn delete(&self, id: &str) -> Result<Option<(ErasureReceipt, Needles)>, EventError> {
        let mut file = self.shared.file();
        self.shared.find_file(&mut file)?;
        let (Some(file), Some(key)) = (file.as_mut(), self.shared.key()) else { return Ok(None) };
        let deleted = delete(file, &Erased::new(key, id))?;
        self.shared.restore(file)?;
        Ok(Some(deleted))
    }

    /// One try, after which events are kept again.
    fn try_scrub(&self, receipt: &ErasureReceipt, needles: &mut Needles) -> Result<Scrubbed, EventError> {
        let _alone = self.shared.without_readers();
        let mut file = self.shared.file();
        self.shared.find_file(&mut file)?;
        let Some(file) = file.as_mut() else { return Ok(Scrubbed::Clean) };
        if needles.scrub(file)? == Scrubbed::Busy {
            return Ok(Scrubbed::Busy);
        }
        let path = file.path().to_owned();
        let append = file.begin()?;
        let forget = "UPDATE erasures SET whose = NULL WHERE receipt = ?1";
        let forgotten = append.transaction().execute(forget, [&receipt.receipt_id]);
        forgotten.map_err(|error| Step::Write.failed(&path, error))?;
        append.commit()?;
        // The log holds but this one row's page; who reads now keeps it until the next time that it is cut.
        cut_log(&path, file.connection())?;
        Ok(Scrubbed::Clean)
    }

    /// All that is kept under `id`, a visitor's or a user's, or that of a session whose events bear no other id; oldest first.
    ///
    /// Returns an error if `id` is empty or longer than ids are, or the file is damaged or cannot be read.
    pub fn export(&self, id: &str) -> Result<Vec<ExportedEvent>, EventError> {
        check_id(id)?;
        let mut file = self.shared.file();
        self.shared.find_file(&mut file)?;
        let (Some(file), Some(key)) = (file.as_ref(), self.shared.key()) else { return Ok(Vec::new()) };
        let Erased { shopper, session, .. } = Erased::new(key, id);
        let mut events = Vec::new();
        let condition = format!("{OF_SHOPPER} ORDER BY time_ms, seq");
        scan(file.path(), file.connection(), &condition, &[&shopper, &session], &mut |row| {
            events.push(exported(file, row)?);
            Ok(())
        })?;
        Ok(events)
    }

    /// The sessions of [`EventStore::history`], whole, to which anything contributes that is kept under `id`, a visitor's or a user's, or
    /// that of a session whose events bear no other id. What others did in them is there too: under the same user on another device, or
    /// a refund that nobody signed.
    ///
    /// Takes as long and needs as much memory as the whole history. Returns an error if the file is damaged or cannot be read.
    pub fn history_of(&self, id: &str) -> Result<History, EventError> {
        if !self.is_there()? {
            return Ok(History::default());
        }
        let Some(key) = self.shared.key() else { return Ok(History::default()) };
        let Erased { shopper, session, .. } = Erased::new(key, id);
        let chosen = Chosen { condition: OF_SHOPPER, hashes: [shopper, session] };
        let idle_ms = self.shared.config.session_idle_ms();
        sessions::history(self.path(), &HistoryPart::default(), idle_ms, Some(chosen))
    }
}

impl ErasureReceipt {
    fn new(now: Timestamp) -> Self {
        Self { receipt_id: ulid::Ulid::generate().to_string(), erased_at: now, events: 0, links: 0 }
    }
}

/// No event bears an id that is empty or too long: asking for one is a mistake, not somebody of whom nothing is kept.
fn check_id(id: &str) -> Result<(), EventError> {
    match id.len() {
        1..=MAX_ID_BYTES => Ok(()),
        num_bytes => Err(EventError::InvalidId { num_bytes }),
    }
}

/// The hashes of an id that is erased.
struct Erased {
    shopper: i64,
    session: i64,
    /// Tells the erasure alone: nothing else bears it.
    whose: [u8; 16],
}

impl Erased {
    fn new(key: &IdentityKey, id: &str) -> Self {
        let (shopper, session) = (key.hash(Domain::Shopper, id), key.hash(Domain::Session, id));
        Self { shopper, session, whose: key.digest(Domain::Erasure, id.as_bytes()) }
    }
}

/// Deletes a shopper's events and sign-ins, and writes the receipt. Returns it with what must not be found any more.
fn delete(file: &mut EventFile, erased: &Erased) -> Result<(ErasureReceipt, Needles), EventError> {
    let path = file.path().to_owned();
    let failed = |error| Step::Write.failed(&path, error);
    let mut append = file.begin()?;
    let transaction = append.transaction();
    let mut needles = traces(transaction, erased).map_err(failed)?;
    let borne = Borne::by(transaction, OF_SHOPPER, &[&erased.shopper, &erased.session]).map_err(failed)?;
    let begun = begun(transaction, erased).map_err(failed)?;
    if begun.is_some() {
        needles.rewrite_all();
    }
    let mut receipt = begun.unwrap_or_else(|| ErasureReceipt::new(Timestamp::now()));
    let ids = params![erased.shopper, erased.session];
    receipt.events += transaction.execute(&format!("DELETE FROM events {OF_SHOPPER}"), ids).map_err(failed)? as u64;
    let links = transaction.execute("DELETE FROM links WHERE visitor = ?1 OR user = ?1", [erased.shopper]);
    receipt.links += links.map_err(failed)? as u64;
    let insert = "INSERT OR REPLACE INTO erasures (receipt, at_ms, events, links, whose) VALUES (?1, ?2, ?3, ?4, ?5)";
    let at_ms = receipt.erased_at.as_millisecond();
    let values = params![receipt.receipt_id, at_ms, receipt.events, receipt.links, erased.whose];
    transaction.execute(insert, values).map_err(failed)?;
    if borne.delete_unused(transaction).map_err(failed)? {
        // Names are not searched for: the file is written anew without them.
        needles.rewrite_all();
        append.forget_names();
    }
    append.commit()?;
    Ok((receipt, needles))
}

/// The receipt of an erasure of the same id whose bytes may not be gone.
fn begun(connection: &Connection, erased: &Erased) -> rusqlite::Result<Option<ErasureReceipt>> {
    let mut select = connection.prepare("SELECT receipt, at_ms, events, links FROM erasures WHERE whose = ?1")?;
    let receipt = select.query_row([erased.whose], |row| {
        let erased_at = Timestamp::from_millisecond(row.get(1)?).unwrap_or_else(|_| Timestamp::now());
        Ok(ErasureReceipt { receipt_id: row.get(0)?, erased_at, events: row.get(2)?, links: row.get(3)? })
    });
    receipt.optional()
}

/// What the events of a shopper leave behind: the hashes in them, and their keys.
fn traces(connection: &Connection, erased: &Erased) -> rusqlite::Result<Needles> {
    let mut needles = Needles::default();
    needles.add_hash(erased.shopper);
    let mut select =
        connection.prepare(&format!("SELECT key, visitor, user, order_hash, session FROM events {OF_SHOPPER}"))?;
    let mut rows = select.query(params![erased.shopper, erased.session])?;
    while let Some(row) = rows.next()? {
        needles.add_key(row.get_ref(0)?.as_blob()?);
        let [visitor, user, order, session]: [Option<i64>; 4] = [row.get(1)?, row.get(2)?, row.get(3)?, row.get(4)?];
        // Sessions of somebody stand beside the key in rows alone, those of nobody in an index too.
        let session = session.filter(|_| visitor.is_none() && user.is_none());
        [visitor, user, order, session].into_iter().flatten().for_each(|hash| needles.add_hash(hash));
    }
    Ok(needles)
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

#[cfg(test)]
mod tests;
