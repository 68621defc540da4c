//! Answers by themselves, in a placement, of several intents, and with a trace, over a made-up shop.
//!
//! `cargo bench --bench placements`

#[path = "../tests/generation/mod.rs"]
mod generation;
#[path = "../tests/shop/mod.rs"]
mod shop;

use std::hint::black_box;

use criterion::{Criterion, criterion_group, criterion_main};
use generation::{Random, publish_vectors, unit};
use kindred::index::{CatalogDir, Check};
use kindred::recommend::{Engine, Intent, Placements, Query, RecommendConfig, Said};

const ROWS: usize = 10_000;

/// A placement of two intents beside those that every shop has.
const TWO: &str = "[two]\nmix = [{ intent = \"similar\" }, { intent = \"next\" }]\ndiversity = 0.3";

fn engine(root: &std::path::Path) -> Engine {
    let dim = shop::EMBEDDER.dim();
    let mut random = Random(1);
    let vectors: Vec<f32> = (0..ROWS).flat_map(|_| unit((0..dim).map(|_| random.signed()).collect())).collect();
    let dir = CatalogDir::new(root, "shop").expect("a name");
    // Vectors without any order are the hardest to search, which is not what is measured.
    let config = kindred::index::IndexConfig { recall_floor: 0.0, ..generation::config() };
    let products = generation::products(ROWS);
    publish_vectors(&dir, &products, &vectors, dim, shop::EMBEDDER.fingerprint(), &config).expect("a generation");
    let generation = dir.open_current(Check::Headers).expect("the generation");
    let placements: Placements = toml::from_str(TWO).expect("placements");
    let config = RecommendConfig { placements, ..RecommendConfig::default() };
    Engine::new(&dir, generation, shop::EMBEDDER.clone(), &shop::template(), &config).expect("an engine")
}

fn answers(criterion: &mut Criterion) {
    let root = tempfile::tempdir().expect("a temporary folder");
    let engine = engine(root.path());
    let view = engine.view();
    let mut at = 0;
    let mut told = || {
        at = (at + 7919) % ROWS;
        Query { intent: Intent::Next, anchors: vec![format!("sku/{at}")], limit: 6, ..Query::default() }
    };
    let placed = |name: &str, query: Query| {
        engine.place(Query { placement: Some(name.to_owned()), ..query }, Said::default()).expect("a placement")
    };
    let mut group = criterion.benchmark_group("placements");
    group.bench_function("none", |bench| {
        bench.iter(|| black_box(engine.answer(&view, &told().asking(Intent::Similar))));
    });
    for (name, placement) in [("of one intent", "pdp-similar"), ("of two intents, spread", "two")] {
        group.bench_function(name, |bench| {
            bench.iter(|| black_box(engine.answer(&view, &placed(placement, told()))));
        });
    }
    group.bench_function("of one intent, traced", |bench| {
        bench.iter(|| black_box(engine.trace(&view, &placed("pdp-similar", told()))));
    });
    group.finish();
}

criterion_group!(benches, answers);
criterion_main!(benches);
