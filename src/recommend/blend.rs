//! Candidates of all sources as one shelf: scaled, weighted, added; filled with what is popular where that is allowed.
//!
//! The one blend: what the intents that start from a session serve, before the shop's rules, is what `kindred eval` calls `blend` and
//! asks of [`answer_session`]. With no rules in force both are the same list.

use std::borrow::Cow;
use std::cell::OnceCell;
use std::collections::{HashMap, HashSet};

use super::candidates::Asked;
use super::error::RecommendError;
use super::placement::Slot;
use super::query::{Hit, Intent};
use super::ruled::{Depth, Rank, Ranked};
use super::search::similarity;
use super::session::{SessionQuestion, Start};
use super::settings::RecommendConfig;
use super::shop::Shop;
use super::source::{Source, SourceScores, SourceWeights};
use super::trace::WouldBe;
use crate::behavior::BehaviorConfig;
use crate::rank::{RowId, ScoredRow, best_first};

/// Nearest products that a source of texts gives …
const NUM_SIMILAR: usize = 100;
/// … for what goes with a cart, of which the nearest are mostly out.
const NUM_SIMILAR_BESIDE: usize = 50;

/// Orders with a product, `n`, from which on the source `bought` says no more of it: it says `ln(1 + n)` as a share of this many orders'. Unlike
/// the other sources' its best product is not 1 whatever it is: what was bought once is worth little beside what was bought ten times, also
/// where it is all that the shopper ever bought.
pub(super) const ENOUGH_ORDERS: f32 = 10.0;

/// The hits of an answer to a [`SessionQuestion`].
#[derive(Debug, Clone, PartialEq)]
pub struct SessionShelf {
    /// Best first, one a family.
    pub hits: Vec<Hit>,
    /// Whether `min_score` cut the list.
    pub is_cut: bool,
    /// Whether the last hits are there because they are popular.
    pub is_filled: bool,
}

/// What `shop` shows for `question` where no rules are in force: the best product of each family.
///
/// Returns an error if an index cannot be searched.
pub fn answer_session(
    shop: &dyn Shop,
    question: &SessionQuestion<'_>,
    config: &RecommendConfig,
    behavior: &BehaviorConfig,
) -> Result<SessionShelf, RecommendError> {
    let blend = Blend::new(shop, question, config, behavior);
    let Ranked { hits, num_filled, is_cut } = blend.rank(&Depth::plain(question.limit, blend.is_fillable))?;
    Ok(SessionShelf { hits, is_cut, is_filled: num_filled > 0 })
}

/// One question that starts from a session.
pub(super) struct Blend<'a> {
    shop: &'a dyn Shop,
    question: SessionQuestion<'a>,
    behavior: &'a BehaviorConfig,
    start: Start,
    /// What the session is about, of length 1.
    vector: Option<Vec<f32>>,
    weights: SourceWeights,
    /// How much texts are believed of what is new: see [`CartMix::novelty`](super::settings::CartMix).
    novelty: f32,
    /// Whether a short list is filled.
    pub(super) is_fillable: bool,
    /// Every candidate that may appear, once asked for.
    scored: OnceCell<Vec<Hit>>,
}

impl Rank for Blend<'_> {
    fn rank(&self, depth: &Depth<'_>) -> Result<Ranked, RecommendError> {
        let taken = self.question.taken.iter();
        let mut families: HashSet<u32> = taken.filter_map(|&row| self.shop.family(row)).collect();
        let mut hits: Vec<Hit> = Vec::new();
        let mut is_cut = false;
        for hit in self.scored()?.iter().filter(|hit| depth.is_within(hit.row)) {
            if hits.len() == depth.limit {
                break;
            }
            if depth.has_floor && self.question.min_score.is_some_and(|floor| hit.score < floor) {
                is_cut = true;
                break;
            }
            if self.is_free(hit.row, &mut families, depth) {
                hits.push(*hit);
            }
        }
        let num_found = hits.len();
        if depth.is_filled && num_found < depth.limit {
            self.fill(&mut hits, &mut families, depth)?;
        }
        Ok(Ranked { num_filled: hits.len() - num_found, hits, is_cut })
    }

    /// All candidates are scored before the first is known.
    fn is_cheap(&self) -> bool {
        true
    }

    fn found(&self) -> Result<Vec<Hit>, RecommendError> {
        self.shop.unfiltered().map_or(Ok(Vec::new()), |shop| self.score(&*shop))
    }

    fn weights(&self) -> Option<SourceWeights> {
        Some(self.weights)
    }

    fn would_be(&self, row: RowId) -> Option<WouldBe> {
        let vector = self.vector.as_deref()?;
        let similarity = similarity(vector, &self.shop.vector(row)?);
        let best = self.shop.similar(vector, 1).ok()?.first()?.score;
        let share = ((similarity - best) / self.behavior.semantic.temperature).exp();
        let total: f32 = Source::ALL.into_iter().map(|source| self.weights.of(source)).sum();
        Some(WouldBe { similarity, score: (total > 0.0).then(|| self.weights.similar * share.min(1.0) / total) })
    }
}

