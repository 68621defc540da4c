//! `kindred rules check | apply | show | history | rollback | dry-run | report`.

use std::io::Read;
use std::path::Path;
use std::process::ExitCode;

use anyhow::{Context as _, Result};
use jiff::{Timestamp, ToSpan};
use serde_json::json;

use super::args_rules::{RulesCommand, RulesFile, SaverArgs};
use super::context::Context;
use super::exit::BadChanges;
use super::output::{number, print_json, say, table, thousands};
use crate::events::{EventStore, HistoryPart};
use crate::index::Check;
use crate::recommend::{
    DryRun, DryRunReport, Engine, HiddenPin, PlacementReport, RecommendError, RuleReach, Saved, Saver, Thinned,
    WaitingRule,
};
use crate::rules::{MAX_DOCUMENT_BYTES, MAX_SAVER_CHARS, Notation, RuleSet, RuleStore, RulesError};

/// Characters of an answer's list that are shown.
const MAX_MOVES: usize = 6;

pub(super) fn run(context: &Context, command: &RulesCommand) -> Result<ExitCode> {
    match command {
        RulesCommand::Check { file } => check(context, file)?,
        RulesCommand::Apply { file, expect, force, saver } => {
            apply(
                context,
                file,
                if *force { Expected::Any } else { expect.map_or(Expected::Known, Expected::This) },
                saver,
            )?;
        }
        RulesCommand::Show { catalog, version } => show(context, catalog, *version)?,
        RulesCommand::History { catalog, limit } => history(context, catalog, *limit)?,
        RulesCommand::Rollback { catalog, to, saver } => {
            let engine = context.engine(catalog, Check::Headers)?;
            let saved = with_saver(saver, |saver| engine.rules().roll_back(&engine.view(), *to, saver))?;
            print_saved(context, catalog, &saved)?;
        }
        RulesCommand::DryRun { file, questions, limit, seed, at } => {
            let set = read(&file.file)?;
            let engine = context.engine(&file.catalog, Check::Headers)?;
            let events = EventStore::open(&context.existing_dir(&file.catalog)?.path(), &context.config.events)?;
            let history = events.history(&HistoryPart::default())?;
            let at = at.unwrap_or_else(Timestamp::now);
            let (num_questions, limit) = (*questions as usize, *limit as usize);
            let run = DryRun { set: &set, history: &history, num_questions, limit, seed: *seed, at, within: None };
            dry_run(context, &engine, &run)?;
        }
        RulesCommand::Report { catalog, days } => report(context, catalog, *days)?,
    }
    Ok(ExitCode::SUCCESS)
}

fn store(context: &Context, catalog: &str) -> Result<RuleStore> {
    Ok(RuleStore::new(&context.existing_dir(catalog)?.path()))
}

/// The rules in a file.
fn read(path: &Path) -> Result<RuleSet> {
    let cannot = |error| BadChanges(format!("cannot read the rules `{}`: {error}", path.display()));
    let mut text = String::new();
    let limit = MAX_DOCUMENT_BYTES as u64 + 1;
    let num_bytes = if path == Path::new("-") {
        std::io::stdin().take(limit).read_to_string(&mut text)
    } else {
        std::fs::File::open(path).and_then(|file| file.take(limit).read_to_string(&mut text))
    };
    num_bytes.map_err(cannot)?;
    let is_json = path.extension().is_some_and(|extension| extension == "json");
    let notation = if is_json { Notation::Json } else { Notation::Toml };
    Ok(RuleSet::read(&text, notation).map_err(RulesError::from)?)
}

/// The version that must be in force for a file to be saved.
enum Expected {
    /// Whichever is.
    Any,
    /// This one.
    This(u64),
    /// The one that the file names, else the one that was in force when the command started.
    Known,
}

fn apply(context: &Context, file: &RulesFile, expected: Expected, saver: &SaverArgs) -> Result<()> {
    let at_start = store(context, &file.catalog)?.current()?.version;
    let set = read(&file.file)?;
    let made_from = set.version;
    let expected = match expected {
        Expected::Any => None,
        Expected::This(version) => Some(version),
        Expected::Known => Some(made_from.unwrap_or(at_start)),
    };
    let engine = context.engine(&file.catalog, Check::Headers)?;
    let saved = with_saver(saver, |saver| engine.rules().put(&engine.view(), set, expected, saver));
    let saved = saved.map_err(|error| match error {
        RecommendError::Rules(RulesError::Conflict { .. } | RulesError::NoVersion { .. }) => {
            anyhow::Error::from(error).context("not saved (--force saves all the same)")
        }
        error => error.into(),
    })?;
    print_saved(context, &file.catalog, &saved)?;
    if let (Some(from), false) = (made_from, context.json) {
        say!(
            "the file says that it was made from version {from}: before you apply it again, let it say {}",
            saved.version
        )?;
    }
    Ok(())
}

