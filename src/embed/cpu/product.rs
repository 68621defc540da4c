//! Products of f32 matrices: rows of activations by packed panels of weights, each sum finished (bias, activation) in registers.
//!
//! Every number of the result is one chain of multiply-adds over the inputs in order, then [`Finish`]. So a row's result does
//! not depend on how many rows are computed together, in what order, or by which thread.

use super::aligned::Aligned;
use super::lanes::{Lanes, PANEL_VECTORS, Task};

/// How far ahead of their use weights are asked for.
const AHEAD_BYTES: usize = 4096;

/// Bytes that the processor fetches together.
const LINE_BYTES: usize = 64;

/// Calls a method generic over the number of rows, 1 to 14, skipping those beyond [`Lanes::ROWS`].
macro_rules! by_num_rows {
    ($num_rows:expr, $self:ident.$method:ident::<$lanes:ident>($($arg:expr),*)) => {
        by_num_rows!(@ $num_rows, $self, $method, $lanes, ($($arg),*), 1 2 3 4 5 6 7 8 9 10 11 12 13 14)
    };
    (@ $num_rows:expr, $self:ident, $method:ident, $lanes:ident, $args:tt, $($n:literal)*) => {
        match $num_rows {
            $($n if $n <= $lanes::ROWS => by_num_rows!(@call $self, $method, $lanes, $n, $args),)*
            _ => {}
        }
    };
    (@call $self:ident, $method:ident, $lanes:ident, $n:literal, ($($arg:expr),*)) => {
        $self.$method::<$lanes, $n>($($arg),*)
    };
}
pub(in crate::embed) use by_num_rows;

/// A matrix of `inputs` rows and `outputs` columns, cut into panels of [`Lanes::PANEL`] columns; the columns past `outputs` are
/// zeros. A panel holds its columns' numbers of one input side by side.
pub(in crate::embed) struct Panels {
    pub(in crate::embed) inputs: usize,
    pub(in crate::embed) num_panels: usize,
    pub(in crate::embed) numbers: Aligned<f32>,
}

impl Panels {
    /// Packs `weight`, which is `[outputs, inputs]` row after row, each number times `scale`.
    pub(in crate::embed) fn pack(weight: &[f32], inputs: usize, panel: usize, scale: f32) -> Self {
        let outputs = weight.len() / inputs;
        let num_panels = outputs.div_ceil(panel);
        let mut numbers = Aligned::zeros(num_panels * panel * inputs);
        for (output, row) in weight.chunks_exact(inputs).enumerate() {
            let first = output / panel * panel * inputs + output % panel;
            for (input, number) in row.iter().enumerate() {
                numbers[first + input * panel] = number * scale;
            }
        }
        Self { inputs, num_panels, numbers }
    }

    /// Adds the panels of `other`, which has the same inputs, after these.
    pub(in crate::embed) fn append(&mut self, other: Self) {
        assert_eq!(self.inputs, other.inputs);
        self.num_panels += other.num_panels;
        self.numbers.extend(&other.numbers);
    }
}

/// What happens to a sum before it is written.
pub(in crate::embed) trait Finish {
    /// The sums at `row` and the [`Lanes::WIDTH`] columns from `column` on. Must be `#[inline(always)]`.
    fn finish<L: Lanes>(&self, lanes: L, sums: L::F, row: usize, column: usize) -> L::F;
}

/// Adds a number for each column.
pub(in crate::embed) struct AddToColumns<'a>(pub(in crate::embed) &'a [f32]);

impl Finish for AddToColumns<'_> {
    #[inline(always)]
    fn finish<L: Lanes>(&self, lanes: L, sums: L::F, _row: usize, column: usize) -> L::F {
        lanes.add(sums, lanes.load(&self.0[column..]))
    }
}

/// Multiplies each row by a number.
pub(in crate::embed) struct ScaleRows<'a>(pub(in crate::embed) &'a [f32]);

impl Finish for ScaleRows<'_> {
    #[inline(always)]
    fn finish<L: Lanes>(&self, lanes: L, sums: L::F, row: usize, _column: usize) -> L::F {
        lanes.mul(sums, lanes.splat(self.0[row]))
    }
}

/// Rows of numbers lying `stride` apart.
#[derive(Clone, Copy)]
pub(in crate::embed) struct Rows<'a> {
    pub(in crate::embed) numbers: &'a [f32],
    pub(in crate::embed) stride: usize,
}

