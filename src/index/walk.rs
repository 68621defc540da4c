//! The walk over layer 0 that build and search share: a beam of the best rows so far, compared by their codes.
//!
//! No lock, and no memory taken once a thread's [`Walker`] has met an index of this size.

use super::codes::QueryCodes;
use super::kernels::{self, ScoreRows};

/// Rows and their links, as the walk sees them. Links at or above the number of rows end a list.
#[derive(Clone, Copy)]
pub struct Graph0<'a> {
    /// Codes, row after row.
    pub codes: &'a [u8],
    /// Codes a row.
    pub stride: usize,
    /// Links, `m0` places a row.
    pub links: &'a [u32],
    /// Places for links a row.
    pub m0: usize,
}

impl<'a> Graph0<'a> {
    /// Number of rows.
    pub fn num_rows(&self) -> usize {
        self.links.len() / self.m0
    }

    /// The row's codes; `row` must be below the number of rows.
    pub fn row_codes(&self, row: u32) -> &'a [u8] {
        &self.codes[row as usize * self.stride..][..self.stride]
    }

    /// The row's neighbors; `row` must be below the number of rows.
    pub fn neighbors(&self, row: u32) -> impl Iterator<Item = u32> + 'a {
        let num_rows = self.num_rows();
        self.links[row as usize * self.m0..][..self.m0].iter().copied().take_while(move |&row| (row as usize) < num_rows)
    }
}

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

    /// The product of codes.
    pub fn product(self) -> i32 {
        (!((self.0 >> 32) as u32) ^ 0x8000_0000) as i32
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
    fn start(&mut self, width: usize) {
        self.rows.clear();
        self.rows.reserve(width + 1);
        self.width = width;
        self.next = 0;
    }

    /// Keeps `new` when it is among the best.
    #[inline(always)]
    fn offer(&mut self, new: Ranked) {
        if self.rows.len() == self.width {
            if self.rows.last().is_some_and(|worst| new >= *worst) {
                return;
            }
            self.rows.pop();
        }
        let at = self.rows.partition_point(|kept| *kept < new);
        self.rows.insert(at, new);
        self.next = self.next.min(at);
    }

    /// The best row that has not been expanded, which it then counts as.
    fn take_next(&mut self) -> Option<Ranked> {
        while let Some(kept) = self.rows.get_mut(self.next) {
            self.next += 1;
            if kept.0 & Ranked::EXPANDED == 0 {
                kept.0 |= Ranked::EXPANDED;
                return Some(*kept);
            }
        }
        None
    }

    /// The rows, best first.
    pub fn rows(&self) -> &[Ranked] {
        &self.rows
    }
}

/// The rows that a walk has met, forgotten in time proportional to their number.
#[derive(Default)]
struct Visited {
    words: Vec<u64>,
    touched: Vec<u32>,
}

impl Visited {
    fn start(&mut self, num_rows: usize) {
        self.touched.drain(..).for_each(|word| self.words[word as usize] = 0);
        if self.words.len() * 64 < num_rows {
            self.words.resize(num_rows.div_ceil(64), 0);
        }
    }

    /// Marks the row; false when it was marked before.
    #[inline(always)]
    fn insert(&mut self, row: u32) -> bool {
        let word = &mut self.words[row as usize / 64];
        if *word == 0 {
            self.touched.push(row / 64);
        }
        let is_new = *word >> (row % 64) & 1 == 0;
        *word |= 1 << (row % 64);
        is_new
    }
}

/// A thread's memory for walks.
#[derive(Default)]
pub struct Walker {
    /// The query of the next walk.
    pub query: QueryCodes,
    /// What the last walk found.
    pub beam: Beam,
    visited: Visited,
    fresh: Vec<u32>,
    products: Vec<i32>,
}

impl Walker {
    /// Walks from `entry` to the rows nearest to the query, which stand in `beam` afterwards, at most `width` of them.
    pub fn walk(&mut self, graph: Graph0<'_>, entry: u32, width: usize) {
        let score_rows = kernels::score_rows();
        self.beam.start(width.max(1));
        self.visited.start(graph.num_rows());
        self.visited.insert(entry);
        self.fresh.clear();
        self.fresh.push(entry);
        self.score_fresh(graph, score_rows);
        while let Some(best) = self.beam.take_next() {
            self.fresh.clear();
            for row in graph.neighbors(best.row()) {
                if self.visited.insert(row) {
                    self.fresh.push(row);
                }
            }
            self.score_fresh(graph, score_rows);
        }
    }

    /// Compares the query with each of `rows`; the best stand in `beam` afterwards, at most `width` of them.
    pub fn scan(&mut self, graph: Graph0<'_>, rows: impl Iterator<Item = u32>, width: usize) {
        const BLOCK: usize = 256;
        let score_rows = kernels::score_rows();
        self.beam.start(width.max(1));
        self.fresh.clear();
        for row in rows {
            self.fresh.push(row);
            if self.fresh.len() == BLOCK {
                self.score_fresh(graph, score_rows);
                self.fresh.clear();
            }
        }
        self.score_fresh(graph, score_rows);
    }

    fn score_fresh(&mut self, graph: Graph0<'_>, score_rows: ScoreRows) {
        self.products.resize(self.fresh.len(), 0);
        score_rows(graph.codes, graph.stride, &self.fresh, self.query.codes(), &mut self.products);
        let shift = self.query.shift();
        for (row, product) in self.fresh.iter().zip(&self.products) {
            self.beam.offer(Ranked::new(product - shift, *row));
        }
    }

    /// Products of the query with these rows, in their order.
    pub fn products_of(&mut self, graph: Graph0<'_>, rows: &[u32]) -> &[i32] {
        self.products.resize(rows.len(), 0);
        kernels::score_rows()(graph.codes, graph.stride, rows, self.query.codes(), &mut self.products);
        let shift = self.query.shift();
        self.products.iter_mut().for_each(|product| *product -= shift);
        &self.products
    }
}
