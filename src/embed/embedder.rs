//! The embedder: model directory in, length-1 vectors out, one batch a thread.

use std::ops::Range;
use std::path::Path;
use std::sync::{Mutex, PoisonError};

use super::batches::Batches;
use super::cpu::{CpuBert, Machine};
use super::encoder::Encoder;
use super::error::EmbedError;
use super::model_dir::{ModelDir, Pooling, read_file};
use super::plain::PlainBert;
use super::published;
use super::stages::{Stage, StageTotals, Stopwatch};
use super::text_tokens::TextTokens;
use super::vectors::{Embeddings, scale_to_length_1};
use super::weights::BertWeights;
use super::{EmbedConfig, MAX_THREADS, Precision};

/// Rises when the same model would give other vectors than an earlier release of Kindred, beyond rounding.
const VECTORS_REVISION: u32 = 2;

/// A loaded model. Cheap to share behind an `Arc`; safe to call from many threads.
pub struct Embedder {
    name: String,
    dim: usize,
    max_tokens: usize,
    precision: Precision,
    batch_tokens: usize,
    fingerprint: String,
    tokens: TextTokens,
    encoder: Box<dyn Encoder>,
    pool: rayon::ThreadPool,
    stages: StageTotals,
}

/// The texts of a finished batch and their vectors.
pub(super) struct FinishedBatch<'a> {
    /// Positions in the call's texts.
    pub(super) texts: Range<usize>,
    /// As many rows of length 1, end to end.
    pub(super) vectors: &'a [f32],
}

/// Takes finished batches, one at a time, from whichever thread finished one.
pub(super) type Sink<'a> = dyn FnMut(FinishedBatch<'_>) -> Result<(), EmbedError> + Send + 'a;

impl Embedder {
    /// Loads the model of `config`: reads and checks every file of its directory, hashes them, and starts the threads.
    ///
    /// Returns an error if the directory or a file in it is missing, damaged or of a kind that Kindred does not run, if
    /// tokenizer and weights do not belong together, or if `config.max_tokens` is outside the model's range or
    /// `config.threads` above [`MAX_THREADS`](super::MAX_THREADS).
    pub fn load(config: &EmbedConfig) -> Result<Self, EmbedError> {
        Self::load_with(config, start_encoder)
    }

    /// Loads the model of `config` as [`Embedder::load`] does, to compute with Candle's own operators on the processor: the
    /// same vectors up to f32 rounding, slowly. For measurements beside Kindred's kernels; no index is built with it.
    ///
    /// Returns an error as [`Embedder::load`] does, and if `config.precision` is not f32, the only one that it computes in.
    pub fn load_plain(config: &EmbedConfig) -> Result<Self, EmbedError> {
        match config.precision {
            Precision::F32 => Self::load_with(config, start_plain_encoder),
            precision => Err(EmbedError::PlainPrecision { precision: precision.name() }),
        }
    }

    /// Loads the model of `config` for the processor's instructions in `machine`, not the best that there are.
    #[cfg(test)]
    pub(super) fn load_on(config: &EmbedConfig, machine: Machine) -> Result<Self, EmbedError> {
        Self::load_with(config, |dir, weights, precision| start_cpu_encoder(dir, weights, precision, machine))
    }

    fn load_with(
        config: &EmbedConfig,
        start: impl FnOnce(&ModelDir, BertWeights, Precision) -> Started,
    ) -> Result<Self, EmbedError> {
        check_threads(config.threads)?;
        published::check(&config.model)?;
        let dir = ModelDir::read(&config.model)?;
        let tokenizer_bytes = read_file(&dir.tokenizer_path)?;
        let mut tokens = TextTokens::read(&dir.tokenizer_path, &tokenizer_bytes, dir.lower_case)?;
        let max_tokens = choose_max_tokens(config.max_tokens, tokens.least_max_tokens(), dir.max_tokens)?;
        tokens.cut_at(&dir.tokenizer_path, max_tokens)?;
        let weights_bytes = read_file(&dir.weights_path)?;
        let weights = BertWeights::read(&dir.weights_path, &weights_bytes, &dir.shape)?;
        check_vocabulary(&dir, &tokens, &weights)?;
        let fingerprint = fingerprint(&dir, config.precision, max_tokens, &tokenizer_bytes, &weights_bytes);
        let encoder = start(&dir, weights, config.precision)
            .map_err(|source| EmbedError::StartEncoder { path: dir.weights_path.clone(), source: Box::new(source) })?;
        Ok(Self {
            name: model_name(&config.model),
            dim: dir.shape.hidden,
            max_tokens,
            precision: config.precision,
            batch_tokens: config.batch_tokens,
            fingerprint,
            tokens,
            encoder,
            pool: start_threads(config.threads)?,
            stages: StageTotals::default(),
        })
    }

    /// The name of the model's directory.
    pub fn name(&self) -> &str {
        &self.name
    }

    /// Numbers in a vector.
    pub fn dim(&self) -> usize {
        self.dim
    }

