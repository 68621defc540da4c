//! Everybody's purchases and what was sent back of them, with whose they are.

use std::collections::{HashMap, HashSet};
use std::path::Path;

use rusqlite::Connection;

use super::{Gathered, links, names, sold};
use crate::events::error::{EventError, Step};
use crate::events::file::scan;
use crate::events::history::History;
use crate::events::kind::EventKind;

/// The purchases and refunds of a file, and who the shoppers of the history are.
pub(in crate::events) struct Purchasers {
    pub(in crate::events) history: History,
    /// The hash of each shopper, by number.
    pub(in crate::events) hashes: Vec<i64>,
    /// Hashes that stand for a user or a visitor.
    pub(in crate::events) lasting: HashSet<i64>,
    /// The user as whom each visitor signed in.
    pub(in crate::events) links: HashMap<i64, i64>,
}

/// Reads them, sessions ending after `idle_ms` without an event.
///
/// Returns an error if the file is damaged or cannot be read.
pub(in crate::events) fn purchasers(
    path: &Path,
    connection: &Connection,
    idle_ms: i64,
) -> Result<Purchasers, EventError> {
    let failed = |error| Step::Read.failed(path, error);
    // One snapshot: what is written meanwhile is in none of the reads.
    let snapshot = connection.unchecked_transaction().map_err(failed)?;
    let links = links(path, &snapshot)?;
    let (mut gathered, mut lasting) = (Gathered::default(), HashSet::new());
    let kinds = [EventKind::Purchase.number(), EventKind::Refund.number()];
    scan(path, &snapshot, "WHERE kind = ?1 OR kind = ?2", &[&kinds[0], &kinds[1]], &mut |row| {
        gathered.push(path, row, &links)?;
        if row.hashes.user.is_some() || row.hashes.visitor.is_some() {
            lasting.extend(gathered.heads.last().map(|head| head.shopper));
        }
        Ok(())
    })?;
    let names = names(path, &snapshot)?;
    let sold_elsewhere = sold(&snapshot, gathered.unknown_orders()).map_err(failed)?;
    drop(snapshot);
    let (history, hashes) = gathered.finish_with_hashes(names, &sold_elsewhere, idle_ms, None);
    Ok(Purchasers { history, hashes, lasting, links })
}
