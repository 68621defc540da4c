//! A tiny BERT written to disk by hand, and its forward pass in plain f64 loops: the independent answer for the encoder.

#![allow(dead_code, reason = "each test file uses its own part")]

use std::collections::BTreeMap;
use std::fs;
use std::path::{Path, PathBuf};

use serde_json::{Value, json};
use tempfile::TempDir;

/// The model that scripts/fetch_model fetches; without it the tests that need real weights fail and say so.
pub(crate) fn real_model() -> PathBuf {
    let path = Path::new(env!("CARGO_MANIFEST_DIR")).join("models/all-MiniLM-L6-v2");
    assert!(path.is_dir(), "no model at {}: run scripts/fetch_model, then the tests again", path.display());
    path
}

pub(crate) const HIDDEN: usize = 12;
pub(crate) const HEADS: usize = 3;
pub(crate) const BLOCKS: usize = 2;
pub(crate) const INTERMEDIATE: usize = 20;
pub(crate) const POSITIONS: usize = 10;
pub(crate) const WORDS: [&str; 9] = ["[PAD]", "[UNK]", "[CLS]", "[SEP]", "red", "blue", "bag", "phone", "case"];
const EPS: f64 = 1e-5;

/// A tiny model's tensors by name, each with its shape.
#[derive(Clone)]
pub(crate) struct TinyModel {
    pub(crate) tensors: BTreeMap<String, (Vec<usize>, Vec<f32>)>,
    pub(crate) config: Value,
    pub(crate) pooling: Option<Value>,
    pub(crate) modules: Option<Value>,
    pub(crate) sentence: Option<Value>,
    pub(crate) words: Vec<&'static str>,
}

impl TinyModel {
    /// A BERT with mean pooling and weights drawn from a fixed seed.
    pub(crate) fn new() -> Self {
        let mut draw = Draw(7);
        let mut tensors = BTreeMap::new();
        let mut add = |name: &str, shape: &[usize], centre: f32| {
            let numbers = (0..shape.iter().product()).map(|_| centre + draw.next()).collect();
            tensors.insert(name.to_owned(), (shape.to_vec(), numbers));
        };
        add("embeddings.word_embeddings.weight", &[WORDS.len(), HIDDEN], 0.0);
        add("embeddings.position_embeddings.weight", &[POSITIONS, HIDDEN], 0.0);
        add("embeddings.token_type_embeddings.weight", &[2, HIDDEN], 0.0);
        add("embeddings.LayerNorm.weight", &[HIDDEN], 1.0);
        add("embeddings.LayerNorm.bias", &[HIDDEN], 0.0);
        for block in 0..BLOCKS {
            let layers = [
                ("attention.self.query", HIDDEN, HIDDEN),
                ("attention.self.key", HIDDEN, HIDDEN),
                ("attention.self.value", HIDDEN, HIDDEN),
                ("attention.output.dense", HIDDEN, HIDDEN),
                ("intermediate.dense", INTERMEDIATE, HIDDEN),
                ("output.dense", HIDDEN, INTERMEDIATE),
            ];
            for (name, outputs, inputs) in layers {
                add(&format!("encoder.layer.{block}.{name}.weight"), &[outputs, inputs], 0.0);
                add(&format!("encoder.layer.{block}.{name}.bias"), &[outputs], 0.0);
            }
            for name in ["attention.output.LayerNorm", "output.LayerNorm"] {
                add(&format!("encoder.layer.{block}.{name}.weight"), &[HIDDEN], 1.0);
                add(&format!("encoder.layer.{block}.{name}.bias"), &[HIDDEN], 0.0);
            }
        }
        let config = json!({
            "model_type": "bert", "hidden_size": HIDDEN, "num_attention_heads": HEADS, "num_hidden_layers": BLOCKS,
            "intermediate_size": INTERMEDIATE, "max_position_embeddings": POSITIONS, "type_vocab_size": 2,
            "layer_norm_eps": EPS, "hidden_act": "gelu", "vocab_size": WORDS.len(),
        });
        Self { tensors, config, pooling: None, modules: None, sentence: None, words: WORDS.to_vec() }
    }

