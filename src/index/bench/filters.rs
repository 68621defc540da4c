//! The rows that measured filters allow: drawn at random, or whole clusters, as a category has them.
//!
//! Where an index was built over raw vectors, what is drawn depends on these and not on the order of its rows, so that other indexes can be
//! asked with the same filters (`scripts/bench_ann_filters`).

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

/// Places of the rows, cluster after cluster, in a random order of the clusters, the nearest to its center first in each.
pub(super) fn clusters(subject: &Subject) -> Vec<u32> {
    let num_rows = subject.num_rows();
    let mut random = Random(1);
    let vector = |place: u32| subject.vector(subject.row_at(place));
    let centers: Vec<Vec<f32>> = (0..NUM_CLUSTERS).map(|_| vector(random.below(num_rows) as u32)).collect();
    let dot = kernels::dot();
    let nearest = |place: u32| {
        let vector = vector(place);
        let scores = centers.iter().map(|center| dot(center, &vector)).enumerate();
        scores.max_by(|a, b| a.1.total_cmp(&b.1)).map(|(center, score)| (center, -score, place))
    };
    let mut places: Vec<(usize, f32, u32)> = (0..num_rows as u32).into_par_iter().filter_map(nearest).collect();
    places.sort_by(|a, b| a.0.cmp(&b.0).then(a.1.total_cmp(&b.1)));
    places.into_iter().map(|(_, _, place)| place).collect()
}

/// Draws the rows of a filter; `clusters` is what [`clusters`] returned.
pub(super) fn draw(kind: FilterKind, share: f64, subject: &Subject, clusters: &[u32]) -> RoaringBitmap {
    let num_rows = subject.num_rows();
    let wanted = ((num_rows as f64 * share).round() as usize).clamp(1, num_rows);
    let drawn = match kind {
        FilterKind::Clustered => &clusters[..wanted],
        FilterKind::Random => &at_random(num_rows, wanted)[..],
    };
    drawn.iter().map(|place| subject.row_at(*place)).collect()
}

/// The first `wanted` of the numbers below `num_rows`, shuffled.
fn at_random(num_rows: usize, wanted: usize) -> Vec<u32> {
    let mut random = Random(2);
    let mut places: Vec<u32> = (0..num_rows as u32).collect();
    for at in 0..wanted {
        let other = at + random.below(num_rows - at);
        places.swap(at, other);
    }
    places.truncate(wanted);
    places
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
