//! Live sessions from the file, after a restart or another process's writes.

use std::collections::HashMap;
use std::path::Path;
use std::sync::Arc;

use rusqlite::{Connection, ToSql};

use super::error::{EventError, Step};
use super::file::{last_seq, name_of, scan};
use super::kind::EventKind;
use super::live::{LiveInteraction, LiveSessions};
use super::row::Hashes;

/// How far back events are looked at, in milliseconds: thirty days, for what was shown and bought.
const BACK_MS: i64 = 30 * 24 * 3600 * 1000;
/// Most events that are looked at: the latest.
const MAX_EVENTS: i64 = 200_000;

/// Puts the latest events before `now_ms` into `live`. Returns the number of the last event.
///
/// Returns an error if the file is damaged or cannot be read.
pub(super) fn latest(
    path: &Path,
    connection: &Connection,
    now_ms: i64,
    live: &mut LiveSessions,
) -> Result<i64, EventError> {
    let failed = |error| Step::Read.failed(path, error);
    // One snapshot: what another process adds meanwhile comes after `last`, and is read by the next look.
    let snapshot = connection.unchecked_transaction().map_err(failed)?;
    let last = last_seq(&snapshot).map_err(failed)?;
    let since_ms = now_ms.saturating_sub(BACK_MS);
    // Read backwards along the index of times, which needs no sorting of rows.
    let condition = "WHERE time_ms >= ?1 ORDER BY time_ms DESC, seq DESC LIMIT ?2";
    let mut found = read(path, &snapshot, condition, &[&since_ms, &MAX_EVENTS])?;
    found.reverse();
    found.into_iter().for_each(|event| live.add_all(event.kind, &event.hashes, event.interactions.into_iter()));
    Ok(last)
}

/// Puts the events after number `seq` into `live`. Returns the number of the last event.
///
/// Returns an error if the file is damaged or cannot be read.
pub(super) fn since(
    path: &Path,
    connection: &Connection,
    seq: i64,
    live: &mut LiveSessions,
) -> Result<i64, EventError> {
    let last = last_seq(connection).map_err(|error| Step::Read.failed(path, error))?;
    // Of very many the latest are enough: they are what was done last.
    let first = seq.max(last.saturating_sub(MAX_EVENTS));
    if first < last {
        let found = read(path, connection, "WHERE seq > ?1 AND seq <= ?2 ORDER BY seq", &[&first, &last])?;
        found.into_iter().for_each(|event| live.add_all(event.kind, &event.hashes, event.interactions.into_iter()));
    }
    Ok(last)
}

/// An event as the live sessions take it.
struct Found {
    kind: EventKind,
    hashes: Hashes,
    interactions: Vec<LiveInteraction>,
}

/// The events that `condition` finds, in its order.
fn read(
    path: &Path,
    connection: &Connection,
    condition: &str,
    parameters: &[&dyn ToSql],
) -> Result<Vec<Found>, EventError> {
    let mut names: HashMap<u32, Arc<str>> = HashMap::new();
    let mut found = Vec::new();
    scan(path, connection, condition, parameters, &mut |row| {
        let damaged =
            || EventError::Damaged { path: path.to_owned(), reason: "an event's products cannot be read".to_owned() };
        let mut interactions = Vec::new();
        for item in row.stored_items().ok_or_else(damaged)? {
            let product = match names.get(&item.product) {
                Some(name) => name.clone(),
                None => {
                    let name: Arc<str> = name_of(path, connection, "products", item.product)?.into();
                    names.entry(item.product).or_insert(name).clone()
                }
            };
            interactions.push(LiveInteraction {
                product,
                kind: row.kind,
                time_ms: row.time_ms,
                quantity: item.quantity,
            });
        }
        found.push(Found { kind: row.kind, hashes: row.hashes, interactions });
        Ok(())
    })?;
    Ok(found)
}
