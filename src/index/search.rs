//! Search over a mapped `hnsw.bin`: the plan of a filtered search, the walk or scan over codes, and exact scores for the best.
//!
//! | plan | compares codes of | fastest when |
//! |---|---|---|
//! | [`Plan::Scan`] | every allowed row | few rows are allowed |
//! | [`Plan::Gated`] | rows met on a walk over all rows, keeping the allowed | many are, or they lie near the query |
//! | [`Plan::TwoHop`] | rows met on a walk over allowed rows, reached through those that are not | the query lies far from them |
//!
//! A walk has a budget; one that is given up is followed by the next plan, down to the scan, which always finds what there is.

use std::cell::RefCell;

use rayon::prelude::*;
use roaring::RoaringBitmap;

use super::beam::Ranked;
use super::error::IndexError;
use super::hnsw::{Hnsw, View};
use super::walk::{Gate, Walker};
use crate::rank::{RowId, ScoredRow, best_first, keep_best};

/// For each row wanted, so many of the best by codes are scored exactly …
const RERANK_FACTOR: usize = 3;
/// … at least so many …
const RERANK_AT_LEAST: usize = 30;
/// … and at least one in so many of a wide walk: who walks far wants the last hundredth of recall.
const RERANK_SHARE: usize = 4;
/// Scoring may end after so many rows, or as many as are wanted, …
const SURE_AFTER: usize = 10;
/// … when what codes tell of the next is so many standard deviations of their error below the last that counts. Three lose a thousandth
/// of recall, four a ten-thousandth.
const SURE_DEVIATIONS: f32 = 4.0;
/// Score exactly, without a look at codes, when at most so many rows are allowed: encoding the query and scoring the best of a scan cost as much.
const EXACT_AT_MOST: usize = 64;
/// A walk expands one row in the time in which a scan compares so many: 350 ns against 18, measured on 200,000 rows of 256 codes.
const SCANNED_PER_EXPANSION: f64 = 19.0;
/// When a walk is given up, try one over allowed rows alone when there are at least so many; fewer are scanned in less time.
const TWO_HOP_FROM: usize = 100_000;
/// A walk may look at one row for so many allowed ones before a scan of those would have been faster: a row met on a walk costs
/// more than the next row of a scan.
const SCANNED_PER_STEP: usize = 2;
/// A walk keeps at least so many times the rows wanted.
const KEPT_PER_WANTED: f64 = 1.5;
/// Rows, evenly spaced among the allowed, from which a two-hop walk starts.
const NUM_SEEDS: u32 = 16;

/// How a filtered search goes about it.
#[derive(Debug, Clone, Copy, PartialEq, Eq, serde::Serialize)]
#[serde(rename_all = "snake_case")]
pub enum Plan {
    /// All allowed rows are compared.
    Scan,
    /// A walk over all rows keeps those that are allowed.
    Gated,
    /// A walk over the allowed rows, two steps at a time where one leads to a row that is not.
    TwoHop,
}

impl Plan {
    /// The word for people.
    pub fn name(self) -> &'static str {
        match self {
            Self::Scan => "scan",
            Self::Gated => "gated walk",
            Self::TwoHop => "two-hop walk",
        }
    }
}

/// What a search may return and how hard it looks.
#[derive(Clone, Copy)]
pub struct SearchParams<'a> {
    /// How many rows to return at most.
    pub k: usize,
    /// Length of the candidate list (`ef` of the HNSW paper); at least `k` is used.
    pub ef_search: usize,
    /// Rows that may be returned; all when `None`.
    pub allowed: Option<&'a RoaringBitmap>,
    /// The plan of a filtered search, for measurements; `None` chooses.
    pub plan: Option<Plan>,
}

thread_local! {
    static MEMORY: RefCell<(Walker, Rescorer)> = RefCell::default();
}

/// Length of the candidate list of [`Hnsw::nearest`] for each row wanted …
const EF_PER_ROW: usize = 2;
/// … and at least: what a generation searches with unless set otherwise.
const EF_AT_LEAST: usize = 96;

impl Hnsw {
    /// The `k` rows nearest to `query`, which must have length 1, best first, scored by cosine similarity.
    ///
    /// Returns an error if `query` has another number of dimensions.
    pub fn nearest(&self, query: &[f32], k: usize) -> Result<Vec<ScoredRow>, IndexError> {
        self.search(query, SearchParams { k, ef_search: (EF_PER_ROW * k).max(EF_AT_LEAST), allowed: None, plan: None })
    }

