//! From a feed to a published generation: read, embed what is new, build, measure, publish.
//!
//! The one place that joins `catalog`, `embed` and `index` for a build; it holds the catalog's lock from the first byte read to
//! the last rename, and whatever fails leaves the generation in use as it was.

mod error;

use std::path::Path;
use std::time::Instant;

use crate::catalog::{CatalogConfig, Feed, FeedProgress, Product, read_feed_at, write_rejects};
use crate::embed::{EmbedCounts, EmbedProgress, Embedder, EmbeddingCache, Embeddings, embed_with_cache};
use crate::index::{CatalogDir, CatalogLock, GenerationInput, IndexConfig, Manifest, ModelRecord, write_generation};

pub use error::BuildError;

/// The cache forgets texts that no product has once it holds this many times the texts of the catalog.
const CACHE_SLACK: usize = 3;

/// How far a build is.
#[derive(Debug, Clone)]
pub enum BuildStep {
    /// Records of the feed are read.
    Reading(FeedProgress),
    /// Texts go through the model.
    Embedding(EmbedProgress),
    /// Rows are linked into the graph.
    Linking {
        /// Rows linked so far.
        linked: usize,
        /// Rows in all.
        total: usize,
    },
}

/// A finished build.
#[derive(Debug, Clone)]
pub struct Built {
    /// The new generation's manifest.
    pub manifest: Manifest,
    /// Records read from the feed, refused ones included.
    pub num_records: u64,
    /// Products whose text equals another product's.
    pub num_repeated_texts: usize,
}

/// What a build works with.
pub struct Build<'a> {
    /// The catalog's folder.
    pub dir: &'a CatalogDir,
    /// How its feed is read and what is embedded of a product.
    pub catalog: &'a CatalogConfig,
    /// How the graph is built.
    pub index: &'a IndexConfig,
    /// The model.
    pub embedder: &'a Embedder,
}

impl Build<'_> {
    /// Reads `feed`, builds a generation from it, and puts it in use.
    ///
    /// Texts that the catalog's cache holds are not embedded again. `progress` is called often, from several threads. Returns an
    /// error if another build runs, the feed or the model cannot be used, too many records are refused, the disk is full, or the
    /// new graph's recall is below its floor; the generation in use is then unchanged and the next build works.
    pub fn run(&self, feed: &Path, progress: &(dyn Fn(BuildStep) + Sync)) -> Result<Built, BuildError> {
        let started = Instant::now();
        let lock = self.dir.lock()?;
        let read = self.read(feed, progress)?;
        let (embeddings, counts) = self.embed(&read.products, progress)?;
        let manifest = self.write(&lock, feed, &read, (&embeddings, counts), started, progress)?;
        Ok(Built { manifest, num_records: read.num_rows, num_repeated_texts: counts.repeated })
    }

    fn read(&self, feed: &Path, progress: &(dyn Fn(BuildStep) + Sync)) -> Result<Feed, BuildError> {
        let read =
            read_feed_at(feed, self.catalog, jiff::Timestamp::now(), &mut |at| progress(BuildStep::Reading(at)))?;
        let rejects = self.dir.rejects_path();
        write_rejects(&rejects, &read.rejects)?;
        read.check_reject_share(self.catalog.max_reject_share)
            .map_err(|source| BuildError::Rejected { rejects, source })?;
        if read.products.is_empty() {
            return Err(BuildError::NoProducts(feed.to_owned()));
        }
        Ok(read)
    }

    fn embed(
        &self,
        products: &[Product],
        progress: &(dyn Fn(BuildStep) + Sync),
    ) -> Result<(Embeddings, EmbedCounts), BuildError> {
        let texts: Vec<String> = products.iter().map(|product| self.catalog.text.render(product)).collect();
        let texts: Vec<&str> = texts.iter().map(String::as_str).collect();
        let mut cache = EmbeddingCache::open(&self.dir.cache_dir(), self.embedder.fingerprint(), self.embedder.dim())?;
        let embedded = embed_with_cache(self.embedder, &mut cache, &texts, &|at| progress(BuildStep::Embedding(at)))?;
        if cache.len() > CACHE_SLACK * texts.len() {
            cache.retain(texts.iter().copied())?;
        }
        Ok(embedded)
    }

    fn write(
        &self,
        lock: &CatalogLock,
        feed: &Path,
        read: &Feed,
        (embeddings, counts): (&Embeddings, EmbedCounts),
        started: Instant,
        progress: &(dyn Fn(BuildStep) + Sync),
    ) -> Result<Manifest, BuildError> {
        let (building, generation) = self.dir.start_build(lock)?;
        let embedder = self.embedder;
        let text = self.catalog.text.fingerprint_text();
        let input = GenerationInput {
            catalog: self.dir.catalog(),
            generation: &generation,
            parent: self.dir.current_if_readable(),
            feed: &feed.to_string_lossy(),
            products: &read.products,
            vectors: embeddings.as_slice(),
            model: ModelRecord {
                name: embedder.name().to_owned(),
                fingerprint: embedder.fingerprint().to_owned(),
                precision: embedder.precision().name().to_owned(),
                text,
                dim: embedder.dim(),
            },
            live: None,
            num_rejects: read.rejects.len(),
            num_embedded: counts.embedded,
            num_reused: counts.reused,
            started,
            now: jiff::Timestamp::now(),
        };
        let total = read.products.len();
        let manifest = write_generation(&building, &input, self.index, &mut |linked| {
            progress(BuildStep::Linking { linked, total });
        })?;
        self.dir.publish(lock, &building, &manifest)?;
        Ok(manifest)
    }
}
