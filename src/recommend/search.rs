//! From a vector to hits: the nearest allowed rows, those made for another model lowered, one product a family.

use std::borrow::Cow;
use std::collections::HashSet;

use roaring::RoaringBitmap;

use super::error::RecommendError;
use super::fit::Fit;
use super::query::{FewerBecause, Hit, Query};
use super::ruled::{Depth, Rank, Ranked};
use super::source::{Source, SourceScores};
use super::trace::{Sieve, WouldBe};
use crate::live::View;
use crate::rank::{RowId, ScoredRow, best_first};

/// Rows fetched beyond the limit, for families with several near variants.
const FAMILY_SLACK: usize = 16;

/// Which rows may appear.
pub(super) struct Allowed {
    /// Rows that may appear; all when `None`.
    pub rows: Option<RoaringBitmap>,
    /// Rows that never appear: the anchors and what the question excludes.
    pub out: RoaringBitmap,
    /// Whether the question has a filter or a price band, or most of the shop is out of stock.
    pub is_filtered: bool,
    /// Whether the filter has conditions that are asked of each hit.
    pub is_open: bool,
    /// What each step that narrowed the rows lets through, in their order; empty where no trace is written.
    pub steps: Vec<(Sieve, RoaringBitmap)>,
}

impl Allowed {
    /// Everything.
    pub(super) fn everything() -> Self {
        Self { rows: None, out: RoaringBitmap::new(), is_filtered: false, is_open: false, steps: Vec::new() }
    }

    /// Lets through only what `sieve` does, all when `rows` is `None`.
    pub(super) fn narrow(&mut self, sieve: Sieve, rows: Option<Cow<'_, RoaringBitmap>>, is_traced: bool) {
        let Some(rows) = rows else { return };
        if is_traced {
            self.steps.push((sieve, rows.clone().into_owned()));
        }
        self.rows = Some(match self.rows.take() {
            Some(known) => known & rows.as_ref(),
            None => rows.into_owned(),
        });
    }

    /// Why there are fewer hits than asked where neither a floor nor a rule is to blame: the filter where there is one, else `otherwise`.
    pub(super) fn why_fewer(&self, otherwise: FewerBecause) -> FewerBecause {
        if self.is_filtered { FewerBecause::Filter } else { otherwise }
    }

    /// Whether the row is there, allowed and not out.
    pub(super) fn has(&self, view: &View, row: RowId) -> bool {
        !self.out.contains(row.0) && self.rows.as_ref().is_none_or(|rows| rows.contains(row.0)) && view.has_row(row)
    }

    /// The rows that may appear and are in `within`; all when `None`.
    pub(super) fn rows_in<'a>(&'a self, within: Option<&'a RoaringBitmap>) -> Option<Cow<'a, RoaringBitmap>> {
        match (&self.rows, within) {
            (Some(rows), Some(within)) => Some(Cow::Owned(rows & within)),
            (rows, within) => rows.as_ref().or(within).map(Cow::Borrowed),
        }
    }
}

/// One question on its way to its hits.
pub(super) struct Search<'a> {
    pub view: &'a View,
    pub query: &'a Query,
    /// What the question is about, of length 1.
    pub vector: &'a [f32],
    pub allowed: &'a Allowed,
    pub fit: Option<&'a Fit>,
    pub anchors: &'a [RowId],
}

/// What a search brought.
struct Fetched {
    /// Rows with their scores, best first, and their similarities.
    rows: Vec<(ScoredRow, f32)>,
    /// The highest score that a row which was not fetched may have; `None` when all were.
    missed: Option<f32>,
}

