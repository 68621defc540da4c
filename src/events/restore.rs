//! Live sessions from the file, after a restart or another process's writes.

use std::collections::HashMap;
use std::path::Path;
use std::sync::Arc;

use rusqlite::{Connection, ToSql};

use super::error::{EventError, Step};
use super::file::{last_seq, name_of, scan};
use super::live::{LiveInteraction, LiveSessions};

/// How far back events are looked at, in milliseconds: one day.
const BACK_MS: i64 = 24 * 3600 * 1000;
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
    let last = last_seq(connection).map_err(|error| Step::Read.failed(path, error))?;
    let since_ms = now_ms.saturating_sub(BACK_MS);
    let condition = "WHERE seq IN (SELECT seq FROM events WHERE time_ms >= ?1 ORDER BY time_ms DESC, seq DESC LIMIT ?2)
        AND seq <= ?3 ORDER BY time_ms, seq";
    add(path, connection, condition, &[&since_ms, &MAX_EVENTS, &last], live)?;
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
        add(path, connection, "WHERE seq > ?1 AND seq <= ?2 ORDER BY seq", &[&first, &last], live)?;
    }
    Ok(last)
}

fn add(
    path: &Path,
    connection: &Connection,
    condition: &str,
    parameters: &[&dyn ToSql],
    live: &mut LiveSessions,
) -> Result<(), EventError> {
    let mut names: HashMap<u32, Arc<str>> = HashMap::new();
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
        live.add_all(row.kind, &row.hashes, interactions.into_iter());
        Ok(())
    })
}
