//! Layer 0: rows are inserted in batches, then every row's links are found afresh on the finished graph.
//!
//! All rows of a batch look at the graph as it was before the batch, on all threads, so the result depends on the order of rows
//! alone and not on the number of threads (as in ParlayANN). What a walk met is pruned as in Vamana (DiskANN): a candidate is
//! kept unless a kept one is nearer to it, by the factor alpha, than the row is. Links are then added in the other direction,
//! and lists that overflow are pruned the same way.

use rayon::prelude::*;

use super::super::codes::Levels;
use super::super::hnsw::NONE;
use super::super::projection::Projection;
use super::super::walk::{Graph0, Walker};
use super::fine::FineRows;

/// The largest batch, as one in so many of the rows that are in the graph.
const BATCH_SHARE: usize = 16;
/// A row keeps at least one in so many places for links filled, with the nearest that pruning left out: around a row in the middle of many, pruning would
/// leave the others with a link to that one alone, and most of them without one that leads there.
const FEWEST_SHARE: usize = 8;
/// Rows of which the nearest is where a walk starts: from one row alone, more rows of another kind than the walk is wide would keep it from ever
/// getting to its own, and a group of like rows would end up as islands.
const ENTRIES: usize = 256;

/// One pass over all rows.
#[derive(Debug, Clone, Copy)]
pub(super) struct Pass {
    /// Width of the beam that finds candidates.
    pub width: usize,
    /// How much nearer to a kept row than to the row itself a candidate must be to be left out; 1 keeps fewest.
    pub alpha: f32,
}

/// What layer 0 is built over.
#[derive(Clone, Copy)]
pub(super) struct Rows<'a> {
    /// Row after row, `dim` numbers each.
    pub vectors: &'a [f32],
    pub dim: usize,
    pub projection: &'a Projection<'a>,
    pub levels: &'a Levels,
    /// The codes that walks compare.
    pub codes: &'a [u8],
    /// The bytes that links are chosen by.
    pub fine: &'a FineRows,
}

/// Layer 0 while it is built.
pub(super) struct Layer0<'a> {
    pub(super) rows: Rows<'a>,
    stride: usize,
    /// `m0` places a row, [`NONE`] behind the last link.
    pub links: Vec<u32>,
    m0: usize,
}

impl<'a> Layer0<'a> {
    pub(super) fn new(rows: Rows<'a>, m0: usize) -> Self {
        let stride = rows.levels.stride();
        Self { rows, stride, links: vec![NONE; rows.codes.len() / stride * m0], m0 }
    }

    pub(super) fn num_rows(&self) -> usize {
        self.links.len() / self.m0
    }

    /// The row's places for links.
    pub(super) fn list(&self, row: u32) -> &[u32] {
        &self.links[row as usize * self.m0..][..self.m0]
    }

    /// The row's places for links.
    pub(super) fn list_mut(&mut self, row: u32) -> &mut [u32] {
        &mut self.links[row as usize * self.m0..][..self.m0]
    }

    /// The rows, other than `row`, that a walk of this width from `entry` finds nearest to `row`.
    pub(super) fn nearest(&self, row: u32, entry: u32, width: usize) -> Vec<u32> {
        let mut walker = Walker::default();
        self.walk_to(&mut walker, row, &[entry], width);
        walker.beam.rows().iter().map(|met| met.row()).filter(|met| *met != row).collect()
    }

    /// Walks towards `row` from the nearest of `entries`.
    fn walk_to(&self, walker: &mut Walker, row: u32, entries: &[u32], width: usize) {
        let Rows { vectors, dim, projection, levels, .. } = self.rows;
        walker.set_query(&vectors[row as usize * dim..][..dim], projection, &levels.step);
        let entry = walker.best_of(self.graph(), entries.iter().copied()).row();
        walker.walk(self.graph(), entry, width);
    }

