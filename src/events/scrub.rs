//! Seeing to it that erased bytes are in no file.
//!
//! SQLite overwrites what it deletes with zeros (`secure_delete`), but when it splits a page, copies of the rows that moved away stay
//! in the free part of the old one, and the log (`-wal`) has pages as they were. So the log is cut to nothing and both files are searched, byte by byte,
//! for the erased hashes. Where any is left, the file is written anew (`VACUUM`), the log is cut again, and both are searched again: files are
//! clean only when a search after the last write has found nothing. Another process that reads for long keeps the log from being cut: then
//! there is nothing to be done but to try again, and each try ends at once.

use std::collections::HashSet;
use std::fs::File;
use std::io::{BufReader, Read};
use std::path::Path;
use std::time::Duration;

use rusqlite::{Connection, ErrorCode, params};

use super::error::{EventError, Step};
use super::file::{BUSY_TIMEOUT, EventFile};
use super::tables::log_of;

/// How long a try waits for other processes; events wait as long.
const TRY_TIMEOUT: Duration = Duration::from_millis(20);
/// Bytes of a file that are searched at a time.
const SEARCH_BYTES: usize = 1 << 20;
/// Bytes of what is searched for: a hash, or the start of an event's key.
const NEEDLE_BYTES: usize = 8;

type Needle = [u8; NEEDLE_BYTES];

/// What must not be found any more.
#[derive(Debug, Default)]
pub(super) struct Needles {
    found_as: HashSet<Needle>,
    /// Whether the file is to be written anew without a search: not everything can be searched for.
    is_rewrite_due: bool,
}

/// What a try came to.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Scrubbed {
    /// No needle was found after the last write.
    Clean,
    /// Another process keeps old pages in use.
    Busy,
}

impl Needles {
    /// Adds the hash of an id.
    pub(super) fn add_hash(&mut self, hash: i64) {
        // SQLite writes numbers that fit into six bytes in fewer than eight.
        self.is_rewrite_due |= (-(1 << 47)..1 << 47).contains(&hash);
        self.found_as.insert(hash.to_be_bytes());
    }

    /// Adds the key of an event.
    pub(super) fn add_key(&mut self, key: &[u8]) {
        self.found_as.extend(key.first_chunk::<NEEDLE_BYTES>());
    }

    /// Has the file written anew: what is to be gone is not known any more.
    pub(super) fn rewrite_all(&mut self) {
        self.is_rewrite_due = true;
    }

    /// Tries to rid the file and its log of what must not be found.
    ///
    /// Returns an error if they cannot be read or written, or still hold it after the file was written anew.
    pub(super) fn scrub(&mut self, file: &EventFile) -> Result<Scrubbed, EventError> {
        let waits = |timeout| {
            let set = file.connection().busy_timeout(timeout);
            set.map_err(|error| Step::Write.failed(file.path(), error))
        };
        waits(TRY_TIMEOUT)?;
        let scrubbed = self.scrub_now(file);
        waits(BUSY_TIMEOUT)?;
        match scrubbed {
            Err(EventError::Busy { .. }) => Ok(Scrubbed::Busy),
            scrubbed => scrubbed,
        }
    }

    fn scrub_now(&mut self, file: &EventFile) -> Result<Scrubbed, EventError> {
        let mut is_rewritten = false;
        loop {
            if self.is_rewrite_due {
                let written = file.connection().execute_batch("VACUUM");
                written.map_err(|error| Step::Write.failed(file.path(), error))?;
                (self.is_rewrite_due, is_rewritten) = (false, true);
            }
            if !cut_log(file.path(), file.connection())? {
                return Ok(Scrubbed::Busy);
            }
            if !self.is_found(file)? {
                return Ok(Scrubbed::Clean);
            }
            if is_rewritten {
                return Err(EventError::NotClean { path: file.path().to_owned() });
            }
            self.is_rewrite_due = true;
        }
    }

    /// Whether any is in the file or its log that stands for nothing that is kept: a shopper may come back, and an event be sent again.
    fn is_found(&self, file: &EventFile) -> Result<bool, EventError> {
        let mut found = found_in(file.path(), &self.found_as)?;
        found.extend(found_in(&log_of(file.path()), &self.found_as)?);
        for needle in found {
            let is_kept = is_kept(file.connection(), needle).map_err(|error| Step::Read.failed(file.path(), error))?;
            if !is_kept {
                return Ok(true);
            }
        }
        Ok(false)
    }
}

/// Writes the log back into the file and cuts it to nothing. Returns whether no other process kept it from that.
pub(super) fn cut_log(path: &Path, connection: &Connection) -> Result<bool, EventError> {
    let is_busy: rusqlite::Result<i64> = connection.query_row("PRAGMA wal_checkpoint(TRUNCATE)", [], |row| row.get(0));
    match is_busy {
        Ok(is_busy) => Ok(is_busy == 0),
        Err(error)
            if matches!(error.sqlite_error_code(), Some(ErrorCode::DatabaseBusy | ErrorCode::DatabaseLocked)) =>
        {
            Ok(false)
        }
        Err(error) => Err(Step::Write.failed(path, error)),
    }
}