    /// The `k` rows nearest to `query` among the allowed, best first, scored by cosine similarity.
    ///
    /// `query` must have length 1. Never fewer than `k` come back when that many are allowed, unless a plan is prescribed. Returns an error
    /// if `query` has another number of dimensions.
    pub fn search(&self, query: &[f32], params: SearchParams<'_>) -> Result<Vec<ScoredRow>, IndexError> {
        self.check_dimension(query)?;
        let view = self.view()?;
        if self.num_rows() == 0 || params.k == 0 {
            return Ok(Vec::new());
        }
        MEMORY.with_borrow_mut(|(walker, rescorer)| {
            if let (Some(allowed), None) = (params.allowed, params.plan)
                && allowed.len() <= EXACT_AT_MOST as u64
            {
                return Ok(self.score_each(&view, rescorer, query, params.k, allowed));
            }
            walker.set_query(query, &view.projection, view.steps);
            match params.allowed {
                None => {
                    let entry = view.descend(walker);
                    walker.walk(view.graph, entry, params.ef_search.max(params.k));
                }
                Some(allowed) => self.search_allowed(&view, walker, params, allowed),
            }
            Ok(exact_best(&view, walker, rescorer, query, params))
        })
    }

    fn search_allowed(&self, view: &View<'_>, walker: &mut Walker, params: SearchParams<'_>, allowed: &RoaringBitmap) {
        let num_allowed = allowed.len() as usize;
        let share = num_allowed as f64 / self.num_rows() as f64;
        let width = (params.ef_search as f64 * share.sqrt()).max(params.k as f64 * KEPT_PER_WANTED) as usize;
        let budget = match params.plan {
            Some(_) => usize::MAX,
            None => num_allowed / SCANNED_PER_STEP,
        };
        let gate = Gate { is_allowed: |row| allowed.contains(row), width, budget };
        // A walk expands about so many rows until it has met enough allowed ones.
        let num_expanded = width as f64 / share;
        let is_few = num_allowed as f64 <= num_expanded * SCANNED_PER_EXPANSION;
        let plan = params.plan.unwrap_or(if is_few { Plan::Scan } else { Plan::Gated });
        let is_done = match (plan, params.plan) {
            (Plan::Scan, _) => false,
            (Plan::Gated, None) => {
                // Its recall is poorer, so it is only for sets that take long to scan, and keeps more rows.
                let wide = Gate { width: params.ef_search.max(gate.width), ..gate };
                self.walk_gated(view, walker, gate)
                    || num_allowed >= TWO_HOP_FROM && self.walk_two_hop(view, walker, wide, allowed)
            }
            (Plan::Gated, Some(_)) => self.walk_gated(view, walker, gate),
            (Plan::TwoHop, _) => self.walk_two_hop(view, walker, gate, allowed),
        };
        let is_enough = is_done && (params.plan.is_some() || walker.beam.rows().len() >= params.k.min(num_allowed));
        if !is_enough {
            let rows = allowed.iter().take_while(|row| (*row as usize) < self.num_rows());
            walker.scan(view.graph, rows, num_rescored(params));
        }
    }

    fn walk_gated(&self, view: &View<'_>, walker: &mut Walker, gate: Gate<impl Fn(u32) -> bool>) -> bool {
        let entry = view.descend(walker);
        walker.walk_gated(view.graph, entry, gate)
    }

    fn walk_two_hop(
        &self,
        view: &View<'_>,
        walker: &mut Walker,
        gate: Gate<impl Fn(u32) -> bool>,
        allowed: &RoaringBitmap,
    ) -> bool {
        let entry = view.descend(walker);
        let seed = |at: u32| allowed.select((u64::from(at) * allowed.len() / u64::from(NUM_SEEDS)) as u32);
        let seeds = (0..NUM_SEEDS).filter_map(seed).take_while(|row| (*row as usize) < self.num_rows());
        walker.walk_two_hop(view.graph, std::iter::once(entry).chain(seeds), gate)
    }

