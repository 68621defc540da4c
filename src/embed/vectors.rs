//! Rows of vectors, each of length 1 (L2).

/// One vector for each text of a call, in the order of the texts; each has length 1 (L2) and `dim` finite numbers.
#[derive(Debug, Clone, PartialEq)]
pub struct Embeddings {
    dim: usize,
    data: Vec<f32>,
}

impl Embeddings {
    /// `num_rows` rows of zeros, to be filled row by row.
    pub(super) fn zeros(num_rows: usize, dim: usize) -> Self {
        Self { dim, data: vec![0.0; num_rows * dim] }
    }

    /// Numbers in a row.
    pub fn dim(&self) -> usize {
        self.dim
    }

    /// Number of rows.
    pub fn len(&self) -> usize {
        self.data.len() / self.dim
    }

    /// Whether there are no rows.
    pub fn is_empty(&self) -> bool {
        self.data.is_empty()
    }

    /// Row `row`. Panics if `row >= self.len()`, as a slice does.
    pub fn row(&self, row: usize) -> &[f32] {
        &self.data[row * self.dim..][..self.dim]
    }

    /// The rows in order.
    pub fn iter(&self) -> std::slice::ChunksExact<'_, f32> {
        self.data.chunks_exact(self.dim)
    }

    /// All rows end to end.
    pub fn as_slice(&self) -> &[f32] {
        &self.data
    }

    /// All rows end to end, without a copy.
    pub fn into_vec(self) -> Vec<f32> {
        self.data
    }

    /// Sets row `to` to row `from`.
    pub(super) fn copy_row(&mut self, from: usize, to: usize) {
        self.data.copy_within(from * self.dim..(from + 1) * self.dim, to * self.dim);
    }

    pub(super) fn set_row(&mut self, row: usize, vector: &[f32]) {
        self.data[row * self.dim..][..self.dim].copy_from_slice(vector);
    }
}

/// Scales `row` to length 1 (L2), summing in f64. Returns false, leaving `row` alone, when it has no direction: a number in it
/// is not finite, or all are zero.
pub(super) fn scale_to_length_1(row: &mut [f32]) -> bool {
    let length = row.iter().map(|&x| f64::from(x) * f64::from(x)).sum::<f64>().sqrt();
    if !length.is_finite() || length == 0.0 {
        return false;
    }
    row.iter_mut().for_each(|x| *x = (f64::from(*x) / length) as f32);
    true
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_scaled_row_has_length_1_and_keeps_its_direction() {
        let mut row = [3.0, 0.0, -4.0];
        assert!(scale_to_length_1(&mut row));
        assert_eq!(row, [0.6, 0.0, -0.8]);
    }

    #[test]
    fn a_row_without_a_direction_is_refused() {
        assert!(!scale_to_length_1(&mut [0.0, 0.0]));
        assert!(!scale_to_length_1(&mut [1.0, f32::NAN]));
        assert!(!scale_to_length_1(&mut [f32::INFINITY, 1.0]));
    }
}
