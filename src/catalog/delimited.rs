//! Lines to records of a delimited feed: quoted cells may hold delimiters, quotes and line breaks.
//!
//! A quote that never ends must not swallow the rest of the feed: a record over several lines that does not fit the header is
//! given up at its first line, and reading goes on with the second.

use std::collections::VecDeque;

use csv_core::{ReadRecordResult, Reader, ReaderBuilder, Terminator};

use super::error::FeedError;
use super::reject::{Reject, RejectCode};
use super::source::{Line, Lines};

/// Most lines of one record.
const MAX_RECORD_LINES: usize = 1_000;

/// One record: a cell for each column of the header.
pub(super) struct Row {
    /// 1-based number of the line where the record starts.
    pub(super) line: u64,
    pub(super) cells: Vec<String>,
}

/// The records of a delimited feed after its header.
pub(super) struct Records {
    lines: Lines,
    /// Lines that a given-up record had taken.
    returned: VecDeque<Line>,
    parser: CellParser,
    columns: Vec<String>,
    id_column: Option<usize>,
    max_record_bytes: usize,
}

impl Records {
    /// `columns` are the canonical names of the header's cells; `id_column` is the name whose value a reject shows.
    pub(super) fn new(
        lines: Lines,
        delimiter: u8,
        columns: Vec<String>,
        id_column: &str,
        max_record_bytes: usize,
    ) -> Self {
        let id_column = columns.iter().position(|column| column == id_column);
        let parser = CellParser::new(delimiter);
        Self { lines, returned: VecDeque::new(), parser, columns, id_column, max_record_bytes }
    }

    pub(super) fn columns(&self) -> &[String] {
        &self.columns
    }

    pub(super) fn position(&self) -> (u64, u64) {
        self.lines.position()
    }

    /// The next record or the reason why it is left out; `None` at the end. Returns an error if the file cannot be read.
    pub(super) fn next_record(&mut self) -> Result<Option<Result<Row, Reject>>, FeedError> {
        let first = loop {
            match self.take_line()? {
                None => return Ok(None),
                Some(line) if line.is_blank() => {}
                Some(line) => break line,
            }
        };
        let number = first.number;
        if first.is_too_long {
            let message = format!("the line has more than {} bytes; shorten it", self.max_record_bytes);
            return Ok(Some(Err(record_reject(number, RejectCode::RecordTooLong, message))));
        }
        let mut taken = vec![first];
        let is_complete = self.complete_quotes(&mut taken)?;
        let record = if is_complete { self.read_cells(&taken) } else { Err(unterminated(number)) };
        if record.is_err() {
            taken.drain(1..).rev().for_each(|line| self.returned.push_front(line));
        }
        Ok(Some(record))
    }

    fn take_line(&mut self) -> Result<Option<Line>, FeedError> {
        self.returned.pop_front().map_or_else(|| self.lines.next_line(), |line| Ok(Some(line)))
    }

    /// Takes further lines until no quote is open; false when there is no end within the limits or it stands at a wrong place.
    fn complete_quotes(&mut self, taken: &mut Vec<Line>) -> Result<bool, FeedError> {
        let mut quotes = QuoteScan::new(self.parser.delimiter);
        quotes.scan(&taken[0].bytes);
        let mut num_bytes = taken[0].bytes.len();
        while quotes.is_open() {
            let Some(line) = self.take_line()? else { return Ok(false) };
            num_bytes += line.bytes.len();
            let is_over = line.is_too_long || num_bytes > self.max_record_bytes || taken.len() >= MAX_RECORD_LINES;
            quotes.scan(&line.bytes);
            taken.push(line);
            if is_over || quotes.is_misplaced {
                return Ok(false);
            }
        }
        Ok(true)
    }

    fn read_cells(&mut self, taken: &[Line]) -> Result<Row, Reject> {
        let line = taken[0].number;
        let mut cells = match taken {
            [only] => self.parser.cells(&only.bytes),
            lines => self.parser.cells(&lines.iter().flat_map(|line| line.bytes.iter().copied()).collect::<Vec<u8>>()),
        };
        let num_columns = self.columns.len();
        while cells.len() > num_columns && cells.last().is_some_and(|cell| cell.trim_ascii().is_empty()) {
            cells.pop();
        }
        if cells.len() != num_columns {
            let message = format!(
                "the record has {} cells, the header {num_columns}; check quotes and delimiters around this line",
                cells.len()
            );
            return Err(record_reject(line, RejectCode::WrongColumnCount, message));
        }
        let id = self.id_column.and_then(|column| std::str::from_utf8(cells[column]).ok());
        let id = id.map(|id| id.trim().to_owned()).filter(|id| !id.is_empty());
        let cells = cells.iter().enumerate().map(|(column, cell)| match std::str::from_utf8(cell) {
            Ok(text) => Ok(text.trim().to_owned()),
            Err(_) => Err(invalid_utf8(line, &self.columns[column], id.clone())),
        });
        Ok(Row { line, cells: cells.collect::<Result<_, _>>()? })
    }
}

