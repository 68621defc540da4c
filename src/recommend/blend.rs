//! Candidates of all sources as hits: filtered, scaled, weighted, added; filled with what is popular where that is asked for.

use std::cell::OnceCell;
use std::collections::{HashMap, HashSet};

use super::candidates::LiveSession;
use super::error::RecommendError;
use super::query::{Hit, Query};
use super::ruled::{Depth, Rank, Ranked};
use super::search::Allowed;
use super::source::{Source, SourceScores, SourceWeights};
use crate::live::View;
use crate::rank::{RowId, ScoredRow, best_first};

/// Nearest products that the source `similar` gives.
const NUM_SIMILAR: usize = 100;

/// One question that starts from a session.
pub(super) struct Blend<'a> {
    query: &'a Query,
    session: LiveSession<'a>,
    weights: SourceWeights,
    allowed: &'a Allowed,
    /// Rows whose families are kept out: what is on the page and in the cart.
    taken: &'a [RowId],
    /// Every candidate that may appear, once asked for.
    scored: OnceCell<Vec<Hit>>,
}

impl Rank for Blend<'_> {
    fn rank(&self, depth: &Depth<'_>) -> Result<Ranked, RecommendError> {
        let mut families: HashSet<u32> = self.taken.iter().filter_map(|&row| self.view().family(row)).collect();
        let mut hits: Vec<Hit> = Vec::new();
        let mut is_cut = false;
        let is_within = |hit: &&Hit| depth.within.is_none_or(|within| within.contains(hit.row.0));
        for hit in self.scored()?.iter().filter(is_within) {
            if hits.len() == depth.limit {
                break;
            }
            if depth.has_floor && self.query.min_score.is_some_and(|floor| hit.score < floor) {
                is_cut = true;
                break;
            }
            if self.is_free(hit.row, &mut families, depth) {
                hits.push(*hit);
            }
        }
        let num_found = hits.len();
        if depth.is_filled && !is_cut && num_found < depth.limit {
            self.fill(&mut hits, &mut families, depth)?;
        }
        Ok(Ranked { num_filled: hits.len() - num_found, hits, is_cut })
    }

    /// All candidates are scored before the first is known.
    fn is_cheap(&self) -> bool {
        true
    }
}

impl<'a> Blend<'a> {
    /// The question `query` of a session, whose sources count as `weights` say; families of `taken` are kept out.
    pub(super) fn new(
        query: &'a Query,
        session: LiveSession<'a>,
        weights: SourceWeights,
        allowed: &'a Allowed,
        taken: &'a [RowId],
    ) -> Self {
        Self { query, session, weights, allowed, taken, scored: OnceCell::new() }
    }

    /// Whether the row's family may have one hit more.
    fn is_free(&self, row: RowId, families: &mut HashSet<u32>, depth: &Depth<'_>) -> bool {
        let Some(family) = self.view().family(row) else { return false };
        if depth.every_variant { !families.contains(&family) } else { families.insert(family) }
    }

    fn scored(&self) -> Result<&[Hit], RecommendError> {
        if let Some(scored) = self.scored.get() {
            return Ok(scored);
        }
        let scored = self.score()?;
        Ok(self.scored.get_or_init(|| scored))
    }

    fn view(&self) -> &View {
        self.session.view
    }

    fn may_appear(&self, row: u32) -> bool {
        let allowed = self.allowed;
        !allowed.out.contains(row)
            && allowed.rows.as_ref().is_none_or(|rows| rows.contains(row))
            && self.view().has_row(RowId(row))
    }

    /// Every candidate that may appear, best first. A score is the mean of the sources' shares, weighted as they count for the intent.
    fn score(&self) -> Result<Vec<Hit>, RecommendError> {
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
    fn fill(&self, hits: &mut Vec<Hit>, families: &mut HashSet<u32>, depth: &Depth<'_>) -> Result<(), RecommendError> {
        let popular = self.candidates(Source::Popular)?;
        let (highest, most) = (highest(&popular), hits.last().map_or(1.0, |hit| hit.score));
        let present: HashSet<u32> = hits.iter().map(|hit| hit.row.0).collect();
        let is_within = |row: u32| depth.within.is_none_or(|within| within.contains(row));
        for candidate in popular.into_iter().filter(|candidate| !present.contains(&candidate.row.0)) {
            if hits.len() == depth.limit {
                break;
            }
            if is_within(candidate.row.0) && self.is_free(candidate.row, families, depth) {
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
