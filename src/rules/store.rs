//! `rules.sqlite`: every version of a catalog's rules, who saved it when, and what the rules did day by day.
//!
//! Table `versions`, to which rows are only added, each in a transaction of its own that is synced to disk before it counts:
//!
//! | column | meaning |
//! |---|---|
//! | `version` | ascending by one from 1 |
//! | `at_ms` | when, in milliseconds since 1970 |
//! | `who` | who saved it, as they said |
//! | `note` | why, as they said |
//! | `document` | the whole set as JSON |
//! | `diff` | what changed since the version before, as JSON |
//! | `digest` | first 8 bytes of the BLAKE3 of the other columns |
//!
//! Table `daily` has one row a day (UTC) and rule: in how many answers it counted and did something, what it removed, how many lists it
//! left short. The last version is in force. SQLite has no checksums, so a version is read against its digest.
//!
//! After each write the log is folded into the file, so that the file alone is whole: it can be copied, or another put in its place. That is
//! seen with the next call, which opens the file anew; one that is gone, is empty or lacks the tables is an error, never an empty set, and so
//! is one without versions to whoever has seen one.

use std::path::{Path, PathBuf};
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use rusqlite::{Connection, OptionalExtension, Transaction, TransactionBehavior, params};
use serde::Serialize;
use utoipa::ToSchema;

use super::diff::RulesDiff;
use super::error::RulesError;
use super::set::RuleSet;
use file::FileStamp;

mod file;

/// The file's name in a catalog's folder.
pub const RULES_FILE: &str = "rules.sqlite";
/// Longest name of who saves, and longest word why, in characters.
pub const MAX_SAVER_CHARS: usize = 200;
/// How long a write waits for another process.
const BUSY_TIMEOUT: Duration = Duration::from_secs(5);

const ADD_FIGURES: &str = "
    INSERT INTO daily (day, rule, counted, fired, removed, shortened) VALUES (?1, ?2, ?3, ?4, ?5, ?6)
    ON CONFLICT (day, rule) DO UPDATE SET counted = counted + excluded.counted, fired = fired + excluded.fired,
        removed = removed + excluded.removed, shortened = shortened + excluded.shortened";

/// One version of a catalog's rules.
#[derive(Debug, Clone, PartialEq, Default)]
pub struct Version {
    /// Its number; 0 before the first.
    pub version: u64,
    /// The rules.
    pub set: RuleSet,
}

/// Who saved a version, when, and what changed.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, ToSchema)]
pub struct VersionInfo {
    /// Its number.
    pub version: u64,
    /// When, RFC 3339.
    pub at: String,
    /// Who, as they said.
    pub who: String,
    /// Why, as they said.
    pub note: String,
    /// What changed since the version before.
    pub diff: RulesDiff,
}

/// What a rule did.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Serialize, ToSchema)]
pub struct RuleCounts {
    /// Answers for which its condition held.
    pub counted: u64,
    /// Answers in which it changed something.
    pub fired: u64,
    /// Products that it kept out of lists.
    pub removed: u64,
    /// Lists that it left shorter than asked.
    pub shortened: u64,
}

/// What a rule did on one day.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, ToSchema)]
pub struct DayFigures {
    /// The day, UTC: `2026-11-21`.
    pub day: String,
    /// The rule.
    pub rule: String,
    /// What it did.
    #[serde(flatten)]
    pub counts: RuleCounts,
}

/// The versions of one catalog's rules. Safe to share; calls wait for each other.
#[derive(Debug)]
pub struct RuleStore {
    path: PathBuf,
    /// `None` until there is a file.
    connection: Mutex<Option<Opened>>,
    /// Whether this process has read or saved a version: from then on a file without any is damage, and none at all is a loss.
    has_versions: AtomicBool,
}

#[derive(Debug)]
struct Opened {
    connection: Connection,
    /// `PRAGMA data_version` when versions were last read; `None` before.
    seen: Option<i64>,
    /// The file after the last write of this process.
    file: FileStamp,
}

fn data_version(connection: &Connection) -> rusqlite::Result<i64> {
    connection.pragma_query_value(None, "data_version", |row| row.get(0))
}

