//! What one step of the training looks at: pairs drawn by weight, and what must not count as a wrong answer.

use super::train::{MapExamples, MapPair};

/// What a masked answer adds to its score: none is left of it after the exponential.
const MASKED: f32 = -1e9;

/// A drawn batch of `n` pairs, with `h` look-alikes for each anchor.
pub(super) struct Batch {
    /// Rows of the anchors, `n`.
    pub anchors: Vec<u32>,
    /// Rows of what goes with them, `n`.
    pub others: Vec<u32>,
    /// Rows of the look-alikes, `n` times `h`.
    pub look_alikes: Vec<u32>,
    /// What is added to the score of each other for each anchor, `n` times `n`.
    pub other_bias: Vec<f32>,
    /// What is added to the score of each look-alike, `n` times `h`.
    pub look_alike_bias: Vec<f32>,
}

/// Draws batches.
pub(super) struct Batches<'a> {
    examples: &'a MapExamples<'a>,
    num_look_alikes: usize,
    size: usize,
    /// Sum of the weights up to and with each pair.
    sums: Vec<f64>,
    /// First pair of each anchor.
    starts: Vec<usize>,
    /// `-ln` of the share of each product among what is drawn: the correction for how often a product is a wrong answer only because it is
    /// popular (Bengio and Senécal 2008; "logQ" since Yi et al., RecSys 2019).
    correction: Vec<f32>,
    random: Random,
    /// For each product its first place among the others of the batch at hand, and for each place the next of the same product.
    first_place: Vec<u32>,
    next_place: Vec<u32>,
}

const NOWHERE: u32 = u32::MAX;

impl<'a> Batches<'a> {
    /// Batches of `size` pairs of `examples`, which hold at least one, by `seed`.
    pub(super) fn new(examples: &'a MapExamples<'a>, size: usize, num_look_alikes: usize, seed: u64) -> Self {
        let num_rows = examples.num_rows();
        let mut starts = vec![0usize; num_rows + 1];
        let mut shares = vec![0f64; num_rows];
        let mut sums = Vec::with_capacity(examples.pairs.len());
        let mut total = 0.0;
        for MapPair { anchor, other, weight } in examples.pairs {
            starts[*anchor as usize + 1] += 1;
            shares[*other as usize] += f64::from(*weight);
            total += f64::from(*weight);
            sums.push(total);
        }
        (0..num_rows).for_each(|row| starts[row + 1] += starts[row]);
        // A product that is never drawn is no answer in any batch.
        let correction = shares.iter().map(|share| -(share / total).max(f64::from(f32::MIN_POSITIVE)).ln() as f32);
        Self {
            examples,
            num_look_alikes,
            size,
            sums,
            starts,
            correction: correction.collect(),
            random: Random(seed),
            first_place: vec![NOWHERE; num_rows],
            next_place: vec![NOWHERE; size],
        }
    }

    /// The next batch.
    pub(super) fn draw(&mut self) -> Batch {
        let total = self.sums.last().copied().unwrap_or_default();
        let last = self.sums.len() - 1;
        let drawn: Vec<MapPair> = (0..self.size)
            .map(|_| {
                let at = self.random.share() * total;
                self.examples.pairs[self.sums.partition_point(|sum| *sum <= at).min(last)]
            })
            .collect();
        let anchors: Vec<u32> = drawn.iter().map(|pair| pair.anchor).collect();
        let others: Vec<u32> = drawn.iter().map(|pair| pair.other).collect();
        let other_bias = self.other_bias(&anchors, &others);
        let (look_alikes, look_alike_bias) = self.look_alikes(&anchors);
        Batch { anchors, others, look_alikes, other_bias, look_alike_bias }
    }

