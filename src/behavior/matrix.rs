//! The inverse of a symmetric positive definite matrix, by the sweep operator in blocks.

use rayon::prelude::*;

/// Rows swept at once.
const BLOCK: usize = 64;
/// Columns of one tile of the update: a tile of the panel stays in the nearest cache.
const TILE: usize = 256;

/// A symmetric matrix; the lower triangle is what counts.
#[derive(Debug, Clone)]
pub(super) struct Symmetric {
    n: usize,
    values: Vec<f64>,
}

impl Symmetric {
    /// `n` by `n` zeros.
    pub(super) fn new(n: usize) -> Self {
        Self { n, values: vec![0.0; n * n] }
    }

    pub(super) fn get(&self, row: usize, column: usize) -> f64 {
        self.values[row.max(column) * self.n + row.min(column)]
    }

    pub(super) fn set(&mut self, row: usize, column: usize, value: f64) {
        self.values[row.max(column) * self.n + row.min(column)] = value;
    }

    /// Puts the inverse in its place; false, and no use of the values, when the matrix is not positive definite to the precision of
    /// its numbers.
    ///
    /// Sweeping every row gives the negative inverse (Goodnight, "A Tutorial on the SWEEP Operator", 1979); a block of rows is swept
    /// as one: with `D` the block's inverse and `P` its columns, `A - P D P'` elsewhere, `P D` in its columns, `-D` in itself.
    pub(super) fn invert(&mut self) -> bool {
        for start in (0..self.n).step_by(BLOCK) {
            let block = start..(start + BLOCK).min(self.n);
            let Some(inverse) = self.inverse_of_block(block.clone()) else { return false };
            self.sweep(block, &inverse);
        }
        self.values.par_iter_mut().for_each(|value| *value = -*value);
        self.values.iter().all(|value| value.is_finite())
    }

    fn inverse_of_block(&self, block: std::ops::Range<usize>) -> Option<Vec<f64>> {
        let b = block.len();
        let at = |i: usize, j: usize| self.get(block.start + i, block.start + j);
        let mut values: Vec<f64> = (0..b * b).map(|place| at(place / b, place % b)).collect();
        for k in 0..b {
            let pivot = values[k * b + k];
            if pivot <= 0.0 || !pivot.is_finite() {
                return None;
            }
            sweep_row(&mut values, b, k, pivot);
        }
        values.iter_mut().for_each(|value| *value = -*value);
        Some(values)
    }

    fn sweep(&mut self, block: std::ops::Range<usize>, inverse: &[f64]) {
        let (n, b) = (self.n, block.len());
        // The block's columns, one row of `panel` each.
        let panel: Vec<f64> = block
            .clone()
            .flat_map(|column| (0..n).map(move |row| (row, column)))
            .map(|(row, column)| self.get(row, column))
            .collect();
        let times_inverse = |row: usize| -> Vec<f64> {
            let product = |column: usize| (0..b).map(|k| panel[k * n + row] * inverse[k * b + column]).sum();
            (0..b).map(product).collect()
        };
        self.values.par_chunks_mut(n).enumerate().for_each(|(row, values)| {
            let scaled = times_inverse(row);
            if block.contains(&row) {
                let own = &inverse[(row - block.start) * b..][..b];
                values[block.clone()].iter_mut().zip(own).for_each(|(value, d)| *value = -d);
                // Left of the block in its own rows: the transpose of what the columns get.
                for column in 0..block.start {
                    values[column] = (0..b).map(|k| panel[k * n + column] * inverse[k * b + (row - block.start)]).sum();
                }
                return;
            }
            subtract_product(&mut values[..=row], &scaled, &panel, n);
            if row >= block.end {
                values[block.clone()].copy_from_slice(&scaled);
            }
        });
    }
}