    /// Writes the directory that a sentence-transformers model has.
    pub(crate) fn write(&self) -> TempDir {
        let dir = tempfile::tempdir().unwrap();
        let put = |name: &str, value: &Value| {
            let path = dir.path().join(name);
            fs::create_dir_all(path.parent().unwrap()).unwrap();
            fs::write(path, value.to_string()).unwrap();
        };
        put("config.json", &self.config);
        put("tokenizer.json", &tokenizer_json(&self.words));
        for (name, value) in [
            ("1_Pooling/config.json", &self.pooling),
            ("modules.json", &self.modules),
            ("sentence_bert_config.json", &self.sentence),
        ] {
            if let Some(value) = value {
                put(name, value);
            }
        }
        let f32s = |numbers: &[f32]| numbers.iter().flat_map(|x| x.to_le_bytes()).collect();
        fs::write(dir.path().join("model.safetensors"), safetensors(&self.tensors, "F32", f32s)).unwrap();
        dir
    }

    /// The vector of a text of known words, computed in f64.
    pub(crate) fn forward(&self, text: &str, first_position: usize, activation: fn(f64) -> f64, cls: bool) -> Vec<f64> {
        let id = |word: &str| self.words.iter().position(|w| *w == word).unwrap();
        let ids: Vec<usize> = ["[CLS]"].into_iter().chain(text.split_whitespace()).chain(["[SEP]"]).map(id).collect();
        let mut hidden: Vec<Vec<f64>> = ids
            .iter()
            .enumerate()
            .map(|(at, &id)| {
                let sum = |i: usize| {
                    self.at("embeddings.word_embeddings", id * HIDDEN + i)
                        + self.at("embeddings.position_embeddings", (first_position + at) * HIDDEN + i)
                        + self.at("embeddings.token_type_embeddings", i)
                };
                self.norm("embeddings.LayerNorm", &(0..HIDDEN).map(sum).collect::<Vec<_>>())
            })
            .collect();
        for block in 0..BLOCKS {
            hidden = self.block(&format!("encoder.layer.{block}."), &hidden, activation);
        }
        let pooled: Vec<f64> = match cls {
            true => hidden[0].clone(),
            false => (0..HIDDEN).map(|i| hidden.iter().map(|row| row[i]).sum::<f64>() / ids.len() as f64).collect(),
        };
        let length = dot(&pooled, &pooled).sqrt();
        pooled.iter().map(|x| x / length).collect()
    }

    fn block(&self, at: &str, hidden: &[Vec<f64>], activation: fn(f64) -> f64) -> Vec<Vec<f64>> {
        let all = |name: &str| hidden.iter().map(|row| self.linear(&format!("{at}{name}"), row)).collect::<Vec<_>>();
        let (query, key, value) = (all("attention.self.query"), all("attention.self.key"), all("attention.self.value"));
        let head_dim = HIDDEN / HEADS;
        let attend = |token: usize| {
            let mut mixed = vec![0.0; HIDDEN];
            for head in (0..HIDDEN).step_by(head_dim) {
                let span = head..head + head_dim;
                let score = |k: &Vec<f64>| {
                    (dot(&query[token][span.clone()], &k[span.clone()]) / (head_dim as f64).sqrt()).exp()
                };
                let weights: Vec<f64> = key.iter().map(score).collect();
                for (weight, value) in weights.iter().zip(&value) {
                    span.clone().for_each(|i| mixed[i] += weight / weights.iter().sum::<f64>() * value[i]);
                }
            }
            mixed
        };
        (0..hidden.len())
            .map(|token| {
                let out = self.linear(&format!("{at}attention.output.dense"), &attend(token));
                let middle = self.norm(&format!("{at}attention.output.LayerNorm"), &add(&out, &hidden[token]));
                let wide: Vec<f64> =
                    self.linear(&format!("{at}intermediate.dense"), &middle).into_iter().map(activation).collect();
                let out = self.linear(&format!("{at}output.dense"), &wide);
                self.norm(&format!("{at}output.LayerNorm"), &add(&out, &middle))
            })
            .collect()
    }

