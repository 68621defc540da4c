//! The encoder against a forward pass in plain f64 loops, over the kinds of model directory it accepts.

mod embed_fixture;

use std::fs;

use embed_fixture::{TinyModel, WORDS, gelu_erf, safetensors};
use kindred::embed::{EmbedConfig, Embedder, Embeddings, MAX_BYTES_PER_TOKEN};
use serde_json::json;

const TEXTS: [&str; 5] = ["red bag", "", "blue phone case", "bag", "red blue red blue red blue red blue"];

fn load(dir: &tempfile::TempDir) -> Embedder {
    Embedder::load(&EmbedConfig { model: dir.path().to_owned(), threads: 2, ..EmbedConfig::default() }).unwrap()
}

fn assert_near(embeddings: &Embeddings, expected: impl Fn(&str) -> Vec<f64>) {
    for (text, row) in TEXTS.iter().zip(embeddings.iter()) {
        for (ours, theirs) in row.iter().zip(expected(text)) {
            assert!((f64::from(*ours) - theirs).abs() < 2e-6, "{text:?}: {ours} and not {theirs}");
        }
    }
}

#[test]
fn mean_pooled_bert_agrees_with_plain_loops() {
    let model = TinyModel::new();
    let embeddings = load(&model.write()).embed(&TEXTS, &|_| {}).unwrap();
    assert_near(&embeddings, |text| model.forward(text, 0, gelu_erf, false));
}

#[test]
fn cls_pooled_bert_agrees_with_plain_loops() {
    let mut model = TinyModel::new();
    model.pooling = Some(json!({"pooling_mode_cls_token": true, "pooling_mode_mean_tokens": false}));
    let embeddings = load(&model.write()).embed(&TEXTS, &|_| {}).unwrap();
    assert_near(&embeddings, |text| model.forward(text, 0, gelu_erf, true));
}

/// The tiny model has 10 positions, so it reads 2,560 bytes of a text.
#[test]
fn of_a_text_no_more_is_read_than_its_tokens_may_need() {
    let embedder = load(&TinyModel::new().write());
    let most = embedder.max_tokens() * MAX_BYTES_PER_TOKEN;
    let spread = |gap: usize| format!("red{}bag", " ".repeat(gap));
    let [near, last, past, red] = [spread(1), spread(most - 6), spread(most - 3), "red".to_owned()]
        .map(|text| embedder.embed_one(&text).unwrap());
    assert_eq!(near, last, "a word that ends where reading does is read");
    assert!(past == red && past != near, "a word that begins there is not");
    // The end of what is read falls into a character of three bytes.
    embedder.embed_one(&"東".repeat(most)).unwrap();
}

#[test]
fn relu_agrees_with_plain_loops() {
    let mut model = TinyModel::new();
    model.config["hidden_act"] = json!("relu");
    let embeddings = load(&model.write()).embed(&TEXTS, &|_| {}).unwrap();
    assert_near(&embeddings, |text| model.forward(text, 0, |x| x.max(0.0), false));
}

#[test]
fn tanh_gelu_agrees_with_plain_loops() {
    let mut model = TinyModel::new();
    model.config["hidden_act"] = json!("gelu_new");
    let embeddings = load(&model.write()).embed(&TEXTS, &|_| {}).unwrap();
    let gelu = |x: f64| x / 2.0 * (1.0 + ((2.0 / std::f64::consts::PI).sqrt() * (x + 0.044715 * x.powi(3))).tanh());
    assert_near(&embeddings, |text| model.forward(text, 0, gelu, false));
}

#[test]
fn roberta_counts_positions_from_the_padding_id_plus_one() {
    let mut model = TinyModel::new();
    model.config["model_type"] = json!("xlm-roberta");
    model.config["pad_token_id"] = json!(1);
    let embedder = load(&model.write());
    assert_eq!(embedder.max_tokens(), embed_fixture::POSITIONS - 2);
    let short = &TEXTS[..4];
    let embeddings = embedder.embed(short, &|_| {}).unwrap();
    assert_near(&embeddings, |text| model.forward(text, 2, gelu_erf, false));
}

#[test]
fn weights_under_a_prefix_are_the_same_weights() {
    let model = TinyModel::new();
    let mut prefixed = model.clone();
    prefixed.tensors = model.tensors.iter().map(|(name, tensor)| (format!("bert.{name}"), tensor.clone())).collect();
    let [plain, prefixed] = [model, prefixed].map(|m| load(&m.write()).embed(&TEXTS, &|_| {}).unwrap());
    assert_eq!(plain, prefixed);
}

