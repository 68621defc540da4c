//! From a cart to a shelf of what goes with it.

use std::cell::OnceCell;
use std::collections::{HashMap, HashSet};

use super::basket::Basket;
use super::needs::{Candidate, in_order};
use super::outs::Outs;
use super::settings::CrossSellConfig;
use crate::catalog::{Tie, need, need_of_category};
use crate::live::View;
use crate::rank::{RowId, ScoredRow, best_first};
use crate::recommend::blend::Blend;
use crate::recommend::error::RecommendError;
use crate::recommend::query::Hit;
use crate::recommend::ruled::{Depth, Rank, Ranked};
use crate::recommend::told::Told;

/// Candidates that are looked at, the best by the blend.
const MAX_CANDIDATES: usize = 400;

/// One question for what goes with a cart.
pub(in crate::recommend) struct CrossSell<'a> {
    pub told: Told<'a>,
    pub config: &'a CrossSellConfig,
    /// All sources as one list.
    pub blend: Blend<'a>,
    /// What is in the cart and on the page, the newest last.
    pub starts: &'a [RowId],
    /// Rows whose families are kept out.
    pub taken: &'a [RowId],
    pub basket: Option<Basket>,
    /// Lowest score.
    pub floor: f32,
    /// Every candidate in the order of the list, once asked for.
    pub ordered: OnceCell<Vec<Hit>>,
}

impl Rank for CrossSell<'_> {
    fn rank(&self, depth: &Depth<'_>) -> Result<Ranked, RecommendError> {
        let view = self.told.view;
        let mut families: HashSet<u32> = self.taken.iter().filter_map(|&row| view.family(row)).collect();
        let mut ranked = Ranked { hits: Vec::new(), num_filled: 0, is_cut: false };
        for hit in self.ordered()?.iter().filter(|hit| depth.is_within(hit.row)) {
            if ranked.hits.len() == depth.limit {
                break;
            }
            if depth.has_floor && hit.score < self.floor {
                ranked.is_cut = true;
                break;
            }
            let Some(family) = view.family(hit.row) else { continue };
            if if depth.every_variant { !families.contains(&family) } else { families.insert(family) } {
                ranked.hits.push(*hit);
            }
        }
        Ok(ranked)
    }

    /// All candidates are scored before the first is known.
    fn is_cheap(&self) -> bool {
        true
    }
}

impl CrossSell<'_> {
    fn ordered(&self) -> Result<&[Hit], RecommendError> {
        if let Some(ordered) = self.ordered.get() {
            return Ok(ordered);
        }
        let ordered = in_order(self.candidates()?, self.config);
        Ok(self.ordered.get_or_init(|| ordered))
    }

    /// What may go with the cart, best first.
    fn candidates(&self) -> Result<Vec<Candidate>, RecommendError> {
        let outs = Outs::of(self.told, self.starts, self.config)?;
        let edges = self.told.edges(self.starts)?;
        let required: HashSet<RowId> =
            edges.iter().filter(|edge| edge.tie == Tie::RequiredPart).map(|edge| edge.to).collect();
        let mut needs = Needs { view: self.told.view, of_leaf: HashMap::new(), numbers: HashMap::new() };
        let mut candidates = Vec::new();
        for hit in self.blend.scored()?.iter().filter(|hit| outs.lets_through(hit)).take(MAX_CANDIDATES) {
            let price = self.told.view.price(hit.row);
            let factor = self.basket.map_or(1.0, |basket| basket.factor(price, self.config));
            let hit = Hit { score: (hit.score * factor).min(1.0), ..*hit };
            let need = needs.of(hit.row)?;
            candidates.push(Candidate { hit, need, is_required: required.contains(&hit.row) });
        }
        let scored = |candidate: &Candidate| ScoredRow { row: candidate.hit.row, score: candidate.hit.score };
        candidates.sort_unstable_by(|a, b| best_first(&scored(a), &scored(b)));
        Ok(candidates)
    }
}

/// Kinds of things by number. A category that says what its products are is read once.
struct Needs<'a> {
    view: &'a View,
    of_leaf: HashMap<u32, Option<String>>,
    numbers: HashMap<String, usize>,
}

impl Needs<'_> {
    /// What is of no known kind is a kind of its own.
    fn of(&mut self, row: RowId) -> Result<usize, RecommendError> {
        let comparison = self.view.generation().comparison();
        let of_leaf = self.view.leaf(row).zip(comparison).and_then(|(leaf, comparison)| {
            let name = || comparison.path(leaf).rsplit(crate::catalog::CATEGORY_SEPARATOR).next().unwrap_or_default();
            self.of_leaf.entry(leaf).or_insert_with(|| need_of_category(name())).clone()
        });
        let need = match of_leaf {
            Some(need) => Some(need),
            None => need(&self.view.product(row)?),
        };
        let next = self.numbers.len();
        Ok(*self.numbers.entry(need.unwrap_or_else(|| format!("row {}", row.0))).or_insert(next))
    }
}
