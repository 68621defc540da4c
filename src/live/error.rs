//! What can go wrong with live changes. Cheap to clone, as one failed transaction answers many requests.

use std::path::{Path, PathBuf};
use std::sync::Arc;

use rusqlite::ErrorCode;

use crate::embed::EmbedError;
use crate::index::IndexError;

/// Live changes could not be kept, read or applied.
#[derive(Debug, Clone, thiserror::Error)]
pub enum LiveError {
    /// The file could not be opened.
    #[error("cannot open the live changes `{path}`; check that the folder may be written")]
    Open {
        /// The file.
        path: PathBuf,
        /// The cause.
        #[source]
        source: Arc<rusqlite::Error>,
    },
    /// A database of another program.
    #[error("`{path}` holds no live changes of a catalog (application id {found:#x}); move it away")]
    Foreign {
        /// The file.
        path: PathBuf,
        /// Its application id.
        found: i32,
    },
    /// Written by another version.
    #[error(
        "the live changes `{path}` have format version {found}, this kindred reads {expected}; use the newer kindred"
    )]
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
        "the live changes `{path}` are damaged: {reason}; restore the file from a backup, or move it and its -wal and -shm files \
         away, which gives up the changes since the last build"
    )]
    Damaged {
        /// The file.
        path: PathBuf,
        /// What does not fit.
        reason: String,
    },
    /// The generation needs changes that are no longer kept.
    #[error(
        "the live changes `{path}` begin after {first}, but generation `{generation}` has them only up to {settled}; build again"
    )]
    Purged {
        /// The file.
        path: PathBuf,
        /// The generation.
        generation: String,
        /// The last change that is not kept.
        first: u64,
        /// The last change that the generation has.
        settled: u64,
    },
    /// The file could not be read.
    #[error("cannot read the live changes `{path}`")]
    Read {
        /// The file.
        path: PathBuf,
        /// The cause.
        #[source]
        source: Arc<rusqlite::Error>,
    },
    /// The file could not be written.
    #[error("cannot write the live changes `{path}`; nothing was changed")]
    Write {
        /// The file.
        path: PathBuf,
        /// The cause.
        #[source]
        source: Arc<rusqlite::Error>,
    },
    /// The disk is full.
    #[error("the disk of the live changes `{path}` is full; nothing was changed, free some space and send it again")]
    DiskFull {
        /// The file.
        path: PathBuf,
    },
    /// The file was moved away or replaced while it was open.
    #[error(
        "the live changes `{path}` were moved away or replaced while in use; nothing was changed, restart the server"
    )]
    Replaced {
        /// The file.
        path: PathBuf,
    },
    /// Another process writes for too long.
    #[error("another process holds the live changes `{path}`; nothing was changed, send it again")]
    Busy {
        /// The file.
        path: PathBuf,
    },
    /// The thread that writes has ended or could not be started.
    #[error("the writer of the live changes `{path}` does not run; restart")]
    NoWriter {
        /// The file.
        path: PathBuf,
    },
    /// The generation below the changes could not be read.
    #[error("cannot apply a live change")]
    Index(#[source] Arc<IndexError>),
    /// A product's text could not be embedded.
    #[error("cannot embed a changed product")]
    Embed(#[source] Arc<EmbedError>),
}

impl From<IndexError> for LiveError {
    fn from(error: IndexError) -> Self {
        Self::Index(Arc::new(error))
    }
}

impl From<EmbedError> for LiveError {
    fn from(error: EmbedError) -> Self {
        Self::Embed(Arc::new(error))
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
    pub(super) fn failed(self, path: &Path, error: rusqlite::Error) -> LiveError {
        let path = path.to_owned();
        match error.sqlite_error_code() {
            Some(ErrorCode::DatabaseCorrupt | ErrorCode::NotADatabase) => {
                LiveError::Damaged { path, reason: error.to_string() }
            }
            Some(ErrorCode::DiskFull) => LiveError::DiskFull { path },
            Some(ErrorCode::DatabaseBusy | ErrorCode::DatabaseLocked) => LiveError::Busy { path },
            _ => {
                let source = Arc::new(error);
                match self {
                    Self::Open => LiveError::Open { path, source },
                    Self::Read => LiveError::Read { path, source },
                    Self::Write => LiveError::Write { path, source },
                }
            }
        }
    }
}
