//! From what a set starts from to what completes it.

use std::cell::OnceCell;
use std::collections::HashSet;

use super::goal::{Goal, kind};
use crate::index::NEED_FIELD;
use crate::rank::{RowId, ScoredRow, best_first};
use crate::recommend::cross_sell::CrossSell;
use crate::recommend::error::RecommendError;
use crate::recommend::query::Hit;
use crate::recommend::ruled::{Depth, Rank, Ranked};
use crate::recommend::search::Allowed;
use crate::recommend::source::{Source, SourceScores, SourceWeights};
use crate::recommend::trace::{Sieve, WouldBe};

/// Keeps scores falling where the order is not that of the scores.
const JUST_BELOW: f32 = 0.99999;
/// Most products of a kind that nothing but their texts speak for.
const MAX_NEAREST: usize = 50;
/// Sources that say two products go together; likeness, common words and what was merely looked at do not.
const TELLING: [Source; 3] = [Source::Relations, Source::Compatibility, Source::Copurchase];
/// Share of its best from which on the map of complements says so too. Of everything in a shop it names something as nearest.
const LEAST_COMPLEMENT: f32 = 0.5;

/// One question for what completes a set.
pub(in crate::recommend) struct Bundle<'a> {
    pub cross_sell: &'a CrossSell<'a>,
    pub goal: &'a Goal,
    pub allowed: &'a Allowed,
    /// Candidates with their kinds in the order of the list, once asked for.
    pub listed: OnceCell<Vec<(Hit, String)>>,
}

impl Rank for Bundle<'_> {
    fn rank(&self, depth: &Depth<'_>) -> Result<Ranked, RecommendError> {
        let view = self.cross_sell.told.view;
        let taken = self.cross_sell.taken.iter();
        let mut families: HashSet<u32> = taken.filter_map(|&row| view.family(row)).collect();
        let mut kinds = HashSet::new();
        let mut ranked = Ranked { hits: Vec::new(), num_filled: 0, is_cut: false };
        for (hit, kind) in self.listed()?.iter().filter(|(hit, _)| depth.is_within(hit.row)) {
            if ranked.hits.len() == depth.limit {
                break;
            }
            if depth.has_floor && self.cross_sell.min_score.is_some_and(|floor| hit.score < floor) {
                ranked.is_cut = true;
                break;
            }
            let Some(family) = view.family(hit.row).filter(|family| !families.contains(family)) else { continue };
            if depth.every_variant || kinds.insert(kind.clone()) {
                ranked.hits.push(*hit);
                if !depth.every_variant {
                    families.insert(family);
                }
            }
        }
        Ok(ranked)
    }

    fn is_cheap(&self) -> bool {
        true
    }

    /// A rule cannot put into a set what is no part of it.
    fn is_strict(&self) -> bool {
        true
    }

    /// A set has one of a kind.
    fn name(&self, row: RowId) -> Option<String> {
        kind(self.cross_sell.told.view, row).ok()
    }

    fn found(&self) -> Result<Vec<Hit>, RecommendError> {
        let mut found = self.cross_sell.found()?;
        let known: HashSet<RowId> = found.iter().map(|hit| hit.row).collect();
        found.extend(self.listed()?.iter().map(|(hit, _)| *hit).filter(|hit| !known.contains(&hit.row)));
        Ok(found)
    }

    fn weights(&self) -> Option<SourceWeights> {
        self.cross_sell.weights()
    }

    fn vetoes(&self, row: RowId) -> bool {
        self.cross_sell.vetoes(row)
    }

    fn refusal(&self, row: RowId) -> Option<Sieve> {
        if self.listed().ok()?.iter().any(|(hit, _)| hit.row == row) {
            return None;
        }
        let of_own_kind = || {
            let kind = kind(self.cross_sell.told.view, row).ok()?;
            self.goal.own.contains(&kind).then_some(Sieve::SameKind)
        };
        let is_known = || self.cross_sell.ordered().is_ok_and(|hits| hits.iter().any(|hit| hit.row == row));
        self.cross_sell.refusal(row).or_else(of_own_kind).or_else(|| is_known().then_some(Sieve::NotTold))
    }

    fn would_be(&self, row: RowId) -> Option<WouldBe> {
        self.cross_sell.would_be(row)
    }
}

