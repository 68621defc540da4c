//! What a shop may count on when it builds on one machine and asks on another: the real model on every instruction set that
//! this processor has, against the best of them, f32, and the reference's vectors.

use std::path::Path;

use super::cpu::{InstructionSet, Machine};
use super::parity::{cosine, read_reference};
use super::{EmbedConfig, Embedder, Embeddings, Precision};

/// The vectors of `texts` on each instruction set, the best first.
fn on_every_set(precision: Precision, texts: &[&str]) -> Vec<(&'static str, Embeddings)> {
    let project = Path::new(env!("CARGO_MANIFEST_DIR"));
    let config = EmbedConfig { model: project.join("models/all-MiniLM-L6-v2"), precision, ..EmbedConfig::default() };
    let embed = |set: InstructionSet| {
        let embedder = Embedder::load_on(&config, Machine::with(set)).expect("scripts/fetch_model fetched the model");
        (set.name(), embedder.embed(texts, &|_| {}).unwrap())
    };
    InstructionSet::available().into_iter().map(embed).collect()
}

/// Least and mean cosine of the rows of `a` to those of `b`.
fn cosines<'a>(a: impl IntoIterator<Item = &'a [f32]>, b: &'a Embeddings) -> (f64, f64) {
    let cosines: Vec<f64> = a.into_iter().zip(b.iter()).map(|(a, b)| cosine(a, b)).collect();
    (cosines.iter().copied().fold(1.0, f64::min), cosines.iter().sum::<f64>() / cosines.len() as f64)
}

#[test]
fn vectors_of_different_processors_are_as_near_as_their_precision_says() {
    let reference = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/data/minilm_reference.jsonl.zst");
    let reference = read_reference(&reference, 384).unwrap();
    let texts: Vec<&str> = reference.iter().map(|line| line.text.as_str()).collect();
    let [f32, fast] = [Precision::F32, Precision::Fast].map(|precision| on_every_set(precision, &texts));
    let exact = &f32[0].1;
    for (precision, sets) in [(Precision::F32, &f32), (Precision::Fast, &fast)] {
        let best = &sets[0].1;
        for (set, rows) in sets {
            let to_best = cosines(best.iter(), rows);
            let to_f32 = cosines(exact.iter(), rows);
            let to_reference = cosines(reference.iter().map(|line| line.embedding.as_slice()), rows);
            let pairs = best.as_slice().iter().zip(rows.as_slice());
            let farthest = pairs.map(|(a, b)| (a - b).abs()).fold(0.0, f32::max);
            let found = format!(
                "{precision:?} on {set}: {to_best:?} to the best, {to_f32:?} to f32, {to_reference:?} to the reference; \
                 numbers differ by {farthest} at most"
            );
            assert!(to_best.0 >= precision.min_cosine_between_processors() && to_best.1 >= 0.999, "{found}");
            assert!(to_f32.0 >= precision.min_cosine() && to_reference.0 >= precision.min_cosine(), "{found}");
            match precision {
                Precision::F32 => assert!(farthest <= 1e-6, "{found}"),
                Precision::Fast => assert!(to_best.0 > to_f32.0 && to_best.1 > to_f32.1, "{found}"),
            }
        }
    }
}
