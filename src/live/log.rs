//! `live.sqlite`: the changes of one catalog in the order in which they were acknowledged, in a SQLite file that any tool can open.
//!
//! Table `changes`, to which rows are only added, by one transaction a group, synced to disk before it is acknowledged:
//!
//! | column | meaning |
//! |---|---|
//! | `seq` | number of the change, ascending by one |
//! | `at_ms` | when, in milliseconds since 1970 |
//! | `kind` | `upsert`, `patch` or `delete` |
//! | `id` | the product |
//! | `payload` | `upsert`: the product as JSON; `patch`: the changed fields as JSON; `delete`: empty |
//! | `vector` | `upsert`: the text's vector, f32 little-endian; else null |
//! | `model` | `upsert`: fingerprint of the model that made it; else null |
//! | `digest` | first 8 bytes of the BLAKE3 of the other columns |
//!
//! Table `log` has one row: the log's name and the number up to which changes were purged. SQLite has no checksums, so every row is
//! read against its digest, and the numbers must follow each other to the last that was given out: damage is an error, never
//! another price.

use std::os::unix::fs::MetadataExt;
use std::path::{Path, PathBuf};
use std::time::Duration;

use rusqlite::{Connection, OpenFlags, OptionalExtension, Row, Transaction, TransactionBehavior, params};

use super::change::{Change, Entry, Upsert};
use super::error::{LiveError, Step};
use crate::catalog::{Product, ProductId};

/// `PRAGMA application_id`: `KNDL`.
const APPLICATION_ID: i32 = 0x4B4E_444C;
/// `PRAGMA user_version`: version of the tables above.
const VERSION: i32 = 1;
/// How long a write waits for another process.
const BUSY_TIMEOUT: Duration = Duration::from_secs(10);
const DIGEST_BYTES: usize = 8;

const SCHEMA: &str = "
    CREATE TABLE log (name TEXT NOT NULL, purged INTEGER NOT NULL) STRICT;
    CREATE TABLE changes (
        seq INTEGER PRIMARY KEY AUTOINCREMENT,
        at_ms INTEGER NOT NULL,
        kind TEXT NOT NULL,
        id TEXT NOT NULL,
        payload BLOB NOT NULL,
        vector BLOB,
        model TEXT,
        digest BLOB NOT NULL
    ) STRICT;";

const SELECT: &str =
    "SELECT seq, at_ms, kind, id, payload, vector, model, digest FROM changes WHERE seq > ?1 ORDER BY seq";
const INSERT: &str = "INSERT INTO changes (seq, at_ms, kind, id, payload, vector, model, digest)
    VALUES (?1, ?2, ?3, ?4, ?5, ?6, ?7, ?8)";
const LAST: &str = "SELECT seq FROM sqlite_sequence WHERE name = 'changes'";

/// An open log.
#[derive(Debug)]
pub struct ChangeLog {
    path: PathBuf,
    connection: Connection,
    name: String,
    /// `PRAGMA data_version` when entries were last read.
    seen: i64,
    /// Which file was opened.
    file: Option<(u64, u64)>,
}

/// How much a log holds.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct LogSize {
    /// Changes in it.
    pub changes: u64,
    /// Bytes of the file, without what is free in it.
    pub bytes: u64,
}

impl ChangeLog {
    /// Opens the log at `path`, making it if it is missing.
    ///
    /// Returns an error naming the file if it cannot be made, is damaged, foreign, or of a newer version.
    pub fn open(path: &Path) -> Result<Self, LiveError> {
        Self::open_with(path, OpenFlags::SQLITE_OPEN_READ_WRITE | OpenFlags::SQLITE_OPEN_CREATE)
    }

    /// Opens the log at `path` if there is one.
    ///
    /// Returns an error as [`ChangeLog::open`] does.
    pub fn open_existing(path: &Path) -> Result<Option<Self>, LiveError> {
        if path.exists() { Self::open_with(path, OpenFlags::SQLITE_OPEN_READ_WRITE).map(Some) } else { Ok(None) }
    }

    fn open_with(path: &Path, flags: OpenFlags) -> Result<Self, LiveError> {
        let failed = |error| Step::Open.failed(path, error);
        let mut connection =
            Connection::open_with_flags(path, flags | OpenFlags::SQLITE_OPEN_NO_MUTEX).map_err(failed)?;
        connection.busy_timeout(BUSY_TIMEOUT).map_err(failed)?;
        if pragma(&connection, "application_id").map_err(failed)? == 0 {
            make(&mut connection).map_err(failed)?;
        }
        check_kind(path, &connection)?;
        connection.pragma_update(None, "journal_mode", "WAL").map_err(failed)?;
        connection.pragma_update(None, "synchronous", "FULL").map_err(failed)?;
        let name = connection.query_row("SELECT name FROM log", [], |row| row.get(0)).map_err(failed)?;
        let seen = data_version(&connection).map_err(failed)?;
        Ok(Self { path: path.to_owned(), connection, name, seen, file: file_at(path) })
    }