/// Whether a row that is kept holds `needle`.
fn is_kept(connection: &Connection, needle: Needle) -> rusqlite::Result<bool> {
    const IS_HASH: &str = "SELECT EXISTS (SELECT 1 FROM events WHERE visitor = ?1) OR EXISTS (SELECT 1 FROM events WHERE user = ?1)
        OR EXISTS (SELECT 1 FROM events WHERE order_hash = ?1) OR EXISTS (SELECT 1 FROM links WHERE visitor = ?1 OR user = ?1)
        OR EXISTS (SELECT 1 FROM events WHERE key >= ?2 AND key <= ?3) OR EXISTS (SELECT 1 FROM events WHERE session = ?1)";
    let [least, most] = [0, u8::MAX].map(|rest| [needle, [rest; NEEDLE_BYTES]].concat());
    connection.query_row(IS_HASH, params![i64::from_be_bytes(needle), least, most], |row| row.get(0))
}

/// Those of `needles` that stand anywhere in the file at `path`; none in a file that is not there.
fn found_in(path: &Path, needles: &HashSet<Needle>) -> Result<HashSet<Needle>, EventError> {
    let failed = |source: std::io::Error| EventError::file(path, source);
    let mut found = HashSet::new();
    let file = match File::open(path) {
        Err(error) if error.kind() == std::io::ErrorKind::NotFound => return Ok(found),
        opened => opened.map_err(failed)?,
    };
    let mut starts = vec![false; 1 << 16];
    needles.iter().for_each(|needle| starts[usize::from(u16::from_le_bytes([needle[0], needle[1]]))] = true);
    let mut file = BufReader::with_capacity(SEARCH_BYTES, file);
    let mut bytes = Vec::with_capacity(SEARCH_BYTES + NEEDLE_BYTES);
    loop {
        // The end of the last part stays, as a needle may lie across.
        let kept = bytes.len().min(NEEDLE_BYTES - 1);
        bytes.drain(..bytes.len() - kept);
        let num_read = file.by_ref().take(SEARCH_BYTES as u64).read_to_end(&mut bytes).map_err(failed)?;
        for window in bytes.array_windows::<NEEDLE_BYTES>() {
            if starts[usize::from(u16::from_le_bytes([window[0], window[1]]))] && needles.contains(window) {
                found.insert(*window);
            }
        }
        if num_read == 0 {
            return Ok(found);
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::events::identity::IdentityKey;
    use crate::events::row::Hashes;
    use crate::events::{Event, EventKind, Ids};

    #[test]
    fn the_log_is_searched_as_the_file_is() {
        let dir = tempfile::tempdir().unwrap();
        let key = IdentityKey::read_or_make(dir.path()).unwrap();
        let mut file = EventFile::open(dir.path(), &key).unwrap();
        let ids = Ids { visitor: Some("v".into()), ..Ids::default() };
        let event = Event { ids, ..Event::new(EventKind::Search, 1_780_000_000_000) };
        let hashes = Hashes::of(&event, &key);
        let mut append = file.begin().unwrap();
        append.push(&event, hashes).unwrap();
        append.commit().unwrap();
        file.connection().execute("DELETE FROM events", []).unwrap();
        // The row was never written back: its bytes are in pages of the log alone.
        let mut needles = Needles::default();
        needles.add_key(&hashes.key);
        assert!(found_in(file.path(), &needles.found_as).unwrap().is_empty());
        assert!(needles.is_found(&file).unwrap());
        assert!(cut_log(file.path(), file.connection()).unwrap());
        assert!(!needles.is_found(&file).unwrap());
    }

    #[test]
    fn a_needle_is_found_wherever_it_stands_also_across_two_parts() {
        let dir = tempfile::tempdir().unwrap();
        let path = dir.path().join("file");
        let needle = *b"NEEDLE-8";
        let length = 3 * SEARCH_BYTES;
        for at in [0, 1, SEARCH_BYTES - 8, SEARCH_BYTES - 3, SEARCH_BYTES, 2 * SEARCH_BYTES - 1, length - 8] {
            let mut bytes = vec![b'N'; length];
            bytes[at..at + 8].copy_from_slice(&needle);
            std::fs::write(&path, bytes).unwrap();
            assert_eq!(found_in(&path, &HashSet::from([needle, [7; 8]])).unwrap(), HashSet::from([needle]), "{at}");
        }
        std::fs::write(&path, vec![b'N'; length]).unwrap();
        assert!(found_in(&path, &HashSet::from([needle])).unwrap().is_empty());
        assert!(found_in(&dir.path().join("none"), &HashSet::from([needle])).unwrap().is_empty());
    }
}
