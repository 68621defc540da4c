//! What a ranker is asked, the scores that it gives, and the list that follows from them.

use crate::events::EventKind;
use crate::rank::{self, RowId, ScoredRow};

/// What is known when a list is asked for. Products are numbers of [`History::products`](crate::events::History::products), which a
/// [`Task`](super::Task) keeps in the order of their ids.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Question<'a> {
    /// What the session or basket holds so far, oldest first. In a basket the order means nothing.
    pub products: &'a [u32],
    /// What was done so far, oldest first, for those that heed it; where it is empty the products are in the cart.
    pub steps: &'a [(u32, EventKind)],
    /// What the shopper bought in earlier orders, products with the number of orders, the most first; empty where nobody is known.
    pub bought: &'a [(u32, u32)],
    /// The time of asking, in seconds since 1970.
    pub now_s: u32,
}

impl Question<'_> {
    /// What was done so far, products with what was done with them.
    pub fn steps(&self) -> Vec<(u32, EventKind)> {
        let in_cart = || self.products.iter().map(|&product| (product, EventKind::AddToCart)).collect();
        if self.steps.is_empty() { in_cart() } else { self.steps.to_vec() }
    }
}

/// A score for some of the products; higher is better. A product that was given none is in no list.
#[derive(Debug, Clone)]
pub struct Scores {
    values: Vec<f32>,
    scored: Vec<u32>,
}

/// Marks a product without a score.
const NO_SCORE: f32 = f32::NEG_INFINITY;

impl Scores {
    /// No scores yet, for products `0..num_products`.
    pub fn new(num_products: usize) -> Self {
        Self { values: vec![NO_SCORE; num_products], scored: Vec::new() }
    }

    /// How many products there are, scored or not.
    pub fn num_products(&self) -> usize {
        self.values.len()
    }

    /// Adds `score` to what `product` has. A number past the last product, or one that is not finite, is ignored.
    pub fn add(&mut self, product: u32, score: f32) {
        let Some(value) = self.values.get_mut(product as usize).filter(|_| score.is_finite()) else { return };
        if *value == NO_SCORE {
            *value = score;
            self.scored.push(product);
        } else {
            *value += score;
        }
    }

    /// Takes every score away.
    pub fn clear(&mut self) {
        for product in self.scored.drain(..) {
            self.values[product as usize] = NO_SCORE;
        }
    }

    /// The products that have a score, with it, in the order in which they got their first.
    pub fn iter(&self) -> impl Iterator<Item = (u32, f32)> {
        self.scored.iter().map(|&product| (product, self.values[product as usize]))
    }

    /// The highest score; `None` without any.
    pub fn max(&self) -> Option<f32> {
        self.iter().map(|(_, score)| score).max_by(f32::total_cmp)
    }

    /// The `k` best products without those in `left_out`, best first; of equal scores the lower id comes first.
    pub fn best(&self, k: usize, left_out: &[u32]) -> Vec<u32> {
        let kept = self.iter().filter(|(product, _)| !left_out.contains(product));
        let mut rows: Vec<ScoredRow> = kept.map(|(product, score)| ScoredRow { row: RowId(product), score }).collect();
        rank::keep_best(&mut rows, k);
        rows.iter().map(|scored| scored.row.0).collect()
    }
}

/// Scores products for a question. Built from the training side alone.
pub trait Ranker: Sync {
    /// What it is called in tables.
    fn name(&self) -> &str;

    /// Adds its scores to `scores`, which are empty when it is called. What it leaves without a score is not recommended.
    fn score(&self, question: &Question<'_>, scores: &mut Scores);
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    proptest! {
        #[test]
        fn best_is_the_head_of_a_full_sort_of_the_sums(adds in prop::collection::vec((0u32..20, -3i8..4), 0..60), k in 0usize..25, out in 0u32..20) {
            let mut scores = Scores::new(20);
            adds.iter().for_each(|(product, score)| scores.add(*product, f32::from(*score)));
            let mut sums: Vec<(u32, f32)> = (0..20)
                .filter(|product| *product != out && adds.iter().any(|(of, _)| of == product))
                .map(|product| (product, adds.iter().filter(|(of, _)| *of == product).map(|(_, score)| f32::from(*score)).sum()))
                .collect();
            sums.sort_by(|a, b| b.1.total_cmp(&a.1).then(a.0.cmp(&b.0)));
            let expected: Vec<u32> = sums.iter().take(k).map(|(product, _)| *product).collect();
            prop_assert_eq!(scores.best(k, &[out]), expected);
        }
    }

    #[test]
    fn what_cannot_be_a_score_is_ignored_and_clearing_forgets_all() {
        let mut scores = Scores::new(3);
        [(0, f32::NAN), (1, f32::INFINITY), (7, 1.0), (2, -1.0)].iter().for_each(|(at, score)| scores.add(*at, *score));
        assert_eq!((scores.best(5, &[]), scores.max()), (vec![2], Some(-1.0)));
        scores.clear();
        assert_eq!((scores.best(5, &[]), scores.max()), (vec![], None));
    }
}