/// Sweeps row `k` of a full symmetric `n` by `n` matrix.
fn sweep_row(values: &mut [f64], n: usize, k: usize, pivot: f64) {
    let column: Vec<f64> = (0..n).map(|i| values[i * n + k]).collect();
    for i in (0..n).filter(|&i| i != k) {
        for j in (0..n).filter(|&j| j != k) {
            values[i * n + j] -= column[i] * column[j] / pivot;
        }
    }
    for i in 0..n {
        values[i * n + k] = column[i] / pivot;
        values[k * n + i] = column[i] / pivot;
    }
    values[k * n + k] = -1.0 / pivot;
}

/// `row -= scaled panel`, the panel's rows `stride` apart, four of them at a time.
fn subtract_product(row: &mut [f64], scaled: &[f64], panel: &[f64], stride: usize) {
    for (tile, values) in row.chunks_mut(TILE).enumerate() {
        let length = values.len();
        let part = |k: usize| &panel[k * stride + tile * TILE..][..length];
        let fours = scaled.len() / 4 * 4;
        for k in (0..fours).step_by(4) {
            let (p0, p1, p2, p3) = (part(k), part(k + 1), part(k + 2), part(k + 3));
            let [s0, s1, s2, s3] = [scaled[k], scaled[k + 1], scaled[k + 2], scaled[k + 3]];
            for (at, value) in values.iter_mut().enumerate() {
                *value -= s0 * p0[at] + s1 * p1[at] + s2 * p2[at] + s3 * p3[at];
            }
        }
        for (k, factor) in scaled.iter().enumerate().skip(fours) {
            values.iter_mut().zip(part(k)).for_each(|(value, p)| *value -= factor * p);
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Gauss-Jordan on the whole matrix, with row exchange.
    fn naive_inverse(n: usize, values: &[f64]) -> Vec<f64> {
        let mut a = vec![vec![0.0; 2 * n]; n];
        for i in 0..n {
            a[i][..n].copy_from_slice(&values[i * n..][..n]);
            a[i][n + i] = 1.0;
        }
        for k in 0..n {
            let best = (k..n).max_by(|&x, &y| a[x][k].abs().total_cmp(&a[y][k].abs())).unwrap();
            a.swap(k, best);
            let pivot = a[k][k];
            a[k].iter_mut().for_each(|x| *x /= pivot);
            let row = a[k].clone();
            for i in (0..n).filter(|&i| i != k) {
                let factor = a[i][k];
                a[i].iter_mut().zip(&row).for_each(|(x, y)| *x -= factor * y);
            }
        }
        a.iter().flat_map(|row| row[n..].to_vec()).collect()
    }

    #[test]
    fn the_inverse_is_that_of_gauss_jordan_also_where_the_last_block_is_cut() {
        for n in [1, 2, 5, BLOCK, BLOCK + 1, 2 * BLOCK + 37] {
            let mut state = n as u64;
            let mut next = || {
                state = state.wrapping_mul(6364136223846793005).wrapping_add(1442695040888963407);
                (state >> 40) as f64 / (1u64 << 24) as f64
            };
            let rows: Vec<Vec<f64>> = (0..n).map(|_| (0..n).map(|_| next()).collect()).collect();
            let mut matrix = Symmetric::new(n);
            let mut full = vec![0.0; n * n];
            for i in 0..n {
                for j in 0..n {
                    let dot: f64 = rows[i].iter().zip(&rows[j]).map(|(a, b)| a * b).sum();
                    full[i * n + j] = dot + if i == j { 3.0 } else { 0.0 };
                    matrix.set(i, j, full[i * n + j]);
                }
            }
            assert!(matrix.invert());
            for (place, expected) in naive_inverse(n, &full).into_iter().enumerate() {
                let found = matrix.get(place / n, place % n);
                assert!((found - expected).abs() < 1e-9, "{n}: {found} is not {expected}");
            }
        }
    }

    #[test]
    fn a_matrix_that_is_not_positive_definite_has_no_inverse_here() {
        let mut matrix = Symmetric::new(2);
        [(0, 0, 1.0), (0, 1, 2.0), (1, 1, 1.0)].into_iter().for_each(|(i, j, value)| matrix.set(i, j, value));
        assert!(!matrix.invert());
    }
}
