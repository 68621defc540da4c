//! `kindred eval CATALOG --protocol upsell`.

use std::process::ExitCode;

use anyhow::Result;

use super::args_eval::EvalArgs;
use super::ask::comparison_table;
use super::context::Context;
use super::exit::Unanswerable;
use super::output::{print_json, say, thousands};
use crate::eval::{self, UpsellAnswer, UpsellReport, UpsellSettings};
use crate::index::Check;

/// Products asked about.
const NUM_ANCHORS: usize = 100;
/// Products shown beside each unless `--k` says.
const USUAL_K: u64 = 3;
/// Answers that are printed.
const NUM_PRINTED: usize = 20;

pub(super) fn run(context: &Context, args: &EvalArgs) -> Result<ExitCode> {
    let catalog = args.catalog.as_deref();
    let catalog =
        catalog.ok_or_else(|| Unanswerable("name the catalog: `kindred eval CATALOG --protocol upsell`".to_owned()))?;
    let engine = context.engine(catalog, Check::Headers)?;
    let k = args.k.unwrap_or(USUAL_K) as usize;
    let settings = UpsellSettings { num_anchors: NUM_ANCHORS, k, seed: args.seed };
    let report = eval::upsell(&engine, &engine.view(), &context.config.recommend.upsell, settings)?;
    if context.json {
        print_json(&report)?;
        return Ok(ExitCode::SUCCESS);
    }
    report.answers.iter().filter(|answer| !answer.results.is_empty()).take(NUM_PRINTED).try_for_each(print)?;
    report.violations.iter().try_for_each(|violation| say!("against the rules: {violation}"))?;
    summary(&report)?;
    Ok(ExitCode::SUCCESS)
}

fn print(answer: &UpsellAnswer) -> Result<()> {
    say!("{} {}, {} ({})", answer.id, answer.title, answer.price, answer.category)?;
    for result in &answer.results {
        let (id, title, price) = (&result.id, &result.title, &result.price);
        say!("  {:.3}  {id} {title}, {price} (× {:.2})", result.score, result.price_ratio)?;
        say!("         {}", result.reason.text)?;
    }
    if let Some(first) = answer.results.first() {
        say!("{}", comparison_table(&first.comparison))?;
    }
    Ok(())
}

fn summary(report: &UpsellReport) -> Result<()> {
    let UpsellReport { num_anchors, num_inside, num_shown, coverage, median_price_ratio, .. } = report;
    let ratio = median_price_ratio.map_or("-".to_owned(), |ratio| format!("{ratio:.2}"));
    say!(
        "{} products asked about; {:.0} % get an answer; {} of {} answers inside the rules; median price ratio of the first {ratio}",
        thousands(*num_anchors),
        100.0 * coverage,
        thousands(*num_inside),
        thousands(*num_shown)
    )?;
    Ok(())
}
