//! Numbers as bytes: weights with a scale for each output, activations with a scale and a zero point for each row.

use super::aligned::Aligned;
use super::lanes::{InstructionSet, Lanes, Task};
use super::product::Rows;

/// Bytes of a row that are multiplied together; rows are padded to a multiple, which is also one row of an AMX tile.
const GROUP: usize = 64;

/// Rows for which buffers have room beyond those asked for, so that whole AMX tiles may be read.
const ROW_GROUP: usize = 32;

/// A row's scale is never below this, so that dividing by it stays finite.
const LEAST_SCALE: f32 = 1e-30;

/// A weight matrix as signed bytes in panels. Four bytes of consecutive inputs stand in one i32; in a panel, the i32s of its
/// columns stand side by side, one group of four inputs after another.
pub(in crate::embed) struct BytePanels {
    /// Bytes of an activation row that belongs to these weights.
    pub(in crate::embed) inputs: usize,
    pub(in crate::embed) num_panels: usize,
    pub(in crate::embed) quads: Aligned<i32>,
    /// What one step of each column's bytes is worth.
    pub(in crate::embed) scale: Vec<f32>,
    /// What a column's bytes add up to, in the column's steps.
    pub(in crate::embed) sums: Vec<f32>,
}

impl BytePanels {
    /// Packs `weight`, which is `[outputs, inputs]` row after row, each number times `factor`. The greatest number of an
    /// output becomes 127 steps.
    pub(in crate::embed) fn pack(weight: &[f32], inputs: usize, panel: usize, factor: f32) -> Self {
        let padded = inputs.next_multiple_of(GROUP);
        let columns = (weight.len() / inputs).next_multiple_of(panel);
        let mut packed = Self {
            inputs: padded,
            num_panels: columns / panel,
            quads: Aligned::zeros(columns * padded / 4),
            scale: vec![0.0; columns],
            sums: vec![0.0; columns],
        };
        for (output, row) in weight.chunks_exact(inputs).enumerate() {
            let greatest = row.iter().fold(0f32, |greatest, x| greatest.max(x.abs()));
            let step = (greatest / 127.0).max(LEAST_SCALE);
            packed.scale[output] = step * factor;
            let first = output / panel * panel * padded / 4 + output % panel;
            let mut sum = 0i32;
            for (quad, numbers) in row.chunks(4).enumerate() {
                let mut bytes = [0u8; 4];
                for (byte, number) in bytes.iter_mut().zip(numbers) {
                    let steps = (number / step).round_ties_even() as i8;
                    sum += i32::from(steps);
                    *byte = steps as u8;
                }
                packed.quads[first + quad * panel] = i32::from_le_bytes(bytes);
            }
            packed.sums[output] = sum as f32 * packed.scale[output];
        }
        packed
    }

    /// Adds the panels of `other`, which has the same inputs, after these.
    pub(in crate::embed) fn append(&mut self, other: Self) {
        assert_eq!(self.inputs, other.inputs);
        self.num_panels += other.num_panels;
        self.quads.extend(&other.quads);
        self.scale.extend(other.scale);
        self.sums.extend(other.sums);
    }
}

/// Rows of activations as unsigned bytes: a number is `(byte - zero) · scale`.
#[derive(Default)]
pub(in crate::embed) struct ByteRows {
    pub(in crate::embed) bytes: Aligned<u8>,
    pub(in crate::embed) stride: usize,
    pub(in crate::embed) scale: Vec<f32>,
    pub(in crate::embed) zero: Vec<f32>,
}

impl ByteRows {
    /// Takes over `num_rows` rows of `inputs` numbers; what the rows have beyond those must be zeros up to a whole vector.
    pub(in crate::embed) fn quantise(&mut self, set: InstructionSet, num_rows: usize, rows: Rows<'_>, inputs: usize) {
        self.stride = inputs.next_multiple_of(GROUP);
        self.bytes.grow(num_rows.next_multiple_of(ROW_GROUP) * self.stride);
        self.scale.resize(num_rows, 0.0);
        self.zero.resize(num_rows, 0.0);
        set.run(Quantise { num_rows, rows, inputs, out: self });
    }
}

struct Quantise<'a> {
    num_rows: usize,
    rows: Rows<'a>,
    inputs: usize,
    out: &'a mut ByteRows,
}

impl Task for Quantise<'_> {
    #[inline(always)]
    fn run<L: Lanes>(self, lanes: L) {
        let padded = self.inputs.next_multiple_of(L::WIDTH);
        for row in 0..self.num_rows {
            let numbers = &self.rows.numbers[row * self.rows.stride..][..padded];
            let bytes = &mut self.out.bytes[row * self.out.stride..][..self.out.stride];
            (self.out.scale[row], self.out.zero[row]) = quantise_row(lanes, numbers, bytes);
        }
    }
}

/// Spreads 0 to 255 over the row's least to greatest number, zero always among them, and returns scale and zero point. The
/// scale of a row with a number that is not finite is NaN, as bytes have no way to say so, and least and greatest pass over it.
#[inline(always)]
fn quantise_row<L: Lanes>(lanes: L, numbers: &[f32], bytes: &mut [u8]) -> (f32, f32) {
    let zero = lanes.splat(0.0);
    let (mut least, mut greatest, mut blemish) = (zero, zero, zero);
    for x in numbers.chunks_exact(L::WIDTH) {
        let x = lanes.load(x);
        least = lanes.min(least, x);
        greatest = lanes.max(greatest, x);
        // Zero times a finite number is zero; times any other it is NaN, and so are all sums from there on.
        blemish = lanes.mul_add(x, zero, blemish);
    }
    let least = -lanes.greatest(lanes.sub(zero, least));
    let scale = ((lanes.greatest(greatest) - least) / 255.0).max(LEAST_SCALE) + lanes.sum(blemish);
    let zero_point = (-least / scale).round_ties_even();
    let (steps, zeros) = (lanes.splat(1.0 / scale), lanes.splat(zero_point));
    for (x, bytes) in numbers.chunks_exact(L::WIDTH).zip(bytes.chunks_exact_mut(L::WIDTH)) {
        // Rounding may end one step outside.
        let byte = lanes.mul_add(lanes.load(x), steps, zeros);
        let byte = lanes.min(lanes.max(byte, zero), lanes.splat(255.0));
        lanes.store_bytes(bytes, lanes.round(byte));
    }
    (scale, zero_point)
}
