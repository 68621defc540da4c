//! What can go wrong with kept events. Cheap to clone, as one failed transaction answers many requests.

use std::path::{Path, PathBuf};
use std::sync::Arc;

use rusqlite::ErrorCode;

use super::event::MAX_ID_BYTES;
use crate::catalog::FeedError;

/// Events could not be kept, read or erased.
#[derive(Debug, Clone, thiserror::Error)]
pub enum EventError {
    /// The file could not be opened.
    #[error("cannot open the events `{path}`; check that the folder may be written")]
    Open {
        /// The file.
        path: PathBuf,
        /// The cause.
        #[source]
        source: Arc<rusqlite::Error>,
    },
    /// The file could not be made or searched.
    #[error("cannot make or read the file of events `{path}`; check the disk, and that the folder may be written")]
    File {
        /// The file.
        path: PathBuf,
        /// The cause.
        #[source]
        source: Arc<std::io::Error>,
    },
    /// A database of another program.
    #[error("`{path}` holds no events of a catalog (application id {found:#x}); move it away")]
    Foreign {
        /// The file.
        path: PathBuf,
        /// Its application id.
        found: i32,
    },
    /// Written by another version.
    #[error("the events `{path}` have format version {found}, this kindred reads {expected}; use the newer kindred")]
    FormatVersion {
        /// The file.
        path: PathBuf,
        /// Version in the file.
        found: i32,
        /// Version that this program reads.
        expected: i32,
    },
    /// The file is not what was written.
    #[error(
        "the events `{path}` are damaged: {reason}; restore the file from a backup, or move it and its -wal and -shm files away, \
         which gives up the events"
    )]
    Damaged {
        /// The file.
        path: PathBuf,
        /// What does not fit.
        reason: String,
    },
    /// The file could not be read.
    #[error("cannot read the events `{path}`")]
    Read {
        /// The file.
        path: PathBuf,
        /// The cause.
        #[source]
        source: Arc<rusqlite::Error>,
    },
    /// The file could not be written.
    #[error("cannot write the events `{path}`; nothing was kept")]
    Write {
        /// The file.
        path: PathBuf,
        /// The cause.
        #[source]
        source: Arc<rusqlite::Error>,
    },
    /// The disk is full.
    #[error("the disk of the events `{path}` is full; nothing was kept, free some space and send them again")]
    DiskFull {
        /// The file.
        path: PathBuf,
    },
    /// The file was moved away or replaced while it was open.
    #[error("the events `{path}` were moved away or replaced while in use; nothing was kept, restart the server")]
    Replaced {
        /// The file.
        path: PathBuf,
    },
    /// The clock has moved on further than it may between two purges.
    #[error(
        "the clock is {days} days past the last time that it was right, so nothing of the events `{path}` was forgotten; set it, or if it \
         is right, run `kindred events purge CATALOG --force`"
    )]
    ClockJump {
        /// The file.
        path: PathBuf,
        /// Whole days.
        days: i64,
    },
    /// Another process writes for too long.
    #[error("another process holds the events `{path}`; nothing was kept, send them again")]
    Busy {
        /// The file.
        path: PathBuf,
    },
    /// The thread that writes has ended or could not be started.
    #[error("the writer of the events `{path}` does not run; restart")]
    NoWriter {
        /// The file.
        path: PathBuf,
    },
    /// What was erased may still stand in files, because another process reads them.
    #[error(
        "the events `{path}` are erased from the tables, but another process keeps old pages in use; erase again when it is done"
    )]
    NotScrubbed {
        /// The file.
        path: PathBuf,
    },
    /// What was erased was found in files all the same.
    #[error(
        "the events `{path}` are erased from the tables, but bytes of them are still found in the file or its log; erase again, and if that does \
         not help, import an export of the others into a new file"
    )]
    NotClean {
        /// The file.
        path: PathBuf,
    },
    /// What is asked for is no id.
    #[error("an id has 1 to {max} bytes, this one has {num_bytes}; give the id as events bear it", max = MAX_ID_BYTES)]
    InvalidId {
        /// Bytes of what was given.
        num_bytes: usize,
    },
    /// There are events but no key to their ids.
    #[error("the key `{path}` of the events beside it is missing; restore it, or move the events away")]
    MissingKey {
        /// Where the key should be.
        path: PathBuf,
    },
    /// The key is not the one that the events were written with.
    #[error(
        "the key `{path}` is not the one that the events beside it were written with; restore the right one, or move the events away"
    )]
    WrongKey {
        /// The key.
        path: PathBuf,
    },
    /// The key has another length.
    #[error("the key `{path}` is damaged: it has {num_bytes} bytes and not 32; restore it from a backup")]
    DamagedKey {
        /// The key.
        path: PathBuf,
        /// Its length.
        num_bytes: usize,
    },
    /// The key could not be read.
    #[error("cannot read the key `{path}` of the events")]
    ReadKey {
        /// The key.
        path: PathBuf,
        /// The cause.
        #[source]
        source: Arc<std::io::Error>,
    },
    /// The key could not be made.
    #[error("cannot make the key `{path}` of the events; check that the folder may be written")]
    MakeKey {
        /// The key.
        path: PathBuf,
        /// The cause.
        #[source]
        source: Arc<std::io::Error>,
    },
    /// More events or products than can be numbered.
    #[error("the events `{path}` have more than 2^32 {what}; shorten events.retention_days and purge")]
    TooMany {
        /// The file.
        path: PathBuf,
        /// What there are too many of.
        what: &'static str,
    },
    /// A file to import cannot be read.
    #[error("cannot import `{path}`")]
    ReadFile {
        /// The file.
        path: PathBuf,
        /// The cause.
        #[source]
        source: Arc<FeedError>,
    },
    /// The header of a file to import does not say what is what.
    #[error(
        "cannot import `{path}`: {reason}; name the columns, such as --map order=InvoiceNo,product=StockCode,quantity=Quantity,time=InvoiceDate"
    )]
    Columns {
        /// The file.
        path: PathBuf,
        /// What is missing or twofold.
        reason: String,
    },
}

