//! Which rows a walk has met.

/// Rows that a walk has met, as long as nothing pushed them out: see [`TakeNew`](super::kernels::TakeNew).
#[derive(Default)]
pub struct Seen {
    table: Vec<u32>,
}

impl Seen {
    /// A walk meets about 13 rows for each place of its beam.
    const PLACES_PER_WIDTH: usize = 32;
    /// Fewest places, and most: the tables of wider beams no longer fit the caches that make the table worth its while.
    const PLACES: (usize, usize) = (1 << 11, 1 << 16);

    /// Forgets all rows, for a walk with a beam of this width.
    pub fn start(&mut self, width: usize) {
        let (least, most) = Self::PLACES;
        let places = (Self::PLACES_PER_WIDTH * width).next_power_of_two().clamp(least, most);
        self.table.clear();
        self.table.resize(places, u32::MAX);
    }

    /// The table for [`TakeNew`](super::kernels::TakeNew).
    #[inline(always)]
    pub fn table(&mut self) -> &mut [u32] {
        &mut self.table
    }
}
