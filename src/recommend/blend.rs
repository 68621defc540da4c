//! Candidates of all sources as one shelf: scaled, weighted, added; filled with what is popular where that is allowed.
//!
//! The one blend: [`answer_session`] is what the intents that start from a session serve and what `kindred eval` calls `blend`.

use std::collections::{HashMap, HashSet};

use super::candidates::Asked;
use super::error::RecommendError;
use super::query::Hit;
use super::session::SessionQuestion;
use super::settings::RecommendConfig;
use super::shop::Shop;
use super::source::{Source, SourceScores, SourceWeights};
use crate::behavior::BehaviorConfig;
use crate::rank::{RowId, ScoredRow, best_first};

/// Nearest products that the source `similar` gives.
const NUM_SIMILAR: usize = 100;

/// Orders with a product, `n`, from which on the source `bought` says no more of it: it says `ln(1 + n)` as a share of this many orders'. Unlike
/// the other sources' its best product is not 1 whatever it is: what was bought once is worth little beside what was bought ten times, also
/// where it is all that the shopper ever bought.
const ENOUGH_ORDERS: f32 = 10.0;

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

/// What `shop` shows for `question`: the best product of each family.
///
/// Returns an error if an index cannot be searched.
pub fn answer_session(
    shop: &dyn Shop,
    question: &SessionQuestion<'_>,
    config: &RecommendConfig,
    behavior: &BehaviorConfig,
) -> Result<SessionShelf, RecommendError> {
    let bought = if config.heeds_bought(question.intent) { question.bought } else { &[] };
    let question = &SessionQuestion { bought, ..*question };
    let start = question.starts(behavior);
    let cart_orders = start.is_cart.then(|| shop.knowledge().map_or(0.0, |known| known.mean_orders(&start.rows())));
    let mut weights = config.weights(question.intent, cart_orders).unwrap_or_default();
    if bought.is_empty() {
        // The others' share of a score is then the whole: a shopper of whom nothing is known is answered as if there were no such source.
        weights.bought = 0.0;
    }
    let vector = start.vector(|row| shop.vector(row), question.text, behavior);
    let asked = Asked { shop, config: behavior, start: &start, vector: vector.as_deref() };
    let is_fillable = config.popular_fallback && question.min_score.is_none();
    Blend { question, asked, weights, is_fillable }.shelf()
}

struct Blend<'a> {
    question: &'a SessionQuestion<'a>,
    asked: Asked<'a>,
    weights: SourceWeights,
    /// Whether a short list is filled.
    is_fillable: bool,
}

impl Blend<'_> {
    fn shelf(&self) -> Result<SessionShelf, RecommendError> {
        let mut families: HashSet<u32> =
            self.question.taken.iter().filter_map(|&row| self.asked.shop.family(row)).collect();
        let mut hits: Vec<Hit> = Vec::with_capacity(self.question.limit);
        let mut is_cut = false;
        for hit in self.scored()? {
            if hits.len() == self.question.limit {
                break;
            }
            if self.question.min_score.is_some_and(|floor| hit.score < floor) {
                is_cut = true;
                break;
            }
            if self.asked.shop.family(hit.row).is_some_and(|family| families.insert(family)) {
                hits.push(hit);
            }
        }
        let num_found = hits.len();
        if self.is_fillable && num_found < self.question.limit {
            self.fill(&mut hits, &mut families)?;
        }
        let is_filled = hits.len() > num_found;
        Ok(SessionShelf { hits, is_cut, is_filled })
    }

    /// Every candidate that may appear, best first. A score is the mean of the sources' shares, weighted as they count for the intent.
    fn scored(&self) -> Result<Vec<Hit>, RecommendError> {
        let total: f32 = Source::ALL.into_iter().map(|source| self.weights.of(source)).sum();
        let mut scores: HashMap<u32, SourceScores> = HashMap::new();
        for source in Source::ALL.into_iter().filter(|&source| self.weights.of(source) > 0.0) {
            let candidates = self.candidates(source)?;
            let highest = if source == Source::Bought { ENOUGH_ORDERS.ln_1p() } else { highest(&candidates) };
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
        let shop = self.asked.shop;
        if source == Source::Similar {
            let nearest = self.asked.vector.map(|vector| shop.similar(vector, NUM_SIMILAR));
            return Ok(sharpened(nearest.transpose()?.unwrap_or_default(), self.asked.config.semantic.temperature));
        }
        if source == Source::Bought {
            let rows = self.question.bought.iter();
            let rows = rows.map(|&(row, num_orders)| ScoredRow { row, score: (num_orders as f32).ln_1p() });
            return Ok(rows.filter(|scored| shop.may_appear(scored.row)).collect());
        }
        let candidates = self.asked.candidates(source)?.into_iter();
        let rows = candidates.map(|entry| ScoredRow { row: RowId(entry.product), score: entry.score });
        Ok(rows.filter(|scored| shop.may_appear(scored.row)).collect())
    }

    /// Fills the shelf with what is popular. A fill's score is its share of the most popular one's, at most the last hit's.
    fn fill(&self, hits: &mut Vec<Hit>, families: &mut HashSet<u32>) -> Result<(), RecommendError> {
        let popular = self.candidates(Source::Popular)?;
        let (highest, most) = (highest(&popular), hits.last().map_or(1.0, |hit| hit.score));
        let present: HashSet<u32> = hits.iter().map(|hit| hit.row.0).collect();
        for candidate in popular.into_iter().filter(|candidate| !present.contains(&candidate.row.0)) {
            if hits.len() == self.question.limit {
                break;
            }
            if self.asked.shop.family(candidate.row).is_some_and(|family| families.insert(family)) {
                let share = candidate.score / highest;
                let sources = SourceScores::of(Source::Popular, share);
                hits.push(Hit { row: candidate.row, score: most * share, sources });
            }
        }
        Ok(())
    }
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
