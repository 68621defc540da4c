//! The methods that stand beside every other: popularity, counts of pairs, the cosine of texts.

use std::collections::HashMap;

use super::question::{Question, Ranker, Scores};
use super::slices::{evidence, is_interest};
use super::texts::{ProductTexts, dot};
use crate::events::{History, Session};

/// Products by how many sessions of the training side hold them; the same list for every question.
pub struct Popularity {
    counts: Vec<u32>,
}

impl Popularity {
    /// Counts the sessions of `history`.
    pub fn learn(history: &History) -> Self {
        Self { counts: evidence(history) }
    }
}

impl Ranker for Popularity {
    fn name(&self) -> &str {
        "popularity"
    }

    fn score(&self, _: &Question<'_>, scores: &mut Scores) {
        let known = self.counts.iter().enumerate().filter(|(_, count)| **count > 0);
        known.for_each(|(product, count)| scores.add(product as u32, *count as f32));
    }
}

/// Which products of the question count pairs.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum PairsOf {
    /// All, each as much: baskets.
    Every,
    /// The last one: association rules over sessions (AR).
    Last,
}

/// How many sessions of the training side hold both products, summed over the question's products.
pub struct CoCount {
    of: PairsOf,
    pairs: Vec<Vec<(u32, u32)>>,
}

/// A session with more products than this is left out of the pairs: its pairs say little and are many.
const MAX_PRODUCTS: usize = 200;

impl CoCount {
    /// Counts the pairs of `history`.
    pub fn learn(history: &History, of: PairsOf) -> Self {
        let mut counts: Vec<HashMap<u32, u32>> = vec![HashMap::new(); history.products().len()];
        for session in history.sessions() {
            let products = products_of(&session);
            if products.len() > MAX_PRODUCTS {
                continue;
            }
            for &a in &products {
                products.iter().filter(|b| **b != a).for_each(|b| *counts[a as usize].entry(*b).or_default() += 1);
            }
        }
        let sorted = |counts: HashMap<u32, u32>| {
            let mut pairs: Vec<(u32, u32)> = counts.into_iter().collect();
            pairs.sort_unstable();
            pairs
        };
        Self { of, pairs: counts.into_iter().map(sorted).collect() }
    }
}

/// The products that the shopper wanted in this session, each once, by number.
fn products_of(session: &Session<'_>) -> Vec<u32> {
    let wanted = session.interactions.iter().filter(|interaction| is_interest(interaction.kind));
    let mut products: Vec<u32> = wanted.map(|interaction| interaction.product).collect();
    products.sort_unstable();
    products.dedup();
    products
}

impl Ranker for CoCount {
    fn name(&self) -> &str {
        "co-count"
    }

    fn score(&self, question: &Question<'_>, scores: &mut Scores) {
        let asked = match self.of {
            PairsOf::Every => question.products,
            PairsOf::Last => &question.products[question.products.len().saturating_sub(1)..],
        };
        let pairs = asked.iter().filter_map(|product| self.pairs.get(*product as usize)).flatten();
        pairs.for_each(|(product, count)| scores.add(*product, *count as f32));
    }
}

/// Difference in cosine over which a score falls by `e`: it changes no order, only how a blend sees the list.
const TEMPERATURE: f32 = 0.1;

/// The mean cosine `c` of a text's vector to those of the question's products, as `exp((c - 1) / temperature)`: the model as it is, nothing
/// learned.
pub struct Cosine<'a> {
    texts: &'a ProductTexts,
}

impl<'a> Cosine<'a> {
    /// Ranks by the vectors of `texts`.
    pub fn new(texts: &'a ProductTexts) -> Self {
        Self { texts }
    }
}

