//! From a cart to a shelf of what goes with it.

use std::borrow::Cow;
use std::cell::OnceCell;
use std::collections::{HashMap, HashSet};

use super::basket::Basket;
use super::needs::{Candidate, in_order};
use super::outs::Outs;
use super::settings::CrossSellConfig;
use crate::behavior::{BehaviorConfig, Knowledge};
use crate::catalog::{CATEGORY_SEPARATOR, Pairs, Tie, need_of_path};
use crate::events::EventKind;
use crate::live::View;
use crate::rank::{RowId, ScoredRow, best_first};
use crate::recommend::blend::Blend;
use crate::recommend::error::RecommendError;
use crate::recommend::query::{Hit, Intent, Query};
use crate::recommend::ruled::{Depth, Rank, Ranked, is_of_families};
use crate::recommend::search::Allowed;
use crate::recommend::session::SessionQuestion;
use crate::recommend::settings::RecommendConfig;
use crate::recommend::shop::LiveShop;
use crate::recommend::source::{SourceScores, SourceWeights};
use crate::recommend::told::Told;
use crate::recommend::trace::{Sieve, WouldBe};

/// Candidates that are looked at, the best by the blend.
const MAX_CANDIDATES: usize = 250;

/// One question for what goes with a cart.
pub(in crate::recommend) struct CrossSell<'a> {
    pub told: Told<'a>,
    pub config: &'a CrossSellConfig,
    /// What is no add-on.
    pub outs: &'a Outs<'a>,
    /// All sources as one list.
    pub blend: Blend<'a>,
    /// What is in the cart and on the page, the newest last.
    pub starts: &'a [RowId],
    /// Rows that never stand beside those.
    pub vetoed: &'a [RowId],
    /// Rows whose families are kept out: both.
    pub taken: &'a [RowId],
    pub basket: Option<Basket>,
    /// Lowest score, where the request says.
    pub min_score: Option<f32>,
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
            if depth.has_floor && hit.score < self.lowest() {
                ranked.is_cut = self.min_score.is_some();
                break;
            }
            let Some(family) = view.family(hit.row) else { continue };
            let is_free = if depth.every_variant { !families.contains(&family) } else { families.insert(family) };
            if is_free {
                ranked.hits.push(*hit);
            }
        }
        Ok(ranked)
    }

    /// All candidates are scored before the first is known.
    fn is_cheap(&self) -> bool {
        true
    }

    fn found(&self) -> Result<Vec<Hit>, RecommendError> {
        self.blend.found()
    }

    fn weights(&self) -> Option<SourceWeights> {
        self.blend.weights()
    }

    fn floor(&self) -> Option<f32> {
        Some(self.config.min_score)
    }

    fn vetoes(&self, row: RowId) -> bool {
        is_of_families(self.told.view, row, self.vetoed)
    }

    fn refusal(&self, row: RowId) -> Option<Sieve> {
        let hit = self.blend.scored().ok()?.iter().find(|hit| hit.row == row).copied();
        self.outs.refusal(&hit.unwrap_or(Hit { row, score: 0.0, sources: SourceScores::default() }))
    }

    fn would_be(&self, row: RowId) -> Option<WouldBe> {
        let WouldBe { similarity, score } = self.blend.would_be(row)?;
        Some(WouldBe { similarity, score: score.map(|score| self.priced(row, score)) })
    }
}