impl EventError {
    /// Whether the file or its key is not what was written, which no waiting mends. Anything else may pass: a lock, a disk, a permission.
    pub fn is_damage(&self) -> bool {
        matches!(
            self,
            Self::Damaged { .. }
                | Self::Foreign { .. }
                | Self::FormatVersion { .. }
                | Self::MissingKey { .. }
                | Self::WrongKey { .. }
                | Self::DamagedKey { .. }
                | Self::Replaced { .. }
        )
    }

    /// A fault of the file system, naming the file of events.
    pub(super) fn file(path: &Path, source: std::io::Error) -> Self {
        let path = path.to_owned();
        match source.kind() {
            std::io::ErrorKind::StorageFull => Self::DiskFull { path },
            _ => Self::File { path, source: Arc::new(source) },
        }
    }
}

/// What was being done when SQLite failed.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Step {
    Open,
    Read,
    Write,
}

impl Step {
    /// SQLite's error as one of ours, naming the file.
    pub(super) fn failed(self, path: &Path, error: rusqlite::Error) -> EventError {
        let path = path.to_owned();
        match error.sqlite_error_code() {
            Some(ErrorCode::DatabaseCorrupt | ErrorCode::NotADatabase) => {
                EventError::Damaged { path, reason: error.to_string() }
            }
            Some(ErrorCode::DiskFull) => EventError::DiskFull { path },
            Some(ErrorCode::DatabaseBusy | ErrorCode::DatabaseLocked) => EventError::Busy { path },
            _ => {
                let source = Arc::new(error);
                match self {
                    Self::Open => EventError::Open { path, source },
                    Self::Read => EventError::Read { path, source },
                    Self::Write => EventError::Write { path, source },
                }
            }
        }
    }
}
