//! Products of byte matrices, exact in 32 bits, brought back to f32 and finished in registers.
//!
//! The sums are whole numbers, so every instruction set, AMX tiles included, computes the same.

#[cfg(target_arch = "x86_64")]
use super::amx::{self, Amx};
use super::bytes::{BytePanels, ByteRows};
use super::lanes::{Lanes, PANEL_VECTORS, Task};
use super::product::{Finish, by_num_rows, prefetch_ahead};

/// Inputs of the widest layer whose sums fit 32 bits, whatever its bytes: 255 · 127 each.
pub(in crate::embed) const MAX_INPUTS: usize = i32::MAX as usize / (255 * 127);

/// `out = finish(rows · panels)`.
pub(in crate::embed) struct ByteProduct<'a, E> {
    pub(in crate::embed) num_rows: usize,
    pub(in crate::embed) rows: &'a ByteRows,
    pub(in crate::embed) panels: &'a BytePanels,
    pub(in crate::embed) out: &'a mut [f32],
    /// At least the columns of all panels.
    pub(in crate::embed) out_stride: usize,
    pub(in crate::embed) finish: E,
    /// Tiles do the sums where the processor has them.
    #[cfg(target_arch = "x86_64")]
    pub(in crate::embed) tiles: Option<Amx>,
}

impl<E: Finish> Task for ByteProduct<'_, E> {
    #[inline(always)]
    fn run<L: Lanes>(mut self, lanes: L) {
        let columns = self.panels.num_panels * L::PANEL;
        assert!(self.rows.stride == self.panels.inputs && self.panels.inputs.is_multiple_of(4));
        assert!(self.rows.bytes.len() >= self.num_rows * self.rows.stride);
        assert!(
            self.out_stride >= columns && self.out.len() + self.out_stride >= self.num_rows * self.out_stride + columns
        );
        #[cfg(target_arch = "x86_64")]
        if let Some(tiles) = self.tiles
            && L::PANEL == amx::PANEL
        {
            return self.run_tiles(lanes, tiles);
        }
        for (at, panel) in self.panels.quads.chunks_exact(self.panels.inputs / 4 * L::PANEL).enumerate() {
            let mut row = 0;
            while row < self.num_rows {
                let num_rows = L::ROWS.min(self.num_rows - row);
                // SAFETY: the assertions above leave `num_rows` rows from `row` on with `inputs` bytes to read, and a panel
                // has `inputs` / 4 × PANEL quads.
                unsafe { by_num_rows!(num_rows, self.block::<L>(lanes, row, at * L::PANEL, panel)) };
                row += num_rows;
            }
        }
    }
}

impl<E: Finish> ByteProduct<'_, E> {
    /// Computes `R` rows by one panel, all sums in registers.
    ///
    /// `R` rows from `row` on must have `inputs` bytes to read.
    #[inline(always)]
    unsafe fn block<L: Lanes, const R: usize>(&mut self, lanes: L, row: usize, column: usize, panel: &[i32]) {
        // SAFETY: the caller vouches for the rows, the panel is whole.
        let sums = unsafe {
            let rows = self.rows.bytes.as_ptr().add(row * self.rows.stride);
            sums::<L, R>(lanes, rows, self.rows.stride, self.panels.inputs / 4, panel.as_ptr())
        };
        for (r, sums) in sums.into_iter().enumerate() {
            for (vector, sums) in sums.into_iter().enumerate() {
                self.write(lanes, sums, row + r, column + vector * L::WIDTH);
            }
        }
    }

    /// Brings sums back to f32, finishes and stores them.
    #[inline(always)]
    fn write<L: Lanes>(&mut self, lanes: L, sums: L::I, row: usize, column: usize) {
        let scale = self.rows.scale[row];
        let steps = lanes.mul(lanes.load(&self.panels.scale[column..]), lanes.splat(scale));
        let zeros = lanes.splat(-scale * self.rows.zero[row]);
        let shift = lanes.mul(lanes.load(&self.panels.sums[column..]), zeros);
        let sums = lanes.mul_add(lanes.to_f32(sums), steps, shift);
        let finished = self.finish.finish(lanes, sums, row, column);
        lanes.store(&mut self.out[row * self.out_stride + column..], finished);
    }

    /// The same by AMX tiles, two by two.
    #[cfg(target_arch = "x86_64")]
    #[inline(always)]
    fn run_tiles<L: Lanes>(&mut self, lanes: L, tiles: Amx) {
        let rows_with_room = self.rows.bytes.len() / self.rows.stride;
        assert!(rows_with_room >= self.num_rows.next_multiple_of(amx::ROWS));
        let mut sums = [0i32; amx::ROWS * amx::PANEL];
        let tiles = tiles.configure();
        for (at, panel) in self.panels.quads.chunks_exact(self.panels.inputs / 4 * L::PANEL).enumerate() {
            for first in (0..self.num_rows).step_by(amx::ROWS) {
                tiles.sums(&self.rows.bytes[first * self.rows.stride..], self.rows.stride, panel, &mut sums);
                let num_rows = amx::ROWS.min(self.num_rows - first);
                for (row, sums) in sums.chunks_exact(amx::PANEL).take(num_rows).enumerate() {
                    for vector in (0..L::PANEL).step_by(L::WIDTH) {
                        // SAFETY: the slice index checks that a whole vector of sums is there.
                        let sums = unsafe { lanes.load_i32_at(sums[vector..][..L::WIDTH].as_ptr()) };
                        self.write(lanes, sums, first + row, at * L::PANEL + vector);
                    }
                }
            }
        }
    }
}

/// The dot products of `R` rows of bytes, `stride` apart, with the columns of one panel.
///
/// Each row must be valid for `num_quads` × 4 bytes and `panel` for `num_quads` × PANEL.
#[inline(always)]
unsafe fn sums<L: Lanes, const R: usize>(
    lanes: L,
    rows: *const u8,
    stride: usize,
    num_quads: usize,
    panel: *const i32,
) -> [[L::I; PANEL_VECTORS]; R] {
    let mut sums = [[lanes.splat_i32(0); PANEL_VECTORS]; R];
    for quad in 0..num_quads {
        // SAFETY: the caller vouches for both.
        unsafe {
            let weights = panel.add(quad * L::PANEL);
            prefetch_ahead(lanes, weights);
            let weights = [lanes.load_i32_at(weights), lanes.load_i32_at(weights.add(L::WIDTH))];
            for (r, sums) in sums.iter_mut().enumerate() {
                let bytes = lanes.splat_i32(rows.add(r * stride + quad * 4).cast::<i32>().read_unaligned());
                for (sum, weights) in sums.iter_mut().zip(weights) {
                    *sum = lanes.dot_bytes(*sum, bytes, weights);
                }
            }
        }
    }
    sums
}