impl<'a> Blend<'a> {
    /// `question` asked of `shop`, whose sources count as `config` says.
    pub(super) fn new(
        shop: &'a dyn Shop,
        question: &'a SessionQuestion<'a>,
        config: &RecommendConfig,
        behavior: &'a BehaviorConfig,
    ) -> Self {
        let bought = if config.heeds_bought(question.intent) { question.bought } else { &[] };
        let question = SessionQuestion { bought, ..*question };
        let start = question.starts(behavior);
        let rows = start.rows();
        let orders = || shop.knowledge().map_or_else(|| vec![0; rows.len()], |known| known.orders_of(&rows));
        let orders = start.is_cart.then(orders);
        let mut weights = config.weights(question.intent, orders.as_deref()).unwrap_or_default();
        let novelty = config.novelty(question.intent, start.is_cart);
        if bought.is_empty() {
            // The others' share of a score is then the whole: a shopper of whom nothing is known is answered as if there were no such source.
            weights.bought = 0.0;
        }
        let vector = start.vector(|row| shop.vector(row), question.text, behavior);
        let is_fillable = config.popular_fallback && question.min_score.is_none();
        Self { shop, question, behavior, start, vector, weights, novelty, is_fillable, scored: OnceCell::new() }
    }

    /// Counts sources as `slot` says.
    pub(super) fn weigh_in(&mut self, slot: Option<&Slot>) {
        self.weights = slot.map_or(self.weights, |slot| slot.weights.times(self.weights));
    }

    /// Whether the row's family may have one hit more.
    fn is_free(&self, row: RowId, families: &mut HashSet<u32>, depth: &Depth<'_>) -> bool {
        let Some(family) = self.shop.family(row) else { return false };
        if depth.every_variant { !families.contains(&family) } else { families.insert(family) }
    }

    /// Every candidate that may appear, best first.
    pub(super) fn scored(&self) -> Result<&[Hit], RecommendError> {
        if let Some(scored) = self.scored.get() {
            return Ok(scored);
        }
        let scored = self.score(self.shop)?;
        Ok(self.scored.get_or_init(|| scored))
    }

    /// Every candidate that may appear in `shop`, best first. A score is the mean of the sources' shares, weighted as they count for the
    /// intent.
    fn score(&self, shop: &dyn Shop) -> Result<Vec<Hit>, RecommendError> {
        let total: f32 = Source::ALL.into_iter().map(|source| self.weights.of(source)).sum();
        let mut scores: HashMap<u32, SourceScores> = HashMap::new();
        for source in Source::ALL.into_iter().filter(|&source| self.weights.of(source) > 0.0) {
            let candidates = self.candidates(shop, source)?;
            let highest = match source {
                Source::Bought => ENOUGH_ORDERS.ln_1p(),
                // They are shares already.
                Source::Relations | Source::Compatibility => 1.0,
                _ => highest(&candidates),
            };
            for candidate in candidates {
                scores.entry(candidate.row.0).or_default().set(source, (candidate.score / highest).clamp(0.0, 1.0));
            }
        }
        let known = self.shop.knowledge().filter(|_| self.novelty > 0.0);
        let lift = |row: u32| known.map_or(1.0, |known| (self.novelty * known.novelty(row)).exp());
        let weighed: Vec<Weighed> =
            scores.into_iter().map(|(row, sources)| self.weighed(RowId(row), sources, lift(row))).collect();
        let highest = |of: fn(&Weighed) -> f32| weighed.iter().map(of).fold(f32::MIN_POSITIVE, f32::max);
        // The best that texts tell stays as high as it is: what is new rises among products, texts do not among sources.
        let scale = highest(|weighed| weighed.texts) / highest(|weighed| weighed.texts * weighed.lift);
        let hit = |weighed: Weighed| {
            let Weighed { row, sources, texts, lift, rest } = weighed;
            Hit { row, score: ((texts * lift * scale + rest) / total).min(1.0), sources }
        };
        let mut hits: Vec<Hit> = weighed.into_iter().map(hit).collect();
        let scored = |hit: &Hit| ScoredRow { row: hit.row, score: hit.score };
        hits.sort_unstable_by(|a, b| best_first(&scored(a), &scored(b)));
        Ok(hits)
    }

    /// What the sources' shares in `sources` come to.
    fn weighed(&self, row: RowId, sources: SourceScores, lift: f32) -> Weighed {
        let sum = |is_wanted: fn(Source) -> bool| -> f32 {
            let wanted = Source::ALL.into_iter().filter(|&source| is_wanted(source));
            wanted.map(|source| self.weights.of(source) * sources.get(source)).sum()
        };
        Weighed { row, sources, texts: sum(Source::is_of_texts), lift, rest: sum(|source| !source.is_of_texts()) }
    }

