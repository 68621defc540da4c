//! The container of every index file: a checked header, a table of sections, and the sections, little-endian throughout.
//!
//! Written whole and never changed afterwards; read by mapping. Nothing here knows what a section means.
//!
//! | offset | bytes | field |
//! |---|---|---|
//! | 0 | 8 | magic `KINDRED` and a line feed |
//! | 8 | 4 | kind: four ASCII letters, e.g. `HNSW` |
//! | 12 | 4 | u32 format version of that kind |
//! | 16 | 4 | u32 number of sections |
//! | 20 | 4 | zero |
//! | 24 | 8 | u64 length of the file |
//! | 32 | 8 | first 8 bytes of the BLAKE3 of header and table, with this field zero |
//! | 40 | 24 | zero |
//! | 64 | 24 each | table: four-letter tag, u32 bytes an element, u64 offset, u64 length in bytes |
//!
//! Sections follow in the table's order, each on a multiple of [`ALIGN`] bytes, zeros between.

use std::fs::File;
use std::io::{BufWriter, Write};
use std::path::{Path, PathBuf};

use bytemuck::{AnyBitPattern, NoUninit};
use memmap2::Mmap;

use super::error::IndexError;

#[cfg(not(target_endian = "little"))]
compile_error!("index files are little-endian and searched in place; big-endian machines are not supported");

/// Every section starts on a multiple of this, a cache line.
pub const ALIGN: usize = 64;
/// First bytes of every index file.
pub const MAGIC: [u8; 8] = *b"KINDRED\n";
/// Bytes of the header before the table.
pub const HEADER_BYTES: usize = 64;
/// Bytes of one table entry.
pub const ENTRY_BYTES: usize = 24;
const CHECKSUM: std::ops::Range<usize> = 32..40;
/// More sections than any kind has; a larger count means damage.
const MAX_SECTIONS: usize = 64;

/// A four-letter name of a file kind or of a section.
pub type Tag = [u8; 4];

/// One section to write.
pub struct Section<'a> {
    tag: Tag,
    elem_bytes: usize,
    bytes: &'a [u8],
}

impl<'a> Section<'a> {
    /// A section of fixed-width elements.
    pub fn new<T: NoUninit>(tag: Tag, elements: &'a [T]) -> Self {
        Self { tag, elem_bytes: size_of::<T>(), bytes: bytemuck::cast_slice(elements) }
    }
}

/// Length and hash of a file, as the manifest keeps them.
#[derive(Debug, Clone, PartialEq, Eq, serde::Serialize, serde::Deserialize)]
#[serde(deny_unknown_fields)]
pub struct FileDigest {
    /// Length in bytes.
    pub bytes: u64,
    /// BLAKE3 of the whole file, hex.
    pub blake3: String,
}

