//! Embedding through the cache: only texts never seen by this model reach it.

use std::collections::HashMap;
use std::collections::hash_map::Entry;

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
/// and after every batch. The rows returned are the one copy of the vectors in memory: `4 · dim` bytes a text.
///
/// Returns an error if `cache` is of another model, embedding fails, or the cache cannot be read or written.
pub fn embed_with_cache(
    embedder: &Embedder,
    cache: &mut EmbeddingCache,
    texts: &[&str],
    progress: &(dyn Fn(EmbedProgress) + Sync),
) -> Result<(Embeddings, EmbedCounts), EmbedError> {
    if !cache.is_of(embedder.fingerprint(), embedder.dim()) {
        return Err(EmbedError::CacheOfAnotherModel { path: cache.path().to_owned() });
    }
    let mut embeddings = Embeddings::zeros(texts.len(), embedder.dim());
    let (different, repeated) = first_rows(texts);
    let mut missing = Vec::new();
    for &row in &different {
        match cache.get(texts[row])? {
            Some(vector) => embeddings.set_row(row, &vector),
            None => missing.push(row),
        }
    }
    embed_missing(embedder, cache, Missing { texts, rows: &missing, embeddings: &mut embeddings }, progress)?;
    repeated.iter().for_each(|&(first, row)| embeddings.copy_row(first, row));
    let (embedded, repeated) = (missing.len(), repeated.len());
    Ok((embeddings, EmbedCounts { embedded, reused: different.len() - embedded, repeated }))
}

/// The rows of different texts, and of each row whose text stood before, that row and its own.
fn first_rows(texts: &[&str]) -> (Vec<usize>, Vec<(usize, usize)>) {
    let mut first_of = HashMap::with_capacity(texts.len());
    let (mut different, mut repeated) = (Vec::new(), Vec::new());
    for (row, text) in texts.iter().enumerate() {
        match first_of.entry(*text) {
            Entry::Occupied(first) => repeated.push((*first.get(), row)),
            Entry::Vacant(vacant) => {
                vacant.insert(row);
                different.push(row);
            }
        }
    }
    (different, repeated)
}

/// What the cache lacks, and where it goes.
struct Missing<'a> {
    texts: &'a [&'a str],
    /// Rows of `texts` and of `embeddings`.
    rows: &'a [usize],
    embeddings: &'a mut Embeddings,
}

fn embed_missing(
    embedder: &Embedder,
    cache: &mut EmbeddingCache,
    missing: Missing<'_>,
    progress: &(dyn Fn(EmbedProgress) + Sync),
) -> Result<(), EmbedError> {
    let Missing { texts, rows, embeddings } = missing;
    let mut at = EmbedProgress { embedded: 0, to_embed: rows.len() };
    progress(at);
    let to_embed: Vec<&str> = rows.iter().map(|&row| texts[row]).collect();
    embedder.embed_batches(&to_embed, &mut |batch: FinishedBatch<'_>| {
        for (&row, vector) in rows[batch.texts.clone()].iter().zip(batch.vectors.chunks_exact(embedder.dim())) {
            cache.insert(texts[row], vector)?;
            embeddings.set_row(row, vector);
        }
        at.embedded += batch.texts.len();
        progress(at);
        Ok(())
    })?;
    if rows.is_empty() { Ok(()) } else { cache.sync() }
}
