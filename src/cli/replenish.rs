//! `kindred replenish`: what is due to be bought again, shopper by shopper, for people, scripts and mail programs.
//!
//! Ids of shoppers are kept as keyed hashes alone. So a list of everybody names each by a key that is the same in every list; whoever wants
//! ids gives theirs, and gets them back beside what is due.

use std::collections::HashMap;
use std::process::ExitCode;

use anyhow::Result;
use jiff::{SignedDuration, Timestamp};
use serde::Serialize;

use super::args_shopper::ReplenishArgs;
use super::ask::query;
use super::context::Context;
use super::exit::Unanswerable;
use super::output::{number, print_json, say, table, thousands};
use crate::events::{EventStore, Shoppers};
use crate::index::Check;
use crate::live::View;
use crate::recommend::{Due, Engine, Intent, Query};

/// Names of the columns, and of the fields in JSON.
const COLUMNS: [&str; 12] = [
    "shopper",
    "key",
    "product",
    "title",
    "availability",
    "times",
    "last_bought",
    "interval_days",
    "due",
    "due_in_days",
    "score",
    "reason",
];

/// A product that is due for a shopper.
#[derive(Debug, Serialize)]
struct Line {
    /// The id that was asked about.
    shopper: Option<String>,
    /// What tells the shopper from the others.
    key: String,
    product: String,
    title: String,
    availability: String,
    times: u32,
    last_bought: String,
    interval_days: f64,
    due: String,
    due_in_days: f64,
    score: f64,
    reason: String,
}

impl Line {
    fn cells(&self) -> [String; COLUMNS.len()] {
        [
            self.shopper.clone().unwrap_or_default(),
            self.key.clone(),
            self.product.clone(),
            self.title.clone(),
            self.availability.clone(),
            self.times.to_string(),
            self.last_bought.clone(),
            self.interval_days.to_string(),
            self.due.clone(),
            self.due_in_days.to_string(),
            self.score.to_string(),
            self.reason.clone(),
        ]
    }
}

pub(super) fn run(context: &Context, args: &ReplenishArgs) -> Result<ExitCode> {
    let engine = context.engine(&args.catalog, Check::Hashes)?;
    let folder = context.existing_dir(&args.catalog)?.path();
    let known = EventStore::open(&folder, &context.config.events)?.shoppers()?;
    let at = args.at.unwrap_or_else(Timestamp::now);
    let asked =
        Query { intent: Intent::Replenish, due_within_days: args.due_within, at: Some(at), ..query(&args.ask)? };
    let list = List { engine: &engine, view: &engine.view(), known: &known, asked, at };
    let ids = ids(args)?;
    let (whose, unknown) = match &ids {
        Some(ids) => list.of_ids(ids),
        None => (known.numbers().into_iter().map(|number| (number, None)).collect(), Vec::new()),
    };
    let mut lines = Vec::new();
    for (number, id) in whose {
        lines.extend(list.of_shopper(number, id)?);
    }
    if args.csv {
        print_csv(&lines)?;
    } else if context.json {
        print_json(&serde_json::json!({
            "generation": list.view.generation().name(), "at": at.to_string(), "due": lines, "unknown_shoppers": unknown,
        }))?;
    } else {
        print_table(&lines, &unknown, ids.is_some())?;
    }
    Ok(ExitCode::SUCCESS)
}

/// The ids to ask about, each once; `None` where everybody is meant.
fn ids(args: &ReplenishArgs) -> Result<Option<Vec<String>>> {
    if args.shoppers.is_empty() && args.file.is_none() {
        return Ok(None);
    }
    let mut ids = args.shoppers.clone();
    if let Some(path) = &args.file {
        let failed = |error: std::io::Error| Unanswerable(format!("cannot read `{}`: {error}", path.display()));
        let text = std::fs::read_to_string(path).map_err(failed)?;
        ids.extend(text.lines().map(str::trim).filter(|id| !id.is_empty()).map(str::to_owned));
    }
    let mut seen = std::collections::HashSet::new();
    ids.retain(|id| seen.insert(id.clone()));
    Ok(Some(ids))
}

/// A list in the making.
struct List<'a> {
    engine: &'a Engine,
    view: &'a View,
    known: &'a Shoppers,
    /// The question without a shopper.
    asked: Query,
    at: Timestamp,
}