    /// The log's own name: another file in its place has another.
    pub fn name(&self) -> &str {
        &self.name
    }

    /// Number of the last change; 0 before the first.
    ///
    /// Returns an error if the file cannot be read.
    pub fn last_seq(&self) -> Result<u64, LiveError> {
        last_seq(&self.connection).map_err(|error| Step::Read.failed(&self.path, error))
    }

    /// Number of the last change that is no longer kept; 0 when all are.
    ///
    /// Returns an error if the file cannot be read.
    pub fn purged(&self) -> Result<u64, LiveError> {
        purged(&self.connection).map_err(|error| Step::Read.failed(&self.path, error))
    }

    /// How much the log holds.
    ///
    /// Returns an error if the file cannot be read.
    pub fn size(&self) -> Result<LogSize, LiveError> {
        let failed = |error| Step::Read.failed(&self.path, error);
        let page = |name| pragma(&self.connection, name).map(|value: i32| u64::try_from(value).unwrap_or(0));
        let pages = page("page_count").map_err(failed)?.saturating_sub(page("freelist_count").map_err(failed)?);
        let bytes = pages * page("page_size").map_err(failed)?;
        Ok(LogSize { changes: self.last_seq()?.saturating_sub(self.purged()?), bytes })
    }

    /// Whether another connection has written since entries were last read through this one.
    ///
    /// Returns an error if the file cannot be read.
    pub fn has_news(&self) -> Result<bool, LiveError> {
        let version = data_version(&self.connection).map_err(|error| Step::Read.failed(&self.path, error))?;
        Ok(version != self.seen)
    }

    /// Calls `take` with the changes after `seq`, in order.
    ///
    /// Returns an error if one cannot be read or is missing, or `take` returns one.
    pub fn read_since(
        &mut self,
        seq: u64,
        take: &mut dyn FnMut(Entry) -> Result<(), LiveError>,
    ) -> Result<(), LiveError> {
        let failed = |error| Step::Read.failed(&self.path, error);
        // Before reading, so that what is written meanwhile is news.
        let seen = data_version(&self.connection).map_err(failed)?;
        let snapshot = self.connection.unchecked_transaction().map_err(failed)?;
        read_since(&self.path, &snapshot, seq, take)?;
        drop(snapshot);
        self.seen = seen;
        Ok(())
    }

    /// What an [`Append`] read of other connections' changes is in use, and no news any more. Until then a write that fails leaves it news.
    pub fn has_taken(&mut self, seen: Seen) {
        self.seen = seen.0;
    }

    /// Starts to add changes; no other process adds any until the result is dropped.
    ///
    /// Returns an error if another process keeps the file to itself, it cannot be written, or another file has taken its place.
    pub fn begin(&mut self) -> Result<Append<'_>, LiveError> {
        if self.file != file_at(&self.path) {
            // What would be written to a file without a name is gone when it is closed.
            return Err(LiveError::Replaced { path: self.path.clone() });
        }
        let failed = |error| Step::Write.failed(&self.path, error);
        let seen = data_version(&self.connection).map_err(failed)?;
        let transaction = self.connection.transaction_with_behavior(TransactionBehavior::Immediate).map_err(failed)?;
        let last = last_seq(&transaction).map_err(failed)?;
        Ok(Append { path: &self.path, transaction, last, seen })
    }

    /// Forgets the longest run of changes from the oldest on that are settled by `settled` and were made before `before_ms`. Returns
    /// how many.
    ///
    /// Returns an error if the file cannot be written.
    pub fn purge(&mut self, settled: u64, before_ms: i64) -> Result<u64, LiveError> {
        let path = self.path.clone();
        let failed = |error| Step::Write.failed(&path, error);
        let behavior = TransactionBehavior::Immediate;
        let transaction = self.connection.transaction_with_behavior(behavior).map_err(failed)?;
        let kept = "SELECT min(seq) FROM changes WHERE seq > ?1 OR at_ms >= ?2";
        let first_kept: Option<u64> =
            transaction.query_row(kept, params![settled, before_ms], |row| row.get(0)).map_err(failed)?;
        let last = last_seq(&transaction).map_err(failed)?;
        let purged = first_kept.map_or(last, |first| first.saturating_sub(1));
        let deleted = transaction.execute("DELETE FROM changes WHERE seq <= ?1", [purged]).map_err(failed)?;
        if deleted > 0 {
            transaction.execute("UPDATE log SET purged = ?1", [purged]).map_err(failed)?;
        }
        transaction.commit().map_err(failed)?;
        Ok(deleted as u64)
    }
}

