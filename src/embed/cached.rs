//! Embedding through the cache: only texts never seen by this model reach it.

use std::collections::HashSet;

use super::cache::EmbeddingCache;
use super::embedder::{Embedder, FinishedBatch};
use super::error::EmbedError;
use super::vectors::Embeddings;

/// How far [`embed_with_cache`] is. All counts are of different texts.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct EmbedProgress {
    /// Texts embedded so far.
    pub embedded: usize,
    /// Texts that the cache lacked.
    pub to_embed: usize,
}

/// Where the vectors of an [`embed_with_cache`] call came from; the three add up to the number of texts.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct EmbedCounts {
    /// Different texts that the model embedded.
    pub embedded: usize,
    /// Different texts that the cache held.
    pub reused: usize,
    /// Texts equal to an earlier one of the same call.
    pub repeated: usize,
}

/// Embeds `texts` as [`Embedder::embed`] does, taking from `cache` what it holds and adding the rest to it batch by batch, so
/// that a build killed halfway keeps its work. Equal texts are embedded once. `progress` is called once before the first batch
/// and after every batch.
///
/// Returns an error if `cache` is of another model, embedding fails, or the cache cannot be written.
pub fn embed_with_cache(
    embedder: &Embedder,
    cache: &mut EmbeddingCache,
    texts: &[&str],
    progress: &(dyn Fn(EmbedProgress) + Sync),
) -> Result<(Embeddings, EmbedCounts), EmbedError> {
    if !cache.is_of(embedder.fingerprint(), embedder.dim()) {
        return Err(EmbedError::CacheOfAnotherModel { path: cache.path().to_owned() });
    }
    let mut seen = HashSet::with_capacity(texts.len());
    let different: Vec<&str> = texts.iter().copied().filter(|text| seen.insert(*text)).collect();
    let missing: Vec<&str> = different.iter().copied().filter(|text| cache.get(text).is_none()).collect();
    embed_missing(embedder, cache, &missing, progress)?;
    let mut embeddings = Embeddings::zeros(texts.len(), embedder.dim());
    for (row, text) in texts.iter().enumerate() {
        // Present: it was there before, or was just inserted.
        if let Some(vector) = cache.get(text) {
            embeddings.set_row(row, vector);
        }
    }
    let (embedded, repeated) = (missing.len(), texts.len() - different.len());
    Ok((embeddings, EmbedCounts { embedded, reused: different.len() - embedded, repeated }))
}

fn embed_missing(
    embedder: &Embedder,
    cache: &mut EmbeddingCache,
    missing: &[&str],
    progress: &(dyn Fn(EmbedProgress) + Sync),
) -> Result<(), EmbedError> {
    let mut at = EmbedProgress { embedded: 0, to_embed: missing.len() };
    progress(at);
    embedder.embed_batches(missing, &mut |batch: FinishedBatch<'_>| {
        for (text, vector) in batch.texts.clone().zip(batch.vectors.chunks_exact(embedder.dim())) {
            cache.insert(missing[text], vector)?;
        }
        at.embedded += batch.texts.len();
        progress(at);
        Ok(())
    })?;
    if missing.is_empty() { Ok(()) } else { cache.sync() }
}
