//! `manifest.json`, written last into a generation: what it holds, from what it was made, and the hash of every file.
//!
//! The manifest guards itself too: `checksum` is the BLAKE3 of the file's bytes with the checksum's digits taken as zeros,
//! so one flipped bit anywhere in a generation is found.

use std::collections::BTreeMap;
use std::fs;
use std::path::Path;

use serde::{Deserialize, Serialize};

use super::error::IndexError;
use super::section::FileDigest;

/// Name of the manifest in a generation's folder.
pub const MANIFEST_FILE: &str = "manifest.json";
/// Version of the generation directory: its files and this manifest.
pub const FORMAT_VERSION: u32 = 1;
const CHECKSUM_DIGITS: usize = 64;

/// What a generation holds and how it was made.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Manifest {
    /// Version of the layout of the folder and its files.
    pub format_version: u32,
    /// Version of the program that wrote it.
    pub kindred_version: String,
    /// The catalog's name.
    pub catalog: String,
    /// The generation's name, `gen-000042`.
    pub generation: String,
    /// The generation that was in use when this one was built.
    pub parent: Option<String>,
    /// When the build ended, RFC 3339.
    pub created_at: jiff::Timestamp,
    /// The feed it was built from.
    pub feed: String,
    /// Which model and which text made the vectors.
    pub model: ModelRecord,
    /// Numbers of things.
    pub counts: Counts,
    /// How the build went.
    pub build: BuildFigures,
    /// Up to where live changes are settled in it; none where the catalog had no log of them.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub live: Option<LiveMark>,
    /// Length and hash of every other file of the folder.
    pub files: BTreeMap<String, FileDigest>,
    /// BLAKE3 of this file with these digits as zeros, hex.
    pub checksum: String,
}

/// A place in a log of live changes.
///
/// The log's own name stands in it, because a log that was moved away is followed by one that counts from the start again.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct LiveMark {
    /// The log's name.
    pub log: String,
    /// Number of the last change that the build folded in or found superseded; later ones are applied when the generation is opened.
    pub seq: u64,
}

/// Which model and which text made the vectors.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct ModelRecord {
    /// The model's name.
    pub name: String,
    /// BLAKE3 over weights, tokenizer, precision and settings, hex.
    pub fingerprint: String,
    /// How exactly it computed: `f32` or `fast`.
    pub precision: String,
    /// The text template, in its canonical form.
    pub text: String,
    /// Dimensions of a vector.
    pub dim: usize,
}

/// Numbers of things in a generation.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Counts {
    /// Products, one row each.
    pub products: usize,
    /// Families; a product without variants is its own.
    pub families: usize,
    /// Feed records that were refused.
    pub rejects: usize,
}

/// How a build went.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct BuildFigures {
    /// Distinct texts that went through the model.
    pub embedded: usize,
    /// Distinct texts whose vector came from the cache.
    pub reused: usize,
    /// Share of the exact ten nearest that the graph finds, over `recall_queries` products of the catalog.
    pub recall_at_10: f64,
    /// How many products were asked for `recall_at_10`.
    pub recall_queries: usize,
    /// `m` of the HNSW paper.
    pub m: usize,
    /// `ef_construction` of the HNSW paper.
    pub ef_construction: usize,
    /// `ef_search` at which recall was measured and which searches use.
    pub ef_search: usize,
    /// Seed of the insertion order.
    pub seed: u64,
    /// Wall time of the whole build.
    pub took_ms: u64,
}

/// Writes `manifest` with its checksum to `dir` and returns the checksum.
///
/// Returns an error if the file cannot be written.
pub fn write(dir: &Path, manifest: &Manifest) -> Result<String, IndexError> {
    let path = dir.join(MANIFEST_FILE);
    let failed = |source| IndexError::Write { path: path.clone(), source };
    let zeros = "0".repeat(CHECKSUM_DIGITS);
    let zeroed = Manifest { checksum: zeros.clone(), ..manifest.clone() };
    let mut text = serde_json::to_string_pretty(&zeroed).map_err(|e| failed(std::io::Error::other(e)))?;
    text.push('\n');
    let checksum = blake3::hash(text.as_bytes()).to_hex().to_string();
    // The checksum is the last field, so the last run of zeros is its place.
    if let Some(at) = text.rfind(&zeros) {
        text.replace_range(at..at + CHECKSUM_DIGITS, &checksum);
    }
    super::disk::write_file(&path, text.as_bytes())?;
    Ok(checksum)
}

/// Reads the manifest of the generation in `dir` and checks it against its own checksum.
///
/// Returns an error if the file is missing, damaged, or of another version.
pub fn read(dir: &Path) -> Result<Manifest, IndexError> {
    let path = dir.join(MANIFEST_FILE);
    let damaged = |reason: String| IndexError::Damaged { path: path.clone(), reason };
    let bytes = fs::read(&path).map_err(|source| IndexError::Read { path: path.clone(), source })?;
    let text = String::from_utf8(bytes).map_err(|_| damaged("it is no UTF-8".into()))?;
    #[derive(Deserialize)]
    struct Version {
        format_version: u32,
    }
    if !is_whole(&text) {
        return Err(damaged("it does not match its checksum".into()));
    }
    let Version { format_version: found } = serde_json::from_str(&text).map_err(|e| damaged(e.to_string()))?;
    if found != FORMAT_VERSION {
        return Err(IndexError::FormatVersion { path, found, expected: FORMAT_VERSION });
    }
    serde_json::from_str(&text).map_err(|e| damaged(e.to_string()))
}

/// Whether the text matches the checksum that is its last field.
fn is_whole(text: &str) -> bool {
    const KEY: &str = "\"checksum\": \"";
    let Some(at) = text.rfind(KEY).map(|at| at + KEY.len()) else { return false };
    let (Some(digits), Some(rest)) = (text.get(at..at + CHECKSUM_DIGITS), text.get(at + CHECKSUM_DIGITS..)) else {
        return false;
    };
    let zeroed = [&text[..at], &"0".repeat(CHECKSUM_DIGITS), rest].concat();
    blake3::hash(zeroed.as_bytes()).to_hex().as_str() == digits
}
