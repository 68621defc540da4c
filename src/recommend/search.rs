//! From a vector to a shelf: the nearest allowed rows, those made for another model lowered, one product a family.

use std::collections::HashSet;

use roaring::RoaringBitmap;

use super::error::RecommendError;
use super::fit::Fit;
use super::query::{Hit, Query};
use super::source::{Source, SourceScores};
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
    /// Whether anything but `out` narrows the rows.
    pub is_filtered: bool,
}

/// One question on its way to a shelf.
pub(super) struct Search<'a> {
    pub view: &'a View,
    pub query: &'a Query,
    /// What the question is about, of length 1.
    pub vector: &'a [f32],
    pub allowed: Allowed,
    pub fit: Option<Fit>,
    pub anchors: &'a [RowId],
}

/// The hits of an answer.
pub(super) struct Shelf {
    /// Best first, one a family.
    pub hits: Vec<Hit>,
    /// Whether `min_score` cut the list.
    pub is_cut: bool,
}

/// What a search brought.
struct Fetched {
    /// Rows with their scores, best first, and their similarities.
    rows: Vec<(ScoredRow, f32)>,
    /// The highest score that a row which was not fetched may have; `None` when all were.
    missed: Option<f32>,
}

impl Search<'_> {
    /// The best product of each family.
    ///
    /// Families take more than one row each, so the search is widened until nothing that was not fetched could belong on the shelf.
    /// Returns an error if the index cannot be searched.
    pub(super) fn best_families(&self) -> Result<Shelf, RecommendError> {
        let mut k = self.query.limit + self.allowed.out.len() as usize + FAMILY_SLACK;
        loop {
            if let Some(shelf) = self.one_per_family(&self.fetch(k)?) {
                return Ok(shelf);
            }
            k *= 4;
        }
    }

    /// The `k` nearest rows, and, where products are made for models, the `k` nearest of those made for another one, apart: they could
    /// fill a common list and leave no place for the rest.
    fn fetch(&self, k: usize) -> Result<Fetched, RecommendError> {
        let mut fetched = Fetched { rows: Vec::new(), missed: None };
        match &self.fit {
            None => self.fetch_part(k, self.allowed.rows.as_ref(), 1.0, &mut fetched)?,
            Some(fit) => {
                let all = self.allowed.rows.clone().unwrap_or_else(|| self.view.all_rows());
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

    /// The shelf of these rows; `None` when a row that was not fetched could belong on it.
    fn one_per_family(&self, fetched: &Fetched) -> Option<Shelf> {
        let (query, view) = (self.query, self.view);
        let mut families: HashSet<u32> = self.anchors.iter().filter_map(|&row| view.family(row)).collect();
        let mut hits = Vec::with_capacity(query.limit);
        for &(ScoredRow { row, score }, similarity) in &fetched.rows {
            if hits.len() == query.limit {
                return Some(Shelf { hits, is_cut: false });
            }
            if fetched.missed.is_some_and(|missed| score < missed) {
                return None;
            }
            if query.min_score.is_some_and(|floor| score < floor) {
                return Some(Shelf { hits, is_cut: true });
            }
            let is_out = self.allowed.out.contains(row.0);
            if !is_out && view.family(row).is_some_and(|family| families.insert(family)) {
                hits.push(Hit { row, score, sources: SourceScores::of(Source::Similar, similarity) });
            }
        }
        let is_whole = hits.len() == query.limit || fetched.missed.is_none();
        is_whole.then_some(Shelf { hits, is_cut: false })
    }
}