impl Ranker for Cosine<'_> {
    fn name(&self) -> &str {
        "cosine"
    }

    fn score(&self, question: &Question<'_>, scores: &mut Scores) {
        let mut sum = vec![0.0; self.texts.dim()];
        for product in question.products {
            sum.iter_mut().zip(self.texts.vector(*product)).for_each(|(sum, value)| *sum += value);
        }
        for (product, vector) in self.texts.vectors().chunks_exact(self.texts.dim().max(1)).enumerate() {
            let mean = dot(&sum, vector) / question.products.len() as f32;
            scores.add(product as u32, ((mean - 1.0) / TEMPERATURE).exp());
        }
    }
}

/// Another method's list without what could be bought in the place of what the question holds: the same question that a cross-sell is asked.
pub struct NoSubstitutes<'a> {
    name: &'static str,
    of: &'a dyn Ranker,
    texts: &'a ProductTexts,
}

impl<'a> NoSubstitutes<'a> {
    /// The method `of`, called `name`, without the substitutes that `texts` tell.
    pub fn new(name: &'static str, of: &'a dyn Ranker, texts: &'a ProductTexts) -> Self {
        Self { name, of, texts }
    }
}

impl Ranker for NoSubstitutes<'_> {
    fn name(&self) -> &str {
        self.name
    }

    fn score(&self, question: &Question<'_>, scores: &mut Scores) {
        let mut all = Scores::new(scores.num_products());
        self.of.score(question, &mut all);
        let is_other = |product: u32| !question.products.iter().any(|&held| self.texts.are_substitutes(held, product));
        all.iter().filter(|(product, _)| is_other(*product)).for_each(|(product, score)| scores.add(product, score));
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::eval::fixture;

    fn best(ranker: &dyn Ranker, products: &[u32], num_products: usize) -> Vec<u32> {
        let mut scores = Scores::new(num_products);
        ranker.score(&Question { products, steps: &[], bought: &[], now_s: 0 }, &mut scores);
        scores.best(10, products)
    }

    #[test]
    fn popularity_counts_sessions_and_pairs_are_counted_once_a_session() {
        let history = fixture::views(&[&["a", "b", "a"], &["a", "b", "c"], &["b", "d"], &["d"], &["d"]]);
        assert_eq!(best(&Popularity::learn(&history), &[], 4), [1, 3, 0, 2]);
        let pairs = CoCount::learn(&history, PairsOf::Every);
        // a-b twice, a-c, b-c and b-d once.
        assert_eq!(best(&pairs, &[0], 4), [1, 2]);
        assert_eq!(best(&pairs, &[1], 4), [0, 2, 3]);
        assert_eq!(best(&pairs, &[2, 3], 4), [1, 0]);
        assert_eq!(best(&CoCount::learn(&history, PairsOf::Last), &[2, 3], 4), [1]);
    }

    #[test]
    fn without_substitutes_the_rest_keeps_its_order() {
        let vectors: [(&str, Option<&str>, &[f32]); 4] = [
            ("", Some("mugs"), &[1.0, 0.0]),
            ("", Some("bags"), &[0.8, 0.6]),
            ("", Some("mugs"), &[0.7, 0.7]),
            ("", None, &[0.99, 0.1]),
        ];
        let texts = ProductTexts::made_up(2, &vectors);
        let cosine = Cosine::new(&texts);
        assert_eq!(best(&cosine, &[0], 4), [3, 1, 2]);
        assert_eq!(best(&NoSubstitutes::new("others", &cosine, &texts), &[0], 4), [1]);
    }

    #[test]
    fn cosine_ranks_by_the_sum_over_the_question() {
        let vectors: [&[f32]; 4] = [&[1.0, 0.0], &[0.8, 0.6], &[0.0, 1.0], &[-1.0, 0.0]];
        let texts = ProductTexts::made_up(2, &vectors.map(|vector| ("", None, vector)));
        assert_eq!(best(&Cosine::new(&texts), &[0], 4), [1, 2, 3]);
        assert_eq!(best(&Cosine::new(&texts), &[0, 2], 4), [1, 3]);
    }
}
