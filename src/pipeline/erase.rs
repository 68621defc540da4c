//! Erasing one shopper everywhere: out of the generations first, then out of the events.
//!
//! In this order, so that whatever fails, asking again finds the events still there and does the rest. The catalog's lock is held throughout:
//! no build can read the events before and publish after.

use std::time::{Duration, Instant};

use serde::Serialize;
use utoipa::ToSchema;

use crate::behavior::{Behavior, BehaviorConfig, Footprint, redact};
use crate::events::{ErasureReceipt, EventError, EventStore};
use crate::index::{CatalogDir, CatalogLock, Check, Generation, IndexError, Manifest, Revision};
use crate::rank::RowId;

/// An erasure was not finished; ask again.
#[derive(Debug, thiserror::Error)]
pub enum EraseError {
    /// The events could not be read or erased.
    #[error(transparent)]
    Events(#[from] EventError),
    /// A generation could not be read or replaced, or a build runs.
    #[error(transparent)]
    Index(#[from] IndexError),
}

/// Proof of an erasure. It bears nothing of whose it was.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, ToSchema)]
#[schema(example = json!({
    "receipt_id": "01K…", "erased_at": "2026-01-31T12:00:00Z", "events": 17, "links": 1,
    "generations": [{"generation": "gen-000041", "done": "replaced", "by": "gen-000042", "sessions": 2, "pairs": 3}],
}))]
pub struct Erasure {
    /// What was erased from the events.
    #[serde(flatten)]
    pub receipt: ErasureReceipt,
    /// What was done to each generation of the catalog, oldest first, the one in use last.
    pub generations: Vec<GenerationErasure>,
}

impl Erasure {
    /// This erasure and a `later` one of the same shopper as one.
    pub fn joined(self, later: Self) -> Self {
        let ErasureReceipt { receipt_id, erased_at, events, links } = self.receipt;
        let (events, links) = (events + later.receipt.events, links + later.receipt.links);
        let receipt = ErasureReceipt { receipt_id, erased_at, events, links };
        Self { receipt, generations: [self.generations, later.generations].concat() }
    }
}

/// What was done to one generation.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, ToSchema)]
pub struct GenerationErasure {
    /// Its name.
    pub generation: String,
    /// What was done.
    pub done: GenerationDone,
    /// What stands in its place; the same name for one that was not in use.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub by: Option<String>,
    /// Sessions that were taken out of it.
    pub sessions: usize,
    /// Pairs of products that were taken out of it because no more orders or sessions backed them than were taken out.
    pub pairs: usize,
}

/// What an erasure does to a generation.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, ToSchema)]
#[serde(rename_all = "snake_case")]
pub enum GenerationDone {
    /// It held none of the shopper's sessions.
    Unchanged,
    /// It was replaced by one without them.
    Replaced,
    /// It was not in use and cannot be read, so it was deleted.
    Deleted,
}

/// Erases all that is kept under `id`, a visitor's or a user's: takes the sessions to which any of their events contributes, whole, out of
/// every generation of the catalog in `dir`, and their events out of `store`.
///
/// The sessions are formed from all events as a build forms them; those that retention has taken, or that were sessions by another idle time,
/// are not known. `config` says how events count in what was learned.
///
/// Returns an error if a build runs, the generation in use is damaged, or a file cannot be read or written; some generations may then be
/// done, and asking again does the rest.
pub fn erase_shopper(
    dir: &CatalogDir,
    store: &EventStore,
    id: &str,
    config: &BehaviorConfig,
) -> Result<Erasure, EraseError> {
    let lock = lock(dir)?;
    let generations = if store.export(id)?.is_empty() {
        Vec::new()
    } else {
        redact_all(dir, &lock, Footprint::new(&store.history_of(id)?, config))?
    };
    Ok(Erasure { receipt: store.erase(id)?, generations })
}

/// How long another erasure, or whatever else changes the catalog, is waited for.
const PATIENCE: Duration = Duration::from_secs(3);
/// Between two looks at the lock.
const PAUSE: Duration = Duration::from_millis(20);

fn lock(dir: &CatalogDir) -> Result<CatalogLock, IndexError> {
    let began = Instant::now();
    loop {
        match dir.lock() {
            Err(IndexError::BuildInProgress { .. }) if began.elapsed() < PATIENCE => std::thread::sleep(PAUSE),
            other => return other,
        }
    }
}

fn redact_all(
    dir: &CatalogDir,
    lock: &CatalogLock,
    footprint: Footprint<'_>,
) -> Result<Vec<GenerationErasure>, IndexError> {
    // What a killed build left may hold anything.
    dir.discard_build(lock)?;
    let mut listed = dir.list()?;
    listed.sort_by_key(|listed| listed.is_current);
    let mut done = Vec::with_capacity(listed.len());
    for listed in listed {
        let redacted = listed.manifest.and_then(|manifest| redact_one(dir, lock, &manifest, footprint));
        done.push(match redacted {
            Err(error) if !listed.is_current && error.is_damage() => {
                dir.remove(lock, &listed.name)?;
                GenerationErasure::of(listed.name, GenerationDone::Deleted)
            }
            other => other?,
        });
    }
    Ok(done)
}

fn redact_one(
    dir: &CatalogDir,
    lock: &CatalogLock,
    manifest: &Manifest,
    footprint: Footprint<'_>,
) -> Result<GenerationErasure, IndexError> {
    let unchanged = GenerationErasure::of(manifest.generation.clone(), GenerationDone::Unchanged);
    let files = manifest.files.keys().map(String::as_str);
    let path = dir.path().join(&manifest.generation);
    let Some(behavior) = Behavior::open(&path, manifest.counts.products, files)? else { return Ok(unchanged) };
    let generation = Generation::open(&path, Check::Headers)?;
    let own = footprint.sessions(behavior.sessions(), |id| generation.products().row(id).map(|RowId(row)| row));
    if own.numbers.is_empty() {
        return Ok(unchanged);
    }
    let revision = Revision::start(dir, lock, manifest)?;
    let redacted = redact(&behavior, &own, revision.dir())?;
    let replaced = revision.publish(redacted.files)?;
    Ok(GenerationErasure {
        generation: replaced.generation,
        done: GenerationDone::Replaced,
        by: Some(replaced.by),
        sessions: redacted.num_sessions,
        pairs: redacted.num_pairs,
    })
}

impl GenerationErasure {
    fn of(generation: String, done: GenerationDone) -> Self {
        Self { generation, done, by: None, sessions: 0, pairs: 0 }
    }
}
