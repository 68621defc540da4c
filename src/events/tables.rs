//! `events.sqlite`: the events of one catalog, in a SQLite file that any tool can open.
//!
//! | table | what |
//! |---|---|
//! | `events` | one row an event, in the order in which they were acknowledged |
//! | `products`, `placements` | ids and names by number, each written once |
//! | `links` | which user a visitor first signed in as: anonymous events of the visitor are the user's |
//! | `erasures` | receipts: when, how many events and sign-ins, and, until all bytes are gone, a keyed hash that tells whose; after that, no more |
//! | `store` | one row: the hash by which the right key is told, and the latest time at which a purge found the clock to be right |
//!
//! Columns of `events`: `visitor`, `user`, `session`, `order_hash` and `key` are keyed hashes ([`super::identity`]); `kind` is the number of an
//! [`EventKind`](super::EventKind), `time_ms` counts from 1970, `items` is described in [`super::row`], `digest` is the first 4 bytes of the BLAKE3 of the
//! other columns, since SQLite has no checksums: an altered row is an error, never another event. The ids stand first in a row, so
//! that what is left of a freed row in a page holds them whole or is overwritten ([`super::erase`] relies on it).
//!
//! The file is made beside its place and then given its name, so that it is never there without its tables; it, its log and its key may be read
//! by their owner alone. A file of the version before gets what it lacks when it is opened, once.

use std::fs::{self, File, OpenOptions};
use std::os::unix::fs::OpenOptionsExt;
use std::path::{Path, PathBuf};

use jiff::Timestamp;
use rusqlite::{Connection, OpenFlags, TransactionBehavior, params};

use super::error::{EventError, Step};
use super::file::EVENTS_FILE;
use super::identity::{Domain, IdentityKey, KEY_FILE};

/// `PRAGMA application_id`: `KNDE`.
const APPLICATION_ID: i32 = 0x4B4E_4445;
/// `PRAGMA user_version`: version of the tables.
const VERSION: i32 = 3;
const SCHEMA: &str = "
    CREATE TABLE store (key_check BLOB NOT NULL, clock_ms INTEGER) STRICT;
    CREATE TABLE products (number INTEGER PRIMARY KEY, name TEXT NOT NULL UNIQUE) STRICT;
    CREATE TABLE placements (number INTEGER PRIMARY KEY, name TEXT NOT NULL UNIQUE) STRICT;
    CREATE TABLE links (visitor INTEGER PRIMARY KEY, user INTEGER NOT NULL, time_ms INTEGER NOT NULL) STRICT;
    CREATE TABLE erasures (receipt TEXT PRIMARY KEY, at_ms INTEGER NOT NULL, events INTEGER NOT NULL,
        links INTEGER NOT NULL DEFAULT 0, whose BLOB) STRICT;
    CREATE TABLE events (
        visitor INTEGER,
        user INTEGER,
        session INTEGER,
        order_hash INTEGER,
        key BLOB NOT NULL UNIQUE,
        kind INTEGER NOT NULL,
        time_ms INTEGER NOT NULL,
        items BLOB NOT NULL,
        currency TEXT,
        placement INTEGER,
        recommendation TEXT,
        device TEXT,
        query TEXT,
        digest INTEGER NOT NULL,
        seq INTEGER PRIMARY KEY
    ) STRICT;
    CREATE INDEX events_by_visitor ON events (visitor) WHERE visitor IS NOT NULL;
    CREATE INDEX events_by_user ON events (user) WHERE user IS NOT NULL;
    CREATE INDEX events_by_time ON events (time_ms);
    CREATE INDEX events_by_order ON events (order_hash) WHERE order_hash IS NOT NULL;
    CREATE INDEX events_by_session ON events (session) WHERE visitor IS NULL AND user IS NULL AND session IS NOT NULL;
    CREATE INDEX links_by_user ON links (user);";

/// What each version lacks that the next one has; the first is version 1.
const UPGRADES: [&str; 2] = [UPGRADE_1, UPGRADE_2];
const UPGRADE_2: &str = "ALTER TABLE store ADD COLUMN clock_ms INTEGER;";
const UPGRADE_1: &str = "
    ALTER TABLE erasures ADD COLUMN links INTEGER NOT NULL DEFAULT 0;
    ALTER TABLE erasures ADD COLUMN whose BLOB;
    CREATE INDEX events_by_order ON events (order_hash) WHERE order_hash IS NOT NULL;
    CREATE INDEX events_by_session ON events (session) WHERE visitor IS NULL AND user IS NULL AND session IS NOT NULL;";

