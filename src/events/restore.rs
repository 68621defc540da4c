//! Live sessions from the file, after a restart or another process's writes.

use std::collections::HashMap;
use std::path::Path;
use std::sync::Arc;

use rusqlite::{Connection, OptionalExtension, ToSql};

use super::error::{EventError, Step};
use super::file::{last_seq, name_of, scan};
use super::kind::EventKind;
use super::live::{LiveInteraction, LiveSessions, SignIn};
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
    show(path, &snapshot, found, live)?;
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
        show(path, connection, found, live)?;
    }
    Ok(last)
}

fn show(path: &Path, connection: &Connection, found: Vec<Found>, live: &mut LiveSessions) -> Result<(), EventError> {
    for Found { kind, time_ms, hashes, interactions } in found {
        let sign_in = first_sign_in(path, connection, &hashes, live)?;
        live.add_all(kind, time_ms, &hashes, interactions.into_iter());
        if let (Some(visitor), Some(sign_in)) = (hashes.visitor, sign_in) {
            live.sign_in(visitor, sign_in);
        }
    }
    Ok(())
}

/// The first sign-in on the device of an event's visitor, however long ago, unless `live` holds the visitor: then it was asked for before.
///
/// Returns an error if the file is damaged or cannot be read.
pub(super) fn first_sign_in(
    path: &Path,
    connection: &Connection,
    hashes: &Hashes,
    live: &LiveSessions,
) -> Result<Option<SignIn>, EventError> {
    let Some(visitor) = hashes.visitor.filter(|visitor| !live.is_held(*visitor)) else { return Ok(None) };
    let failed = |error| Step::Read.failed(path, error);
    let mut select = connection.prepare_cached("SELECT time_ms, user FROM links WHERE visitor = ?1").map_err(failed)?;
    let sign_in = select.query_row([visitor], |row| Ok(SignIn { time_ms: row.get(0)?, user: row.get(1)? }));
    sign_in.optional().map_err(failed)
}

/// An event as the live sessions take it.
struct Found {
    kind: EventKind,
    time_ms: i64,
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
        found.push(Found { kind: row.kind, time_ms: row.time_ms, hashes: row.hashes, interactions });
        Ok(())
    })?;
    Ok(found)
}
