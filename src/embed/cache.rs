//! The embedding cache: vectors made before, by text, so that a rebuild embeds only what changed.
//!
//! One append-only file a model, `<fingerprint>.vectors`, beside a `.lock` file that one process holds at a time. All numbers
//! are little-endian.
//!
//! | header bytes | content |
//! |---|---|
//! | 0..8 | `KNDVECS1` |
//! | 8..12 | dim, u32 |
//! | 12..44 | BLAKE3 of the model's fingerprint |
//! | 44..52 | first 8 bytes of the BLAKE3 of bytes 0..44 |
//!
//! Then records of equal width: the key (BLAKE3 of model and text, 32 bytes), `dim` f32, and the first 8 bytes of the BLAKE3
//! of what stands before it in the record. A torn last record (a crash) is cut off at opening; a record whose check fails is
//! skipped, so its text is embedded again. Wrong numbers are never served. [`EmbeddingCache::retain`] rewrites the file beside
//! itself and renames it into place.

use std::collections::HashMap;
use std::fs::{self, File, OpenOptions, TryLockError};
use std::io::{self, BufReader, BufWriter, Read, Write};
use std::path::{Path, PathBuf};

use super::error::EmbedError;

const MAGIC: &[u8; 8] = b"KNDVECS1";
const HEADER_BYTES: usize = 52;
const KEY_BYTES: usize = 32;
const CHECK_BYTES: usize = 8;

type Key = [u8; KEY_BYTES];

/// The open cache of one model. Holds its vectors in memory and its lock until dropped.
#[derive(Debug)]
pub struct EmbeddingCache {
    path: PathBuf,
    file: File,
    /// Length of the file up to the last whole record.
    file_bytes: u64,
    model: [u8; 32],
    dim: usize,
    rows: HashMap<Key, usize>,
    vectors: Vec<f32>,
    _lock: File,
}

impl EmbeddingCache {
    /// Opens, or makes, the cache of the model with this fingerprint in `dir`, which is made if missing.
    ///
    /// Returns an error if `dir` cannot be written, another process has this cache open, or the file there has a header of
    /// another model, dim or format.
    pub fn open(dir: &Path, embedder_fingerprint: &str, dim: usize) -> Result<Self, EmbedError> {
        fs::create_dir_all(dir).map_err(|source| failed(dir, "make the directory of", source))?;
        let model = *blake3::hash(embedder_fingerprint.as_bytes()).as_bytes();
        let stem = file_stem(embedder_fingerprint, &model);
        let lock = lock(&dir.join(format!("{stem}.lock")))?;
        let path = dir.join(format!("{stem}.vectors"));
        let file = OpenOptions::new().read(true).append(true).create(true).open(&path);
        let file = file.map_err(|source| failed(&path, "open", source))?;
        let (rows, vectors) = (HashMap::new(), Vec::new());
        let mut cache = Self { path, file, file_bytes: 0, model, dim, rows, vectors, _lock: lock };
        cache.read_file()?;
        Ok(cache)
    }

    /// The vector of `text`, if the cache has one.
    pub fn get(&self, text: &str) -> Option<&[f32]> {
        self.rows.get(&self.key(text)).map(|&row| self.row(row))
    }

    /// Appends the vector of `text`; a text that is already in stays as it is. The record survives the end of the process at
    /// once, and a power cut after [`EmbeddingCache::sync`].
    ///
    /// Returns an error if `vector` is not of the cache's dim or not finite, or if the file cannot be written; then the file
    /// still ends with a whole record.
    pub fn insert(&mut self, text: &str, vector: &[f32]) -> Result<(), EmbedError> {
        if vector.len() != self.dim || vector.iter().any(|x| !x.is_finite()) {
            return Err(EmbedError::CacheVector { expected: self.dim, found: vector.len() });
        }
        let key = self.key(text);
        if self.rows.contains_key(&key) {
            return Ok(());
        }
        self.append(&encode_record(&key, vector))?;
        self.add(key, vector.iter().copied());
        Ok(())
    }

    /// Waits until all records are on the disk. Returns an error if the system cannot say so.
    pub fn sync(&mut self) -> Result<(), EmbedError> {
        self.file.sync_all().map_err(|source| failed(&self.path, "sync", source))
    }

