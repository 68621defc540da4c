//! What the JSON files of a sentence-transformers directory say about the encoder.
//!
//! Read are `config.json`, `modules.json` and the pooling module's `config.json` (both may be missing: mean pooling),
//! `sentence_bert_config.json` and `tokenizer_config.json` (both may be missing: the longest text is what the position table
//! holds). A `Normalize` module makes no difference: Kindred always scales vectors to length 1.

use std::fs;
use std::io;
use std::path::{Path, PathBuf};

use serde::Deserialize;
use serde::de::DeserializeOwned;

use super::cpu::MAX_INPUTS;
use super::error::EmbedError;

/// How the token vectors of a text become one vector.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Pooling {
    /// Their mean.
    Mean,
    /// The first token's.
    Cls,
}

/// The non-linearity between a block's two wide layers.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Activation {
    /// `x/2 · (1 + erf(x/√2))`.
    GeluErf,
    /// The tanh approximation of it.
    GeluTanh,
    /// `max(x, 0)`.
    Relu,
}

/// Sizes of a BERT encoder, checked against each other.
#[derive(Debug, Clone)]
pub(super) struct EncoderShape {
    pub(super) hidden: usize,
    pub(super) num_heads: usize,
    pub(super) num_blocks: usize,
    pub(super) intermediate: usize,
    /// Rows of the position table.
    pub(super) num_positions: usize,
    /// Position of the first token: 0 in BERT, the padding id plus one in RoBERTa.
    pub(super) first_position: u32,
    pub(super) num_token_types: usize,
    pub(super) layer_norm_eps: f32,
    pub(super) activation: Activation,
}

impl EncoderShape {
    pub(super) fn head_dim(&self) -> usize {
        self.hidden / self.num_heads
    }
}

/// A model directory, read but for its weights and tokenizer.
#[derive(Debug, Clone)]
pub(super) struct ModelDir {
    pub(super) shape: EncoderShape,
    pub(super) pooling: Pooling,
    /// Longest text in tokens, special tokens included.
    pub(super) max_tokens: usize,
    /// Texts are lowercased before the tokenizer sees them.
    pub(super) lower_case: bool,
    /// The bytes of `config.json`, part of the fingerprint.
    pub(super) config_bytes: Vec<u8>,
    pub(super) weights_path: PathBuf,
    pub(super) tokenizer_path: PathBuf,
}

#[derive(Deserialize)]
struct ConfigJson {
    model_type: String,
    hidden_size: usize,
    num_attention_heads: usize,
    num_hidden_layers: usize,
    intermediate_size: usize,
    max_position_embeddings: usize,
    #[serde(default = "default_type_vocab_size")]
    type_vocab_size: usize,
    #[serde(default = "default_layer_norm_eps")]
    layer_norm_eps: f64,
    #[serde(default = "default_hidden_act")]
    hidden_act: String,
    position_embedding_type: Option<String>,
    pad_token_id: Option<u32>,
}

// The defaults of the transformers library's BertConfig, which leaves default values out of the files it writes.
fn default_type_vocab_size() -> usize {
    2
}

fn default_layer_norm_eps() -> f64 {
    1e-12
}

fn default_hidden_act() -> String {
    "gelu".to_owned()
}

#[derive(Deserialize)]
struct ModuleJson {
    path: String,
    r#type: String,
}

#[derive(Default, Deserialize)]
struct SentenceBertJson {
    max_seq_length: Option<usize>,
    #[serde(default)]
    do_lower_case: bool,
}

#[derive(Default, Deserialize)]
struct TokenizerConfigJson {
    /// A float: files without a limit say 1e30.
    model_max_length: Option<f64>,
}

impl ModelDir {
    /// Returns an error if `dir` does not exist, a file in it does not parse, or the model is of a kind not computed here.
    pub(super) fn read(dir: &Path) -> Result<Self, EmbedError> {
        if !dir.is_dir() {
            return Err(EmbedError::NoModelDirectory { path: dir.to_owned() });
        }
        let modules = Modules::read(dir)?;
        let config_path = modules.transformer.join("config.json");
        let config_bytes = read_file(&config_path)?;
        let config: ConfigJson = parse_json(&config_path, &config_bytes)?;
        let shape = encoder_shape(&config_path, &config)?;
        let sentence: SentenceBertJson =
            read_optional_json(&modules.transformer.join("sentence_bert_config.json"))?.unwrap_or_default();
        let tokenizer: TokenizerConfigJson =
            read_optional_json(&modules.transformer.join("tokenizer_config.json"))?.unwrap_or_default();
        let num_usable_positions = shape.num_positions - shape.first_position as usize;
        // The cast saturates, which is what "no limit" wants.
        let max_tokens = sentence.max_seq_length.or(tokenizer.model_max_length.map(|tokens| tokens as usize));
        Ok(Self {
            pooling: read_pooling(&modules.pooling.join("config.json"))?,
            max_tokens: max_tokens.unwrap_or(num_usable_positions).min(num_usable_positions),
            lower_case: sentence.do_lower_case,
            weights_path: modules.transformer.join("model.safetensors"),
            tokenizer_path: modules.transformer.join("tokenizer.json"),
            shape,
            config_bytes,
        })
    }
}

/// Where the modules of the directory live.
struct Modules {
    transformer: PathBuf,
    pooling: PathBuf,
}

