//! The upper layers: `hnsw_rs` builds a graph of the sampled rows in memory, which is flattened. The only file that names that
//! crate; its dumps are never used.
//!
//! One row in `m` is in layer 1, as in the HNSW paper. Rows are inserted one after the other, so the result is the same every
//! time. Layer 0, with all the rows, is another matter: there `hnsw_rs` needs three times as long as hnswlib, depends on the timing
//! of its threads, and leaves lists whose backward links were cut by distance alone, so `layer0` does it.

use hnsw_rs::prelude::{Distance, Hnsw as Builder};

use super::super::kernels;
use super::fine::FineRows;

/// Squared distance of [`FineRows`].
#[derive(Clone, Copy)]
struct FineDistance(kernels::SquaredDistance);

impl Distance<i8> for FineDistance {
    fn eval(&self, a: &[i8], b: &[i8]) -> f32 {
        (self.0)(a, b) as f32
    }
}

/// Most layers of a graph; `hnsw_rs` allows no more.
const MAX_LAYERS: usize = 16;
/// Length of the candidate list while the upper layers are built.
const EF_CONSTRUCTION: usize = 64;

/// The rows of a layer, each with its neighbors there.
pub(super) type UpperRows = Vec<(u32, Vec<u32>)>;

/// Builds layers 1 and up over `rows`, at most `m` neighbors a row. Every layer's rows are among those of the layer below.
pub(super) fn build(fine: &FineRows, rows: &[u32], m: usize) -> Vec<UpperRows> {
    let distance = FineDistance(kernels::squared_distance());
    let builder: Builder<'_, i8, FineDistance> = Builder::new(m, rows.len(), MAX_LAYERS, EF_CONSTRUCTION, distance);
    for row in rows {
        builder.insert_slice((fine.row(*row), *row as usize));
    }
    let points = builder.get_point_indexation();
    let top = usize::from(points.get_max_level_observed());
    let mut layers: Vec<UpperRows> = vec![Vec::new(); top + 1];
    for level in 0..=top {
        for point in points.get_layer_iterator(level) {
            let row = point.get_origin_id() as u32;
            for (layer, neighbors) in point.get_neighborhood_id().iter().enumerate().take(level + 1) {
                layers[layer].push((row, neighbors.iter().map(|neighbor| neighbor.d_id as u32).take(m).collect()));
            }
        }
    }
    layers
}