    /// Drops every vector but those of `texts`, and the skipped records, from memory and disk. Returns how many
    /// texts were dropped.
    ///
    /// Returns an error if the new file cannot be written; then the old one stays in use.
    pub fn retain<'a>(&mut self, texts: impl IntoIterator<Item = &'a str>) -> Result<usize, EmbedError> {
        let mut kept: Vec<(usize, Key)> = texts.into_iter().filter_map(|text| self.entry(text)).collect();
        kept.sort_unstable();
        kept.dedup();
        let num_dropped = self.rows.len() - kept.len();
        let scratch = self.path.with_extension("vectors.new");
        self.write_copy(&scratch, &kept).map_err(|source| failed(&scratch, "write", source))?;
        fs::rename(&scratch, &self.path).map_err(|source| failed(&self.path, "replace", source))?;
        sync_parent(&self.path).map_err(|source| failed(&self.path, "replace", source))?;
        let file = OpenOptions::new().read(true).append(true).open(&self.path);
        self.file = file.map_err(|source| failed(&self.path, "open", source))?;
        self.read_file()?;
        Ok(num_dropped)
    }

    /// Number of texts in the cache.
    pub fn len(&self) -> usize {
        self.rows.len()
    }

    /// Whether the cache holds no text.
    pub fn is_empty(&self) -> bool {
        self.rows.is_empty()
    }

    /// Numbers in a vector.
    pub fn dim(&self) -> usize {
        self.dim
    }

    /// The file of vectors.
    pub fn path(&self) -> &Path {
        &self.path
    }

    /// Whether this is the cache of the model with this fingerprint and dim.
    pub(super) fn is_of(&self, embedder_fingerprint: &str, dim: usize) -> bool {
        self.model == *blake3::hash(embedder_fingerprint.as_bytes()).as_bytes() && self.dim == dim
    }

    fn key(&self, text: &str) -> Key {
        *blake3::keyed_hash(&self.model, text.as_bytes()).as_bytes()
    }

    fn entry(&self, text: &str) -> Option<(usize, Key)> {
        let key = self.key(text);
        self.rows.get(&key).map(|&row| (row, key))
    }

    fn row(&self, row: usize) -> &[f32] {
        &self.vectors[row * self.dim..][..self.dim]
    }

    fn add(&mut self, key: Key, vector: impl Iterator<Item = f32>) {
        let row = self.vectors.len() / self.dim.max(1);
        self.vectors.extend(vector);
        self.rows.insert(key, row);
    }

    fn record_bytes(&self) -> usize {
        KEY_BYTES + self.dim * size_of::<f32>() + CHECK_BYTES
    }

    fn header(&self) -> [u8; HEADER_BYTES] {
        let mut header = [0; HEADER_BYTES];
        header[..8].copy_from_slice(MAGIC);
        header[8..12].copy_from_slice(&(self.dim as u32).to_le_bytes());
        header[12..44].copy_from_slice(&self.model);
        let check = check_of(&header[..44]);
        header[44..].copy_from_slice(&check);
        header
    }

    /// Fills memory from the file, cutting a torn end.
    fn read_file(&mut self) -> Result<(), EmbedError> {
        self.rows.clear();
        self.vectors.clear();
        let metadata = self.file.metadata().map_err(|source| failed(&self.path, "read", source))?;
        if metadata.len() < HEADER_BYTES as u64 {
            return self.start_file();
        }
        let file = File::open(&self.path).map_err(|source| failed(&self.path, "read", source))?;
        let mut reader = BufReader::with_capacity(1 << 20, file);
        let mut header = [0; HEADER_BYTES];
        reader.read_exact(&mut header).map_err(|source| failed(&self.path, "read", source))?;
        self.check_header(&header)?;
        let num_records = (metadata.len() - HEADER_BYTES as u64) / self.record_bytes() as u64;
        self.read_records(reader, num_records).map_err(|source| failed(&self.path, "read", source))?;
        self.file_bytes = HEADER_BYTES as u64 + num_records * self.record_bytes() as u64;
        self.file.set_len(self.file_bytes).map_err(|source| failed(&self.path, "cut the torn end of", source))
    }

    /// A file shorter than its header was torn while being made: it holds nothing.
    fn start_file(&mut self) -> Result<(), EmbedError> {
        self.file_bytes = 0;
        self.file.set_len(0).map_err(|source| failed(&self.path, "start", source))?;
        self.append(&self.header())
    }

    fn check_header(&self, header: &[u8; HEADER_BYTES]) -> Result<(), EmbedError> {
        let reason = if header[..8] != *MAGIC {
            "it is of another format"
        } else if header[44..] != check_of(&header[..44]) {
            "its header is damaged"
        } else if *header != self.header() {
            "it is of another model or dim"
        } else {
            return Ok(());
        };
        Err(EmbedError::ForeignCache { path: self.path.clone(), reason })
    }

    fn read_records(&mut self, mut reader: impl Read, num_records: u64) -> io::Result<()> {
        let mut record = vec![0; self.record_bytes()];
        for _ in 0..num_records {
            reader.read_exact(&mut record)?;
            if let Some((key, vector)) = decode_record(&record) {
                self.add(key, vector);
            }
        }
        Ok(())
    }

    /// Writes at the end, or leaves the file as it was.
    fn append(&mut self, bytes: &[u8]) -> Result<(), EmbedError> {
        if let Err(source) = self.file.write_all(bytes) {
            // Half a record before whole ones would shift them all. Should this fail too, opening finds their checks wrong.
            let _ = self.file.set_len(self.file_bytes);
            return Err(failed(&self.path, "write", source));
        }
        self.file_bytes += bytes.len() as u64;
        Ok(())
    }

    fn write_copy(&self, path: &Path, kept: &[(usize, Key)]) -> io::Result<()> {
        let mut writer = BufWriter::with_capacity(1 << 20, File::create(path)?);
        writer.write_all(&self.header())?;
        for (row, key) in kept {
            writer.write_all(&encode_record(key, self.row(*row)))?;
        }
        writer.into_inner()?.sync_all()
    }
}

