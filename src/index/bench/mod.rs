//! How well and how fast the search finds: recall, queries a second and latency over `ef_search`, cold and warm, with and
//! without filters, on a generation or on raw vector files.
//!
//! | file | subject |
//! |---|---|
//! | `subject` | what is measured: a mapped file and an oracle independent of its graph |
//! | `filters` | which rows a measured filter allows |
//! | `timing` | passes over the queries |

mod filters;
mod subject;
mod timing;

use std::time::Instant;

use rayon::prelude::*;
use roaring::RoaringBitmap;
use serde::Serialize;

use super::error::IndexError;
use super::search::Plan;
pub use filters::FilterKind;
pub use subject::{Subject, read_raw_vectors, write_raw_vectors};
pub use timing::Passes;
use timing::{Asked, Pass};

/// What to measure.
#[derive(Debug, Clone)]
pub struct AnnSettings {
    /// Rows asked for.
    pub k: usize,
    /// Values of `ef_search`, ascending.
    pub ef_search: Vec<usize>,
    /// Passes over the queries for each figure, of which the fastest counts: what the machine does when nothing else runs on it.
    pub passes: Passes,
    /// Shares of the rows that measured filters allow, above 0 and at most 1.
    pub shares: Vec<f64>,
    /// Whether to measure every plan of a filtered search apart.
    pub plans: bool,
    /// Recall that a filtered search must reach.
    pub target_recall: f64,
}

/// Most queries that filtered figures are measured with.
const FILTERED_QUERIES: usize = 500;
/// Queries that prescribed plans are measured with: some take long at filters that they do not suit.
const PLAN_QUERIES: usize = 50;
/// Queries of the measurement with a dropped page cache.
const COLD_QUERIES: usize = 200;

/// What was measured.
#[derive(Debug, Clone, Serialize)]
pub struct AnnReport {
    /// Rows of the index.
    pub rows: usize,
    /// Dimensions.
    pub dim: usize,
    /// Queries asked.
    pub queries: usize,
    /// Rows asked for.
    pub k: usize,
    /// Seconds that the build took on all threads; `None` for a generation.
    pub build_seconds: Option<f64>,
    /// Bytes of the file over its rows.
    pub bytes_per_product: f64,
    /// Opening the file.
    pub open: OpenFigures,
    /// Without a filter, one for each `ef_search`.
    pub unfiltered: Vec<Point>,
    /// Queries a second at certain recalls, between the points by the logarithm of the rate.
    pub at_recall: Vec<AtRecall>,
    /// With filters.
    pub filtered: Vec<FilteredFigures>,
}

/// What opening costs.
#[derive(Debug, Clone, Serialize)]
pub struct OpenFigures {
    /// Milliseconds to open the file, pages in memory.
    pub open_ms: f64,
    /// Growth of the process's anonymous memory by opening and the first query, in MB; where the system tells.
    pub private_mb: Option<f64>,
    /// Milliseconds of the first query, pages in memory.
    pub first_query_ms: f64,
    /// The same once the page cache had been told to forget the file, all but its head; where the system permits.
    pub cold: Option<ColdFigures>,
}

/// With nothing of the file in memory.
#[derive(Debug, Clone, Serialize)]
pub struct ColdFigures {
    /// Milliseconds to open the file.
    pub open_ms: f64,
    /// Milliseconds of the first query.
    pub first_query_ms: f64,
    /// Of the first queries, half took no longer, in microseconds.
    pub p50_us: f64,
    /// 99 of 100 took no longer, in microseconds.
    pub p99_us: f64,
}

/// One measurement.
#[derive(Debug, Clone, Copy, Serialize)]
pub struct Point {
    /// `ef_search`.
    pub ef_search: usize,
    /// Mean share of the exact nearest that were found.
    pub recall: f64,
    /// Queries a second on one thread.
    pub qps: f64,
    /// Half of the queries took no longer, in microseconds.
    pub p50_us: f64,
    /// 99 of 100 took no longer, in microseconds.
    pub p99_us: f64,
}