impl List<'_> {
    /// The shoppers of `ids`, and the ids of who bought nothing.
    fn of_ids(&self, ids: &[String]) -> (Vec<(u32, Option<String>)>, Vec<String>) {
        let (mut whose, mut unknown) = (Vec::new(), Vec::new());
        for id in ids {
            match self.known.number_of(id) {
                Some(number) => whose.push((number, Some(id.clone()))),
                None => unknown.push(id.clone()),
            }
        }
        (whose, unknown)
    }

    fn of_shopper(&self, shopper: u32, id: Option<String>) -> Result<Vec<Line>> {
        let asked = Query { purchases: self.known.purchases(shopper), ..self.asked.clone() };
        let answer = self.engine.answer(self.view, &asked)?;
        if answer.hits.is_empty() {
            return Ok(Vec::new());
        }
        let reasons = self.engine.explain(self.view, &asked, &answer)?.reasons;
        let due: HashMap<_, _> = self.engine.due(self.view, &asked).into_iter().map(|due| (due.row, due)).collect();
        let mut lines = Vec::with_capacity(answer.hits.len());
        for (hit, reason) in answer.hits.iter().zip(reasons) {
            if let Some(due) = due.get(&hit.row) {
                lines.push(self.line((shopper, id.clone()), due, reason.text)?);
            }
        }
        Ok(lines)
    }

    fn line(&self, (shopper, id): (u32, Option<String>), due: &Due, reason: String) -> Result<Line> {
        let product = self.view.product(due.row)?;
        let tenths = |days: f32| (f64::from(days) * 10.0).round() / 10.0;
        let day = |in_days: f32| -> Result<String> {
            let at = self.at.checked_add(SignedDuration::from_secs_f64(f64::from(in_days) * 86_400.0))?;
            Ok(at.strftime("%Y-%m-%d").to_string())
        };
        let availability = serde_json::to_value(product.availability)?;
        Ok(Line {
            shopper: id,
            key: self.known.key(shopper),
            product: product.id.as_str().to_owned(),
            title: product.title,
            availability: availability.as_str().unwrap_or_default().to_owned(),
            times: due.num_times,
            last_bought: day(-due.since_days)?,
            interval_days: tenths(due.interval_days),
            due: day(due.in_days())?,
            due_in_days: tenths(due.in_days()),
            score: (f64::from(due.score) * 1e4).round() / 1e4,
            reason,
        })
    }
}

fn print_csv(lines: &[Line]) -> Result<()> {
    say!("{}", COLUMNS.join(","))?;
    for line in lines {
        say!("{}", line.cells().map(|cell| csv_cell(&cell)).join(","))?;
    }
    Ok(())
}

/// A cell by RFC 4180: in quotes where it holds what would end it, and behind an apostrophe where a spreadsheet would take it for a formula.
fn csv_cell(text: &str) -> String {
    let is_number = |text: &str| !text.is_empty() && text.bytes().all(|byte| byte.is_ascii_digit() || byte == b'.');
    let is_formula =
        text.starts_with(['=', '+', '-', '@', '\t', '\r']) && !text.strip_prefix('-').is_some_and(is_number);
    let text = if is_formula { format!("'{text}") } else { text.to_owned() };
    if text.contains([',', '"', '\n', '\r']) { format!("\"{}\"", text.replace('"', "\"\"")) } else { text }
}

fn print_table(lines: &[Line], unknown: &[String], is_by_id: bool) -> Result<()> {
    let mut shown = table(&["shopper", "product", "title", "due", "score", "reason"]);
    for line in lines {
        shown.add_row([
            line.shopper.clone().unwrap_or_else(|| line.key.clone()).into(),
            line.product.clone().into(),
            line.title.clone().into(),
            line.due.clone().into(),
            number(format!("{:.3}", line.score)),
            line.reason.clone().into(),
        ]);
    }
    say!("{shown}")?;
    let mut keys: Vec<&str> = lines.iter().map(|line| line.key.as_str()).collect();
    keys.dedup();
    say!("{} products are due for {} shoppers", thousands(lines.len()), thousands(keys.len()))?;
    if !unknown.is_empty() {
        say!("nothing is known of {} of the ids, such as {}", thousands(unknown.len()), unknown[0])?;
    }
    if !is_by_id {
        say!(
            "ids of shoppers are kept as keyed hashes alone: give them (--shoppers FILE) to have them beside what is due"
        )?;
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::csv_cell;

    #[test]
    fn a_cell_that_holds_a_comma_a_quote_or_a_line_is_quoted() {
        let cases = [("plain", "plain"), ("a,b", "\"a,b\""), ("2\" nail", "\"2\"\" nail\""), ("a\nb", "\"a\nb\"")];
        cases.iter().for_each(|(text, cell)| assert_eq!(csv_cell(text), *cell));
    }

    #[test]
    fn no_cell_is_a_formula_and_numbers_below_zero_stay_numbers() {
        for text in ["=1+1", "+1", "-1+1", "@SUM(A1)", "\t=1", "-", "--5", "-2,5", "=HYPERLINK(\"x\",\"y\")", "\r=1"] {
            let cell = csv_cell(text);
            assert!(cell.trim_start_matches('"').starts_with('\''), "{text}: {cell}");
            assert_eq!(cell.starts_with('"'), text.contains([',', '"', '\r']), "{text}: {cell}");
        }
        for plain in ["-3.2", "-12", "5", "0.5", "a=b", "2026-11-21", ""] {
            assert_eq!(csv_cell(plain), plain);
        }
    }
}
