//! The BERT encoder built for speed: the hidden states of a pass are one Candle tensor, and each block is one custom operation
//! that changes it in place.
//!
//! Inside an operation the work is on raw slices: a tensor for every intermediate would cost an allocation, and the page
//! faults of a fresh buffer, at each of ten steps a block. A pass takes the texts in groups of about [`PASS_TOKENS`] tokens,
//! and the token-wise layers in blocks of [`BLOCK_ROWS`] rows, so that what one step writes the next finds in the cache.

use std::cell::RefCell;
use std::sync::PoisonError;

use candle_core::{CpuStorage, InplaceOp1, Layout, Result, Storage, Tensor};

use super::attention::{Attend, Heads};
use super::bytes::ByteRows;
use super::linear::{Linear, Machine, Source};
use super::norm::{AddNorm, Norm};
use super::product::Rows;
use super::workspace::{Scratch, Workspace, Workspaces};
use crate::embed::Precision;
use crate::embed::encoder::Encoder;
use crate::embed::model_dir::{Activation, EncoderShape, Pooling};
use crate::embed::stages::{Stage, Stopwatch};
use crate::embed::weights::{Affine, BertWeights, BlockWeights};

/// Tokens of the texts that one pass takes, unless a single text has more.
const PASS_TOKENS: usize = 4 * BLOCK_ROWS;

/// Rows of a block: whole register blocks of every instruction set, and four AMX tiles less two rows.
const BLOCK_ROWS: usize = 126;

/// BERT on this processor's widest instructions.
pub(in crate::embed) struct CpuBert {
    shape: EncoderShape,
    pooling: Pooling,
    precision: Precision,
    machine: Machine,
    /// Numbers from a hidden row to the next.
    stride: usize,
    words: Tensor,
    positions: Vec<f32>,
    token_type: Vec<f32>,
    norm: Norm,
    blocks: Vec<Block>,
    workspaces: Workspaces,
}

struct Block {
    parts: Linear,
    attention_output: Linear,
    attention_norm: Norm,
    up: Linear,
    down: Linear,
    output_norm: Norm,
}

impl CpuBert {
    /// Packs `weights` for `machine`, and with [`Precision::Fast`] quantises them.
    ///
    /// Returns an error if a tensor is not f32 on the CPU.
    pub(in crate::embed) fn new(
        shape: EncoderShape,
        pooling: Pooling,
        weights: BertWeights,
        precision: Precision,
        machine: Machine,
    ) -> Result<Self> {
        let stride = shape.hidden.next_multiple_of(machine.set.panel());
        let token_types = numbers(&weights.token_types)?;
        let blocks = weights.blocks.iter().map(|block| Block::pack(block, &shape, stride, precision, machine));
        Ok(Self {
            norm: pack_norm(&weights.norm, stride, shape.layer_norm_eps)?,
            blocks: blocks.collect::<Result<_>>()?,
            positions: numbers(&weights.positions)?,
            // A single text is all of token type 0.
            token_type: padded(&token_types[..shape.hidden], stride),
            words: weights.words,
            workspaces: Workspaces::default(),
            shape,
            pooling,
            precision,
            machine,
            stride,
        })
    }

    fn heads(&self) -> Heads {
        Heads { num_heads: self.shape.num_heads, head_dim: self.shape.head_dim(), part_stride: self.stride }
    }