impl Modules {
    fn read(dir: &Path) -> Result<Self, EmbedError> {
        let path = dir.join("modules.json");
        let mut modules = Self { transformer: dir.to_owned(), pooling: dir.join("1_Pooling") };
        for module in read_optional_json::<Vec<ModuleJson>>(&path)?.unwrap_or_default() {
            match module.r#type.rsplit('.').next() {
                Some("Transformer") => modules.transformer = dir.join(module.path),
                Some("Pooling") => modules.pooling = dir.join(module.path),
                Some("Normalize") => {}
                _ => {
                    let accepted = "Transformer, Pooling and Normalize";
                    return Err(EmbedError::UnsupportedModel { path, field: "type", found: module.r#type, accepted });
                }
            }
        }
        Ok(modules)
    }
}

fn encoder_shape(path: &Path, config: &ConfigJson) -> Result<EncoderShape, EmbedError> {
    let unsupported = |field, found: &str, accepted| {
        Err(EmbedError::UnsupportedModel { path: path.to_owned(), field, found: found.to_owned(), accepted })
    };
    let first_position = match config.model_type.as_str() {
        "bert" => 0,
        "roberta" | "xlm-roberta" => config.pad_token_id.unwrap_or(1).saturating_add(1),
        other => return unsupported("model_type", other, "bert, roberta and xlm-roberta"),
    };
    match config.position_embedding_type.as_deref() {
        None | Some("absolute") => {}
        Some(other) => return unsupported("position_embedding_type", other, "absolute"),
    }
    let activation = match config.hidden_act.as_str() {
        "gelu" => Activation::GeluErf,
        "gelu_new" | "gelu_pytorch_tanh" => Activation::GeluTanh,
        "relu" => Activation::Relu,
        other => return unsupported("hidden_act", other, "gelu, gelu_new, gelu_pytorch_tanh and relu"),
    };
    check_sizes(config, first_position)
        .map_err(|reason| EmbedError::InconsistentModel { path: path.to_owned(), reason })?;
    Ok(EncoderShape {
        hidden: config.hidden_size,
        num_heads: config.num_attention_heads,
        num_blocks: config.num_hidden_layers,
        intermediate: config.intermediate_size,
        num_positions: config.max_position_embeddings,
        first_position,
        num_token_types: config.type_vocab_size,
        layer_norm_eps: config.layer_norm_eps as f32,
        activation,
    })
}

fn check_sizes(config: &ConfigJson, first_position: u32) -> Result<(), String> {
    let (hidden, heads) = (config.hidden_size, config.num_attention_heads);
    if hidden == 0 || heads == 0 || hidden % heads != 0 {
        Err(format!("hidden_size {hidden} is not a multiple of num_attention_heads {heads}"))
    } else if config.num_hidden_layers == 0 || config.intermediate_size == 0 || config.type_vocab_size == 0 {
        Err("num_hidden_layers, intermediate_size and type_vocab_size must be at least 1".to_owned())
    } else if hidden.max(config.intermediate_size) > MAX_INPUTS {
        Err(format!("hidden_size and intermediate_size must be at most {MAX_INPUTS}"))
    } else if config.max_position_embeddings <= first_position as usize {
        Err(format!("max_position_embeddings is {}, too few for one token", config.max_position_embeddings))
    } else if !config.layer_norm_eps.is_finite() || config.layer_norm_eps < 0.0 {
        Err(format!("layer_norm_eps is {}, not a small positive number", config.layer_norm_eps))
    } else {
        Ok(())
    }
}

/// A missing file means mean pooling. Every `pooling_mode_*` that is true adds a vector end to end, so exactly one must be.
fn read_pooling(path: &Path) -> Result<Pooling, EmbedError> {
    let Some(fields) = read_optional_json::<serde_json::Map<String, serde_json::Value>>(path)? else {
        return Ok(Pooling::Mean);
    };
    let is_on = |(name, value): (&String, &serde_json::Value)| {
        name.strip_prefix("pooling_mode_").filter(|_| value == true).map(str::to_owned)
    };
    let modes: Vec<String> = fields.iter().filter_map(is_on).collect();
    match modes.iter().map(String::as_str).collect::<Vec<_>>()[..] {
        ["mean_tokens"] => Ok(Pooling::Mean),
        ["cls_token"] => Ok(Pooling::Cls),
        _ => Err(EmbedError::UnsupportedModel {
            path: path.to_owned(),
            field: "pooling_mode",
            found: modes.join(" + "),
            accepted: "mean_tokens or cls_token alone",
        }),
    }
}

/// Reads a file that the model cannot do without.
pub(super) fn read_file(path: &Path) -> Result<Vec<u8>, EmbedError> {
    fs::read(path).map_err(|source| EmbedError::ReadModelFile { path: path.to_owned(), source })
}

fn parse_json<T: DeserializeOwned>(path: &Path, bytes: &[u8]) -> Result<T, EmbedError> {
    serde_json::from_slice(bytes).map_err(|source| EmbedError::ParseModelFile { path: path.to_owned(), source })
}

fn read_optional_json<T: DeserializeOwned>(path: &Path) -> Result<Option<T>, EmbedError> {
    match fs::read(path) {
        Ok(bytes) => parse_json(path, &bytes).map(Some),
        Err(error) if error.kind() == io::ErrorKind::NotFound => Ok(None),
        Err(source) => Err(EmbedError::ReadModelFile { path: path.to_owned(), source }),
    }
}
