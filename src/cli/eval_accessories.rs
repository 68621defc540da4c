//! `kindred eval CATALOG --protocol accessories`.

use std::process::ExitCode;

use anyhow::Result;

use super::args_eval::EvalArgs;
use super::context::Context;
use super::exit::Unanswerable;
use super::output::{print_json, say, thousands};
use crate::eval::{self, AccessoryAnswer, AccessoryReport, AccessorySettings, Made};
use crate::index::Check;

/// Products asked about.
const NUM_ANCHORS: usize = 30;
/// Products shown beside each unless `--k` says.
const USUAL_K: u64 = 6;

pub(super) fn run(context: &Context, args: &EvalArgs) -> Result<ExitCode> {
    let usage = "name the catalog and the kind of thing: `kindred eval CATALOG --protocol accessories --need phone`";
    let catalog = args.catalog.as_deref().filter(|_| !args.need.is_empty());
    let catalog = catalog.ok_or_else(|| Unanswerable(usage.to_owned()))?;
    let engine = context.engine(catalog, Check::Headers)?;
    let k = args.k.unwrap_or(USUAL_K) as usize;
    let needs = args.need.clone();
    let settings = AccessorySettings { needs, num_anchors: NUM_ANCHORS, k, seed: args.seed };
    let report = eval::accessories(&engine, &engine.view(), &settings)?;
    if context.json {
        print_json(&report)?;
        return Ok(ExitCode::SUCCESS);
    }
    report.answers.iter().try_for_each(print)?;
    summary(&report)?;
    Ok(ExitCode::SUCCESS)
}

fn print(answer: &AccessoryAnswer) -> Result<()> {
    let models = if answer.models.is_empty() { "nothing for its model" } else { &answer.models.join(", ") };
    say!("{} {} ({models})", answer.id, answer.title)?;
    for result in &answer.results {
        let need = result.need.as_deref().unwrap_or("-");
        say!("  {:.3}  {need:12} {:16} {} {}", result.score, in_words(result.made), result.id, result.title)?;
        say!("         {}", result.reason.text)?;
    }
    Ok(())
}

fn in_words(made: Made) -> &'static str {
    match made {
        Made::ForIt => "for it",
        Made::ForMany => "for many",
        Made::ForAnother => "for ANOTHER",
        Made::OfItsKind => "of ITS KIND",
    }
}

fn summary(report: &AccessoryReport) -> Result<()> {
    let AccessoryReport { num_anchors, num_answered, num_with_accessories, num_first_for_it, mean_needs, .. } = report;
    say!(
        "{} products asked about, {} with an answer, of {mean_needs:.1} kinds of things on average; the shop has something for the model \
         of {}, and that comes first for {}",
        thousands(*num_anchors),
        thousands(*num_answered),
        thousands(*num_with_accessories),
        thousands(*num_first_for_it)
    )?;
    let counts = report.shown.iter().map(|(made, count)| format!("{} {}", thousands(*count), in_words(*made)));
    say!("shown: {}", counts.collect::<Vec<_>>().join(", "))?;
    let mut needs: Vec<(&String, &usize)> = report.by_need.iter().collect();
    needs.sort_by(|a, b| b.1.cmp(a.1).then(a.0.cmp(b.0)));
    let needs = needs.iter().map(|(need, count)| format!("{} {need}", thousands(**count)));
    say!("by kind: {}", needs.collect::<Vec<_>>().join(", "))?;
    Ok(())
}