/// Changes on their way into the log; without [`Append::commit`] none of them is kept.
pub struct Append<'a> {
    path: &'a Path,
    transaction: Transaction<'a>,
    last: u64,
    seen: i64,
}

/// What other connections had written when an [`Append`] was begun.
#[derive(Debug, Clone, Copy)]
pub struct Seen(i64);

impl Append<'_> {
    /// For [`ChangeLog::has_taken`], once what was read is in use.
    pub fn seen(&self) -> Seen {
        Seen(self.seen)
    }

    /// Calls `take` with the changes after `seq` that are in the log already.
    ///
    /// Returns an error as [`ChangeLog::read_since`] does.
    pub fn read_since(&self, seq: u64, take: &mut dyn FnMut(Entry) -> Result<(), LiveError>) -> Result<(), LiveError> {
        if self.last == seq { Ok(()) } else { read_since(self.path, &self.transaction, seq, take) }
    }

    /// Adds a change made at `at_ms` and returns its number.
    ///
    /// Returns an error if it cannot be written.
    pub fn push(&mut self, change: &Change, at_ms: i64) -> Result<u64, LiveError> {
        let failed = |error| Step::Write.failed(self.path, error);
        let seq = self.last + 1;
        let stored = Stored::of(change);
        let mut insert = self.transaction.prepare_cached(INSERT).map_err(failed)?;
        let Stored { kind, id, payload, vector, model } = &stored;
        let digest = stored.digest(seq, at_ms);
        insert.execute(params![seq, at_ms, kind, id, payload, vector, model, digest]).map_err(failed)?;
        self.last = seq;
        Ok(seq)
    }

    /// Keeps the changes: when this returns they are on disk.
    ///
    /// Returns an error if they cannot be written; then none is kept.
    pub fn commit(self) -> Result<(), LiveError> {
        self.transaction.commit().map_err(|error| Step::Write.failed(self.path, error))
    }
}

/// A change as the columns of its row.
struct Stored {
    kind: String,
    id: String,
    payload: Vec<u8>,
    vector: Option<Vec<u8>>,
    model: Option<String>,
}

impl Stored {
    fn of(change: &Change) -> Self {
        let id = change.id().to_string();
        let plain =
            |kind: &str, payload| Self { kind: kind.to_owned(), id: id.clone(), payload, vector: None, model: None };
        match change {
            Change::Upsert(upsert) => Self {
                vector: Some(upsert.vector.iter().flat_map(|x| x.to_le_bytes()).collect()),
                model: Some(upsert.model.clone()),
                // Texts, numbers, lists and maps with text keys are always JSON.
                ..plain("upsert", serde_json::to_vec(&upsert.product).unwrap_or_default())
            },
            Change::Patch { patch, .. } => plain("patch", serde_json::to_vec(patch).unwrap_or_default()),
            Change::Delete { .. } => plain("delete", Vec::new()),
        }
    }

    fn digest(&self, seq: u64, at_ms: i64) -> [u8; DIGEST_BYTES] {
        let mut hasher = blake3::Hasher::new();
        hasher.update(&seq.to_le_bytes()).update(&at_ms.to_le_bytes());
        let texts = [self.kind.as_bytes(), self.id.as_bytes(), &self.payload];
        let model = self.model.as_deref().map(str::as_bytes).unwrap_or_default();
        for part in texts.into_iter().chain([self.vector.as_deref().unwrap_or_default(), model]) {
            hasher.update(&(part.len() as u64).to_le_bytes()).update(part);
        }
        let mut digest = [0; DIGEST_BYTES];
        digest.copy_from_slice(&hasher.finalize().as_bytes()[..DIGEST_BYTES]);
        digest
    }

