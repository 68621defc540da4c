//! Kinds of targets, by what the training side knows of them.

use serde::Serialize;

use crate::events::{EventKind, History};

/// What a slice is cut by.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord, Serialize)]
#[serde(rename_all = "snake_case")]
pub enum SliceKind {
    /// Tenths of the products that the training side knows, by how many of its sessions hold them: 1 the most frequent. 0 holds what it
    /// does not know.
    PopularityDecile,
    /// How many sessions of the training side hold the target, by the lower end of the bucket: see [`EVIDENCE_BUCKETS`].
    Evidence,
}

/// Lower ends of the buckets of evidence.
pub const EVIDENCE_BUCKETS: [u32; 8] = [0, 1, 2, 5, 10, 20, 50, 100];

/// How many sessions of `history` hold each product. What was only shown in a list or taken back does not count.
pub fn evidence(history: &History) -> Vec<u32> {
    let mut counts = vec![0; history.products().len()];
    let mut last_session = vec![u32::MAX; counts.len()];
    for (number, session) in history.sessions().enumerate() {
        for interaction in session.interactions.iter().filter(|interaction| is_interest(interaction.kind)) {
            let product = interaction.product as usize;
            if last_session[product] != number as u32 {
                last_session[product] = number as u32;
                counts[product] += 1;
            }
        }
    }
    counts
}

/// Whether the event tells that the shopper wanted the product.
pub(super) fn is_interest(kind: EventKind) -> bool {
    !matches!(kind, EventKind::ViewItemList | EventKind::RemoveFromCart | EventKind::Refund | EventKind::Search)
}

/// Each product's popularity decile and evidence bucket.
pub(super) struct Slices {
    deciles: Vec<u32>,
    buckets: Vec<u32>,
}

impl Slices {
    pub(super) fn new(evidence: &[u32]) -> Self {
        let mut known: Vec<usize> = (0..evidence.len()).filter(|&product| evidence[product] > 0).collect();
        known.sort_by_key(|&product| (std::cmp::Reverse(evidence[product]), product));
        let mut deciles = vec![0; evidence.len()];
        for (at, &product) in known.iter().enumerate() {
            deciles[product] = 1 + (at * 10 / known.len()) as u32;
        }
        let bucket = |&n: &u32| EVIDENCE_BUCKETS.iter().rev().find(|low| **low <= n).copied().unwrap_or(0);
        Self { deciles, buckets: evidence.iter().map(bucket).collect() }
    }

    /// The slices of `product`, each with its number.
    pub(super) fn of(&self, product: u32) -> [(SliceKind, u32); 2] {
        let product = product as usize;
        [(SliceKind::PopularityDecile, self.deciles[product]), (SliceKind::Evidence, self.buckets[product])]
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn deciles_hold_a_tenth_each_and_buckets_begin_where_they_say() {
        let evidence: Vec<u32> = (0..=200).collect();
        let slices = Slices::new(&evidence);
        let decile = |product: u32| slices.of(product)[0].1;
        let bucket = |product: u32| slices.of(product)[1].1;
        assert_eq!((decile(0), decile(200), decile(1)), (0, 1, 10));
        (1..=10).for_each(|of| assert_eq!((1..=200).filter(|&product| decile(product) == of).count(), 20));
        assert_eq!([0, 1, 2, 4, 5, 19, 20, 99, 100, 200].map(bucket), [0, 1, 2, 2, 5, 10, 20, 50, 100, 100]);
    }
}
