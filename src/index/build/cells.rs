//! Divides the rows into cells of like rows, which a filtered search looks through from the nearest on: spherical k-means over a sample.
//!
//! Rows and centers are compared as searches compare them, by codes. The same input gives the same cells, on any number of threads.

use rayon::prelude::*;

use super::super::codes;
use super::super::walk::Walker;
use super::layer0::Rows;

/// Cells for the square root of the number of rows: so many that comparing the centers takes as long as the rows of the nearest cells.
const CELLS_PER_ROOT: f64 = 2.0;
/// Rows of a cell on average, at least.
const ROWS_PER_CELL: usize = 8;
/// Rows of the sample for each cell.
const SAMPLED_PER_CELL: usize = 32;
/// Rounds of k-means.
const ROUNDS: usize = 8;

/// The cells.
#[derive(Debug, Clone, PartialEq, Default)]
pub(super) struct Cells {
    /// Codes of the centers.
    pub(super) centers: Vec<u8>,
    /// The cell of each row.
    pub(super) cell_of: Vec<u32>,
}

impl Cells {
    /// Divides `rows`; `order` is a random permutation of rows of which no two are alike.
    pub(super) fn find(rows: Rows<'_>, order: &[u32]) -> Self {
        let num_rows = rows.vectors.len() / rows.dim;
        let wanted = ((num_rows as f64).sqrt() * CELLS_PER_ROOT) as usize;
        let num_cells = wanted.min(num_rows / ROWS_PER_CELL).clamp(1, order.len().max(1));
        let sample = &order[..order.len().min(SAMPLED_PER_CELL * num_cells)];
        let vector = |row: u32| &rows.vectors[row as usize * rows.dim..][..rows.dim];
        let mut centers: Vec<Vec<f32>> = sample.iter().take(num_cells).map(|row| vector(*row).to_vec()).collect();
        let mut codes = encode(&centers, rows);
        for _ in 0..ROUNDS {
            let cells = assign(sample, &codes, rows);
            let mut members = vec![Vec::new(); num_cells];
            sample.iter().zip(cells).for_each(|(row, cell)| members[cell as usize].push(*row));
            centers.par_iter_mut().zip(members).for_each(|(center, members)| {
                // An empty cell keeps its center.
                if !members.is_empty() {
                    *center = direction(members.iter().map(|row| vector(*row)), rows.dim);
                }
            });
            codes = encode(&centers, rows);
        }
        let all: Vec<u32> = (0..num_rows as u32).collect();
        Self { cell_of: assign(&all, &codes, rows), centers: codes }
    }

    /// Numbers the cells anew, in the order in which their first rows come in `walk`; behind them those without rows.
    pub(super) fn renumber(&mut self, walk: &[u32], stride: usize) {
        let num_cells = self.centers.len() / stride;
        let mut new_cell = vec![u32::MAX; num_cells];
        let mut next = 0;
        let mut meet = |cell: usize| {
            if new_cell[cell] == u32::MAX {
                new_cell[cell] = next;
                next += 1;
            }
        };
        walk.iter().for_each(|row| meet(self.cell_of[*row as usize] as usize));
        (0..num_cells).for_each(meet);
        let mut centers = vec![0; self.centers.len()];
        for (old, new) in new_cell.iter().enumerate() {
            centers[*new as usize * stride..][..stride].copy_from_slice(&self.centers[old * stride..][..stride]);
        }
        self.centers = centers;
        self.cell_of.iter_mut().for_each(|cell| *cell = new_cell[*cell as usize]);
    }
}

fn encode(centers: &[Vec<f32>], rows: Rows<'_>) -> Vec<u8> {
    codes::encode(&centers.concat(), rows.dim, rows.projection, rows.levels)
}

/// The nearest of the centers to each of `wanted`.
fn assign(wanted: &[u32], centers: &[u8], rows: Rows<'_>) -> Vec<u32> {
    let stride = rows.levels.stride();
    let nearest = |walker: &mut Walker, row: &u32| {
        walker.set_query(&rows.vectors[*row as usize * rows.dim..][..rows.dim], rows.projection, &rows.levels.step);
        walker.nearest_center(centers, stride)
    };
    wanted.par_iter().map_init(Walker::default, nearest).collect()
}

/// The sum of the vectors, made as long as 1.
fn direction<'a>(vectors: impl Iterator<Item = &'a [f32]>, dim: usize) -> Vec<f32> {
    let mut sum = vec![0f32; dim];
    vectors.for_each(|vector| sum.iter_mut().zip(vector).for_each(|(sum, x)| *sum += x));
    let length = sum.iter().map(|x| x * x).sum::<f32>().sqrt().max(f32::MIN_POSITIVE);
    sum.iter_mut().for_each(|x| *x /= length);
    sum
}
