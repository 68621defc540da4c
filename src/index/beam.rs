//! The best rows that a walk has met, in order.

/// A row and the product of its codes with the query's, packed so that the smaller number is the better row: the product, turned
/// round, then the row, then whether its neighbors have been looked at.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub struct Ranked(u64);

impl Ranked {
    const EXPANDED: u64 = 1;
    /// Most rows that fit.
    pub const MAX_ROWS: usize = 1 << 31;

    /// `row` must be below [`Ranked::MAX_ROWS`].
    pub fn new(product: i32, row: u32) -> Self {
        let turned = !(product as u32 ^ 0x8000_0000);
        Self(u64::from(turned) << 32 | u64::from(row) << 1)
    }

    /// The row.
    pub fn row(self) -> u32 {
        (self.0 as u32) >> 1
    }

    /// The product.
    pub fn product(self) -> i32 {
        (!((self.0 >> 32) as u32) ^ 0x8000_0000) as i32
    }

    fn is_same_row(self, other: Self) -> bool {
        self.0 | Self::EXPANDED == other.0 | Self::EXPANDED
    }
}

/// The best rows met so far, best first, at most as many as the beam is wide.
#[derive(Default)]
pub struct Beam {
    rows: Vec<Ranked>,
    width: usize,
    /// Rows before this place have all been expanded.
    next: usize,
}

impl Beam {
    pub fn start(&mut self, width: usize) {
        self.rows.clear();
        self.rows.reserve(width + 1);
        self.width = width;
        self.next = 0;
    }

    /// Keeps `new` when it is among the best and not yet kept.
    #[inline(always)]
    pub fn offer(&mut self, new: Ranked) {
        if self.is_closed_to(new) {
            return;
        }
        let at = self.rows.partition_point(|kept| *kept < new);
        if self.rows.get(at).is_some_and(|kept| kept.is_same_row(new)) {
            return;
        }
        if self.rows.len() == self.width {
            self.rows.pop();
        }
        self.rows.insert(at, new);
        self.next = self.next.min(at);
    }

    /// Keeps those of `rows`, which have these products, that are among the best.
    pub fn offer_all(&mut self, rows: &[u32], products: &[i32], promising: &mut Vec<Ranked>) {
        if self.rows.is_empty() {
            return self.fill(rows, products);
        }
        // Sorted out without a branch first: most rows of a full beam's neighborhood are not among the best, but which cannot be foreseen.
        let worst = if self.rows.len() == self.width { self.rows.last().copied() } else { None };
        let worst = worst.unwrap_or(Ranked(u64::MAX));
        promising.resize(rows.len(), worst);
        let mut len = 0;
        for (row, product) in rows.iter().zip(products) {
            let met = Ranked::new(*product, *row);
            promising[len] = met;
            len += usize::from(met < worst);
        }
        promising[..len].iter().for_each(|met| self.offer(*met));
    }

    /// Keeps the best of `rows`, which have these products, while there are no others: one by one, most would be put in only to be pushed out.
    fn fill(&mut self, rows: &[u32], products: &[i32]) {
        self.rows.extend(rows.iter().zip(products).map(|(row, product)| Ranked::new(*product, *row)));
        if self.rows.len() > self.width {
            self.rows.select_nth_unstable(self.width);
            self.rows.truncate(self.width);
        }
        self.rows.sort_unstable();
    }

    /// Whether it is full of better rows.
    #[inline(always)]
    pub fn is_closed_to(&self, row: Ranked) -> bool {
        self.rows.len() == self.width && self.rows.last().is_some_and(|worst| row >= *worst)
    }

    /// The best row that has not been expanded, which it then counts as.
    pub fn take_next(&mut self) -> Option<Ranked> {
        while let Some(kept) = self.rows.get_mut(self.next) {
            self.next += 1;
            if kept.0 & Ranked::EXPANDED == 0 {
                kept.0 |= Ranked::EXPANDED;
                return Some(*kept);
            }
        }
        None
    }

    /// The row that will probably be expanded next.
    pub fn next_row(&self) -> Option<Ranked> {
        self.rows.get(self.next).copied()
    }

    /// The rows, best first.
    pub fn rows(&self) -> &[Ranked] {
        &self.rows
    }
}
