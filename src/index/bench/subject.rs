//! What is measured: a mapped file, the queries, and the true neighbors, found without the graph.

use std::path::{Path, PathBuf};
use std::time::Instant;

use rayon::prelude::*;
use roaring::RoaringBitmap;

use crate::index::build::{IndexConfig, build_graph, check_vectors};
use crate::index::disk;
use crate::index::error::IndexError;
use crate::index::exact::{self, Truth};
use crate::index::hnsw::{self, Hnsw};
use crate::index::kernels;
use crate::rank::{RowId, ScoredRow};

/// Most products of a generation that are asked for their neighbors.
const MAX_QUERIES: usize = 2000;

/// A mapped file and queries to ask it.
pub struct Subject {
    path: PathBuf,
    hnsw: Hnsw,
    queries: Vec<f32>,
    /// The row that each query was taken from, which is no neighbor of itself; `None` for queries from outside.
    own_rows: Option<Vec<RowId>>,
    /// `None` where the file's own vectors must serve.
    base: Option<Base>,
    build_seconds: Option<f64>,
}

/// What the file was built over.
struct Base {
    /// The full vectors, one after the other.
    vectors: Vec<f32>,
    /// For each row, its place among them.
    order: Vec<u32>,
    /// For each place, its row.
    rows: Vec<u32>,
}

/// Reads a file of little-endian f32 numbers, rows of `dim` one after the other.
///
/// Returns an error if it cannot be read or its length is no multiple of a row.
pub fn read_raw_vectors(path: &Path, dim: usize) -> Result<Vec<f32>, IndexError> {
    let bytes = std::fs::read(path).map_err(|source| IndexError::Read { path: path.to_owned(), source })?;
    if dim == 0 || bytes.is_empty() || !bytes.len().is_multiple_of(4 * dim) {
        let reason = format!("`{}` has {} bytes, which are no rows of {dim} f32 numbers", path.display(), bytes.len());
        return Err(IndexError::Vectors(reason));
    }
    Ok(bytes.as_chunks::<4>().0.iter().map(|number| f32::from_le_bytes(*number)).collect())
}

/// Writes `vectors` as [`read_raw_vectors`] reads them.
///
/// Returns an error if the file cannot be written.
pub fn write_raw_vectors(path: &Path, vectors: &[f32]) -> Result<(), IndexError> {
    let bytes: Vec<u8> = vectors.iter().flat_map(|number| number.to_le_bytes()).collect();
    std::fs::write(path, bytes).map_err(|source| IndexError::Write { path: path.to_owned(), source })
}

impl Subject {
    /// A generation's file; evenly spaced rows are asked for their neighbors.
    ///
    /// Returns an error if the file cannot be opened.
    pub fn of_generation(dir: &Path) -> Result<Self, IndexError> {
        let path = dir.join(crate::index::generation::HNSW_FILE);
        let hnsw = Hnsw::open(&path)?;
        let num_queries = hnsw.num_rows().min(MAX_QUERIES);
        let rows: Vec<RowId> = (0..num_queries).map(|at| RowId((at * hnsw.num_rows() / num_queries) as u32)).collect();
        let queries = rows.iter().flat_map(|row| hnsw.vector(*row).unwrap_or_default()).collect();
        Ok(Self { path, hnsw, queries, own_rows: Some(rows), base: None, build_seconds: None })
    }

    /// The file at `path`, to be asked the queries in the raw file `queries`. Its own half-precision vectors tell the true neighbors.
    ///
    /// Returns an error if either cannot be read or they differ in dimensions.
    pub fn saved(path: &Path, queries: &Path) -> Result<Self, IndexError> {
        let hnsw = Hnsw::open(path)?;
        let queries = read_raw_vectors(queries, hnsw.dim())?;
        check_vectors(&queries, hnsw.dim())?;
        Ok(Self { path: path.to_owned(), hnsw, queries, own_rows: None, base: None, build_seconds: None })
    }

    /// Builds a file at `path` over `base`, row after row of `dim` numbers and length 1, to be asked `queries`.
    ///
    /// `progress` is called with the number of rows linked. Returns an error if the vectors cannot be indexed or the file
    /// cannot be written.
    pub fn build(
        path: &Path,
        base: Vec<f32>,
        queries: Vec<f32>,
        dim: usize,
        config: &IndexConfig,
        progress: &mut dyn FnMut(usize),
    ) -> Result<Self, IndexError> {
        check_vectors(&queries, dim)?;
        let started = Instant::now();
        let built = build_graph(&base, dim, config, progress)?;
        hnsw::write(path, &base, dim, &built)?;
        let build_seconds = Some(started.elapsed().as_secs_f64());
        let hnsw = Hnsw::open(path)?;
        let mut rows = vec![0; built.order.len()];
        built.order.iter().zip(0u32..).for_each(|(place, row)| rows[*place as usize] = row);
        Ok(Self {
            path: path.to_owned(),
            hnsw,
            queries,
            own_rows: None,
            base: Some(Base { vectors: base, order: built.order, rows }),
            build_seconds,
        })
    }

