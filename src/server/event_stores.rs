//! Which events are whose: one store a catalog, opened when the catalog is first seen.
//!
//! A store that cannot be opened is logged once, by name; its catalog answers questions all the same. One that is damaged is tried again
//! whenever its files change, and what needs events answers `events_damaged`. What may pass, such as another process's lock or a fault of the
//! disk, is tried again at every look, and answers `events_unavailable` until then.
//!
//! Every page of a small file is checked before it is used; that of a large one in the background, at the start and then once a day, so
//! that a start takes no longer for it: damage is logged by name, and what can be read goes on being used.

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::SystemTime;

use arc_swap::ArcSwap;

use super::metrics::Metrics;
use super::problem::{Code, Problem, with_causes};
use crate::events::{EVENTS_FILE, EventError, EventStore, EventsConfig, KEY_FILE};
use crate::index::{CatalogDir, IndexError};

/// Files up to this length are checked page by page when they are opened: well under a second.
const MAX_CHECKED_BYTES: u64 = 32 << 20;

/// The stores of one index root.
pub(super) struct EventStores {
    root: PathBuf,
    config: EventsConfig,
    metrics: Arc<Metrics>,
    stores: ArcSwap<BTreeMap<String, Opened>>,
}

#[derive(Clone)]
struct Opened {
    /// Why not, when it could not be opened.
    store: Result<Arc<EventStore>, EventError>,
    seen: Stamp,
    /// Whether another process's events could not be read when they were last looked for.
    is_stale: bool,
}

/// When the files were written, and their lengths.
type Stamp = [Option<(SystemTime, u64)>; 2];

impl EventStores {
    /// None yet: [`EventStores::refresh`] opens them.
    pub(super) fn new(root: PathBuf, config: EventsConfig, metrics: Arc<Metrics>) -> Self {
        Self { root, config, metrics, stores: ArcSwap::default() }
    }

    /// Whether what is known of a shopper who says `consent` may be looked at, and something kept of what they ask.
    pub(super) fn may_keep(&self, consent: Option<bool>) -> bool {
        consent.unwrap_or(!self.config.require_consent)
    }

    /// The events of `catalog`.
    ///
    /// Returns a problem if there is no such catalog or its events cannot be used.
    pub(super) fn of(&self, catalog: &str) -> Result<Arc<EventStore>, Problem> {
        match self.stores.load().get(catalog) {
            Some(Opened { store: Ok(store), .. }) => Ok(store.clone()),
            Some(Opened { store: Err(error), .. }) => {
                let code = if error.is_damage() { Code::EventsDamaged } else { Code::EventsUnavailable };
                Err(Problem::new(code, format!("the events of catalog `{catalog}` cannot be used")))
            }
            None => Err(Problem::field(Code::CatalogNotFound, "catalog", format!("there is no catalog `{catalog}`"))),
        }
    }

    /// Opens the stores of new catalogs, and takes in what other processes have written. Never call it twice at once.
    ///
    /// Returns an error if the root cannot be read.
    pub(super) fn refresh(&self) -> Result<(), IndexError> {
        for dir in CatalogDir::all(&self.root)? {
            let seen = stamp(&dir.path());
            let old = self.stores.load().get(dir.catalog()).cloned();
            let opened = match old {
                Some(Opened { store: Ok(store), is_stale, .. }) => {
                    let is_stale = self.catch_up(dir.catalog(), &store, is_stale);
                    Opened { store: Ok(store), seen, is_stale }
                }
                Some(Opened { store: Err(error), seen: old, .. }) if error.is_damage() && old == seen => continue,
                old => {
                    let last_error = old.and_then(|old| old.store.err());
                    Opened { store: self.open(&dir, last_error.as_ref()), seen, is_stale: false }
                }
            };
            let mut stores = BTreeMap::clone(&self.stores.load());
            stores.insert(dir.catalog().to_owned(), opened);
            self.stores.store(Arc::new(stores));
        }
        Ok(())
    }

    /// Opens the events of `dir`, and logs why not unless it is the `last_error` again.
    fn open(&self, dir: &CatalogDir, last_error: Option<&EventError>) -> Result<Arc<EventStore>, EventError> {
        open_checked(&dir.path(), &self.config).map(Arc::new).inspect_err(|error| {
            let told = with_causes(error);
            if last_error.is_none_or(|last| with_causes(last) != told) {
                tracing::error!(catalog = dir.catalog(), "events cannot be used: {told}");
            }
        })
    }

    /// Returns whether it failed.
    fn catch_up(&self, catalog: &str, store: &EventStore, was_stale: bool) -> bool {
        match store.catch_up().and_then(|_| store.num_bytes()) {
            Ok(num_bytes) => {
                self.metrics.event_bytes(catalog, num_bytes);
                false
            }
            Err(error) => {
                if !was_stale {
                    tracing::error!(catalog, "events of other processes are not seen: {}", with_causes(&error));
                }
                true
            }
        }
    }

    /// Reads every page of the files that were too large for it when they were opened, and logs those that are damaged.
    pub(super) fn check(&self) {
        for (catalog, opened) in self.stores.load().iter() {
            let Ok(store) = &opened.store else { continue };
            if let Err(error) = store.num_bytes().and_then(|num_bytes| check_if(num_bytes > MAX_CHECKED_BYTES, store)) {
                tracing::error!(catalog, "events are damaged: {}", with_causes(&error));
            }
        }
    }

    /// Forgets what is past its retention, in every catalog.
    pub(super) fn purge(&self) {
        let now_ms = jiff::Timestamp::now().as_millisecond();
        for (catalog, opened) in self.stores.load().iter() {
            let Ok(store) = &opened.store else { continue };
            match store.purge(now_ms) {
                Ok(0) => {}
                Ok(num_events) => tracing::info!(catalog, num_events, "events past their retention are forgotten"),
                Err(error) => tracing::error!(catalog, "old events are kept: {}", with_causes(&error)),
            }
        }
    }
}

fn open_checked(folder: &Path, config: &EventsConfig) -> Result<EventStore, EventError> {
    let store = EventStore::open(folder, config)?;
    let num_bytes = store.num_bytes()?;
    check_if(num_bytes <= MAX_CHECKED_BYTES, &store)?;
    Ok(store)
}

fn check_if(is_due: bool, store: &EventStore) -> Result<(), EventError> {
    if is_due { store.check() } else { Ok(()) }
}

fn stamp(folder: &Path) -> Stamp {
    [EVENTS_FILE, KEY_FILE].map(|name| {
        let file = std::fs::metadata(folder.join(name)).ok()?;
        Some((file.modified().ok()?, file.len()))
    })
}
