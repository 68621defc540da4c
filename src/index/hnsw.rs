//! The vectors and their HNSW graph in one mapped file, `hnsw.bin`, laid out to be searched in place.
//!
//! Sections (kind `HNSW`, version [`VERSION`]); `n` rows, `dim` dimensions, `m0 = 2 m` places for links, `p` directions of which a code has `d`
//! digits, 1 or 2, `stride` is 64 bytes for each 128 of the `p * d` numbers:
//!
//! | tag | element | count | meaning |
//! |---|---|---|---|
//! | `META` | u32 | 4 | `n, dim, m, num_upper_layers` |
//! | `PROJ` | u8 | `p` rows | directions that the codes hold, as signed bytes plus 128, see [`super::projection`]; none when they hold all dimensions (`p = dim`) |
//! | `SCAL` | f32 | 1 | what a number of a direction was multiplied by |
//! | `STEP` | f32 | `p * d` | spacing of the levels of each number |
//! | `CODE` | u8 | `n * stride` | the vectors in four bits a number, see [`super::codes`]: what the walk compares |
//! | `HALF` | u16 | `n * dim` | the vectors as IEEE 754 half-precision numbers: what the best rows are scored with |
//! | `LNK0` | u32 | `n * m0` | layer 0: neighbors of each row, [`NONE`] behind the last |
//! | `LAYR` | u32 | layers | number of rows in layer 1, 2, …: a layer holds the rows from 0 on |
//! | `ULNK` | u32 | `m *` sum of `LAYR` | neighbors of the rows of layer 1, then of layer 2, … |
//! | `CENT` | u8 | `c * stride` | codes of the centers of the `c` cells, see [`super::cells`] |
//! | `CELL` | u32 | `c * (layers + 1) + 1` | first row of each cell in the highest layer, of each cell in the next, …; last, `n` |
//!
//! Every link is checked against `n` when it is followed, and every range of rows, so damage can cost recall but never reach outside the file.

use std::path::Path;

use half::f16;
use half::slice::HalfFloatSliceExt;
use rayon::prelude::*;

use super::build::{Built, IndexConfig, build_graph};
use super::cells::Cells;
use super::codes;
use super::disk;
use super::error::IndexError;
use super::half_vector;
use super::kernels;
use super::projection::Projection;
use super::section::{FileDigest, Section, SectionFile, Tag, write_sections};
use super::walk::{Graph0, Walker};
use crate::rank::{RowId, ScoredRow};

/// Kind of the file.
pub const KIND: Tag = *b"HNSW";
/// Version of the layout above.
pub const VERSION: u32 = 4;
/// Marks the end of a neighbor list.
pub const NONE: u32 = u32::MAX;
/// Most dimensions a vector may have.
pub const MAX_DIM: usize = 8192;
/// Numbers of a row that are asked for before its score is computed; while they come, the processor asks for the others by itself.
const FETCHED: usize = 64;
/// A layer of at most so many rows is compared as a whole, as a walk there may not get past rows that are nearly alike.
const COMPARED: usize = 64;
/// A graph in memory, as the build hands it over to be written.
#[derive(Debug, Clone, PartialEq, Default)]
pub struct Graph {
    /// Half the places for links of a row.
    pub m: usize,
    /// Neighbors in layer 0, `2 m` places a row.
    pub links0: Vec<u32>,
    /// Layers 1, 2, …: `m` places for neighbors for each of their rows, which are a range from 0 on.
    pub upper: Vec<Vec<u32>>,
}

