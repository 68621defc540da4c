//! Answers with and without many rules over a made-up shop; `kindred bench rules CATALOG` does so over a real one, with quantiles.
//!
//! `cargo bench --bench rules`

#[path = "../tests/generation/mod.rs"]
mod generation;
#[path = "../tests/shop/mod.rs"]
mod shop;

use std::hint::black_box;

use criterion::{Criterion, criterion_group, criterion_main};
use generation::{BRANDS, COLORS, Random, publish_vectors, unit};
use kindred::index::{CatalogDir, Check};
use kindred::recommend::{Engine, Query, RecommendConfig};
use kindred::rules::{Notation, RuleSet};
use serde_json::{Value, json};

const ROWS: usize = 10_000;
const RULES: usize = 1000;

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
    let config = RecommendConfig::default();
    Engine::new(&dir, generation, shop::EMBEDDER.clone(), &shop::template(), &config).expect("an engine")
}

/// Rules of every kind; `has_conditions` gives each a condition that holds for one question in some.
fn rules(has_conditions: bool) -> RuleSet {
    let rule = |at: usize| {
        let (brand, color) = (BRANDS[at % BRANDS.len()], COLORS[at % COLORS.len()]);
        let kind = json!({"key": "category", "match": format!("Kind {}", at % 7)});
        let then = match at % 4 {
            0 => {
                json!({"exclude": {"must": [kind, {"key": "price", "range": {"gte": 50 + at % 40}}, {"key": "color", "match": color}]}})
            }
            1 => json!({"boost": {"filter": {"must": [{"key": "brand", "match": brand}, kind]}, "factor": 1.01}}),
            2 => {
                json!({"exclude": {"must": [{"key": "id", "match": [format!("sku/{at}"), format!("sku/{}", at + 5)]}]}})
            }
            _ => json!({"bury": {"filter": {"must": [{"same": "brand"}, kind]}, "factor": 0.99}}),
        };
        let page =
            json!({"must": [{"page": {"must": [{"key": "category", "match": format!("Kind {}", at / 7 % 7)}]}}]});
        json!({"id": format!("r{at}"), "when": if has_conditions { page } else { json!({}) }, "then": then})
    };
    let rules: Vec<Value> = (0..RULES).map(rule).collect();
    RuleSet::read(&json!({"rules": rules}).to_string(), Notation::Json).expect("rules")
}

fn answers(criterion: &mut Criterion) {
    let root = tempfile::tempdir().expect("a temporary folder");
    let engine = engine(root.path());
    let view = engine.view();
    let mut group = criterion.benchmark_group("rules");
    for (name, set) in [
        ("none", RuleSet::default()),
        ("1,000 with conditions", rules(true)),
        ("1,000 that always count", rules(false)),
    ] {
        let trial = engine.try_rules(&view, &set).expect("rules that can be compiled");
        let mut at = 0;
        group.bench_function(name, |bench| {
            bench.iter(|| {
                at = (at + 7919) % ROWS;
                let query = Query { anchors: vec![format!("sku/{at}")], limit: 10, ..Query::default() };
                black_box(engine.answer_with(&view, &query, &trial))
            });
        });
    }
    group.finish();
}

criterion_group!(benches, answers);
criterion_main!(benches);
