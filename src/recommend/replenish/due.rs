//! When a product is due for a shopper: the shopper's own interval, shrunk to what all shoppers do.

use std::collections::HashMap;

use super::settings::ReplenishConfig;
use crate::behavior::{Behavior, DAY_S, LEAST_SHOPPERS, Repeat, gaps_days, occasions};
use crate::events::Purchased;
use crate::live::View;
use crate::rank::RowId;
use crate::recommend::trace::Sieve;

/// Spread of an interval's logarithm where nobody but the shopper says anything.
const OWN_SPREAD: f32 = 0.5;
/// How much slower the score falls after the day than before it: what is late is still wanted.
const LATE_WIDTH: f32 = 2.0;

/// A product that a shopper may be due to buy again.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Due {
    /// The product.
    pub row: RowId,
    /// How often it was bought; orders within a day of each other are one time.
    pub num_times: u32,
    /// Mean days between two of these; `None` where there is but one.
    pub own_days: Option<f32>,
    /// Days that shoppers take on the whole; `None` where nobody came back for anything.
    pub crowd_days: Option<f32>,
    /// Shoppers whose own intervals of this product stand behind that; 0 where it is the category's or the shop's.
    pub crowd_shoppers: u32,
    /// The interval that counts, in days: the shopper's own, shrunk to the crowd's.
    pub interval_days: f32,
    /// Days since the last purchase.
    pub since_days: f32,
    /// How likely it is nearest to its day, 0 to 1: what a list is sorted by.
    pub score: f32,
}

impl Due {
    /// Days until it is due; below 0 where that is past.
    pub fn in_days(&self) -> f32 {
        self.interval_days - self.since_days
    }
}

/// `(n own + kappa crowd) / (n + kappa)`.
fn shrunk(n: f32, own: f32, crowd: f32, kappa: f32) -> f32 {
    (n * own + kappa * crowd) / (n + kappa)
}

/// What one product's purchases (at `times_s`, oldest first) and `crowd` say at `now_s`; `None` where nobody's interval is known.
fn due(row: RowId, times_s: &[u32], crowd: Option<Repeat>, now_s: u32, config: &ReplenishConfig) -> Option<(Due, f32)> {
    let counted = occasions(times_s.iter().copied());
    let gaps: Vec<f32> = gaps_days(&counted).collect();
    let n = gaps.len() as f32;
    let own_days = (!gaps.is_empty()).then(|| gaps.iter().sum::<f32>() / n);
    let interval_days = match (own_days, crowd) {
        (Some(own), Some(crowd)) => shrunk(n, own, crowd.interval_days, config.kappa),
        (Some(own), None) => own,
        (None, crowd) => crowd?.interval_days,
    };
    let share = crowd.map_or(0.0, |crowd| crowd.share);
    let repeat = shrunk(n, 1.0, share, config.kappa).clamp(0.0, 1.0);
    let since_days = now_s.saturating_sub(*times_s.last()?) as f32 / DAY_S as f32;
    let spread = crowd.map_or(OWN_SPREAD, |crowd| crowd.spread).max(f32::MIN_POSITIVE);
    let steps = (since_days / interval_days).max(f32::MIN_POSITIVE).ln() / spread;
    let width = if steps > 0.0 { LATE_WIDTH } else { 1.0 };
    let score = repeat * (-0.5 * (steps / width).powi(2)).exp();
    let known = crowd.filter(|crowd| crowd.num_again >= LEAST_SHOPPERS);
    let due = Due {
        row,
        num_times: counted.len() as u32,
        own_days,
        crowd_days: crowd.map(|crowd| crowd.interval_days),
        crowd_shoppers: known.map_or(0, |crowd| crowd.num_again),
        interval_days,
        since_days,
        score,
    };
    Some((due, repeat))
}

/// A shopper's purchases, of each family the product that was bought last.
pub(in crate::recommend) struct Known {
    /// What is due, best first.
    pub due: Vec<Due>,
    /// What is not, and why.
    pub others: Vec<(Due, Sieve)>,
}