/// Writes `vectors` (row after row in the order of the input, `dim` each) and what was built over them to `path`.
///
/// Returns an error if the file cannot be written.
pub fn write(path: &Path, vectors: &[f32], dim: usize, built: &Built) -> Result<FileDigest, IndexError> {
    let Built { graph, projection, levels, codes, order, centers, cell_starts } = built;
    let stride = levels.stride();
    let meta = [order.len() as u32, dim as u32, graph.m as u32, graph.upper.len() as u32];
    let scale = [projection.scale()];
    let mut code_rows = vec![0u8; codes.len()];
    code_rows.par_chunks_mut(stride).zip(order).for_each(|(row, old)| {
        row.copy_from_slice(&codes[*old as usize * stride..][..stride]);
    });
    let mut halves = vec![f16::ZERO; vectors.len()];
    halves.par_chunks_mut(dim).zip(order).for_each(|(row, old)| {
        row.convert_from_f32_slice(&vectors[*old as usize * dim..][..dim]);
    });
    let counts: Vec<u32> = graph.upper.iter().map(|links| (links.len() / graph.m) as u32).collect();
    let links: Vec<u32> = graph.upper.concat();
    let sections = [
        Section::new(*b"META", &meta),
        Section::new(*b"PROJ", projection.codes()),
        Section::new(*b"SCAL", &scale),
        Section::new(*b"STEP", &levels.step),
        Section::new(*b"CODE", &code_rows),
        Section::new(*b"HALF", halves.reinterpret_cast()),
        Section::new(*b"LNK0", &graph.links0),
        Section::new(*b"LAYR", &counts),
        Section::new(*b"ULNK", &links),
        Section::new(*b"CENT", centers),
        Section::new(*b"CELL", cell_starts),
    ];
    let digest = write_sections(path, KIND, VERSION, &sections)?;
    // Read back through a map, it comes in large pages.
    disk::forget_pages(path);
    Ok(digest)
}

/// A mapped `hnsw.bin`.
#[derive(Debug)]
pub struct Hnsw {
    file: SectionFile,
    num_rows: usize,
    dim: usize,
    m0: usize,
    projection_scale: f32,
    /// Where each upper layer's rows start among those of all, and the end of the last.
    layer_starts: Vec<usize>,
}

impl Hnsw {
    /// Builds the graph over `vectors`, row after row of length 1, and writes it to `path`. Rows get an order of their own: returned is, for
    /// each of them, its place in `vectors`. `progress` is called with the number of rows linked.
    ///
    /// Returns an error if the vectors cannot be indexed or the file cannot be written.
    pub fn build(
        path: &Path,
        vectors: &[f32],
        dim: usize,
        config: &IndexConfig,
        progress: &mut dyn FnMut(usize),
    ) -> Result<(FileDigest, Vec<u32>), IndexError> {
        let built = build_graph(vectors, dim, config, progress)?;
        Ok((write(path, vectors, dim, &built)?, built.order))
    }

    /// Maps the file and checks that its sections fit together; vectors and links are not read.
    ///
    /// Returns an error if the file is missing, damaged, or of another version.
    pub fn open(path: &Path) -> Result<Self, IndexError> {
        let file = SectionFile::open(path, KIND, VERSION)?;
        file.prefer_large_pages();
        let (&[num_rows, dim, m, num_layers], &[projection_scale]) =
            (file.section::<u32>(*b"META")?, file.section::<f32>(*b"SCAL")?)
        else {
            return Err(file.damaged("section META or SCAL has another length"));
        };
        let (num_rows, dim, m0) = (num_rows as usize, dim as usize, 2 * m as usize);
        let mut layer_starts = vec![0];
        for &count in file.section::<u32>(*b"LAYR")? {
            layer_starts.push(layer_starts.last().copied().unwrap_or(0) + count as usize);
        }
        let num_upper = layer_starts.last().copied().unwrap_or(0);
        let num_directions = Projection::new(file.section(*b"PROJ")?, projection_scale, dim)
            .map_or(0, |projection| projection.num_directions());
        let num_numbers = file.section::<f32>(*b"STEP")?.len();
        let (stride, num_centers) = (codes::stride(num_numbers).max(1), file.section::<u8>(*b"CENT")?.len());
        let fits = dim <= MAX_DIM
            && m0 > 0
            && num_directions > 0
            && file.section::<u8>(*b"CODE")?.len() == num_rows * stride
            && num_centers.is_multiple_of(stride)
            && file.section::<u32>(*b"CELL")?.len() == num_centers / stride * (num_layers as usize + 1) + 1
            && [num_directions, 2 * num_directions].contains(&num_numbers)
            && file.section::<u16>(*b"HALF")?.len() == num_rows * dim
            && file.section::<u32>(*b"LNK0")?.len() == num_rows * m0
            && layer_starts.len() == num_layers as usize + 1
            && file.section::<u32>(*b"ULNK")?.len() == num_upper * (m0 / 2);
        if !fits {
            return Err(file.damaged("its sections do not fit together"));
        }
        Ok(Self { file, num_rows, dim, m0, projection_scale, layer_starts })
    }

    /// Number of rows.
    pub fn num_rows(&self) -> usize {
        self.num_rows
    }

    /// Number of dimensions.
    pub fn dim(&self) -> usize {
        self.dim
    }