/// Queries a second at a recall.
#[derive(Debug, Clone, Copy, Serialize)]
pub struct AtRecall {
    /// The recall.
    pub recall: f64,
    /// Queries a second; `None` when no `ef_search` reached it.
    pub qps: Option<f64>,
}

/// One filter.
#[derive(Debug, Clone, Serialize)]
pub struct FilteredFigures {
    /// How its rows were drawn.
    pub kind: FilterKind,
    /// Share of the rows that it allows.
    pub share: f64,
    /// Rows that it allows.
    pub allowed: u64,
    /// The fastest measurement that reached the target recall, or the one with the highest recall, with the plan that the search chose.
    pub best: Point,
    /// The same for each prescribed plan.
    pub plans: Vec<(Plan, Point)>,
    /// Queries a second of a plain f32 scan over the allowed rows copied together.
    pub plain_scan_qps: f64,
}

/// Measures `subject`. `progress` is called with what is being measured.
///
/// Returns an error if the file cannot be opened or searched.
pub fn bench_ann(
    subject: &mut Subject,
    settings: &AnnSettings,
    progress: &mut dyn FnMut(&str),
) -> Result<AnnReport, IndexError> {
    progress("opening");
    let open = measure_open(subject)?;
    let subject = &*subject;
    progress("exact neighbors");
    let truth = subject.truth(settings.k, None, subject.num_queries())?;
    let asked = Asked { subject, truth: &truth, k: settings.k, allowed: None, plan: None, passes: settings.passes };
    let mut unfiltered = Vec::new();
    for &ef_search in &settings.ef_search {
        progress(&format!("ef_search {ef_search}"));
        unfiltered.push(asked.measure(ef_search)?);
    }
    let filtered = measure_filters(subject, settings, progress)?;
    Ok(AnnReport {
        rows: subject.num_rows(),
        dim: subject.dim(),
        queries: subject.num_queries(),
        k: settings.k,
        build_seconds: subject.build_seconds(),
        bytes_per_product: subject.file_bytes()? as f64 / subject.num_rows().max(1) as f64,
        open,
        at_recall: [0.90, 0.95, 0.99].map(|recall| AtRecall { recall, qps: qps_at(&unfiltered, recall) }).to_vec(),
        unfiltered,
        filtered,
    })
}

/// Between the two points around the recall, the logarithm of the rate goes in a straight line.
fn qps_at(points: &[Point], recall: f64) -> Option<f64> {
    let mut points: Vec<&Point> = points.iter().collect();
    points.sort_by(|a, b| a.recall.total_cmp(&b.recall));
    let above = points.iter().position(|point| point.recall >= recall)?;
    if above == 0 {
        return Some(points[0].qps);
    }
    let (low, high) = (points[above - 1], points[above]);
    let part = (recall - low.recall) / (high.recall - low.recall);
    Some((low.qps.ln() + part * (high.qps.ln() - low.qps.ln())).exp())
}

fn measure_open(subject: &mut Subject) -> Result<OpenFigures, IndexError> {
    let cold = match subject.forget_pages()? {
        true => {
            let (opened, open_ms) = timed(|| subject.reopen())?;
            let pass = Pass::over_vectors(&opened, subject, COLD_QUERIES)?;
            let (p50_us, p99_us) = (pass.percentile_us(0.5), pass.percentile_us(0.99));
            Some(ColdFigures { open_ms, first_query_ms: pass.first_us() / 1000.0, p50_us, p99_us })
        }
        false => None,
    };
    let before = anonymous_mb();
    let (opened, open_ms) = timed(|| subject.reopen())?;
    let first = Pass::over_vectors(&opened, subject, 1)?;
    let private_mb = before.zip(anonymous_mb()).map(|(before, after)| after - before);
    Ok(OpenFigures { open_ms, private_mb, first_query_ms: first.first_us() / 1000.0, cold })
}

