//! Reads one feed file into products and rejects, whatever its dialect.

use std::fmt;
use std::path::{Path, PathBuf};

use jiff::Timestamp;
use serde::{Deserialize, Serialize};

use super::collect::Collector;
use super::delimited::{Records, Row};
use super::draft::Reading;
use super::error::FeedError;
use super::header::{Header, dialect_of_object, first_names, read_header};
use super::json::{Object, parse_object};
use super::money::Currency;
use super::product::Product;
use super::reject::{Reject, RejectCode, Warnings};
use super::settings::CatalogConfig;
use super::source::{Compression, Line, Lines};
use super::{merchant, personalize, retail, shopify};

/// Most columns of a delimited feed.
const MAX_COLUMNS: usize = 4_096;

/// Records between two calls of the progress function.
const PROGRESS_RECORDS: u64 = 1_000;

/// The kind of export that a feed is.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Dialect {
    /// Merchant Center columns separated by commas, semicolons or bars.
    MerchantCsv,
    /// Merchant Center columns separated by tabs.
    MerchantTsv,
    /// Merchant Center names, one JSON object a line.
    MerchantJsonl,
    /// Shopify's product export.
    Shopify,
    /// Google Retail products, one JSON object a line.
    RetailJsonl,
    /// Amazon Personalize items.
    Personalize,
}

impl fmt::Display for Dialect {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::MerchantCsv => "Merchant Center CSV",
            Self::MerchantTsv => "Merchant Center TSV",
            Self::MerchantJsonl => "Merchant Center JSON Lines",
            Self::Shopify => "Shopify product CSV",
            Self::RetailJsonl => "Google Retail JSON Lines",
            Self::Personalize => "Amazon Personalize items CSV",
        })
    }
}

/// How far the reading of a feed is.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct FeedProgress {
    /// Bytes of the file read so far, as stored (compressed where it is).
    pub bytes_read: u64,
    /// Length of the file in bytes.
    pub total_bytes: u64,
    /// Records read so far.
    pub num_rows: u64,
}

/// What a feed holds.
#[derive(Debug, Clone, PartialEq)]
pub struct Feed {
    /// The file.
    pub path: PathBuf,
    /// The kind of export.
    pub dialect: Dialect,
    /// How the file is compressed.
    pub compression: Compression,
    /// The products in feed order; ids are unique.
    pub products: Vec<Product>,
    /// The records that were left out, in feed order but for variants that a later row of their group completes.
    pub rejects: Vec<Reject>,
    /// Records read, header and blank lines aside: products, rejects, skipped ones and Shopify's image rows.
    pub num_rows: u64,
    /// Rows of products that the shop does not offer (Shopify drafts, archived and unpublished products).
    pub num_skipped: u64,
    /// Oddities of records that were kept.
    pub warnings: Warnings,
}

/// Reads the feed at `path` and keeps every sale price, whatever its period; see [`read_feed_at`].
pub fn read_feed(
    path: &Path,
    config: &CatalogConfig,
    progress: &mut dyn FnMut(FeedProgress),
) -> Result<Feed, FeedError> {
    read(path, config, None, progress)
}

/// Reads the feed at `path` as of `now`: a sale price outside its `sale_price_effective_date` is dropped.
///
/// Dialect, delimiter and compression are found by looking at the file. Bad records become [`Feed::rejects`]; whether there are
/// too many is asked with [`Feed::check_reject_share`]. `progress` is called every thousand records and at the end.
///
/// Returns an error if the file cannot be read to its end, is no feed, or lacks a currency that its dialect needs.
pub fn read_feed_at(
    path: &Path,
    config: &CatalogConfig,
    now: Timestamp,
    progress: &mut dyn FnMut(FeedProgress),
) -> Result<Feed, FeedError> {
    read(path, config, Some(now), progress)
}

impl Feed {
    /// Returns an error if more than `max_share` (0 to 1) of the records that should have become products were rejected.
    pub fn check_reject_share(&self, max_share: f64) -> Result<(), FeedError> {
        let num_rejects = self.rejects.len() as u64;
        let num_records = num_rejects + self.products.len() as u64;
        let Some((code, num_with_code)) = self.most_frequent_code() else { return Ok(()) };
        if num_rejects as f64 <= max_share * num_records as f64 {
            return Ok(());
        }
        let first = self.rejects.iter().find(|reject| reject.code == code);
        Err(FeedError::TooManyRejects {
            path: self.path.clone(),
            num_rejects,
            num_records,
            max_share,
            code,
            num_with_code,
            first_row: first.map_or(0, |reject| reject.row),
            first_message: first.map(|reject| reject.message.clone()).unwrap_or_default(),
        })
    }

    /// Of codes that are equally frequent, the one that sorts first.
    fn most_frequent_code(&self) -> Option<(RejectCode, u64)> {
        let mut counts = std::collections::BTreeMap::<RejectCode, u64>::new();
        for reject in &self.rejects {
            *counts.entry(reject.code).or_default() += 1;
        }
        counts.into_iter().rev().max_by_key(|(_, count)| *count)
    }
}

