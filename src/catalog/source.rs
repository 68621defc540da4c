//! A feed file as a stream of numbered lines: opened, checked for foreign formats, decompressed, with bounded memory.
//!
//! Compression is told by the first bytes, never by the file's name.

use std::cell::Cell;
use std::fmt;
use std::fs::File;
use std::io::{self, BufRead, BufReader, Read};
use std::path::{Path, PathBuf};
use std::rc::Rc;

use serde::{Deserialize, Serialize};

use super::error::FeedError;

/// Bytes read from the file or the decompressor at a time.
const BUFFER_BYTES: usize = 256 * 1024;

/// Bytes of the feed's start that are searched for signs of another file format.
const SNIFF_BYTES: usize = 4096;

const GZIP_MAGIC: &[u8] = &[0x1f, 0x8b];
const ZSTD_MAGIC: &[u8] = &[0x28, 0xb5, 0x2f, 0xfd];

/// First bytes of files that are sometimes mistaken for feeds.
const FOREIGN_FORMATS: [(&[u8], &str); 12] = [
    (b"%PDF", "a PDF document"),
    (b"PK\x03\x04", "a ZIP archive or spreadsheet (.xlsx)"),
    (b"\x89PNG", "a PNG image"),
    (b"\xff\xd8\xff", "a JPEG image"),
    (b"GIF8", "a GIF image"),
    (b"SQLite format 3", "an SQLite database"),
    (b"PAR1", "a Parquet file"),
    (b"BZh", "a bzip2 archive"),
    (b"\xfd7zXZ", "an xz archive"),
    (b"\xff\xfe", "UTF-16 text"),
    (b"\xfe\xff", "UTF-16 text"),
    (b"\xd0\xcf\x11\xe0", "an old Office document (.xls)"),
];

const BOM: &[u8] = b"\xef\xbb\xbf";

/// How a feed file is compressed.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Compression {
    /// Plain text.
    None,
    /// gzip, one or several members.
    Gzip,
    /// Zstandard, one or several frames.
    Zstd,
}

impl fmt::Display for Compression {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::None => "plain",
            Self::Gzip => "gzip",
            Self::Zstd => "zstd",
        })
    }
}

/// Opens a text file that may be compressed, for readers of files that are no feeds.
///
/// Returns an error if it cannot be opened or is damaged at its start.
pub fn open_text(path: &Path) -> io::Result<Box<dyn BufRead>> {
    let counted = Counted { file: File::open(path)?, bytes_read: Rc::default() };
    let mut reader = BufReader::with_capacity(BUFFER_BYTES, counted);
    let compression = compression_of(reader.fill_buf()?);
    decoder(reader, compression)
}

/// One line of the feed.
pub(super) struct Line {
    /// 1-based.
    pub(super) number: u64,
    /// Without a byte order mark; ends with `\n` even where the file does not. Empty when `is_too_long`.
    pub(super) bytes: Vec<u8>,
    /// The line has more bytes than a record may have, and was skipped.
    pub(super) is_too_long: bool,
}

impl Line {
    pub(super) fn is_blank(&self) -> bool {
        !self.is_too_long && self.bytes.iter().all(u8::is_ascii_whitespace)
    }
}

/// The lines of one feed file, read one at a time.
pub(super) struct Lines {
    path: PathBuf,
    compression: Compression,
    reader: Box<dyn BufRead>,
    bytes_read: Rc<Cell<u64>>,
    total_bytes: u64,
    max_line_bytes: usize,
    num_lines: u64,
}

impl Lines {
    /// Opens the feed at `path`; lines above `max_line_bytes` are skipped and marked.
    ///
    /// Returns an error if the file cannot be opened, is a directory, empty, of another format, or damaged at its start.
    pub(super) fn open(path: &Path, max_line_bytes: usize) -> Result<Self, FeedError> {
        let open_failed = |source| FeedError::Open { path: path.to_owned(), source };
        let file = File::open(path).map_err(open_failed)?;
        let metadata = file.metadata().map_err(open_failed)?;
        if metadata.is_dir() {
            return Err(FeedError::IsDirectory { path: path.to_owned() });
        }
        let bytes_read = Rc::new(Cell::new(0));
        let mut counted = BufReader::with_capacity(BUFFER_BYTES, Counted { file, bytes_read: Rc::clone(&bytes_read) });
        let read_failed = |source| FeedError::Read { path: path.to_owned(), source };
        let compression = compression_of(counted.fill_buf().map_err(read_failed)?);
        let reader = decoder(counted, compression).map_err(read_failed)?;
        let total_bytes = metadata.len();
        let mut lines =
            Self { path: path.to_owned(), compression, reader, bytes_read, total_bytes, max_line_bytes, num_lines: 0 };
        lines.check_start()?;
        Ok(lines)
    }

