//! `model.safetensors`: every tensor that the encoder needs, checked for presence, shape and finiteness, as f32.
//!
//! f16, bf16 and f64 files are converted. Names may carry a prefix (`bert.`, `roberta.`): it is whatever stands before the
//! word embedding table's name.

use std::path::Path;

use candle_core::safetensors::SliceSafetensors;
use candle_core::{DType, Device, Storage, Tensor};

use super::error::EmbedError;
use super::model_dir::EncoderShape;

const WORDS: &str = "embeddings.word_embeddings.weight";

/// A weight and a bias: a linear layer's `[out, in]` and `[out]`, or a LayerNorm's `[hidden]` twice.
pub(super) struct Affine {
    pub(super) weight: Tensor,
    pub(super) bias: Tensor,
}

/// One transformer block.
pub(super) struct BlockWeights {
    pub(super) query: Affine,
    pub(super) key: Affine,
    pub(super) value: Affine,
    pub(super) attention_output: Affine,
    pub(super) attention_norm: Affine,
    pub(super) up: Affine,
    pub(super) down: Affine,
    pub(super) output_norm: Affine,
}

/// All weights of an encoder, f32 on the CPU.
pub(super) struct BertWeights {
    /// `[vocabulary, hidden]`.
    pub(super) words: Tensor,
    /// `[positions, hidden]`.
    pub(super) positions: Tensor,
    /// `[token types, hidden]`.
    pub(super) token_types: Tensor,
    pub(super) norm: Affine,
    pub(super) blocks: Vec<BlockWeights>,
}

impl BertWeights {
    /// Takes the weights out of `bytes`, the content of the safetensors file at `path` (named in errors).
    ///
    /// Returns an error if the file is damaged, a tensor is missing, has another shape than `shape` asks for or a number that
    /// is not finite, or the file has more blocks than `shape`.
    pub(super) fn read(path: &Path, bytes: &[u8], shape: &EncoderShape) -> Result<Self, EmbedError> {
        let reader = Reader::new(path, bytes)?;
        reader.check_no_block_after(shape.num_blocks)?;
        let hidden = shape.hidden;
        Ok(Self {
            words: reader.words(hidden)?,
            positions: reader.tensor("embeddings.position_embeddings.weight", &[shape.num_positions, hidden])?,
            token_types: reader.tensor("embeddings.token_type_embeddings.weight", &[shape.num_token_types, hidden])?,
            norm: reader.norm("embeddings.LayerNorm", hidden)?,
            blocks: (0..shape.num_blocks).map(|block| reader.block(block, shape)).collect::<Result<_, _>>()?,
        })
    }
}

impl BertWeights {
    /// The same weights on `device`.
    ///
    /// Returns an error if the device has no room for them.
    pub(super) fn to_device(&self, device: &Device) -> candle_core::Result<Self> {
        Ok(Self {
            words: self.words.to_device(device)?,
            positions: self.positions.to_device(device)?,
            token_types: self.token_types.to_device(device)?,
            norm: self.norm.to_device(device)?,
            blocks: self.blocks.iter().map(|block| block.to_device(device)).collect::<candle_core::Result<_>>()?,
        })
    }
}

impl BlockWeights {
    fn to_device(&self, device: &Device) -> candle_core::Result<Self> {
        Ok(Self {
            query: self.query.to_device(device)?,
            key: self.key.to_device(device)?,
            value: self.value.to_device(device)?,
            attention_output: self.attention_output.to_device(device)?,
            attention_norm: self.attention_norm.to_device(device)?,
            up: self.up.to_device(device)?,
            down: self.down.to_device(device)?,
            output_norm: self.output_norm.to_device(device)?,
        })
    }
}

impl Affine {
    fn to_device(&self, device: &Device) -> candle_core::Result<Self> {
        Ok(Self { weight: self.weight.to_device(device)?, bias: self.bias.to_device(device)? })
    }
}

struct Reader<'a> {
    path: &'a Path,
    file: SliceSafetensors<'a>,
    names: Vec<String>,
    prefix: String,
}

