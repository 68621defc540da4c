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
//! of what stands before it in the record. A torn last record (a crash) is cut off at opening; a record whose check fails, then
//! or when it is read, is skipped, so its text is embedded again. Wrong numbers are never served. [`EmbeddingCache::retain`]
//! rewrites the file beside itself and renames it into place.
//!
//! In memory are the keys and where their records stand, some 50 bytes a text; vectors stay in the file until they are asked for.

use std::collections::HashMap;
use std::fs::{self, File, OpenOptions, TryLockError};
use std::io::{self, BufReader, BufWriter, Read, Seek, SeekFrom, Write};
use std::path::{Path, PathBuf};

use super::error::EmbedError;

const MAGIC: &[u8; 8] = b"KNDVECS1";
const HEADER_BYTES: usize = 52;
const KEY_BYTES: usize = 32;
const CHECK_BYTES: usize = 8;

type Key = [u8; KEY_BYTES];

/// The open cache of one model. Holds its lock until dropped.
#[derive(Debug)]
pub struct EmbeddingCache {
    path: PathBuf,
    file: File,
    /// Length of the file up to the last whole record.
    file_bytes: u64,
    model: [u8; 32],
    dim: usize,
    /// Which record of the file, from 0, holds a key's vector.
    records: HashMap<Key, u64>,
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
        let mut cache = Self { path, file, file_bytes: 0, model, dim, records: HashMap::new(), _lock: lock };
        cache.read_file()?;
        Ok(cache)
    }

    /// The vector of `text`, read from the file, if the cache has one; a record that was damaged since it was opened is forgotten.
    ///
    /// Returns an error if the file cannot be read.
    pub fn get(&mut self, text: &str) -> Result<Option<Vec<f32>>, EmbedError> {
        let key = self.key(text);
        let Some(&at) = self.records.get(&key) else { return Ok(None) };
        let record = self.read_record(at).map_err(|source| failed(&self.path, "read", source))?;
        let vector = decode_record(&record).filter(|(found, _)| *found == key).map(|(_, vector)| vector.collect());
        if vector.is_none() {
            self.records.remove(&key);
        }
        Ok(vector)
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
        if self.records.contains_key(&key) {
            return Ok(());
        }
        let at = self.num_records_in(self.file_bytes);
        self.append(&encode_record(&key, vector))?;
        self.records.insert(key, at);
        Ok(())
    }

    /// Waits until all records are on the disk. Returns an error if the system cannot say so.
    pub fn sync(&mut self) -> Result<(), EmbedError> {
        self.file.sync_all().map_err(|source| failed(&self.path, "sync", source))
    }

    /// Drops every vector but those of `texts`, and the skipped records, from the file. Returns how many texts were dropped.
    ///
    /// Returns an error if the new file cannot be written, or the old one not read; then the old one stays in use.
    pub fn retain<'a>(&mut self, texts: impl IntoIterator<Item = &'a str>) -> Result<usize, EmbedError> {
        let num_before = self.records.len();
        let mut kept: Vec<u64> =
            texts.into_iter().filter_map(|text| self.records.get(&self.key(text)).copied()).collect();
        kept.sort_unstable();
        kept.dedup();
        let scratch = self.path.with_extension("vectors.new");
        self.write_copy(&scratch, &kept).map_err(|source| failed(&scratch, "write", source))?;
        fs::rename(&scratch, &self.path).map_err(|source| failed(&self.path, "replace", source))?;
        sync_parent(&self.path).map_err(|source| failed(&self.path, "replace", source))?;
        let file = OpenOptions::new().read(true).append(true).open(&self.path);
        self.file = file.map_err(|source| failed(&self.path, "open", source))?;
        self.read_file()?;
        Ok(num_before - self.records.len())
    }

    /// Number of texts in the cache.
    pub fn len(&self) -> usize {
        self.records.len()
    }

    /// Whether the cache holds no text.
    pub fn is_empty(&self) -> bool {
        self.records.is_empty()
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

    /// Whole records of a file of so many bytes, at least a header.
    fn num_records_in(&self, file_bytes: u64) -> u64 {
        (file_bytes - HEADER_BYTES as u64) / self.record_bytes() as u64
    }

    /// Record `at`, unchecked.
    fn read_record(&mut self, at: u64) -> io::Result<Vec<u8>> {
        let mut record = vec![0; self.record_bytes()];
        // Appending goes to the end wherever reading stands.
        self.file.seek(SeekFrom::Start(HEADER_BYTES as u64 + at * record.len() as u64))?;
        self.file.read_exact(&mut record)?;
        Ok(record)
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

    /// Finds the whole records of the file, cutting a torn end.
    fn read_file(&mut self) -> Result<(), EmbedError> {
        self.records.clear();
        let metadata = self.file.metadata().map_err(|source| failed(&self.path, "read", source))?;
        if metadata.len() < HEADER_BYTES as u64 {
            return self.start_file();
        }
        let file = File::open(&self.path).map_err(|source| failed(&self.path, "read", source))?;
        let mut reader = BufReader::with_capacity(1 << 20, file);
        let mut header = [0; HEADER_BYTES];
        reader.read_exact(&mut header).map_err(|source| failed(&self.path, "read", source))?;
        self.check_header(&header)?;
        let num_records = self.num_records_in(metadata.len());
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
        for at in 0..num_records {
            reader.read_exact(&mut record)?;
            if let Some((key, _)) = decode_record(&record) {
                self.records.insert(key, at);
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

    /// Writes a cache of the `kept` records, as far as they are whole.
    fn write_copy(&mut self, path: &Path, kept: &[u64]) -> io::Result<()> {
        let mut writer = BufWriter::with_capacity(1 << 20, File::create(path)?);
        writer.write_all(&self.header())?;
        for &at in kept {
            let record = self.read_record(at)?;
            if decode_record(&record).is_some() {
                writer.write_all(&record)?;
            }
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
