//! `kindred bench`.

use std::path::Path;
use std::process::ExitCode;

use anyhow::{Context as _, Result};

use super::args::BenchCommand;
use super::bench_ann;
use super::bench_events;
use super::bench_rules;
use super::bench_sources;
use super::context::Context;
use super::output::{number, print_json, say, table, thousands};
use crate::behavior::{BehaviorReport, BehaviorVolume, QuestionFigures, bench_behavior};
use crate::embed::{self, EmbedReport, Embedder, NeighborOverlap};

pub(super) fn run(context: &Context, command: &BenchCommand) -> Result<ExitCode> {
    match command {
        BenchCommand::Ann(args) => bench_ann::run(context, args),
        &BenchCommand::Behavior { order_lines, sessions, products, questions, seed } => {
            let volume = BehaviorVolume { order_lines, sessions, products, questions, seed };
            let report = bench_behavior(volume, &context.config.behavior);
            if context.json {
                print_json(&report)?
            } else {
                print_behavior(&report)?
            }
            Ok(ExitCode::SUCCESS)
        }
        BenchCommand::Events { catalog } => bench_events::run(context, catalog),
        BenchCommand::Rules { catalog, rules, questions } => {
            bench_rules::run(context, catalog, *rules as usize, *questions as usize)
        }
        BenchCommand::Sources { catalog, questions } => bench_sources::run(context, catalog, *questions as usize),
        BenchCommand::Embed { texts, reference, plain, compare_precisions } => {
            let read = embed::read_texts(texts)?;
            let given: Vec<&str> = read.iter().map(String::as_str).collect();
            if *compare_precisions {
                return compare(context, texts, &given);
            }
            embed(context, &given, reference.as_deref(), *plain)
        }
    }
}

fn compare(context: &Context, path: &Path, texts: &[&str]) -> Result<ExitCode> {
    let overlap = embed::compare_precisions(&context.config.embed, texts)
        .with_context(|| format!("cannot compare precisions on `{}`", path.display()))?;
    if context.json {
        print_json(&overlap)?
    } else {
        print_overlap(&overlap)?
    }
    Ok(ExitCode::SUCCESS)
}

fn embed(context: &Context, texts: &[&str], reference: Option<&Path>, is_plain: bool) -> Result<ExitCode> {
    let config = &context.config.embed;
    let embedder = if is_plain { Embedder::load_plain(config)? } else { Embedder::load(config)? };
    let report = embed::bench(&embedder, texts, reference, &|_| {})?;
    if context.json {
        print_json(&report)?
    } else {
        print(&report)?
    }
    Ok(ExitCode::SUCCESS)
}

fn print_behavior(report: &BehaviorReport) -> Result<()> {
    let [lines, orders, sessions, steps] =
        [report.order_lines, report.orders, report.sessions, report.session_steps].map(thousands);
    say!("orders      {lines} lines in {orders} orders, put together in {:.1} s", report.orders_s)?;
    say!("            copurchase {:.1} s, closed form {:.1} s", report.copurchase_s, report.ease_s)?;
    say!("sessions    {steps} steps in {sessions} sessions")?;
    say!("            next {:.1} s, session index {:.1} s", report.next_s, report.session_index_s)?;
    if let Some(peak) = report.peak_bytes {
        say!("memory      {:.2} GB at most", peak as f64 / 1e9)?;
    }
    let mut shown = table(&["steps", "p50 us", "p99 us", "products found"]);
    for QuestionFigures { steps, p50_us, p99_us, mean_found } in &report.questions {
        let [p50, p99, found] = [p50_us, p99_us, mean_found].map(|figure| number(format!("{figure:.0}")));
        shown.add_row([number(steps), p50, p99, found]);
    }
    Ok(say!("{shown}")?)
}

fn print_overlap(overlap: &NeighborOverlap) -> Result<()> {
    let (mean, least) = (100.0 * overlap.mean_share, 100.0 * overlap.least_share);
    say!("top ten     {mean:.1} % of f32's neighbours kept by fast, over {} texts", thousands(overlap.num_texts))?;
    say!("least       {least:.0} %, of the text: {}", overlap.worst_text)?;
    Ok(())
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
    let mut stages = table(&["stage", "share of time", "ms a thread per 1,000 tokens"]);
    for stage in &report.stages {
        let share = number(format!("{:.1} %", 100.0 * stage.share));
        stages.add_row([stage.stage.name().into(), share, number(format!("{:.3}", stage.ms_per_1000_tokens))]);
    }
    Ok(say!("{stages}")?)
}
