//! Builds the graph over all vectors: upper layers, layer 0, and an order of rows that puts neighbors side by side.
//!
//! | file | subject |
//! |---|---|
//! | `coding` | how fine the codes are |
//! | `upper` | layers 1 and up, by `hnsw_rs` |
//! | `layer0` | layer 0: insertion in batches, then refinement |
//! | `copies` | rows with equal codes |
//! | `fine` | vectors as bytes, by which links are chosen |
//! | `reach` | every row reachable |
//! | `cells` | cells of like rows, for filtered searches |
//! | `order` | rows renumbered in the order of a walk |

mod cells;
mod coding;
mod copies;
mod fine;
mod layer0;
mod order;
mod reach;
mod upper;

use serde::{Deserialize, Serialize};

use super::beam::Ranked;
use super::codes::Levels;
use super::error::IndexError;
use super::hnsw::{Graph, MAX_DIM};
use super::kernels;
use super::projection::Projection;
use cells::Cells;
use coding::Coding;
use copies::Copies;
use fine::FineRows;
use layer0::{Layer0, Pass, Rows};
use order::Order;

/// Settings of a graph build.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct IndexConfig {
    /// Most neighbors of a row in the upper layers; twice as many in layer 0. 4 to 64.
    pub m: usize,
    /// Length of the candidate list while building (`ef_construction` of the HNSW paper). 8 to 4096.
    pub ef_construction: usize,
    /// Length of the candidate list while searching (`ef_search`). 8 to 4096. A build that misses the recall floor takes up to eight times as much.
    pub ef_search: usize,
    /// Fixes the order of insertion: the same feed and seed give the same files.
    pub seed: u64,
    /// A build whose recall@10 against exact search is below this, with a longer candidate list too, is refused. 0 to 1.
    pub recall_floor: f64,
}

impl Default for IndexConfig {
    fn default() -> Self {
        Self { m: 16, ef_construction: 256, ef_search: 96, seed: 42, recall_floor: 0.95 }
    }
}

/// A finished graph, in the numbering that it is written with.
#[derive(Debug, Clone, PartialEq)]
pub struct Built {
    /// The graph over the new rows.
    pub graph: Graph,
    /// What the codes hold of a vector.
    pub projection: Projection<'static>,
    /// Where the levels of the codes lie.
    pub levels: Levels,
    /// The codes of the vectors, in the order of the input.
    pub codes: Vec<u8>,
    /// For each new row, its place in the input.
    pub order: Vec<u32>,
    /// Codes of the centers of the cells.
    pub centers: Vec<u8>,
    /// First new row of each cell in the highest layer, of each cell in the next, …; behind the last, the number of rows.
    pub cell_starts: Vec<u32>,
}

/// Width of the beam while rows are inserted.
const INSERT_WIDTH: usize = 64;
/// The passes that find every row's links afresh: the width of the beam as a share of `ef_construction`, and alpha, of which a little above
/// 1 keeps some longer links, that shorten walks.
const REFINEMENTS: [(f32, f32); 2] = [(0.5, 1.05), (1.0, 1.1)];

/// Builds the graph over `vectors`, row after row, each of `dim` numbers and of length 1.
///
/// The same input gives the same graph, on any number of threads. `progress` is called with the number of rows linked, of which every
/// pass over them does its part. Returns an error if a vector holds a NaN or an infinity or is not of length 1, if
/// `dim` is 0 or above [`MAX_DIM`], or if there are 2^31 rows or more.
pub fn build_graph(
    vectors: &[f32],
    dim: usize,
    config: &IndexConfig,
    progress: &mut dyn FnMut(usize),
) -> Result<Built, IndexError> {
    check_vectors(vectors, dim)?;
    let Coding { projection, levels, codes } = Coding::find(vectors, dim);
    let order = insertion_order(vectors.len() / dim, config.seed);
    let Some(&entry_point) = order.first() else {
        let graph = Graph { m: config.m, ..Graph::default() };
        return Ok(Built { graph, projection, levels, codes, order, centers: Vec::new(), cell_starts: vec![0] });
    };
    let fine = FineRows::encode(vectors, dim);
    let copies = Copies::find(&codes, levels.stride(), &order);
    let rows = &copies.firsts;
    let upper = upper::build(&fine, &rows[..rows.len().div_ceil(config.m)], config.m);
    let mut layer0 = Layer0::new(
        Rows { vectors, dim, projection: &projection, levels: &levels, codes: &codes, fine: &fine },
        2 * config.m,
    );
    let num_passes = 1 + REFINEMENTS.len();
    layer0.insert_all(rows, Pass { width: INSERT_WIDTH, alpha: 1.0 }, &mut |done| progress(done / num_passes));
    for (at, (share, alpha)) in REFINEMENTS.into_iter().enumerate() {
        let pass = Pass { width: (config.ef_construction as f32 * share) as usize, alpha };
        layer0.refine_all(rows, pass, &mut |done| progress(((at + 1) * rows.len() + done) / num_passes));
    }
    copies.chain(&mut layer0.links, 2 * config.m);
    reach::connect(&mut layer0, &order, entry_point, config.ef_construction);
    progress(order.len());
    let (mut cells, stride) = (Cells::find(layer0.rows, rows), levels.stride());
    let (graph, order) = order::renumber(&layer0.links, &upper, config.m, entry_point, &mut cells, stride);
    let (centers, Order { rows: order, cell_starts }) = (cells.centers, order);
    Ok(Built { graph, projection, levels, codes, order, centers, cell_starts })
}

/// Returns an error if a vector is not finite or not of length 1, or they are more or larger than an index can hold.
pub(super) fn check_vectors(vectors: &[f32], dim: usize) -> Result<(), IndexError> {
    if dim == 0 || dim > MAX_DIM || !vectors.len().is_multiple_of(dim) {
        return Err(IndexError::Vectors(format!("{} numbers are no rows of {dim} dimensions", vectors.len())));
    }
    if vectors.len() / dim >= Ranked::MAX_ROWS {
        return Err(IndexError::Vectors(format!("at most {} rows fit one index", Ranked::MAX_ROWS)));
    }
    let dot = kernels::dot();
    let is_unit = |vector: &[f32]| (dot(vector, vector) - 1.0).abs() < 1e-3;
    match vectors.chunks(dim).position(|vector| !is_unit(vector)) {
        Some(row) => Err(IndexError::Vectors(format!("the vector of row {row} is not a finite vector of length 1"))),
        None => Ok(()),
    }
}

/// A permutation of `0..n` drawn from `seed`: rows in the order of the BLAKE3 hash of seed and row.
fn insertion_order(n: usize, seed: u64) -> Vec<u32> {
    let mut order: Vec<u32> = (0..n as u32).collect();
    order.sort_by_cached_key(|&row| {
        let mut hasher = blake3::Hasher::new();
        hasher.update(&seed.to_le_bytes()).update(&row.to_le_bytes());
        *hasher.finalize().as_bytes()
    });
    order
}
