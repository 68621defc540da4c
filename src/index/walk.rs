//! The walk over layer 0 that build and search share: a beam of the best rows so far, compared by their codes.
//!
//! No lock, and no memory taken once a thread's [`Walker`] has met an index of this size.

use roaring::RoaringBitmap;

use super::beam::{Beam, Ranked};
use super::cells::CellMemory;
use super::codes;
use super::kernels::{self, ScoreRows, TakeNew};
use super::projection::{Projection, Scratch};
use super::visited::Seen;

/// Rows that a scan compares at once.
pub const BLOCK: usize = 256;

/// Rows and their links, as the walk sees them. Links at or above the number of rows stand behind a list's last.
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
        kernels::fetch(self.links, row as usize * self.m0, self.m0);
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

/// Which rows a filtered walk may keep, and how far it goes.
#[derive(Debug, Clone, Copy)]
pub struct Gate<F> {
    /// Whether the row may be kept.
    pub is_allowed: F,
    /// The walk ends when all rows left to expand are farther than so many allowed ones.
    pub width: usize,
    /// How many allowed rows are kept.
    pub kept: usize,
    /// Rows that may be expanded.
    pub patience: usize,
    /// The walk is given up once it has looked at so many rows.
    pub budget: usize,
}

/// A thread's memory for walks.
#[derive(Default)]
pub struct Walker {
    /// The query of the next walk, as codes.
    pub(super) query: Vec<i8>,
    /// What one of a product with the query's codes stands for.
    pub unit: f32,
    projected: Vec<f32>,
    scratch: Scratch,
    /// What the last walk found.
    pub beam: Beam,
    seen: Seen,
    /// Rows whose codes are compared next.
    pub(super) fresh: Vec<u32>,
    /// Rows whose codes are compared after those.
    coming: Vec<u32>,
    products: Vec<i32>,
    promising: Vec<Ranked>,
    /// The best rows that a walk with a gate has met, allowed or not: what it expands.
    frontier: Beam,
    pub(super) cells: CellMemory,
}

impl Walker {
    /// Takes `query`, a whole vector, as the query of the next walk over codes made with `projection` and levels `steps` apart.
    pub fn set_query(&mut self, query: &[f32], projection: &Projection<'_>, steps: &[f32]) {
        projection.apply(query, &mut self.scratch, &mut self.projected);
        self.unit = codes::encode_query(&mut self.projected, steps, &mut self.query);
    }

    /// Walks from `entry` to the rows nearest to the query, which stand in `beam` afterwards, at most `width` of them.
    ///
    /// Three rows are on their way at any time: the links of one come from memory, so do the codes of another's neighbors, while a third's
    /// are compared. So a row is chosen before the neighbors of the last two are known, which costs less than waiting for them.
    pub fn walk(&mut self, graph: Graph0<'_>, entry: u32, width: usize) {
        let (score_rows, take_new) = (kernels::score_rows(), kernels::take_new());
        self.beam.start(width.max(1));
        self.seen.start(width);
        self.fresh.clear();
        self.fresh.push(entry);
        let mut chosen = None;
        loop {
            self.coming.clear();
            if let Some(row) = chosen {
                self.take_neighbors(graph, row, take_new);
            }
            chosen = self.choose(graph);
            self.score_fresh(graph, score_rows);
            std::mem::swap(&mut self.fresh, &mut self.coming);
            if self.fresh.is_empty() && chosen.is_none() {
                chosen = self.choose(graph);
                if chosen.is_none() {
                    return;
                }
            }
        }
    }

    /// The row to expand next, whose links are asked for.
    #[inline(always)]
    fn choose(&mut self, graph: Graph0<'_>) -> Option<u32> {
        let row = self.beam.take_next()?.row();
        graph.fetch_links(row);
        Some(row)
    }

    /// Adds the row's neighbors that have not been met to `coming`.
    #[inline(always)]
    fn take_neighbors(&mut self, graph: Graph0<'_>, row: u32, take_new: TakeNew) {
        self.coming.resize(graph.m0 + kernels::SPARE, 0);
        let list = &graph.links[row as usize * graph.m0..][..graph.m0];
        let num_new = take_new(self.seen.table(), list, graph.num_rows() as u32, &mut self.coming);
        self.coming.truncate(num_new);
    }

