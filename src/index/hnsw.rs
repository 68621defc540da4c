//! The vectors and their HNSW graph in one mapped file, `hnsw.bin`, and the search that walks it in place.
//!
//! Sections (kind `HNSW`, version [`VERSION`]); `n` rows, `dim` dimensions, `m0 = 2 m`:
//!
//! | tag | element | count | meaning |
//! |---|---|---|---|
//! | `META` | u32 | 6 | `n, dim, m, m0, num_upper_layers, entry_point` ([`NONE`] when `n` is 0) |
//! | `VECS` | f32 | `n * dim` | one vector of length 1 a row |
//! | `LNK0` | u32 | `n * m0` | layer 0: neighbors of each row, nearest first, [`NONE`] behind the last |
//! | `LAYR` | u32 | layers | number of rows in layer 1, 2, … |
//! | `UROW` | u32 | sum of `LAYR` | rows of layer 1 ascending, then of layer 2, … |
//! | `ULNK` | u32 | `m *` sum of `LAYR` | neighbors of each entry of `UROW` in that layer |
//!
//! Every link is checked against `n` when it is followed, so damage can cost recall but never reach outside the file.

use std::cell::RefCell;
use std::cmp::Reverse;
use std::collections::BinaryHeap;
use std::path::Path;

use rayon::prelude::*;

use super::error::IndexError;
use super::kernels::{self, Dot};
use super::section::{FileDigest, Section, SectionFile, Tag, write_sections};
use crate::rank::{RowId, ScoredRow, keep_best};

/// Kind of the file.
pub const KIND: Tag = *b"HNSW";
/// Version of the layout above.
pub const VERSION: u32 = 1;
/// Marks the end of a neighbor list.
pub const NONE: u32 = u32::MAX;
/// Most dimensions a vector may have.
pub const MAX_DIM: usize = 8192;

/// A graph in memory, as the build hands it over to be written.
#[derive(Debug, Clone, PartialEq)]
pub struct Graph {
    /// Most neighbors of a row in the upper layers.
    pub m: usize,
    /// The row where every search starts; `None` when there are no rows.
    pub entry_point: Option<u32>,
    /// Neighbors in layer 0, `2 m` places a row.
    pub links0: Vec<u32>,
    /// Layers 1, 2, …: rows ascending, each with its `m` places of neighbors.
    pub upper: Vec<UpperLayer>,
}

/// One layer above the lowest.
#[derive(Debug, Clone, PartialEq, Default)]
pub struct UpperLayer {
    /// The rows of this layer, ascending.
    pub rows: Vec<u32>,
    /// `m` places of neighbors for each of `rows`.
    pub links: Vec<u32>,
}

/// Writes `vectors` (row after row, `dim` each) and their `graph` to `path`.
///
/// Returns an error if the file cannot be written.
pub fn write(path: &Path, vectors: &[f32], dim: usize, graph: &Graph) -> Result<FileDigest, IndexError> {
    let n = vectors.len().checked_div(dim).unwrap_or(0);
    let m0 = 2 * graph.m;
    let entry = graph.entry_point.unwrap_or(NONE);
    let meta = [n as u32, dim as u32, graph.m as u32, m0 as u32, graph.upper.len() as u32, entry];
    let counts: Vec<u32> = graph.upper.iter().map(|l| l.rows.len() as u32).collect();
    let rows: Vec<u32> = graph.upper.iter().flat_map(|l| l.rows.iter().copied()).collect();
    let links: Vec<u32> = graph.upper.iter().flat_map(|l| l.links.iter().copied()).collect();
    let sections = [
        Section::new(*b"META", &meta),
        Section::new(*b"VECS", vectors),
        Section::new(*b"LNK0", &graph.links0),
        Section::new(*b"LAYR", &counts),
        Section::new(*b"UROW", &rows),
        Section::new(*b"ULNK", &links),
    ];
    write_sections(path, KIND, VERSION, &sections)
}

/// What a search may return and how hard it looks.
#[derive(Clone, Copy)]
pub struct SearchParams<'a> {
    /// How many rows to return at most.
    pub k: usize,
    /// Length of the candidate list (`ef` of the HNSW paper); at least `k` is used.
    pub ef_search: usize,
    /// Rows that may be returned; all when `None`. The walk passes through others.
    pub allowed: Option<&'a roaring::RoaringBitmap>,
}

/// A mapped `hnsw.bin`.
#[derive(Debug)]
pub struct Hnsw {
    file: SectionFile,
    num_rows: usize,
    dim: usize,
    m: usize,
    m0: usize,
    entry_point: u32,
    /// Where each upper layer starts in `UROW`, and the end of the last.
    layer_starts: Vec<usize>,
}

