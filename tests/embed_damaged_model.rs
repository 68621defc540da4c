//! Damaged and foreign model directories: each is refused with an error that names the file, never a panic.

mod embed_fixture;

use std::error::Error;
use std::fs;
use std::path::Path;

use embed_fixture::TinyModel;
use kindred::embed::{EmbedConfig, EmbedError, Embedder, MAX_THREADS, Precision};
use serde_json::json;

fn load(dir: &Path) -> Result<Embedder, EmbedError> {
    Embedder::load(&EmbedConfig { model: dir.to_owned(), threads: 1, ..EmbedConfig::default() })
}

fn refusal(change: impl FnOnce(&mut TinyModel)) -> EmbedError {
    let mut model = TinyModel::new();
    change(&mut model);
    load(model.write().path()).err().expect("the model is refused")
}

#[test]
fn a_missing_directory_says_what_to_do() {
    let message = load(Path::new("no/such/model")).err().unwrap().to_string();
    assert!(message.contains("no/such/model") && message.contains("scripts/fetch_model"), "{message}");
}

#[test]
fn a_missing_file_is_named() {
    for name in ["config.json", "tokenizer.json", "model.safetensors"] {
        let dir = TinyModel::new().write();
        fs::remove_file(dir.path().join(name)).unwrap();
        let message = load(dir.path()).err().unwrap().to_string();
        assert!(message.contains(name), "{message}");
    }
}

#[test]
fn a_file_that_is_not_what_its_name_says_is_refused() {
    for name in ["config.json", "tokenizer.json", "model.safetensors", "modules.json", "1_Pooling/config.json"] {
        for content in ["", "{", "[1]", "\u{0}\u{1}garbage"] {
            let dir = TinyModel::new().write();
            let path = dir.path().join(name);
            fs::create_dir_all(path.parent().unwrap()).unwrap();
            fs::write(&path, content).unwrap();
            let message = load(dir.path()).err().unwrap_or_else(|| panic!("{name} = {content:?}")).to_string();
            assert!(message.contains(name), "{message}");
        }
    }
}

#[test]
fn weights_cut_anywhere_are_refused() {
    let dir = TinyModel::new().write();
    let path = dir.path().join("model.safetensors");
    let whole = fs::read(&path).unwrap();
    for length in (0..whole.len()).step_by(97).chain([whole.len() - 1]) {
        fs::write(&path, &whole[..length]).unwrap();
        let error = load(dir.path()).err().unwrap_or_else(|| panic!("{length} bytes were accepted"));
        assert!(matches!(error, EmbedError::ReadWeights { .. }), "{length}: {error}");
    }
}

/// A flip in the header is refused, or touches nothing that the encoder reads; it never changes a vector in silence.
#[test]
fn a_bit_flipped_in_the_weights_header_changes_no_vector() {
    let dir = TinyModel::new().write();
    let path = dir.path().join("model.safetensors");
    let whole = fs::read(&path).unwrap();
    let expected = load(dir.path()).unwrap().embed_one("red bag").unwrap();
    let header_bytes = 8 + u64::from_le_bytes(whole[..8].try_into().unwrap()) as usize;
    for bit in (0..header_bytes * 8).step_by(11) {
        let mut flipped = whole.clone();
        flipped[bit / 8] ^= 1 << (bit % 8);
        fs::write(&path, &flipped).unwrap();
        match load(dir.path()) {
            Err(error) => assert!(error.to_string().contains("model.safetensors"), "{error}"),
            Ok(embedder) => assert_eq!(embedder.embed_one("red bag").unwrap(), expected, "bit {bit}"),
        }
    }
}

#[test]
fn a_nan_weight_is_refused() {
    let error = refusal(|m| m.tensors.get_mut("encoder.layer.1.output.dense.bias").unwrap().1[3] = f32::NAN);
    assert!(
        matches!(&error, EmbedError::NonFiniteWeight { name, .. } if name.ends_with("1.output.dense.bias")),
        "{error}"
    );
}

#[test]
fn a_missing_tensor_is_named() {
    let error = refusal(|m| drop(m.tensors.remove("encoder.layer.0.attention.self.key.weight")));
    assert!(error.to_string().contains("encoder.layer.0.attention.self.key.weight"), "{error}");
}

#[test]
fn a_tensor_of_another_shape_is_refused() {
    let error = refusal(|m| m.config["intermediate_size"] = json!(21));
    assert!(matches!(&error, EmbedError::TensorShape { expected, .. } if expected[0] == 21), "{error}");
}

#[test]
fn weights_with_more_blocks_than_the_config_are_refused() {
    let error = refusal(|m| m.config["num_hidden_layers"] = json!(1));
    assert!(matches!(error, EmbedError::InconsistentModel { .. }), "{error}");
}

#[test]
fn a_tokenizer_of_another_vocabulary_names_both_files() {
    let message = refusal(|m| m.words.push("extra")).to_string();
    assert!(message.starts_with("tokenizer of another vocabulary"), "{message}");
    assert!(message.contains("tokenizer.json") && message.contains("model.safetensors"), "{message}");
}

