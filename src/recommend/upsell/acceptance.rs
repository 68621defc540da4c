//! Which price steps shoppers take: what was bought beside what was viewed, shrunk from the category to the shop to a prior curve.
//!
//! A step's acceptance is its frequency over that of the step taken most: `p_category = (n_category + k p_shop) / (N_category + k)`,
//! `p_shop = (n_shop + k prior) / (N_shop + k)` over steps upward, counts smoothed over three neighboring bins. The prior is a bump
//! around 15 % more with a spread of 20 %: nothing that transfers to any shop is published, so it is a cautious guess that data replace.

use crate::behavior::{BIN_WIDTH, NUM_BINS};

/// Upward steps that the layer above speaks for.
const SHRINKAGE: f32 = 20.0;
/// Bins above the one of equal prices.
const NUM_STEPS: usize = NUM_BINS / 2;
/// Where the prior is highest, and how wide it is, in natural logarithm of the price ratio.
const PRIOR_CENTER: f32 = 0.139_762;
const PRIOR_SPREAD: f32 = 0.2;

/// How willingly each price step is taken, the most taken being 1.
pub(super) struct Acceptance([f32; NUM_STEPS]);

impl Acceptance {
    /// From the histograms of the anchor's category and of the shop, [`NUM_BINS`] counts each or none.
    pub(super) fn new(category: &[u32], shop: &[u32]) -> Self {
        let steps: [f32; NUM_STEPS] = std::array::from_fn(|at| {
            let distance = (at + 1) as f32 * BIN_WIDTH - PRIOR_CENTER;
            (-distance * distance / (2.0 * PRIOR_SPREAD * PRIOR_SPREAD)).exp()
        });
        let total: f32 = steps.iter().sum();
        let prior = steps.map(|step| step / total);
        let shares = shrunk(category, shrunk(shop, prior));
        let highest = shares.iter().copied().fold(f32::MIN_POSITIVE, f32::max);
        Self(shares.map(|share| share / highest))
    }

    /// The acceptance of a price that is `ratio` times the anchor's, above 0 and at most 1.
    pub(super) fn of(&self, ratio: f64) -> f32 {
        let at = (ratio.ln() as f32 / BIN_WIDTH - 1.0).clamp(0.0, (NUM_STEPS - 1) as f32);
        let (low, part) = (at as usize, at.fract());
        let high = (low + 1).min(NUM_STEPS - 1);
        (self.0[low] * (1.0 - part) + self.0[high] * part).clamp(1e-3, 1.0)
    }
}

fn shrunk(histogram: &[u32], above: [f32; NUM_STEPS]) -> [f32; NUM_STEPS] {
    let count = |at: usize| histogram.get(NUM_BINS / 2 + at).copied().unwrap_or(0) as f32;
    let smooth = |at: usize| {
        // The bin of equal prices is not a step, so it lends nothing.
        let before = if at > 0 { count(at) } else { count(1) };
        0.25 * before + 0.5 * count(at + 1) + 0.25 * count(at + 2)
    };
    let counts: [f32; NUM_STEPS] = std::array::from_fn(smooth);
    let total: f32 = counts.iter().sum();
    std::array::from_fn(|at| (counts[at] + SHRINKAGE * above[at]) / (total + SHRINKAGE))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn taken(step: usize, times: u32) -> Vec<u32> {
        let mut histogram = vec![0; NUM_BINS];
        histogram[NUM_BINS / 2] = 1000;
        histogram[NUM_BINS / 2 + step] = times;
        histogram
    }

    #[test]
    fn without_events_a_small_step_is_taken_more_than_a_large_one() {
        let curve = Acceptance::new(&[], &[]);
        assert!(curve.of(1.1) > 0.9 && curve.of(1.15) > 0.9);
        assert!(curve.of(1.3) > curve.of(1.45) && curve.of(1.45) > curve.of(1.6) && curve.of(1.6) > 0.1);
    }

    #[test]
    fn a_category_with_evidence_speaks_for_itself_and_one_with_little_leans_on_the_shop() {
        let (small, large) = (taken(1, 500), taken(4, 500));
        assert!(Acceptance::new(&large, &small).of(1.5) > Acceptance::new(&large, &small).of(1.1));
        assert!(Acceptance::new(&taken(4, 3), &small).of(1.1) > Acceptance::new(&taken(4, 3), &small).of(1.5));
        assert!(Acceptance::new(&[], &large).of(1.5) > Acceptance::new(&[], &large).of(1.1));
    }

    #[test]
    fn every_ratio_has_an_acceptance_above_zero_and_at_most_one() {
        let curve = Acceptance::new(&taken(2, 50), &[]);
        for ratio in [0.0, 0.5, 1.0, 1.05, 2.0, 1e9, f64::INFINITY, f64::NAN] {
            assert!((0.0..=1.0).contains(&curve.of(ratio)) || ratio.is_nan(), "{ratio}");
        }
    }
}
