//! What is bought again, and after how long: by product, shrunk to its category and that to the shop.
//!
//! Of each shopper and product one figure counts, the geometric mean of the days between two purchases, so that nobody who buys daily speaks
//! for all. The crowd's figure is the median over shoppers, in logarithms, shrunk by `(n own + kappa above) / (n + kappa)`. Intervals that had
//! not ended when the history did are not seen: of products that are new in the shop the figure is too short. The share of buyers who come
//! back is shrunk likewise, a category's to nobody.

use std::collections::{BTreeMap, HashMap};

use bytemuck::{Pod, Zeroable};

use crate::events::{History, Purchase, purchases_by_shopper};

/// Seconds of a day.
pub const DAY_S: u32 = 86_400;
/// Shoppers who must have bought again for a figure of its own: one shopper's habit is in no table.
pub const LEAST_SHOPPERS: u32 = 2;
/// Bounds of [`Repeat::spread`]: as wide as nothing is known, and never as narrow as certainty.
const SPREADS: (f32, f32) = (0.2, 1.0);

/// How shoppers come back for a product.
#[repr(C)]
#[derive(Debug, Clone, Copy, PartialEq, Default, Pod, Zeroable)]
pub struct Repeat {
    /// Days between two purchases of one shopper, above 0; 0 where nobody ever came back for anything.
    pub interval_days: f32,
    /// Standard deviation of the interval's natural logarithm over shoppers.
    pub spread: f32,
    /// Share of its buyers who bought it again, 0 to 1, shrunk.
    pub share: f32,
    /// Shoppers who bought the product.
    pub num_buyers: u32,
    /// Those of them who bought it again: as many stand behind the interval.
    pub num_again: u32,
}

/// Row 0 is of the whole shop, row `1 + p` of product `p`; empty where nobody came back for anything.
#[derive(Debug, Clone, PartialEq, Default)]
pub struct Repeats {
    /// The rows.
    pub rows: Vec<Repeat>,
}

/// The times of one shopper's purchases of one product, oldest first, that count: those within a day of the one before are part of it.
pub fn occasions(times_s: impl IntoIterator<Item = u32>) -> Vec<u32> {
    let mut counted: Vec<u32> = Vec::new();
    for time_s in times_s {
        if counted.last().is_none_or(|last| time_s.saturating_sub(*last) >= DAY_S) {
            counted.push(time_s);
        }
    }
    counted
}

/// Days between each of these times and the next.
pub fn gaps_days(occasions: &[u32]) -> impl Iterator<Item = f32> + '_ {
    occasions.windows(2).map(|pair| pair[1].saturating_sub(pair[0]) as f32 / DAY_S as f32)
}

/// What was seen of one product, category or shop.
#[derive(Default, Clone)]
struct Seen {
    num_buyers: u32,
    /// Logarithm of the days of each shopper who came back.
    logs: Vec<f32>,
}

impl Seen {
    /// Whether enough shoppers came back for a figure of its own.
    fn is_enough(&self) -> bool {
        self.logs.len() >= LEAST_SHOPPERS as usize
    }

    /// This, shrunk to what is `above`.
    fn shrunk(&self, above: &Repeat, kappa: f32) -> Repeat {
        let num_again = self.logs.len() as u32;
        let blend = |n: f32, own: f32, above: f32| (n * own + kappa * above) / (n + kappa).max(f32::MIN_POSITIVE);
        let share = blend(self.num_buyers as f32, num_again as f32 / self.num_buyers.max(1) as f32, above.share);
        let counts = Repeat { share, num_buyers: self.num_buyers, num_again, ..*above };
        if !self.is_enough() {
            return counts;
        }
        // In one order, whatever that in which shoppers came: the same events give the same figures.
        let mut logs = self.logs.clone();
        logs.sort_unstable_by(f32::total_cmp);
        let n = num_again as f32;
        let log = blend(n, median(&logs), above.interval_days.ln());
        let variance = logs.iter().map(|x| (x - log) * (x - log)).sum::<f32>() / n;
        let spread = blend(n, variance, above.spread * above.spread).sqrt().clamp(SPREADS.0, SPREADS.1);
        Repeat { interval_days: log.exp(), spread, ..counts }
    }
}

