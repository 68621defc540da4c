//! Live sessions from the file, after a restart or another process's writes.

use std::collections::HashMap;
use std::sync::Arc;

use super::error::EventError;
use super::file::{EventFile, scan};
use super::live::{LiveInteraction, LiveSessions};

/// How far back events are looked at, in milliseconds: one day.
const BACK_MS: i64 = 24 * 3600 * 1000;
/// Most events that are looked at: the latest.
const MAX_EVENTS: i64 = 200_000;

/// Puts the latest events of `file` into `live`.
///
/// Returns an error if the file is damaged or cannot be read.
pub(super) fn live_sessions(file: &EventFile, now_ms: i64, live: &mut LiveSessions) -> Result<(), EventError> {
    let mut names: HashMap<u32, Arc<str>> = HashMap::new();
    let condition = "WHERE seq IN (SELECT seq FROM events WHERE time_ms >= ?1 ORDER BY time_ms DESC, seq DESC LIMIT ?2) ORDER BY time_ms, seq";
    let since_ms = now_ms.saturating_sub(BACK_MS);
    scan(file.path(), file.connection(), condition, &[&since_ms, &MAX_EVENTS], &mut |row| {
        let damaged = || EventError::Damaged {
            path: file.path().to_owned(),
            reason: "an event's products cannot be read".to_owned(),
        };
        let mut interactions = Vec::new();
        for item in row.stored_items().ok_or_else(damaged)? {
            let product = match names.get(&item.product) {
                Some(name) => name.clone(),
                None => {
                    let name: Arc<str> = file.product(item.product)?.into();
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