/// Writes `sections` to a new file at `path` and syncs it to disk.
///
/// Returns an error if the file cannot be written whole.
pub fn write_sections(
    path: &Path,
    kind: Tag,
    version: u32,
    sections: &[Section<'_>],
) -> Result<FileDigest, IndexError> {
    let failed = |source| IndexError::Write { path: path.to_owned(), source };
    let (head, length) = header_and_table(kind, version, sections);
    let mut out = HashingWriter {
        out: BufWriter::new(File::create(path).map_err(failed)?),
        hasher: blake3::Hasher::new(),
        bytes: 0,
    };
    out.put(&head).map_err(failed)?;
    for section in sections {
        out.pad().and_then(|()| out.put(section.bytes)).map_err(failed)?;
    }
    debug_assert_eq!(out.bytes, length);
    let file = out.out.into_inner().map_err(|e| failed(e.into_error()))?;
    file.sync_all().map_err(failed)?;
    Ok(FileDigest { bytes: out.bytes, blake3: out.hasher.finalize().to_hex().to_string() })
}

fn header_and_table(kind: Tag, version: u32, sections: &[Section<'_>]) -> (Vec<u8>, u64) {
    let mut head = vec![0; HEADER_BYTES];
    let mut offset = HEADER_BYTES + ENTRY_BYTES * sections.len();
    for section in sections {
        offset = offset.next_multiple_of(ALIGN);
        head.extend_from_slice(&section.tag);
        head.extend_from_slice(&(section.elem_bytes as u32).to_le_bytes());
        head.extend_from_slice(&(offset as u64).to_le_bytes());
        head.extend_from_slice(&(section.bytes.len() as u64).to_le_bytes());
        offset += section.bytes.len();
    }
    head[0..8].copy_from_slice(&MAGIC);
    head[8..12].copy_from_slice(&kind);
    head[12..16].copy_from_slice(&version.to_le_bytes());
    head[16..20].copy_from_slice(&(sections.len() as u32).to_le_bytes());
    head[24..32].copy_from_slice(&(offset as u64).to_le_bytes());
    let checksum = checksum(&head);
    head[CHECKSUM].copy_from_slice(&checksum);
    (head, offset as u64)
}

/// The checksum over header and table, its own field taken as zero.
fn checksum(head: &[u8]) -> [u8; 8] {
    let mut hasher = blake3::Hasher::new();
    hasher.update(&head[..CHECKSUM.start]).update(&[0; 8]).update(&head[CHECKSUM.end..]);
    let mut first = [0; 8];
    first.copy_from_slice(&hasher.finalize().as_bytes()[..8]);
    first
}

struct HashingWriter {
    out: BufWriter<File>,
    hasher: blake3::Hasher,
    bytes: u64,
}

impl HashingWriter {
    fn put(&mut self, bytes: &[u8]) -> std::io::Result<()> {
        self.hasher.update_rayon(bytes);
        self.bytes += bytes.len() as u64;
        self.out.write_all(bytes)
    }

    fn pad(&mut self) -> std::io::Result<()> {
        let missing = (self.bytes as usize).next_multiple_of(ALIGN) - self.bytes as usize;
        self.put(&[0; ALIGN][..missing])
    }
}

/// A mapped index file whose header and section table have been checked.
#[derive(Debug)]
pub struct SectionFile {
    path: PathBuf,
    map: Mmap,
    table: Vec<Entry>,
}

#[derive(Debug)]
struct Entry {
    tag: Tag,
    elem_bytes: usize,
    range: std::ops::Range<usize>,
}

impl SectionFile {
    /// Maps the file at `path` and checks header, length and table; the sections' bytes are not read.
    ///
    /// Returns an error if the file is missing, of another kind or version, cut off, or its header was changed.
    pub fn open(path: &Path, kind: Tag, version: u32) -> Result<Self, IndexError> {
        let file = File::open(path).map_err(|source| IndexError::Read { path: path.to_owned(), source })?;
        // SAFETY: a generation is renamed into place once complete and this crate never writes to it again;
        // index/README.md forbids editing one that is in use.
        let map = unsafe { Mmap::map(&file) }.map_err(|source| IndexError::Map { path: path.to_owned(), source })?;
        let table = read_table(&map, kind, version, path)?;
        Ok(Self { path: path.to_owned(), map, table })
    }

    /// Asks the system to keep the file in large pages, which takes most of the time out of finding a random row's page; it does so
    /// for what is not in its page cache yet, on file systems that can.
    pub fn prefer_large_pages(&self) {
        // Where it cannot, the map works as it is.
        #[cfg(target_os = "linux")]
        let _ = self.map.advise(memmap2::Advice::HugePage);
    }

    /// The elements of section `tag`, read in place.
    ///
    /// Returns an error if the file has no such section or its elements have another width.
    pub fn section<T: AnyBitPattern>(&self, tag: Tag) -> Result<&[T], IndexError> {
        // Only an error takes memory: a search looks several sections up.
        let name = || String::from_utf8_lossy(&tag).into_owned();
        let entry = self
            .table
            .iter()
            .find(|e| e.tag == tag)
            .ok_or_else(|| self.damaged(format!("section {} is missing", name())))?;
        if entry.elem_bytes != size_of::<T>() {
            return Err(self.damaged(format!("section {} has elements of {} bytes", name(), entry.elem_bytes)));
        }
        bytemuck::try_cast_slice(&self.map[entry.range.clone()])
            .map_err(|e| self.damaged(format!("section {} cannot be read in place: {e}", name())))
    }

    /// Writes to `path` a file of `kind` and `version` with the sections of this one, those in `changed` in the place of its own.
    ///
    /// Returns an error if it cannot be written whole.
    pub fn write_changed(
        &self,
        path: &Path,
        version: u32,
        kind: Tag,
        changed: &[Section<'_>],
    ) -> Result<FileDigest, IndexError> {
        let section = |entry: &Entry| {
            let Entry { tag, elem_bytes, ref range } = *entry;
            let new = changed.iter().find(|section| section.tag == tag);
            new.map_or(Section { tag, elem_bytes, bytes: &self.map[range.clone()] }, |new| Section { ..*new })
        };
        let sections: Vec<Section<'_>> = self.table.iter().map(section).collect();
        write_sections(path, kind, version, &sections)
    }

    /// The error for contents of this file that do not fit.
    pub fn damaged(&self, reason: impl Into<String>) -> IndexError {
        IndexError::Damaged { path: self.path.clone(), reason: reason.into() }
    }
}

fn read_table(map: &[u8], kind: Tag, version: u32, path: &Path) -> Result<Vec<Entry>, IndexError> {
    let damaged = |reason: &str| IndexError::Damaged { path: path.to_owned(), reason: reason.to_owned() };
    let u32_at = |at: usize| map.get(at..at + 4).and_then(|b| b.try_into().ok()).map(u32::from_le_bytes);
    let u64_at = |at: usize| map.get(at..at + 8).and_then(|b| b.try_into().ok()).map(u64::from_le_bytes);
    if map.get(0..8) != Some(&MAGIC) || map.get(8..12) != Some(&kind) {
        return Err(damaged("it does not start as an index file of its kind"));
    }
    let found = u32_at(12).ok_or_else(|| damaged("it is cut off in the header"))?;
    if found != version {
        return Err(IndexError::FormatVersion { path: path.to_owned(), found, expected: version });
    }
    let num_sections = u32_at(16).map_or(usize::MAX, |n| n as usize);
    let head = (num_sections <= MAX_SECTIONS).then(|| map.get(..HEADER_BYTES + num_sections * ENTRY_BYTES)).flatten();
    let head = head.ok_or_else(|| damaged("it is cut off in the section table"))?;
    if head[CHECKSUM] != checksum(head) {
        return Err(damaged("its header does not match its checksum"));
    }
    if u64_at(24) != Some(map.len() as u64) {
        return Err(damaged("its length is not the one in its header"));
    }
    let entry = |i: usize| {
        let at = HEADER_BYTES + i * ENTRY_BYTES;
        let (offset, length) = (u64_at(at + 8)? as usize, u64_at(at + 16)? as usize);
        let range = offset..offset.checked_add(length)?;
        map.get(range.clone())?;
        Some(Entry { tag: map.get(at..at + 4)?.try_into().ok()?, elem_bytes: u32_at(at + 4)? as usize, range })
    };
    (0..num_sections).map(|i| entry(i).ok_or_else(|| damaged("a section lies outside the file"))).collect()
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    const KIND: Tag = *b"TEST";

    fn written(dir: &Path, words: &[u32], bytes: &[u8]) -> PathBuf {
        let path = dir.join("a.bin");
        write_sections(&path, KIND, 3, &[Section::new(*b"WORD", words), Section::new(*b"BYTE", bytes)]).unwrap();
        path
    }

    proptest! {
        #[test]
        fn sections_come_back_as_written(words in prop::collection::vec(any::<u32>(), 0..50), bytes in prop::collection::vec(any::<u8>(), 0..200)) {
            let dir = tempfile::tempdir().unwrap();
            let file = SectionFile::open(&written(dir.path(), &words, &bytes), KIND, 3).unwrap();
            prop_assert_eq!(file.section::<u32>(*b"WORD").unwrap(), &words[..]);
            prop_assert_eq!(file.section::<u8>(*b"BYTE").unwrap(), &bytes[..]);
            let (changed, own) = (dir.path().join("b.bin"), [1u8, 2]);
            file.write_changed(&changed, 3, KIND, &[Section::new(*b"BYTE", &own)]).unwrap();
            let changed = SectionFile::open(&changed, KIND, 3).unwrap();
            prop_assert_eq!(changed.section::<u32>(*b"WORD").unwrap(), &words[..]);
            prop_assert_eq!(changed.section::<u8>(*b"BYTE").unwrap(), &own);
            prop_assert!(file.section::<u64>(*b"WORD").is_err(), "another width");
            prop_assert!(file.section::<u32>(*b"NONE").is_err(), "no such section");
        }

        #[test]
        fn a_changed_header_or_length_is_refused(at in 0usize..112, bit in 0u8..8, cut in 1usize..100) {
            let dir = tempfile::tempdir().unwrap();
            let path = written(dir.path(), &[1, 2, 3], &[9; 40]);
            let good = std::fs::read(&path).unwrap();
            let mut flipped = good.clone();
            flipped[at] ^= 1 << bit;
            std::fs::write(&path, flipped).unwrap();
            prop_assert!(SectionFile::open(&path, KIND, 3).is_err());
            std::fs::write(&path, &good[..good.len() - cut]).unwrap();
            prop_assert!(SectionFile::open(&path, KIND, 3).is_err());
        }
    }

    #[test]
    fn the_digest_is_the_hash_of_the_file() {
        let dir = tempfile::tempdir().unwrap();
        let path = dir.path().join("a.bin");
        let digest = write_sections(&path, KIND, 1, &[Section::new(*b"WORD", &[7u32; 100])]).unwrap();
        let bytes = std::fs::read(&path).unwrap();
        assert_eq!(digest, FileDigest { bytes: bytes.len() as u64, blake3: blake3::hash(&bytes).to_hex().to_string() });
    }
}
