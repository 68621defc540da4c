//! Records that were left out, warnings about records that were kept, and the file that lists the former.

use std::collections::BTreeMap;
use std::fmt;
use std::fs::{self, File};
use std::io::{self, BufWriter, Write};
use std::path::Path;

use serde::{Deserialize, Serialize};

use super::error::FeedError;

/// Warnings kept in full; further ones are only counted.
const MAX_WARNING_EXAMPLES: usize = 1_000;

/// Why a record was left out.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum RejectCode {
    /// The id belongs to an earlier product of the feed.
    DuplicateId,
    /// The record has no id.
    MissingId,
    /// The id is too long or holds a control character.
    BadId,
    /// The record has no title, or none but markup.
    MissingTitle,
    /// A price that is negative, ambiguous, without currency or no number.
    BadPrice,
    /// Not one of the known availability values.
    BadAvailability,
    /// A value above its limit.
    FieldTooLong,
    /// A record above its limit.
    RecordTooLong,
    /// More attributes than the limit.
    TooManyFields,
    /// Bytes that are not UTF-8.
    InvalidUtf8,
    /// Not a JSON object, or nested too deeply.
    BadJson,
    /// More or fewer cells than the header has.
    WrongColumnCount,
    /// A quoted cell that does not end.
    UnterminatedQuote,
    /// A change of a field that cannot be changed by itself.
    UnknownField,
    /// A change that names nothing to change.
    NoChange,
    /// A change of a product that the catalog does not have.
    UnknownProduct,
}

impl RejectCode {
    /// The code as it stands in the rejects file.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::DuplicateId => "duplicate_id",
            Self::MissingId => "missing_id",
            Self::BadId => "bad_id",
            Self::MissingTitle => "missing_title",
            Self::BadPrice => "bad_price",
            Self::BadAvailability => "bad_availability",
            Self::FieldTooLong => "field_too_long",
            Self::RecordTooLong => "record_too_long",
            Self::TooManyFields => "too_many_fields",
            Self::InvalidUtf8 => "invalid_utf8",
            Self::BadJson => "bad_json",
            Self::WrongColumnCount => "wrong_column_count",
            Self::UnterminatedQuote => "unterminated_quote",
            Self::UnknownField => "unknown_field",
            Self::NoChange => "no_change",
            Self::UnknownProduct => "unknown_product",
        }
    }
}

impl fmt::Display for RejectCode {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.as_str())
    }
}

/// A record that was left out, as the rejects file has it.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Reject {
    /// 1-based number of the line where the record starts, as an editor shows it (the header of a CSV feed is line 1).
    pub row: u64,
    /// The record's id, where it could be read.
    pub id: Option<String>,
    /// The field at fault by its canonical name; `record` where it is the whole record.
    pub field: String,
    /// The kind of fault.
    pub code: RejectCode,
    /// What is wrong and what to write instead.
    pub message: String,
}

/// What is odd about a record that was kept all the same.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum WarningCode {
    /// The sale price is above the price; it was left out.
    SaleAbovePrice,
    /// `sale_price_effective_date` is no pair of times; the sale price was kept.
    BadSaleDates,
    /// An entry of `related_product` was left out.
    BadRelatedProduct,
}

/// A warning about one record.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct FeedWarning {
    /// 1-based number of the line where the record starts.
    pub row: u64,
    /// The product.
    pub id: String,
    /// The kind of oddity.
    pub code: WarningCode,
    /// What is odd.
    pub message: String,
}

/// All warnings counted, the first ones in full.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Warnings {
    /// Number of warnings by code.
    pub counts: BTreeMap<WarningCode, u64>,
    /// The first warnings, in feed order.
    pub examples: Vec<FeedWarning>,
}

impl Warnings {
    pub(super) fn push(&mut self, warning: FeedWarning) {
        *self.counts.entry(warning.code).or_default() += 1;
        if self.examples.len() < MAX_WARNING_EXAMPLES {
            self.examples.push(warning);
        }
    }
}

/// Writes `rejects` to `path` as JSON Lines, whole or not at all: an older file is replaced only by a complete one.
///
/// Returns an error if the directory is missing, full, or may not be written.
pub fn write_rejects(path: &Path, rejects: &[Reject]) -> Result<(), FeedError> {
    let failed = |source| FeedError::WriteRejects { path: path.to_owned(), source };
    if path.metadata().is_ok_and(|found| !found.is_file()) {
        return Err(failed(io::Error::new(io::ErrorKind::InvalidInput, "it is a folder or a device")));
    }
    let name = path.file_name().ok_or_else(|| failed(io::Error::from(io::ErrorKind::InvalidInput)))?;
    let partial = path.with_file_name(format!(".{}.{}.partial", name.to_string_lossy(), std::process::id()));
    let written =
        write_lines(&partial, rejects).and_then(|()| fs::rename(&partial, path)).and_then(|()| sync_parent(path));
    if written.is_err() {
        // The first error is the one to report; a leftover partial file is harmless.
        let _ = fs::remove_file(&partial);
    }
    written.map_err(failed)
}

fn write_lines(path: &Path, rejects: &[Reject]) -> io::Result<()> {
    let mut out = BufWriter::new(File::create(path)?);
    for reject in rejects {
        serde_json::to_writer(&mut out, reject)?;
        out.write_all(b"\n")?;
    }
    out.into_inner().map_err(io::IntoInnerError::into_error)?.sync_all()
}

fn sync_parent(path: &Path) -> io::Result<()> {
    let parent = path.parent().filter(|parent| !parent.as_os_str().is_empty()).unwrap_or(Path::new("."));
    File::open(parent)?.sync_all()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_code_is_displayed_as_it_is_serialized() {
        for code in [
            RejectCode::DuplicateId,
            RejectCode::InvalidUtf8,
            RejectCode::BadJson,
            RejectCode::UnterminatedQuote,
            RejectCode::UnknownField,
            RejectCode::NoChange,
            RejectCode::UnknownProduct,
        ] {
            assert_eq!(serde_json::to_string(&code).unwrap(), format!("\"{code}\""));
        }
    }

    #[test]
    fn rejects_survive_a_round_trip_and_leave_no_partial_file() {
        let directory = tempfile::tempdir().unwrap();
        let path = directory.path().join("rejects.jsonl");
        fs::write(&path, "old").unwrap();
        let reject = Reject {
            row: 7,
            id: Some("a\n\"b".into()),
            field: "price".into(),
            code: RejectCode::BadPrice,
            message: "ünïcode".into(),
        };
        write_rejects(&path, &[reject.clone(), reject.clone()]).unwrap();
        let text = fs::read_to_string(&path).unwrap();
        let read: Vec<Reject> = text.lines().map(|line| serde_json::from_str(line).unwrap()).collect();
        assert_eq!(read, [reject.clone(), reject]);
        assert_eq!(fs::read_dir(directory.path()).unwrap().count(), 1);
    }

    #[test]
    fn a_rejects_file_that_cannot_be_written_is_named() {
        for path in ["/nonexistent-directory/rejects.jsonl", "/dev/null", "/"] {
            let error = write_rejects(Path::new(path), &[]).unwrap_err();
            assert!(error.to_string().contains(path), "{error}");
        }
    }
}
