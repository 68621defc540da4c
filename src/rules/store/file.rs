//! The file `rules.sqlite`: made whole, told from others, and never taken for a new one because it is empty.

use std::fs::{self, File, OpenOptions};
use std::os::unix::fs::MetadataExt;
use std::path::Path;
use std::sync::Arc;

use rusqlite::{Connection, OpenFlags};

use super::{BUSY_TIMEOUT, RULES_FILE};
use crate::rules::error::RulesError;

/// `PRAGMA application_id`: `KNDR`.
const APPLICATION_ID: i32 = 0x4B4E_4452;
/// `PRAGMA user_version`: version of the tables.
const FORMAT: i32 = 1;

const SCHEMA: &str = "
    CREATE TABLE versions (
        version INTEGER PRIMARY KEY AUTOINCREMENT,
        at_ms INTEGER NOT NULL,
        who TEXT NOT NULL,
        note TEXT NOT NULL,
        document BLOB NOT NULL,
        diff BLOB NOT NULL,
        digest BLOB NOT NULL
    ) STRICT;
    CREATE TABLE daily (
        day TEXT NOT NULL,
        rule TEXT NOT NULL,
        counted INTEGER NOT NULL,
        fired INTEGER NOT NULL,
        removed INTEGER NOT NULL,
        shortened INTEGER NOT NULL,
        PRIMARY KEY (day, rule)
    ) STRICT;";
/// Counts the tables above.
const TABLES: &str = "SELECT count(*) FROM sqlite_schema WHERE type = 'table' AND name IN ('versions', 'daily')";

/// Tells a file from another, and from what it was before somebody else wrote into it.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct FileStamp {
    pub inode: (u64, u64),
    num_bytes: u64,
    written: (i64, i64),
}

impl FileStamp {
    /// `None` where there is no file.
    pub(super) fn of(path: &Path) -> Option<Self> {
        let file = path.metadata().ok()?;
        let written = (file.mtime(), file.mtime_nsec());
        Some(Self { inode: (file.dev(), file.ino()), num_bytes: file.len(), written })
    }
}

/// Makes the file with its tables in `folder` and gives it its name, unless another process was quicker.
///
/// Returns an error if it cannot be made, or the log of one that is gone is still there: its pages would be read into the new file.
pub(super) fn make(folder: &Path, path: &Path) -> Result<(), RulesError> {
    let log = path.with_file_name(format!("{RULES_FILE}-wal"));
    if log.metadata().is_ok_and(|log| log.len() > 0) && !path.exists() {
        let reason = format!("it is gone, while its log (`{RULES_FILE}-wal`) is still there");
        return Err(RulesError::Damaged { path: path.to_owned(), reason });
    }
    let temporary = folder.join(format!("{RULES_FILE}.{}", ulid::Ulid::generate()));
    let made = make_at(&temporary, path);
    // What is left of the temporary file is its name alone, if the link was made.
    let _ = fs::remove_file(&temporary);
    made?;
    File::open(folder).and_then(|folder| folder.sync_all()).map_err(|source| cannot_make(path, source))
}

fn cannot_make(path: &Path, source: std::io::Error) -> RulesError {
    RulesError::Make { path: path.to_owned(), source: Arc::new(source) }
}

fn make_at(temporary: &Path, path: &Path) -> Result<(), RulesError> {
    let file = OpenOptions::new().write(true).create_new(true).open(temporary);
    file.map_err(|source| cannot_make(path, source))?;
    fill(temporary).map_err(|error| RulesError::of("write", path, error))?;
    match fs::hard_link(temporary, path) {
        Err(source) if source.kind() != std::io::ErrorKind::AlreadyExists => Err(cannot_make(path, source)),
        _ => Ok(()),
    }
}

fn connect(path: &Path) -> rusqlite::Result<Connection> {
    let flags = OpenFlags::SQLITE_OPEN_READ_WRITE | OpenFlags::SQLITE_OPEN_NO_MUTEX;
    let connection = Connection::open_with_flags(path, flags)?;
    connection.busy_timeout(BUSY_TIMEOUT)?;
    Ok(connection)
}

/// Makes the tables in the empty file at `path`.
fn fill(path: &Path) -> rusqlite::Result<()> {
    let mut connection = connect(path)?;
    let transaction = connection.transaction()?;
    transaction.execute_batch(SCHEMA)?;
    transaction.pragma_update(None, "application_id", APPLICATION_ID)?;
    transaction.pragma_update(None, "user_version", FORMAT)?;
    transaction.commit()
}

/// Opens the file at `path`, which is there, and writes nothing into one that is not ours.
///
/// Returns an error if it is empty, lacks the tables, is something else, or cannot be read.
pub(super) fn open(path: &Path) -> Result<Connection, RulesError> {
    let failed = |error| RulesError::of("open", path, error);
    let damaged = |reason: &str| RulesError::Damaged { path: path.to_owned(), reason: reason.to_owned() };
    if path.metadata().is_ok_and(|file| file.len() == 0) {
        return Err(damaged("it has 0 bytes, which no file of rules ever has"));
    }
    let connection = connect(path).map_err(failed)?;
    let pragma = |name: &str| connection.pragma_query_value(None, name, |row| row.get::<_, i32>(0)).map_err(failed);
    if (pragma("application_id")?, pragma("user_version")?) != (APPLICATION_ID, FORMAT) {
        return Err(RulesError::Foreign { path: path.to_owned() });
    }
    let num_tables: u32 = connection.query_row(TABLES, [], |row| row.get(0)).map_err(failed)?;
    if num_tables != 2 {
        return Err(damaged("its tables are missing"));
    }
    connection.pragma_update(None, "journal_mode", "WAL").map_err(failed)?;
    connection.pragma_update(None, "synchronous", "FULL").map_err(failed)?;
    Ok(connection)
}