/// Whether there is a file of events at `path`.
///
/// Returns an error naming it if it has lost all of its bytes, or itself beside its log.
pub(super) fn is_there(path: &Path) -> Result<bool, EventError> {
    let damaged = |reason: &str| Err(EventError::Damaged { path: path.to_owned(), reason: reason.to_owned() });
    let num_bytes = |path: &Path| path.metadata().map(|file| file.len()).ok();
    match num_bytes(path) {
        Some(0) => damaged("it has 0 bytes, which no file of events ever has"),
        Some(_) => Ok(true),
        None if num_bytes(&log_of(path)).is_some_and(|num_bytes| num_bytes > 0) => {
            damaged("it is gone, while its log (-wal) is still there")
        }
        None => Ok(false),
    }
}

/// The write-ahead log of the file at `path`.
pub(super) fn log_of(path: &Path) -> PathBuf {
    path.with_file_name(format!("{EVENTS_FILE}-wal"))
}

/// Makes the file, with its tables and for its owner alone, and gives it its name, unless another process was quicker.
///
/// Returns an error naming the file if it cannot be made.
pub(super) fn make(folder: &Path, path: &Path, key: &IdentityKey) -> Result<(), EventError> {
    let temporary = folder.join(format!("{EVENTS_FILE}.{}", ulid::Ulid::generate()));
    let made = make_at(&temporary, path, key);
    // What is left of the temporary file is its name alone, if the link was made.
    let _ = fs::remove_file(&temporary);
    made?;
    File::open(folder).and_then(|folder| folder.sync_all()).map_err(|source| EventError::file(path, source))
}

fn make_at(temporary: &Path, path: &Path, key: &IdentityKey) -> Result<(), EventError> {
    let file = OpenOptions::new().write(true).create_new(true).mode(0o600).open(temporary);
    file.map_err(|source| EventError::file(path, source))?;
    fill(temporary, key).map_err(|error| Step::Open.failed(path, error))?;
    match fs::hard_link(temporary, path) {
        Err(source) if source.kind() != std::io::ErrorKind::AlreadyExists => Err(EventError::file(path, source)),
        _ => Ok(()),
    }
}

/// Makes the tables in the empty file at `path`.
fn fill(path: &Path, key: &IdentityKey) -> rusqlite::Result<()> {
    let flags = OpenFlags::SQLITE_OPEN_READ_WRITE | OpenFlags::SQLITE_OPEN_NO_MUTEX;
    let mut connection = Connection::open_with_flags(path, flags)?;
    let transaction = connection.transaction_with_behavior(TransactionBehavior::Immediate)?;
    transaction.execute_batch(SCHEMA)?;
    let now_ms = Timestamp::now().as_millisecond();
    transaction.execute("INSERT INTO store VALUES (?1, ?2)", params![key.digest(Domain::Check, b""), now_ms])?;
    transaction.pragma_update(None, "application_id", APPLICATION_ID)?;
    transaction.pragma_update(None, "user_version", VERSION)?;
    transaction.commit()
}

/// Makes an older version the present one.
///
/// Returns an error if the file cannot be written.
pub(super) fn upgrade(connection: &mut Connection) -> rusqlite::Result<()> {
    if pragma(connection, "user_version")? == VERSION {
        return Ok(());
    }
    let transaction = connection.transaction_with_behavior(TransactionBehavior::Immediate)?;
    // Another process may have been quicker.
    let version = pragma(&transaction, "user_version")?;
    for (_, upgrade) in (1..).zip(UPGRADES).filter(|(lacking, _)| *lacking >= version) {
        transaction.execute_batch(upgrade)?;
    }
    transaction.pragma_update(None, "user_version", VERSION)?;
    transaction.commit()
}

/// Sees to it that the file holds events, in a version that can be read, hashed with `key`.
///
/// Returns an error naming the file or the key if not.
pub(super) fn check(folder: &Path, path: &Path, connection: &Connection, key: &IdentityKey) -> Result<(), EventError> {
    check_kind(path, connection)?;
    check_key(folder, path, connection, key)
}

fn check_kind(path: &Path, connection: &Connection) -> Result<(), EventError> {
    let read = |name| pragma(connection, name).map_err(|error| Step::Open.failed(path, error));
    let (application, version) = (read("application_id")?, read("user_version")?);
    if application != APPLICATION_ID {
        return Err(EventError::Foreign { path: path.to_owned(), found: application });
    }
    if !(1..=VERSION).contains(&version) {
        return Err(EventError::FormatVersion { path: path.to_owned(), found: version, expected: VERSION });
    }
    Ok(())
}

fn check_key(folder: &Path, path: &Path, connection: &Connection, key: &IdentityKey) -> Result<(), EventError> {
    let check: Vec<u8> = connection
        .query_row("SELECT key_check FROM store", [], |row| row.get(0))
        .map_err(|error| Step::Open.failed(path, error))?;
    if check == key.digest(Domain::Check, b"") {
        Ok(())
    } else {
        Err(EventError::WrongKey { path: folder.join(KEY_FILE) })
    }
}

/// The number that a pragma of the file tells.
pub(super) fn pragma(connection: &Connection, name: &str) -> rusqlite::Result<i32> {
    connection.pragma_query_value(None, name, |row| row.get(0))
}