    /// The change, or in words why the row holds none.
    fn into_change(self) -> Result<Change, String> {
        let id = ProductId::new(self.id).map_err(|error| error.to_string())?;
        match self.kind.as_str() {
            "upsert" => {
                let product: Product = serde_json::from_slice(&self.payload).map_err(|error| error.to_string())?;
                let bytes = self.vector.unwrap_or_default();
                let vector = bytes.as_chunks::<4>().0.iter().map(|x| f32::from_le_bytes(*x)).collect();
                Ok(Change::Upsert(Box::new(Upsert { product, vector, model: self.model.unwrap_or_default() })))
            }
            "patch" => {
                let patch = serde_json::from_slice(&self.payload).map_err(|error| error.to_string())?;
                Ok(Change::Patch { id, patch })
            }
            "delete" => Ok(Change::Delete { id }),
            kind => Err(format!("`{kind}` is no kind of change")),
        }
    }
}

fn entry(row: &Row<'_>) -> rusqlite::Result<Result<Entry, String>> {
    let (seq, at_ms): (u64, i64) = (row.get(0)?, row.get(1)?);
    let stored =
        Stored { kind: row.get(2)?, id: row.get(3)?, payload: row.get(4)?, vector: row.get(5)?, model: row.get(6)? };
    let digest: Vec<u8> = row.get(7)?;
    if digest != stored.digest(seq, at_ms) {
        return Ok(Err(format!("change {seq} does not match its digest")));
    }
    let change = stored.into_change().map_err(|reason| format!("change {seq}: {reason}"));
    Ok(change.map(|change| Entry { seq, at_ms, change }))
}

fn read_since(
    path: &Path,
    connection: &Connection,
    seq: u64,
    take: &mut dyn FnMut(Entry) -> Result<(), LiveError>,
) -> Result<(), LiveError> {
    let failed = |error| Step::Read.failed(path, error);
    let damaged = |reason| LiveError::Damaged { path: path.to_owned(), reason };
    let mut next = seq.max(purged(connection).map_err(failed)?) + 1;
    let mut select = connection.prepare_cached(SELECT).map_err(failed)?;
    let mut rows = select.query([seq]).map_err(failed)?;
    while let Some(row) = rows.next().map_err(failed)? {
        let entry = entry(row).map_err(failed)?.map_err(damaged)?;
        if entry.seq != next {
            return Err(damaged(format!("change {next} is missing")));
        }
        next += 1;
        take(entry)?;
    }
    match last_seq(connection).map_err(failed)? + 1 {
        end if end > next => Err(damaged(format!("change {next} is missing"))),
        end if end < next => Err(damaged(format!("it ends before change {end}, but {} was given out", next - 1))),
        _ => Ok(()),
    }
}

/// Tells the file at `path` from any other.
fn file_at(path: &Path) -> Option<(u64, u64)> {
    path.metadata().ok().map(|file| (file.dev(), file.ino()))
}

fn last_seq(connection: &Connection) -> rusqlite::Result<u64> {
    Ok(connection.query_row(LAST, [], |row| row.get(0)).optional()?.unwrap_or(0))
}

fn purged(connection: &Connection) -> rusqlite::Result<u64> {
    connection.query_row("SELECT purged FROM log", [], |row| row.get(0))
}

fn pragma(connection: &Connection, name: &str) -> rusqlite::Result<i32> {
    connection.pragma_query_value(None, name, |row| row.get(0))
}

fn data_version(connection: &Connection) -> rusqlite::Result<i64> {
    connection.pragma_query_value(None, "data_version", |row| row.get(0))
}

/// Makes the tables in an empty file; another process may have been quicker.
fn make(connection: &mut Connection) -> rusqlite::Result<()> {
    let transaction = connection.transaction_with_behavior(TransactionBehavior::Immediate)?;
    let num_tables: i64 = transaction.query_row("SELECT count(*) FROM sqlite_schema", [], |row| row.get(0))?;
    if num_tables == 0 {
        transaction.execute_batch(SCHEMA)?;
        transaction.execute("INSERT INTO log VALUES (?1, 0)", [ulid::Ulid::generate().to_string()])?;
        transaction.pragma_update(None, "application_id", APPLICATION_ID)?;
        transaction.pragma_update(None, "user_version", VERSION)?;
    }
    transaction.commit()
}

fn check_kind(path: &Path, connection: &Connection) -> Result<(), LiveError> {
    let read = |name| pragma(connection, name).map_err(|error| Step::Open.failed(path, error));
    let (application, version) = (read("application_id")?, read("user_version")?);
    if application != APPLICATION_ID {
        return Err(LiveError::Foreign { path: path.to_owned(), found: application });
    }
    if version != VERSION {
        return Err(LiveError::FormatVersion { path: path.to_owned(), found: version, expected: VERSION });
    }
    Ok(())
}

#[cfg(test)]
mod tests;