    /// The corrections, and what goes with an anchor masked where it is the answer to another pair: it is not wrong.
    fn other_bias(&mut self, anchors: &[u32], others: &[u32]) -> Vec<f32> {
        for (place, &other) in others.iter().enumerate() {
            let first = &mut self.first_place[other as usize];
            self.next_place[place] = std::mem::replace(first, place as u32);
        }
        let row: Vec<f32> = others.iter().map(|&other| self.correction[other as usize]).collect();
        let mut bias = row.repeat(anchors.len());
        for (at, &anchor) in anchors.iter().enumerate() {
            let of_anchor = &mut bias[at * others.len()..][..others.len()];
            let pairs = &self.examples.pairs[self.starts[anchor as usize]..self.starts[anchor as usize + 1]];
            for pair in pairs {
                let mut place = self.first_place[pair.other as usize];
                while place != NOWHERE {
                    if place as usize != at {
                        of_anchor[place as usize] = MASKED;
                    }
                    place = self.next_place[place as usize];
                }
            }
        }
        others.iter().for_each(|&other| self.first_place[other as usize] = NOWHERE);
        bias
    }

    /// Look-alikes of each anchor, drawn; masked where it has none. Each counts as if it were drawn once in a batch.
    fn look_alikes(&mut self, anchors: &[u32]) -> (Vec<u32>, Vec<f32>) {
        let drawn_once = (self.size as f32).ln();
        let mut rows = Vec::with_capacity(anchors.len() * self.num_look_alikes);
        let mut bias = Vec::with_capacity(rows.capacity());
        for &anchor in anchors {
            let known = self.examples.look_alikes.get(anchor as usize).map_or(&[][..], Vec::as_slice);
            for _ in 0..self.num_look_alikes {
                let drawn = known.get((self.random.share() * known.len() as f64) as usize);
                rows.push(drawn.copied().unwrap_or(anchor));
                bias.push(if drawn.is_some() { drawn_once } else { MASKED });
            }
        }
        (rows, bias)
    }
}

/// SplitMix64 (Steele, Lea, Flood 2014): the same draws on every machine.
pub(super) struct Random(pub u64);

impl Random {
    fn next(&mut self) -> u64 {
        self.0 = self.0.wrapping_add(0x9E37_79B9_7F4A_7C15);
        let mut mixed = self.0;
        mixed = (mixed ^ mixed >> 30).wrapping_mul(0xBF58_476D_1CE4_E5B9);
        mixed = (mixed ^ mixed >> 27).wrapping_mul(0x94D0_49BB_1331_11EB);
        mixed ^ mixed >> 31
    }

    /// From 0 to 1, without 1.
    pub(super) fn share(&mut self) -> f64 {
        (self.next() >> 11) as f64 / (1u64 << 53) as f64
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn pairs_are_drawn_by_weight_and_no_right_answer_counts_as_wrong() {
        let pair = |anchor, other, weight| MapPair { anchor, other, weight };
        let pairs = [pair(0, 1, 1.0), pair(0, 2, 3.0), pair(3, 1, 4.0)];
        let vectors = [1.0, 0.0, 0.0, 1.0, -1.0, 0.0, 0.0, -1.0];
        let look_alikes = [vec![3], vec![], vec![], vec![]];
        let examples = MapExamples { vectors: &vectors, dim: 2, pairs: &pairs, look_alikes: &look_alikes };
        let mut batches = Batches::new(&examples, 4000, 1, 7);
        let batch = batches.draw();
        let count = |wanted: &MapPair| {
            let drawn = batch.anchors.iter().zip(&batch.others);
            drawn.filter(|(anchor, other)| (**anchor, **other) == (wanted.anchor, wanted.other)).count()
        };
        assert!(pairs.iter().all(|pair| (count(pair) as f32 - 500.0 * pair.weight).abs() < 150.0));
        for (at, (&anchor, &other)) in batch.anchors.iter().zip(&batch.others).enumerate().take(50) {
            let row = &batch.other_bias[at * 4000..][..4000];
            let share = if other == 1 { 5.0 / 8.0 } else { 3.0f32 / 8.0 };
            assert!((row[at] + share.ln()).abs() < 1e-6);
            for (place, &shown) in batch.others.iter().enumerate().filter(|(place, _)| *place != at) {
                let is_pair = pairs.iter().any(|pair| (pair.anchor, pair.other) == (anchor, shown));
                assert_eq!(row[place] == MASKED, is_pair);
            }
            let has_look_alike = anchor == 0;
            assert_eq!(batch.look_alike_bias[at] == MASKED, !has_look_alike);
            assert!(!has_look_alike || batch.look_alikes[at] == 3);
        }
    }
}
