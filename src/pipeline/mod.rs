//! From a feed to a published generation: read, fold live changes in, embed what is new, build, learn from events, measure, publish; and
//! the way back, one shopper taken out of events and generations.
//!
//! The one place that joins `catalog`, `live`, `embed`, `index`, `events` and `behavior` for what changes a catalog's folder; it holds the
//! catalog's lock from the first byte read to the last rename, and a build that fails leaves the generation in use as it was.
//!
//! | file | subject |
//! |---|---|
//! | `behavior` | what a build learns from events |
//! | `erase` | [`erase_shopper`] |
//! | `error` | [`BuildError`] |

mod behavior;
mod erase;
mod error;

use std::path::Path;
use std::time::Instant;

use crate::behavior::{BehaviorConfig, LearnedCounts};
use crate::catalog::{CatalogConfig, Feed, FeedProgress, Product, read_feed_at, write_rejects};
use crate::embed::{EmbedCounts, EmbedProgress, Embedder, EmbeddingCache, Embeddings, embed_with_cache};
use crate::events::History;
use crate::index::{
    CatalogDir, CatalogLock, GenerationInput, IndexConfig, Listed, Manifest, ModelRecord, write_generation_with,
};
use crate::live::{ChangeLog, FoldChanges, Folded, fold};

pub use erase::{EraseError, Erasure, GenerationDone, GenerationErasure, erase_shopper};
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
    /// Tables are learned from events.
    Learning {
        /// Events in all.
        events: usize,
    },
    /// The map of complements is learned from orders.
    Mapping {
        /// Steps done.
        step: usize,
        /// Steps in all.
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
    /// What became of the live changes.
    pub live: Folded,
    /// From how much of the shop's events was learned.
    pub learned: LearnedCounts,
}

/// What a build works with.
pub struct Build<'a> {
    /// The catalog's folder.
    pub dir: &'a CatalogDir,
    /// How its feed is read and what is embedded of a product.
    pub catalog: &'a CatalogConfig,
    /// How the graph is built.
    pub index: &'a IndexConfig,
    /// Which live changes are folded in.
    pub live: FoldChanges,
    /// What is learned from events.
    pub behavior: &'a BehaviorConfig,
    /// Reads the shop's events, once; an empty history where there are none.
    pub history: &'a (dyn Fn() -> Result<History, BuildError> + Sync),
    /// The model.
    pub embedder: &'a Embedder,
}

/// What a generation is made from.
struct Source<'a> {
    feed: &'a Path,
    /// The feed, its products with the changes folded in.
    read: Feed,
    live: Folded,
}

impl Build<'_> {
    /// Reads `feed`, builds a generation from it, and puts it in use.
    ///
    /// Live changes made until now are settled in it, those made during the build are applied when it is opened. Texts that the
    /// catalog's cache holds are not embedded again. `progress` is called often, from several threads. Returns an
    /// error if another build runs, the feed or the model cannot be used, too many records are refused, the disk is full, or the
    /// new graph's recall is below its floor; the generation in use is then unchanged and the next build works.
    pub fn run(&self, feed: &Path, progress: &(dyn Fn(BuildStep) + Sync)) -> Result<Built, BuildError> {
        let started = Instant::now();
        let lock = self.dir.lock()?;
        let mut log = ChangeLog::open_existing(&self.dir.live_path())?;
        let first_ms = self.live.first_ms(written_ms(feed));
        let source = self.source(feed, log.as_mut(), first_ms, progress)?;
        let (embeddings, counts) = self.embed(&source.read.products, progress)?;
        let (manifest, learned) = self.write(&lock, &source, (&embeddings, counts), started, progress)?;
        if let Some(log) = &mut log {
            self.purge(log, first_ms);
        }
        let (num_records, num_repeated_texts) = (source.read.num_rows, counts.repeated);
        Ok(Built { manifest, num_records, num_repeated_texts, live: source.live, learned })
    }

    /// The feed's products with the changes of `log` that were made at or after `first_ms`.
    fn source<'f>(
        &self,
        feed: &'f Path,
        log: Option<&mut ChangeLog>,
        first_ms: i64,
        progress: &(dyn Fn(BuildStep) + Sync),
    ) -> Result<Source<'f>, BuildError> {
        // Before the first byte of the feed: what comes later is applied on top of the new generation.
        let last = log.as_deref().map_or(Ok(0), ChangeLog::last_seq)?;
        let mut read = self.read(feed, progress)?;
        let live = log.map(|log| fold(log, last, first_ms, &mut read.products)).transpose()?.unwrap_or_default();
        if read.products.is_empty() {
            return Err(BuildError::NoProducts(feed.to_owned()));
        }
        Ok(Source { feed, read, live })
    }

    fn read(&self, feed: &Path, progress: &(dyn Fn(BuildStep) + Sync)) -> Result<Feed, BuildError> {
        let read =
            read_feed_at(feed, self.catalog, jiff::Timestamp::now(), &mut |at| progress(BuildStep::Reading(at)))?;
        let rejects = self.dir.rejects_path();
        write_rejects(&rejects, &read.rejects)?;
        read.check_reject_share(self.catalog.max_reject_share)
            .map_err(|source| BuildError::Rejected { rejects, source })?;
        Ok(read)
    }

    /// Forgets the changes that every generation on disk has and that no build from this feed or a younger one could fold in. What
    /// fails costs disk space alone, and the next build tries again.
    fn purge(&self, log: &mut ChangeLog, first_ms: i64) {
        let settled = |listed: &Listed| {
            let mark = listed.manifest.as_ref().ok().and_then(|manifest| manifest.live.as_ref());
            mark.filter(|mark| mark.log == log.name()).map_or(0, |mark| mark.seq)
        };
        let settled = self.dir.list().map_or(0, |listed| listed.iter().map(settled).min().unwrap_or(0));
        if let Err(error) = log.purge(settled, first_ms) {
            tracing::warn!("old live changes are kept: {error}");
        }
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
        Source { feed, read, live }: &Source<'_>,
        (embeddings, counts): (&Embeddings, EmbedCounts),
        started: Instant,
        progress: &(dyn Fn(BuildStep) + Sync),
    ) -> Result<(Manifest, LearnedCounts), BuildError> {
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
            live: live.mark.clone(),
            num_rejects: read.rejects.len(),
            num_embedded: counts.embedded,
            num_reused: counts.reused,
            started,
            now: jiff::Timestamp::now(),
        };
        let total = 2 * read.products.len();
        let history = (self.history)()?;
        let mut learned = LearnedCounts::default();
        let linking = &mut |linked| progress(BuildStep::Linking { linked, total });
        let manifest = write_generation_with(&building, &input, self.index, linking, |rows| {
            progress(BuildStep::Learning { events: history.num_interactions() });
            let files;
            let mapping = &mut |step, total| progress(BuildStep::Mapping { step, total });
            let settings = (self.behavior, self.index);
            (files, learned) = behavior::write(rows, &read.products, history, settings, mapping)?;
            Ok::<_, BuildError>(files)
        })?;
        self.dir.publish(lock, &building, &manifest)?;
        Ok((manifest, learned))
    }
}

/// When the feed was written, in milliseconds since 1970; now where the system cannot say, or says that it is yet to come.
fn written_ms(feed: &Path) -> i64 {
    let now = jiff::Timestamp::now();
    let written = std::fs::metadata(feed).and_then(|metadata| metadata.modified()).ok();
    let written = written.and_then(|written| jiff::Timestamp::try_from(written).ok());
    written.map_or(now, |written| written.min(now)).as_millisecond()
}