    /// The candidates of `source` that may appear in `shop`.
    fn candidates(&self, shop: &dyn Shop, source: Source) -> Result<Vec<ScoredRow>, RecommendError> {
        let vector = self.vector.as_deref();
        if source == Source::Similar {
            let nearest = vector.map(|vector| shop.similar(vector, self.num_similar()));
            return Ok(sharpened(nearest.transpose()?.unwrap_or_default(), self.behavior.semantic.temperature));
        }
        if source == Source::Bought {
            let rows = self.question.bought.iter();
            let rows = rows.map(|&(row, num_orders)| ScoredRow { row, score: (num_orders as f32).ln_1p() });
            return Ok(rows.filter(|scored| shop.may_appear(scored.row)).collect());
        }
        match source {
            Source::Complement => return self.complement(shop),
            Source::Lexical => {
                let rows: Vec<RowId> = self.start.steps.iter().map(|(row, _)| *row).collect();
                return Ok(shop.lexical(&rows, self.num_similar()));
            }
            Source::Relations | Source::Compatibility => {
                let starts: Vec<RowId> = self.start.steps.iter().map(|(row, _)| *row).collect();
                let told = shop.told(source, &starts)?.into_iter();
                return Ok(told.filter(|scored| shop.may_appear(scored.row)).collect());
            }
            _ => {}
        }
        let asked = Asked { shop, config: self.behavior, start: &self.start, vector };
        let candidates = asked.candidates(source)?.into_iter();
        let rows = candidates.map(|entry| ScoredRow { row: RowId(entry.product), score: entry.score });
        Ok(rows.filter(|scored| shop.may_appear(scored.row)).collect())
    }

    /// Nearest products that a source of texts gives.
    fn num_similar(&self) -> usize {
        match self.question.intent {
            Intent::CrossSell | Intent::Bundle => NUM_SIMILAR_BESIDE,
            _ => NUM_SIMILAR,
        }
    }

    /// The rows nearest to where, by the map, what goes with the session's products lies, each as much as its category is bought with theirs.
    fn complement(&self, shop: &dyn Shop) -> Result<Vec<ScoredRow>, RecommendError> {
        let Some(known) = shop.knowledge() else { return Ok(Vec::new()) };
        let mapped = |row| Some(Cow::Owned(known.complement?.apply(&shop.vector(row)?)?));
        let Some(vector) = self.start.vector(mapped, None, self.behavior) else { return Ok(Vec::new()) };
        let nearest = shop.similar(&vector, self.num_similar())?;
        let mut nearest = sharpened(nearest, self.behavior.semantic.temperature);
        let shares = known.category_shares(&self.start.rows());
        nearest.iter_mut().for_each(|near| near.score *= known.category_factor(&shares, near.row.0));
        Ok(nearest)
    }

    /// Fills the shelf with what is popular. A fill's score is its share of the most popular one's, at most the last hit's.
    fn fill(&self, hits: &mut Vec<Hit>, families: &mut HashSet<u32>, depth: &Depth<'_>) -> Result<(), RecommendError> {
        let popular = self.candidates(self.shop, Source::Popular)?;
        let (highest, most) = (highest(&popular), hits.last().map_or(1.0, |hit| hit.score));
        let present: HashSet<u32> = hits.iter().map(|hit| hit.row.0).collect();
        for candidate in popular.into_iter().filter(|candidate| !present.contains(&candidate.row.0)) {
            if hits.len() == depth.limit {
                break;
            }
            if depth.is_within(candidate.row) && self.is_free(candidate.row, families, depth) {
                let share = candidate.score / highest;
                let sources = SourceScores::of(Source::Popular, share);
                hits.push(Hit { row: candidate.row, score: most * share, sources });
            }
        }
        Ok(())
    }
}

/// What the sources tell of a row, weighted.
struct Weighed {
    row: RowId,
    sources: SourceScores,
    /// What those tell that know it by its text.
    texts: f32,
    /// How much more that is believed because the product is new; 1 or more.
    lift: f32,
    /// What all others tell.
    rest: f32,
}

/// Cosine similarities as shares that fall by `e` over `temperature`, as those of sessions do: the hundred nearest of a shop lie so close
/// together that as they are they would tell nothing beside another source.
fn sharpened(mut nearest: Vec<ScoredRow>, temperature: f32) -> Vec<ScoredRow> {
    let highest = nearest.iter().map(|near| near.score).fold(f32::MIN, f32::max);
    nearest.iter_mut().for_each(|near| near.score = ((near.score - highest) / temperature).exp());
    nearest
}

fn highest(candidates: &[ScoredRow]) -> f32 {
    candidates.iter().map(|candidate| candidate.score).fold(f32::MIN_POSITIVE, f32::max)
}
