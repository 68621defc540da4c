//! Files of sessions and of lists from elsewhere. Plain, gzip or zstd, told by the first bytes.

use std::path::Path;

use super::error::EvalError;
use crate::catalog::open_text;
use crate::events::{EventKind, History, HistoryBuilder, Interaction, NO_ORDER};

/// Reads a file of sessions with the tab-separated columns `SessionId`, `ItemId` and `Time` (seconds since 1970, with or without a fraction), as
/// the YooChoose files of session-rec have them. Each line is a view. Lines of a session in the same second stay in the file's order.
///
/// Returns an error naming file, line and column if one is missing or holds something else.
pub fn read_sessions(path: &Path) -> Result<History, EvalError> {
    let mut table = Table::open(path, b'\t')?;
    let [session, item, time] = [table.column(&["SessionId"])?, table.column(&["ItemId"])?, table.column(&["Time"])?];
    let mut builder = HistoryBuilder::default();
    while table.next()? {
        let number: u64 = table.parse(session, "SessionId", "a whole number")?;
        let seconds: f64 = table.parse(time, "Time", "seconds since 1970")?;
        let product = builder.product(table.cell(item));
        let kind = EventKind::ViewItem;
        let interaction =
            Interaction { product, time_s: seconds as u32, order: NO_ORDER, quantity: 1, price: f32::NAN, kind };
        builder.push(number, number as u32, interaction);
    }
    Ok(builder.finish())
}

/// Lists made by another program for given positions of given sessions.
#[derive(Debug, Clone, PartialEq)]
pub struct ForeignList {
    /// The session, as the file numbers it.
    pub session: u64,
    /// How many products of the session came before the last that the list was made from.
    pub position: usize,
    /// Product ids, best first.
    pub products: Vec<String>,
}

/// Reads lists in session-rec's form: semicolon-separated columns `SessionId`, `Position` and `Recommendations` (ids joined by commas).
///
/// Returns an error naming file, line and column if one is missing or holds something else.
pub fn read_lists(path: &Path) -> Result<Vec<ForeignList>, EvalError> {
    let mut table = Table::open(path, b';')?;
    let [session, position] = [table.column(&["SessionId"])?, table.column(&["Position"])?];
    let products = table.column(&["Recommendations"])?;
    let mut lists = Vec::new();
    while table.next()? {
        lists.push(ForeignList {
            session: table.parse(session, "SessionId", "a whole number")?,
            position: table.parse(position, "Position", "a whole number")?,
            products: table.cell(products).split(',').map(str::to_owned).collect(),
        });
    }
    Ok(lists)
}

/// A table with a line of names, read line by line.
struct Table<'a> {
    path: &'a Path,
    reader: csv::Reader<Box<dyn std::io::BufRead>>,
    names: csv::StringRecord,
    row: csv::StringRecord,
}

impl<'a> Table<'a> {
    fn open(path: &'a Path, delimiter: u8) -> Result<Self, EvalError> {
        let text = open_text(path).map_err(|source| EvalError::Open { path: path.to_owned(), source })?;
        let mut reader = csv::ReaderBuilder::new().delimiter(delimiter).from_reader(text);
        let names = reader.headers().map_err(|source| EvalError::Line { path: path.to_owned(), source })?.clone();
        Ok(Self { path, reader, names, row: csv::StringRecord::new() })
    }

    fn column(&self, names: &[&str]) -> Result<usize, EvalError> {
        let found = self.names.iter().position(|name| names.contains(&name.trim()));
        found.ok_or_else(|| EvalError::Column {
            path: self.path.to_owned(),
            column: names.join(" or "),
            found: self.names.iter().collect::<Vec<_>>().join(", "),
        })
    }

    /// Whether there was another line.
    fn next(&mut self) -> Result<bool, EvalError> {
        self.reader.read_record(&mut self.row).map_err(|source| EvalError::Line { path: self.path.to_owned(), source })
    }

    fn cell(&self, column: usize) -> &str {
        self.row.get(column).unwrap_or_default().trim()
    }

    fn parse<T: std::str::FromStr>(
        &self,
        column: usize,
        name: &'static str,
        expected: &'static str,
    ) -> Result<T, EvalError> {
        self.cell(column).parse().map_err(|_| self.bad_cell(column, name, expected))
    }

    fn bad_cell(&self, column: usize, name: &'static str, expected: &'static str) -> EvalError {
        let line = self.row.position().map_or(0, csv::Position::line);
        EvalError::Cell {
            path: self.path.to_owned(),
            line,
            column: name,
            value: self.cell(column).to_owned(),
            expected,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn file(content: &str) -> tempfile::NamedTempFile {
        let file = tempfile::NamedTempFile::new().unwrap();
        std::fs::write(file.path(), content).unwrap();
        file
    }

    #[test]
    fn session_lines_become_views_by_session_and_time() {
        let file = file("SessionId\tItemId\tTime\n7\tb\t20.5\n7\ta\t10\n3\tb\t5.1\n");
        let history = read_sessions(file.path()).unwrap();
        let sessions: Vec<Vec<(&str, u32)>> = history
            .sessions()
            .map(|session| {
                session.interactions.iter().map(|i| (&*history.products()[i.product as usize], i.time_s)).collect()
            })
            .collect();
        assert_eq!(sessions, [vec![("b", 5)], vec![("a", 10), ("b", 20)]]);
    }

    #[test]
    fn what_cannot_be_read_is_named_with_its_line() {
        let bad = file("SessionId\tItemId\tTime\n7\ta\tyesterday\n");
        let message = read_sessions(bad.path()).unwrap_err().to_string();
        assert!(message.contains("line 2: Time is `yesterday`"), "{message}");
        let missing = file("SessionId\tTime\n");
        assert!(read_sessions(missing.path()).unwrap_err().to_string().contains("no column ItemId"));
    }
}