impl<'a> Reader<'a> {
    fn new(path: &'a Path, bytes: &'a [u8]) -> Result<Self, EmbedError> {
        let file = SliceSafetensors::new(bytes).map_err(|source| damaged(path, source))?;
        let names: Vec<String> = file.tensors().into_iter().map(|(name, _)| name).collect();
        let prefix = names
            .iter()
            .find_map(|name| name.strip_suffix(WORDS))
            .ok_or_else(|| EmbedError::MissingTensor { path: path.to_owned(), name: WORDS.to_owned() })?
            .to_owned();
        Ok(Self { path, file, names, prefix })
    }

    /// A config.json that asks for fewer blocks than there are would compute another model in silence.
    fn check_no_block_after(&self, num_blocks: usize) -> Result<(), EmbedError> {
        let next = format!("{}encoder.layer.{num_blocks}.", self.prefix);
        if !self.names.iter().any(|name| name.starts_with(&next)) {
            return Ok(());
        }
        let reason = format!("it has more encoder layers than the {num_blocks} that config.json asks for");
        Err(EmbedError::InconsistentModel { path: self.path.to_owned(), reason })
    }

    fn block(&self, block: usize, shape: &EncoderShape) -> Result<BlockWeights, EmbedError> {
        let (hidden, intermediate) = (shape.hidden, shape.intermediate);
        let at = |name: &str| format!("encoder.layer.{block}.{name}");
        Ok(BlockWeights {
            query: self.linear(&at("attention.self.query"), hidden, hidden)?,
            key: self.linear(&at("attention.self.key"), hidden, hidden)?,
            value: self.linear(&at("attention.self.value"), hidden, hidden)?,
            attention_output: self.linear(&at("attention.output.dense"), hidden, hidden)?,
            attention_norm: self.norm(&at("attention.output.LayerNorm"), hidden)?,
            up: self.linear(&at("intermediate.dense"), intermediate, hidden)?,
            down: self.linear(&at("output.dense"), hidden, intermediate)?,
            output_norm: self.norm(&at("output.LayerNorm"), hidden)?,
        })
    }

    fn linear(&self, name: &str, outputs: usize, inputs: usize) -> Result<Affine, EmbedError> {
        self.affine(name, &[outputs, inputs], outputs)
    }

    fn norm(&self, name: &str, hidden: usize) -> Result<Affine, EmbedError> {
        self.affine(name, &[hidden], hidden)
    }

    fn affine(&self, name: &str, weight: &[usize], bias: usize) -> Result<Affine, EmbedError> {
        Ok(Affine {
            weight: self.tensor(&format!("{name}.weight"), weight)?,
            bias: self.tensor(&format!("{name}.bias"), &[bias])?,
        })
    }

    /// The word table's rows are its own business until the tokenizer is compared with them.
    fn words(&self, hidden: usize) -> Result<Tensor, EmbedError> {
        let view = self.file.get(&format!("{}{WORDS}", self.prefix)).map_err(|source| damaged(self.path, source))?;
        let num_rows = view.shape().first().copied().unwrap_or(0);
        self.tensor(WORDS, &[num_rows, hidden])
    }

    fn tensor(&self, name: &str, expected: &[usize]) -> Result<Tensor, EmbedError> {
        let name = format!("{}{name}", self.prefix);
        let path = || self.path.to_owned();
        let Ok(view) = self.file.get(&name) else {
            return Err(EmbedError::MissingTensor { path: path(), name });
        };
        if view.shape() != expected {
            let found = view.shape().to_vec();
            return Err(EmbedError::TensorShape { path: path(), name, expected: expected.to_vec(), found });
        }
        let load = || self.file.load(&name, &Device::Cpu)?.to_dtype(DType::F32);
        let tensor = load().map_err(|source| damaged(self.path, source))?;
        match is_finite(&tensor) {
            Ok(true) => Ok(tensor),
            Ok(false) => Err(EmbedError::NonFiniteWeight { path: path(), name }),
            Err(source) => Err(damaged(self.path, source)),
        }
    }
}

fn damaged(path: &Path, source: candle_core::Error) -> EmbedError {
    EmbedError::ReadWeights { path: path.to_owned(), source: Box::new(source) }
}

fn is_finite(tensor: &Tensor) -> candle_core::Result<bool> {
    match &*tensor.storage_and_layout().0 {
        Storage::Cpu(storage) => Ok(storage.as_slice::<f32>()?.iter().all(|weight| weight.is_finite())),
        _ => Ok(tensor.flatten_all()?.to_vec1::<f32>()?.iter().all(|weight| weight.is_finite())),
    }
}