fn with_saver<T, E>(args: &SaverArgs, save: impl FnOnce(Saver<'_>) -> Result<T, E>) -> Result<T, E> {
    let user = std::env::var("USER").ok().filter(|user| !user.is_empty());
    let who = args.who.clone().or(user).unwrap_or_else(|| "command line".to_owned());
    let who: String = who.chars().take(MAX_SAVER_CHARS).collect();
    save(Saver { who: &who, note: &args.note, at_ms: Timestamp::now().as_millisecond() })
}

fn print_saved(context: &Context, catalog: &str, saved: &Saved) -> Result<()> {
    let warnings: Vec<String> = saved.warnings.iter().map(ToString::to_string).collect();
    if context.json {
        return print_json(&json!({"version": saved.version, "diff": saved.diff, "warnings": warnings}));
    }
    say!("{catalog}: rules version {} is in force: {}", saved.version, saved.diff.in_words())?;
    warnings.iter().try_for_each(|warning| say!("warning: {warning}"))?;
    Ok(())
}

fn check(context: &Context, file: &RulesFile) -> Result<()> {
    let set = read(&file.file)?;
    let engine = context.engine(&file.catalog, Check::Headers)?;
    let warnings = engine.rules().check(&engine.view(), &set)?;
    let warnings: Vec<String> = warnings.iter().map(ToString::to_string).collect();
    let num_on = set.rules.iter().filter(|rule| rule.on).count();
    if context.json {
        return print_json(&json!({"rules": set.rules.len(), "on": num_on, "warnings": warnings}));
    }
    say!("{}: {} rules, {num_on} of them on; nothing is wrong", file.file.display(), set.rules.len())?;
    warnings.iter().try_for_each(|warning| say!("warning: {warning}"))?;
    Ok(())
}

fn show(context: &Context, catalog: &str, version: Option<u64>) -> Result<()> {
    let store = store(context, catalog)?;
    let found = match version {
        Some(version) => store.version(version)?,
        None => store.current()?,
    };
    let document = RuleSet { version: Some(found.version), ..found.set };
    if context.json {
        return print_json(&json!({"version": found.version, "document": document}));
    }
    let text = toml::to_string(&document).context("cannot write the rules as TOML")?;
    Ok(say!("# {catalog}, version {}\n{}", found.version, text.trim_end())?)
}

fn history(context: &Context, catalog: &str, limit: usize) -> Result<()> {
    let versions = store(context, catalog)?.history(limit)?;
    if context.json {
        return print_json(&json!({"versions": versions}));
    }
    let mut shown = table(&["version", "when", "who", "what", "why"]);
    for version in versions {
        let when = version.at.split('.').next().unwrap_or_default().trim_end_matches('Z').replace('T', " ");
        let what = version.diff.in_words();
        shown.add_row([number(version.version), when.into(), version.who.into(), what.into(), version.note.into()]);
    }
    Ok(say!("{shown}")?)
}

fn print_waiting(waiting: &[WaitingRule]) -> Result<()> {
    for WaitingRule { rule, field } in waiting {
        say!("waiting: `{rule}` does not count until a product has a field `{field}`")?;
    }
    Ok(())
}

fn report(context: &Context, catalog: &str, days: u32) -> Result<()> {
    let today = Timestamp::now().to_zoned(jiff::tz::TimeZone::UTC).date();
    let first = today.saturating_sub((i64::from(days) - 1).days());
    let figures = store(context, catalog)?.figures(&first.to_string(), &today.to_string())?;
    let engine = context.engine(catalog, Check::Headers)?;
    let waiting = engine.rules().waiting(&engine.view())?;
    if context.json {
        return print_json(&json!({"figures": figures, "waiting": waiting}));
    }
    let mut shown = table(&["day", "rule", "counted", "changed", "kept out", "left short"]);
    for line in figures {
        let counts = [line.counts.counted, line.counts.fired, line.counts.removed, line.counts.shortened];
        let [counted, fired, removed, shortened] = counts.map(|count| number(thousands(count as usize)));
        shown.add_row([line.day.into(), line.rule.into(), counted, fired, removed, shortened]);
    }
    say!("{shown}")?;
    print_waiting(&waiting)
}

fn dry_run(context: &Context, engine: &Engine, run: &DryRun<'_>) -> Result<()> {
    let report = engine.dry_run(&engine.view(), run)?;
    if context.json {
        return print_json(&report);
    }
    print_dry_run(&report)
}

fn print_dry_run(report: &DryRunReport) -> Result<()> {
    let share = 100.0 * report.touched_answers as f64 / report.questions.max(1) as f64;
    say!(
        "{} questions, compared with version {}: {} answers would differ ({share:.0} %), {} products would come, go or move",
        thousands(report.questions),
        report.compared_with,
        thousands(report.touched_answers),
        thousands(report.touched_products)
    )?;
    let mut rules = table(&["rule", "products", "counts in", "changes", "keeps out", "leaves short"]);
    for RuleReach { rule, products, counted, fired, removed, shortened } in &report.rules {
        let products = products.map_or_else(|| "depends".to_owned(), |count| thousands(count as usize));
        let [counted, fired, removed, shortened] =
            [counted, fired, removed, shortened].map(|count| number(thousands(*count as usize)));
        rules.add_row([rule.into(), number(products), counted, fired, removed, shortened]);
    }
    say!("{rules}")?;
    let mut placements = table(&["placement", "intent", "questions", "differ", "shorter", "emptied"]);
    for PlacementReport { placement, intent, questions, touched, shorter, emptied } in &report.placements {
        let figures = [questions, touched, shorter, emptied].map(|count| number(thousands(*count)));
        let [questions, touched, shorter, emptied] = figures;
        placements.add_row([placement.into(), intent.into(), questions, touched, shorter, emptied]);
    }
    say!("{placements}")?;
    for change in report.changes.iter().take(3) {
        say!("{}: {} [{}]", change.question, shortened(&change.moves), change.rules.join(", "))?;
    }
    print_conflicts(report)?;
    let (before, after) = (report.score_before, report.score_after);
    // Of nothing, nothing can be lost.
    let lost = if before > 0.0 { 100.0 * (1.0 - after / before) } else { 0.0 };
    say!("cost: scores of a list sum to {before:.3} before and {after:.3} after, {lost:.1} % lost")?;
    if let Some(orders) = &report.orders {
        say!(
            "      of {} orders, a hidden line is in the list of {:.1} % before and {:.1} % after; nDCG {:.4} and {:.4}",
            thousands(orders.asked),
            100.0 * orders.hit_rate_before,
            100.0 * orders.hit_rate_after,
            orders.ndcg_before,
            orders.ndcg_after
        )?;
    }
    report.warnings.iter().try_for_each(|warning| say!("warning: {warning}"))?;
    Ok(say!("took {:.0} ms", report.took_ms)?)
}

fn shortened(moves: &[String]) -> String {
    let shown = moves.iter().take(MAX_MOVES).cloned().collect::<Vec<_>>().join(", ");
    let num_more = moves.len().saturating_sub(MAX_MOVES);
    if num_more == 0 { shown } else { format!("{shown}, {num_more} more") }
}

fn print_conflicts(report: &DryRunReport) -> Result<()> {
    for pin in &report.broken_pins {
        say!("conflict: `{}` and `{}` both pin place {}; the first gets it", pin.first, pin.second, pin.position)?;
    }
    for HiddenPin { rule, product, hidden_by } in &report.hidden_pins {
        say!("conflict: `{rule}` pins `{product}`, which `{hidden_by}` hides")?;
    }
    for Thinned { rule, emptied, halved } in &report.thinned {
        say!("conflict: `{rule}` empties {emptied} lists and leaves {halved} less than half as long")?;
    }
    print_waiting(&report.waiting)?;
    if !report.never_reached.is_empty() {
        say!("never reached by these questions: {}", report.never_reached.join(", "))?;
    }
    if !report.rules_left_out.is_empty() {
        say!("not known whether they are reached, as the time was up: {}", report.rules_left_out.join(", "))?;
    }
    if !report.without_effect.is_empty() {
        say!("counted, but changed nothing: {}", report.without_effect.join(", "))?;
    }
    if !report.untried.is_empty() {
        say!("not tried, as drawn questions tell nothing of earlier visits: {}", report.untried.join(", "))?;
    }
    Ok(())
}
