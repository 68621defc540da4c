//! Files of records that are no products (orders, interactions): delimited with a header, or JSON Lines; plain, gzip or zstd.

use std::path::Path;

use super::delimited::Records;
use super::error::FeedError;
use super::header::{DELIMITERS, header_cells};
use super::reject::{Reject, RejectCode};
use super::source::Lines;

/// A file of records, read one at a time.
pub struct RecordFile(Form);

enum Form {
    Table(Box<Records>),
    Json(Lines),
}

/// One record of a [`RecordFile`].
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum FileRecord {
    /// A cell for each column.
    Cells {
        /// Number of its first line, from 1.
        line: u64,
        /// The cells, without spaces around.
        cells: Vec<String>,
    },
    /// A line of JSON, not yet parsed.
    Json {
        /// Its number, from 1.
        line: u64,
        /// The line.
        text: String,
    },
}

impl RecordFile {
    /// Opens `path`; records of more than `max_record_bytes` are rejects. JSON is told by its first letter, a delimiter by the header.
    ///
    /// Returns an error if the file cannot be read, is empty, or is of another format.
    pub fn open(path: &Path, max_record_bytes: usize) -> Result<Self, FeedError> {
        let is_json = {
            let mut lines = Lines::open(path, max_record_bytes)?;
            let first = lines.next_filled_line()?.ok_or_else(|| FeedError::Empty { path: path.to_owned() })?;
            first.bytes.trim_ascii_start().starts_with(b"{")
        };
        let mut lines = Lines::open(path, max_record_bytes)?;
        if is_json {
            return Ok(Self(Form::Json(lines)));
        }
        let header = lines.next_filled_line()?.ok_or_else(|| FeedError::Empty { path: path.to_owned() })?;
        if header.bytes.trim_ascii_end().contains(&b'\r') {
            return Err(FeedError::NotAFeed { path: path.to_owned(), what: "a file whose lines end in CR alone" });
        }
        let split = |delimiter: &u8| header_cells(&header.bytes, *delimiter).map(|cells| (*delimiter, cells));
        let best = DELIMITERS.iter().rev().filter_map(split).max_by_key(|(_, cells)| cells.len());
        let (delimiter, columns) = best.unwrap_or((b',', Vec::new()));
        Ok(Self(Form::Table(Box::new(Records::new(lines, delimiter, columns, "", max_record_bytes)))))
    }

    /// Names of the columns as the file writes them; `None` for JSON Lines.
    pub fn columns(&self) -> Option<&[String]> {
        match &self.0 {
            Form::Table(records) => Some(records.columns()),
            Form::Json(_) => None,
        }
    }

    /// Bytes of the file consumed so far, as stored, and its length.
    pub fn position(&self) -> (u64, u64) {
        match &self.0 {
            Form::Table(records) => records.position(),
            Form::Json(lines) => lines.position(),
        }
    }

    /// The next record, or why it is left out; `None` at the end.
    ///
    /// Returns an error if the file cannot be read.
    pub fn next_record(&mut self) -> Result<Option<Result<FileRecord, Reject>>, FeedError> {
        let lines = match &mut self.0 {
            Form::Table(records) => {
                let row = records.next_record()?;
                return Ok(row.map(|row| row.map(|row| FileRecord::Cells { line: row.line, cells: row.cells })));
            }
            Form::Json(lines) => lines,
        };
        let Some(line) = lines.next_filled_line()? else { return Ok(None) };
        let reject = |code, message: &str| Reject {
            row: line.number,
            id: None,
            field: "record".to_owned(),
            code,
            message: message.to_owned(),
        };
        if line.is_too_long {
            return Ok(Some(Err(reject(RejectCode::RecordTooLong, "the line is too long; shorten it"))));
        }
        Ok(Some(match String::from_utf8(line.bytes) {
            Ok(text) => Ok(FileRecord::Json { line: line.number, text }),
            Err(_) => Err(Reject {
                row: line.number,
                id: None,
                field: "record".to_owned(),
                code: RejectCode::InvalidUtf8,
                message: "the line is not UTF-8; save the file as UTF-8".to_owned(),
            }),
        }))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn read(bytes: &[u8]) -> (Option<Vec<String>>, Vec<Result<FileRecord, RejectCode>>) {
        let dir = tempfile::tempdir().unwrap();
        let path = dir.path().join("file");
        std::fs::write(&path, bytes).unwrap();
        let mut file = RecordFile::open(&path, 100).unwrap();
        let columns = file.columns().map(<[String]>::to_vec);
        let next = || file.next_record().unwrap();
        (columns, std::iter::from_fn(next).map(|record| record.map_err(|reject| reject.code)).collect())
    }

    #[test]
    fn lines_that_end_in_cr_alone_are_refused_with_a_word() {
        let path = tempfile::NamedTempFile::new().unwrap().into_temp_path();
        std::fs::write(&path, "order,sku\r1,a\r2,b\r").unwrap();
        assert!(RecordFile::open(&path, 100).err().unwrap().to_string().contains("end in CR alone"));
        std::fs::write(&path, "order,sku\r\n1,a\r\n").unwrap();
        assert_eq!(RecordFile::open(&path, 100).unwrap().columns().unwrap(), ["order", "sku"]);
    }

    #[test]
    fn tables_and_lines_of_json_come_record_by_record() {
        let (columns, records) = read(b"a;b c\n1;\"x\n;y\"\n2\n3; z \n");
        assert_eq!(columns.unwrap(), ["a", "b c"]);
        let cells = |line, cells: [&str; 2]| Ok(FileRecord::Cells { line, cells: cells.map(str::to_owned).to_vec() });
        assert_eq!(records, [cells(2, ["1", "x\n;y"]), Err(RejectCode::WrongColumnCount), cells(5, ["3", "z"])]);
        let long = "x".repeat(200);
        let (columns, records) = read(format!("\n{{\"a\":1}}\n{long}\n\n{{}}\n").as_bytes());
        assert_eq!(columns, None);
        let json = |line, text: &str| Ok(FileRecord::Json { line, text: text.to_owned() });
        assert_eq!(records, [json(2, "{\"a\":1}\n"), Err(RejectCode::RecordTooLong), json(5, "{}\n")]);
    }
}
