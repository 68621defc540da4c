//! Why a set of rules was not kept or cannot be read. Each names the file, so that an edge can say what to do.

use std::path::{Path, PathBuf};
use std::sync::Arc;

use rusqlite::ErrorCode;

use super::diff::RulesDiff;
use super::filter::FilterError;

/// The rules of a catalog cannot be kept or read.
#[derive(Debug, Clone, thiserror::Error)]
pub enum RulesError {
    /// The document has no sense in it.
    #[error(transparent)]
    Document(#[from] FilterError),
    /// Somebody else has saved a set since.
    #[error("version {current} was saved by {who} since version {expected}: {}; read it, put your change into it, and save again", diff.in_words())]
    Conflict {
        /// The version that the change was made on.
        expected: u64,
        /// The version in force.
        current: u64,
        /// Who saved it.
        who: String,
        /// What changed between the two.
        diff: Box<RulesDiff>,
    },
    /// There is no such version.
    #[error("there is no version {version} of the rules; the last is {last}")]
    NoVersion {
        /// The version that was asked for.
        version: u64,
        /// The last one.
        last: u64,
    },
    /// SQLite failed.
    #[error("cannot {step} the rules `{path}`")]
    Sqlite {
        /// What was done: `open`, `read` or `write`.
        step: &'static str,
        /// The file.
        path: PathBuf,
        /// The cause.
        #[source]
        source: Arc<rusqlite::Error>,
    },
    /// The file cannot be made.
    #[error("cannot make the rules `{path}`; see to it that the folder can be written")]
    Make {
        /// The file.
        path: PathBuf,
        /// The cause.
        #[source]
        source: Arc<std::io::Error>,
    },
    /// The file holds something that was never written.
    #[error(
        "the rules `{path}` are damaged: {reason}; restore the file from a backup, or move it away, which gives up the rules"
    )]
    Damaged {
        /// The file.
        path: PathBuf,
        /// What does not fit.
        reason: String,
    },
    /// The file is something else.
    #[error("`{path}` is no file of rules of this version; restore it from a backup, or move it away")]
    Foreign {
        /// The file.
        path: PathBuf,
    },
    /// The file that was in use is not there any longer.
    #[error(
        "the rules `{path}` were moved away or deleted while they were in use: what is in force stays, and nothing is saved; put the file \
         back, or start again without it, which gives up the rules"
    )]
    Gone {
        /// The file.
        path: PathBuf,
    },
    /// The disk is full.
    #[error("the disk is full: the rules in `{path}` stay as they were")]
    DiskFull {
        /// The file.
        path: PathBuf,
    },
    /// Another process keeps the file to itself.
    #[error("the rules `{path}` are in use by another process; try again")]
    Busy {
        /// The file.
        path: PathBuf,
    },
}

impl RulesError {
    /// SQLite's error as one of ours.
    pub(super) fn of(step: &'static str, path: &Path, error: rusqlite::Error) -> Self {
        let path = path.to_owned();
        match error.sqlite_error_code() {
            Some(ErrorCode::DatabaseCorrupt | ErrorCode::NotADatabase) => {
                Self::Damaged { path, reason: error.to_string() }
            }
            Some(ErrorCode::DiskFull) => Self::DiskFull { path },
            Some(ErrorCode::DatabaseBusy | ErrorCode::DatabaseLocked) => Self::Busy { path },
            _ => Self::Sqlite { step, path, source: Arc::new(error) },
        }
    }
}
