//! The rows that measured filters allow: drawn at random, or whole clusters, as a category has them.

use rayon::prelude::*;
use roaring::RoaringBitmap;
use serde::Serialize;

use super::subject::Subject;
use crate::index::kernels;

/// Clusters that the rows are divided into.
const NUM_CLUSTERS: usize = 200;

/// How a filter's rows are drawn.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize)]
#[serde(rename_all = "snake_case")]
pub enum FilterKind {
    /// Each row is as likely as any other.
    Random,
    /// Whole clusters of like rows, so that most queries lie far from what is allowed.
    Clustered,
}

impl FilterKind {
    /// The word for people.
    pub fn name(self) -> &'static str {
        match self {
            Self::Random => "random",
            Self::Clustered => "clustered",
        }
    }
}

/// Rows of cluster after cluster, in a random order of the clusters, the nearest to its center first in each.
pub(super) fn clusters(subject: &Subject) -> Vec<u32> {
    let num_rows = subject.num_rows();
    let mut random = Random(1);
    let centers: Vec<Vec<f32>> = (0..NUM_CLUSTERS).map(|_| subject.vector(random.below(num_rows) as u32)).collect();
    let dot = kernels::dot();
    let nearest = |row: u32| {
        let vector = subject.vector(row);
        let scores = centers.iter().map(|center| dot(center, &vector)).enumerate();
        scores.max_by(|a, b| a.1.total_cmp(&b.1)).map(|(center, score)| (center, -score, row))
    };
    let mut rows: Vec<(usize, f32, u32)> = (0..num_rows as u32).into_par_iter().filter_map(nearest).collect();
    rows.sort_by(|a, b| a.0.cmp(&b.0).then(a.1.total_cmp(&b.1)));
    rows.into_iter().map(|(_, _, row)| row).collect()
}

/// Draws the rows of a filter.
pub(super) fn draw(kind: FilterKind, share: f64, num_rows: usize, clusters: &[u32]) -> RoaringBitmap {
    let wanted = ((num_rows as f64 * share).round() as usize).clamp(1, num_rows);
    match kind {
        FilterKind::Clustered => clusters[..wanted].iter().copied().collect(),
        FilterKind::Random => {
            let mut random = Random(2);
            let mut rows: Vec<u32> = (0..num_rows as u32).collect();
            for at in 0..wanted {
                let other = at + random.below(num_rows - at);
                rows.swap(at, other);
            }
            rows[..wanted].iter().copied().collect()
        }
    }
}

/// A small generator of numbers that look random (SplitMix64), the same every time.
struct Random(u64);

impl Random {
    fn below(&mut self, limit: usize) -> usize {
        self.0 = self.0.wrapping_add(0x9E37_79B9_7F4A_7C15);
        let mut mixed = self.0;
        mixed = (mixed ^ mixed >> 30).wrapping_mul(0xBF58_476D_1CE4_E5B9);
        mixed = (mixed ^ mixed >> 27).wrapping_mul(0x94D0_49BB_1331_11EB);
        ((mixed ^ mixed >> 31) % limit as u64) as usize
    }
}