impl CrossSell<'_> {
    /// Every candidate in the order of the list.
    ///
    /// Returns an error if a record or an index cannot be read.
    pub(in crate::recommend) fn ordered(&self) -> Result<&[Hit], RecommendError> {
        if let Some(ordered) = self.ordered.get() {
            return Ok(ordered);
        }
        let ordered = in_order(self.candidates()?, self.lowest(), self.config);
        Ok(self.ordered.get_or_init(|| ordered))
    }

    /// The lowest score that is shown.
    fn lowest(&self) -> f32 {
        self.min_score.unwrap_or(self.config.min_score)
    }

    /// `score` times what the product's price is worth beside the cart.
    fn priced(&self, row: RowId, score: f32) -> f32 {
        let factor = self.basket.map_or(1.0, |basket| basket.factor(self.told.view.price(row), self.config));
        (score * factor).min(1.0)
    }

    /// What may go with the cart, best first.
    fn candidates(&self) -> Result<Vec<Candidate>, RecommendError> {
        let edges = self.told.edges(self.starts)?;
        let required: HashSet<RowId> =
            edges.iter().filter(|edge| edge.tie == Tie::RequiredPart).map(|edge| edge.to).collect();
        let mut needs = Needs { view: self.told.view, of_leaf: HashMap::new(), numbers: HashMap::new() };
        let mut candidates = Vec::new();
        for hit in self.blend.scored()?.iter().filter(|hit| self.outs.refusal(hit).is_none()).take(MAX_CANDIDATES) {
            let hit = Hit { score: self.priced(hit.row, hit.score), ..*hit };
            let need = needs.of(hit.row)?;
            candidates.push(Candidate { hit, need, is_required: required.contains(&hit.row) });
        }
        let scored = |candidate: &Candidate| ScoredRow { row: candidate.hit.row, score: candidate.hit.score };
        candidates.sort_unstable_by(|a, b| best_first(&scored(a), &scored(b)));
        Ok(candidates)
    }
}

/// What goes with a cart of `starts`, the newest last, in a shop without rules: `knowledge` was learned of the rows of `view`. At most `limit`
/// hits, best first, one a family. What a measurement asks, by the code that answers the intent.
///
/// Returns an error if a record or an index cannot be read.
pub fn goes_with_cart(
    view: &View,
    knowledge: Option<Knowledge<'_>>,
    pairs: &Pairs,
    starts: &[RowId],
    limit: usize,
    (config, behavior): (&RecommendConfig, &BehaviorConfig),
) -> Result<Vec<Hit>, RecommendError> {
    let told = Told { view, pairs };
    let vetoed = told.vetoed(starts)?;
    let taken = [starts, &vetoed].concat();
    let allowed = Allowed { out: taken.iter().map(|row| row.0).collect(), ..Allowed::everything() };
    let outs = Outs::of(told, starts, &config.cross_sell)?;
    let (allowed, unlike) = (&allowed, Some(&outs.same));
    let shop = LiveShop { view, behavior: None, measured: knowledge, pairs, allowed, unlike, exact: true };
    let steps: Vec<_> = starts.iter().map(|&row| (row, EventKind::AddToCart)).collect();
    let question = SessionQuestion {
        intent: Intent::CrossSell,
        steps: &steps,
        text: None,
        taken: &taken,
        bought: &[],
        limit,
        min_score: None,
    };
    let cross_sell = CrossSell {
        told,
        config: &config.cross_sell,
        outs: &outs,
        blend: Blend::new(&shop, &question, config, behavior),
        starts,
        vetoed: &vetoed,
        taken: &taken,
        basket: Basket::of(view, &Query::default(), starts, starts),
        min_score: None,
        ordered: OnceCell::new(),
    };
    Ok(cross_sell.rank(&Depth::plain(limit, false))?.hits)
}

/// The kind of thing that a product is by the name of its main category; `None` where that says nothing.
pub(in crate::recommend) fn kind_by_category(view: &View, row: RowId) -> Option<String> {
    let path = view.generation().comparison()?.path(view.leaf(row)?);
    need_of_path(path.split(CATEGORY_SEPARATOR).collect::<Vec<_>>().into_iter())
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
        let by_category = |leaf| self.of_leaf.entry(leaf).or_insert_with(|| kind_by_category(self.view, row)).clone();
        let of_leaf = self.view.leaf(row).and_then(by_category);
        let need = match of_leaf {
            Some(need) => Some(need),
            None => self.view.need(row)?.map(Cow::into_owned),
        };
        let next = self.numbers.len();
        Ok(*self.numbers.entry(need.unwrap_or_else(|| format!("row {}", row.0))).or_insert(next))
    }
}