/// The median of what is sorted; 0 of none.
fn median(sorted: &[f32]) -> f32 {
    let (low, high) = (sorted.get(sorted.len().saturating_sub(1) / 2), sorted.get(sorted.len() / 2));
    low.zip(high).map_or(0.0, |(low, high)| (low + high) / 2.0)
}

impl Repeats {
    /// Learns from `history`, whose products are rows; `category_of` has the category of each, [`super::NO_CATEGORY`] for none. A figure of
    /// `kappa` shoppers counts as much as what stands above it. What was sent back whole was never bought.
    pub fn learn(history: &History, category_of: &[u32], kappa: f32) -> Self {
        let mut products: HashMap<u32, Seen> = HashMap::new();
        for lines in purchases_by_shopper(history).into_values() {
            for (product, times) in by_product(&lines) {
                let seen = products.entry(product).or_default();
                seen.num_buyers += 1;
                let gaps: Vec<f32> = gaps_days(&occasions(times)).map(f32::ln).collect();
                if !gaps.is_empty() {
                    seen.logs.push(gaps.iter().sum::<f32>() / gaps.len() as f32);
                }
            }
        }
        let category = |product: u32| category_of.get(product as usize).copied().unwrap_or(super::NO_CATEGORY);
        let (mut shop, mut categories) = (Seen::default(), BTreeMap::<u32, Seen>::new());
        for (&product, seen) in &products {
            for above in [&mut shop, categories.entry(category(product)).or_default()] {
                above.num_buyers += seen.num_buyers;
                above.logs.extend(&seen.logs);
            }
        }
        if !shop.is_enough() {
            return Self::default();
        }
        let of_shop = shop.shrunk(&Repeat { interval_days: 1.0, ..Repeat::default() }, 0.0);
        // That others are bought again says nothing of a kind of thing that nobody came back for.
        let of_nobody = Repeat { share: 0.0, ..of_shop };
        let of_category: HashMap<u32, Repeat> =
            categories.iter().map(|(&number, seen)| (number, seen.shrunk(&of_nobody, kappa))).collect();
        let row = |product: u32| {
            let above = of_category.get(&category(product)).unwrap_or(&of_nobody);
            products.get(&product).cloned().unwrap_or_default().shrunk(above, kappa)
        };
        let rows = (0..history.products().len() as u32).map(row);
        Self { rows: std::iter::once(of_shop).chain(rows).collect() }
    }
}