fn encode_record(key: &Key, vector: &[f32]) -> Vec<u8> {
    let mut record = key.to_vec();
    vector.iter().for_each(|x| record.extend_from_slice(&x.to_le_bytes()));
    let check = check_of(&record);
    record.extend_from_slice(&check);
    record
}

/// The key and vector of a record, or nothing if its check fails.
fn decode_record(record: &[u8]) -> Option<(Key, impl Iterator<Item = f32>)> {
    let (body, check) = record.split_last_chunk::<CHECK_BYTES>()?;
    let (key, vector) = body.split_first_chunk::<KEY_BYTES>()?;
    let (numbers, _) = vector.as_chunks::<4>();
    (check_of(body) == *check).then(|| (*key, numbers.iter().map(|&bytes| f32::from_le_bytes(bytes))))
}

fn check_of(bytes: &[u8]) -> [u8; CHECK_BYTES] {
    let mut check = [0; CHECK_BYTES];
    check.copy_from_slice(&blake3::hash(bytes).as_bytes()[..CHECK_BYTES]);
    check
}

/// A fingerprint is hex and names the file itself; anything else is named by its hash, so that it cannot leave the directory.
fn file_stem(fingerprint: &str, model: &[u8; 32]) -> String {
    match !fingerprint.is_empty() && fingerprint.len() <= 64 && fingerprint.bytes().all(|b| b.is_ascii_hexdigit()) {
        true => fingerprint.to_owned(),
        false => blake3::Hash::from_bytes(*model).to_hex().to_string(),
    }
}

fn lock(path: &Path) -> Result<File, EmbedError> {
    let file = OpenOptions::new().write(true).create(true).truncate(false).open(path);
    let file = file.map_err(|source| failed(path, "lock", source))?;
    match file.try_lock() {
        Ok(()) => Ok(file),
        Err(TryLockError::WouldBlock) => Err(EmbedError::CacheInUse { path: path.to_owned() }),
        Err(TryLockError::Error(source)) => Err(failed(path, "lock", source)),
    }
}

fn sync_parent(path: &Path) -> io::Result<()> {
    match path.parent() {
        Some(parent) if cfg!(unix) => File::open(parent)?.sync_all(),
        _ => Ok(()),
    }
}

fn failed(path: &Path, action: &'static str, source: io::Error) -> EmbedError {
    EmbedError::Cache { path: path.to_owned(), action, source }
}
