//! `kindred bench ann`.

use std::path::{Path, PathBuf};
use std::process::ExitCode;

use anyhow::{Context as _, Result};
use indicatif::{ProgressBar, ProgressDrawTarget, ProgressStyle};

use super::args::AnnArgs;
use super::context::Context;
use super::output::{number, print_json, say, table, thousands};
use crate::index::{AnnReport, AnnSettings, FilteredFigures, Passes, Point, Subject, bench_ann, read_raw_vectors};

pub(super) fn run(context: &Context, args: &AnnArgs) -> Result<ExitCode> {
    let bar = progress_bar(context);
    let mut temporary = None;
    let mut subject = match (&args.base, &args.saved, &args.catalog) {
        (Some(base), ..) => build(context, args, base, &bar, &mut temporary)?,
        (None, Some(saved), _) => Subject::saved(saved, args.queries.as_deref().context("give --queries")?)?,
        (None, None, catalog) => of_catalog(context, catalog.as_deref().unwrap_or_default())?,
    };
    let settings = AnnSettings {
        k: args.k as usize,
        ef_search: args.ef.clone(),
        passes: Passes { at_most: args.rounds as usize, seconds: args.seconds },
        shares: if args.no_filters { Vec::new() } else { args.shares.clone() },
        plans: args.plans,
        target_recall: args.recall,
    };
    let report = bench_ann(&mut subject, &settings, &mut |step| bar.set_message(step.to_owned()))?;
    bar.finish_and_clear();
    if context.json {
        print_json(&report)?
    } else {
        print(&report, args.recall)?
    }
    Ok(ExitCode::SUCCESS)
}

/// Deletes the file when the measurement is over, however it ends.
struct Temporary(PathBuf);

impl Drop for Temporary {
    fn drop(&mut self) {
        // A file that is left over costs space and nothing else; there is nobody to tell.
        let _ = std::fs::remove_file(&self.0);
    }
}

fn build(
    context: &Context,
    args: &AnnArgs,
    base: &Path,
    bar: &ProgressBar,
    temporary: &mut Option<Temporary>,
) -> Result<Subject> {
    let dim = args.dim.context("give --dim")?;
    let queries = args.queries.as_deref().context("give --queries")?;
    let (base, queries) = (read_raw_vectors(base, dim)?, read_raw_vectors(queries, dim)?);
    let path = match &args.save {
        Some(path) => path.clone(),
        None => {
            let path = std::env::temp_dir().join(format!("kindred-bench-{}.bin", std::process::id()));
            temporary.insert(Temporary(path)).0.clone()
        }
    };
    bar.set_message("building the index");
    Ok(Subject::build(&path, base, queries, dim, &context.config.index, &mut |_| bar.tick())?)
}

fn of_catalog(context: &Context, catalog: &str) -> Result<Subject> {
    let dir = context.existing_dir(catalog)?;
    let generation = dir.open_current(crate::index::Check::Headers)?;
    Ok(Subject::of_generation(&dir.path().join(generation.name()))?)
}

fn progress_bar(context: &Context) -> ProgressBar {
    let is_hidden = context.quiet || context.json;
    let target = if is_hidden { ProgressDrawTarget::hidden() } else { ProgressDrawTarget::stderr() };
    let style = ProgressStyle::with_template("{spinner} {msg} ({elapsed})");
    let bar = ProgressBar::with_draw_target(None, target)
        .with_style(style.unwrap_or_else(|_| ProgressStyle::default_spinner()));
    bar.enable_steady_tick(std::time::Duration::from_millis(200));
    bar
}

fn print(report: &AnnReport, target: f64) -> Result<()> {
    let AnnReport { rows, dim, queries, k, open, .. } = report;
    say!("index       {} rows of {dim} dimensions, {:.0} bytes a product", thousands(*rows), report.bytes_per_product)?;
    if let Some(seconds) = report.build_seconds {
        say!("build       {seconds:.1} s")?;
    }
    let private = open.private_mb.map_or(String::new(), |mb| format!(", {mb:.1} MB of private memory"));
    say!("open        {:.2} ms{private}, first query {:.2} ms", open.open_ms, open.first_query_ms)?;
    if let Some(cold) = &open.cold {
        let (open, first) = (cold.open_ms, cold.first_query_ms);
        say!(
            "cold        open {open:.2} ms, first query {first:.2} ms, p50 {:.0} us, p99 {:.0} us",
            cold.p50_us,
            cold.p99_us
        )?;
    }
    say!("queries     {} on one thread, {k} wanted", thousands(*queries))?;
    let mut points = table(&["ef_search", "recall", "queries/s", "p50 us", "p99 us"]);
    report.unfiltered.iter().for_each(|point| {
        points.add_row(point_cells(point));
    });
    say!("{points}")?;
    for at in &report.at_recall {
        let qps = at.qps.map_or("not reached".to_owned(), |qps| format!("{} queries/s", thousands(qps as usize)));
        say!("recall {:.2}  {qps}", at.recall)?;
    }
    if report.filtered.is_empty() { Ok(()) } else { print_filtered(&report.filtered, target) }
}

fn point_cells(point: &Point) -> Vec<comfy_table::Cell> {
    vec![
        number(point.ef_search),
        number(format!("{:.4}", point.recall)),
        number(thousands(point.qps as usize)),
        number(format!("{:.0}", point.p50_us)),
        number(format!("{:.0}", point.p99_us)),
    ]
}

fn print_filtered(filtered: &[FilteredFigures], target: f64) -> Result<()> {
    say!("\nfiltered, at the first ef_search with recall {target} or more")?;
    let mut rows = table(&["filter", "allowed", "plan", "ef_search", "recall", "queries/s", "p50 us", "p99 us"]);
    for figures in filtered {
        let name = format!("{} {} %", figures.kind.name(), 100.0 * figures.share);
        let mut add = |plan: &str, point: &Point| {
            let mut cells = vec![name.as_str().into(), number(thousands(figures.allowed as usize)), plan.into()];
            cells.extend(point_cells(point));
            rows.add_row(cells);
        };
        add("chosen", &figures.best);
        figures.plans.iter().for_each(|(plan, point)| add(plan.name(), point));
        let plain = Point { ef_search: 0, recall: 1.0, qps: figures.plain_scan_qps, p50_us: 0.0, p99_us: 0.0 };
        add("plain f32 copy", &plain);
    }
    Ok(say!("{rows}")?)
}
