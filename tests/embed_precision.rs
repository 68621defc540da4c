//! What each precision promises on real weights: closeness to the reference, to each other, and the same bits on any threads.

mod embed_fixture;

use std::collections::HashSet;
use std::io::{BufRead, BufReader};
use std::path::Path;
use std::sync::LazyLock;

use kindred::embed::{EmbedConfig, Embedder, Embeddings, Precision, bench, check_parity, compare_precisions};

const REFERENCE: &str = concat!(env!("CARGO_MANIFEST_DIR"), "/tests/data/minilm_reference.jsonl.zst");
const PHONES: &str = concat!(env!("CARGO_MANIFEST_DIR"), "/data/phones/products.jsonl.zst");
const NUM_PRODUCTS: usize = 400;

fn load(precision: Precision, threads: usize) -> Embedder {
    let config = EmbedConfig { model: embed_fixture::real_model(), precision, threads, ..EmbedConfig::default() };
    Embedder::load(&config).expect("the fetched model loads")
}

/// Titles and descriptions of the first products of a sample shop.
static TEXTS: LazyLock<Vec<String>> = LazyLock::new(|| {
    let file = zstd::Decoder::new(std::fs::File::open(PHONES).unwrap()).unwrap();
    let product = |line: std::io::Result<String>| {
        let product: serde_json::Value = serde_json::from_str(&line.unwrap()).unwrap();
        format!("{}. {}", product["title"].as_str().unwrap(), product["description"].as_str().unwrap_or_default())
    };
    BufReader::new(file).lines().take(NUM_PRODUCTS).map(product).collect()
});

fn texts() -> Vec<&'static str> {
    TEXTS.iter().map(String::as_str).collect()
}

fn dot(a: &[f32], b: &[f32]) -> f32 {
    a.iter().zip(b).map(|(a, b)| a * b).sum()
}

/// For each row the ten nearest others.
fn top_ten(rows: &Embeddings) -> Vec<HashSet<usize>> {
    let nearest = |row: usize| {
        let mut others: Vec<usize> = (0..rows.len()).filter(|&other| other != row).collect();
        let score = |other: usize| dot(rows.row(row), rows.row(other));
        others.sort_by(|&a, &b| score(b).total_cmp(&score(a)).then(a.cmp(&b)));
        others.into_iter().take(10).collect()
    };
    (0..rows.len()).map(nearest).collect()
}

#[test]
fn f32_has_cosine_9999_to_every_reference_text() {
    let parity = check_parity(&load(Precision::F32, 2), Path::new(REFERENCE)).unwrap();
    assert!(parity.num_texts == 160 && parity.min_cosine >= 0.9999, "{parity:?}");
}

#[test]
fn fast_has_cosine_99_to_every_reference_text() {
    let parity = check_parity(&load(Precision::Fast, 2), Path::new(REFERENCE)).unwrap();
    assert!(parity.num_texts == 160 && parity.min_cosine >= 0.99, "{parity:?}");
}

#[test]
fn fast_keeps_93_of_100_neighbours() {
    let [exact, fast] =
        [Precision::F32, Precision::Fast].map(|precision| load(precision, 2).embed(&texts(), &|_| {}).unwrap());
    let shared: usize = top_ten(&exact).iter().zip(&top_ten(&fast)).map(|(a, b)| a.intersection(b).count()).sum();
    let overlap = shared as f64 / (10 * exact.len()) as f64;
    assert!(overlap >= 0.93, "top-10 overlap {overlap}");
    let config = EmbedConfig { model: embed_fixture::real_model(), ..EmbedConfig::default() };
    let measured = compare_precisions(&config, &texts()).unwrap();
    // Copies of one text count once there, and as often as they stand here.
    assert!((measured.mean_share - overlap).abs() < 0.01, "{measured:?} and here {overlap}");
    assert!(measured.least_share <= measured.mean_share && measured.num_texts <= NUM_PRODUCTS);
}

#[test]
fn one_thread_and_two_give_the_same_bits_in_any_order() {
    let texts = &texts()[..60];
    let reversed: Vec<&str> = texts.iter().rev().copied().collect();
    for precision in [Precision::F32, Precision::Fast] {
        let (one, two) = (load(precision, 1), load(precision, 2));
        let rows = one.embed(texts, &|_| {}).unwrap();
        assert_eq!(rows, two.embed(texts, &|_| {}).unwrap());
        let backwards = two.embed(&reversed, &|_| {}).unwrap();
        for row in 0..texts.len() {
            assert_eq!(rows.row(row), backwards.row(texts.len() - 1 - row));
        }
        assert_eq!(one.embed_one(texts[7]).unwrap(), rows.row(7));
    }
}

#[test]
fn candles_own_operators_give_the_same_vectors() {
    let texts = &texts()[..20];
    let config = EmbedConfig { model: embed_fixture::real_model(), ..EmbedConfig::default() };
    let plain = Embedder::load_plain(&config).unwrap().embed(texts, &|_| {}).unwrap();
    let ours = load(Precision::F32, 2).embed(texts, &|_| {}).unwrap();
    for (text, (plain, ours)) in texts.iter().zip(plain.iter().zip(ours.iter())) {
        assert!(dot(plain, ours) > 0.9999, "{text}");
    }
    assert!(Embedder::load_plain(&EmbedConfig { precision: Precision::Fast, ..config }).is_err());
}

#[test]
fn precisions_have_different_fingerprints() {
    assert_ne!(load(Precision::F32, 1).fingerprint(), load(Precision::Fast, 1).fingerprint());
}

#[test]
fn precision_is_a_setting() {
    let config: EmbedConfig = serde_json::from_str(r#"{"precision": "fast"}"#).unwrap();
    assert_eq!(config.precision, Precision::Fast);
    assert_eq!(EmbedConfig::default().precision, Precision::F32);
    assert!(serde_json::from_str::<EmbedConfig>(r#"{"precision": "int4"}"#).is_err());
}

#[test]
fn a_measurement_adds_up() {
    let embedder = load(Precision::Fast, 2);
    let texts = &texts()[..40];
    let report = bench(&embedder, texts, Some(Path::new(REFERENCE)), &|_| {}).unwrap();
    assert_eq!((report.num_texts, report.threads, report.precision), (40, 2, Precision::Fast));
    assert_eq!(report.num_tokens, embedder.count_tokens(texts).unwrap());
    assert!((report.stages.iter().map(|stage| stage.share).sum::<f64>() - 1.0).abs() < 1e-9, "{report:?}");
    assert!((report.texts_per_second * report.seconds - 40.0).abs() < 1e-6);
    assert!(report.single.p50_ms <= report.single.p99_ms && (8.0..=12.0).contains(&report.single.mean_tokens));
    assert!(report.parity.is_some_and(|parity| parity.min_cosine >= 0.99));
}

#[test]
fn nothing_to_measure_is_an_error() {
    assert!(bench(&load(Precision::F32, 1), &[], None, &|_| {}).is_err());
}