fn read(
    path: &Path,
    config: &CatalogConfig,
    now: Option<Timestamp>,
    progress: &mut dyn FnMut(FeedProgress),
) -> Result<Feed, FeedError> {
    let currency = config
        .currency
        .as_deref()
        .map(|code| code.parse::<Currency>().map_err(|_| FeedError::UnknownCurrency { code: code.to_owned() }));
    let reading = Reading { config, currency: currency.transpose()?, now };
    let mut lines = Lines::open(path, config.max_record_bytes)?;
    let compression = lines.compression();
    let first = lines.next_filled_line()?.ok_or_else(|| FeedError::Empty { path: path.to_owned() })?;
    let mut run = Run { path, currency: reading.currency, collector: Collector::new(reading), num_rows: 0, progress };
    let dialect = if first.bytes.trim_ascii_start().starts_with(b"{") {
        run.read_json_lines(lines, first)?
    } else {
        run.read_delimited(lines, &first, config.max_record_bytes)?
    };
    let Run { mut collector, num_rows, .. } = run;
    if num_rows == 0 {
        return Err(FeedError::Empty { path: path.to_owned() });
    }
    collector.resolve_gtins();
    let Collector { products, rejects, warnings, num_skipped, .. } = collector;
    Ok(Feed { path: path.to_owned(), dialect, compression, products, rejects, num_rows, num_skipped, warnings })
}

/// One reading of one feed.
struct Run<'a> {
    path: &'a Path,
    currency: Option<Currency>,
    collector: Collector<'a>,
    num_rows: u64,
    progress: &'a mut dyn FnMut(FeedProgress),
}

impl Run<'_> {
    fn read_delimited(&mut self, lines: Lines, first: &Line, max_record_bytes: usize) -> Result<Dialect, FeedError> {
        let header = read_header(&first.bytes);
        let unknown = || FeedError::UnknownHeader { path: self.path.to_owned(), found: first_names(&first.bytes) };
        let Header { delimiter, dialect, columns } = header.ok_or_else(unknown)?;
        if columns.len() > MAX_COLUMNS {
            let path = self.path.to_owned();
            return Err(FeedError::TooManyColumns { path, num_columns: columns.len(), max: MAX_COLUMNS });
        }
        self.require_currency(dialect, &columns)?;
        let id_column = if dialect == Dialect::Personalize { "item_id" } else { "id" };
        let mut records = Records::new(lines, delimiter, columns, id_column, max_record_bytes);
        let mut groups = self.currency.map(|currency| shopify::Groups::new(records.columns(), currency));
        while let Some(record) = records.next_record()? {
            match record {
                Ok(row) => self.take_row(dialect, records.columns(), row, groups.as_mut()),
                Err(reject) => self.collector.reject(reject),
            }
            self.count(records.position());
        }
        if let Some(groups) = &mut groups {
            groups.finish(&mut self.collector);
        }
        self.report(records.position());
        Ok(dialect)
    }

    fn take_row(&mut self, dialect: Dialect, columns: &[String], row: Row, groups: Option<&mut shopify::Groups>) {
        match (dialect, groups) {
            (Dialect::Shopify, Some(groups)) => groups.push(row, &mut self.collector),
            (Dialect::Personalize, _) => self.collector.accept(personalize::from_row(columns, row)),
            _ => self.collector.accept(merchant::from_row(columns, row)),
        }
    }

    /// Two dialects have bare numbers as prices, so nothing in the file can name their currency.
    fn require_currency(&self, dialect: Dialect, columns: &[String]) -> Result<(), FeedError> {
        let has = |name: &str| columns.iter().any(|column| column == name);
        let needs_currency = match dialect {
            Dialect::Shopify => true,
            Dialect::Personalize => has("price") && !has("currency"),
            _ => false,
        };
        if needs_currency && self.currency.is_none() {
            return Err(FeedError::CurrencyRequired { path: self.path.to_owned() });
        }
        Ok(())
    }

    /// The first object that is a product record settles the dialect; lines before it are rejected.
    fn read_json_lines(&mut self, mut lines: Lines, first: Line) -> Result<Dialect, FeedError> {
        let start = first_names(&first.bytes);
        let mut dialect = None;
        let mut next = Some(first);
        while let Some(line) = next {
            match object_of(&line) {
                Ok(object) => {
                    dialect = dialect.or_else(|| dialect_of_object(&object));
                    self.collector.accept(match dialect {
                        Some(Dialect::RetailJsonl) => retail::from_object(line.number, &object),
                        _ => merchant::from_object(line.number, &object),
                    });
                }
                Err(reject) => self.collector.reject(reject),
            }
            self.count(lines.position());
            next = lines.next_filled_line()?;
        }
        self.report(lines.position());
        dialect.ok_or_else(|| FeedError::UnknownHeader { path: self.path.to_owned(), found: start })
    }

    fn count(&mut self, position: (u64, u64)) {
        self.num_rows += 1;
        if self.num_rows.is_multiple_of(PROGRESS_RECORDS) {
            self.report(position);
        }
    }

    fn report(&mut self, (bytes_read, total_bytes): (u64, u64)) {
        (self.progress)(FeedProgress { bytes_read, total_bytes, num_rows: self.num_rows });
    }
}

fn object_of(line: &Line) -> Result<Object, Reject> {
    let reject =
        |code, message: String| Reject { row: line.number, id: None, field: "record".to_owned(), code, message };
    if line.is_too_long {
        return Err(reject(
            RejectCode::RecordTooLong,
            "the line is longer than catalog.max_record_bytes; shorten it".to_owned(),
        ));
    }
    let text = std::str::from_utf8(&line.bytes);
    let text =
        text.map_err(|_| reject(RejectCode::InvalidUtf8, "the line is not UTF-8; save the feed as UTF-8".to_owned()))?;
    parse_object(text).map_err(|message| reject(RejectCode::BadJson, message))
}
