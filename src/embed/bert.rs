//! The BERT encoder on Candle's own operators, on any device that Candle has: the path of the `cuda` feature, what
//! `kindred bench embed --plain` measures, and the independent answer that the tests compare the CPU's own path with.
//!
//! Rows of a batch lie end to end in one `[tokens, hidden]` tensor, so there is no padding and no mask: everything but
//! attention works token by token, and attention takes one row at a time.

use candle_core::{D, Device, Result, Tensor};
use candle_nn::ops::{layer_norm, softmax_last_dim};

use super::encoder::Encoder;
use super::model_dir::{Activation, EncoderShape, Pooling};
use super::stages::{Stage, Stopwatch};
use super::weights::{Affine, BertWeights, BlockWeights};

/// BERT on Candle's own operators.
pub(super) struct BertEncoder {
    shape: EncoderShape,
    pooling: Pooling,
    weights: BertWeights,
    device: Device,
}

impl BertEncoder {
    /// Moves `weights` to `device`, where every pass will run.
    ///
    /// Returns an error if the device has no room for them.
    pub(super) fn new(shape: EncoderShape, pooling: Pooling, weights: &BertWeights, device: Device) -> Result<Self> {
        let weights = weights.to_device(&device)?;
        Ok(Self { shape, pooling, weights, device })
    }

    /// Sum of word, position and token-type embeddings, normalised: `[tokens, hidden]`.
    fn embed_tokens(&self, rows: &[&[u32]]) -> Result<Tensor> {
        let ids = Tensor::new(rows.concat(), &self.device)?;
        let first = self.shape.first_position;
        let positions: Vec<u32> = rows.iter().flat_map(|row| first..first + row.len() as u32).collect();
        let positions = Tensor::new(positions, &self.device)?;
        let words = self.weights.words.index_select(&ids, 0)?;
        let sum = (words + self.weights.positions.index_select(&positions, 0)?)?;
        // A single text is all of token type 0.
        let sum = sum.broadcast_add(&self.weights.token_types.narrow(0, 0, 1)?)?;
        self.normalise(&sum, &self.weights.norm)
    }

    fn block(
        &self,
        hidden: &Tensor,
        spans: &[(usize, usize)],
        weights: &BlockWeights,
        laps: &mut Laps,
    ) -> Result<Tensor> {
        let attended = linear(&self.attend(hidden, spans, weights, laps)?, &weights.attention_output)?;
        laps.lap(Stage::AttentionOutput);
        let hidden = self.normalise(&(attended + hidden)?, &weights.attention_norm)?;
        laps.lap(Stage::Norm);
        let wide = self.activate(&linear(&hidden, &weights.up)?)?;
        laps.lap(Stage::Up);
        let narrow = linear(&wide, &weights.down)?;
        laps.lap(Stage::Down);
        let hidden = self.normalise(&(narrow + hidden)?, &weights.output_norm)?;
        laps.lap(Stage::Norm);
        Ok(hidden)
    }

    /// Multi-head attention, each row of the batch for itself.
    fn attend(
        &self,
        hidden: &Tensor,
        spans: &[(usize, usize)],
        weights: &BlockWeights,
        laps: &mut Laps,
    ) -> Result<Tensor> {
        let query = (linear(hidden, &weights.query)? * (1.0 / (self.shape.head_dim() as f64).sqrt()))?;
        let key = linear(hidden, &weights.key)?;
        let value = linear(hidden, &weights.value)?;
        laps.lap(Stage::Parts);
        let rows = spans.iter().map(|&span| {
            let scores = self.heads(&query, span)?.matmul(&self.heads(&key, span)?.transpose(1, 2)?.contiguous()?)?;
            let mixed = softmax_last_dim(&scores)?.matmul(&self.heads(&value, span)?)?;
            mixed.transpose(0, 1)?.reshape((span.1, self.shape.hidden))
        });
        let attended = Tensor::cat(&rows.collect::<Result<Vec<_>>>()?, 0)?;
        laps.lap(Stage::Attention);
        Ok(attended)
    }

    /// One row of the batch as `[heads, tokens, head_dim]`.
    fn heads(&self, hidden: &Tensor, (start, num_tokens): (usize, usize)) -> Result<Tensor> {
        let row = hidden.narrow(0, start, num_tokens)?;
        row.reshape((num_tokens, self.shape.num_heads, self.shape.head_dim()))?.transpose(0, 1)?.contiguous()
    }

    fn normalise(&self, hidden: &Tensor, norm: &Affine) -> Result<Tensor> {
        layer_norm(hidden, &norm.weight, &norm.bias, self.shape.layer_norm_eps)
    }

    fn activate(&self, hidden: &Tensor) -> Result<Tensor> {
        match self.shape.activation {
            Activation::GeluErf => hidden.gelu_erf(),
            Activation::GeluTanh => hidden.gelu(),
            Activation::Relu => hidden.relu(),
        }
    }

    fn pool(&self, hidden: &Tensor, (start, num_tokens): (usize, usize)) -> Result<Vec<f32>> {
        match self.pooling {
            Pooling::Mean => hidden.narrow(0, start, num_tokens)?.mean(0)?.to_vec1(),
            Pooling::Cls => hidden.narrow(0, start, 1)?.squeeze(0)?.to_vec1(),
        }
    }
}

impl Encoder for BertEncoder {
    fn encode(&self, rows: &[&[u32]], out: &mut [f32], stopwatch: &mut Stopwatch) -> Result<()> {
        let mut spans = Vec::with_capacity(rows.len());
        let mut start = 0;
        for row in rows {
            spans.push((start, row.len()));
            start += row.len();
        }
        let mut laps = Laps { stopwatch, by_stage: self.device.is_cpu() };
        let mut hidden = self.embed_tokens(rows)?;
        laps.lap(Stage::Lookup);
        for weights in &self.weights.blocks {
            hidden = self.block(&hidden, &spans, weights, &mut laps)?;
        }
        for (&span, vector) in spans.iter().zip(out.chunks_exact_mut(hidden.dim(D::Minus1)?)) {
            vector.copy_from_slice(&self.pool(&hidden, span)?);
        }
        laps.lap(Stage::Pool);
        Ok(())
    }

    fn name(&self) -> &'static str {
        "candle"
    }

    fn instructions(&self) -> String {
        match self.device.is_cpu() {
            true => "Candle's operators".to_owned(),
            false => format!("Candle's operators on {:?}", self.device.location()),
        }
    }
}

/// Counts the time of a pass. Operators overlap on a GPU, so there it is not told apart by stage.
struct Laps<'a> {
    stopwatch: &'a mut Stopwatch,
    by_stage: bool,
}

impl Laps<'_> {
    fn lap(&mut self, stage: Stage) {
        self.stopwatch.lap(if self.by_stage { stage } else { Stage::Forward });
    }
}

/// `input · weightᵀ + bias`.
fn linear(input: &Tensor, weights: &Affine) -> Result<Tensor> {
    input.matmul(&weights.weight.t()?)?.broadcast_add(&weights.bias)
}
