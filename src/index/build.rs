//! Builds the graph with `hnsw_rs` in memory and flattens it. The only file that names that crate; its dumps are never used.

use hnsw_rs::prelude::{Distance, Hnsw as Builder};
use serde::{Deserialize, Serialize};

use super::error::IndexError;
use super::hnsw::{Graph, MAX_DIM, NONE, UpperLayer};
use super::kernels;

/// Settings of a graph build.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct IndexConfig {
    /// Most neighbors of a row in the upper layers; twice as many in layer 0. 4 to 64.
    pub m: usize,
    /// Length of the candidate list while building (`ef_construction` of the HNSW paper). 8 to 4096.
    pub ef_construction: usize,
    /// Length of the candidate list while searching (`ef_search`). 8 to 4096.
    pub ef_search: usize,
    /// Fixes the order of insertion: the same feed and seed give the same files.
    pub seed: u64,
    /// A build whose recall@10 against exact search is below this is refused. 0 to 1.
    pub recall_floor: f64,
}

impl Default for IndexConfig {
    fn default() -> Self {
        Self { m: 16, ef_construction: 200, ef_search: 96, seed: 42, recall_floor: 0.95 }
    }
}

/// `1 - cosine` of vectors of length 1.
#[derive(Clone, Copy)]
struct CosineDistance(kernels::Dot);

impl Distance<f32> for CosineDistance {
    fn eval(&self, a: &[f32], b: &[f32]) -> f32 {
        (1.0 - (self.0)(a, b)).max(0.0)
    }
}

/// Most layers of a graph; `hnsw_rs` allows no more.
const MAX_LAYERS: usize = 16;

/// Builds the HNSW graph over `vectors`, row after row, each of `dim` numbers and of length 1.
///
/// Rows are inserted one after the other in an order drawn from the seed, so the same input gives the same graph.
/// `progress` is called with the number of rows inserted. Returns an error if a vector holds a NaN or an infinity,
/// has no length, or `dim` is 0 or above [`MAX_DIM`].
pub fn build_graph(
    vectors: &[f32],
    dim: usize,
    config: &IndexConfig,
    progress: &mut dyn FnMut(usize),
) -> Result<Graph, IndexError> {
    check_vectors(vectors, dim)?;
    let n = vectors.len() / dim;
    let distance = CosineDistance(kernels::dot());
    let builder: Builder<'_, f32, CosineDistance> =
        Builder::new(config.m, n.max(1), MAX_LAYERS, config.ef_construction, distance);
    for (inserted, row) in insertion_order(n, config.seed).into_iter().enumerate() {
        builder.insert_slice((&vectors[row * dim..][..dim], row));
        progress(inserted + 1);
    }
    let mut graph = flatten(&builder, n, config.m);
    connect_unreachable(&mut graph, vectors, dim);
    Ok(graph)
}

fn check_vectors(vectors: &[f32], dim: usize) -> Result<(), IndexError> {
    if dim == 0 || dim > MAX_DIM || !vectors.len().is_multiple_of(dim) {
        return Err(IndexError::Vectors(format!("{} numbers are no rows of {dim} dimensions", vectors.len())));
    }
    let dot = kernels::dot();
    let is_unit = |vector: &[f32]| (dot(vector, vector) - 1.0).abs() < 1e-3;
    match vectors.chunks(dim).position(|vector| !is_unit(vector)) {
        Some(row) => Err(IndexError::Vectors(format!("the vector of row {row} is not a finite vector of length 1"))),
        None => Ok(()),
    }
}

/// A permutation of `0..n` drawn from `seed`: rows in the order of the BLAKE3 hash of seed and row.
fn insertion_order(n: usize, seed: u64) -> Vec<usize> {
    let mut order: Vec<usize> = (0..n).collect();
    order.sort_by_cached_key(|&row| {
        let mut hasher = blake3::Hasher::new();
        hasher.update(&seed.to_le_bytes()).update(&(row as u64).to_le_bytes());
        *hasher.finalize().as_bytes()
    });
    order
}

/// Copies the finished graph into flat arrays; rows of a layer ascend, neighbors stand nearest first.
fn flatten(builder: &Builder<'_, f32, CosineDistance>, n: usize, m: usize) -> Graph {
    let points = builder.get_point_indexation();
    let top = usize::from(points.get_max_level_observed());
    let m0 = 2 * m;
    let mut links0 = vec![NONE; n * m0];
    let mut layers: Vec<Vec<(u32, Vec<u32>)>> = vec![Vec::new(); top];
    let mut entry_point = None;
    for level in 0..=top {
        for point in points.get_layer_iterator(level) {
            let row = point.get_origin_id();
            if level == top {
                entry_point = Some(entry_point.map_or(row as u32, |entry: u32| entry.min(row as u32)));
            }
            let neighborhood = point.get_neighborhood_id();
            for (layer, neighbors) in neighborhood.iter().enumerate().take(level + 1) {
                let ids = neighbors.iter().map(|neighbor| neighbor.d_id as u32);
                if layer == 0 {
                    links0[row * m0..][..m0].iter_mut().zip(ids).for_each(|(place, id)| *place = id);
                } else {
                    layers[layer - 1].push((row as u32, ids.take(m).collect()));
                }
            }
        }
    }
    Graph { m, entry_point, links0, upper: layers.into_iter().map(|rows| upper_layer(rows, m)).collect() }
}

fn upper_layer(mut rows: Vec<(u32, Vec<u32>)>, m: usize) -> UpperLayer {
    rows.sort_unstable_by_key(|(row, _)| *row);
    let mut layer = UpperLayer::default();
    for (row, mut links) in rows {
        links.resize(m, NONE);
        layer.rows.push(row);
        layer.links.extend(links);
    }
    layer
}

/// Links every row that layer 0 cannot reach from its most similar reachable row.
///
/// A full list gives up its farthest link, which may cut off another row, so the walk is repeated a few times.
fn connect_unreachable(graph: &mut Graph, vectors: &[f32], dim: usize) {
    const ROUNDS: usize = 4;
    let m0 = 2 * graph.m;
    let dot = kernels::dot();
    for _ in 0..ROUNDS {
        let reached = reachable(graph);
        let lost: Vec<usize> = (0..reached.len()).filter(|&row| !reached[row]).collect();
        if lost.is_empty() {
            return;
        }
        for row in lost {
            let own = &vectors[row * dim..][..dim];
            let score = |other: usize| dot(own, &vectors[other * dim..][..dim]);
            let nearest =
                (0..reached.len()).filter(|&other| reached[other]).max_by(|&a, &b| score(a).total_cmp(&score(b)));
            let Some(nearest) = nearest else { return };
            let list = &mut graph.links0[nearest * m0..][..m0];
            let place = list.iter().position(|&link| link == NONE).unwrap_or(m0 - 1);
            list[place] = row as u32;
        }
    }
}

fn reachable(graph: &Graph) -> Vec<bool> {
    let m0 = 2 * graph.m;
    let mut reached = vec![false; graph.links0.len() / m0];
    let mut waiting: Vec<u32> = graph.entry_point.into_iter().collect();
    waiting.iter().for_each(|&row| reached[row as usize] = true);
    while let Some(row) = waiting.pop() {
        for &next in graph.links0[row as usize * m0..][..m0].iter().take_while(|&&next| next != NONE) {
            if !std::mem::replace(&mut reached[next as usize], true) {
                waiting.push(next);
            }
        }
    }
    reached
}