    fn graph(&self) -> Graph0<'_> {
        Graph0 { codes: self.rows.codes, stride: self.stride, links: &self.links, m0: self.m0 }
    }

    /// Inserts the rows of `order`, of which the first are those that walks start from. `progress` is called with the number of rows inserted.
    pub(super) fn insert_all(&mut self, order: &[u32], pass: Pass, progress: &mut dyn FnMut(usize)) {
        let mut num_inserted = 1;
        while num_inserted < order.len() {
            let batch = (num_inserted / BATCH_SHARE).clamp(1, order.len() - num_inserted);
            self.link(&order[num_inserted..num_inserted + batch], &order[..num_inserted.min(ENTRIES)], pass);
            num_inserted += batch;
            progress(num_inserted);
        }
    }

    /// Finds the links of all rows of `order` afresh, keeping old ones that still are good.
    pub(super) fn refine_all(&mut self, order: &[u32], pass: Pass, progress: &mut dyn FnMut(usize)) {
        let batch = order.len().div_ceil(BATCH_SHARE).max(1);
        let mut num_done = 0;
        for rows in order.chunks(batch) {
            self.link(rows, &order[..order.len().min(ENTRIES)], pass);
            num_done += rows.len();
            progress(num_done);
        }
    }

    /// Links `rows` both ways on the graph as it is.
    fn link(&mut self, rows: &[u32], entries: &[u32], pass: Pass) {
        let found: Vec<Vec<u32>> = rows
            .par_iter()
            .with_min_len(8)
            .map_init(Walker::default, |walker, &row| self.candidates(walker, row, entries, pass))
            .collect();
        for (row, links) in rows.iter().zip(&found) {
            let places = self.list_mut(*row);
            places.fill(NONE);
            places[..links.len()].copy_from_slice(links);
        }
        let mut backward: Vec<(u32, u32)> =
            rows.iter().zip(&found).flat_map(|(row, links)| links.iter().map(move |link| (*link, *row))).collect();
        backward.par_sort_unstable();
        let groups: Vec<&[(u32, u32)]> = backward.chunk_by(|a, b| a.0 == b.0).collect();
        let lists: Vec<Vec<u32>> =
            groups.par_iter().with_min_len(8).map(|group| self.with_backward(group, pass)).collect();
        for (group, links) in groups.iter().zip(lists) {
            let places = self.list_mut(group[0].0);
            places.fill(NONE);
            places[..links.len()].copy_from_slice(&links);
        }
    }

    /// The links of `row` among what a walk towards it meets and what it is linked to.
    fn candidates(&self, walker: &mut Walker, row: u32, entries: &[u32], pass: Pass) -> Vec<u32> {
        self.walk_to(walker, row, entries, pass.width);
        let mut candidates: Vec<u32> = walker.beam.rows().iter().map(|met| met.row()).collect();
        candidates.extend(self.graph().neighbors(row));
        candidates.retain(|candidate| *candidate != row);
        candidates.sort_unstable();
        candidates.dedup();
        self.prune(row, &candidates, pass.alpha)
    }

    /// The links of the group's first row with those added that link to it; all of them if they fit.
    fn with_backward(&self, group: &[(u32, u32)], pass: Pass) -> Vec<u32> {
        let row = group[0].0;
        let mut links: Vec<u32> = self.graph().neighbors(row).collect();
        for (_, other) in group {
            if !links.contains(other) {
                links.push(*other);
            }
        }
        if links.len() <= self.m0 { links } else { self.prune(row, &links, pass.alpha) }
    }

    /// Vamana's robust prune of `candidates` to at most `m0` links of `row`, nearest first; where few are left, with the nearest of the others behind them.
    fn prune(&self, row: u32, candidates: &[u32], alpha: f32) -> Vec<u32> {
        let fine = self.rows.fine;
        candidates.iter().for_each(|candidate| fine.fetch(*candidate));
        let mut nearest: Vec<(i32, u32)> =
            candidates.iter().map(|other| (fine.distance(row, *other), *other)).collect();
        nearest.sort_unstable();
        let (mut kept, mut left_out) = (Vec::with_capacity(self.m0), Vec::new());
        for (own, candidate) in nearest {
            if kept.len() == self.m0 {
                break;
            }
            let is_nearer = |other: &u32| alpha * (fine.distance(candidate, *other) as f32) < own as f32;
            if !kept.iter().any(is_nearer) {
                kept.push(candidate);
            } else {
                left_out.push(candidate);
            }
        }
        let missing = self.m0.div_ceil(FEWEST_SHARE).saturating_sub(kept.len());
        kept.extend(left_out.into_iter().take(missing));
        kept
    }
}