    /// As [`Walker::walk`], over all rows, but keeping only those that the gate allows. Returns false when it was given up.
    pub fn walk_gated(&mut self, graph: Graph0<'_>, entry: u32, gate: Gate<impl Fn(u32) -> bool>) -> bool {
        let (score_rows, take_new) = (kernels::score_rows(), kernels::take_new());
        self.start(gate.kept);
        self.frontier.start(gate.patience.max(1));
        self.seen.start(gate.width);
        self.fresh.push(entry);
        let (mut chosen, mut num_seen) = (None, 1);
        loop {
            self.coming.clear();
            if let Some(row) = chosen {
                self.take_neighbors(graph, row, take_new);
                num_seen += self.coming.len();
                if num_seen > gate.budget {
                    return false;
                }
            }
            chosen = self.choose_gated(graph, gate.width);
            self.score_gated(graph, score_rows, &gate.is_allowed);
            std::mem::swap(&mut self.fresh, &mut self.coming);
            if self.fresh.is_empty() && chosen.is_none() {
                chosen = self.choose_gated(graph, gate.width);
                if chosen.is_none() {
                    // Either the next row is too far, or there is none; rows may then have been pushed out.
                    return self.frontier.next_row().is_some() || !self.frontier.is_full();
                }
            }
        }
    }

    /// The best row of the frontier unless `width` allowed rows are nearer than it, and so than all of them; its links are asked for.
    #[inline(always)]
    fn choose_gated(&mut self, graph: Graph0<'_>, width: usize) -> Option<u32> {
        let best = self.frontier.next_row()?;
        if self.beam.rows().get(width - 1).is_some_and(|last| best >= *last) {
            return None;
        }
        let row = self.frontier.take_next()?.row();
        graph.fetch_links(row);
        Some(row)
    }

    /// Compares the query with each of the `allowed` rows; the best stand in `beam` afterwards, at most `width` of them.
    pub fn scan(&mut self, graph: Graph0<'_>, allowed: &RoaringBitmap, width: usize) {
        self.start(width);
        let mut allowed = allowed.iter();
        loop {
            self.fresh.resize(BLOCK, 0);
            let known = allowed.next_many(&mut self.fresh);
            let len = known.partition_point(|row| (*row as usize) < graph.num_rows());
            self.fresh.truncate(len);
            self.score_unfetched(graph);
            if len < BLOCK {
                return;
            }
        }
    }

    pub(super) fn start(&mut self, width: usize) {
        self.beam.start(width.max(1));
        self.fresh.clear();
    }

    /// Offers the rows of `fresh`, which have been asked for, to the beam, and asks for those of `coming`.
    #[inline(always)]
    fn score_fresh(&mut self, graph: Graph0<'_>, score_rows: ScoreRows) {
        self.compare(graph, score_rows);
        self.beam.offer_all(&self.fresh, &self.products, &mut self.promising);
        if let Some(soon) = self.beam.next_row() {
            graph.fetch_links(soon.row());
        }
    }

    /// Offers the rows of `fresh` to the beam.
    pub(super) fn score_unfetched(&mut self, graph: Graph0<'_>) {
        self.compare_unfetched(graph);
        self.beam.offer_all(&self.fresh, &self.products, &mut self.promising);
    }

    fn score_gated(&mut self, graph: Graph0<'_>, score_rows: ScoreRows, is_allowed: &impl Fn(u32) -> bool) {
        self.compare(graph, score_rows);
        let insert = kernels::insert();
        for met in self.beam.promising(&self.fresh, &self.products, &mut self.promising) {
            if !self.beam.is_closed_to(*met) {
                self.frontier.offer(insert, *met);
                if is_allowed(met.row()) {
                    self.beam.offer(insert, *met);
                }
            }
        }
    }

    /// Sets `products` to the products of the query with the rows of `fresh`, and asks for those of `coming`.
    #[inline(always)]
    fn compare(&mut self, graph: Graph0<'_>, score_rows: ScoreRows) {
        self.products.resize(self.fresh.len(), 0);
        score_rows(graph.codes, graph.stride, &self.fresh, &self.coming, &self.query, &mut self.products);
    }

    fn compare_unfetched(&mut self, graph: Graph0<'_>) {
        self.products.resize(self.fresh.len(), 0);
        kernels::score_unfetched(graph.codes, graph.stride, &self.fresh, &self.query, &mut self.products);
    }

    /// The nearest of `rows` to the query; the worst there could be when there are none.
    pub fn best_of(&mut self, graph: Graph0<'_>, rows: impl Iterator<Item = u32>) -> Ranked {
        self.fresh.clear();
        self.fresh.extend(rows);
        self.compare_unfetched(graph);
        let met = self.fresh.iter().zip(&self.products).map(|(row, product)| Ranked::new(*row, *product));
        met.min().unwrap_or_else(|| Ranked::new(0, i32::MIN))
    }
}
