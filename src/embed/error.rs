//! What can go wrong between a text and its vector, one variant for each failed step.

use std::io;
use std::path::PathBuf;

/// A failed step of loading a model, embedding, or caching.
#[derive(Debug, thiserror::Error)]
pub enum EmbedError {
    /// The model directory does not exist.
    #[error("no model directory at `{path}`: run scripts/fetch_model or set embed.model")]
    NoModelDirectory {
        /// The directory asked for.
        path: PathBuf,
    },
    /// A file could not be read.
    #[error("cannot read `{path}`: run scripts/fetch_model again, or point embed.model at a complete directory")]
    ReadModelFile {
        /// The file.
        path: PathBuf,
        /// What the system said.
        #[source]
        source: io::Error,
    },
    /// A JSON file of the model does not parse, or a field that the encoder needs is missing.
    #[error("`{path}` is not the JSON that a sentence-transformers model has there")]
    ParseModelFile {
        /// The file.
        path: PathBuf,
        /// Where and why it stopped.
        #[source]
        source: serde_json::Error,
    },
    /// The model is of a kind that Kindred does not compute.
    #[error("`{path}`: {field} is `{found}`, which Kindred cannot run; it runs {accepted}")]
    UnsupportedModel {
        /// The file that says so.
        path: PathBuf,
        /// The field in it.
        field: &'static str,
        /// Its value.
        found: String,
        /// The values that would do.
        accepted: &'static str,
    },
    /// Numbers of the model's configuration contradict each other.
    #[error("`{path}`: {reason}")]
    InconsistentModel {
        /// The file.
        path: PathBuf,
        /// The contradiction.
        reason: String,
    },
    /// `embed.max_tokens` is outside what the model can take.
    #[error("embed.max_tokens is {asked}; this model takes {least} to {most}")]
    MaxTokens {
        /// The setting.
        asked: usize,
        /// Special tokens and one token of text.
        least: usize,
        /// The model's own longest text.
        most: usize,
    },
    /// The tokenizer file does not describe a tokenizer.
    #[error("cannot read the tokenizer `{path}`")]
    ReadTokenizer {
        /// The file.
        path: PathBuf,
        /// The tokenizer library's reason.
        #[source]
        source: Box<dyn std::error::Error + Send + Sync>,
    },
    /// Tokenizer and weights belong to different models.
    #[error(
        "tokenizer of another vocabulary: `{tokenizer}` has {num_tokens} tokens, `{weights}` has {num_rows} embedding rows"
    )]
    Vocabulary {
        /// The tokenizer file.
        tokenizer: PathBuf,
        /// The weights file.
        weights: PathBuf,
        /// Ids that the tokenizer may give: the larger of their count and the greatest id plus one.
        num_tokens: usize,
        /// Rows of the word embedding table.
        num_rows: usize,
    },
    /// The weights file is no safetensors file, or is cut short or damaged.
    #[error("`{path}` is truncated or damaged: run scripts/fetch_model again")]
    ReadWeights {
        /// The file.
        path: PathBuf,
        /// The failed check.
        #[source]
        source: Box<candle_core::Error>,
    },
    /// A tensor that the configuration promises is not in the weights file.
    #[error("`{path}` has no tensor `{name}`, which its config.json asks for")]
    MissingTensor {
        /// The weights file.
        path: PathBuf,
        /// The tensor.
        name: String,
    },
    /// A tensor has another shape than the configuration promises.
    #[error("`{path}`: tensor `{name}` has shape {found:?}, config.json asks for {expected:?}")]
    TensorShape {
        /// The weights file.
        path: PathBuf,
        /// The tensor.
        name: String,
        /// By the configuration.
        expected: Vec<usize>,
        /// In the file.
        found: Vec<usize>,
    },
    /// A weight is NaN or infinite.
    #[error("`{path}`: tensor `{name}` holds a NaN or an infinity: run scripts/fetch_model again")]
    NonFiniteWeight {
        /// The weights file.
        path: PathBuf,
        /// The tensor.
        name: String,
    },
    /// The weights could not be brought to the form, or the device, on which they run.
    #[error("cannot prepare the weights of `{path}` for the forward pass: too little memory?")]
    StartEncoder {
        /// The weights file.
        path: PathBuf,
        /// The tensor operation that failed.
        #[source]
        source: Box<candle_core::Error>,
    },
    /// `embed.threads` is above what is started.
    #[error("embed.threads is {asked}: give 0, which takes every core, or a number up to {most}")]
    TooManyThreads {
        /// The setting.
        asked: usize,
        /// [`MAX_THREADS`](super::MAX_THREADS).
        most: usize,
    },
    /// The worker threads could not be started.
    #[error("cannot start {threads} embedding threads (embed.threads)")]
    StartThreads {
        /// The setting.
        threads: usize,
        /// What the system said.
        #[source]
        source: rayon::ThreadPoolBuildError,
    },
    /// A text could not be tokenized.
    #[error("cannot tokenize text {text}")]
    Tokenize {
        /// Position of the text in the call.
        text: usize,
        /// The tokenizer library's reason.
        #[source]
        source: Box<dyn std::error::Error + Send + Sync>,
    },
    /// The forward pass failed.
    #[error("the encoder failed on a batch of {num_texts} texts")]
    Encode {
        /// Texts in the batch.
        num_texts: usize,
        /// The tensor operation that failed.
        #[source]
        source: Box<candle_core::Error>,
    },
    /// A text's vector has no direction: it holds a NaN or an infinity, or is all zeros.
    #[error(
        "the vector of text {text} is not finite or all zeros: the weights are damaged, run scripts/fetch_model again"
    )]
    NoDirection {
        /// Position of the text in the call.
        text: usize,
    },
    /// The cache file could not be opened, read or written.
    #[error("cannot {action} the embedding cache `{path}`")]
    Cache {
        /// The file or directory.
        path: PathBuf,
        /// What was being done.
        action: &'static str,
        /// What the system said.
        #[source]
        source: io::Error,
    },
    /// Another process has the cache open.
    #[error("the embedding cache `{path}` is in use by another build: wait for it to end")]
    CacheInUse {
        /// The lock file.
        path: PathBuf,
    },
    /// The cache file's header is damaged or of another format, model or dim.
    #[error("`{path}` is not a cache of this model ({reason}): delete it and it will be made again")]
    ForeignCache {
        /// The file.
        path: PathBuf,
        /// What differs.
        reason: &'static str,
    },
    /// A vector offered to the cache is not finite or has another dim.
    #[error("a vector of {found} numbers does not fit a cache of {expected} finite ones")]
    CacheVector {
        /// The cache's dim.
        expected: usize,
        /// The vector's.
        found: usize,
    },
    /// Embedder and cache belong to different models.
    #[error("the cache `{path}` holds vectors of another model than the one loaded")]
    CacheOfAnotherModel {
        /// The cache file.
        path: PathBuf,
    },
    /// A file of a published model differs from what was published.
    #[error(
        "`{path}` is damaged: it is not the file of the published model {model}; run scripts/fetch_model, or give the folder of a \
         model of your own another name"
    )]
    NotAsPublished {
        /// The file.
        path: PathBuf,
        /// The published model.
        model: String,
    },
    /// Candle's own operators were asked for in a precision that they do not compute in.
    #[error(
        "Candle's own operators compute in f32 alone, embed.precision is {precision}: add --set embed.precision=f32"
    )]
    PlainPrecision {
        /// The setting.
        precision: &'static str,
    },
    /// A measurement was asked for without a text.
    #[error("there is no text to measure with: give at least one")]
    NothingToMeasure,
    /// Neighbours were asked for with fewer than two different texts.
    #[error("neighbours need at least two different texts, here are {num_texts}")]
    NoNeighbors {
        /// Different texts given.
        num_texts: usize,
    },
    /// The file of texts to measure with could not be read.
    #[error("cannot read the texts `{path}`")]
    ReadTexts {
        /// The file.
        path: PathBuf,
        /// What the system said.
        #[source]
        source: io::Error,
    },
    /// The file of texts to measure with is not UTF-8.
    #[error("`{path}` line {line} is not UTF-8: save the file as UTF-8")]
    TextsNotUtf8 {
        /// The file.
        path: PathBuf,
        /// 1-based line of the first byte that is not.
        line: usize,
        /// Which byte of the file it is.
        #[source]
        source: std::str::Utf8Error,
    },
    /// The file of texts to measure with holds none.
    #[error("`{path}` holds no text: give a file with one text a line")]
    NoTexts {
        /// The file.
        path: PathBuf,
    },
    /// The file of reference vectors could not be read.
    #[error("cannot read the reference vectors `{path}`")]
    ReadReference {
        /// The file.
        path: PathBuf,
        /// What the system said.
        #[source]
        source: io::Error,
    },
    /// A line of the reference file is not `{"text": …, "embedding": […]}` of the model's dim.
    #[error("`{path}` line {line}: {reason}")]
    ReferenceLine {
        /// The file.
        path: PathBuf,
        /// 1-based line; 0 when the file has none.
        line: usize,
        /// What is wrong with it.
        reason: String,
    },
    /// What a map of complements should be learned from, or was, has no sense in it.
    #[error("no map of complements can be learned: {reason}")]
    MapExamples {
        /// What is wrong.
        reason: &'static str,
    },
    /// A step of learning the map of complements failed.
    #[error("a step of learning the map of complements failed")]
    TrainMap {
        /// What the tensor library said.
        #[source]
        source: Box<dyn std::error::Error + Send + Sync>,
    },
}