fn record_reject(row: u64, code: RejectCode, message: String) -> Reject {
    Reject { row, id: None, field: "record".to_owned(), code, message }
}

fn unterminated(row: u64) -> Reject {
    let message = "a quoted cell does not end; double the quotes inside it or remove the first".to_owned();
    record_reject(row, RejectCode::UnterminatedQuote, message)
}

fn invalid_utf8(row: u64, field: &str, id: Option<String>) -> Reject {
    let message = "the value is not UTF-8; save the feed as UTF-8".to_owned();
    Reject { row, id, field: field.to_owned(), code: RejectCode::InvalidUtf8, message }
}

/// Splits one whole record into cells.
pub(super) struct CellParser {
    reader: Reader,
    delimiter: u8,
    text: Vec<u8>,
    ends: Vec<usize>,
}

impl CellParser {
    pub(super) fn new(delimiter: u8) -> Self {
        let reader = ReaderBuilder::new().delimiter(delimiter).terminator(Terminator::Any(b'\n')).build();
        Self { reader, delimiter, text: Vec::new(), ends: vec![0; 64] }
    }

    /// The cells of `record`, quotes resolved; `record` ends with `\n`.
    pub(super) fn cells(&mut self, record: &[u8]) -> Vec<&[u8]> {
        self.reader.reset();
        if self.text.len() < record.len() {
            self.text.resize(record.len(), 0);
        }
        let (mut num_in, mut num_text, mut num_cells) = (0, 0, 0);
        loop {
            let (result, bytes_in, bytes_out, ends) =
                self.reader.read_record(&record[num_in..], &mut self.text[num_text..], &mut self.ends[num_cells..]);
            num_in += bytes_in;
            num_text += bytes_out;
            num_cells += ends;
            match result {
                ReadRecordResult::OutputEndsFull => self.ends.resize(self.ends.len() * 2, 0),
                ReadRecordResult::OutputFull => self.text.resize(self.text.len() * 2 + 1, 0),
                // Empty input tells the reader that the record is over.
                ReadRecordResult::InputEmpty => {}
                ReadRecordResult::Record | ReadRecordResult::End => break,
            }
        }
        let starts = std::iter::once(0).chain(self.ends[..num_cells].iter().copied());
        starts.zip(&self.ends[..num_cells]).map(|(start, end)| &self.text[start..*end]).collect()
    }
}

/// Follows the quotes of a record over its lines.
struct QuoteScan {
    delimiter: u8,
    state: QuoteState,
    /// A closing quote was followed by text, so the opening one was probably no quote.
    is_misplaced: bool,
}

#[derive(Clone, Copy, PartialEq)]
enum QuoteState {
    CellStart,
    Plain,
    Quoted,
    /// After a quote inside a quoted cell: its end, or the first half of a doubled quote.
    MaybeClosed,
}

impl QuoteScan {
    fn new(delimiter: u8) -> Self {
        Self { delimiter, state: QuoteState::CellStart, is_misplaced: false }
    }

    fn is_open(&self) -> bool {
        self.state == QuoteState::Quoted
    }

    fn scan(&mut self, bytes: &[u8]) {
        for byte in bytes {
            self.state = self.after(*byte);
        }
    }

    fn after(&mut self, byte: u8) -> QuoteState {
        match self.state {
            QuoteState::Quoted if byte == b'"' => QuoteState::MaybeClosed,
            QuoteState::Quoted => QuoteState::Quoted,
            QuoteState::CellStart if byte == b'"' => QuoteState::Quoted,
            QuoteState::MaybeClosed if byte == b'"' => QuoteState::Quoted,
            _ if byte == self.delimiter => QuoteState::CellStart,
            state => {
                self.is_misplaced |= state == QuoteState::MaybeClosed && !matches!(byte, b'\r' | b'\n');
                QuoteState::Plain
            }
        }
    }
}
