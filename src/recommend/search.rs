//! From a vector to a shelf: the nearest allowed rows, those made for another model lowered, one product a family.

use std::collections::HashSet;

use roaring::RoaringBitmap;

use super::error::RecommendError;
use super::filter::all_rows;
use super::fit::Fit;
use super::query::{Hit, Query};
use crate::index::Generation;
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
    pub generation: &'a Generation,
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

impl Search<'_> {
    /// The best product of each family.
    ///
    /// Families take more than one row each, so the search is widened until there are enough or no more. Returns an error if the
    /// index cannot be searched.
    pub(super) fn best_families(&self) -> Result<Shelf, RecommendError> {
        let num_rows = self.generation.products().num_rows();
        let num_allowed = self.allowed.rows.as_ref().map_or(num_rows, |rows| rows.len() as usize);
        let mut k = self.query.limit + self.allowed.out.len() as usize + FAMILY_SLACK;
        loop {
            let found = self.nearest(k)?;
            let is_last = k >= num_allowed || found.len() < k;
            let shelf = self.one_per_family(found);
            if shelf.hits.len() == self.query.limit || shelf.is_cut || is_last {
                return Ok(shelf);
            }
            k *= 4;
        }
    }

    /// The `k` nearest rows, best first, by score and with their similarity.
    ///
    /// Where products are made for models, rows made for others than the one asked about could fill the whole list, so the nearest
    /// of the rest are searched for as well.
    fn nearest(&self, k: usize) -> Result<Vec<(ScoredRow, f32)>, RecommendError> {
        let mut found = self.search(k, self.allowed.rows.as_ref())?;
        if let Some(fit) = &self.fit {
            let mut rest = self.allowed.rows.clone().unwrap_or_else(|| all_rows(self.generation));
            rest -= fit.other();
            found.extend(self.search(k, Some(&rest))?);
            found.sort_unstable_by(best_first);
            found.dedup_by_key(|scored| scored.row);
        }
        let weighed = |found: ScoredRow| {
            let similarity = found.score.max(0.0);
            let factor = self.fit.as_ref().map_or(1.0, |fit| fit.factor(found.row));
            (ScoredRow { row: found.row, score: similarity * factor }, similarity)
        };
        let mut weighed: Vec<_> = found.into_iter().map(weighed).collect();
        weighed.sort_unstable_by(|a, b| best_first(&a.0, &b.0));
        Ok(weighed)
    }

    fn search(&self, k: usize, allowed: Option<&RoaringBitmap>) -> Result<Vec<ScoredRow>, RecommendError> {
        let found = match self.query.exact {
            true => self.generation.search_exact(self.vector, k, allowed),
            false => self.generation.search(self.vector, k, allowed),
        };
        Ok(found?)
    }

    fn one_per_family(&self, found: Vec<(ScoredRow, f32)>) -> Shelf {
        let (query, products) = (self.query, self.generation.products());
        let mut families: HashSet<u32> = self.anchors.iter().filter_map(|&row| products.family(row)).collect();
        let mut hits = Vec::with_capacity(query.limit);
        for (ScoredRow { row, score }, similarity) in found {
            if self.allowed.out.contains(row.0) || hits.len() == query.limit {
                continue;
            }
            if query.min_score.is_some_and(|floor| score < floor) {
                return Shelf { hits, is_cut: true };
            }
            if products.family(row).is_some_and(|family| families.insert(family)) {
                hits.push(Hit { row, score, similarity });
            }
        }
        Shelf { hits, is_cut: false }
    }
}
