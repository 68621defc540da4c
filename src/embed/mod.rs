//! Text to vectors: reads a BERT-family sentence-transformers directory, tokenizes, runs the encoder on Candle tensors, pools,
//! and normalises to length 1. Nothing here knows what a product is: the text template is `catalog`'s, and it never reaches
//! for the network.
//!
//! | file | subject |
//! |---|---|
//! | `model_dir` | what the directory's JSON files say: shape of the encoder, pooling, longest text |
//! | `weights` | `model.safetensors`, checked and brought to f32 |
//! | `published` | the files of published models, by their hash |
//! | `text_tokens` | text to token ids |
//! | `encoder` | the seam: token rows in, pooled vectors out |
//! | `cpu` | that seam on the processor's widest instructions: what every model runs on |
//! | `bert` | that seam on Candle's own operators, for a GPU and as the tests' independent answer |
//! | `plain` | the same on the processor, one thread a batch, to measure `cpu` against |
//! | `batches` | which texts share a batch |
//! | `embedder` | [`Embedder`]: joins the above, over threads |
//! | `vectors` | [`Embeddings`], length-1 rows |
//! | `cache` | [`EmbeddingCache`], the file of vectors made before |
//! | `cached` | [`embed_with_cache`]: embeds only what the cache lacks |
//! | `complement` | [`ComplementMap`], [`train_map`]: from a product's vector to where what goes with it lies |
//! | `precision` | [`Precision`]: f32 or bytes |
//! | `processor_tests` | how near the vectors of different processors are |
//! | `stages` | where the time goes |
//! | `text_file` | [`read_texts`]: the texts that are measured with |
//! | `bench` | [`bench()`]: measures all of it on a file of texts |
//! | `overlap` | [`compare_precisions`]: the nearest neighbours that f32 and bytes agree on |
//! | `parity` | [`check_parity`] against another implementation's vectors |
//! | `error` | [`EmbedError`] |
//!
//! ```no_run
//! use kindred::embed::{EmbedConfig, Embedder};
//!
//! # fn main() -> Result<(), kindred::embed::EmbedError> {
//! let embedder = Embedder::load(&EmbedConfig::default())?;
//! let rows = embedder.embed(&["red retrospot bag", "phone case"], &|_done| {})?;
//! assert_eq!((rows.len(), rows.row(0).len()), (2, embedder.dim()));
//! # Ok(())
//! # }
//! ```

mod batches;
mod bench;
mod bert;
mod cache;
mod cached;
mod complement;
mod cpu;
mod embedder;
mod encoder;
mod error;
mod model_dir;
mod overlap;
mod parity;
mod plain;
mod precision;
#[cfg(test)]
mod processor_tests;
mod published;
mod stages;
mod text_file;
mod text_tokens;
mod vectors;
mod weights;

use std::path::PathBuf;

use serde::{Deserialize, Serialize};

pub use bench::{EmbedReport, SingleTextReport, StageShare, bench};
pub use cache::EmbeddingCache;
pub use cached::{EmbedCounts, EmbedProgress, embed_with_cache};
pub use complement::{ComplementMap, MapExamples, MapPair, MapTraining, train_map};
pub use embedder::Embedder;
pub use error::EmbedError;
pub use overlap::{NeighborOverlap, compare_precisions};
pub use parity::{Parity, check_parity};
pub use precision::Precision;
pub use stages::Stage;
pub use text_file::read_texts;
pub use text_tokens::MAX_BYTES_PER_TOKEN;
pub use vectors::Embeddings;

/// Most threads that embed at the same time: more than any machine has cores, and few enough to start at once.
pub const MAX_THREADS: usize = 1024;

/// Which model embeds, and how much of the machine it may use.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct EmbedConfig {
    /// A sentence-transformers directory of the BERT family.
    pub model: PathBuf,
    /// How exactly the forward pass computes.
    pub precision: Precision,
    /// About how many tokens a batch holds; it always holds at least one text.
    pub batch_tokens: usize,
    /// Threads that embed at the same time, at most [`MAX_THREADS`]; 0 takes every core.
    pub threads: usize,
    /// Cuts texts shorter than the model's own longest text; unset keeps the model's.
    pub max_tokens: Option<usize>,
}

impl Default for EmbedConfig {
    fn default() -> Self {
        Self {
            model: PathBuf::from("models/all-MiniLM-L6-v2"),
            precision: Precision::F32,
            batch_tokens: 2048,
            threads: 0,
            max_tokens: None,
        }
    }
}
