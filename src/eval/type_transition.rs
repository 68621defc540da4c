//! The common ingredient of complements: which categories are bought together, and what sells of each.

use std::collections::HashMap;

use super::question::{Question, Ranker, Scores};
use super::slices::evidence;
use super::texts::ProductTexts;
use crate::events::History;

/// Orders of a category that speak as much as what is bought at all.
const SHRINKAGE: f32 = 50.0;

/// The mean over the question's products of `T(c'|c) P(j|c')`: `T` the share of the orders with category `c` that hold `c'`, shrunk to that of
/// all orders by 50 of them, `P` the share of `c'`'s orders that hold product `j`, with one order added for each.
pub struct TypeTransition<'a> {
    texts: &'a ProductTexts,
    numbers: HashMap<&'a str, usize>,
    pairs: HashMap<(usize, usize), f32>,
    /// Orders with each category, and the number of its products with their orders.
    orders: Vec<f32>,
    sums: Vec<f32>,
    counts: Vec<u32>,
    num_orders: f32,
}

impl<'a> TypeTransition<'a> {
    /// Counts the categories of `history`'s sessions.
    pub fn learn(history: &History, texts: &'a ProductTexts) -> Self {
        let mut numbers = HashMap::new();
        let counts = evidence(history);
        let mut sums = Vec::new();
        for (product, count) in (0..).zip(&counts) {
            let Some(leaf) = texts.leaf(product) else { continue };
            let next = numbers.len();
            let number = *numbers.entry(leaf).or_insert(next);
            sums.resize(sums.len().max(number + 1), 0.0);
            sums[number] += *count as f32 + 1.0;
        }
        let (mut pairs, mut orders, mut num_orders) = (HashMap::new(), vec![0.0; sums.len()], 0.0);
        for session in history.sessions() {
            let leaf =
                |interaction: &crate::events::Interaction| numbers.get(texts.leaf(interaction.product)?).copied();
            let mut leaves: Vec<usize> = session.interactions.iter().filter_map(leaf).collect();
            leaves.sort_unstable();
            leaves.dedup();
            num_orders += 1.0;
            leaves.iter().for_each(|&a| orders[a] += 1.0);
            let of_session = leaves.iter().flat_map(|&a| leaves.iter().map(move |&b| (a, b))).filter(|(a, b)| a != b);
            of_session.for_each(|pair| *pairs.entry(pair).or_insert(0.0) += 1.0);
        }
        Self { texts, numbers, pairs, orders, sums, counts, num_orders }
    }

    fn transition(&self, from: usize, to: usize) -> f32 {
        let both = self.pairs.get(&(from, to)).copied().unwrap_or(0.0);
        let of_all = self.orders[to] / self.num_orders.max(1.0);
        (both + SHRINKAGE * of_all) / (self.orders[from] + SHRINKAGE)
    }
}

impl Ranker for TypeTransition<'_> {
    fn name(&self) -> &str {
        "type_transition"
    }

    fn score(&self, question: &Question<'_>, scores: &mut Scores) {
        let number = |product: u32| self.numbers.get(self.texts.leaf(product)?).copied();
        let asked: Vec<usize> = question.products.iter().filter_map(|&product| number(product)).collect();
        let mut of_category = vec![0.0; self.sums.len()];
        for (to, sum) in of_category.iter_mut().enumerate() {
            *sum = asked.iter().map(|&from| self.transition(from, to)).sum();
        }
        for product in (0..scores.num_products() as u32).filter(|product| !question.products.contains(product)) {
            let Some(to) = number(product) else { continue };
            let share = (self.counts[product as usize] as f32 + 1.0) / self.sums[to];
            scores.add(product, of_category[to] * share);
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::eval::fixture;

    #[test]
    fn scores_agree_with_the_formula_worked_out_by_hand() {
        // Products a, b of one category, c of another, d, e of a third.
        let history = fixture::orders(&[&["a", "c"], &["a", "d"], &["b", "c"], &["e"]]);
        let leaves = ["x", "x", "y", "z", "z"];
        let made_up: Vec<(&str, Option<&str>, &[f32])> = leaves.iter().map(|leaf| ("", Some(*leaf), &[][..])).collect();
        let texts = ProductTexts::made_up(0, &made_up);
        let ranker = TypeTransition::learn(&history, &texts);
        let mut scores = Scores::new(5);
        ranker.score(&Question { products: &[0], steps: &[], bought: &[], now_s: 0 }, &mut scores);
        let found: HashMap<u32, f32> = scores.iter().collect();
        let transition = |both: f32, orders: f32| (both + 50.0 * orders / 4.0) / (3.0 + 50.0);
        // Of y's orders all hold c; of z's two, d one and e one, each with one more.
        let close =
            |product: u32, expected: f32| assert!((found[&product] - expected).abs() < 1e-6, "{product}: {found:?}");
        close(2, transition(2.0, 2.0));
        close(3, transition(1.0, 2.0) * 0.5);
        close(4, transition(1.0, 2.0) * 0.5);
        assert!(found[&1] < found[&2] && !found.contains_key(&0));
    }
}
