//! Search over a mapped `hnsw.bin`: the plan of a filtered search, the walk or scan over codes, and exact scores for the best.
//!
//! | plan | compares codes of | fastest when |
//! |---|---|---|
//! | [`Plan::Scan`] | every allowed row | few rows are allowed |
//! | [`Plan::Cells`] | the allowed rows of the cells nearest to the query | some are |
//! | [`Plan::Gated`] | rows met on a walk over all rows, keeping the allowed | most are |
//!
//! A walk has a budget; one that is given up is followed by a scan of cells, which finds what there is. A walk over the allowed rows
//! alone, two steps at a time where a link leads to one that is not (ACORN), was slower than one of the three at every selectivity.

use std::cell::RefCell;

use rayon::prelude::*;
use roaring::RoaringBitmap;

use super::beam::Ranked;
use super::cells::Reach;
use super::error::IndexError;
use super::hnsw::{Halves, Hnsw, View};
use super::walk::{Gate, Walker};
use crate::rank::{RowId, ScoredRow, best_first, keep_best};

/// For each row wanted, so many of the best by codes are scored exactly …
const RERANK_FACTOR: usize = 3;
/// … at least so many, and at least as many as a walk keeps.
const RERANK_AT_LEAST: usize = 30;
/// Scoring may end after so many rows, or as many as are wanted, …
const SURE_AFTER: usize = 10;
/// … when what codes tell of the next is so many standard deviations of their error below the last that counts. On the names of real
/// products three lose a thousandth of recall, four a ten-thousandth; where products are nearly alike, more.
const SURE_DEVIATIONS: f32 = 4.0;
/// What the error is, is told by the rows scored first and by one in so many …
const SAMPLE_STEP: usize = 8;
/// … of so many after them: the first owe their places to errors in their favor, and of those far behind the error may be another.
const SAMPLED: usize = 128;
/// Score exactly, without a look at codes, when at most so many rows are allowed: encoding the query and scoring the best of a scan cost as much.
const EXACT_AT_MOST: usize = 256;
/// A walk with a gate expands one row in the time in which a scan compares so many.
const SCANNED_PER_EXPANSION: f64 = 19.0;
/// Centers lie side by side: so many are compared in the time of an allowed row.
const CENTERS_PER_ROW: f64 = 3.0;
/// Going to a cell takes as long as comparing so many rows.
const ROWS_PER_CELL: f64 = 2.0;
/// A scan of cells ends at centers that score this, times the square root of `ef_search`, lower than the last row wanted.
const MARGIN_PER_ROOT: f64 = 0.03;
/// It meets about so many rows, times the number allowed to the power of [`MET_POWER`], times `ef_search`.
const MET_PER_EF: f64 = 1.8;
/// See [`MET_PER_EF`].
const MET_POWER: f64 = 0.3;
/// A walk with a gate keeps so many rows more than it must find: what codes put a little behind may be among the best, and to keep a row costs less than to expand one.
const KEPT_BEYOND: usize = 6;
/// A walk may look at so many times the rows that are expected of it.
const PATIENCE: f64 = 8.0;
/// It may expand so many times the rows that are expected of it.
const EXPANSION_PATIENCE: f64 = 16.0;
/// Of both, the share of a walk that may end with fewer rows than wanted.
const HASTY_SHARE: f64 = 0.5;

/// How a filtered search goes about it.
#[derive(Debug, Clone, Copy, PartialEq, Eq, serde::Serialize)]
#[serde(rename_all = "snake_case")]
pub enum Plan {
    /// All allowed rows are compared.
    Scan,
    /// The allowed rows of the nearest cells are compared.
    Cells,
    /// A walk over all rows keeps those that are allowed.
    Gated,
}

impl Plan {
    /// The word for people.
    pub fn name(self) -> &'static str {
        match self {
            Self::Scan => "scan",
            Self::Cells => "scan of cells",
            Self::Gated => "gated walk",
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
    /// Rows that may be returned, of which some may not exist; all when `None`.
    pub allowed: Option<&'a RoaringBitmap>,
    /// The plan of a filtered search, for measurements; `None` chooses.
    pub plan: Option<Plan>,
    /// Rows with which a walk that is given up is good enough; `None` looks on until there are as many as wanted.
    pub enough: Option<usize>,
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
        self.search(
            query,
            SearchParams { k, ef_search: (EF_PER_ROW * k).max(EF_AT_LEAST), allowed: None, plan: None, enough: None },
        )
    }

