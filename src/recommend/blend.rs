//! Candidates of all sources as one shelf: filtered, scaled, weighted, added; filled with what is popular where that is allowed.

use std::collections::{HashMap, HashSet};

use super::candidates::LiveSession;
use super::error::RecommendError;
use super::query::{Hit, Query};
use super::search::Allowed;
use super::source::{Source, SourceScores, SourceWeights};
use crate::live::View;
use crate::rank::{RowId, ScoredRow, best_first};

/// Nearest products that the source `similar` gives.
const NUM_SIMILAR: usize = 100;

/// One question that starts from a session.
pub(super) struct Blend<'a> {
    pub query: &'a Query,
    pub session: LiveSession<'a>,
    pub weights: SourceWeights,
    pub allowed: Allowed,
    /// Rows whose families are kept out: what is on the page and in the cart.
    pub taken: &'a [RowId],
    /// Whether a short list is filled.
    pub is_filled: bool,
}

/// The hits of an answer.
pub(super) struct BlendedShelf {
    /// Best first, one a family.
    pub hits: Vec<Hit>,
    /// Whether `min_score` cut the list.
    pub is_cut: bool,
    /// Whether the last hits are there because they are popular.
    pub is_filled: bool,
}

impl Blend<'_> {
    /// The best product of each family.
    ///
    /// Returns an error if an index cannot be searched.
    pub(super) fn shelf(&self) -> Result<BlendedShelf, RecommendError> {
        let mut families: HashSet<u32> = self.taken.iter().filter_map(|&row| self.view().family(row)).collect();
        let mut hits: Vec<Hit> = Vec::with_capacity(self.query.limit);
        let mut is_cut = false;
        for hit in self.scored()? {
            if hits.len() == self.query.limit {
                break;
            }
            if self.query.min_score.is_some_and(|floor| hit.score < floor) {
                is_cut = true;
                break;
            }
            if self.view().family(hit.row).is_some_and(|family| families.insert(family)) {
                hits.push(hit);
            }
        }
        let num_found = hits.len();
        if self.is_filled && !is_cut && num_found < self.query.limit {
            self.fill(&mut hits, &mut families)?;
        }
        let is_filled = hits.len() > num_found;
        Ok(BlendedShelf { hits, is_cut, is_filled })
    }

    fn view(&self) -> &View {
        self.session.view
    }

    fn may_appear(&self, row: u32) -> bool {
        let allowed = &self.allowed;
        !allowed.out.contains(row)
            && allowed.rows.as_ref().is_none_or(|rows| rows.contains(row))
            && self.view().has_row(RowId(row))
    }

    /// Every candidate that may appear, best first. A score is the mean of the sources' shares, weighted as they count for the intent.
    fn scored(&self) -> Result<Vec<Hit>, RecommendError> {
        let total: f32 = Source::ALL.into_iter().map(|source| self.weights.of(source)).sum();
        let mut scores: HashMap<u32, SourceScores> = HashMap::new();
        for source in Source::ALL.into_iter().filter(|&source| self.weights.of(source) > 0.0) {
            let candidates = self.candidates(source)?;
            // A cosine is a share already; the others are shares of their best.
            let highest = if source == Source::Similar { 1.0 } else { highest(&candidates) };
            for candidate in candidates {
                scores.entry(candidate.row.0).or_default().set(source, (candidate.score / highest).clamp(0.0, 1.0));
            }
        }
        let hit = |(row, sources): (u32, SourceScores)| {
            let sum: f32 = Source::ALL.into_iter().map(|source| self.weights.of(source) * sources.get(source)).sum();
            Hit { row: RowId(row), score: sum / total, sources }
        };
        let mut hits: Vec<Hit> = scores.into_iter().map(hit).collect();
        let scored = |hit: &Hit| ScoredRow { row: hit.row, score: hit.score };
        hits.sort_unstable_by(|a, b| best_first(&scored(a), &scored(b)));
        Ok(hits)
    }

    /// The candidates of `source` that may appear.
    fn candidates(&self, source: Source) -> Result<Vec<ScoredRow>, RecommendError> {
        if source == Source::Similar {
            return self.similar();
        }
        let candidates = self.session.candidates(source)?.into_iter();
        let rows = candidates.map(|entry| ScoredRow { row: RowId(entry.product), score: entry.score });
        Ok(rows.filter(|scored| self.may_appear(scored.row.0)).collect())
    }

    fn similar(&self) -> Result<Vec<ScoredRow>, RecommendError> {
        let Some(vector) = self.session.vector else { return Ok(Vec::new()) };
        let k = NUM_SIMILAR + self.allowed.out.len() as usize;
        let mut found = self.view().search(vector, k, self.allowed.rows.as_ref(), self.query.exact)?;
        found.retain(|scored| scored.score > 0.0 && !self.allowed.out.contains(scored.row.0));
        Ok(found)
    }

    /// Fills the shelf with what is popular. A fill's score is its share of the most popular one's, at most the last hit's.
    fn fill(&self, hits: &mut Vec<Hit>, families: &mut HashSet<u32>) -> Result<(), RecommendError> {
        let popular = self.candidates(Source::Popular)?;
        let (highest, most) = (highest(&popular), hits.last().map_or(1.0, |hit| hit.score));
        let present: HashSet<u32> = hits.iter().map(|hit| hit.row.0).collect();
        for candidate in popular.into_iter().filter(|candidate| !present.contains(&candidate.row.0)) {
            if hits.len() == self.query.limit {
                break;
            }
            if self.view().family(candidate.row).is_some_and(|family| families.insert(family)) {
                let share = candidate.score / highest;
                let sources = SourceScores::of(Source::Popular, share);
                hits.push(Hit { row: candidate.row, score: most * share, sources });
            }
        }
        Ok(())
    }
}

fn highest(candidates: &[ScoredRow]) -> f32 {
    candidates.iter().map(|candidate| candidate.score).fold(f32::MIN_POSITIVE, f32::max)
}
