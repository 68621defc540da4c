//! Search over a mapped generation: graph and exact, with and without a filter, on made-up vectors.
//!
//! `cargo bench --bench search`

#[path = "../tests/generation/mod.rs"]
mod generation;

use std::hint::black_box;

use criterion::{BenchmarkId, Criterion, criterion_group, criterion_main};
use generation::{DIM, Random, publish, shop, unit, vectors};
use kindred::index::{Check, IndexConfig};
use roaring::RoaringBitmap;

const ROWS: usize = 20_000;
const K: usize = 10;

fn search(criterion: &mut Criterion) {
    let root = tempfile::tempdir().expect("a temporary folder");
    publish(&shop(root.path()), ROWS, 1, &IndexConfig::default()).expect("a generation");
    let generation = shop(root.path()).open_current(Check::Headers).expect("the generation");
    let vectors = vectors(ROWS, 1);
    let mut random = Random(2);
    let mut query = || -> Vec<f32> {
        let near = &vectors[random.below(ROWS) * DIM..][..DIM];
        unit(near.iter().map(|x| x + 0.1 * random.signed()).collect())
    };
    let queries: Vec<Vec<f32>> = (0..256).map(|_| query()).collect();
    let mut at = 0;
    let mut next = || {
        at = (at + 1) % queries.len();
        &queries[at]
    };
    let mut group = criterion.benchmark_group("search");
    group.bench_function("graph", |bench| bench.iter(|| black_box(generation.search(next(), K, None))));
    group.bench_function("exact", |bench| bench.iter(|| black_box(generation.search_exact(next(), K, None))));
    for one_in in [2, 20, 200] {
        let allowed: RoaringBitmap = (0..ROWS as u32).step_by(one_in).collect();
        group.bench_function(BenchmarkId::new("filtered, one row in", one_in), |bench| {
            bench.iter(|| black_box(generation.search(next(), K, Some(&allowed))));
        });
    }
    group.finish();
}

criterion_group!(benches, search);
criterion_main!(benches);