/// Whether a source says that the product goes with what the set starts from.
fn is_told(hit: &Hit) -> bool {
    let says = |source| hit.sources.get(source);
    TELLING.iter().any(|&source| says(source) > 0.0) || says(Source::Complement) >= LEAST_COMPLEMENT
}

impl Bundle<'_> {
    /// Every product that may complete the set, with its kind: what somebody named first, each kind's products in their order; then what else
    /// feed and orders tell.
    fn listed(&self) -> Result<&[(Hit, String)], RecommendError> {
        if let Some(listed) = self.listed.get() {
            return Ok(listed);
        }
        let mut known = Vec::new();
        for hit in self.cross_sell.ordered()? {
            let kind = kind(self.cross_sell.told.view, hit.row)?;
            if !self.goal.own.contains(&kind) {
                known.push((*hit, kind));
            }
        }
        let (mut listed, mut others): (Vec<_>, Vec<_>) =
            known.into_iter().partition(|(_, kind)| self.goal.is_named(kind));
        listed.extend(self.best_of_missing(&listed)?);
        // Fewer rather than poor, but for what somebody named.
        let floor = self.cross_sell.config.min_score;
        others.retain(|(hit, _)| hit.score >= floor && is_told(hit));
        listed.append(&mut others);
        let mut last = f32::INFINITY;
        for (hit, _) in &mut listed {
            hit.score = hit.score.min(last * JUST_BELOW);
            last = hit.score;
        }
        Ok(self.listed.get_or_init(|| listed))
    }

    /// The best products of the named kinds that `listed` has none of: those that any source knows, then the nearest by their texts.
    fn best_of_missing(&self, listed: &[(Hit, String)]) -> Result<Vec<(Hit, String)>, RecommendError> {
        let CrossSell { told, starts, outs, .. } = self.cross_sell;
        let missing = self.goal.named.iter().flatten().filter(|(_, word)| !listed.iter().any(|(_, kind)| kind == word));
        let missing: Vec<&String> = missing.map(|(_, word)| word).collect();
        if missing.is_empty() {
            return Ok(Vec::new());
        }
        let start = starts.last().and_then(|&row| told.view.vector(row)).unwrap_or_default();
        let likeness = |row: RowId| {
            let of_row = told.view.vector(row).unwrap_or_default();
            start.iter().zip(&of_row).map(|(a, b)| a * b).sum::<f32>().clamp(0.0, 1.0)
        };
        let mut nearest = Vec::new();
        for word in missing {
            let rows = told.view.rows_with(NEED_FIELD, word)?.into_iter().map(RowId);
            let rows = rows.filter(|&row| self.allowed.has(told.view, row));
            let mut rows: Vec<ScoredRow> = rows.map(|row| ScoredRow { row, score: likeness(row) }).collect();
            rows.sort_unstable_by(best_first);
            // Of a model with hundreds of cases a charger is beyond the candidates that are looked at.
            let is_of_kind = |hit: &&Hit| rows.iter().any(|near| near.row == hit.row);
            let known = self.cross_sell.blend.scored()?.iter().filter(|hit| is_told(hit)).filter(is_of_kind).copied();
            let known: Vec<Hit> = known.collect();
            let hit = |near: &ScoredRow| {
                // Below whatever cross-sell knows something of.
                let score = near.score * self.cross_sell.config.similar.min(1.0);
                Hit { row: near.row, score, sources: SourceScores::of(Source::Similar, near.score) }
            };
            let others = rows.iter().filter(|near| known.iter().all(|hit| hit.row != near.row)).map(hit);
            let hits = known.iter().copied().chain(others);
            let hits = hits.filter(|hit| outs.refusal(hit).is_none()).take(MAX_NEAREST);
            nearest.extend(hits.map(|hit| (hit, word.clone())));
        }
        Ok(nearest)
    }
}