#[test]
fn bf16_weights_are_converted_to_f32() {
    let mut model = TinyModel::new();
    // Weights that bf16 holds exactly, so that both files say the same.
    for (_, numbers) in model.tensors.values_mut() {
        numbers.iter_mut().for_each(|x| *x = f32::from_bits(x.to_bits() & 0xFFFF_0000));
    }
    let dir = model.write();
    let plain = load(&dir).embed(&TEXTS, &|_| {}).unwrap();
    let bf16s = |numbers: &[f32]| numbers.iter().flat_map(|x| ((x.to_bits() >> 16) as u16).to_le_bytes()).collect();
    fs::write(dir.path().join("model.safetensors"), safetensors(&model.tensors, "BF16", bf16s)).unwrap();
    assert_eq!(load(&dir).embed(&TEXTS, &|_| {}).unwrap(), plain);
}

#[test]
fn modules_name_where_transformer_and_pooling_live() {
    let model = TinyModel::new();
    let dir = model.write();
    let root = dir.path();
    fs::create_dir_all(root.join("0_Transformer")).unwrap();
    for name in ["config.json", "tokenizer.json", "model.safetensors"] {
        fs::rename(root.join(name), root.join("0_Transformer").join(name)).unwrap();
    }
    fs::create_dir_all(root.join("7_Pooling")).unwrap();
    fs::write(root.join("7_Pooling/config.json"), r#"{"pooling_mode_cls_token": true}"#).unwrap();
    let modules = json!([
        {"idx": 0, "name": "0", "path": "0_Transformer", "type": "sentence_transformers.models.Transformer"},
        {"idx": 1, "name": "1", "path": "7_Pooling", "type": "sentence_transformers.models.Pooling"},
        {"idx": 2, "name": "2", "path": "2_Normalize", "type": "sentence_transformers.models.Normalize"},
    ]);
    fs::write(root.join("modules.json"), modules.to_string()).unwrap();
    let embeddings = load(&dir).embed(&TEXTS, &|_| {}).unwrap();
    assert_near(&embeddings, |text| model.forward(text, 0, gelu_erf, true));
}

#[test]
fn a_long_text_is_cut_to_the_longest_the_model_takes() {
    let mut model = TinyModel::new();
    model.sentence = Some(json!({"max_seq_length": 4, "do_lower_case": false}));
    let embedder = load(&model.write());
    assert_eq!(embedder.max_tokens(), 4);
    assert_eq!(embedder.embed_one("red bag phone case").unwrap(), embedder.embed_one("red bag").unwrap());
}

#[test]
fn lower_case_is_the_models_own_setting() {
    let mut model = TinyModel::new();
    let cased = load(&model.write());
    assert_eq!(cased.embed_one("RED").unwrap(), cased.embed_one("unheard").unwrap(), "both are the unknown word");
    model.sentence = Some(json!({"do_lower_case": true}));
    let uncased = load(&model.write());
    assert_eq!(uncased.embed_one("RED").unwrap(), uncased.embed_one("red").unwrap());
    assert_ne!(uncased.fingerprint(), cased.fingerprint());
}

#[test]
fn whatever_changes_a_vector_changes_the_fingerprint() {
    let base = TinyModel::new();
    let fingerprint = |change: &dyn Fn(&mut TinyModel)| {
        let mut model = base.clone();
        change(&mut model);
        load(&model.write()).fingerprint().to_owned()
    };
    let plain = fingerprint(&|_| {});
    assert_eq!(plain, fingerprint(&|_| {}), "the directory's place does not matter");
    let flip_weight = |m: &mut TinyModel| m.tensors.values_mut().next().unwrap().1[0] += 1e-3;
    assert_ne!(plain, fingerprint(&flip_weight));
    assert_ne!(plain, fingerprint(&|m| m.config["hidden_act"] = json!("relu")));
    assert_ne!(plain, fingerprint(&|m| m.pooling = Some(json!({"pooling_mode_cls_token": true}))));
    assert_ne!(plain, fingerprint(&|m| m.sentence = Some(json!({"max_seq_length": 5}))));
    assert_ne!(plain, fingerprint(&|m| m.words[4..6].copy_from_slice(&[WORDS[5], WORDS[4]])));
}

#[test]
fn progress_rises_to_the_number_of_texts() {
    let dir = TinyModel::new().write();
    let config = EmbedConfig { model: dir.path().to_owned(), batch_tokens: 8, threads: 2, ..EmbedConfig::default() };
    let seen = std::sync::Mutex::new(Vec::new());
    Embedder::load(&config).unwrap().embed(&TEXTS, &|done| seen.lock().unwrap().push(done)).unwrap();
    let seen = seen.into_inner().unwrap();
    assert!(seen.is_sorted_by(|a, b| a < b), "{seen:?}");
    assert_eq!(seen.last(), Some(&TEXTS.len()));
}