    /// One group of rows through all blocks.
    fn pass(
        &self,
        workspace: &mut Workspace,
        rows: &[&[u32]],
        out: &mut [f32],
        stopwatch: &mut Stopwatch,
    ) -> Result<()> {
        let spans = spans(rows);
        let hidden = workspace.hidden(rows.iter().map(|row| row.len()).sum(), self.stride)?;
        let mut scratch = workspace.scratch.lock().unwrap_or_else(PoisonError::into_inner);
        hidden.inplace_op1(&EmbedTokens { bert: self, rows })?;
        stopwatch.lap(Stage::Lookup);
        let state = RefCell::new((&mut *scratch, &mut *stopwatch));
        for block in &self.blocks {
            hidden.inplace_op1(&BlockPass { bert: self, block, spans: &spans, state: &state })?;
        }
        let (storage, layout) = hidden.storage_and_layout();
        let hidden = cpu_numbers(&storage, layout)?;
        for (&(start, num_tokens), vector) in spans.iter().zip(out.chunks_exact_mut(self.shape.hidden)) {
            self.pool(&hidden[start * self.stride..][..num_tokens * self.stride], vector);
        }
        stopwatch.lap(Stage::Pool);
        Ok(())
    }

    fn pool(&self, tokens: &[f32], vector: &mut [f32]) {
        vector.copy_from_slice(&tokens[..self.shape.hidden]);
        if self.pooling == Pooling::Cls {
            return;
        }
        for token in tokens.chunks_exact(self.stride).skip(1) {
            vector.iter_mut().zip(token).for_each(|(sum, x)| *sum += x);
        }
        let num_tokens = (tokens.len() / self.stride) as f32;
        vector.iter_mut().for_each(|x| *x /= num_tokens);
    }
}

impl Encoder for CpuBert {
    fn encode(&self, rows: &[&[u32]], out: &mut [f32], stopwatch: &mut Stopwatch) -> Result<()> {
        self.workspaces.with(|workspace| {
            let (mut rows, mut out) = (rows, out);
            while !rows.is_empty() {
                let num_rows = rows_of_pass(rows);
                let (group, later) = rows.split_at(num_rows);
                let (vectors, later_out) = out.split_at_mut(num_rows * self.shape.hidden);
                self.pass(workspace, group, vectors, stopwatch)?;
                (rows, out) = (later, later_out);
            }
            Ok(())
        })
    }

    fn name(&self) -> &'static str {
        "kindred"
    }

    fn instructions(&self) -> String {
        self.machine.describe(self.precision)
    }
}

/// How many of the rows, at least one, have at most [`PASS_TOKENS`] tokens together.
fn rows_of_pass(rows: &[&[u32]]) -> usize {
    let mut num_tokens = 0;
    let fits = rows.iter().take_while(|row| {
        num_tokens += row.len();
        num_tokens <= PASS_TOKENS
    });
    fits.count().max(1)
}

/// Start and length of each row, laid end to end.
fn spans(rows: &[&[u32]]) -> Vec<(usize, usize)> {
    let mut start = 0;
    let span = |row: &&[u32]| {
        start += row.len();
        (start - row.len(), row.len())
    };
    rows.iter().map(span).collect()
}

impl Block {
    fn pack(
        weights: &BlockWeights,
        shape: &EncoderShape,
        stride: usize,
        precision: Precision,
        machine: Machine,
    ) -> Result<Self> {
        // Softmax is computed with powers of 2.
        let query_factor = std::f32::consts::LOG2_E / (shape.head_dim() as f32).sqrt();
        let pack = |layers: &[(&Affine, f32)]| {
            let tensors =
                layers.iter().map(|(layer, factor)| Ok((numbers(&layer.weight)?, numbers(&layer.bias)?, *factor)));
            let tensors = tensors.collect::<Result<Vec<_>>>()?;
            let sources = tensors.iter().map(|(weight, bias, factor)| Source { weight, bias, factor: *factor });
            Ok::<_, candle_core::Error>(Linear::pack(machine, precision, &sources.collect::<Vec<_>>()))
        };
        Ok(Self {
            parts: pack(&[(&weights.query, query_factor), (&weights.key, 1.0), (&weights.value, 1.0)])?,
            attention_output: pack(&[(&weights.attention_output, 1.0)])?,
            attention_norm: pack_norm(&weights.attention_norm, stride, shape.layer_norm_eps)?,
            up: pack(&[(&weights.up, 1.0)])?,
            down: pack(&[(&weights.down, 1.0)])?,
            output_norm: pack_norm(&weights.output_norm, stride, shape.layer_norm_eps)?,
        })
    }
}

