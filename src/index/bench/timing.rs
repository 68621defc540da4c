//! Passes over the queries, each query timed alone.

use std::time::Instant;

use roaring::RoaringBitmap;

use super::subject::Subject;
use super::{IndexError, Point};
use crate::index::exact::Truth;
use crate::index::hnsw::Hnsw;
use crate::index::kernels;
use crate::index::search::{Plan, SearchParams};
use crate::rank::{RowId, ScoredRow, keep_best};

/// `ef_search` where it does not matter.
const DEFAULT_EF: usize = 96;

/// How often something is timed.
#[derive(Debug, Clone, Copy)]
pub struct Passes {
    /// No pass after so many …
    pub at_most: usize,
    /// … or when so many seconds are over.
    pub seconds: f64,
}

/// A question to all queries.
pub(super) struct Asked<'a> {
    pub subject: &'a Subject,
    pub truth: &'a [Truth],
    pub k: usize,
    pub allowed: Option<&'a RoaringBitmap>,
    pub plan: Option<Plan>,
    pub passes: Passes,
}

impl Asked<'_> {
    /// Recall, and the fastest of some passes after one to warm up.
    pub(super) fn measure(&self, ef_search: usize) -> Result<Point, IndexError> {
        let subject = self.subject;
        // A query that is a row of the index finds itself too.
        let k = self.k + usize::from(subject.own_row(0).is_some());
        let params = SearchParams { k, ef_search, allowed: self.allowed, plan: self.plan, enough: None };
        let mut recall = 0.0;
        for (query, truth) in self.truth.iter().enumerate() {
            recall += subject.recall(query, *truth, &subject.hnsw().search(subject.query(query), params)?, self.k);
        }
        let pass = Pass::fastest(self.passes, || Pass::over(subject.hnsw(), subject, self.truth.len(), params))?;
        Ok(Point {
            ef_search,
            recall: recall / self.truth.len().max(1) as f64,
            qps: pass.qps(),
            p50_us: pass.percentile_us(0.5),
            p99_us: pass.percentile_us(0.99),
        })
    }
}

/// How long each query took, in microseconds, in the order asked and ascending.
pub(super) struct Pass {
    times_us: Vec<f64>,
    sorted: Vec<f64>,
    /// Seconds of all, of the thread's processor time where the system tells: other work on the machine does not count.
    seconds: f64,
}

impl Pass {
    fn over(hnsw: &Hnsw, subject: &Subject, num_queries: usize, params: SearchParams<'_>) -> Result<Self, IndexError> {
        Self::of(num_queries, |query| {
            hnsw.search(subject.query(query), params).map(|found| drop(std::hint::black_box(found)))
        })
    }

    /// The fastest of `passes`, at least one.
    fn fastest(passes: Passes, mut pass: impl FnMut() -> Result<Self, IndexError>) -> Result<Self, IndexError> {
        let began = Instant::now();
        let mut fastest = pass()?;
        for _ in 1..passes.at_most {
            if began.elapsed().as_secs_f64() >= passes.seconds {
                break;
            }
            let next = pass()?;
            if next.seconds < fastest.seconds {
                fastest = next;
            }
        }
        Ok(fastest)
    }

    fn of(num_queries: usize, mut ask: impl FnMut(usize) -> Result<(), IndexError>) -> Result<Self, IndexError> {
        let mut times_us = Vec::with_capacity(num_queries);
        let began = thread_seconds();
        for query in 0..num_queries {
            let started = Instant::now();
            ask(query)?;
            times_us.push(started.elapsed().as_secs_f64() * 1e6);
        }
        let waited: f64 = times_us.iter().sum::<f64>() / 1e6;
        let seconds = began.zip(thread_seconds()).map_or(waited, |(began, ended)| ended - began);
        let mut sorted = times_us.clone();
        sorted.sort_by(f64::total_cmp);
        Ok(Self { times_us, sorted, seconds })
    }

    /// Asks `hnsw` the first queries of `subject`, ten neighbors each.
    pub(super) fn over_vectors(hnsw: &Hnsw, subject: &Subject, num_queries: usize) -> Result<Self, IndexError> {
        let params = SearchParams { k: 10, ef_search: DEFAULT_EF, allowed: None, plan: None, enough: None };
        Self::over(hnsw, subject, num_queries.min(subject.num_queries()), params)
    }

    fn qps(&self) -> f64 {
        self.times_us.len() as f64 / self.seconds
    }

    pub(super) fn first_us(&self) -> f64 {
        self.times_us.first().copied().unwrap_or(0.0)
    }

    /// The nearest-rank percentile.
    pub(super) fn percentile_us(&self, share: f64) -> f64 {
        let rank = (self.sorted.len() as f64 * share).ceil() as usize;
        self.sorted.get(rank.saturating_sub(1)).copied().unwrap_or(0.0)
    }
}

/// Queries a second in the fastest of `passes`, timed as a search is: each by itself.
pub(super) fn rate(num_queries: usize, passes: Passes, mut ask: impl FnMut(usize)) -> f64 {
    let mut pass = || {
        Pass::of(num_queries, |query| {
            ask(query);
            Ok(())
        })
    };
    Pass::fastest(passes, &mut pass).map_or(0.0, |pass| pass.qps())
}

/// Processor time of this thread.
fn thread_seconds() -> Option<f64> {
    #[cfg(target_os = "linux")]
    {
        let time = rustix::time::clock_gettime(rustix::time::ClockId::ThreadCPUTime);
        Some(time.tv_sec as f64 + time.tv_nsec as f64 / 1e9)
    }
    #[cfg(not(target_os = "linux"))]
    None
}

/// The `k` nearest of `rows`, each of `dim` numbers, by plain products.
pub(super) fn plain_scan(query: &[f32], rows: &[f32], dim: usize, k: usize) -> Vec<ScoredRow> {
    let dot = kernels::dot();
    let scored =
        rows.chunks_exact(dim).zip(0u32..).map(|(row, at)| ScoredRow { row: RowId(at), score: dot(query, row) });
    let mut scored: Vec<ScoredRow> = scored.collect();
    keep_best(&mut scored, k);
    scored
}
