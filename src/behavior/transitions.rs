//! What follows what: the next products of a session, what is bought after a view, and the same by category.

use super::baskets::Baskets;
use super::related::{RelatedTable, Tally};
use super::settings::BehaviorConfig;
use super::trails::Trails;

/// Steps that a transition may span; a pair at distance `d` counts `1 / d`.
pub const MAX_DISTANCE: usize = 8;
/// The category of a product without one.
pub const NO_CATEGORY: u32 = u32::MAX;

/// For each product the products met up to [`MAX_DISTANCE`] steps after it, each time counting one over the distance (SR of Ludewig and
/// Jannach, "Evaluation of session-based recommendation algorithms", UMUAI 2018). A product met again follows itself.
pub fn views_after_view(trails: &Trails, config: &BehaviorConfig) -> RelatedTable {
    let weights = trails.weights(config.session_half_life_days);
    let (occurrences, sessions) = trails.occurrences();
    let count = |product: u32, tally: &mut Tally| {
        for &step in occurrences.of(product) {
            let (step, session) = (step as usize, sessions[step as usize] as usize);
            let after = &trails.products[step + 1..(step + 1 + MAX_DISTANCE).min(trails.ends[session] as usize)];
            after.iter().zip(1..).for_each(|(&next, distance)| tally.add(next, weights[session] / distance as f32));
        }
    };
    RelatedTable::count(trails.num_products(), config.per_product, count, |_, _, sum| sum)
}

/// For each product the other products bought later in a session in which it was met, once a session, by the share of those sessions:
/// `c_ij / (n_i + shrinkage)`, `n_i` the sessions that met `i`.
pub fn purchases_after_view(trails: &Trails, config: &BehaviorConfig) -> RelatedTable {
    let weights = trails.weights(config.session_half_life_days);
    let (occurrences, sessions) = trails.occurrences();
    let first_of_session = |product: u32| {
        let steps = occurrences.of(product).iter().map(|&step| (step as usize, sessions[step as usize] as usize));
        let mut seen = usize::MAX;
        steps.filter(move |&(_, session)| std::mem::replace(&mut seen, session) != session)
    };
    let met = |product: u32| first_of_session(product).map(|(_, session)| weights[session]).sum::<f32>();
    let met: Vec<f32> = (0..trails.num_products() as u32).map(met).collect();
    let count = |product: u32, tally: &mut Tally| {
        let mut bought = Vec::new();
        for (step, session) in first_of_session(product) {
            let later = step + 1..trails.ends[session] as usize;
            let later = later.filter(|&step| trails.is_purchase(step)).map(|step| trails.products[step]);
            bought.clear();
            bought.extend(later.filter(|&later| later != product));
            bought.sort_unstable();
            bought.dedup();
            bought.iter().for_each(|&later| tally.add(later, weights[session]));
        }
    };
    RelatedTable::count(trails.num_products(), config.per_product, count, |product, _, sum| {
        sum / (met[product as usize] + config.copurchase.shrinkage)
    })
}

/// For each category the categories met up to [`MAX_DISTANCE`] steps after it, counted as in [`views_after_view`], as shares of all that
/// follows it; `category_of` is a product's category, [`NO_CATEGORY`] for none.
pub fn categories_after_category(
    trails: &Trails,
    category_of: &[u32],
    num_categories: usize,
    config: &BehaviorConfig,
) -> RelatedTable {
    let weights = trails.weights(config.session_half_life_days);
    let category = |step: usize| category_of.get(trails.products[step] as usize).copied().unwrap_or(NO_CATEGORY);
    let mut pairs = PairTally::new(num_categories);
    for (session, &weight) in weights.iter().enumerate() {
        let steps = trails.steps(session);
        for step in steps.clone() {
            let after = step + 1..(step + 1 + MAX_DISTANCE).min(steps.end);
            after.for_each(|next| pairs.add(category(step), category(next), weight / (next - step) as f32));
        }
    }
    pairs.shares(config.per_product)
}

/// For each category the categories bought with it, as shares of all that is bought with it; each pair of products of an order counts.
pub fn categories_bought_together(
    baskets: &Baskets,
    category_of: &[u32],
    num_categories: usize,
    config: &BehaviorConfig,
) -> RelatedTable {
    let weights = baskets.weights(config.order_half_life_days, config.max_order_products);
    let category = |product: u32| category_of.get(product as usize).copied().unwrap_or(NO_CATEGORY);
    let mut pairs = PairTally::new(num_categories);
    for (order, &weight) in weights.iter().enumerate().filter(|(_, weight)| **weight > 0.0) {
        for (at, &first) in baskets.products(order).iter().enumerate() {
            let others = baskets.products(order).iter().enumerate().filter(|(other, _)| *other != at);
            others.for_each(|(_, &second)| pairs.add(category(first), category(second), weight));
        }
    }
    pairs.shares(config.per_product)
}

/// Sums by pair of categories, of which there are few.
struct PairTally {
    num_categories: usize,
    sums: std::collections::HashMap<(u32, u32), (f64, u32)>,
}

impl PairTally {
    fn new(num_categories: usize) -> Self {
        Self { num_categories, sums: std::collections::HashMap::new() }
    }

    fn add(&mut self, from: u32, to: u32, weight: f32) {
        if (from as usize) < self.num_categories && (to as usize) < self.num_categories {
            let sum = self.sums.entry((from, to)).or_default();
            *sum = (sum.0 + f64::from(weight), sum.1.saturating_add(1));
        }
    }

    fn shares(self, limit: usize) -> RelatedTable {
        use super::related::{Related, keep_best};
        let mut rows = vec![Vec::new(); self.num_categories];
        for (&(from, to), &(sum, evidence)) in &self.sums {
            rows[from as usize].push(Related { product: to, score: sum as f32, evidence });
        }
        for row in &mut rows {
            keep_best(row, usize::MAX);
            let total: f32 = row.iter().map(|entry| entry.score).sum();
            row.iter_mut().for_each(|entry| entry.score /= total);
            row.truncate(limit);
        }
        RelatedTable::from_rows(rows)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::events::{EventKind, HistoryBuilder, Interaction, NO_ORDER};

    #[test]
    fn what_was_bought_after_few_views_is_shrunk() {
        let mut builder = HistoryBuilder::default();
        let [viewed, bought] = ["viewed", "bought"].map(|id| builder.product(id));
        for session in 0..4 {
            let step =
                |product, time_s, kind| Interaction { product, time_s, order: NO_ORDER, quantity: 1, price: 1.0, kind };
            builder.push(session, session as u32, step(viewed, 0, EventKind::ViewItem));
            if session > 0 {
                builder.push(session, session as u32, step(bought, 0, EventKind::Purchase));
            }
        }
        let config = BehaviorConfig { session_half_life_days: 0.0, ..BehaviorConfig::default() };
        let table = purchases_after_view(&Trails::of(&builder.finish(), &config.weights), &config);
        // Three of the four sessions that met it, and twenty that shrink.
        assert_eq!(table.rows().row(viewed)[0].score, 3.0 / (4.0 + 20.0));
        assert_eq!(table.rows().row(viewed)[0].evidence, 3);
    }
}
