//! Instructions of the kernels and of a search, counted by Callgrind: the same on a loaded machine and on a quiet one.
//!
//! `cargo bench --bench instructions`; needs Valgrind, and `cargo install gungraun-runner --version 0.20.0`. Valgrind has no AVX-512, so what is
//! counted is the AVX2 version of each kernel.
#![allow(missing_docs, clippy::exit, reason = "what the macros make")]

#[path = "../tests/generation/mod.rs"]
mod generation;

use std::hint::black_box;

use generation::{Random, publish, shop, vectors};
use gungraun::{library_benchmark, library_benchmark_group, main};
use kindred::index::kernels::{self, PACKED_SPARE, SPARE};
use kindred::index::{Check, Generation, IndexConfig};
use kindred::rank::ScoredRow;
use roaring::RoaringBitmap;

const DIM: usize = 384;
const ROWS: usize = 256;
/// Bytes of a row's four-bit codes.
const STRIDE: usize = DIM / 2;
const SEARCHED_ROWS: usize = 2000;
const K: usize = 10;

/// Made-up input of a kernel: a query and rows in each form, every row wanted once, in no order.
struct Input {
    query: Vec<f32>,
    query_codes: Vec<i8>,
    halves: Vec<u16>,
    codes: Vec<u8>,
    bytes: Vec<i8>,
    rows: Vec<u32>,
}

fn input() -> Input {
    let mut random = Random(3);
    let rows = (0..ROWS as u32).map(|row| row * 37 % ROWS as u32).collect();
    Input {
        query: (0..DIM).map(|_| random.signed()).collect(),
        query_codes: (0..DIM).map(|_| random.below(255) as i8).collect(),
        // Half-precision numbers from 0.5 to 2.
        halves: (0..ROWS * DIM).map(|_| 0x3800 + random.below(0x800) as u16).collect(),
        codes: (0..ROWS * STRIDE).map(|_| random.below(256) as u8).collect(),
        bytes: (0..2 * DIM).map(|_| random.below(255) as i8).collect(),
        rows,
    }
}

#[library_benchmark]
#[bench::rows_256(setup = input)]
fn products_of_codes(input: Input) -> Vec<i32> {
    let mut products = vec![0; ROWS];
    kernels::score_rows()(&input.codes, STRIDE, &input.rows, &[], &input.query_codes, &mut products);
    black_box(products)
}

#[library_benchmark]
#[bench::rows_256(setup = input)]
fn products_of_halves(input: Input) -> Vec<f32> {
    let mut products = vec![0.0; ROWS];
    kernels::dot_half_rows()(&input.query, &input.halves, &input.rows, &mut products);
    black_box(products)
}

#[library_benchmark]
#[bench::of_384_bytes(setup = input)]
fn distance_of_bytes(input: Input) -> i32 {
    let (a, b) = input.bytes.split_at(DIM);
    black_box(kernels::squared_distance()(a, b))
}

#[library_benchmark]
#[bench::rows_256(setup = input)]
fn rows_not_seen(input: Input) -> usize {
    let mut table = vec![0; 4 * ROWS];
    let mut new = vec![0; ROWS + SPARE];
    black_box(kernels::take_new()(&mut table, &input.rows, ROWS as u32, &mut new))
}

#[library_benchmark]
#[bench::rows_256(setup = input)]
fn best_of_rows(input: Input) -> usize {
    let products: Vec<i32> = input.rows.iter().map(|row| *row as i32).collect();
    let mut packed = vec![0; ROWS + PACKED_SPARE];
    black_box(kernels::pack_best()(&input.rows, &products, ROWS as i32 / 2, &mut packed))
}

/// A generation with a query and, where there is a filter, the rows that it allows.
struct Searched {
    generation: Generation,
    query: Vec<f32>,
    allowed: Option<RoaringBitmap>,
    _root: tempfile::TempDir,
}

/// One row in `one_in` is allowed.
fn searched(one_in: Option<usize>) -> Searched {
    let root = tempfile::tempdir().expect("a temporary folder");
    publish(&shop(root.path()), SEARCHED_ROWS, 1, &IndexConfig::default()).expect("a generation");
    let generation = shop(root.path()).open_current(Check::Headers).expect("the generation");
    let query = vectors(SEARCHED_ROWS, 1)[..generation::DIM].to_vec();
    let allowed = one_in.map(|one_in| (0..SEARCHED_ROWS as u32).step_by(one_in).collect());
    let searched = Searched { generation, query, allowed, _root: root };
    // The first search of a thread makes its buffers.
    search(&searched);
    searched
}

fn search(searched: &Searched) -> Vec<ScoredRow> {
    searched.generation.search(&searched.query, K, searched.allowed.as_ref()).expect("an answer")
}

#[library_benchmark(setup = searched)]
#[bench::all(None)]
#[bench::one_in_2(Some(2))]
#[bench::one_in_200(Some(200))]
fn of_graph(searched: Searched) -> Searched {
    black_box(search(&searched));
    searched
}

#[library_benchmark(setup = searched)]
#[bench::all(None)]
fn exact(searched: Searched) -> Searched {
    black_box(searched.generation.search_exact(&searched.query, K, None).expect("an answer"));
    searched
}

library_benchmark_group!(
    name = kernel;
    benchmarks = products_of_codes, products_of_halves, distance_of_bytes, rows_not_seen, best_of_rows
);
library_benchmark_group!(name = searches; benchmarks = of_graph, exact);
main!(library_benchmark_groups = kernel, searches);
