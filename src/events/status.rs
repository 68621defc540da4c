//! What a catalog's events are, counted; every row is held against its digest and every page is read on the way.

use std::collections::{BTreeMap, HashSet};

use jiff::Timestamp;
use serde::Serialize;

use super::error::{EventError, Step};
use super::file::{reader, scan};
use super::store::EventStore;

/// What is kept of a catalog's shoppers.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Default)]
pub struct EventStatus {
    /// Events.
    pub events: u64,
    /// Events by kind, in GA4's words.
    pub by_event: BTreeMap<&'static str, u64>,
    /// Products in them, counted once an event.
    pub interactions: u64,
    /// Different visitors and users.
    pub shoppers: u64,
    /// The earliest event.
    pub first: Option<Timestamp>,
    /// The latest event.
    pub last: Option<Timestamp>,
    /// Bytes of the file, without what is free in it.
    pub bytes: u64,
}

impl EventStore {
    /// Reads every page of the file, beside the writer, and holds the indexes against the tables: about a second a million events.
    ///
    /// Returns an error naming the file if anything does not fit or it cannot be read.
    pub fn check(&self) -> Result<(), EventError> {
        if !self.is_there()? {
            return Ok(());
        }
        let connection = reader(self.path())?;
        // One fault is enough: what it is tells little, that there is one tells all.
        let found: String = connection
            .query_row("PRAGMA integrity_check(1)", [], |row| row.get(0))
            .map_err(|error| Step::Read.failed(self.path(), error))?;
        match found.as_str() {
            "ok" => Ok(()),
            _ => Err(EventError::Damaged { path: self.path().to_owned(), reason: found }),
        }
    }

    /// Counts the events, reading all of them beside the writer, and [checks](EventStore::check) the file.
    ///
    /// Returns an error if the file is damaged or cannot be read.
    pub fn status(&self) -> Result<EventStatus, EventError> {
        let mut status = EventStatus { bytes: self.num_bytes()?, ..EventStatus::default() };
        if status.bytes == 0 {
            return Ok(status);
        }
        self.check()?;
        let connection = reader(self.path())?;
        let (mut shoppers, mut first_ms, mut last_ms) = (HashSet::new(), i64::MAX, i64::MIN);
        scan(self.path(), &connection, "", &[], &mut |row| {
            status.events += 1;
            *status.by_event.entry(row.kind.word()).or_default() += 1;
            status.interactions += row.stored_items().map_or(0, |items| items.len() as u64);
            shoppers.extend(row.hashes.user.or(row.hashes.visitor));
            first_ms = first_ms.min(row.time_ms);
            last_ms = last_ms.max(row.time_ms);
            Ok(())
        })?;
        status.shoppers = shoppers.len() as u64;
        let time = |ms: i64| Timestamp::from_millisecond(ms).ok().filter(|_| status.events > 0);
        (status.first, status.last) = (time(first_ms), time(last_ms));
        Ok(status)
    }
}