    fn linear(&self, name: &str, input: &[f64]) -> Vec<f64> {
        let weights: Vec<f64> = self.tensors[&format!("{name}.weight")].1.iter().map(|&x| f64::from(x)).collect();
        let bias = &self.tensors[&format!("{name}.bias")].1;
        weights.chunks(input.len()).zip(bias).map(|(row, &bias)| dot(row, input) + f64::from(bias)).collect()
    }

    fn norm(&self, name: &str, row: &[f64]) -> Vec<f64> {
        let mean = row.iter().sum::<f64>() / row.len() as f64;
        let variance = row.iter().map(|x| (x - mean) * (x - mean)).sum::<f64>() / row.len() as f64;
        let bias = &self.tensors[&format!("{name}.bias")].1;
        let scale =
            |(i, x): (usize, &f64)| (x - mean) / (variance + EPS).sqrt() * self.at(name, i) + f64::from(bias[i]);
        row.iter().enumerate().map(scale).collect()
    }

    fn at(&self, name: &str, index: usize) -> f64 {
        f64::from(self.tensors[&format!("{name}.weight")].1[index])
    }
}

/// A safetensors file: header length, JSON header, then the numbers as `encode` lays them out.
pub(crate) fn safetensors(
    tensors: &BTreeMap<String, (Vec<usize>, Vec<f32>)>,
    dtype: &str,
    encode: impl Fn(&[f32]) -> Vec<u8>,
) -> Vec<u8> {
    let mut header = serde_json::Map::new();
    let mut data = Vec::new();
    for (name, (shape, numbers)) in tensors {
        let start = data.len();
        data.extend(encode(numbers));
        header.insert(name.clone(), json!({"dtype": dtype, "shape": shape, "data_offsets": [start, data.len()]}));
    }
    let header = Value::from(header).to_string();
    [&(header.len() as u64).to_le_bytes(), header.as_bytes(), &data].concat()
}

/// Abramowitz and Stegun 7.1.5, the power series of erf, summed until nothing changes.
pub(crate) fn gelu_erf(x: f64) -> f64 {
    let z = x / std::f64::consts::SQRT_2;
    let (mut term, mut erf, mut n) = (z, z, 0.0);
    while erf + term / (2.0 * n + 1.0) != erf || n == 0.0 {
        n += 1.0;
        term *= -z * z / n;
        erf += term / (2.0 * n + 1.0);
    }
    x / 2.0 * (1.0 + erf * 2.0 / std::f64::consts::PI.sqrt())
}

fn tokenizer_json(words: &[&str]) -> Value {
    let vocabulary: BTreeMap<&str, usize> = words.iter().enumerate().map(|(id, &word)| (word, id)).collect();
    json!({
        "version": "1.0", "truncation": null, "added_tokens": [],
        "padding": {"strategy": {"Fixed": 128}, "direction": "Right", "pad_to_multiple_of": null, "pad_id": 0,
                    "pad_type_id": 0, "pad_token": "[PAD]"},
        "normalizer": null,
        "pre_tokenizer": {"type": "BertPreTokenizer"},
        "post_processor": {"type": "BertProcessing", "sep": ["[SEP]", 3], "cls": ["[CLS]", 2]},
        "decoder": null,
        "model": {"type": "WordPiece", "unk_token": "[UNK]", "continuing_subword_prefix": "##",
                  "max_input_chars_per_word": 100, "vocab": vocabulary},
    })
}

fn add(a: &[f64], b: &[f64]) -> Vec<f64> {
    a.iter().zip(b).map(|(a, b)| a + b).collect()
}

fn dot(a: &[f64], b: &[f64]) -> f64 {
    a.iter().zip(b).map(|(a, b)| a * b).sum()
}

/// SplitMix64 (Steele, Lea, Flood 2014), as numbers in [-0.5, 0.5).
struct Draw(u64);

impl Draw {
    fn next(&mut self) -> f32 {
        self.0 = self.0.wrapping_add(0x9E37_79B9_7F4A_7C15);
        let mut z = self.0;
        z = (z ^ (z >> 30)).wrapping_mul(0xBF58_476D_1CE4_E5B9);
        z = (z ^ (z >> 27)).wrapping_mul(0x94D0_49BB_1331_11EB);
        ((z ^ (z >> 31)) >> 40) as f32 / (1u64 << 24) as f32 - 0.5
    }
}
