//! Which texts share a batch: neighbours, as many as are likely to have the tokens asked for.
//!
//! A batch has no padding, so texts of any length go together, and nothing needs to be sorted or known ahead: a thread that
//! is free takes the next texts, tokenizes and embeds them. So tokenizing, embedding and writing overlap between threads,
//! passes hold one batch a thread in memory whatever the feed's size, and no thread waits for another before the last batch.

use std::ops::Range;

/// Bytes that an average token of text stands for; a guess that decides nothing but the size of batches.
const BYTES_PER_TOKEN: usize = 4;

/// Hands out texts in order.
pub(super) struct Batches<'a> {
    texts: &'a [&'a str],
    next: usize,
    batch_tokens: usize,
    max_tokens: usize,
}

impl<'a> Batches<'a> {
    /// Batches of about `batch_tokens` tokens; a text counts for `max_tokens` at most, where it is cut.
    pub(super) fn new(texts: &'a [&'a str], batch_tokens: usize, max_tokens: usize) -> Self {
        Self { texts, next: 0, batch_tokens, max_tokens }
    }

    /// The positions of the next batch, at least one; nothing when all are taken.
    pub(super) fn take(&mut self) -> Option<Range<usize>> {
        let first = self.next;
        let mut num_tokens = 0;
        for text in &self.texts[first..] {
            num_tokens += (text.len() / BYTES_PER_TOKEN + 1).min(self.max_tokens);
            if num_tokens > self.batch_tokens && self.next > first {
                break;
            }
            self.next += 1;
        }
        (self.next > first).then_some(first..self.next)
    }

    /// Leaves the rest untaken.
    pub(super) fn stop(&mut self) {
        self.next = self.texts.len();
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    proptest! {
        #[test]
        fn batches_are_all_texts_in_order_within_the_limit(
            lengths in prop::collection::vec(0usize..3000, 0..200),
            limit in 0usize..2000,
        ) {
            let texts: Vec<String> = lengths.iter().map(|&bytes| "x".repeat(bytes)).collect();
            let texts: Vec<&str> = texts.iter().map(String::as_str).collect();
            let mut batches = Batches::new(&texts, limit, 256);
            let mut next = 0;
            while let Some(batch) = batches.take() {
                prop_assert_eq!(batch.start, next);
                next = batch.end;
                let likely: usize = texts[batch.clone()].iter().map(|text| (text.len() / 4 + 1).min(256)).sum();
                prop_assert!(batch.len() == 1 || likely <= limit, "{} tokens in a batch", likely);
            }
            prop_assert_eq!(next, texts.len());
        }
    }

    #[test]
    fn after_a_stop_nothing_is_handed_out() {
        let mut batches = Batches::new(&["a", "b"], 1, 256);
        assert_eq!(batches.take(), Some(0..1));
        batches.stop();
        assert_eq!(batches.take(), None);
    }
}
