//! Files of sessions and of orders from elsewhere, as a [`History`]. Plain, gzip or zstd, told by the first bytes.

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

/// Reads a file of order lines with the comma-separated columns `order_id`, `product_id`, `timestamp` (RFC 3339, or `2010-12-01 08:26:00` read as
/// UTC), and where there are such `quantity`, `unit_price` and `customer_id`; the names of UCI's Online Retail (`InvoiceNo`, `StockCode`, …) will
/// do too. Each order is a session. A negative quantity is a refund.
///
/// Returns an error naming file, line and column if one is missing or holds something else.
pub fn read_orders(path: &Path) -> Result<History, EvalError> {
    let mut table = Table::open(path, b',')?;
    let order = table.column(&["order_id", "InvoiceNo"])?;
    let product = table.column(&["product_id", "StockCode"])?;
    let time = table.column(&["timestamp", "InvoiceDate"])?;
    let quantity = table.column(&["quantity", "Quantity"]).ok();
    let price = table.column(&["unit_price", "UnitPrice"]).ok();
    let mut builder = HistoryBuilder::default();
    let mut orders: std::collections::HashMap<String, u32> = std::collections::HashMap::new();
    while table.next()? {
        let new = orders.len() as u32;
        let number = *orders.entry(table.cell(order).to_owned()).or_insert(new);
        let pieces: i64 = quantity.map_or(Ok(1), |at| table.parse(at, "quantity", "a whole number"))?;
        let interaction = Interaction {
            product: builder.product(table.cell(product)),
            time_s: table.time(time, "timestamp")?,
            order: number,
            quantity: u32::try_from(pieces.unsigned_abs()).unwrap_or(u32::MAX),
            price: price.map_or(Ok(f32::NAN), |at| table.parse(at, "unit_price", "a number"))?,
            kind: if pieces < 0 { EventKind::Refund } else { EventKind::Purchase },
        };
        builder.push(u64::from(number), number, interaction);
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

    fn time(&self, column: usize, name: &'static str) -> Result<u32, EvalError> {
        let text = self.cell(column);
        let zoned = text.parse::<jiff::Timestamp>().ok();
        let plain = || text.parse::<jiff::civil::DateTime>().ok()?.to_zoned(jiff::tz::TimeZone::UTC).ok();
        let seconds = zoned.or_else(|| plain().map(|zoned| zoned.timestamp())).map(|time| time.as_second());
        let seconds = seconds.and_then(|seconds| u32::try_from(seconds).ok());
        seconds.ok_or_else(|| self.bad_cell(column, name, "a time from 1970 to 2106, such as 2026-01-31T08:26:00Z"))
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
    fn order_lines_become_purchases_and_refunds_and_bad_cells_are_named() {
        let good =
            file("order_id,product_id,quantity,timestamp\no1,a,2,2011-01-01T00:00:00Z\nc1,a,-1,2011-01-02 00:00:00\n");
        let history = read_orders(good.path()).unwrap();
        let lines: Vec<_> = history.sessions().map(|s| (s.interactions[0].kind, s.interactions[0].quantity)).collect();
        assert_eq!(lines, [(EventKind::Purchase, 2), (EventKind::Refund, 1)]);
        let bad = file("order_id,product_id,timestamp\no1,a,yesterday\n");
        let message = read_orders(bad.path()).unwrap_err().to_string();
        assert!(message.contains("line 2: timestamp is `yesterday`"), "{message}");
        let missing = file("order_id,timestamp\n");
        assert!(read_orders(missing.path()).unwrap_err().to_string().contains("no column product_id or StockCode"));
    }
}
