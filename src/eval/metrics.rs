//! Measures of one list against what the shopper did, with relevance 0 or 1.
//!
//! With `T` the targets and `r` the 1-based ranks at which the first `k` products of the list are targets:
//!
//! * HR@k (hit rate, also hit ratio): 1 if there is any `r`, else 0; session-rec (Ludewig and Jannach, UMUAI 2018).
//! * recall@k: `|r| / |T|`.
//! * nDCG@k: `Σ 1/log2(r + 1)` over the same sum for ranks `1..=min(k, |T|)`; Järvelin and Kekäläinen, TOIS 2002.
//! * MRR@k: `1 / min r`, 0 without any; Voorhees, TREC-8, cut at k as session-rec does.
//!
//! Means over cases are plain. All are in `[0, 1]`, higher is better.

/// The measures of one case, or their means.
#[derive(Debug, Clone, Copy, PartialEq, Default)]
pub struct Measures {
    /// HR@k.
    pub hit_rate: f64,
    /// recall@k.
    pub recall: f64,
    /// nDCG@k.
    pub ndcg: f64,
    /// MRR@k.
    pub mrr: f64,
}

impl Measures {
    /// How many there are.
    pub const COUNT: usize = 4;

    /// Measures the first `k` of `list` (best first, no product twice) against `targets` (no product twice).
    pub fn of(list: &[u32], targets: &[u32], k: usize) -> Self {
        let ranks = || {
            let listed = list.iter().take(k).enumerate();
            listed.filter(|(_, product)| targets.contains(product)).map(|(at, _)| at as f64 + 1.0)
        };
        let gain = |rank: f64| 1.0 / (rank + 1.0).log2();
        let ideal: f64 = (1..=targets.len().min(k)).map(|rank| gain(rank as f64)).sum();
        let Some(first) = ranks().next() else { return Self::default() };
        Self {
            hit_rate: 1.0,
            recall: ranks().count() as f64 / targets.len() as f64,
            ndcg: ranks().map(gain).sum::<f64>() / ideal,
            mrr: 1.0 / first,
        }
    }

    /// HR, recall, nDCG, MRR, in this order.
    pub fn to_array(self) -> [f64; Self::COUNT] {
        [self.hit_rate, self.recall, self.ndcg, self.mrr]
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn measures_agree_with_those_worked_out_by_hand() {
        // Targets at ranks 2 and 4 of 5; one of three is missing.
        let measures = Measures::of(&[9, 1, 8, 2, 7], &[1, 2, 3], 5);
        let ideal = 1.0 + 1.0 / 3f64.log2() + 0.5;
        let dcg = 1.0 / 3f64.log2() + 1.0 / 5f64.log2();
        assert_eq!((measures.hit_rate, measures.mrr), (1.0, 0.5));
        assert!((measures.recall - 2.0 / 3.0).abs() < 1e-12);
        assert!((measures.ndcg - dcg / ideal).abs() < 1e-12);
        // The cut: rank 2 is outside of k = 1.
        assert_eq!(Measures::of(&[9, 1], &[1], 1), Measures::default());
        // One target: nDCG is 1/log2(rank + 1).
        assert!((Measures::of(&[5, 6, 1], &[1], 3).ndcg - 0.5).abs() < 1e-12);
    }

    #[test]
    fn perfect_lists_measure_1_and_foreign_ones_0() {
        for num_targets in 1..6u32 {
            let targets: Vec<u32> = (0..num_targets).collect();
            let measures = Measures::of(&targets, &targets, 5);
            let [hit, recall, ndcg, mrr] = measures.to_array();
            assert!([hit, recall, ndcg, mrr].iter().all(|value| (value - 1.0).abs() < 1e-12), "{measures:?}");
        }
        assert_eq!(Measures::of(&[8, 9], &[1, 2], 10), Measures::default());
        assert_eq!(Measures::of(&[], &[1], 10), Measures::default());
        assert_eq!(Measures::of(&[1], &[], 10), Measures::default());
    }
}