/// The times at which each product was bought, oldest first.
fn by_product(lines: &[Purchase]) -> BTreeMap<u32, Vec<u32>> {
    let mut times = BTreeMap::<u32, Vec<u32>>::new();
    lines.iter().for_each(|line| times.entry(line.product).or_default().push(line.time_s));
    times
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;
    use crate::events::{EventKind, HistoryBuilder, Interaction};

    /// What a shopper bought on which day.
    type Bought = (u32, u32, u32);

    /// Purchases of shopper, product and day, each an order of its own, of which those `returned` were sent back.
    fn history(bought: &[Bought], returned: &[usize], num_products: u32) -> History {
        let mut builder = HistoryBuilder::default();
        (0..num_products).for_each(|product| {
            builder.product(&product.to_string());
        });
        for (at, &(shopper, product, day)) in bought.iter().enumerate() {
            let step = |kind, time_s| Interaction { product, time_s, order: at as u32, quantity: 1, price: 1.0, kind };
            builder.push(at as u64, shopper, step(EventKind::Purchase, day * DAY_S));
            if returned.contains(&at) {
                builder.push(at as u64, shopper, step(EventKind::Refund, day * DAY_S + 60));
            }
        }
        builder.finish()
    }

    #[test]
    fn a_product_that_two_come_back_for_has_an_interval_of_its_own_and_refunds_count_against() {
        let mut bought: Vec<Bought> = Vec::new();
        for shopper in 0..20 {
            bought.extend([0, 30, 60].map(|day| (shopper, 0, day + shopper)));
            bought.extend([0, 100].map(|day| (shopper, 1, day + shopper)));
            bought.push((shopper, 2, 5));
        }
        // The category of product 2 says 3 other things: it has no interval of its own.
        let repeats = Repeats::learn(&history(&bought, &[], 3), &[0, 1, 0], 2.0);
        let [shop, coffee, filter, once] = repeats.rows[..] else { panic!("{repeats:?}") };
        assert!((coffee.interval_days - 30.0).abs() < 4.0 && (filter.interval_days - 100.0).abs() < 9.0, "{repeats:?}");
        assert_eq!((coffee.num_buyers, coffee.num_again, once.num_again), (20, 20, 0));
        assert!(coffee.share > 0.9 && once.share < 0.1 && shop.share > 0.5, "{repeats:?}");
        // The second and third coffee of everybody are sent back: nobody came back for it.
        let returned: Vec<usize> = (0..20).flat_map(|shopper| [shopper * 6 + 1, shopper * 6 + 2]).collect();
        let without = Repeats::learn(&history(&bought, &returned, 3), &[0, 1, 0], 2.0);
        assert_eq!((without.rows[1].num_buyers, without.rows[1].num_again), (20, 0));
        assert_eq!(Repeats::learn(&history(&bought[..3], &[], 3), &[0, 1, 0], 2.0), Repeats::default(), "one shopper");
    }

    /// The law of the file's head, written down plainly and slowly.
    fn slow(bought: &[Bought], num_products: u32, category_of: &[u32], kappa: f64) -> Vec<f64> {
        let own = |product: u32| -> Vec<f64> {
            let mut logs = Vec::new();
            for shopper in 0..8 {
                let mut days: Vec<u32> =
                    bought.iter().filter(|line| (line.0, line.1) == (shopper, product)).map(|line| line.2).collect();
                days.sort_unstable();
                days.dedup();
                let gaps: Vec<f64> = days.windows(2).map(|pair| f64::from(pair[1] - pair[0]).ln()).collect();
                if !gaps.is_empty() {
                    logs.push(gaps.iter().sum::<f64>() / gaps.len() as f64);
                }
            }
            logs
        };
        let median = |mut logs: Vec<f64>| {
            logs.sort_unstable_by(f64::total_cmp);
            let n = logs.len();
            if n % 2 == 1 { logs[n / 2] } else { (logs[n / 2 - 1] + logs[n / 2]) / 2.0 }
        };
        let toward = |logs: Vec<f64>, above: f64| match logs.len() {
            0 | 1 => above,
            n => (n as f64 * median(logs) + kappa * above) / (n as f64 + kappa),
        };
        let of =
            |is_of: &dyn Fn(u32) -> bool| (0..num_products).filter(|&p| is_of(p)).flat_map(own).collect::<Vec<_>>();
        if of(&|_| true).len() < 2 {
            return Vec::new();
        }
        let shop = median(of(&|_| true));
        let product = |product: u32| {
            let category = toward(of(&|other| category_of[other as usize] == category_of[product as usize]), shop);
            toward(own(product), category).exp()
        };
        std::iter::once(shop.exp()).chain((0..num_products).map(product)).collect()
    }

    proptest! {
        #[test]
        fn intervals_agree_with_the_law_written_down_slowly(
            bought in proptest::collection::vec((0u32..8, 0u32..4, 0u32..200), 0..60),
            kappa in 0.5f32..10.0,
        ) {
            let category_of = [0, 0, 1, super::super::NO_CATEGORY];
            let fast = Repeats::learn(&history(&bought, &[], 4), &category_of, kappa);
            let slow = slow(&bought, 4, &category_of, f64::from(kappa));
            prop_assert_eq!(fast.rows.len(), slow.len());
            for (row, expected) in fast.rows.iter().zip(slow) {
                prop_assert!((f64::from(row.interval_days) / expected - 1.0).abs() < 1e-3, "{row:?} {expected}");
                prop_assert!((0.0..=1.0).contains(&row.share) && row.num_again <= row.num_buyers);
                prop_assert!((SPREADS.0..=SPREADS.1).contains(&row.spread));
            }
        }
    }
}
