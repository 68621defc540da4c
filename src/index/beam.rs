//! The best rows that a walk has met, in order.

use super::kernels;

/// A row and the product of its codes with the query's, packed so that the smaller number is the better row: the product, turned
/// round, then the row, then whether its neighbors have been looked at.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, bytemuck::Pod, bytemuck::Zeroable)]
#[repr(transparent)]
pub struct Ranked(u64);

impl Ranked {
    const EXPANDED: u64 = 1;
    /// Most rows that fit.
    pub const MAX_ROWS: usize = 1 << 31;

    /// A row whose neighbors have not been looked at; it must be below [`Ranked::MAX_ROWS`].
    pub fn new(row: u32, product: i32) -> Self {
        Self(kernels::pack(product, row))
    }

    /// The row.
    pub fn row(self) -> u32 {
        (self.0 as u32) >> 1
    }

    /// The product.
    pub fn product(self) -> i32 {
        ((self.0 >> 32) as u32 ^ (u32::MAX >> 1)) as i32
    }
}

/// Places of a beam to begin with.
const FEWEST_PLACES: usize = 64;
/// No row: behind the last of a list.
const NONE: u64 = u64::MAX;

/// The best rows met so far, best first, at most as many as the beam is wide.
#[derive(Default)]
pub struct Beam {
    /// Rows, as [`Ranked`] packs them, then [`NONE`] in at least [`kernels::SORTED_SPARE`] places, a multiple of so many altogether.
    list: Vec<u64>,
    len: usize,
    width: usize,
    /// Rows before this place have all been expanded.
    next: usize,
}

impl Beam {
    /// Forgets all rows.
    pub fn start(&mut self, width: usize) {
        self.list.clear();
        self.list.resize(FEWEST_PLACES, NONE);
        (self.len, self.width, self.next) = (0, width, 0);
    }

    /// Keeps `new` when it is among the best and not yet kept.
    #[inline(always)]
    pub fn offer(&mut self, insert: kernels::Insert, new: Ranked) {
        if self.is_closed_to(new) {
            return;
        }
        if self.len + kernels::SORTED_SPARE > self.list.len() {
            self.list.resize(2 * self.list.len(), NONE);
        }
        let Some(at) = insert(&mut self.list, self.len, new.0) else { return };
        self.next = self.next.min(at);
        if self.len < self.width {
            self.len += 1;
        } else {
            self.list[self.len] = NONE;
        }
    }

    /// Keeps those of `rows`, which have these products, that are among the best.
    pub fn offer_all(&mut self, rows: &[u32], products: &[i32], promising: &mut Vec<Ranked>) {
        let insert = kernels::insert();
        for met in self.promising(rows, products, promising) {
            self.offer(insert, *met);
        }
    }

    /// Those of `rows`, which have these products, that may be among the best: most rows of a full beam's neighborhood are not.
    #[inline(always)]
    pub fn promising<'a>(&self, rows: &[u32], products: &[i32], memory: &'a mut Vec<Ranked>) -> &'a [Ranked] {
        memory.resize(rows.len() + kernels::PACKED_SPARE, Ranked(NONE));
        let num = kernels::pack_best()(rows, products, self.least(), bytemuck::cast_slice_mut(memory));
        &memory[..num]
    }

    /// Whether it holds as many rows as it is wide.
    pub fn is_full(&self) -> bool {
        self.len == self.width
    }

    /// The smallest product that may be among the best.
    #[inline(always)]
    fn least(&self) -> i32 {
        if self.is_full() { self.rows().last().map_or(i32::MIN, |worst| worst.product()) } else { i32::MIN }
    }

    /// Whether it is full of better rows.
    #[inline(always)]
    pub fn is_closed_to(&self, row: Ranked) -> bool {
        self.is_full() && self.rows().last().is_some_and(|worst| row >= *worst)
    }

    /// The best row that has not been expanded.
    pub fn next_row(&mut self) -> Option<Ranked> {
        while let Some(kept) = self.rows().get(self.next).copied() {
            if kept.0 & Ranked::EXPANDED == 0 {
                return Some(kept);
            }
            self.next += 1;
        }
        None
    }

    /// The best row that has not been expanded, which it then counts as.
    pub fn take_next(&mut self) -> Option<Ranked> {
        let row = self.next_row()?;
        self.list[self.next] |= Ranked::EXPANDED;
        self.next += 1;
        Some(row)
    }

    /// The rows, best first.
    pub fn rows(&self) -> &[Ranked] {
        bytemuck::cast_slice(&self.list[..self.len])
    }
}