    /// The row's vector, of length 1 but for rounding to half precision; `None` when there is no such row.
    pub fn vector(&self, row: RowId) -> Option<Vec<f32>> {
        let halves: &[u16] = self.file.section(*b"HALF").unwrap_or_default();
        let halves = halves.get(row.index() * self.dim..(row.index() + 1) * self.dim)?;
        Some(half_vector::widen(halves))
    }

    pub(super) fn halves(&self) -> Result<Halves<'_>, IndexError> {
        Ok(Halves { numbers: self.file.section(*b"HALF")?, dim: self.dim })
    }

    pub(super) fn file(&self) -> &SectionFile {
        &self.file
    }

    pub(super) fn view(&self) -> Result<View<'_>, IndexError> {
        let misfit = || self.file.damaged("section PROJ has another length");
        let projection =
            Projection::new(self.file.section(*b"PROJ")?, self.projection_scale, self.dim).ok_or_else(misfit)?;
        let steps: &[f32] = self.file.section(*b"STEP")?;
        let stride = codes::stride(steps.len());
        let graph =
            Graph0 { codes: self.file.section(*b"CODE")?, stride, links: self.file.section(*b"LNK0")?, m0: self.m0 };
        Ok(View {
            graph,
            projection,
            steps,
            halves: self.halves()?,
            upper_links: self.file.section(*b"ULNK")?,
            layer_starts: &self.layer_starts,
            cells: Cells { centers: self.file.section(*b"CENT")?, starts: self.file.section(*b"CELL")? },
        })
    }
}

/// The file's sections, looked up once at the start of a search.
pub(super) struct View<'a> {
    pub(super) graph: Graph0<'a>,
    pub(super) projection: Projection<'a>,
    /// Spacing of the levels of each number of a code.
    pub(super) steps: &'a [f32],
    pub(super) halves: Halves<'a>,
    upper_links: &'a [u32],
    layer_starts: &'a [usize],
    pub(super) cells: Cells<'a>,
}

/// The vectors in half precision.
#[derive(Clone, Copy)]
pub(super) struct Halves<'a> {
    numbers: &'a [u16],
    dim: usize,
}

impl Halves<'_> {
    /// Cosine similarity of the query and the row, which must be below `n`.
    pub(super) fn score(self, query: &[f32], row: u32) -> ScoredRow {
        let half = &self.numbers[row as usize * self.dim..][..self.dim];
        ScoredRow { row: RowId(row), score: half_vector::score(kernels::dot_half(), query, half) }
    }

    /// Cosine similarity of the query and each of `rows`, which must be below `n`, in `scores`.
    pub(super) fn score_rows(self, query: &[f32], rows: &[u32], scores: &mut Vec<f32>) {
        for row in rows {
            kernels::fetch(self.numbers, *row as usize * self.dim, self.dim.min(FETCHED));
        }
        scores.resize(rows.len(), 0.0);
        kernels::dot_half_rows()(query, self.numbers, rows, scores);
        scores.iter_mut().for_each(|score| *score = score.clamp(-1.0, 1.0));
    }
}

impl View<'_> {
    /// Where the layers that are walked through begin, and how many rows are compared before that.
    fn upper_layers(&self) -> (&[usize], usize) {
        let is_walked = |layer: &[usize]| layer[1] - layer[0] > COMPARED;
        let num_walked = self.layer_starts.windows(2).take_while(|layer| is_walked(layer)).count();
        let compared = self.layer_starts.get(num_walked + 1).map_or(1, |end| end - self.layer_starts[num_walked]);
        (&self.layer_starts[..=num_walked], compared.min(self.graph.num_rows()))
    }

    /// Walks down the upper layers to the row nearest to the walker's query.
    pub(super) fn descend(&self, walker: &mut Walker) -> u32 {
        let m = self.graph.m0 / 2;
        let (walked, compared) = self.upper_layers();
        let mut best = walker.best_of(self.graph, 0..compared as u32);
        for layer in walked.windows(2).rev() {
            let links = &self.upper_links[layer[0] * m..layer[1] * m];
            while let Some(list) = links.get(best.row() as usize * m..(best.row() as usize + 1) * m) {
                let links = list.iter().copied().take_while(|row| (*row as usize) < self.graph.num_rows());
                let nearest = walker.best_of(self.graph, links);
                if nearest.product() <= best.product() {
                    break;
                }
                best = nearest;
            }
        }
        best.row()
    }
}
