//! Residual and LayerNorm in one pass over rows.

use super::lanes::{Lanes, Task};
use super::product::Rows;

/// Weight, bias and size of a LayerNorm, padded with zeros so that padding stays zero.
pub(in crate::embed) struct Norm {
    weight: Vec<f32>,
    bias: Vec<f32>,
    /// 1 for a number, 0 for padding.
    is_number: Vec<f32>,
    num_numbers: f32,
    epsilon: f32,
}

impl Norm {
    /// A LayerNorm of rows that are padded to `stride` numbers.
    pub(in crate::embed) fn new(weight: &[f32], bias: &[f32], stride: usize, epsilon: f32) -> Self {
        let padded = |numbers: &[f32]| {
            let mut padded = numbers.to_vec();
            padded.resize(stride, 0.0);
            padded
        };
        let is_number = padded(&vec![1.0; weight.len()]);
        Self { weight: padded(weight), bias: padded(bias), is_number, num_numbers: weight.len() as f32, epsilon }
    }

    /// Numbers in a padded row.
    pub(in crate::embed) fn stride(&self) -> usize {
        self.weight.len()
    }
}

/// `hidden = LayerNorm(hidden + added)`, row by row.
pub(in crate::embed) struct AddNorm<'a> {
    pub(in crate::embed) norm: &'a Norm,
    /// Rows as long as the norm's padded size.
    pub(in crate::embed) hidden: &'a mut [f32],
    pub(in crate::embed) added: Rows<'a>,
}

impl Task for AddNorm<'_> {
    #[inline(always)]
    fn run<L: Lanes>(self, lanes: L) {
        let stride = self.norm.weight.len();
        for (row, hidden) in self.hidden.chunks_exact_mut(stride).enumerate() {
            let added = &self.added.numbers[row * self.added.stride..][..stride];
            self.norm.apply(lanes, hidden, added);
        }
    }
}

impl Norm {
    #[inline(always)]
    fn apply<L: Lanes>(&self, lanes: L, hidden: &mut [f32], added: &[f32]) {
        let mut sum = lanes.splat(0.0);
        for at in (0..hidden.len()).step_by(L::WIDTH) {
            let x = lanes.add(lanes.load(&hidden[at..]), lanes.load(&added[at..]));
            lanes.store(&mut hidden[at..], x);
            sum = lanes.add(sum, x);
        }
        let mean = lanes.splat(lanes.sum(sum) / self.num_numbers);
        let mut squares = lanes.splat(0.0);
        for at in (0..hidden.len()).step_by(L::WIDTH) {
            let x = lanes.mul(lanes.sub(lanes.load(&hidden[at..]), mean), lanes.load(&self.is_number[at..]));
            squares = lanes.mul_add(x, x, squares);
        }
        let variance = lanes.sum(squares) / self.num_numbers + self.epsilon;
        // Squares that overflow would make the scale 0 and the row its bias: a vector that looks sound.
        let scale = lanes.splat(if variance.is_finite() { 1.0 / variance.sqrt() } else { f32::NAN });
        for at in (0..hidden.len()).step_by(L::WIDTH) {
            let x = lanes.mul(lanes.sub(lanes.load(&hidden[at..]), mean), scale);
            let x = lanes.mul_add(x, lanes.load(&self.weight[at..]), lanes.load(&self.bias[at..]));
            lanes.store(&mut hidden[at..], x);
        }
    }
}