    /// Tokens of the longest text, special tokens included; what is longer is cut at the end. Of a text, no more is read than
    /// [`MAX_BYTES_PER_TOKEN`](super::MAX_BYTES_PER_TOKEN) bytes for each of these.
    pub fn max_tokens(&self) -> usize {
        self.max_tokens
    }

    /// How exactly it computes.
    pub fn precision(&self) -> Precision {
        self.precision
    }

    /// BLAKE3, in hex, over all that decides what vector a text gets, the processor aside: weights, tokenizer, model and pooling
    /// configuration, [`Embedder::max_tokens`], [`Embedder::precision`]. Vectors of one fingerprint are equal bit for bit when
    /// one processor makes them with its own kernels (not on a GPU), and as near as [`Precision::min_cosine_between_processors`] says when several do, so that
    /// generations and caches may move between machines.
    pub fn fingerprint(&self) -> &str {
        &self.fingerprint
    }

    /// Embeds `texts`: one row a text, in order, each of length 1 (L2). A text's row does not depend, bit for bit, on the other
    /// texts, their order, or the number of threads, as the processor's kernels compute it; on a GPU, up to rounding. `progress` is called after every batch with the number of texts done so far, never two calls at once.
    ///
    /// Returns an error if a text cannot be tokenized, the forward pass fails, or a vector is not finite.
    pub fn embed(&self, texts: &[&str], progress: &(dyn Fn(usize) + Sync)) -> Result<Embeddings, EmbedError> {
        let mut embeddings = Embeddings::zeros(texts.len(), self.dim);
        let mut num_done = 0;
        self.embed_batches(texts, &mut |batch: FinishedBatch<'_>| {
            for (text, vector) in batch.texts.clone().zip(batch.vectors.chunks_exact(self.dim)) {
                embeddings.set_row(text, vector);
            }
            num_done += batch.texts.len();
            progress(num_done);
            Ok(())
        })?;
        Ok(embeddings)
    }

    /// Embeds one text on the calling thread, for queries. The result has length 1 (L2).
    ///
    /// Returns an error as [`Embedder::embed`] does.
    pub fn embed_one(&self, text: &str) -> Result<Vec<f32>, EmbedError> {
        self.embed_texts(0, &[text])
    }

    /// Whose operators compute the forward pass, for reports: `kindred` or `candle`.
    pub fn encoder_name(&self) -> &'static str {
        self.encoder.name()
    }

    /// What the forward pass runs on, for reports: `AVX-512 VNNI + AMX`, `AVX2`, `Candle's operators`, …
    pub fn instructions(&self) -> String {
        self.encoder.instructions()
    }

    /// Threads that [`Embedder::embed`] uses.
    pub fn num_threads(&self) -> usize {
        self.pool.current_num_threads()
    }

    /// Tokens that `texts` have together, as they are embedded: cut, special tokens included.
    ///
    /// Returns an error if a text cannot be tokenized.
    pub fn count_tokens(&self, texts: &[&str]) -> Result<usize, EmbedError> {
        let count = |(text, words): (usize, &&str)| {
            let tokens = self.tokens.encode(words).map_err(|source| EmbedError::Tokenize { text, source })?;
            Ok(tokens.len())
        };
        texts.iter().enumerate().map(count).sum()
    }

    /// Time spent in each stage since the model was loaded, summed over threads.
    pub fn stage_times(&self) -> [(Stage, std::time::Duration); Stage::ALL.len()] {
        let times = self.stages.read();
        Stage::ALL.map(|stage| (stage, times[stage as usize]))
    }

    /// Embeds `texts` and hands every batch to `sink` as it finishes. The first error of a batch or of `sink` ends the call
    /// once the batches under way are through.
    pub(super) fn embed_batches(&self, texts: &[&str], sink: &mut Sink<'_>) -> Result<(), EmbedError> {
        let batches = Mutex::new(Batches::new(texts, self.batch_tokens, self.max_tokens));
        let (sink, failure) = (Mutex::new(sink), Mutex::new(None));
        self.pool.broadcast(|_| {
            while let Some(batch) = take_batch(&batches) {
                if let Err(error) = self.embed_batch(batch, texts, &sink) {
                    batches.lock().unwrap_or_else(PoisonError::into_inner).stop();
                    failure.lock().unwrap_or_else(PoisonError::into_inner).get_or_insert(error);
                }
            }
        });
        failure.into_inner().unwrap_or_else(PoisonError::into_inner).map_or(Ok(()), Err)
    }

    fn embed_batch(&self, batch: Range<usize>, texts: &[&str], sink: &Mutex<&mut Sink<'_>>) -> Result<(), EmbedError> {
        let first = batch.start;
        let vectors = self.embed_texts(first, &texts[batch.clone()])?;
        // Held for a few writes a batch, so a thread of its own for the sink would gain nothing.
        let mut sink = sink.lock().unwrap_or_else(PoisonError::into_inner);
        sink(FinishedBatch { texts: batch, vectors: &vectors })
    }

    /// The vectors of `texts` end to end, computed on this thread; errors count texts from `first`.
    fn embed_texts(&self, first: usize, texts: &[&str]) -> Result<Vec<f32>, EmbedError> {
        let mut stopwatch = Stopwatch::start();
        let encode = |(at, text): (usize, &&str)| {
            self.tokens.encode(text).map_err(|source| EmbedError::Tokenize { text: first + at, source })
        };
        let tokens = texts.iter().enumerate().map(encode).collect::<Result<Vec<_>, _>>()?;
        let rows: Vec<&[u32]> = tokens.iter().map(Vec::as_slice).collect();
        stopwatch.lap(Stage::Tokenize);
        let mut vectors = vec![0.0; rows.len() * self.dim];
        let encoded = self.encoder.encode(&rows, &mut vectors, &mut stopwatch);
        encoded.map_err(|source| EmbedError::Encode { num_texts: rows.len(), source: Box::new(source) })?;
        for (at, vector) in vectors.chunks_exact_mut(self.dim).enumerate() {
            if !scale_to_length_1(vector) {
                return Err(EmbedError::NoDirection { text: first + at });
            }
        }
        stopwatch.lap(Stage::Pool);
        self.stages.add(&stopwatch);
        Ok(vectors)
    }
}

