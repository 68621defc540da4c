//! What a blend asks of a shop, so that a live catalog and a measurement are answered by the same code.

use std::borrow::Cow;
use std::sync::Arc;

use roaring::RoaringBitmap;

use super::error::RecommendError;
use super::search::Allowed;
use super::source::Source;
use super::told::Told;
use crate::behavior::{Behavior, Knowledge};
use crate::catalog::Pairs;
use crate::index::{WordQuery, words_of};
use crate::live::View;
use crate::rank::{RowId, ScoredRow};

/// A shop's products, and what was learned of them.
pub trait Shop {
    /// What was learned from events; `None` where there were none.
    fn knowledge(&self) -> Option<Knowledge<'_>>;

    /// Whether the row is there and may be in the answer.
    fn may_appear(&self, row: RowId) -> bool;

    /// The row's family, of which one product is in an answer; `None` where there is no such row.
    fn family(&self, row: RowId) -> Option<u32>;

    /// The row's vector, of length 1; `None` where it has none.
    fn vector(&self, row: RowId) -> Option<Cow<'_, [f32]>>;

    /// The `k` rows nearest to `vector` of those that may appear, by cosine similarity, best first.
    ///
    /// Returns an error if the index cannot be searched.
    fn similar(&self, vector: &[f32], k: usize) -> Result<Vec<ScoredRow>, RecommendError>;

    /// The `k` rows that may appear and share most words with `rows`, best first, by BM25; none where the shop keeps no words.
    fn lexical(&self, rows: &[RowId], k: usize) -> Vec<ScoredRow>;

    /// The `k` past sessions nearest to `vector`: rows of [`Knowledge::session_of`].
    ///
    /// Returns an error if the index cannot be searched.
    fn nearest_sessions(&self, vector: &[f32], k: usize) -> Result<Vec<ScoredRow>, RecommendError>;

    /// What the feed and the shop itself say goes with `rows`, the newest last, scored from 0 to 1 in no order: [`Source::Relations`] and
    /// [`Source::Compatibility`]. A shop of numbers alone has neither.
    ///
    /// Returns an error if a record or a bitmap cannot be read.
    fn told(&self, _source: Source, _rows: &[RowId]) -> Result<Vec<ScoredRow>, RecommendError> {
        Ok(Vec::new())
    }

    /// The same shop where everything may appear, for traces; `None` where none are written.
    fn unfiltered(&self) -> Option<Box<dyn Shop + '_>> {
        None
    }
}

/// A view of a catalog with what was learned for its generation.
pub(super) struct LiveShop<'a> {
    pub view: &'a View,
    pub behavior: Option<Arc<Behavior>>,
    /// What was learned for a measurement, in place of that.
    pub measured: Option<Knowledge<'a>>,
    /// The shop's own pairs.
    pub pairs: &'a Pairs,
    /// Which rows may be in the answer.
    pub allowed: &'a Allowed,
    /// Rows that are not looked for by likeness, as nearness says nothing for them.
    pub unlike: Option<&'a RoaringBitmap>,
    /// Whether every allowed product is scored instead of walking the graph.
    pub exact: bool,
}

impl Shop for LiveShop<'_> {
    fn knowledge(&self) -> Option<Knowledge<'_>> {
        self.measured.or_else(|| self.behavior.as_deref().map(Behavior::knowledge))
    }

    fn may_appear(&self, row: RowId) -> bool {
        self.allowed.has(self.view, row)
    }

    fn family(&self, row: RowId) -> Option<u32> {
        self.view.family(row)
    }

    fn vector(&self, row: RowId) -> Option<Cow<'_, [f32]>> {
        self.view.vector(row).map(Cow::Owned)
    }

    fn similar(&self, vector: &[f32], k: usize) -> Result<Vec<ScoredRow>, RecommendError> {
        let Allowed { rows, out, .. } = self.allowed;
        let unlike = self.unlike.map(|unlike| rows.clone().unwrap_or_else(|| self.view.all_rows()) - unlike);
        let rows = unlike.as_ref().or(rows.as_ref());
        let mut found = self.view.candidates(vector, k + out.len() as usize, rows, self.exact)?;
        found.retain(|scored| !out.contains(scored.row.0));
        Ok(found)
    }

    /// A product that came since the build is asked about with its words and is itself in no list: it is found by its vector.
    fn lexical(&self, rows: &[RowId], k: usize) -> Vec<ScoredRow> {
        self.sharing_words(rows, k, |row| self.may_appear(row))
    }

    fn nearest_sessions(&self, vector: &[f32], k: usize) -> Result<Vec<ScoredRow>, RecommendError> {
        Ok(self.behavior.as_deref().map_or(Ok(Vec::new()), |behavior| behavior.nearest_sessions(vector, k))?)
    }

    fn told(&self, source: Source, rows: &[RowId]) -> Result<Vec<ScoredRow>, RecommendError> {
        self.told_of(source, rows, |row| self.may_appear(row))
    }

    fn unfiltered(&self) -> Option<Box<dyn Shop + '_>> {
        Some(Box::new(OpenShop(self)))
    }
}

impl LiveShop<'_> {
    /// The `k` rows that `may_appear` and share most words with `rows`, best first.
    fn sharing_words(&self, rows: &[RowId], k: usize, may_appear: impl Fn(RowId) -> bool) -> Vec<ScoredRow> {
        let Some(words) = self.view.generation().words() else { return Vec::new() };
        let mut query = WordQuery::new();
        for &row in rows {
            match self.view.is_new(row).then(|| self.view.product(row)) {
                Some(Ok(product)) => words.add_words(&words_of(&product), &mut query),
                Some(Err(_)) => {}
                None => words.add_row(row, &mut query),
            }
        }
        words.best(&query, k, may_appear)
    }

    /// What `source` tells goes with `rows`, of the rows that `may_appear`.
    fn told_of(
        &self,
        source: Source,
        rows: &[RowId],
        may_appear: impl Fn(RowId) -> bool,
    ) -> Result<Vec<ScoredRow>, RecommendError> {
        let told = Told { view: self.view, pairs: self.pairs };
        match source {
            Source::Relations => told.relations(rows),
            Source::Compatibility => told.compatible(rows, may_appear),
            _ => Ok(Vec::new()),
        }
    }
}

/// A live shop where everything may appear.
struct OpenShop<'a>(&'a LiveShop<'a>);

impl Shop for OpenShop<'_> {
    fn knowledge(&self) -> Option<Knowledge<'_>> {
        self.0.knowledge()
    }

    fn may_appear(&self, row: RowId) -> bool {
        self.0.view.has_row(row)
    }

    fn family(&self, row: RowId) -> Option<u32> {
        self.0.family(row)
    }

    fn vector(&self, row: RowId) -> Option<Cow<'_, [f32]>> {
        self.0.vector(row)
    }

    fn similar(&self, vector: &[f32], k: usize) -> Result<Vec<ScoredRow>, RecommendError> {
        Ok(self.0.view.search(vector, k, None, self.0.exact)?)
    }

    fn lexical(&self, rows: &[RowId], k: usize) -> Vec<ScoredRow> {
        self.0.sharing_words(rows, k, |row| self.may_appear(row))
    }

    fn nearest_sessions(&self, vector: &[f32], k: usize) -> Result<Vec<ScoredRow>, RecommendError> {
        self.0.nearest_sessions(vector, k)
    }

    fn told(&self, source: Source, rows: &[RowId]) -> Result<Vec<ScoredRow>, RecommendError> {
        self.0.told_of(source, rows, |row| self.may_appear(row))
    }
}