    /// The `k` best of `allowed`, each scored exactly on this thread.
    fn score_each(
        &self,
        view: &View<'_>,
        rescorer: &mut Rescorer,
        query: &[f32],
        k: usize,
        allowed: &RoaringBitmap,
    ) -> Vec<ScoredRow> {
        let mut rows = Vec::with_capacity(allowed.len() as usize);
        let known = allowed.iter().take_while(|row| (*row as usize) < self.num_rows());
        rescorer.score(view, query, known, &mut rows);
        keep_best(&mut rows, k);
        rows
    }

    /// The rows nearest to `query` among `allowed` (all when `None`), found by scoring each of them exactly on all threads.
    ///
    /// Returns an error if `query` has another number of dimensions.
    pub fn search_exact(
        &self,
        query: &[f32],
        k: usize,
        allowed: Option<&RoaringBitmap>,
    ) -> Result<Vec<ScoredRow>, IndexError> {
        self.check_dimension(query)?;
        let view = self.view()?;
        let score = |row: u32| view.score(query, row);
        let mut rows: Vec<ScoredRow> = match allowed {
            None => (0..self.num_rows() as u32).into_par_iter().with_min_len(4096).map(score).collect(),
            Some(allowed) => {
                let rows: Vec<u32> = allowed.iter().take_while(|row| (*row as usize) < self.num_rows()).collect();
                rows.into_par_iter().with_min_len(4096).map(score).collect()
            }
        };
        keep_best(&mut rows, k);
        Ok(rows)
    }

    fn check_dimension(&self, query: &[f32]) -> Result<(), IndexError> {
        let fits = query.len() == self.dim() || self.num_rows() == 0;
        if fits { Ok(()) } else { Err(IndexError::Dimension { found: query.len(), expected: self.dim() }) }
    }
}

fn num_rescored(params: SearchParams<'_>) -> usize {
    (params.k * RERANK_FACTOR).max(RERANK_AT_LEAST).max(params.ef_search / RERANK_SHARE)
}

/// Scores the walker's best rows with full vectors; the best `k`.
///
/// Products of codes tell the scores but for an amount that is the same for all rows, and an error. Both show in the rows scored first,
/// and so which of the others cannot be among the best.
fn exact_best(
    view: &View<'_>,
    walker: &Walker,
    rescorer: &mut Rescorer,
    query: &[f32],
    params: SearchParams<'_>,
) -> Vec<ScoredRow> {
    let best = walker.beam.rows();
    let best = &best[..best.len().min(num_rescored(params))];
    let (first, rest) = best.split_at(best.len().min(params.k.max(SURE_AFTER)));
    let mut rows = Vec::with_capacity(best.len());
    rescorer.score(view, query, first.iter().map(|met| met.row()), &mut rows);
    if !rest.is_empty() {
        let told = |met: &Ranked| met.product() as f32 * walker.unit;
        let slack = first.iter().zip(&rows).map(|(met, scored)| scored.score - told(met));
        let (mean, deviation) = mean_and_deviation(slack);
        rows.sort_unstable_by(best_first);
        let worst = rows[params.k - 1].score - mean - SURE_DEVIATIONS * deviation;
        let rest = rest[..rest.partition_point(|met| told(met) >= worst)].iter();
        rescorer.score(view, query, rest.map(|met| met.row()), &mut rows);
    }
    keep_best(&mut rows, params.k);
    rows
}

/// A thread's memory for exact scores.
#[derive(Default)]
struct Rescorer {
    rows: Vec<u32>,
    scores: Vec<f32>,
}

impl Rescorer {
    /// Adds `rows` to `scored` with their exact scores.
    fn score(&mut self, view: &View<'_>, query: &[f32], rows: impl Iterator<Item = u32>, scored: &mut Vec<ScoredRow>) {
        self.rows.clear();
        self.rows.extend(rows);
        view.score_rows(query, &self.rows, &mut self.scores);
        let pairs = self.rows.iter().zip(&self.scores);
        scored.extend(pairs.map(|(row, score)| ScoredRow { row: RowId(*row), score: *score }));
    }
}

fn mean_and_deviation(numbers: impl Iterator<Item = f32>) -> (f32, f32) {
    let (mut count, mut sum, mut squares) = (0.0, 0.0, 0.0);
    for x in numbers {
        (count, sum, squares) = (count + 1.0, sum + x, squares + x * x);
    }
    let mean = sum / count;
    (mean, (squares / count - mean * mean).max(0.0).sqrt())
}
