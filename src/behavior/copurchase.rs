//! What is bought together: shrunk asymmetric cosine of order counts.

use super::baskets::Baskets;
use super::related::{RelatedTable, Tally};
use super::settings::BehaviorConfig;

/// For each product the products most bought with it, by `c_ij / ((n_i + k)^a (n_j + k)^(1 - a))` of decayed counts.
///
/// Each row is counted by itself from the orders that hold it, so memory follows lines and products, never pairs.
pub fn copurchases(baskets: &Baskets, config: &BehaviorConfig) -> RelatedTable {
    let weights = baskets.weights(config.order_half_life_days, config.max_order_products);
    let counts = baskets.product_weights(&weights);
    let orders = baskets.by_product();
    let (shrinkage, exponent) = (config.copurchase.shrinkage, config.copurchase.exponent);
    let anchor: Vec<f32> = counts.iter().map(|n| (n + shrinkage).powf(exponent)).collect();
    let other: Vec<f32> = counts.iter().map(|n| (n + shrinkage).powf(1.0 - exponent)).collect();
    let count = |product: u32, tally: &mut Tally| {
        for &order in orders.of(product) {
            let weight = weights[order as usize];
            if weight > 0.0 {
                let others = baskets.products(order as usize).iter().filter(|&&with| with != product);
                others.for_each(|&with| tally.add(with, weight));
            }
        }
    };
    RelatedTable::count(baskets.num_products(), config.per_product, count, |product, with, sum| {
        sum / (anchor[product as usize] * other[with as usize])
    })
}
