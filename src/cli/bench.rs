//! `kindred bench`.

use std::path::Path;
use std::process::ExitCode;

use anyhow::{Context as _, Result};

use super::args::BenchCommand;
use super::bench_ann;
use super::context::Context;
use super::output::{number, print_json, say, table, thousands};
use crate::embed::{self, EmbedReport};

pub(super) fn run(context: &Context, command: &BenchCommand) -> Result<ExitCode> {
    match command {
        BenchCommand::Ann(args) => bench_ann::run(context, args),
        BenchCommand::Embed { texts, reference } => embed(context, texts, reference.as_deref()),
    }
}

fn embed(context: &Context, path: &Path, reference: Option<&Path>) -> Result<ExitCode> {
    let texts = std::fs::read_to_string(path).with_context(|| format!("cannot read the texts `{}`", path.display()))?;
    let texts: Vec<&str> = texts.lines().filter(|line| !line.trim().is_empty()).collect();
    let report = embed::bench(&*context.embedder()?, &texts, reference, &|_| {})?;
    if context.json {
        print_json(&report)?;
    } else {
        print(&report)?;
    }
    Ok(ExitCode::SUCCESS)
}

fn print(report: &EmbedReport) -> Result<()> {
    let EmbedReport { model, precision, instructions, threads, single, .. } = report;
    say!("model       {model}, {}, {instructions}, {threads} threads", precision.name())?;
    say!(
        "bulk        {:.1} texts/s, {:.0} tokens/s ({} texts, {} tokens, {:.2} s)",
        report.texts_per_second,
        report.tokens_per_second,
        thousands(report.num_texts),
        thousands(report.num_tokens),
        report.seconds
    )?;
    say!(
        "one text    p50 {:.2} ms, p99 {:.2} ms on one thread ({} texts of {:.1} tokens)",
        single.p50_ms,
        single.p99_ms,
        single.num_texts,
        single.mean_tokens
    )?;
    if let Some(parity) = &report.parity {
        let (least, mean) = (parity.min_cosine, parity.mean_cosine);
        say!("parity      cosine at least {least:.7}, {mean:.7} on average, over {} texts", parity.num_texts)?;
    }
    let mut stages = table(&["stage", "share of time"]);
    for stage in &report.stages {
        stages.add_row([stage.stage.name().into(), number(format!("{:.1} %", 100.0 * stage.share))]);
    }
    Ok(say!("{stages}")?)
}
