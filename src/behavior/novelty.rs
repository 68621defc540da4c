//! How new each product is: all that orders tell of a product before they tell what it goes with.

use super::baskets::Baskets;

/// Stands for "never" among times of first orders.
pub const NEVER: u32 = u32::MAX;

/// Days after which a product is half as new.
const NEW_HALF_LIFE_DAYS: f32 = 60.0;

/// Seconds of a day.
const DAY_S: u32 = 86_400;

/// The beginning of the day (UTC) on which each product was first ordered, in seconds since 1970; [`NEVER`] for one that never was. The exact time
/// would be that of one shopper's order, which is not kept in what outlives its erasure.
pub fn first_orders(baskets: &Baskets) -> Vec<u32> {
    let mut first = vec![NEVER; baskets.num_products()];
    for number in 0..baskets.len() {
        let day_s = baskets.time_s(number) / DAY_S * DAY_S;
        for &product in baskets.products(number) {
            let known = &mut first[product as usize];
            *known = day_s.min(*known);
        }
    }
    first
}

/// The share of products that were ever ordered, 0 to 1; 0 of none.
pub fn share_ordered(first_orders: &[u32]) -> f32 {
    let num_ordered = first_orders.iter().filter(|&&first| first != NEVER).count();
    num_ordered as f32 / first_orders.len().max(1) as f32
}

/// How new a product is, 0 to 1: 1 while nobody has ordered it, then halved every 60 days since it was first ordered.
pub fn novelty(first_order_s: u32, now_s: u32) -> f32 {
    if first_order_s == NEVER {
        return 1.0;
    }
    super::settings::decay(now_s.saturating_sub(first_order_s), NEW_HALF_LIFE_DAYS)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_product_is_new_from_its_first_order_on_and_newest_before_it() {
        let day = DAY_S;
        let baskets =
            Baskets::from_orders(4, [(70 * day + 5, vec![0, 1]), (11 * day - 1, vec![1]), (100 * day, vec![1, 2])]);
        let first = first_orders(&baskets);
        assert_eq!(first, [70 * day, 10 * day, 100 * day, NEVER]);
        assert_eq!((share_ordered(&first), share_ordered(&[])), (0.75, 0.0));
        let novelty: Vec<f32> = first.iter().map(|&first| novelty(first, 130 * day)).collect();
        assert_eq!(novelty[3], 1.0);
        assert!((novelty[0] - 0.5).abs() < 1e-6 && (novelty[1] - 0.25).abs() < 1e-6);
        assert!((novelty[2] - 0.5f32.sqrt()).abs() < 1e-6);
    }
}