/// What of `purchases` is due within `within_days` of `now_s`, and what is not. Products that the catalog lacks, those of which nobody's
/// interval is known, and purchases after `now_s`, are left out.
pub(in crate::recommend) fn due_products(
    view: &View,
    behavior: Option<&Behavior>,
    purchases: &[Purchased],
    (now_s, within_days): (u32, f32),
    config: &ReplenishConfig,
) -> Known {
    let mut times: HashMap<RowId, Vec<u32>> = HashMap::new();
    for line in purchases.iter().filter(|line| line.time_s <= now_s) {
        if let Some(row) = view.row(&line.product) {
            times.entry(row).or_default().push(line.time_s);
        }
    }
    let mut last: HashMap<u32, (u32, RowId)> = HashMap::new();
    for (&row, times) in &mut times {
        times.sort_unstable();
        if let (Some(family), Some(&newest)) = (view.family(row), times.last()) {
            let known = last.entry(family).or_insert((newest, row));
            *known = (*known).max((newest, row));
        }
    }
    let crowd = |row: RowId| match view.is_new(row) {
        false => behavior?.repeat(Some(row.0)),
        // Nobody came back yet for what is new.
        true => behavior?.repeat(None).map(|of_shop| Repeat { share: 0.0, num_again: 0, ..of_shop }),
    };
    let judged = last.into_values().filter_map(|(_, row)| due(row, times.get(&row)?, crowd(row), now_s, config));
    let is_due = |due: &Due| due.in_days() <= within_days && due.since_days <= config.lapsed_after * due.interval_days;
    let mut known = Known { due: Vec::new(), others: Vec::new() };
    for (due, repeat) in judged {
        match (repeat >= config.min_repeat, is_due(&due)) {
            (false, _) => known.others.push((due, Sieve::SeldomAgain)),
            (true, false) => known.others.push((due, Sieve::NotDue)),
            (true, true) => known.due.push(due),
        }
    }
    known.due.sort_unstable_by(|a, b| b.score.total_cmp(&a.score).then(a.row.cmp(&b.row)));
    known
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn crowd(interval_days: f32, share: f32) -> Repeat {
        Repeat { interval_days, spread: 0.4, share, num_buyers: 50, num_again: 20 }
    }

    fn at(days: &[u32], crowd: Option<Repeat>, now: u32, config: &ReplenishConfig) -> Option<(Due, f32)> {
        let times: Vec<u32> = days.iter().map(|day| day * DAY_S).collect();
        due(RowId(0), &times, crowd, now * DAY_S, config)
    }

    #[test]
    fn the_interval_moves_from_the_crowds_to_the_shoppers_own_as_they_come_back() {
        let config = ReplenishConfig { kappa: 2.0, ..ReplenishConfig::default() };
        // 0, 1, 2 and 4 intervals of 30 days beside a crowd of 60.
        let cases: [(&[u32], f32); 4] =
            [(&[100], 60.0), (&[70, 100], 50.0), (&[40, 70, 100], 45.0), (&[10, 40, 70, 100, 130], 40.0)];
        for (days, expected) in cases {
            let (due, _) = at(days, Some(crowd(60.0, 0.5)), 128, &config).unwrap();
            assert!((due.interval_days - expected).abs() < 1e-3, "{days:?}: {due:?}");
            assert_eq!((due.num_times as usize, due.own_days.is_some()), (days.len(), days.len() > 1));
        }
        assert!(at(&[100], None, 128, &config).is_none(), "nobody's interval is known");
        assert_eq!(at(&[70, 100], None, 128, &config).unwrap().0.interval_days, 30.0);
    }

    #[test]
    fn who_came_back_often_is_expected_and_who_bought_what_nobody_buys_twice_is_not() {
        let config = ReplenishConfig::default();
        let repeat = |days: &[u32], share| at(days, Some(crowd(30.0, share)), 128, &config).unwrap().1;
        assert!(repeat(&[100], 0.01) < config.min_repeat && repeat(&[70, 100], 0.01) > config.min_repeat);
        assert!(repeat(&[100], 0.6) > config.min_repeat);
    }

    proptest! {
        #[test]
        fn the_nearer_to_its_day_the_higher_and_late_falls_slower_than_early(
            interval in 2.0f32..300.0, share in 0.01f32..1.0, factor in 1.01f32..3.0,
        ) {
            let config = ReplenishConfig::default();
            let score = |since: f32| {
                let now_s = 1_000_000_000u32;
                let bought = now_s - (since * DAY_S as f32) as u32;
                due(RowId(0), &[bought], Some(crowd(interval, share)), now_s, &config).unwrap().0.score
            };
            let (on_day, late, later) = (score(interval), score(interval * factor), score(interval * factor * 1.2));
            prop_assert!(on_day >= late && late >= later);
            prop_assert!(late > score(interval / factor) && on_day <= 1.0);
        }
    }
}
