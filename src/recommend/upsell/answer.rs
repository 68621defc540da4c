//! From an anchor to a shelf of better products.

use std::collections::HashSet;

use roaring::RoaringBitmap;

use super::acceptance::Acceptance;
use super::rules::{Anchor, Better, name_of};
use super::settings::UpsellConfig;
use super::shopper;
use crate::behavior::Behavior;
use crate::catalog::Verdict;
use crate::events::EventKind;
use crate::live::View;
use crate::rank::{RowId, ScoredRow, best_first};
use crate::recommend::compare::Importance;
use crate::recommend::error::RecommendError;
use crate::recommend::query::{Hit, Query};
use crate::recommend::ruled::{Depth, Rank, Ranked};
use crate::recommend::search::{Allowed, similarity};
use crate::recommend::source::{Source, SourceScores};
use crate::recommend::trace::{Sieve, WouldBe};

/// Nearest products that are looked at.
const NUM_NEAREST: usize = 200;
/// How far above the shopper's level the best position lies, and how fast others fall off.
const LEVEL_STEP: f32 = 0.08;
const LEVEL_SPREAD: f32 = 0.15;
/// What a product scores whose only better attribute nobody cares about, as a share of one with all that count.
const LEAST_GAIN: f32 = 0.6;
/// Margin that is taken where the shop does not say what it paid, and the lowest that counts.
const USUAL_MARGIN: f32 = 0.3;
const LEAST_MARGIN: f32 = 0.02;

/// One question for something better.
pub(in crate::recommend) struct Upsell<'a> {
    pub view: &'a View,
    pub query: &'a Query,
    pub config: &'a UpsellConfig,
    pub behavior: Option<&'a Behavior>,
    pub anchor: &'a Anchor,
    /// What the session did, oldest first.
    pub steps: &'a [(RowId, EventKind)],
    pub allowed: &'a Allowed,
    /// Rows whose families are kept out: what is in the cart.
    pub taken: &'a [RowId],
}

impl Rank for Upsell<'_> {
    fn rank(&self, depth: &Depth<'_>) -> Result<Ranked, RecommendError> {
        let mut families: HashSet<u32> = self.taken.iter().filter_map(|&row| self.view.family(row)).collect();
        let floor = self.query.min_score.unwrap_or(self.config.min_score);
        let mut ranked = Ranked { hits: Vec::new(), num_filled: 0, is_cut: false };
        let mut names = HashSet::new();
        for hit in self.scored(depth.within)? {
            if ranked.hits.len() == depth.limit {
                break;
            }
            if depth.has_floor && hit.score < floor {
                ranked.is_cut = self.query.min_score.is_some();
                break;
            }
            let Some(family) = self.view.family(hit.row) else { continue };
            let name = self.title_name(hit.row)?;
            let is_new = match depth.every_variant {
                true => !families.contains(&family),
                false => !names.contains(&name) && families.insert(family),
            };
            if is_new {
                names.insert(name);
                ranked.hits.push(hit);
            }
        }
        Ok(ranked)
    }

    /// All candidates are scored before the first is known.
    fn is_cheap(&self) -> bool {
        true
    }

    /// What is not better is no upsell, whoever pins it.
    fn is_strict(&self) -> bool {
        true
    }

    /// The same model in another color is often no variant in the feed.
    fn name(&self, row: RowId) -> Option<String> {
        self.title_name(row).ok()
    }

    fn found(&self) -> Result<Vec<Hit>, RecommendError> {
        let Some(vector) = self.view.vector(self.anchor.row) else { return Ok(Vec::new()) };
        let found = self.view.search(&vector, NUM_NEAREST, None, self.query.exact)?.into_iter();
        let hit = |found: ScoredRow| Hit {
            row: found.row,
            score: found.score.clamp(0.0, 1.0),
            sources: SourceScores::of(Source::Similar, found.score),
        };
        Ok(found.map(hit).collect())
    }

    fn floor(&self) -> Option<f32> {
        Some(self.config.min_score)
    }

    fn refusal(&self, row: RowId) -> Option<Sieve> {
        let better = self.anchor.step_up(self.view, row, self.would_be(row)?.similarity, self.config);
        better.is_none().then_some(Sieve::NotBetter)
    }

    fn would_be(&self, row: RowId) -> Option<WouldBe> {
        let similarity = similarity(&self.view.vector(self.anchor.row)?, &self.view.vector(row)?);
        Some(WouldBe { similarity, score: None })
    }
}