fn pack_norm(norm: &Affine, stride: usize, epsilon: f32) -> Result<Norm> {
    Ok(Norm::new(&numbers(&norm.weight)?, &numbers(&norm.bias)?, stride, epsilon))
}

fn numbers(tensor: &Tensor) -> Result<Vec<f32>> {
    tensor.flatten_all()?.to_vec1()
}

fn padded(numbers: &[f32], size: usize) -> Vec<f32> {
    let mut padded = numbers.to_vec();
    padded.resize(size, 0.0);
    padded
}

fn cpu_numbers<'a>(storage: &'a Storage, layout: &Layout) -> Result<&'a [f32]> {
    match (storage, layout.contiguous_offsets()) {
        (Storage::Cpu(storage), Some((start, end))) => Ok(&storage.as_slice::<f32>()?[start..end]),
        _ => candle_core::bail!("the encoder's tensors are contiguous and on the CPU"),
    }
}

fn cpu_numbers_mut<'a>(storage: &'a mut CpuStorage, layout: &Layout) -> Result<&'a mut [f32]> {
    match (storage, layout.contiguous_offsets()) {
        (CpuStorage::F32(numbers), Some((start, end))) => Ok(&mut numbers[start..end]),
        _ => candle_core::bail!("the hidden states are contiguous f32 numbers"),
    }
}

/// Sets the hidden states to the normalised sum of word, position and token-type embeddings.
struct EmbedTokens<'a> {
    bert: &'a CpuBert,
    rows: &'a [&'a [u32]],
}

impl InplaceOp1 for EmbedTokens<'_> {
    fn name(&self) -> &'static str {
        "embed-tokens"
    }

    fn cpu_fwd(&self, storage: &mut CpuStorage, layout: &Layout) -> Result<()> {
        let CpuBert { shape, stride, positions, .. } = self.bert;
        let hidden = cpu_numbers_mut(storage, layout)?;
        let (words, words_layout) = self.bert.words.storage_and_layout();
        let words = cpu_numbers(&words, words_layout)?;
        let first = shape.first_position as usize;
        let tokens = self.rows.iter().flat_map(|row| row.iter().enumerate());
        for ((position, &id), hidden) in tokens.zip(hidden.chunks_exact_mut(*stride)) {
            let word = &words[id as usize * shape.hidden..][..shape.hidden];
            let position = &positions[(first + position) * shape.hidden..][..shape.hidden];
            let (sums, padding) = hidden.split_at_mut(shape.hidden);
            sums.iter_mut().zip(word.iter().zip(position)).for_each(|(sum, (w, p))| *sum = w + p);
            padding.fill(0.0);
        }
        let added = Rows { numbers: &self.bert.token_type, stride: 0 };
        self.bert.machine.set.run(AddNorm { norm: &self.bert.norm, hidden, added });
        Ok(())
    }
}

/// Takes the hidden states through one block.
struct BlockPass<'a, 'b> {
    bert: &'a CpuBert,
    block: &'a Block,
    spans: &'a [(usize, usize)],
    state: &'a RefCell<(&'b mut Scratch, &'b mut Stopwatch)>,
}

impl InplaceOp1 for BlockPass<'_, '_> {
    fn name(&self) -> &'static str {
        "bert-block"
    }

    fn cpu_fwd(&self, storage: &mut CpuStorage, layout: &Layout) -> Result<()> {
        let hidden = cpu_numbers_mut(storage, layout)?;
        let (scratch, stopwatch) = &mut *self.state.borrow_mut();
        self.split_parts(hidden, scratch, stopwatch);
        self.attend(hidden.len() / self.bert.stride, scratch);
        stopwatch.lap(Stage::Attention);
        self.mix_tokens_in(hidden, scratch, stopwatch);
        Ok(())
    }
}

