//! EASE: the item-to-item weights that best rebuild every order from its other products, in closed form.

use rayon::prelude::*;

use super::baskets::Baskets;
use super::matrix::Symmetric;
use super::related::{Related, RelatedTable, Tally};
use super::settings::BehaviorConfig;

/// For each of the most bought products the products whose weight in rebuilding an order with it is highest:
/// `B = I - P diag(P)^-1`, `P = (X'X + lambda I)^-1`; row `i` holds `B_ij`, so an order's score for `j` is the sum over its products.
///
/// Each order weighs by its age and size, and each column falls with the product's popularity, as [`super::EaseConfig`] says. Products outside the head have empty rows, and all have where the counts cannot be inverted.
pub fn ease(baskets: &Baskets, config: &BehaviorConfig) -> RelatedTable {
    let mut weights = baskets.weights(config.order_half_life_days, config.max_order_products);
    for (order, weight) in weights.iter_mut().enumerate().filter(|(_, weight)| **weight > 0.0) {
        *weight *= (baskets.products(order).len() as f32).powf(-config.ease.size_exponent);
    }
    let counts = baskets.product_weights(&weights);
    let head = head(&counts, config.ease.num_products);
    let together = together(baskets, &weights, &head);
    let mut gram = Symmetric::new(head.len());
    for (at, row) in together.iter().enumerate() {
        row.iter().for_each(|with| gram.set(at, with.product as usize, f64::from(with.score)));
        gram.set(at, at, f64::from(counts[head[at] as usize]) + f64::from(config.ease.lambda));
    }
    let damping = |&product: &u32| (1.0 + counts[product as usize]).powf(-config.ease.popularity_exponent);
    let damping: Vec<f32> = head.iter().map(damping).collect();
    let mut rows = vec![Vec::new(); baskets.num_products()];
    if gram.invert() {
        let weights = |tally: &mut Tally, at: usize| {
            let weight = |other: usize| if other == at { 0.0 } else { -gram.get(at, other) / gram.get(other, other) };
            (0..head.len()).for_each(|other| tally.add(other as u32, weight(other) as f32 * damping[other]));
        };
        let best = |tally: &mut Tally, at| {
            weights(tally, at);
            named(tally.take_best(config.per_product, |_, weight| weight), &together[at], &head)
        };
        let found: Vec<Vec<Related>> =
            (0..head.len()).into_par_iter().map_init(|| Tally::new(head.len()), best).collect();
        head.iter().zip(found).for_each(|(&product, row)| rows[product as usize] = row);
    }
    RelatedTable::from_rows(rows)
}

/// The most bought products, by number.
fn head(counts: &[f32], limit: usize) -> Vec<u32> {
    let mut head: Vec<u32> = (0..counts.len() as u32).filter(|&product| counts[product as usize] > 0.0).collect();
    head.sort_by(|&a, &b| counts[b as usize].total_cmp(&counts[a as usize]).then(a.cmp(&b)));
    head.truncate(limit);
    head.sort_unstable();
    head
}

/// For each product of the head, by its place there, the others' places with weight and number of the orders that hold both.
fn together(baskets: &Baskets, weights: &[f32], head: &[u32]) -> Vec<Vec<Related>> {
    let mut place = vec![u32::MAX; baskets.num_products()];
    head.iter().enumerate().for_each(|(at, &product)| place[product as usize] = at as u32);
    let orders = baskets.by_product();
    let count = |tally: &mut Tally, at: usize| {
        for &order in orders.of(head[at]) {
            let weight = weights[order as usize];
            if weight > 0.0 {
                let others = baskets.products(order as usize).iter().filter(|&&with| with != head[at]);
                others.for_each(|&with| tally.add(place[with as usize], weight));
            }
        }
        tally.take_best(head.len(), |_, sum| sum)
    };
    (0..head.len()).into_par_iter().map_init(|| Tally::new(head.len()), count).collect()
}

/// The entries of a row, by place in the head, as products with the number of orders that hold both.
fn named(mut row: Vec<Related>, together: &[Related], head: &[u32]) -> Vec<Related> {
    for entry in &mut row {
        let pair = together.iter().find(|pair| pair.product == entry.product);
        entry.evidence = pair.map_or(0, |pair| pair.evidence);
        entry.product = head[entry.product as usize];
    }
    row
}