impl Upsell<'_> {
    /// The most products for a shopper as interested as the session shows; `None` where nothing is known of it.
    pub(in crate::recommend) fn most_shown(&self) -> Option<usize> {
        let Query { looked_s, is_comparing, .. } = *self.query;
        shopper::most_shown(self.view, self.anchor.row, self.steps, looked_s, is_comparing, self.config)
    }

    /// Returns an error if the record is damaged.
    fn title_name(&self, row: RowId) -> Result<String, RecommendError> {
        Ok(name_of(&self.view.title(row)?))
    }

    /// Every product of `within` that passes the rules of upsell, best first.
    fn scored(&self, within: Option<&RoaringBitmap>) -> Result<Vec<Hit>, RecommendError> {
        let Some(vector) = self.view.vector(self.anchor.row) else { return Ok(Vec::new()) };
        let rows = self.allowed.rows_in(within);
        let found = self.view.search(&vector, NUM_NEAREST, rows.as_deref(), self.query.exact)?;
        let leaf = self.view.leaf(self.anchor.row);
        let acceptance = self.acceptance(leaf);
        let level = shopper::price_level(self.view, self.steps, self.anchor.position);
        let importance = Importance::new(self.view, self.behavior, leaf);
        let hit = |found: ScoredRow| {
            let better = self.anchor.step_up(self.view, found.row, found.score, self.config)?;
            let gain = gain(&better, &importance);
            let score = found.score
                * gain
                * self.accepted(&acceptance, found.row)?
                * fits_level(better.position, self.anchor.position, level);
            let score = (score * self.margin(found.row)).clamp(0.0, 1.0);
            Some(Hit { row: found.row, score, sources: SourceScores::of(Source::Similar, found.score) })
        };
        let mut hits: Vec<Hit> =
            found.into_iter().filter(|found| !self.allowed.out.contains(found.row.0)).filter_map(hit).collect();
        let scored = |hit: &Hit| ScoredRow { row: hit.row, score: hit.score };
        hits.sort_unstable_by(|a, b| best_first(&scored(a), &scored(b)));
        Ok(hits)
    }

    fn acceptance(&self, leaf: Option<u32>) -> Acceptance {
        let Some(behavior) = self.behavior else { return Acceptance::new(&[], &[]) };
        // Behavior numbers the categories of its products by itself.
        let member = leaf.and_then(|leaf| self.view.generation().comparison()?.row_of(leaf));
        let category = member.and_then(|row| behavior.category_of().get(row.index()).copied());
        let own = category.map_or(&[][..], |category| behavior.price_steps(Some(category)));
        Acceptance::new(own, behavior.price_steps(None))
    }

    fn accepted(&self, acceptance: &Acceptance, row: RowId) -> Option<f32> {
        let (from, to) = (self.view.price(self.anchor.row)?, self.view.price(row)?);
        Some(acceptance.of(to.minor as f64 / from.minor as f64))
    }

    /// The margin's share of the price to the power of the setting, never below one half.
    fn margin(&self, row: RowId) -> f32 {
        let share = || {
            let (price, cost) = (self.view.price(row)?, self.view.cost(row)?);
            Some((price.minor - cost) as f32 / price.minor as f32)
        };
        share().unwrap_or(USUAL_MARGIN).clamp(LEAST_MARGIN, 1.0).powf(self.config.margin_weight).max(0.5)
    }
}

/// More of what shoppers of the category care about is a better fit: 0.6 to 1.
fn gain(better: &Better, importance: &Importance<'_>) -> f32 {
    let better = better.differences.iter().filter(|difference| difference.verdict == Verdict::Better);
    let sum: f32 = better.map(|difference| importance.of(difference.kind)).sum();
    LEAST_GAIN + (1.0 - LEAST_GAIN) * (1.0 - (-2.0 * sum).exp())
}

/// How well a product at a `position` of its category's prices fits: best a step above the shopper's own `level`, but not below half of the way
/// from there to the `anchor`'s, which is looked at all the same.
fn fits_level(position: f32, anchor: f32, level: f32) -> f32 {
    let distance = position - level.max((anchor + level) / 2.0) - LEVEL_STEP;
    (-distance * distance / (2.0 * LEVEL_SPREAD * LEVEL_SPREAD)).exp()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_step_above_the_shoppers_own_level_fits_best() {
        let fit = |position, level| fits_level(position, 0.4, level);
        // A step above the anchor where the session says nothing else.
        assert_eq!(fit(0.48, 0.4), 1.0);
        assert!(fit(0.48, 0.4) > fit(0.60, 0.4) && fit(0.48, 0.4) > fit(0.41, 0.4));
        // Dear sessions are shown dearer products, cheap ones those near to the anchor.
        assert!(fit(0.68, 0.6) > fit(0.48, 0.6) && fit(0.48, 0.1) > fit(0.60, 0.1) && fit(0.41, 0.1) > fit(0.48, 0.1));
        assert!((fit(0.33, 0.1) - 1.0).abs() < 1e-5, "half of the way");
    }
}