/// `out = finish(rows · panels)`.
pub(in crate::embed) struct Product<'a, E> {
    pub(in crate::embed) num_rows: usize,
    /// Each of at least `inputs` numbers.
    pub(in crate::embed) rows: Rows<'a>,
    pub(in crate::embed) inputs: usize,
    /// Panel after panel, as in [`Panels::numbers`].
    pub(in crate::embed) panels: &'a [f32],
    pub(in crate::embed) out: &'a mut [f32],
    /// At least the columns of all panels.
    pub(in crate::embed) out_stride: usize,
    pub(in crate::embed) finish: E,
}

impl<E: Finish> Task for Product<'_, E> {
    #[inline(always)]
    fn run<L: Lanes>(mut self, lanes: L) {
        if self.num_rows == 0 {
            return;
        }
        let panel_numbers = self.inputs * L::PANEL;
        let columns = self.panels.len() / panel_numbers * L::PANEL;
        assert!(self.rows.numbers.len() >= (self.num_rows - 1) * self.rows.stride + self.inputs);
        assert!(self.out_stride >= columns && self.out.len() >= (self.num_rows - 1) * self.out_stride + columns);
        for (at, panel) in self.panels.chunks_exact(panel_numbers).enumerate() {
            let mut row = 0;
            while row < self.num_rows {
                let num_rows = L::ROWS.min(self.num_rows - row);
                // SAFETY: `panel` has `inputs` × PANEL numbers, and the two assertions above leave `num_rows` rows from `row`
                // on with `inputs` numbers to read and PANEL columns of panel `at` to write.
                unsafe { by_num_rows!(num_rows, self.block::<L>(lanes, row, at * L::PANEL, panel)) };
                row += num_rows;
            }
        }
    }
}

impl<E: Finish> Product<'_, E> {
    /// Computes `R` rows by one panel, all sums in registers.
    ///
    /// `R` rows from `row` on must have `inputs` numbers to read and the panel's columns from `column` on to write.
    #[inline(always)]
    unsafe fn block<L: Lanes, const R: usize>(&mut self, lanes: L, row: usize, column: usize, panel: &[f32]) {
        // SAFETY: the caller vouches for all pointers made here.
        unsafe {
            let rows = self.rows.numbers.as_ptr().add(row * self.rows.stride);
            let sums = sums::<L, R>(lanes, rows, self.rows.stride, self.inputs, panel.as_ptr());
            for (r, sums) in sums.into_iter().enumerate() {
                let out = self.out.as_mut_ptr().add((row + r) * self.out_stride + column);
                for (vector, sums) in sums.into_iter().enumerate() {
                    let at = vector * L::WIDTH;
                    let finished = self.finish.finish(lanes, sums, row + r, column + at);
                    lanes.store_at(out.add(at), finished);
                }
            }
        }
    }
}

/// The dot products of `R` rows, `stride` apart, with the columns of one panel.
///
/// Each row must be valid for `inputs` numbers and `panel` for `inputs` × PANEL.
#[inline(always)]
unsafe fn sums<L: Lanes, const R: usize>(
    lanes: L,
    rows: *const f32,
    stride: usize,
    inputs: usize,
    panel: *const f32,
) -> [[L::F; PANEL_VECTORS]; R] {
    let mut sums = [[lanes.splat(0.0); PANEL_VECTORS]; R];
    for input in 0..inputs {
        // SAFETY: the caller vouches for both.
        unsafe {
            let weights = panel.add(input * L::PANEL);
            prefetch_ahead(lanes, weights);
            let weights = [lanes.load_at(weights), lanes.load_at(weights.add(L::WIDTH))];
            for (r, sums) in sums.iter_mut().enumerate() {
                let number = lanes.splat(*rows.add(r * stride + input));
                for (sum, weights) in sums.iter_mut().zip(weights) {
                    *sum = lanes.mul_add(number, weights, *sum);
                }
            }
        }
    }
    sums
}

/// Asks for the panel row that is read [`AHEAD_BYTES`] later. Processors look ahead by themselves, but not past the end of a
/// page, and a short text's pass is nothing but reading all weights once.
#[inline(always)]
pub(in crate::embed) fn prefetch_ahead<L: Lanes, T>(lanes: L, weights: *const T) {
    let ahead = weights.wrapping_byte_add(AHEAD_BYTES);
    for line in 0..PANEL_VECTORS * L::WIDTH * size_of::<f32>() / LINE_BYTES {
        lanes.prefetch(ahead.wrapping_byte_add(line * LINE_BYTES));
    }
}
