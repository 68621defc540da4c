//! Multi-head attention of one text, head by head, a block of rows at a time so that scores never leave the nearest cache.

use super::aligned::Aligned;
use super::functions::exp2;
use super::lanes::{Lanes, Task};
use super::product::{AddToColumns, Product, Rows, ScaleRows};

/// A score that softmax turns into nothing, for columns past the last token. Less than any finite score, so that scores which
/// overflow leave no number to take for the greatest.
const NO_TOKEN: f32 = f32::NEG_INFINITY;

/// Sizes of the heads of a model.
#[derive(Debug, Clone, Copy)]
pub(in crate::embed) struct Heads {
    pub(in crate::embed) num_heads: usize,
    pub(in crate::embed) head_dim: usize,
    /// Numbers from a token's first query number to its first key number, and from there to its first value number.
    pub(in crate::embed) part_stride: usize,
}

/// Buffers of one attention, reused from text to text.
#[derive(Default)]
pub(in crate::embed) struct AttentionBuffers {
    keys: Aligned<f32>,
    values: Aligned<f32>,
    scores: Aligned<f32>,
    mixed: Aligned<f32>,
    no_token: Vec<f32>,
    scale: Vec<f32>,
}

/// For every head, `softmax(query · keyᵀ) · value`; the queries carry the factor `log₂ e / √head_dim` already.
pub(in crate::embed) struct Attend<'a> {
    pub(in crate::embed) heads: Heads,
    pub(in crate::embed) num_tokens: usize,
    /// A row for each token: its queries, keys and values.
    pub(in crate::embed) parts: Rows<'a>,
    /// A row for each token: its mixed values, head after head.
    pub(in crate::embed) out: &'a mut [f32],
    pub(in crate::embed) out_stride: usize,
    pub(in crate::embed) buffers: &'a mut AttentionBuffers,
}

impl Task for Attend<'_> {
    #[inline(always)]
    fn run<L: Lanes>(mut self, lanes: L) {
        self.buffers.fit::<L>(self.num_tokens, self.heads.head_dim);
        for head in 0..self.heads.num_heads {
            self.pack_keys(lanes, head);
            self.pack_values::<L>(head);
            for first in (0..self.num_tokens).step_by(L::ROWS) {
                self.attend_block(lanes, head, first, L::ROWS.min(self.num_tokens - first));
            }
        }
    }
}

impl AttentionBuffers {
    /// Makes room and puts zeros where no token or no dimension is.
    #[inline(always)]
    fn fit<L: Lanes>(&mut self, num_tokens: usize, head_dim: usize) {
        let columns = num_tokens.next_multiple_of(L::PANEL);
        let head_columns = head_dim.next_multiple_of(L::PANEL);
        for (buffer, size) in [
            (&mut self.keys, head_dim * columns),
            (&mut self.values, num_tokens * head_columns),
            (&mut self.scores, L::ROWS * columns),
            (&mut self.mixed, L::ROWS * head_columns),
        ] {
            buffer.at_least(size).fill(0.0);
        }
        self.scale.resize(L::ROWS, 0.0);
        self.no_token.clear();
        self.no_token.resize(columns, 0.0);
        self.no_token[num_tokens..].fill(NO_TOKEN);
    }
}

impl Attend<'_> {
    /// Keys as panels of tokens, one dimension after another: whole squares by [`Lanes::transpose`], the edges one by one.
    #[inline(always)]
    fn pack_keys<L: Lanes>(&mut self, lanes: L, head: usize) {
        let (head_dim, stride) = (self.heads.head_dim, self.parts.stride);
        let squares = [self.num_tokens, head_dim].map(|size| size / L::WIDTH * L::WIDTH);
        let from = &self.parts.numbers[self.heads.part_stride + head * head_dim..];
        for first in (0..squares[0]).step_by(L::WIDTH) {
            let to = first / L::PANEL * L::PANEL * head_dim + first % L::PANEL;
            for dimension in (0..squares[1]).step_by(L::WIDTH) {
                let to = &mut self.buffers.keys[to + dimension * L::PANEL..];
                lanes.transpose(&from[first * stride + dimension..], stride, to, L::PANEL);
            }
        }
        for token in 0..self.num_tokens {
            let first_edge = if token < squares[0] { squares[1] } else { 0 };
            let to = token / L::PANEL * L::PANEL * head_dim + token % L::PANEL;
            for dimension in first_edge..head_dim {
                self.buffers.keys[to + dimension * L::PANEL] = from[token * stride + dimension];
            }
        }
    }

    /// Values as panels of dimensions, one token after another.
    #[inline(always)]
    fn pack_values<L: Lanes>(&mut self, head: usize) {
        let head_dim = self.heads.head_dim;
        let from = &self.parts.numbers[2 * self.heads.part_stride + head * head_dim..];
        for token in 0..self.num_tokens {
            for (panel, numbers) in from[token * self.parts.stride..][..head_dim].chunks(L::PANEL).enumerate() {
                let to = (panel * self.num_tokens + token) * L::PANEL;
                self.buffers.values[to..][..numbers.len()].copy_from_slice(numbers);
            }
        }
    }

    #[inline(always)]
    fn attend_block<L: Lanes>(&mut self, lanes: L, head: usize, first: usize, num_rows: usize) {
        let head_dim = self.heads.head_dim;
        let columns = self.buffers.no_token.len();
        let queries = &self.parts.numbers[first * self.parts.stride + head * head_dim..];
        let head_columns = head_dim.next_multiple_of(L::PANEL);
        let buffers = &mut *self.buffers;
        let scores = Product {
            num_rows,
            rows: Rows { numbers: queries, stride: self.parts.stride },
            inputs: head_dim,
            panels: &buffers.keys[..head_dim * columns],
            out: &mut buffers.scores,
            out_stride: columns,
            finish: AddToColumns(&buffers.no_token),
        };
        scores.run(lanes);
        for (row, scale) in buffers.scores.chunks_exact_mut(columns).zip(&mut buffers.scale).take(num_rows) {
            *scale = 1.0 / softmax_numerators(lanes, row);
        }
        let mixed = Product {
            num_rows,
            rows: Rows { numbers: &buffers.scores, stride: columns },
            inputs: self.num_tokens,
            panels: &buffers.values[..self.num_tokens * head_columns],
            out: &mut buffers.mixed,
            out_stride: head_columns,
            finish: ScaleRows(&buffers.scale),
        };
        mixed.run(lanes);
        for (row, mixed) in buffers.mixed.chunks_exact(head_columns).take(num_rows).enumerate() {
            let out = (first + row) * self.out_stride + head * head_dim;
            self.out[out..][..head_dim].copy_from_slice(&mixed[..head_dim]);
        }
    }
}

/// Replaces scores by 2 to the power of their distance to the greatest and returns the sum: NaN if a score is NaN or the
/// greatest is infinite, since then a distance is NaN.
#[inline(always)]
fn softmax_numerators<L: Lanes>(lanes: L, row: &mut [f32]) -> f32 {
    let mut greatest = lanes.splat(NO_TOKEN);
    for scores in row.chunks_exact(L::WIDTH) {
        greatest = lanes.max(greatest, lanes.load(scores));
    }
    let greatest = lanes.splat(lanes.greatest(greatest));
    let mut sum = lanes.splat(0.0);
    for scores in row.chunks_exact_mut(L::WIDTH) {
        let power = exp2(lanes, lanes.sub(lanes.load(scores), greatest));
        lanes.store(scores, power);
        sum = lanes.add(sum, power);
    }
    lanes.sum(sum)
}