fn digest(version: u64, at_ms: i64, who: &str, note: &str, document: &[u8], diff: &[u8]) -> Vec<u8> {
    let mut hasher = blake3::Hasher::new();
    hasher.update(&version.to_le_bytes()).update(&at_ms.to_le_bytes());
    for part in [who.as_bytes(), note.as_bytes(), document, diff] {
        hasher.update(&(part.len() as u64).to_le_bytes()).update(part);
    }
    hasher.finalize().as_bytes()[..8].to_vec()
}

impl RuleStore {
    /// The rules in a catalog's `folder`; the file is made by the first version.
    pub fn new(folder: &Path) -> Self {
        Self { path: folder.join(RULES_FILE), connection: Mutex::new(None), has_versions: AtomicBool::new(false) }
    }

    /// The file.
    pub fn path(&self) -> &Path {
        &self.path
    }

    /// The version in force; number 0 with no rules before the first.
    ///
    /// Returns an error if the file cannot be read or is damaged.
    pub fn current(&self) -> Result<Version, RulesError> {
        let mut guard = self.lock();
        let Some(opened) = self.opened(&mut guard, false)? else { return Ok(Version::default()) };
        let failed = |error| RulesError::of("read", &self.path, error);
        opened.seen = Some(data_version(&opened.connection).map_err(failed)?);
        self.read_last(&opened.connection)
    }

    /// Whether another process has saved a version since the last was read.
    ///
    /// Returns an error if the file cannot be read.
    pub fn has_news(&self) -> Result<bool, RulesError> {
        let mut guard = self.lock();
        let Some(opened) = self.opened(&mut guard, false)? else { return Ok(false) };
        let version = data_version(&opened.connection).map_err(|error| RulesError::of("read", &self.path, error))?;
        Ok(opened.seen != Some(version))
    }

    /// One version.
    ///
    /// Returns an error if there is none of the number, or the file is damaged.
    pub fn version(&self, version: u64) -> Result<Version, RulesError> {
        let mut guard = self.lock();
        let missing = |last| RulesError::NoVersion { version, last };
        let Some(opened) = self.opened(&mut guard, false)? else { return Err(missing(0)) };
        let found = self.read(&opened.connection, version)?;
        let last = self.read_last(&opened.connection)?.version;
        found.ok_or_else(|| missing(last))
    }

    /// Keeps `set` as the next version, provided that `expected` is in force; `None` takes whatever is. Returns its number and what
    /// changed. On disk when this returns.
    ///
    /// Returns an error if there is no sense in it, another version is in force, or the file cannot be written; then nothing has changed.
    pub fn put(
        &self,
        set: &RuleSet,
        expected: Option<u64>,
        who: &str,
        note: &str,
        at_ms: i64,
    ) -> Result<(u64, RulesDiff), RulesError> {
        set.check()?;
        self.keep(set, expected, who, note, at_ms)
    }

    /// As [`RuleStore::put`], for a set that was checked, now or when it was first saved.
    pub(crate) fn keep(
        &self,
        set: &RuleSet,
        expected: Option<u64>,
        who: &str,
        note: &str,
        at_ms: i64,
    ) -> Result<(u64, RulesDiff), RulesError> {
        let mut guard = self.lock();
        let failed = |error| RulesError::of("write", &self.path, error);
        // With `true` the file is made where there is none.
        let Some(opened) = self.opened(&mut guard, true)? else {
            return Err(RulesError::Foreign { path: self.path.clone() });
        };
        let transaction =
            opened.connection.transaction_with_behavior(TransactionBehavior::Immediate).map_err(failed)?;
        let last = self.read_last(&transaction)?;
        if let Some(expected) = expected.filter(|expected| *expected != last.version) {
            return Err(self.conflict(&transaction, expected, &last)?);
        }
        let set = RuleSet { version: None, ..set.clone() };
        let diff = RulesDiff::between(&last.set, &set);
        let version = last.version + 1;
        // Texts, numbers, lists and maps with text keys are always JSON.
        let (document, changes) =
            (serde_json::to_vec(&set).unwrap_or_default(), serde_json::to_vec(&diff).unwrap_or_default());
        let digest = digest(version, at_ms, who, note, &document, &changes);
        let insert = "INSERT INTO versions (version, at_ms, who, note, document, diff, digest) VALUES (?1, ?2, ?3, ?4, ?5, ?6, ?7)";
        transaction.execute(insert, params![version, at_ms, who, note, document, changes, digest]).map_err(failed)?;
        transaction.commit().map_err(failed)?;
        self.has_versions.store(true, Ordering::Relaxed);
        self.settle(opened)?;
        Ok((version, diff))
    }

