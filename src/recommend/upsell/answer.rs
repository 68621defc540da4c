//! From an anchor to a shelf of better products.

use std::collections::HashSet;

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
use crate::recommend::search::Allowed;
use crate::recommend::source::{Source, SourceScores};

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
    pub allowed: Allowed,
    /// Rows whose families are kept out: what is in the cart.
    pub taken: &'a [RowId],
}

/// The hits of an answer.
pub(in crate::recommend) struct UpsellShelf {
    /// Best first, one a family.
    pub hits: Vec<Hit>,
    /// Whether `min_score` cut the list.
    pub is_cut: bool,
    /// Whether the shopper's interest cut it.
    pub is_held_back: bool,
}

impl Upsell<'_> {
    /// The best product of each family.
    ///
    /// Returns an error if the index cannot be searched.
    pub(in crate::recommend) fn shelf(&self) -> Result<UpsellShelf, RecommendError> {
        let interest = shopper::most_shown(
            self.view,
            self.anchor.row,
            self.steps,
            self.query.looked_s,
            self.query.is_comparing,
            self.config,
        );
        let most = interest.map_or(self.query.limit, |most| most.min(self.query.limit));
        let mut families: HashSet<u32> = self.taken.iter().filter_map(|&row| self.view.family(row)).collect();
        let mut shelf = UpsellShelf { hits: Vec::new(), is_cut: false, is_held_back: false };
        let mut names = HashSet::new();
        for hit in self.scored()? {
            if hit.score < self.query.min_score.unwrap_or(self.config.min_score) {
                shelf.is_cut = self.query.min_score.is_some();
                break;
            }
            let name = name_of(&self.view.product(hit.row)?.title);
            // The same model in another color is often no variant in the feed.
            let is_known = names.contains(&name);
            let is_new = !is_known && self.view.family(hit.row).is_some_and(|family| families.insert(family));
            if is_new && shelf.hits.len() == most {
                shelf.is_held_back = most < self.query.limit;
                break;
            }
            if is_new {
                names.insert(name);
                shelf.hits.push(hit);
            }
        }
        Ok(shelf)
    }

    /// Every product that passes the rules, best first.
    fn scored(&self) -> Result<Vec<Hit>, RecommendError> {
        let Some(vector) = self.view.vector(self.anchor.row) else { return Ok(Vec::new()) };
        let found = self.view.search(&vector, NUM_NEAREST, self.allowed.rows.as_ref(), self.query.exact)?;
        let leaf = self.view.leaf(self.anchor.row);
        let acceptance = self.acceptance(leaf);
        let level = shopper::price_level(self.view, self.steps, self.anchor.position);
        let importance = Importance::new(self.view, self.behavior, leaf);
        let hit = |found: ScoredRow| {
            let better = self.anchor.step_up(self.view, found.row, found.score, self.config)?;
            let gain = gain(&better, &importance);
            let score =
                found.score * gain * self.accepted(&acceptance, found.row)? * fits_level(&better, self.anchor, level);
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

/// A step above the higher of the anchor and the shopper's own level fits best.
fn fits_level(better: &Better, anchor: &Anchor, level: f32) -> f32 {
    let distance = better.position - anchor.position.max(level) - LEVEL_STEP;
    (-distance * distance / (2.0 * LEVEL_SPREAD * LEVEL_SPREAD)).exp()
}