impl BlockPass<'_, '_> {
    /// Queries, keys and values of every token.
    fn split_parts(&self, hidden: &[f32], scratch: &mut Scratch, stopwatch: &mut Stopwatch) {
        let (stride, layer) = (self.bert.stride, &self.block.parts);
        let parts = scratch.parts.at_least(hidden.len() / stride * layer.out_stride());
        let mut layers = Layers { machine: self.bert.machine, bytes: &mut scratch.bytes, stopwatch };
        for (numbers, parts) in
            hidden.chunks(BLOCK_ROWS * stride).zip(parts.chunks_mut(BLOCK_ROWS * layer.out_stride()))
        {
            layers.apply(layer, Stage::Parts, Rows { numbers, stride }, None, parts);
        }
    }

    /// Attention, each text for itself.
    fn attend(&self, num_tokens: usize, scratch: &mut Scratch) {
        let (out_stride, parts_stride) = (self.bert.stride, self.block.parts.out_stride());
        let mixed = scratch.mixed.at_least(num_tokens * out_stride);
        for &(start, num_tokens) in self.spans {
            self.bert.machine.set.run(Attend {
                heads: self.bert.heads(),
                num_tokens,
                parts: Rows { numbers: &scratch.parts[start * parts_stride..], stride: parts_stride },
                out: &mut mixed[start * out_stride..],
                out_stride,
                buffers: &mut scratch.attention,
            });
        }
    }

    /// Everything after attention, which works token by token.
    fn mix_tokens_in(&self, hidden: &mut [f32], scratch: &mut Scratch, stopwatch: &mut Stopwatch) {
        let (stride, machine, block) = (self.bert.stride, self.bert.machine, self.block);
        let activation = Some(self.bert.shape.activation);
        let Scratch { mixed, wide, narrow, bytes, .. } = scratch;
        let mut layers = Layers { machine, bytes, stopwatch };
        for (hidden, mixed) in hidden.chunks_mut(BLOCK_ROWS * stride).zip(mixed.chunks(BLOCK_ROWS * stride)) {
            let num_rows = hidden.len() / stride;
            let narrow = narrow.at_least(num_rows * block.down.out_stride());
            let wide_stride = block.up.out_stride();
            let wide = wide.at_least(num_rows * wide_stride);
            let mixed = Rows { numbers: mixed, stride };
            layers.apply(&block.attention_output, Stage::AttentionOutput, mixed, None, narrow);
            layers.add_norm(&block.attention_norm, hidden, narrow);
            layers.apply(&block.up, Stage::Up, Rows { numbers: hidden, stride }, activation, wide);
            layers.apply(&block.down, Stage::Down, Rows { numbers: wide, stride: wide_stride }, None, narrow);
            layers.add_norm(&block.output_norm, hidden, narrow);
        }
    }
}

/// Runs layers on blocks of rows and counts their time.
struct Layers<'a> {
    machine: Machine,
    bytes: &'a mut ByteRows,
    stopwatch: &'a mut Stopwatch,
}

impl Layers<'_> {
    /// `out = function(rows · weightᵀ + bias)`, as many rows as `out` holds.
    fn apply(&mut self, layer: &Linear, stage: Stage, rows: Rows<'_>, function: Option<Activation>, out: &mut [f32]) {
        layer.prepare(self.machine, out.len() / layer.out_stride(), rows, self.bytes);
        self.stopwatch.lap(Stage::Quantise);
        layer.apply(self.machine, rows, self.bytes, function, out);
        self.stopwatch.lap(stage);
    }

    fn add_norm(&mut self, norm: &Norm, hidden: &mut [f32], added: &[f32]) {
        let added = Rows { numbers: added, stride: added.len() / (hidden.len() / norm.stride()) };
        self.machine.set.run(AddNorm { norm, hidden, added });
        self.stopwatch.lap(Stage::Norm);
    }
}