    fn conflict(&self, transaction: &Transaction<'_>, expected: u64, last: &Version) -> Result<RulesError, RulesError> {
        let base = if expected == 0 { Some(Version::default()) } else { self.read(transaction, expected)? };
        let Some(base) = base else { return Ok(RulesError::NoVersion { version: expected, last: last.version }) };
        let who = transaction
            .query_row("SELECT who FROM versions WHERE version = ?1", [last.version], |row| row.get(0))
            .map_err(|error| RulesError::of("read", &self.path, error))?;
        let diff = Box::new(RulesDiff::between(&base.set, &last.set));
        Ok(RulesError::Conflict { expected, current: last.version, who, diff })
    }

    /// The versions, the newest first, at most `limit`.
    ///
    /// Returns an error if the file cannot be read.
    pub fn history(&self, limit: usize) -> Result<Vec<VersionInfo>, RulesError> {
        let mut guard = self.lock();
        let Some(opened) = self.opened(&mut guard, false)? else { return Ok(Vec::new()) };
        let failed = |error| RulesError::of("read", &self.path, error);
        let select = "SELECT version, at_ms, who, note, diff FROM versions ORDER BY version DESC LIMIT ?1";
        let mut select = opened.connection.prepare(select).map_err(failed)?;
        let rows = select
            .query_map([i64::try_from(limit).unwrap_or(i64::MAX)], |row| {
                let (at_ms, diff): (i64, Vec<u8>) = (row.get(1)?, row.get(4)?);
                let at =
                    jiff::Timestamp::from_millisecond(at_ms).map_or_else(|_| at_ms.to_string(), |at| at.to_string());
                let diff = serde_json::from_slice(&diff).unwrap_or_default();
                Ok(VersionInfo { version: row.get(0)?, at, who: row.get(2)?, note: row.get(3)?, diff })
            })
            .map_err(failed)?;
        rows.collect::<Result<_, _>>().map_err(failed)
    }

    /// Adds what rules did on `day`. Does nothing where no version was ever saved.
    ///
    /// Returns an error if the file cannot be written.
    pub fn add_figures(&self, day: &str, figures: &[(String, RuleCounts)]) -> Result<(), RulesError> {
        let mut guard = self.lock();
        let Some(opened) = self.opened(&mut guard, false)? else { return Ok(()) };
        let failed = |error| RulesError::of("write", &self.path, error);
        let transaction =
            opened.connection.transaction_with_behavior(TransactionBehavior::Immediate).map_err(failed)?;
        for (rule, counts) in figures {
            let RuleCounts { counted, fired, removed, shortened } = counts;
            transaction.execute(ADD_FIGURES, params![day, rule, counted, fired, removed, shortened]).map_err(failed)?;
        }
        transaction.commit().map_err(failed)?;
        self.settle(opened)
    }

    /// What rules did from `from` to `until`, both days included, by day and by what they removed.
    ///
    /// Returns an error if the file cannot be read.
    pub fn figures(&self, from: &str, until: &str) -> Result<Vec<DayFigures>, RulesError> {
        let mut guard = self.lock();
        let Some(opened) = self.opened(&mut guard, false)? else { return Ok(Vec::new()) };
        let failed = |error| RulesError::of("read", &self.path, error);
        let select = "SELECT day, rule, counted, fired, removed, shortened FROM daily WHERE day >= ?1 AND day <= ?2
            ORDER BY day DESC, removed DESC, fired DESC, rule";
        let mut select = opened.connection.prepare(select).map_err(failed)?;
        let rows = select
            .query_map([from, until], |row| {
                let counts = RuleCounts {
                    counted: row.get(2)?,
                    fired: row.get(3)?,
                    removed: row.get(4)?,
                    shortened: row.get(5)?,
                };
                Ok(DayFigures { day: row.get(0)?, rule: row.get(1)?, counts })
            })
            .map_err(failed)?;
        rows.collect::<Result<_, _>>().map_err(failed)
    }