impl Hnsw {
    /// Maps the file and checks that its sections fit together; vectors and links are not read.
    ///
    /// Returns an error if the file is missing, damaged, or of another version.
    pub fn open(path: &Path) -> Result<Self, IndexError> {
        let file = SectionFile::open(path, KIND, VERSION)?;
        let &[num_rows, dim, m, m0, num_layers, entry_point] = file.section::<u32>(*b"META")? else {
            return Err(file.damaged("section META has another length"));
        };
        let (num_rows, dim, m, m0) = (num_rows as usize, dim as usize, m as usize, m0 as usize);
        let mut layer_starts = vec![0];
        for &count in file.section::<u32>(*b"LAYR")? {
            layer_starts.push(layer_starts.last().copied().unwrap_or(0) + count as usize);
        }
        let num_upper = layer_starts.last().copied().unwrap_or(0);
        let fits = file.section::<f32>(*b"VECS")?.len() == num_rows * dim
            && file.section::<u32>(*b"LNK0")?.len() == num_rows * m0
            && layer_starts.len() == num_layers as usize + 1
            && file.section::<u32>(*b"UROW")?.len() == num_upper
            && file.section::<u32>(*b"ULNK")?.len() == num_upper * m
            && dim <= MAX_DIM
            && (num_rows == 0 || (entry_point as usize) < num_rows);
        if !fits {
            return Err(file.damaged("its sections do not fit together"));
        }
        Ok(Self { file, num_rows, dim, m, m0, entry_point, layer_starts })
    }

    /// Number of rows.
    pub fn num_rows(&self) -> usize {
        self.num_rows
    }

    /// Number of dimensions.
    pub fn dim(&self) -> usize {
        self.dim
    }

    /// The row's vector, of length 1; `None` when there is no such row.
    pub fn vector(&self, row: RowId) -> Option<&[f32]> {
        self.floats().get(row.index() * self.dim..(row.index() + 1) * self.dim)
    }

    fn floats(&self) -> &[f32] {
        // `open` read this section with this type, so it is there.
        self.file.section(*b"VECS").unwrap_or_default()
    }

    /// The rows nearest to `query` by the graph, best first, scored by cosine similarity.
    ///
    /// `query` must have length 1. Returns an error if it has another number of dimensions.
    pub fn search(&self, query: &[f32], params: SearchParams<'_>) -> Result<Vec<ScoredRow>, IndexError> {
        self.check_dimension(query)?;
        let view = self.view(query)?;
        let Some(entry) = (self.num_rows > 0 && params.k > 0).then_some(self.entry_point) else {
            return Ok(Vec::new());
        };
        let mut nearest = (entry, view.score(entry));
        for layer in (0..self.layer_starts.len() - 1).rev() {
            nearest = view.descend(layer, nearest);
        }
        Ok(SCRATCH.with_borrow_mut(|scratch| view.search_layer0(nearest, params, scratch)))
    }

    /// The rows nearest to `query` among `allowed` (all when `None`), found by scoring each of them on all threads.
    ///
    /// Returns an error if `query` has another number of dimensions.
    pub fn search_exact(
        &self,
        query: &[f32],
        k: usize,
        allowed: Option<&roaring::RoaringBitmap>,
    ) -> Result<Vec<ScoredRow>, IndexError> {
        self.check_dimension(query)?;
        let view = self.view(query)?;
        let scored = |row: u32| ScoredRow { row: RowId(row), score: view.score(row) };
        let mut rows: Vec<ScoredRow> = match allowed {
            None => (0..self.num_rows as u32).into_par_iter().with_min_len(4096).map(scored).collect(),
            Some(allowed) => allowed.iter().filter(|&row| (row as usize) < self.num_rows).map(scored).collect(),
        };
        keep_best(&mut rows, k);
        Ok(rows)
    }

    fn check_dimension(&self, query: &[f32]) -> Result<(), IndexError> {
        let fits = query.len() == self.dim || self.num_rows == 0;
        if fits { Ok(()) } else { Err(IndexError::Dimension { found: query.len(), expected: self.dim }) }
    }

    fn view<'a>(&'a self, query: &'a [f32]) -> Result<View<'a>, IndexError> {
        Ok(View {
            hnsw: self,
            query,
            dot: kernels::dot(),
            vectors: self.floats(),
            links0: self.file.section(*b"LNK0")?,
            upper_rows: self.file.section(*b"UROW")?,
            upper_links: self.file.section(*b"ULNK")?,
        })
    }
}

/// The file's sections and one query, read once at the start of a search.
struct View<'a> {
    hnsw: &'a Hnsw,
    query: &'a [f32],
    dot: Dot,
    vectors: &'a [f32],
    links0: &'a [u32],
    upper_rows: &'a [u32],
    upper_links: &'a [u32],
}

