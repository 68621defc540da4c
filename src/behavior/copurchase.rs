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

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_pair_seen_once_does_not_lead_a_pair_seen_often() {
        // 0 and 1 in 30 orders together and in 10 each alone, 0 and 2 in one, which is all that is known of 2.
        let orders = |number, products: &[u32]| vec![(0, products.to_vec()); number];
        let orders = [orders(30, &[0, 1]), orders(10, &[0]), orders(10, &[1]), orders(1, &[0, 2])].concat();
        let table = copurchases(&Baskets::from_orders(3, orders), &BehaviorConfig::default());
        let row = table.rows().row(2);
        // (1 / ((1 + 20)^0.6 (41 + 20)^0.4)), and from the other side with the exponents the other way round.
        let expected = 1.0 / (21f32.powf(0.6) * 61f32.powf(0.4));
        assert!((row[0].score - expected).abs() < 1e-6, "{} {expected}", row[0].score);
        let row = table.rows().row(0);
        assert_eq!((row[0].product, row[1].product), (1, 2));
        let expected = 1.0 / (61f32.powf(0.6) * 21f32.powf(0.4));
        assert!((row[1].score - expected).abs() < 1e-6 && row[0].score > 10.0 * expected);
    }
}