fn timed<T>(work: impl FnOnce() -> Result<T, IndexError>) -> Result<(T, f64), IndexError> {
    let started = Instant::now();
    let done = work()?;
    Ok((done, started.elapsed().as_secs_f64() * 1000.0))
}

/// Anonymous resident memory of this process in MB, where `/proc` tells.
fn anonymous_mb() -> Option<f64> {
    let status = std::fs::read_to_string("/proc/self/status").ok()?;
    let line = status.lines().find_map(|line| line.strip_prefix("RssAnon:"))?;
    line.trim().strip_suffix("kB")?.trim().parse::<f64>().ok().map(|kb| kb / 1024.0)
}

fn measure_filters(
    subject: &Subject,
    settings: &AnnSettings,
    progress: &mut dyn FnMut(&str),
) -> Result<Vec<FilteredFigures>, IndexError> {
    if settings.shares.is_empty() {
        return Ok(Vec::new());
    }
    let clusters = filters::clusters(subject);
    let mut figures = Vec::new();
    for kind in [FilterKind::Random, FilterKind::Clustered] {
        for &share in &settings.shares {
            progress(&format!("filter {} {}", kind.name(), share));
            let allowed = filters::draw(kind, share, subject, &clusters);
            figures.push(measure_filter(subject, settings, kind, share, &allowed)?);
        }
    }
    Ok(figures)
}

fn measure_filter(
    subject: &Subject,
    settings: &AnnSettings,
    kind: FilterKind,
    share: f64,
    allowed: &RoaringBitmap,
) -> Result<FilteredFigures, IndexError> {
    let num_queries = subject.num_queries().min(FILTERED_QUERIES);
    let truth = subject.truth(settings.k, Some(allowed), num_queries)?;
    let asked = |plan, num| Asked {
        subject,
        truth: &truth[..num],
        k: settings.k,
        allowed: Some(allowed),
        plan,
        passes: settings.passes,
    };
    let best = fastest(&asked(None, num_queries), settings)?;
    let mut plans = Vec::new();
    if settings.plans {
        for plan in [Plan::Scan, Plan::Cells, Plan::Gated] {
            plans.push((plan, fastest(&asked(Some(plan), num_queries.min(PLAN_QUERIES)), settings)?));
        }
    }
    let plain_scan_qps = plain_scan_qps(subject, settings, allowed, num_queries);
    Ok(FilteredFigures { kind, share, allowed: allowed.len(), best, plans, plain_scan_qps })
}

/// The first `ef_search` that reaches the target, or the one with the highest recall.
fn fastest(asked: &Asked<'_>, settings: &AnnSettings) -> Result<Point, IndexError> {
    let mut best: Option<Point> = None;
    for &ef_search in &settings.ef_search {
        let point = asked.measure(ef_search)?;
        if best.is_none_or(|best| point.recall > best.recall) {
            best = Some(point);
        }
        if point.recall >= settings.target_recall {
            return Ok(point);
        }
    }
    Ok(best.unwrap_or(Point { ef_search: 0, recall: 0.0, qps: 0.0, p50_us: 0.0, p99_us: 0.0 }))
}

/// What somebody would write who keeps the allowed rows in an array of their own.
fn plain_scan_qps(subject: &Subject, settings: &AnnSettings, allowed: &RoaringBitmap, num_queries: usize) -> f64 {
    let dim = subject.dim();
    let rows: Vec<u32> = allowed.iter().collect();
    let copied: Vec<f32> = rows.par_iter().flat_map_iter(|row| subject.vector(*row)).collect();
    // Larger sets need fewer queries for the same certainty.
    let num_queries = num_queries.min(200_000_usize.div_ceil(rows.len().max(1)));
    timing::rate(num_queries, settings.passes, |query| {
        std::hint::black_box(timing::plain_scan(
            subject.query(query % subject.num_queries()),
            &copied,
            dim,
            settings.k,
        ));
    })
}