#[test]
fn kinds_of_model_that_are_not_computed_are_named() {
    let cases: [(&str, &str, serde_json::Value); 3] = [
        ("model_type", "mpnet", json!("mpnet")),
        ("position_embedding_type", "relative_key", json!("relative_key")),
        ("hidden_act", "silu", json!("silu")),
    ];
    for (field, found, value) in cases {
        let message = refusal(|m| m.config[field] = value).to_string();
        assert!(message.contains(field) && message.contains(found) && message.contains("config.json"), "{message}");
    }
    let message = refusal(|m| m.pooling = Some(json!({"pooling_mode_max_tokens": true}))).to_string();
    assert!(message.contains("max_tokens"), "{message}");
    let dense = json!([{"path": "2_Dense", "type": "sentence_transformers.models.Dense"}]);
    let message = refusal(|m| m.modules = Some(dense)).to_string();
    assert!(message.contains("Dense") && message.contains("modules.json"), "{message}");
}

#[test]
fn sizes_that_contradict_each_other_are_refused() {
    for (field, value) in [
        ("num_attention_heads", json!(5)),
        ("num_attention_heads", json!(0)),
        ("num_hidden_layers", json!(0)),
        ("max_position_embeddings", json!(0)),
        ("hidden_size", json!(66_312)),
        ("intermediate_size", json!(66_312)),
        ("intermediate_size", json!(usize::MAX)),
        ("layer_norm_eps", json!(-1.0)),
    ] {
        let error = refusal(|m| m.config[field] = value);
        assert!(matches!(error, EmbedError::InconsistentModel { .. }), "{field}: {error}");
    }
}

#[test]
fn max_tokens_outside_the_models_range_is_refused() {
    let dir = TinyModel::new().write();
    for asked in [0, 2, embed_fixture::POSITIONS + 1] {
        let config = EmbedConfig { model: dir.path().to_owned(), max_tokens: Some(asked), ..EmbedConfig::default() };
        let error = Embedder::load(&config).err().unwrap();
        assert!(matches!(error, EmbedError::MaxTokens { least: 3, most: embed_fixture::POSITIONS, .. }), "{error}");
    }
}

#[test]
fn more_threads_than_can_be_started_are_refused() {
    let dir = TinyModel::new().write();
    for threads in [MAX_THREADS + 1, 100_000, usize::MAX] {
        let config = EmbedConfig { model: dir.path().to_owned(), threads, ..EmbedConfig::default() };
        let error = Embedder::load(&config).err().unwrap();
        assert!(matches!(error, EmbedError::TooManyThreads { most: MAX_THREADS, .. }), "{error}");
    }
}

/// Finite weights may overflow; what comes of it must reach the end of the pass in every precision.
#[test]
fn activations_that_overflow_are_an_error_in_every_precision() {
    for precision in [Precision::F32, Precision::Fast] {
        for activation in ["gelu", "gelu_new", "relu"] {
            for layer in
                ["attention.self.query", "attention.self.value", "attention.output.dense", "intermediate.dense"]
            {
                let mut model = TinyModel::new();
                model.config["hidden_act"] = json!(activation);
                let weight = &mut model.tensors.get_mut(&format!("encoder.layer.0.{layer}.weight")).unwrap().1;
                weight.iter_mut().for_each(|x| *x = 3e38 * x.signum());
                let dir = model.write();
                let config =
                    EmbedConfig { model: dir.path().to_owned(), threads: 1, precision, ..EmbedConfig::default() };
                let error = Embedder::load(&config).unwrap().embed(&["red", "red bag"], &|_| {}).err();
                let is_right = matches!(error, Some(EmbedError::NoDirection { .. }));
                assert!(is_right, "{precision:?}, {activation}, {layer}: {error:?}");
            }
        }
    }
}

/// Numbers that are finite, but whose squares are not, would leave LayerNorm as its bias: the same sound-looking vector for every text.
#[test]
fn activations_whose_squares_overflow_are_an_error_in_every_precision() {
    for precision in [Precision::F32, Precision::Fast] {
        for layer in ["attention.output.dense", "output.dense"] {
            let mut model = TinyModel::new();
            let weight = &mut model.tensors.get_mut(&format!("encoder.layer.1.{layer}.weight")).unwrap().1;
            weight.iter_mut().for_each(|x| *x *= 1e25);
            let dir = model.write();
            let config = EmbedConfig { model: dir.path().to_owned(), threads: 1, precision, ..EmbedConfig::default() };
            let error = Embedder::load(&config).unwrap().embed(&["red", "red bag"], &|_| {}).err();
            assert!(matches!(error, Some(EmbedError::NoDirection { .. })), "{precision:?}, {layer}: {error:?}");
        }
    }
}

#[test]
fn a_vector_without_a_direction_is_an_error() {
    let mut model = TinyModel::new();
    for name in ["weight", "bias"] {
        model.tensors.get_mut(&format!("encoder.layer.1.output.LayerNorm.{name}")).unwrap().1.fill(0.0);
    }
    let embedder = load(model.write().path()).unwrap();
    let error = embedder.embed(&["red", "bag"], &|_| {}).unwrap_err();
    assert!(matches!(error, EmbedError::NoDirection { .. }), "{error}");
    assert!(error.source().is_none());
}
