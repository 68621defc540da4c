//! `kindred placements`.

use std::collections::BTreeMap;
use std::process::ExitCode;

use anyhow::Result;

use super::context::Context;
use super::output::{number, print_json, say, table};
use crate::recommend::{Fallback, MixPart, Placement};

pub(super) fn run(context: &Context, catalog: &str) -> Result<ExitCode> {
    context.existing_dir(catalog)?;
    let placements = context.config.recommend(catalog)?.placements;
    if context.json {
        let by_name: BTreeMap<String, Placement> = placements.into();
        print_json(&by_name)?;
        return Ok(ExitCode::SUCCESS);
    }
    let mut shown = table(&["placement", "stage", "shows", "limit", "min score", "diversity", "fallback"]);
    for (name, placement) in placements.iter() {
        let fallback = if placement.fallback == Fallback::Popular { "popular" } else { "none" };
        shown.add_row([
            name.into(),
            "any".into(),
            in_words(&placement.mix).into(),
            number(placement.limit),
            number(placement.min_score.map_or_else(String::new, |score| score.to_string())),
            number(placement.diversity),
            fallback.into(),
        ]);
        for (stage, mix) in &placement.stages {
            shown.add_row([name, stage.word(), &in_words(mix), "", "", "", ""]);
        }
    }
    say!("{shown}")?;
    Ok(ExitCode::SUCCESS)
}

/// `for_you 70 %, trending 30 %`.
fn in_words(mix: &[MixPart]) -> String {
    let total: f32 = mix.iter().map(|part| part.share).sum();
    let part = |part: &MixPart| format!("{} {:.0} %", part.intent.word(), 100.0 * part.share / total);
    mix.iter().map(part).collect::<Vec<_>>().join(", ")
}
