//! Tables for people and JSON for scripts.

use std::io::Write;

use anyhow::Result;
use comfy_table::{Attribute, Cell, CellAlignment, ContentArrangement, Table, presets};
use serde::Serialize;

/// Standard output cannot be written: a full disk, or a reader that went away.
#[derive(Debug, thiserror::Error)]
#[error("cannot write to standard output")]
pub(super) struct OutputError(#[from] pub std::io::Error);

/// Prints one line; a full disk is an error here and not a panic.
macro_rules! say {
    ($($text:tt)*) => { $crate::cli::output::print_line(format_args!($($text)*)) };
}
pub(super) use say;

/// Prints a line to standard output.
///
/// Returns an error if it cannot be written.
pub(super) fn print_line(line: std::fmt::Arguments<'_>) -> Result<(), OutputError> {
    Ok(writeln!(std::io::stdout().lock(), "{line}")?)
}

/// Width of a table where standard output is no terminal.
const PLAIN_WIDTH: u16 = 110;

/// A table with these column names; it fits the terminal and wraps long texts.
pub(super) fn table(columns: &[&str]) -> Table {
    let mut table = Table::new();
    table.load_style(presets::UTF8_BORDERS_ONLY).set_content_arrangement(ContentArrangement::Dynamic);
    if table.width().is_none() {
        table.set_width(PLAIN_WIDTH);
    }
    table.set_header(columns.iter().map(|name| Cell::new(name).add_attribute(Attribute::Bold)));
    table
}

/// A cell set flush right, for numbers.
pub(super) fn number(value: impl ToString) -> Cell {
    Cell::new(value).set_alignment(CellAlignment::Right)
}

/// Prints `value` as indented JSON.
///
/// Returns an error if it cannot be serialized.
pub(super) fn print_json(value: &impl Serialize) -> Result<()> {
    Ok(say!("{}", serde_json::to_string_pretty(value)?)?)
}

/// `12,345`.
pub(super) fn thousands(number: usize) -> String {
    let digits = number.to_string();
    let groups: Vec<&str> =
        digits.as_bytes().rchunks(3).rev().filter_map(|group| std::str::from_utf8(group).ok()).collect();
    groups.join(",")
}

/// `1.5 MB`, in powers of 1000.
pub(super) fn bytes(bytes: u64) -> String {
    indicatif::DecimalBytes(bytes).to_string()
}

#[cfg(test)]
mod tests {
    #[test]
    fn thousands_are_grouped_from_the_right() {
        let cases = [(0, "0"), (999, "999"), (1000, "1,000"), (1_234_567, "1,234,567")];
        cases.iter().for_each(|(number, text)| assert_eq!(super::thousands(*number), *text));
    }
}
