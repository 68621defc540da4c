//! What can go wrong with an index on disk. Every variant names the path and, where there is one, the way out.

use std::io;
use std::path::PathBuf;

/// An index could not be read, written, built or chosen.
#[derive(Debug, thiserror::Error)]
pub enum IndexError {
    /// A file or folder could not be read.
    #[error("cannot read `{path}`")]
    Read {
        /// The file or folder.
        path: PathBuf,
        /// The cause.
        #[source]
        source: io::Error,
    },
    /// A file or folder could not be written: a full disk, missing rights.
    #[error("cannot write `{path}`; the generation in use is unchanged")]
    Write {
        /// The file or folder.
        path: PathBuf,
        /// The cause.
        #[source]
        source: io::Error,
    },
    /// A file could not be mapped.
    #[error("cannot map `{path}`")]
    Map {
        /// The file.
        path: PathBuf,
        /// The cause.
        #[source]
        source: io::Error,
    },
    /// A file is not what was written: truncated, bits flipped, or foreign.
    #[error(
        "`{path}` is damaged: {reason}; rebuild with `kindred index build` or go back with `kindred index rollback`"
    )]
    Damaged {
        /// The file.
        path: PathBuf,
        /// What does not fit.
        reason: String,
    },
    /// A file was written by another version of the format.
    #[error("`{path}` has format version {found}, this kindred reads {expected}; rebuild with `kindred index build`")]
    FormatVersion {
        /// The file.
        path: PathBuf,
        /// Version in the file.
        found: u32,
        /// Version that this program reads.
        expected: u32,
    },
    /// The catalog has no generation in use.
    #[error(
        "catalog `{catalog}` has no index under `{root}`; make one with `kindred index build {catalog} --feed FILE`"
    )]
    NoIndex {
        /// The catalog's name.
        catalog: String,
        /// The index root.
        root: PathBuf,
    },
    /// The named generation does not exist.
    #[error("catalog `{catalog}` has no generation `{generation}`; `kindred index list {catalog}` shows what it has")]
    NoGeneration {
        /// The catalog's name.
        catalog: String,
        /// The generation's name.
        generation: String,
    },
    /// There is nothing to go back to.
    #[error(
        "catalog `{catalog}` has no older generation to go back to; `kindred index list {catalog}` shows what it has"
    )]
    NoOlderGeneration {
        /// The catalog's name.
        catalog: String,
    },
    /// A catalog name that cannot be a folder and a URL segment.
    #[error("`{0}` is no catalog name: use 1 to 64 letters, digits, `-` or `_`, a letter or digit first")]
    CatalogName(String),
    /// Another build holds the catalog's lock.
    #[error("another build of catalog `{catalog}` is running (lock `{path}`); wait for it to end")]
    BuildInProgress {
        /// The catalog's name.
        catalog: String,
        /// The lock file.
        path: PathBuf,
    },
    /// The vectors cannot be indexed.
    #[error("the vectors cannot be used: {0}")]
    Vectors(String),
    /// The finished graph finds too little.
    #[error(
        "the new index finds too little: recall@10 is {recall:.4}, the floor is {floor:.4}, even with eight times the ef_search set; \
         raise index.ef_construction, index.m or index.ef_search (the generation in use is unchanged)"
    )]
    RecallTooLow {
        /// Measured recall@10.
        recall: f64,
        /// Required recall@10.
        floor: f64,
    },
    /// A query vector of another length.
    #[error("the query has {found} dimensions, the index has {expected}")]
    Dimension {
        /// Length of the query.
        found: usize,
        /// Length of the index's vectors.
        expected: usize,
    },
}

impl IndexError {
    /// Whether a file is missing, is not what was written, or is of another version: reading it again would not help.
    pub fn is_damage(&self) -> bool {
        match self {
            Self::Damaged { .. } | Self::FormatVersion { .. } => true,
            Self::Read { source, .. } => source.kind() == io::ErrorKind::NotFound,
            _ => false,
        }
    }
}
