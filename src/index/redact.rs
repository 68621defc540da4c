//! Rows taken out of a graph file: their vectors are gone, the graph stays whole.

use std::path::Path;

use super::codes;
use super::error::IndexError;
use super::hnsw::{Hnsw, KIND, VERSION};
use super::section::{FileDigest, Section};

impl Hnsw {
    /// Writes to `path` the same graph without the vectors of `rows`: each gets the vector of its nearest neighbor that stays, or zeros, so that
    /// searches go through it as before. What a search finds there is for the caller to leave out.
    ///
    /// Returns an error if this file is damaged or the new one cannot be written.
    pub fn write_without(&self, path: &Path, rows: &[u32]) -> Result<FileDigest, IndexError> {
        let file = self.file();
        let (mut code_rows, mut halves) =
            (file.section::<u8>(*b"CODE")?.to_vec(), file.section::<u16>(*b"HALF")?.to_vec());
        let mut centers = file.section::<u8>(*b"CENT")?.to_vec();
        let (links, steps) = (file.section::<u32>(*b"LNK0")?, file.section::<f32>(*b"STEP")?);
        let (dim, stride) = (self.dim(), codes::stride(steps.len()));
        let places = links.len() / self.num_rows().max(1);
        for &row in rows.iter().filter(|row| (**row as usize) < self.num_rows()) {
            let neighbors = &links[row as usize * places..][..places];
            let old = code_rows[row as usize * stride..][..stride].to_vec();
            let stays = |&&other: &&u32| (other as usize) < self.num_rows() && !rows.contains(&other);
            match neighbors.iter().find(stays) {
                Some(&other) => {
                    copy_row(&mut code_rows, stride, other, row);
                    copy_row(&mut halves, dim, other, row);
                }
                None => {
                    code_rows[row as usize * stride..][..stride].fill(0);
                    halves[row as usize * dim..][..dim].fill(0);
                }
            }
            // The center of a cell with one row is that row.
            let new = &code_rows[row as usize * stride..][..stride];
            centers
                .chunks_exact_mut(stride)
                .filter(|center| **center == old)
                .for_each(|center| center.copy_from_slice(new));
        }
        let changed =
            [Section::new(*b"CODE", &code_rows), Section::new(*b"HALF", &halves), Section::new(*b"CENT", &centers)];
        file.write_changed(path, VERSION, KIND, &changed)
    }
}

fn copy_row<T: Copy>(rows: &mut [T], width: usize, from: u32, to: u32) {
    let from = from as usize * width;
    rows.copy_within(from..from + width, to as usize * width);
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::index::IndexConfig;
    use crate::index::search::SearchParams;
    use crate::rank::RowId;

    /// Vectors of length 1 that lie far apart from each other.
    fn vectors(num_rows: usize, dim: usize) -> Vec<f32> {
        let mut state = 7u64;
        let mut draw = || {
            state = state.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1_442_695_040_888_963_407);
            (state >> 40) as f32 / (1u64 << 24) as f32 - 0.5
        };
        let row = |_| {
            let row: Vec<f32> = (0..dim).map(|_| draw()).collect();
            let norm = row.iter().map(|x| x * x).sum::<f32>().sqrt();
            row.into_iter().map(move |x| x / norm)
        };
        (0..num_rows).flat_map(row).collect()
    }

    #[test]
    fn the_vectors_of_the_rows_are_gone_from_the_file_and_the_others_are_found_as_before() {
        let dir = tempfile::tempdir().unwrap();
        let (num_rows, dim) = (400, 16);
        let vectors = vectors(num_rows, dim);
        let path = dir.path().join("a.bin");
        Hnsw::build(&path, &vectors, dim, &IndexConfig::default(), &mut |_| {}).unwrap();
        let before = Hnsw::open(&path).unwrap();
        let gone = [3u32, 4, 100, 399];
        let new_path = dir.path().join("b.bin");
        before.write_without(&new_path, &gone).unwrap();
        let after = Hnsw::open(&new_path).unwrap();
        let bytes = std::fs::read(&new_path).unwrap();
        for row in (0..num_rows as u32).map(RowId) {
            let vector = before.vector(row).unwrap();
            let halves: Vec<u8> = vector.iter().flat_map(|x| half::f16::from_f32(*x).to_le_bytes()).collect();
            let is_there = bytes.windows(halves.len()).any(|window| window == halves);
            assert_eq!(is_there, !gone.contains(&row.0), "row {}", row.0);
            if is_there {
                let params = SearchParams { k: 1, ef_search: 96, allowed: None, plan: None, enough: None };
                // A row that was taken out may hold the same vector, and lie before it.
                let found = after.search(&vector, params).unwrap()[0];
                assert!(found.score > 0.999, "row {} {found:?}", row.0);
            }
        }
    }
}
