//! Cells of like rows in the mapped file, and the scan that looks through the allowed rows of those nearest to a query.
//!
//! A filter that allows one row in ten thins a graph's links out; what lies near a query stays where it is. A scan of the nearest cells
//! compares a few hundred allowed rows and the centers, where a walk that keeps only allowed rows expands hundreds of rows, each
//! with its 32 neighbors (the inverted file of FAISS, over rows that stand in the order of their cells).
//!
//! Rows stand layer after layer, from the highest on, and by cell within each: a cell is one range of rows in every layer.

use roaring::RoaringBitmap;
use roaring::bitmap::Iter;

use super::kernels;
use super::walk::{BLOCK, Graph0, Walker};

/// The cells.
#[derive(Clone, Copy)]
pub struct Cells<'a> {
    /// Codes of the centers.
    pub centers: &'a [u8],
    /// First row of each cell in the highest layer, of each cell in the next, …; behind the last, the number of rows.
    pub starts: &'a [u32],
}

/// A thread's memory for scans of cells.
#[derive(Default)]
pub struct CellMemory {
    numbers: Vec<u32>,
    /// Product of the query with each center.
    products: Vec<i32>,
    sorted: Vec<i32>,
    nearest: Vec<u32>,
}

impl CellMemory {
    fn compare(&mut self, centers: &[u8], stride: usize, query: &[i8]) {
        let num_cells = centers.len() / stride;
        self.numbers.clear();
        self.numbers.extend(0..num_cells as u32);
        self.products.resize(num_cells, 0);
        kernels::score_unfetched(centers, stride, &self.numbers, query, &mut self.products);
    }

    /// At most `count` of the cells, the nearest of those with products from `floor` to below `limit`, in the order of their numbers, and the smallest
    /// product that was looked at. Cells with equal products come together, so there may be more.
    fn nearest_within(&mut self, floor: i32, limit: i32, count: usize) -> (&[u32], i32) {
        self.sorted.clear();
        self.sorted.extend(self.products.iter().filter(|product| (floor..limit).contains(*product)));
        let smallest = match self.sorted.len().checked_sub(count) {
            Some(place) if place > 0 => *self.sorted.select_nth_unstable(place).1,
            _ => floor,
        };
        // Every cell is written and only the near ones counted: which is near cannot be foreseen.
        self.nearest.resize(self.products.len() + 1, 0);
        let mut len = 0;
        for (cell, product) in self.products.iter().enumerate() {
            self.nearest[len] = cell as u32;
            len += usize::from((smallest..limit).contains(product));
        }
        (&self.nearest[..len], smallest)
    }
}

/// How far a scan of cells looks.
#[derive(Debug, Clone, Copy)]
pub struct Reach {
    /// How many rows are wanted: the scan goes on until so many were met, or there are no more.
    pub wanted: usize,
    /// It ends when the next cell's center scores so much lower than the last of the rows wanted.
    pub margin: f32,
    /// So many of the best rows stand in `beam` afterwards.
    pub width: usize,
}

/// A scan of cells first looks at so many that hold, when filter and cells know nothing of each other, so many times the rows wanted.
const FIRST_MET_PER_WANTED: usize = 8;

impl Walker {
    /// The center nearest to the query, of `centers` with `stride` bytes each.
    pub fn nearest_center(&mut self, centers: &[u8], stride: usize) -> u32 {
        self.cells.compare(centers, stride, &self.query);
        let pairs = self.cells.products.iter().zip(&self.cells.numbers);
        pairs.max_by_key(|(product, cell)| (**product, !**cell)).map_or(0, |(_, cell)| *cell)
    }

    /// Compares the query with the `allowed` rows of the nearest cells.
    pub fn scan_cells(&mut self, graph: Graph0<'_>, cells: Cells<'_>, allowed: &RoaringBitmap, reach: Reach) {
        self.start(reach.width.max(reach.wanted));
        let mut memory = std::mem::take(&mut self.cells);
        memory.compare(cells.centers, graph.stride, &self.query);
        let num_cells = memory.products.len();
        let margin = (reach.margin / self.unit) as i32;
        let num_allowed = (allowed.len() as usize).max(1);
        let mut count = (reach.wanted * FIRST_MET_PER_WANTED * num_cells).div_ceil(num_allowed);
        let (mut floor, mut limit) = (i32::MIN, i32::MAX);
        while floor < limit {
            let (nearest, smallest) = memory.nearest_within(floor, limit, count);
            self.scan_ranges(graph, cells.ranges(nearest, num_cells), allowed);
            limit = smallest;
            if let Some(last) = self.beam.rows().get(reach.wanted.saturating_sub(1)) {
                floor = last.product().saturating_sub(margin);
            }
            count *= 2;
        }
        self.cells = memory;
    }

    /// Compares the query with the `allowed` rows of ascending `ranges`.
    fn scan_ranges(&mut self, graph: Graph0<'_>, ranges: impl Iterator<Item = (u32, u32)>, allowed: &RoaringBitmap) {
        let num_rows = graph.num_rows() as u32;
        let mut met = Ahead::new(allowed);
        self.fresh.clear();
        for (start, end) in ranges {
            while let Some(row) = met.next_in(start, end.min(num_rows)) {
                self.fresh.push(row);
            }
            if self.fresh.len() >= BLOCK {
                self.score_unfetched(graph);
                self.fresh.clear();
            }
        }
        self.score_unfetched(graph);
        self.fresh.clear();
    }
}