    fn lock(&self) -> MutexGuard<'_, Option<Opened>> {
        // The file is left whole by every step, whatever panics between two.
        self.connection.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Folds the log into the file, and sees to it that the file is still there.
    ///
    /// Returns an error if what was written went into a file that was moved away or deleted.
    fn settle(&self, opened: &mut Opened) -> Result<(), RulesError> {
        // What another process keeps from being folded in is folded in by the next write; it is durable all the same.
        let _ = opened.connection.query_row("PRAGMA wal_checkpoint(TRUNCATE)", [], |_| Ok(()));
        match FileStamp::of(&self.path).filter(|now| now.inode == opened.file.inode) {
            Some(now) => opened.file = now,
            None => return Err(RulesError::Gone { path: self.path.clone() }),
        }
        Ok(())
    }

    /// The open file; `None` where there is none and it is not to be made. One that somebody else has written, or put in the place of
    /// another, is opened anew.
    fn opened<'a>(
        &self,
        guard: &'a mut MutexGuard<'_, Option<Opened>>,
        is_made: bool,
    ) -> Result<Option<&'a mut Opened>, RulesError> {
        let now = FileStamp::of(&self.path);
        match (&**guard, now) {
            (opened, None) if opened.is_some() || self.has_versions.load(Ordering::Relaxed) => {
                return Err(RulesError::Gone { path: self.path.clone() });
            }
            // Closed before the other is opened: SQLite sees that the file was moved, and leaves what is in its place alone.
            (Some(opened), Some(now)) if opened.file != now => **guard = None,
            _ => {}
        }
        if now.is_none() && is_made {
            file::make(self.path.parent().unwrap_or(Path::new(".")), &self.path)?;
        }
        if guard.is_none() && (is_made || now.is_some()) {
            let connection = file::open(&self.path)?;
            if self.has_versions.load(Ordering::Relaxed) {
                self.read_last(&connection)?;
            }
            let file = FileStamp::of(&self.path).ok_or_else(|| RulesError::Gone { path: self.path.clone() })?;
            **guard = Some(Opened { connection, seen: None, file });
        }
        Ok(guard.as_mut())
    }

    fn read_last(&self, connection: &Connection) -> Result<Version, RulesError> {
        let failed = |error| RulesError::of("read", &self.path, error);
        let damaged = |reason: &str| RulesError::Damaged { path: self.path.clone(), reason: reason.to_owned() };
        let given: Option<u64> = connection
            .query_row("SELECT seq FROM sqlite_sequence WHERE name = 'versions'", [], |row| row.get(0))
            .optional()
            .map_err(failed)?;
        let Some(last) = given else {
            // Another file in place of one with rules never means that there are to be none.
            let has_versions = self.has_versions.load(Ordering::Relaxed);
            return if has_versions { Err(damaged("it has no versions any longer")) } else { Ok(Version::default()) };
        };
        let version = self.read(connection, last)?.ok_or_else(|| damaged("the last version is missing"))?;
        self.has_versions.store(true, Ordering::Relaxed);
        Ok(version)
    }

    fn read(&self, connection: &Connection, version: u64) -> Result<Option<Version>, RulesError> {
        let failed = |error| RulesError::of("read", &self.path, error);
        let damaged = |reason: String| RulesError::Damaged { path: self.path.clone(), reason };
        let select = "SELECT at_ms, who, note, document, diff, digest FROM versions WHERE version = ?1";
        type Columns = (i64, String, String, Vec<u8>, Vec<u8>, Vec<u8>);
        let row: Option<Columns> = connection
            .query_row(select, [version], |row| {
                Ok((row.get(0)?, row.get(1)?, row.get(2)?, row.get(3)?, row.get(4)?, row.get(5)?))
            })
            .optional()
            .map_err(failed)?;
        let Some((at_ms, who, note, document, diff, stored)) = row else { return Ok(None) };
        if stored != digest(version, at_ms, &who, &note, &document, &diff) {
            return Err(damaged(format!("version {version} does not match its digest")));
        }
        let text = String::from_utf8(document).map_err(|error| damaged(format!("version {version}: {error}")))?;
        let set = RuleSet::read_stored(&text).map_err(|error| damaged(format!("version {version}: {error}")))?;
        Ok(Some(Version { version, set }))
    }
}

#[cfg(test)]
mod tests;