    /// Seconds that the build took, writing included; `None` for a file that was there.
    pub(super) fn build_seconds(&self) -> Option<f64> {
        self.build_seconds
    }

    pub(super) fn hnsw(&self) -> &Hnsw {
        &self.hnsw
    }

    pub(super) fn reopen(&self) -> Result<Hnsw, IndexError> {
        Hnsw::open(&self.path)
    }

    /// Asks the system to drop the file's pages from memory; true when it agreed.
    ///
    /// Returns an error if the file cannot be opened again.
    pub(super) fn forget_pages(&mut self) -> Result<bool, IndexError> {
        // Pages that a process has read through its map stay: a new map has read but the file's head.
        self.hnsw = self.reopen()?;
        Ok(disk::forget_pages(&self.path))
    }

    pub(super) fn file_bytes(&self) -> Result<u64, IndexError> {
        let read = |source| IndexError::Read { path: self.path.clone(), source };
        Ok(std::fs::metadata(&self.path).map_err(read)?.len())
    }

    /// Number of rows.
    pub fn num_rows(&self) -> usize {
        self.hnsw.num_rows()
    }

    pub(super) fn dim(&self) -> usize {
        self.hnsw.dim()
    }

    /// Number of queries.
    pub fn num_queries(&self) -> usize {
        self.queries.len() / self.dim().max(1)
    }

    pub(super) fn query(&self, at: usize) -> &[f32] {
        &self.queries[at * self.dim()..][..self.dim()]
    }

    /// The query's own row, which must not count as found.
    pub(super) fn own_row(&self, query: usize) -> Option<RowId> {
        self.own_rows.as_ref().map(|rows| rows[query])
    }

    /// The row of what was at this place when the file was built, where that is known; else the row of this number.
    pub(super) fn row_at(&self, place: u32) -> u32 {
        self.base.as_ref().map_or(place, |base| base.rows[place as usize])
    }

    /// The row's vector, as exact as there is one.
    pub(super) fn vector(&self, row: u32) -> Vec<f32> {
        match &self.base {
            Some(base) => base.vectors[base.order[row as usize] as usize * self.dim()..][..self.dim()].to_vec(),
            None => self.hnsw.vector(RowId(row)).unwrap_or_default(),
        }
    }

    /// The score of a row that a search found, from the full vectors where there are any.
    fn true_score(&self, query: usize, found: ScoredRow) -> f32 {
        match &self.base {
            Some(base) => {
                let at = base.order[found.row.index()] as usize * self.dim();
                kernels::dot()(self.query(query), &base.vectors[at..at + self.dim()])
            }
            None => found.score,
        }
    }

    /// The true neighbors among `allowed` of the first `num_queries` queries, by comparing every row.
    ///
    /// Returns an error if the file cannot be searched.
    pub(super) fn truth(
        &self,
        k: usize,
        allowed: Option<&RoaringBitmap>,
        num_queries: usize,
    ) -> Result<Vec<Truth>, IndexError> {
        match &self.base {
            Some(base) => {
                let places: Vec<u32> = match allowed {
                    Some(allowed) => allowed.iter().map(|row| base.order[row as usize]).collect(),
                    None => base.order.clone(),
                };
                let queries: Vec<&[f32]> = (0..num_queries).map(|at| self.query(at)).collect();
                Ok(exact::truths(&base.vectors, &places, &queries, k))
            }
            None => (0..num_queries).into_par_iter().map(|query| self.truth_by_file(query, k, allowed)).collect(),
        }
    }

    fn truth_by_file(&self, query: usize, k: usize, allowed: Option<&RoaringBitmap>) -> Result<Truth, IndexError> {
        let mut found = self.hnsw.search_exact(self.query(query), k + 1, allowed)?;
        found.retain(|found| Some(found.row) != self.own_row(query));
        found.truncate(k);
        Ok(Truth { last: found.last().map_or(f32::INFINITY, |last| last.score), count: found.len() })
    }

    /// The share of the true neighbors that `found` holds.
    pub(super) fn recall(&self, query: usize, Truth { last, count }: Truth, found: &[ScoredRow], k: usize) -> f64 {
        let found = found.iter().filter(|found| Some(found.row) != self.own_row(query)).take(k);
        let hits = found.filter(|found| self.true_score(query, **found) >= last - exact::TIE).count();
        if count == 0 { 1.0 } else { hits as f64 / count as f64 }
    }
}