impl View<'_> {
    /// Cosine similarity of the query and the row, which must be below `n`.
    fn score(&self, row: u32) -> f32 {
        let dim = self.hnsw.dim;
        (self.dot)(self.query, &self.vectors[row as usize * dim..][..dim]).clamp(-1.0, 1.0)
    }

    fn neighbors0(&self, row: u32) -> impl Iterator<Item = u32> + '_ {
        let m0 = self.hnsw.m0;
        self.valid(&self.links0[row as usize * m0..][..m0])
    }

    fn valid<'b>(&'b self, links: &'b [u32]) -> impl Iterator<Item = u32> + 'b {
        links.iter().copied().take_while(|&row| (row as usize) < self.hnsw.num_rows)
    }

    /// Walks upper layer `layer` (0 is the HNSW paper's layer 1) to the row nearest to the query.
    fn descend(&self, layer: usize, mut nearest: (u32, f32)) -> (u32, f32) {
        let range = self.hnsw.layer_starts[layer]..self.hnsw.layer_starts[layer + 1];
        loop {
            let Ok(at) = self.upper_rows[range.clone()].binary_search(&nearest.0) else { return nearest };
            let links = &self.upper_links[(range.start + at) * self.hnsw.m..][..self.hnsw.m];
            let better = self.valid(links).map(|row| (row, self.score(row))).max_by(|a, b| a.1.total_cmp(&b.1));
            match better {
                Some(next) if next.1 > nearest.1 => nearest = next,
                _ => return nearest,
            }
        }
    }

    /// Algorithm 2 of the HNSW paper on layer 0; rows outside `params.allowed` lead on but are not kept.
    fn search_layer0(&self, entry: (u32, f32), params: SearchParams<'_>, scratch: &mut Scratch) -> Vec<ScoredRow> {
        let ef = params.ef_search.max(params.k);
        let is_allowed = |row: u32| params.allowed.is_none_or(|allowed| allowed.contains(row));
        scratch.start(self.hnsw.num_rows);
        scratch.visit(entry.0);
        scratch.candidates.push(Near { score: entry.1, row: entry.0 });
        if is_allowed(entry.0) {
            scratch.found.push(Reverse(Near { score: entry.1, row: entry.0 }));
        }
        while let Some(candidate) = scratch.candidates.pop() {
            let worst = scratch.found.peek().map_or(f32::NEG_INFINITY, |worst| worst.0.score);
            if candidate.score < worst && scratch.found.len() >= ef {
                break;
            }
            for row in self.neighbors0(candidate.row) {
                if scratch.visit(row) {
                    let near = Near { score: self.score(row), row };
                    scratch.offer(near, ef, is_allowed(row));
                }
            }
        }
        let mut rows: Vec<_> =
            scratch.found.drain().map(|Reverse(near)| ScoredRow { row: RowId(near.row), score: near.score }).collect();
        keep_best(&mut rows, params.k);
        rows
    }
}

/// A row met on the walk, ordered by score, then by the lower row.
#[derive(Clone, Copy, PartialEq)]
struct Near {
    score: f32,
    row: u32,
}

impl Eq for Near {}

impl Ord for Near {
    fn cmp(&self, other: &Self) -> std::cmp::Ordering {
        self.score.total_cmp(&other.score).then(other.row.cmp(&self.row))
    }
}

impl PartialOrd for Near {
    fn partial_cmp(&self, other: &Self) -> Option<std::cmp::Ordering> {
        Some(self.cmp(other))
    }
}

thread_local! {
    static SCRATCH: RefCell<Scratch> = RefCell::new(Scratch::default());
}

/// Memory of a search, kept by its thread for the next one.
#[derive(Default)]
struct Scratch {
    /// The search that last visited each row.
    visited: Vec<u32>,
    epoch: u32,
    candidates: BinaryHeap<Near>,
    found: BinaryHeap<Reverse<Near>>,
}

impl Scratch {
    fn start(&mut self, num_rows: usize) {
        self.candidates.clear();
        self.found.clear();
        if self.visited.len() < num_rows {
            self.visited.resize(num_rows, 0);
        }
        self.epoch = self.epoch.wrapping_add(1);
        if self.epoch == 0 {
            self.visited.fill(0);
            self.epoch = 1;
        }
    }

    /// Marks the row; false when this search met it before.
    fn visit(&mut self, row: u32) -> bool {
        std::mem::replace(&mut self.visited[row as usize], self.epoch) != self.epoch
    }

    /// Keeps `near` when it is among the best `ef` so far.
    fn offer(&mut self, near: Near, ef: usize, is_allowed: bool) {
        let worst = self.found.peek().map_or(f32::NEG_INFINITY, |worst| worst.0.score);
        if self.found.len() >= ef && near.score <= worst {
            return;
        }
        if is_allowed {
            self.found.push(Reverse(near));
            if self.found.len() > ef {
                self.found.pop();
            }
        }
        self.candidates.push(near);
    }
}
