//! 95 % intervals by the paired bootstrap: whole sessions or baskets are drawn with replacement, the same ones for every method.
//!
//! Cases of one session are not independent, so sessions are drawn and not cases (Efron and Tibshirani 1993, ch. 8 and 13; percentile
//! intervals). Draw number `d` depends on the seed and `d` alone, so that the number of threads changes nothing.

use rayon::prelude::*;
use serde::Serialize;

use super::random::Random;

/// Where 95 of 100 means of redrawn sessions lie.
#[derive(Debug, Clone, Copy, PartialEq, Serialize)]
pub struct Interval {
    /// The 2.5th percentile.
    pub low: f64,
    /// The 97.5th percentile.
    pub high: f64,
}

impl Interval {
    /// Whether both ends lie above 0: a difference that counts as a win.
    pub fn is_above_0(&self) -> bool {
        self.low > 0.0
    }
}

/// How often sessions are redrawn, and with which seed.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Bootstrap {
    /// Number of draws, at least 1.
    pub draws: usize,
    /// Equal seeds draw equal sessions.
    pub seed: u64,
}

/// What the cases of each group (a session or a basket) sum up to.
#[derive(Debug, Clone, PartialEq)]
pub(super) struct GroupSums {
    num_columns: usize,
    counts: Vec<f64>,
    sums: Vec<f64>,
}

impl GroupSums {
    /// Groups `0..num_groups` without cases.
    pub(super) fn new(num_groups: usize, num_columns: usize) -> Self {
        Self { num_columns, counts: vec![0.0; num_groups], sums: vec![0.0; num_groups * num_columns] }
    }

    /// Adds a case of `group` with one value a column.
    pub(super) fn add(&mut self, group: usize, values: impl Iterator<Item = f64>) {
        self.counts[group] += 1.0;
        let row = &mut self.sums[group * self.num_columns..][..self.num_columns];
        row.iter_mut().zip(values).for_each(|(sum, value)| *sum += value);
    }

    fn mean_of(&self, groups: impl Iterator<Item = usize>) -> Vec<f64> {
        let (mut count, mut sums) = (0.0, vec![0.0; self.num_columns]);
        for group in groups {
            count += self.counts[group];
            let row = &self.sums[group * self.num_columns..][..self.num_columns];
            sums.iter_mut().zip(row).for_each(|(sum, value)| *sum += value);
        }
        sums.iter().map(|sum| if count > 0.0 { sum / count } else { 0.0 }).collect()
    }

    /// The mean of each column over all cases.
    pub(super) fn means(&self) -> Vec<f64> {
        self.mean_of(0..self.counts.len())
    }
}

/// The means of every draw: rows are draws, columns those of the [`GroupSums`].
pub(super) struct Draws(Vec<Vec<f64>>);

impl Bootstrap {
    /// Redraws the groups and takes the mean of each column over the cases of the drawn ones.
    pub(super) fn draw(&self, groups: &GroupSums) -> Draws {
        let num_groups = groups.counts.len();
        let draw = |number: usize| {
            let mut random = Random::new(self.seed, number as u64);
            groups.mean_of((0..num_groups).map(|_| random.below(num_groups)))
        };
        Draws((0..self.draws.max(1)).into_par_iter().map(draw).collect())
    }
}

impl Draws {
    /// The interval of what `value` makes of a draw's means.
    pub(super) fn interval(&self, value: impl Fn(&[f64]) -> f64) -> Interval {
        let mut values: Vec<f64> = self.0.iter().map(|means| value(means)).collect();
        values.sort_unstable_by(f64::total_cmp);
        let at = |share: f64| values[((values.len() - 1) as f64 * share).round() as usize];
        Interval { low: at(0.025), high: at(0.975) }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// One case a group: 0 or 1 with share `p`, and its opposite in a second column.
    fn coin(num_groups: usize, p: f64) -> GroupSums {
        let mut groups = GroupSums::new(num_groups, 2);
        for group in 0..num_groups {
            let value = f64::from(u8::from((group as f64) < p * num_groups as f64));
            groups.add(group, [value, 1.0 - value].into_iter());
        }
        groups
    }

    #[test]
    fn intervals_agree_with_the_normal_approximation_of_a_proportion() {
        let (n, p) = (2000, 0.3);
        let groups = coin(n, p);
        let interval = Bootstrap { draws: 4000, seed: 1 }.draw(&groups).interval(|means| means[0]);
        let half = 1.96 * (p * (1.0 - p) / n as f64).sqrt();
        assert!((groups.means()[0] - p).abs() < 1e-12);
        assert!((interval.low - (p - half)).abs() < 0.1 * half, "{interval:?}");
        assert!((interval.high - (p + half)).abs() < 0.1 * half, "{interval:?}");
    }

    #[test]
    fn differences_are_paired_and_groups_stay_together() {
        let draws = Bootstrap { draws: 500, seed: 3 }.draw(&coin(400, 0.5));
        // The second column is one minus the first in every draw, so their sum has no spread.
        let sum = draws.interval(|means| means[0] + means[1]);
        assert!((sum.low - 1.0).abs() < 1e-9 && (sum.high - 1.0).abs() < 1e-9, "{sum:?}");
        // 100 equal cases a group widen nothing and narrow nothing.
        let mut together = GroupSums::new(50, 1);
        (0..50).for_each(|group| (0..100).for_each(|_| together.add(group, std::iter::once((group % 2) as f64))));
        let interval = Bootstrap { draws: 2000, seed: 3 }.draw(&together).interval(|means| means[0]);
        let half = 1.96 * (0.25 / 50.0f64).sqrt();
        assert!((interval.high - interval.low - 2.0 * half).abs() < 0.3 * half, "{interval:?}");
    }

    #[test]
    fn threads_change_nothing_and_seeds_do() {
        let groups = coin(300, 0.4);
        let on = |threads: usize, seed: u64| {
            let pool = rayon::ThreadPoolBuilder::new().num_threads(threads).build().unwrap();
            pool.install(|| Bootstrap { draws: 300, seed }.draw(&groups).interval(|means| means[0]))
        };
        assert_eq!(on(1, 5), on(3, 5));
        assert_ne!(
            Bootstrap { draws: 300, seed: 5 }.draw(&groups).0,
            Bootstrap { draws: 300, seed: 6 }.draw(&groups).0
        );
    }
}
