//! Why a feed as a whole cannot be read. Faults of single records are [`Reject`](super::Reject)s instead.

use std::io;
use std::path::PathBuf;

use super::reject::RejectCode;
use super::source::Compression;

/// A feed that cannot be read, or a rejects file that cannot be written.
#[derive(Debug, thiserror::Error)]
pub enum FeedError {
    /// The file is missing or may not be read.
    #[error("cannot open the feed `{path}`; check that the file exists and may be read")]
    Open {
        /// The feed.
        path: PathBuf,
        /// The cause.
        #[source]
        source: io::Error,
    },
    /// The path names a directory.
    #[error("the feed `{path}` is a directory; name one feed file inside it")]
    IsDirectory {
        /// The feed.
        path: PathBuf,
    },
    /// No bytes, or a header without a record.
    #[error("the feed `{path}` holds no records; export it again")]
    Empty {
        /// The feed.
        path: PathBuf,
    },
    /// A file of another kind.
    #[error("the feed `{path}` is {what}; export it as CSV, TSV or JSON Lines in UTF-8 (plain, .gz or .zst)")]
    NotAFeed {
        /// The feed.
        path: PathBuf,
        /// What the file looks like.
        what: &'static str,
    },
    /// The first line names no column set that is known.
    #[error(
        "the feed `{path}` has no known header (its first names: {found}); it must name `id` and `title` (Merchant Center), \
         `Handle` and `Variant Price` (Shopify) or `ITEM_ID` (Personalize)"
    )]
    UnknownHeader {
        /// The feed.
        path: PathBuf,
        /// The first names of the header.
        found: String,
    },
    /// The header has more columns than a feed can have.
    #[error("the feed `{path}` has {num_columns} columns, at most {max} are read; check its delimiter")]
    TooManyColumns {
        /// The feed.
        path: PathBuf,
        /// Columns of the header.
        num_columns: usize,
        /// Most columns that are read.
        max: usize,
    },
    /// The file cannot be read to its end.
    #[error("cannot read the feed `{path}`")]
    Read {
        /// The feed.
        path: PathBuf,
        /// The cause.
        #[source]
        source: io::Error,
    },
    /// The compressed stream is cut short or damaged.
    #[error("the {compression} data of the feed `{path}` is cut short or damaged; transfer or export the file again")]
    Decompress {
        /// The feed.
        path: PathBuf,
        /// How it is compressed.
        compression: Compression,
        /// The cause.
        #[source]
        source: io::Error,
    },
    /// The dialect's prices carry no currency and none is set.
    #[error("the feed `{path}` has prices without a currency; set catalog.currency, for example `currency = \"USD\"`")]
    CurrencyRequired {
        /// The feed.
        path: PathBuf,
    },
    /// `catalog.currency` is no currency.
    #[error("catalog.currency is `{code}`, which is not an ISO 4217 code such as `USD`")]
    UnknownCurrency {
        /// The setting's value.
        code: String,
    },
    /// More records were rejected than the setting allows.
    #[error(
        "{num_rejects} of {num_records} records of the feed `{path}` were rejected, more than catalog.max_reject_share allows \
         ({max_share}); most often {code} ({num_with_code} times, first at line {first_row}: {first_message})"
    )]
    TooManyRejects {
        /// The feed.
        path: PathBuf,
        /// Records left out.
        num_rejects: u64,
        /// Records that should have become products.
        num_records: u64,
        /// The setting.
        max_share: f64,
        /// The most frequent fault.
        code: RejectCode,
        /// How often it occurred.
        num_with_code: u64,
        /// The line of its first occurrence.
        first_row: u64,
        /// The message of its first occurrence.
        first_message: String,
    },
    /// The rejects file could not be written; an older one is untouched.
    #[error("cannot write the rejects file `{path}`; check the directory and the free space")]
    WriteRejects {
        /// The rejects file.
        path: PathBuf,
        /// The cause.
        #[source]
        source: io::Error,
    },
}