impl<'a> Cells<'a> {
    /// The ranges of rows of these cells, ascending as the cells are; empty ones left out.
    fn ranges(self, cells: &'a [u32], num_cells: usize) -> impl Iterator<Item = (u32, u32)> + 'a {
        let starts = self.starts;
        let layers = starts.chunks_exact(num_cells.max(1)).enumerate().map(move |(layer, _)| layer * num_cells);
        layers.flat_map(move |layer| {
            let range = move |cell: &u32| {
                Some((*starts.get(layer + *cell as usize)?, *starts.get(layer + *cell as usize + 1)?))
            };
            cells.iter().filter_map(range).filter(|(start, end)| start < end)
        })
    }
}

/// Reads a bitmap forward.
struct Ahead<'a> {
    rows: Iter<'a>,
    next: Option<u32>,
}

impl<'a> Ahead<'a> {
    fn new(rows: &'a RoaringBitmap) -> Self {
        let mut rows = rows.iter();
        Self { next: rows.next(), rows }
    }

    /// The next row in `start..end`; rows before `start` are left out for good.
    #[inline(always)]
    fn next_in(&mut self, start: u32, end: u32) -> Option<u32> {
        if self.next? < start {
            self.rows.advance_to(start);
            self.next = self.rows.next();
        }
        let row = self.next.filter(|row| *row < end)?;
        self.next = self.rows.next();
        Some(row)
    }
}

#[cfg(test)]
mod tests {
    use std::cell::Cell;

    use super::super::build::IndexConfig;
    use super::super::hnsw::Hnsw;
    use super::super::search::{Plan, SearchParams};
    use super::*;
    use proptest::prelude::*;

    const DIM: usize = 24;

    /// 1,200 vectors of length 1 around a dozen centers.
    fn vectors() -> Vec<f32> {
        let mut seed = 5u32;
        let mut next = move || {
            seed = seed.wrapping_mul(1_664_525).wrapping_add(1_013_904_223);
            (seed >> 8) as f32 / (1 << 23) as f32 - 1.0
        };
        let centers: Vec<f32> = (0..12 * DIM).map(|_| next()).collect();
        let mut all = Vec::new();
        for row in 0..1_200 {
            let vector: Vec<f32> = centers[row % 12 * DIM..][..DIM].iter().map(|x| x + 0.6 * next()).collect();
            let length = vector.iter().map(|x| x * x).sum::<f32>().sqrt();
            all.extend(vector.iter().map(|x| x / length));
        }
        all
    }

    fn index() -> (tempfile::TempDir, Hnsw) {
        let dir = tempfile::tempdir().unwrap();
        let path = dir.path().join("hnsw.bin");
        Hnsw::build(&path, &vectors(), DIM, &IndexConfig::default(), &mut |_| {}).unwrap();
        (dir, Hnsw::open(&path).unwrap())
    }

    #[test]
    fn every_row_is_in_one_cell_of_its_layer() {
        let (_dir, hnsw) = index();
        let cells = hnsw.view().unwrap().cells;
        let num_cells = cells.centers.len() / hnsw.view().unwrap().graph.stride;
        assert!(num_cells > 12, "{num_cells}");
        let all: Vec<u32> = (0..num_cells as u32).collect();
        let rows: Vec<u32> = cells.ranges(&all, num_cells).flat_map(|(start, end)| start..end).collect();
        assert_eq!(rows, (0..1_200).collect::<Vec<u32>>());
    }

    #[test]
    fn a_scan_of_all_cells_is_exact_and_one_of_the_nearest_finds_nearly_all() {
        let (_dir, hnsw) = index();
        let mut runner = proptest::test_runner::TestRunner::deterministic();
        let (found, asked) = (Cell::new(0), Cell::new(0));
        let cases = (prop::collection::vec(any::<prop::sample::Index>(), 1..400), 0usize..1_200, 1usize..30);
        runner
            .run(&cases, |(allowed, query, k)| {
                let allowed: RoaringBitmap = allowed.iter().map(|row| row.index(1_200) as u32).collect();
                let query = hnsw.vector(crate::rank::RowId(query as u32)).unwrap();
                let exact = hnsw.search_exact(&query, k, Some(&allowed)).unwrap();
                let hits = |ef_search| {
                    let plan = Some(Plan::Cells);
                    hnsw.search(&query, SearchParams { k, ef_search, allowed: Some(&allowed), plan, enough: None })
                        .unwrap()
                };
                // So wide a margin takes in every center; codes may still put rows with like scores in another order.
                let all = hits(4_096);
                prop_assert_eq!(all.len(), exact.len());
                prop_assert!(all.iter().zip(&exact).all(|(hit, exact)| (hit.score - exact.score).abs() < 0.01));
                let near = hits(96);
                prop_assert_eq!(near.len(), exact.len());
                found.set(found.get() + near.iter().filter(|hit| exact.contains(hit)).count());
                asked.set(asked.get() + exact.len());
                Ok(())
            })
            .unwrap();
        assert!(found.get() * 100 >= asked.get() * 97, "{found:?} of {asked:?}");
    }
}
