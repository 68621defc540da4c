//! Which texts share a batch: those of like length, the longest first so that no thread ends with a long one.

/// Splits texts, given by their token counts, into batches of at most `batch_tokens` tokens (a longer text is a batch of its
/// own). Every text is in exactly one batch; equal lengths keep the order of the texts.
pub(super) fn plan_batches(num_tokens: &[usize], batch_tokens: usize) -> Vec<Vec<usize>> {
    let mut order: Vec<usize> = (0..num_tokens.len()).collect();
    order.sort_by_key(|&text| (std::cmp::Reverse(num_tokens[text]), text));
    let mut batches: Vec<Vec<usize>> = Vec::new();
    let mut room = 0;
    for text in order {
        let needed = num_tokens[text];
        match batches.last_mut() {
            Some(batch) if needed <= room => batch.push(text),
            _ => {
                batches.push(vec![text]);
                room = batch_tokens;
            }
        }
        room = room.saturating_sub(needed);
    }
    batches
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    proptest! {
        #[test]
        fn batches_partition_the_texts_within_the_token_limit(
            lengths in prop::collection::vec(1usize..300, 0..200),
            limit in 0usize..2000,
        ) {
            let batches = plan_batches(&lengths, limit);
            let mut texts: Vec<usize> = batches.concat();
            texts.sort_unstable();
            prop_assert_eq!(texts, (0..lengths.len()).collect::<Vec<_>>());
            for batch in &batches {
                let tokens: usize = batch.iter().map(|&text| lengths[text]).sum();
                prop_assert!(batch.len() == 1 || tokens <= limit, "{} tokens in a batch", tokens);
            }
        }
    }

    #[test]
    fn the_longest_texts_come_first() {
        assert_eq!(plan_batches(&[5, 90, 7, 90], 100), vec![vec![1], vec![3, 2], vec![0]]);
    }
}
