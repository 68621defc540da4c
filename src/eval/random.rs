//! A small seeded generator: the same draws on every machine and in every release.

/// SplitMix64 (Steele, Lea, Flood 2014).
#[derive(Debug, Clone)]
pub(super) struct Random(u64);

impl Random {
    /// The generator number `stream` of `seed`; streams do not follow one another.
    pub(super) fn new(seed: u64, stream: u64) -> Self {
        let mut of_seed = Self(seed);
        let mut of_stream = Self(of_seed.next() ^ stream.wrapping_mul(0xD134_2543_DE82_EF95));
        Self(of_stream.next())
    }

    fn next(&mut self) -> u64 {
        self.0 = self.0.wrapping_add(0x9E37_79B9_7F4A_7C15);
        let mut mixed = self.0;
        mixed = (mixed ^ mixed >> 30).wrapping_mul(0xBF58_476D_1CE4_E5B9);
        mixed = (mixed ^ mixed >> 27).wrapping_mul(0x94D0_49BB_1331_11EB);
        mixed ^ mixed >> 31
    }

    /// A number below `limit`, each as likely; 0 for a limit of 0.
    pub(super) fn below(&mut self, limit: usize) -> usize {
        ((u128::from(self.next()) * limit as u128) >> 64) as usize
    }

    /// `wanted` of `items`, each set as likely, in the order in which they were drawn; all of them when there are fewer.
    pub(super) fn sample<T: Copy>(&mut self, items: &[T], wanted: usize) -> Vec<T> {
        let mut items = items.to_vec();
        let wanted = wanted.min(items.len());
        for at in 0..wanted {
            let other = at + self.below(items.len() - at);
            items.swap(at, other);
        }
        items.truncate(wanted);
        items
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_number_is_about_as_likely_and_samples_have_no_item_twice() {
        let mut random = Random::new(7, 1);
        let mut counts = [0usize; 10];
        (0..100_000).for_each(|_| counts[random.below(10)] += 1);
        assert!(counts.iter().all(|count| (9_500..10_500).contains(count)), "{counts:?}");
        let mut sample = random.sample(&(0..50).collect::<Vec<u32>>(), 20);
        sample.sort_unstable();
        sample.dedup();
        assert_eq!(sample.len(), 20);
    }
}
