//! The map itself: the identity and a part of low rank.

use crate::embed::vectors::scale_to_length_1;

/// `f(e) = norm(e + U V e)`, with `V` of `rank` rows and `U` of as many columns. What is not learned stays where it was, so the map of a
/// product like none that it was learned from is near the product's own vector.
#[derive(Debug, Clone, PartialEq)]
pub struct ComplementMap {
    dim: usize,
    /// Rows of `V`, end to end.
    down: Vec<f32>,
    /// Columns of `U`, end to end.
    up: Vec<f32>,
}

impl ComplementMap {
    /// The map of vectors of `dim` numbers whose `V` has the rows `down` and whose `U` has the columns `up`, both end to end; `None` where
    /// they are not as many numbers, or no whole number of rows.
    pub fn new(dim: usize, down: Vec<f32>, up: Vec<f32>) -> Option<Self> {
        let fits = dim > 0 && down.len() == up.len() && down.len().is_multiple_of(dim);
        fits.then_some(Self { dim, down, up })
    }

    /// Numbers in a vector.
    pub fn dim(&self) -> usize {
        self.dim
    }

    /// The rows of `V` and the columns of `U`, each end to end.
    pub fn parts(&self) -> (&[f32], &[f32]) {
        (&self.down, &self.up)
    }

    /// Where the complements of `vector` lie: of length 1, or `None` where `vector` has another number of dimensions or no direction.
    pub fn apply(&self, vector: &[f32]) -> Option<Vec<f32>> {
        if vector.len() != self.dim {
            return None;
        }
        let mut mapped = vector.to_vec();
        for (down, up) in self.down.chunks_exact(self.dim).zip(self.up.chunks_exact(self.dim)) {
            let along: f32 = down.iter().zip(vector).map(|(down, x)| down * x).sum();
            mapped.iter_mut().zip(up).for_each(|(mapped, up)| *mapped += along * up);
        }
        scale_to_length_1(&mut mapped).then_some(mapped)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_map_is_the_identity_and_its_products_worked_out_by_hand() {
        // V = (1 0), U = (0 2): half of (0.6, 0.8) along the first is put on the second, twice.
        let map = ComplementMap::new(2, vec![1.0, 0.0], vec![0.0, 2.0]).unwrap();
        let (x, y) = (0.6f32, 0.8 + 2.0 * 0.6);
        let length = (x * x + y * y).sqrt();
        let mapped = map.apply(&[0.6, 0.8]).unwrap();
        assert!((mapped[0] - x / length).abs() < 1e-6 && (mapped[1] - y / length).abs() < 1e-6, "{mapped:?}");
        let identity = ComplementMap::new(2, vec![], vec![]).unwrap();
        assert_eq!(identity.apply(&[0.6, 0.8]), Some(vec![0.6, 0.8]));
    }

    #[test]
    fn what_does_not_fit_is_no_map_and_no_answer() {
        assert!(ComplementMap::new(2, vec![1.0, 0.0], vec![0.0]).is_none());
        assert!(ComplementMap::new(2, vec![1.0], vec![0.0]).is_none());
        assert!(ComplementMap::new(0, vec![], vec![]).is_none());
        let map = ComplementMap::new(2, vec![1.0, 0.0], vec![-1.0, 0.0]).unwrap();
        assert_eq!((map.apply(&[1.0]), map.apply(&[1.0, 0.0]), map.apply(&[f32::NAN, 0.0])), (None, None, None));
    }
}
