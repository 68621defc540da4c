//! Why a measurement cannot be made.

use std::io;
use std::path::PathBuf;

use crate::embed::EmbedError;
use crate::events::EventError;
use crate::index::IndexError;
use crate::recommend::RecommendError;

/// Why a measurement cannot be made.
#[derive(Debug, thiserror::Error)]
pub enum EvalError {
    /// A file of sessions or orders cannot be opened or decompressed.
    #[error("cannot read `{path}`")]
    Open {
        /// The file.
        path: PathBuf,
        /// Why.
        #[source]
        source: io::Error,
    },
    /// A line cannot be split into cells.
    #[error("cannot read a line of `{path}`; it must be UTF-8 text with the columns of its first line")]
    Line {
        /// The file.
        path: PathBuf,
        /// Why, with the line.
        #[source]
        source: csv::Error,
    },
    /// A column is missing.
    #[error("`{path}` has no column {column}; it has {found}")]
    Column {
        /// The file.
        path: PathBuf,
        /// The names that the column may have.
        column: String,
        /// The names that there are.
        found: String,
    },
    /// A cell holds what its column cannot.
    #[error("`{path}` line {line}: {column} is `{value}`, not {expected}")]
    Cell {
        /// The file.
        path: PathBuf,
        /// 1-based; the first line has the names.
        line: u64,
        /// The column.
        column: &'static str,
        /// What it holds.
        value: String,
        /// What it should be.
        expected: &'static str,
    },
    /// No line of a file of orders can be used.
    #[error("no line of `{path}` can be used; line {line}, {field}: {message}")]
    NoOrder {
        /// The file.
        path: PathBuf,
        /// The first line; 1-based.
        line: u64,
        /// What of it cannot be used.
        field: String,
        /// Why.
        message: String,
    },
    /// There is no room for a copy of a file's events.
    #[error("cannot make the folder `{path}`; TMPDIR names another place")]
    Scratch {
        /// The folder.
        path: PathBuf,
        /// Why.
        #[source]
        source: io::Error,
    },
    /// The events of a file of orders cannot be kept or read.
    #[error(transparent)]
    Events(#[from] EventError),
    /// There is nothing to measure on.
    #[error("nothing to measure in protocol `{protocol}`: {reason}")]
    NoCases {
        /// The protocol.
        protocol: &'static str,
        /// What is missing, and what would help.
        reason: String,
    },
    /// The reference is none of the methods.
    #[error("no method is called `{reference}`; compare with one of {methods}")]
    UnknownReference {
        /// The name asked for.
        reference: String,
        /// The names there are.
        methods: String,
    },
    /// The plot cannot be written.
    #[error("cannot write the plot `{path}`")]
    WritePlot {
        /// The file.
        path: PathBuf,
        /// Why.
        #[source]
        source: io::Error,
    },
    /// The texts of the catalog cannot be read.
    #[error(transparent)]
    Index(#[from] IndexError),
    /// The map of complements could not be learned.
    #[error(transparent)]
    Embed(#[from] EmbedError),
    /// A question could not be answered.
    #[error(transparent)]
    Recommend(#[from] RecommendError),
}