    pub(super) fn compression(&self) -> Compression {
        self.compression
    }

    /// Bytes of the file consumed so far, as stored, and its length.
    pub(super) fn position(&self) -> (u64, u64) {
        (self.bytes_read.get(), self.total_bytes)
    }

    /// The next line; `None` at the end.
    pub(super) fn next_line(&mut self) -> Result<Option<Line>, FeedError> {
        let mut bytes = Vec::new();
        if self.read_part(&mut bytes, self.max_line_bytes)? == 0 {
            return Ok(None);
        }
        self.num_lines += 1;
        let is_too_long = bytes.len() >= self.max_line_bytes && !bytes.ends_with(b"\n");
        if is_too_long {
            self.skip_rest_of_line(&mut bytes)?;
        } else if !bytes.ends_with(b"\n") {
            bytes.push(b'\n');
        }
        if self.num_lines == 1 && bytes.starts_with(BOM) {
            bytes.drain(..BOM.len());
        }
        Ok(Some(Line { number: self.num_lines, bytes, is_too_long }))
    }

    /// The next line that is not blank; `None` at the end.
    pub(super) fn next_filled_line(&mut self) -> Result<Option<Line>, FeedError> {
        loop {
            match self.next_line()? {
                Some(line) if line.is_blank() => {}
                other => return Ok(other),
            }
        }
    }

    fn skip_rest_of_line(&mut self, bytes: &mut Vec<u8>) -> Result<(), FeedError> {
        loop {
            bytes.clear();
            if self.read_part(bytes, BUFFER_BYTES)? == 0 || bytes.ends_with(b"\n") {
                bytes.clear();
                return Ok(());
            }
        }
    }

    fn read_part(&mut self, bytes: &mut Vec<u8>, max_bytes: usize) -> Result<usize, FeedError> {
        let read = (&mut self.reader).take(max_bytes as u64).read_until(b'\n', bytes);
        read.map_err(|source| self.failed(source))
    }

    fn failed(&self, source: io::Error) -> FeedError {
        let (path, compression) = (self.path.clone(), self.compression);
        match compression {
            Compression::None => FeedError::Read { path, source },
            _ => FeedError::Decompress { path, compression, source },
        }
    }

    fn check_start(&mut self) -> Result<(), FeedError> {
        let path = self.path.clone();
        let start = match self.reader.fill_buf() {
            Ok(start) => &start[..start.len().min(SNIFF_BYTES)],
            Err(source) => return Err(self.failed(source)),
        };
        if start.is_empty() {
            return Err(FeedError::Empty { path });
        }
        foreign_format(start).map_or(Ok(()), |what| Err(FeedError::NotAFeed { path, what }))
    }
}

fn compression_of(start: &[u8]) -> Compression {
    if start.starts_with(GZIP_MAGIC) {
        Compression::Gzip
    } else if start.starts_with(ZSTD_MAGIC) {
        Compression::Zstd
    } else {
        Compression::None
    }
}

fn decoder(reader: BufReader<Counted>, compression: Compression) -> io::Result<Box<dyn BufRead>> {
    Ok(match compression {
        Compression::None => Box::new(reader),
        Compression::Gzip => {
            Box::new(BufReader::with_capacity(BUFFER_BYTES, flate2::bufread::MultiGzDecoder::new(reader)))
        }
        Compression::Zstd => {
            Box::new(BufReader::with_capacity(BUFFER_BYTES, zstd::stream::read::Decoder::with_buffer(reader)?))
        }
    })
}

fn foreign_format(start: &[u8]) -> Option<&'static str> {
    let known = FOREIGN_FORMATS.iter().find(|(magic, _)| start.starts_with(magic));
    if let Some((_, what)) = known {
        return Some(what);
    }
    if compression_of(start) != Compression::None {
        return Some("compressed twice");
    }
    let text = start.strip_prefix(BOM).unwrap_or(start).trim_ascii_start();
    let first_line = start.split(|b| *b == b'\n').next().unwrap_or(start);
    match text.first() {
        _ if first_line.contains(&0) => Some("a binary file"),
        Some(b'<') => Some("an XML or HTML document"),
        Some(b'[') => Some("one JSON array (write one object a line instead)"),
        _ => None,
    }
}

struct Counted {
    file: File,
    bytes_read: Rc<Cell<u64>>,
}

impl Read for Counted {
    fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
        let num_bytes = self.file.read(buffer)?;
        self.bytes_read.set(self.bytes_read.get() + num_bytes as u64);
        Ok(num_bytes)
    }
}