impl Rank for Search<'_> {
    /// Families take more than one row each, so the search is widened until nothing that was not fetched could belong among the hits.
    fn rank(&self, depth: &Depth<'_>) -> Result<Ranked, RecommendError> {
        let rows = self.allowed.rows_in(depth.within);
        let mut k = depth.limit + self.allowed.out.len() as usize + if depth.every_variant { 0 } else { FAMILY_SLACK };
        loop {
            if let Some(ranked) = self.best(&self.fetch(k, rows.as_deref())?, depth) {
                return Ok(ranked);
            }
            k *= 4;
        }
    }

    fn is_cheap(&self) -> bool {
        false
    }

    fn found(&self) -> Result<Vec<Hit>, RecommendError> {
        let everything = Allowed::everything();
        let search = Search { allowed: &everything, anchors: &[], ..*self };
        Ok(search.rank(&Depth::traced())?.hits)
    }

    fn would_be(&self, row: RowId) -> Option<WouldBe> {
        let similarity = similarity(self.vector, &self.view.vector(row)?);
        let factor = self.fit.filter(|fit| fit.other().contains(row.0)).map_or(1.0, |fit| fit.factor);
        Some(WouldBe { similarity, score: Some(similarity * factor) })
    }
}

/// Cosine similarity of two vectors of length 1, below 0 as 0.
pub(super) fn similarity(a: &[f32], b: &[f32]) -> f32 {
    a.iter().zip(b).map(|(x, y)| x * y).sum::<f32>().clamp(0.0, 1.0)
}

impl Search<'_> {
    /// The `k` nearest of `rows` (all when `None`), and, where products are made for models, the `k` nearest of those made for another one,
    /// apart: they could fill a common list and leave no place for the rest.
    fn fetch(&self, k: usize, rows: Option<&RoaringBitmap>) -> Result<Fetched, RecommendError> {
        let mut fetched = Fetched { rows: Vec::new(), missed: None };
        match self.fit {
            None => self.fetch_part(k, rows, 1.0, &mut fetched)?,
            Some(fit) => {
                let all = rows.cloned().unwrap_or_else(|| self.view.all_rows());
                self.fetch_part(k, Some(&(&all - fit.other())), 1.0, &mut fetched)?;
                self.fetch_part(k, Some(&(all & fit.other())), fit.factor, &mut fetched)?;
            }
        }
        fetched.rows.sort_unstable_by(|a, b| best_first(&a.0, &b.0));
        Ok(fetched)
    }

    /// Adds the `k` nearest rows of `part` with their scores, which are `factor` times their similarity.
    fn fetch_part(
        &self,
        k: usize,
        part: Option<&RoaringBitmap>,
        factor: f32,
        fetched: &mut Fetched,
    ) -> Result<(), RecommendError> {
        let num_rows = part.map_or_else(|| self.view.num_products(), |rows| rows.len() as usize);
        let found = self.view.search(self.vector, k, part, self.query.exact)?;
        if let Some(last) = found.last().filter(|_| found.len() == k && k < num_rows) {
            let missed = last.score.max(0.0) * factor;
            fetched.missed = Some(fetched.missed.map_or(missed, |other| other.max(missed)));
        }
        fetched.rows.extend(found.into_iter().map(|found| {
            let similarity = found.score.max(0.0);
            (ScoredRow { row: found.row, score: similarity * factor }, similarity)
        }));
        Ok(())
    }

    /// The hits of these rows; `None` when a row that was not fetched could belong among them.
    fn best(&self, fetched: &Fetched, depth: &Depth<'_>) -> Option<Ranked> {
        let (query, view) = (self.query, self.view);
        let mut families: HashSet<u32> = self.anchors.iter().filter_map(|&row| view.family(row)).collect();
        let mut hits = Vec::with_capacity(depth.limit.min(fetched.rows.len()));
        let ranked = |hits, is_cut| Some(Ranked { hits, num_filled: 0, is_cut });
        for &(ScoredRow { row, score }, similarity) in &fetched.rows {
            if hits.len() == depth.limit {
                return ranked(hits, false);
            }
            if fetched.missed.is_some_and(|missed| score < missed) {
                return None;
            }
            if depth.has_floor && query.min_score.is_some_and(|floor| score < floor) {
                return ranked(hits, true);
            }
            let mut is_free = |family| match depth.every_variant {
                true => !families.contains(&family),
                false => families.insert(family),
            };
            if !self.allowed.out.contains(row.0) && view.family(row).is_some_and(&mut is_free) {
                hits.push(Hit { row, score, sources: SourceScores::of(Source::Similar, similarity) });
            }
        }
        let is_whole = hits.len() == depth.limit || fetched.missed.is_none();
        if is_whole { ranked(hits, false) } else { None }
    }
}