    /// The `k` rows nearest to `query` among the allowed, best first, scored by cosine similarity.
    ///
    /// `query` must have length 1. Never fewer than `k` come back when that many are allowed, unless a plan is prescribed. Returns an error
    /// if `query` has another number of dimensions.
    pub fn search(&self, query: &[f32], params: SearchParams<'_>) -> Result<Vec<ScoredRow>, IndexError> {
        self.check_dimension(query)?;
        if self.num_rows() == 0 || params.k == 0 {
            return Ok(Vec::new());
        }
        MEMORY.with_borrow_mut(|(walker, rescorer)| {
            if let (Some(allowed), None) = (params.allowed, params.plan)
                && allowed.len() <= EXACT_AT_MOST as u64
            {
                return self.score_each(rescorer, query, params.k, allowed);
            }
            let view = self.view()?;
            walker.set_query(query, &view.projection, view.steps);
            match params.allowed.filter(|allowed| !self.is_no_filter(params, allowed)) {
                None => {
                    let entry = view.descend(walker);
                    walker.walk(view.graph, entry, params.ef_search.max(params.k));
                    if walker.beam.rows().len() < params.k.min(self.num_rows()) {
                        // No link leads out of where the walk ended.
                        let mut all = RoaringBitmap::new();
                        all.insert_range(0..self.num_rows() as u32);
                        walker.scan(view.graph, &all, num_rescored(params));
                    }
                }
                Some(allowed) => self.search_allowed(&view, walker, params, allowed),
            }
            Ok(exact_best(&view, walker, rescorer, query, params))
        })
    }

    /// Whether all rows are allowed, and no plan for allowed rows is prescribed.
    fn is_no_filter(&self, params: SearchParams<'_>, allowed: &RoaringBitmap) -> bool {
        let num_rows = self.num_rows() as u64;
        params.plan.is_none() && allowed.len() >= num_rows && allowed.range_cardinality(0..num_rows as u32) == num_rows
    }

    fn search_allowed(&self, view: &View<'_>, walker: &mut Walker, params: SearchParams<'_>, allowed: &RoaringBitmap) {
        let costs = Costs::of(view, params, allowed.len() as usize, self.num_rows());
        let margin = (f64::from(params.ef_search as u32).sqrt() * MARGIN_PER_ROOT) as f32;
        let reach = Reach { wanted: params.k, margin, width: num_rescored(params) };
        match params.plan.unwrap_or(costs.plan()) {
            Plan::Scan => walker.scan(view.graph, allowed, num_rescored(params)),
            Plan::Cells => walker.scan_cells(view.graph, view.cells, allowed, reach),
            Plan::Gated => {
                let limits = (costs.patience, costs.budget);
                let (patience, budget) = if params.plan.is_some() { (usize::MAX, usize::MAX) } else { limits };
                let gate = Gate {
                    is_allowed: |row| allowed.contains(row),
                    width: costs.width,
                    kept: costs.width + KEPT_BEYOND,
                    patience,
                    budget,
                };
                let entry = view.descend(walker);
                let is_done = walker.walk_gated(view.graph, entry, gate);
                let num_found = walker.beam.rows().len();
                let is_enough = match params.enough {
                    Some(enough) => num_found >= enough.min(allowed.len() as usize),
                    None => is_done && (params.plan.is_some() || num_found >= params.k.min(allowed.len() as usize)),
                };
                if !is_enough {
                    walker.scan_cells(view.graph, view.cells, allowed, reach);
                }
            }
        }
    }

