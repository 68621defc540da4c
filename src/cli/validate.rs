//! `kindred validate`: what is in a feed and what is wrong with it.

use std::path::Path;
use std::process::ExitCode;

use anyhow::Result;

use super::context::Context;
use super::exit;
use super::output::{number, print_json, say, table, thousands};
use super::progress::BuildBars;
use crate::catalog::{CatalogConfig, FeedReport, RejectSummary, read_feed, write_rejects};
use crate::pipeline::BuildStep;

pub(super) fn run(context: &Context, feed: &Path, catalog: Option<&str>, rejects: Option<&Path>) -> Result<ExitCode> {
    let settings = match catalog {
        Some(name) => context.config.catalog(name)?,
        None => context.config.catalog.clone(),
    };
    let bars = BuildBars::new(context.quiet || context.json);
    let read = read_feed(feed, &settings, &mut |at| bars.show(BuildStep::Reading(at)));
    bars.clear();
    let read = read?;
    if let Some(path) = rejects {
        write_rejects(path, &read.rejects)?;
    }
    let report = read.report(&settings.text);
    let is_usable = report.reject_share <= settings.max_reject_share && report.num_products > 0;
    if context.json {
        print_json(&report)?;
    } else {
        print(feed, &report, &settings, is_usable)?;
    }
    Ok(if is_usable { ExitCode::SUCCESS } else { ExitCode::from(exit::FEED) })
}

fn print(feed: &Path, report: &FeedReport, settings: &CatalogConfig, is_usable: bool) -> Result<()> {
    let count = |number: u64| thousands(number as usize);
    say!("{}: {}", feed.display(), report.dialect)?;
    say!("  records     {}", count(report.num_rows))?;
    say!(
        "  products    {} in {} families, {} categories",
        count(report.num_products),
        count(report.num_families),
        count(report.num_categories)
    )?;
    if report.num_skipped > 0 {
        say!("  skipped     {} (drafts, archived or unpublished)", count(report.num_skipped))?;
    }
    say!("  rejected    {} ({:.2} %)", count(report.num_rejects), report.reject_share * 100.0)?;
    say!(
        "  duplicates  {} ids, {} texts that another product has too",
        count(report.num_duplicate_ids),
        count(report.num_shared_texts)
    )?;
    say!(
        "  texts       {} empty, {} are the title alone",
        count(report.num_empty_texts),
        count(report.num_title_only_texts)
    )?;
    let currencies: Vec<String> =
        report.currencies.iter().map(|(code, number)| format!("{code} {}", count(*number))).collect();
    say!("  prices      {}", if currencies.is_empty() { "none".to_owned() } else { currencies.join(", ") })?;
    print_fields(report)?;
    report.rejects.iter().try_for_each(print_rejects)?;
    for warning in &report.warnings.examples {
        say!("warning, line {}: product {}: {}", warning.row, warning.id, warning.message)?;
    }
    let limit = settings.max_reject_share * 100.0;
    match is_usable {
        true => say!("\na build would take this feed")?,
        false if report.num_products == 0 => say!("\na build would refuse this feed: it holds no usable product")?,
        false => say!(
            "\na build would refuse this feed: more than {limit} % of its records are bad (catalog.max_reject_share)"
        )?,
    }
    Ok(())
}

fn print_fields(report: &FeedReport) -> Result<()> {
    let mut shown = table(&["field", "filled", "share"]);
    for field in report.fields.iter().filter(|field| field.num_filled > 0) {
        let share = format!("{:.1} %", field.share * 100.0);
        shown.add_row([field.field.as_str().into(), number(thousands(field.num_filled as usize)), number(share)]);
    }
    Ok(say!("{shown}")?)
}

fn print_rejects(summary: &RejectSummary) -> Result<()> {
    say!("\n{} {}", thousands(summary.count as usize), summary.code)?;
    for example in &summary.examples {
        let id = example.id.as_ref().map_or_else(String::new, |id| format!(", id {id}"));
        say!("  line {}{id}, {}: {}", example.row, example.field, example.message)?;
    }
    Ok(())
}
