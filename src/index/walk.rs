//! The walk over layer 0 that build and search share: a beam of the best rows so far, compared by their codes.
//!
//! No lock, and no memory taken once a thread's [`Walker`] has met an index of this size.

use std::cmp::Reverse;
use std::collections::BinaryHeap;

use super::codes;
use super::kernels::{self, ScoreRows};
use super::projection::{Projection, Scratch};

/// Rows expanded at a time: their neighbors come from memory together.
const TOGETHER: usize = 2;

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

    /// Asks for the row's links, which will be read soon.
    fn fetch_links(&self, row: u32) {
        let links = self.links.get(row as usize * self.m0..).unwrap_or_default();
        kernels::fetch(bytemuck::cast_slice(&links[..self.m0.min(links.len())]));
    }

    /// The row's neighbors; `row` must be below the number of rows.
    pub fn neighbors(&self, row: u32) -> impl Iterator<Item = u32> + 'a {
        let num_rows = self.num_rows();
        self.links[row as usize * self.m0..][..self.m0]
            .iter()
            .copied()
            .take_while(move |&row| (row as usize) < num_rows)
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
        if self.is_closed_to(new) {
            return;
        }
        if self.rows.len() == self.width {
            self.rows.pop();
        }
        let at = self.rows.partition_point(|kept| *kept < new);
        self.rows.insert(at, new);
        self.next = self.next.min(at);
    }

    /// Keeps those of `rows`, which have these products, that are among the best.
    fn offer_all(&mut self, rows: &[u32], products: &[i32], promising: &mut Vec<Ranked>) {
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

    /// Whether it is full of better rows.
    #[inline(always)]
    fn is_closed_to(&self, row: Ranked) -> bool {
        self.rows.len() == self.width && self.rows.last().is_some_and(|worst| row >= *worst)
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

    /// The rows that will probably be expanded next.
    fn next_rows(&self) -> &[Ranked] {
        &self.rows[self.next..self.rows.len().min(self.next + TOGETHER + 1)]
    }

    /// The rows, best first.
    pub fn rows(&self) -> &[Ranked] {
        &self.rows
    }
}

/// The rows that a walk has met: those that bear the walk's stamp, so that a new walk forgets them all by taking another.
#[derive(Default)]
struct Visited {
    stamps: Vec<u8>,
    stamp: u8,
}

impl Visited {
    fn start(&mut self, num_rows: usize) {
        if self.stamps.len() < num_rows || self.stamp == u8::MAX {
            self.stamps.clear();
            self.stamps.resize(num_rows.max(self.stamps.capacity()), 0);
            self.stamp = 0;
        }
        self.stamp += 1;
    }

    /// Marks the row; false when it was marked before.
    #[inline(always)]
    fn insert(&mut self, row: u32) -> bool {
        let stamp = &mut self.stamps[row as usize];
        let is_new = *stamp != self.stamp;
        *stamp = self.stamp;
        is_new
    }
}

/// Which rows a filtered walk may keep, and how far it goes.
#[derive(Debug, Clone, Copy)]
pub struct Gate<F> {
    /// Whether the row may be kept.
    pub is_allowed: F,
    /// How many allowed rows are kept: the walk ends when all rows left to expand are farther than these.
    pub width: usize,
    /// The walk is given up once it has looked at so many rows.
    pub budget: usize,
}

/// A thread's memory for walks.
#[derive(Default)]
pub struct Walker {
    /// The query of the next walk, as codes.
    query: Vec<i8>,
    projected: Vec<f32>,
    scratch: Scratch,
    /// What the last walk found.
    pub beam: Beam,
    visited: Visited,
    fresh: Vec<u32>,
    products: Vec<i32>,
    promising: Vec<Ranked>,
    /// Rows that a walk with a gate has yet to expand, the best on top.
    frontier: BinaryHeap<Reverse<Ranked>>,
    /// Neighbors that may not be kept, through which a two-hop walk looks further.
    hops: Vec<u32>,
}

impl Walker {
    /// Takes `query`, a whole vector, as the query of the next walk over codes made with `projection` and levels `steps` apart.
    pub fn set_query(&mut self, query: &[f32], projection: &Projection<'_>, steps: &[f32]) {
        projection.apply(query, &mut self.scratch, &mut self.projected);
        codes::encode_query(&self.projected, steps, &mut self.query);
    }

    /// Walks from `entry` to the rows nearest to the query, which stand in `beam` afterwards, at most `width` of them.
    pub fn walk(&mut self, graph: Graph0<'_>, entry: u32, width: usize) {
        let score_rows = kernels::score_rows();
        self.start(graph, width);
        self.visited.insert(entry);
        self.fresh.push(entry);
        self.score_fresh(graph, score_rows);
        while let Some(best) = self.beam.take_next() {
            self.fresh.clear();
            self.gather(graph, best.row());
            for _ in 1..TOGETHER {
                if let Some(next) = self.beam.take_next() {
                    self.gather(graph, next.row());
                }
            }
            self.score_fresh(graph, score_rows);
        }
    }

    /// As [`Walker::walk`], over all rows, but keeping only those that the gate allows. Returns false when it was given up.
    pub fn walk_gated(&mut self, graph: Graph0<'_>, entry: u32, gate: Gate<impl Fn(u32) -> bool>) -> bool {
        let score_rows = kernels::score_rows();
        self.start(graph, gate.width);
        self.visited.insert(entry);
        self.fresh.push(entry);
        self.score_gated(graph, score_rows, &gate.is_allowed);
        let mut num_seen = 1;
        while let Some(Reverse(best)) = self.frontier.pop() {
            if self.beam.is_closed_to(best) {
                return true;
            }
            self.fresh.clear();
            self.gather(graph, best.row());
            num_seen += self.fresh.len();
            if num_seen > gate.budget {
                return false;
            }
            self.score_gated(graph, score_rows, &gate.is_allowed);
        }
        true
    }

    /// As [`Walker::walk`], over allowed rows alone: neighbors that are not allowed are replaced by theirs that are, as in ACORN.
    /// Starts are expanded whether they are allowed or not. Returns false when it was given up.
    pub fn walk_two_hop(
        &mut self,
        graph: Graph0<'_>,
        starts: impl Iterator<Item = u32>,
        gate: Gate<impl Fn(u32) -> bool>,
    ) -> bool {
        let score_rows = kernels::score_rows();
        self.start(graph, gate.width);
        for start in starts {
            if (gate.is_allowed)(start) {
                if self.visited.insert(start) {
                    self.fresh.push(start);
                }
            } else {
                self.gather_two_hop(graph, start, &gate.is_allowed);
            }
        }
        self.score_fresh(graph, score_rows);
        let mut num_seen = 0;
        while let Some(best) = self.beam.take_next() {
            self.fresh.clear();
            self.gather_two_hop(graph, best.row(), &gate.is_allowed);
            num_seen += self.fresh.len() + self.hops.len();
            if num_seen > gate.budget {
                return false;
            }
            self.score_fresh(graph, score_rows);
        }
        true
    }

    /// Compares the query with each of `rows`; the best stand in `beam` afterwards, at most `width` of them.
    pub fn scan(&mut self, graph: Graph0<'_>, rows: impl Iterator<Item = u32>, width: usize) {
        const BLOCK: usize = 256;
        let score_rows = kernels::score_rows();
        self.start(graph, width);
        for row in rows {
            self.fresh.push(row);
            if self.fresh.len() == BLOCK {
                self.score_fresh(graph, score_rows);
                self.fresh.clear();
            }
        }
        self.score_fresh(graph, score_rows);
    }

    fn start(&mut self, graph: Graph0<'_>, width: usize) {
        self.beam.start(width.max(1));
        self.visited.start(graph.num_rows());
        self.frontier.clear();
        self.fresh.clear();
    }

    /// Adds the row's neighbors that have not been met to `fresh`.
    #[inline(always)]
    fn gather(&mut self, graph: Graph0<'_>, row: u32) {
        // Every neighbor is written and only the new ones counted: whether one is new is a coin toss, and no branch on it can be foreseen.
        let mut len = self.fresh.len();
        self.fresh.resize(len + graph.m0, 0);
        for near in graph.neighbors(row) {
            self.fresh[len] = near;
            len += usize::from(self.visited.insert(near));
        }
        self.fresh.truncate(len);
    }

    /// Adds to `fresh` the row's allowed neighbors that have not been met, and those of its neighbors that are not allowed,
    /// until there are as many as a row has places.
    fn gather_two_hop(&mut self, graph: Graph0<'_>, row: u32, is_allowed: &impl Fn(u32) -> bool) {
        self.hops.clear();
        for near in graph.neighbors(row) {
            if self.visited.insert(near) {
                if is_allowed(near) { self.fresh.push(near) } else { self.hops.push(near) }
            }
        }
        let most = self.fresh.len().max(graph.m0);
        for hop in &self.hops {
            for far in graph.neighbors(*hop) {
                if self.fresh.len() >= most {
                    return;
                }
                if is_allowed(far) && self.visited.insert(far) {
                    self.fresh.push(far);
                }
            }
        }
    }

    fn score_fresh(&mut self, graph: Graph0<'_>, score_rows: ScoreRows) {
        self.compare(graph, score_rows);
        self.beam.offer_all(&self.fresh, &self.products, &mut self.promising);
        for soon in self.beam.next_rows() {
            graph.fetch_links(soon.row());
        }
    }

    fn score_gated(&mut self, graph: Graph0<'_>, score_rows: ScoreRows, is_allowed: &impl Fn(u32) -> bool) {
        self.compare(graph, score_rows);
        for (row, product) in self.fresh.iter().zip(&self.products) {
            let met = Ranked::new(*product, *row);
            if !self.beam.is_closed_to(met) {
                self.frontier.push(Reverse(met));
                if is_allowed(*row) {
                    self.beam.offer(met);
                }
            }
        }
    }

    /// Sets `products` to the products of the query with the rows of `fresh`.
    #[inline(always)]
    fn compare(&mut self, graph: Graph0<'_>, score_rows: ScoreRows) {
        self.products.resize(self.fresh.len(), 0);
        score_rows(graph.codes, graph.stride, &self.fresh, &self.query, &mut self.products);
    }

    /// Products of the query with these rows, in their order.
    pub fn products_of(&mut self, graph: Graph0<'_>, rows: &[u32]) -> &[i32] {
        self.fresh.clear();
        self.fresh.extend_from_slice(rows);
        self.compare(graph, kernels::score_rows());
        &self.products
    }
}
