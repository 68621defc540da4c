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

/// The rows that a walk has met: those that bear the walk's stamp, so that a new walk forgets them all by taking another.
#[derive(Default)]
pub struct Visited {
    stamps: Vec<u8>,
    stamp: u8,
}

impl Visited {
    /// Forgets all rows, for a walk over so many.
    pub fn start(&mut self, num_rows: usize) {
        if self.stamps.len() < num_rows || self.stamp == u8::MAX {
            self.stamps.clear();
            self.stamps.resize(num_rows.max(self.stamps.capacity()), 0);
            self.stamp = 0;
        }
        self.stamp += 1;
    }

    /// Marks the row; false when it was marked before.
    #[inline(always)]
    pub fn insert(&mut self, row: u32) -> bool {
        let stamp = &mut self.stamps[row as usize];
        let is_new = *stamp != self.stamp;
        *stamp = self.stamp;
        is_new
    }
}