    /// The `k` best of `allowed`, at most [`EXACT_AT_MOST`], each scored exactly on this thread.
    fn score_each(
        &self,
        rescorer: &mut Rescorer,
        query: &[f32],
        k: usize,
        allowed: &RoaringBitmap,
    ) -> Result<Vec<ScoredRow>, IndexError> {
        let Rescorer { few, scores, .. } = rescorer;
        few.resize(EXACT_AT_MOST, 0);
        let known = allowed.iter().next_many(few);
        let known = &known[..known.partition_point(|row| (*row as usize) < self.num_rows())];
        let mut rows = Vec::with_capacity(known.len());
        add_scored(self.halves()?, query, known, scores, &mut rows);
        keep_best(&mut rows, k);
        Ok(rows)
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
        let score = |row: u32| view.halves.score(query, row);
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

/// What each plan would cost, in comparisons of a scan.
struct Costs {
    scan: f64,
    cells: f64,
    walk: f64,
    /// Allowed rows that a walk keeps.
    width: usize,
    /// Rows that a walk may expand.
    patience: usize,
    /// Rows that a walk may look at.
    budget: usize,
}

impl Costs {
    fn of(view: &View<'_>, params: SearchParams<'_>, num_allowed: usize, num_rows: usize) -> Self {
        let ef_search = params.ef_search.max(params.k) as f64;
        let allowed = num_allowed as f64;
        let share = (allowed / num_rows as f64).min(1.0);
        let num_cells = (view.cells.centers.len() / view.graph.stride.max(1)) as f64;
        let num_met = (allowed.powf(MET_POWER) * ef_search * MET_PER_EF).min(allowed);
        let num_entered = (num_met / allowed * num_cells).min(num_cells);
        let width = (ef_search * share.sqrt()).max(params.k as f64);
        // A walk expands about so many rows until it has met enough allowed ones.
        let num_expanded = width / share;
        let patience = if params.enough.is_some() { HASTY_SHARE } else { 1.0 };
        Self {
            scan: allowed,
            cells: num_cells / CENTERS_PER_ROW + num_entered * ROWS_PER_CELL + num_met,
            walk: num_expanded * SCANNED_PER_EXPANSION,
            width: width as usize,
            patience: (num_expanded * EXPANSION_PATIENCE * patience) as usize,
            budget: (num_expanded * SCANNED_PER_EXPANSION * PATIENCE * patience) as usize,
        }
    }

    fn plan(&self) -> Plan {
        if self.scan <= self.cells.min(self.walk) {
            Plan::Scan
        } else if self.cells <= self.walk {
            Plan::Cells
        } else {
            Plan::Gated
        }
    }
}

fn num_rescored(params: SearchParams<'_>) -> usize {
    (params.k * RERANK_FACTOR).max(RERANK_AT_LEAST).max(params.ef_search)
}

/// Scores the walker's best rows with full vectors; the best `k`.
///
/// Products of codes tell the scores but for an amount that is the same for all rows, and an error. Both show in the rows scored first, the best
/// and some of the others, and so which of the rest cannot be among the best.
fn exact_best(
    view: &View<'_>,
    walker: &Walker,
    rescorer: &mut Rescorer,
    query: &[f32],
    params: SearchParams<'_>,
) -> Vec<ScoredRow> {
    let best = walker.beam.rows();
    let best = &best[..num_holding(best, num_rescored(params))];
    let (first, rest) = best.split_at(num_holding(best, params.k.max(SURE_AFTER)));
    let sample = || first.iter().chain(rest.iter().take(SAMPLED).skip(SAMPLE_STEP - 1).step_by(SAMPLE_STEP));
    let mut rows = Vec::with_capacity(best.len());
    rescorer.score_all(view.halves, query, sample().map(|met| met.row()), &mut rows);
    if !rest.is_empty() {
        let told = |met: &Ranked| met.product() as f32 * walker.unit;
        let slack = sample().zip(&rows).map(|(met, scored)| scored.score - told(met));
        let (mean, deviation) = mean_and_deviation(slack);
        rows.sort_unstable_by(best_first);
        let worst = rows[params.k - 1].score - mean - SURE_DEVIATIONS * deviation;
        let possible = rest[..rest.partition_point(|met| told(met) >= worst)].iter().enumerate();
        let rest = possible.filter(|(at, _)| *at >= SAMPLED || at % SAMPLE_STEP != SAMPLE_STEP - 1);
        rescorer.score_all(view.halves, query, rest.map(|(_, met)| met.row()), &mut rows);
    }
    keep_best(&mut rows, params.k);
    rows
}

/// How many of the `best` hold `wanted` different products.
///
/// Copies of one text share one: many of them would take all places, and what their scores tell of the error of codes is no more than one tells.
fn num_holding(best: &[Ranked], wanted: usize) -> usize {
    best.chunk_by(|a, b| a.product() == b.product()).take(wanted).map(<[Ranked]>::len).sum()
}

/// A thread's memory for exact scores.
#[derive(Default)]
struct Rescorer {
    /// Rows that are few: always as many places.
    few: Vec<u32>,
    rows: Vec<u32>,
    scores: Vec<f32>,
}

impl Rescorer {
    /// Adds `rows` to `scored` with their exact scores.
    fn score_all(
        &mut self,
        halves: Halves<'_>,
        query: &[f32],
        rows: impl Iterator<Item = u32>,
        scored: &mut Vec<ScoredRow>,
    ) {
        self.rows.clear();
        self.rows.extend(rows);
        add_scored(halves, query, &self.rows, &mut self.scores, scored);
    }
}

/// Adds `rows` to `scored` with their exact scores, which stand in `scores` afterwards.
fn add_scored(halves: Halves<'_>, query: &[f32], rows: &[u32], scores: &mut Vec<f32>, scored: &mut Vec<ScoredRow>) {
    halves.score_rows(query, rows, scores);
    let pairs = rows.iter().zip(scores);
    scored.extend(pairs.map(|(row, score)| ScoredRow { row: RowId(*row), score: *score }));
}

fn mean_and_deviation(numbers: impl Iterator<Item = f32>) -> (f32, f32) {
    let (mut count, mut sum, mut squares) = (0.0, 0.0, 0.0);
    for x in numbers {
        (count, sum, squares) = (count + 1.0, sum + x, squares + x * x);
    }
    let mean = sum / count;
    (mean, (squares / count - mean * mean).max(0.0).sqrt())
}
