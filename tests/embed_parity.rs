//! all-MiniLM-L6-v2 against sentence-transformers' own vectors, and the laws of batches on real weights.

mod embed_fixture;

use std::path::Path;
use std::sync::LazyLock;

use kindred::embed::{EmbedConfig, Embedder, check_parity};

const REFERENCE: &str = concat!(env!("CARGO_MANIFEST_DIR"), "/tests/data/minilm_reference.jsonl.zst");

static EMBEDDER: LazyLock<Embedder> = LazyLock::new(|| {
    let config = EmbedConfig { model: embed_fixture::real_model(), ..EmbedConfig::default() };
    Embedder::load(&config).expect("the fetched model loads")
});

#[test]
fn every_reference_text_has_its_reference_vector() {
    let parity = check_parity(&EMBEDDER, Path::new(REFERENCE)).unwrap();
    assert_eq!(parity.num_texts, 160);
    assert!(parity.min_cosine >= 0.9999, "{parity:?}");
}

#[test]
fn the_model_says_what_it_is() {
    assert_eq!((EMBEDDER.name(), EMBEDDER.dim(), EMBEDDER.max_tokens()), ("all-MiniLM-L6-v2", 384, 256));
}

#[test]
fn a_vector_does_not_depend_on_the_rest_of_the_batch() {
    let long = "retrospot ".repeat(300);
    let texts = ["red retrospot bag", "", "iPhone 7 case, smoke", long.as_str(), "🎧", "日本語の商品説明"];
    let alone: Vec<Vec<f32>> = texts.iter().map(|text| EMBEDDER.embed_one(text).unwrap()).collect();
    let together = EMBEDDER.embed(&texts, &|_| {}).unwrap();
    let reversed: Vec<&str> = texts.iter().rev().copied().collect();
    let reversed = EMBEDDER.embed(&reversed, &|_| {}).unwrap();
    for (text, alone) in alone.iter().enumerate() {
        assert_eq!(alone, together.row(text));
        assert_eq!(alone, reversed.row(texts.len() - 1 - text));
    }
}

#[test]
fn every_vector_has_length_1() {
    let embeddings = EMBEDDER.embed(&["", "a", "red retrospot bag"], &|_| {}).unwrap();
    for row in embeddings.iter() {
        let length = row.iter().map(|x| f64::from(*x).powi(2)).sum::<f64>().sqrt();
        assert!((length - 1.0).abs() < 1e-6, "{length}");
    }
}

#[test]
fn no_texts_give_no_rows() {
    assert!(EMBEDDER.embed(&[], &|_| {}).unwrap().is_empty());
}