fn take_batch(batches: &Mutex<Batches<'_>>) -> Option<Range<usize>> {
    batches.lock().unwrap_or_else(PoisonError::into_inner).take()
}

fn check_threads(asked: usize) -> Result<(), EmbedError> {
    if asked <= MAX_THREADS { Ok(()) } else { Err(EmbedError::TooManyThreads { asked, most: MAX_THREADS }) }
}

fn choose_max_tokens(asked: Option<usize>, least: usize, most: usize) -> Result<usize, EmbedError> {
    let asked = asked.unwrap_or(most);
    if (least..=most).contains(&asked) { Ok(asked) } else { Err(EmbedError::MaxTokens { asked, least, most }) }
}

fn check_vocabulary(dir: &ModelDir, tokens: &TextTokens, weights: &BertWeights) -> Result<(), EmbedError> {
    let num_tokens = tokens.num_tokens();
    let num_rows = weights.words.dims()[0];
    if num_tokens == num_rows {
        return Ok(());
    }
    let (tokenizer, weights) = (dir.tokenizer_path.clone(), dir.weights_path.clone());
    Err(EmbedError::Vocabulary { tokenizer, weights, num_tokens, num_rows })
}

/// `models/x/.` and a link both are called by the directory's real name.
fn model_name(model: &Path) -> String {
    let real = model.canonicalize().unwrap_or_else(|_| model.to_owned());
    real.file_name().unwrap_or(real.as_os_str()).to_string_lossy().into_owned()
}

/// Weights in the form in which they run.
type Started = candle_core::Result<Box<dyn Encoder>>;

fn start_plain_encoder(dir: &ModelDir, weights: BertWeights, _f32: Precision) -> Started {
    Ok(Box::new(PlainBert::new(dir.shape.clone(), dir.pooling, &weights)?))
}

/// With the `cuda` feature and a GPU, f32 runs there on Candle's own operators; all else runs on the processor.
fn start_encoder(dir: &ModelDir, weights: BertWeights, precision: Precision) -> Started {
    #[cfg(feature = "cuda")]
    if precision == Precision::F32
        && let Ok(gpu) = candle_core::Device::new_cuda(0)
    {
        let encoder = super::bert::BertEncoder::new(dir.shape.clone(), dir.pooling, &weights, gpu)?;
        return Ok(Box::new(encoder));
    }
    start_cpu_encoder(dir, weights, precision, Machine::best())
}

fn start_cpu_encoder(dir: &ModelDir, weights: BertWeights, precision: Precision, machine: Machine) -> Started {
    Ok(Box::new(CpuBert::new(dir.shape.clone(), dir.pooling, weights, precision, machine)?))
}

/// Every part goes in with its length, so that no two different models can read as the same bytes.
fn fingerprint(dir: &ModelDir, precision: Precision, max_tokens: usize, tokenizer: &[u8], weights: &[u8]) -> String {
    let pooling: &[u8] = match dir.pooling {
        Pooling::Mean => b"mean",
        Pooling::Cls => b"cls",
    };
    let lower_case = [u8::from(dir.lower_case)];
    let max_tokens = (max_tokens as u64).to_le_bytes();
    let mut hasher = blake3::Hasher::new();
    hasher.update(b"kindred embedder").update(&VECTORS_REVISION.to_le_bytes());
    for part in [&dir.config_bytes, pooling, precision.name().as_bytes(), &lower_case, &max_tokens, tokenizer, weights]
    {
        hasher.update(&(part.len() as u64).to_le_bytes()).update_rayon(part);
    }
    hasher.finalize().to_hex().to_string()
}

fn start_threads(threads: usize) -> Result<rayon::ThreadPool, EmbedError> {
    rayon::ThreadPoolBuilder::new()
        .num_threads(threads)
        .thread_name(|thread| format!("embed-{thread}"))
        .build()
        .map_err(|source| EmbedError::StartThreads { threads, source })
}
