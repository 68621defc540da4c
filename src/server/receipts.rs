//! Receipts of erasures whose requests were answered before they were done.
//!
//! An erasure goes on when its request has run out of time. Whoever asks again gets one receipt for all of it: what was done meanwhile is held
//! here, in memory, under a hash of whose it was, until it is taken.

use std::collections::VecDeque;
use std::sync::{Mutex, MutexGuard, PoisonError};

use crate::pipeline::Erasure;

/// Receipts that are held; past it the oldest goes.
const MAX_RECEIPTS: usize = 1_000;

type Whose = [u8; 32];

/// Receipts that nobody has taken yet.
#[derive(Default)]
pub(super) struct Receipts(Mutex<VecDeque<(Whose, Erasure)>>);

impl Receipts {
    /// Holds the receipt of an erasure of `id` that was done, joined with what is held of earlier ones. Returns it.
    pub(super) fn hold(&self, catalog: &str, id: &str, done: Erasure) -> Erasure {
        let whose = whose(catalog, id);
        let mut held = self.held();
        let before = held.iter().position(|(of, _)| *of == whose).and_then(|at| held.remove(at));
        let joined = match before {
            Some((_, before)) => before.joined(done),
            None => done,
        };
        if held.len() == MAX_RECEIPTS {
            held.pop_front();
        }
        held.push_back((whose, joined.clone()));
        joined
    }

    /// Lets go of the receipt of `id`, which was handed over.
    pub(super) fn take(&self, catalog: &str, id: &str) {
        let whose = whose(catalog, id);
        self.held().retain(|(of, _)| *of != whose);
    }

    fn held(&self) -> MutexGuard<'_, VecDeque<(Whose, Erasure)>> {
        // No step can panic between two changes of it.
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

fn whose(catalog: &str, id: &str) -> Whose {
    let mut hasher = blake3::Hasher::new();
    hasher.update(&(catalog.len() as u64).to_le_bytes()).update(catalog.as_bytes()).update(id.as_bytes());
    *hasher.finalize().as_bytes()
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::events::ErasureReceipt;

    fn erasure(receipt_id: &str, events: u64) -> Erasure {
        let receipt = ErasureReceipt {
            receipt_id: receipt_id.to_owned(),
            erased_at: jiff::Timestamp::UNIX_EPOCH,
            events,
            links: 1,
        };
        Erasure { receipt, generations: Vec::new() }
    }

    #[test]
    fn who_asks_again_gets_one_receipt_for_all_until_it_is_taken() {
        let receipts = Receipts::default();
        // The first request is answered before it is done; what the next finds is added.
        assert_eq!(receipts.hold("shop", "v", erasure("first", 20)).receipt.events, 20);
        assert_eq!(receipts.hold("shop", "w", erasure("other", 3)).receipt.events, 3);
        let again = receipts.hold("shop", "v", erasure("second", 1)).receipt;
        assert_eq!((again.receipt_id.as_str(), again.events, again.links), ("first", 21, 2));
        receipts.take("shop", "v");
        assert_eq!(receipts.hold("shop", "v", erasure("third", 0)).receipt, erasure("third", 0).receipt);
        (0..2 * MAX_RECEIPTS).for_each(|n| drop(receipts.hold("shop", &n.to_string(), erasure("n", 0))));
        assert_eq!(receipts.held().len(), MAX_RECEIPTS);
    }
}
