//! Which engine answers for which catalog, and how new generations are taken over.
//!
//! The rules: a generation is checked hash by hash before it serves. When `CURRENT` is written and the new generation is
//! damaged or of another model, it is refused, logged once, and the old one serves on until `CURRENT` is written again (a build
//! or a rollback does so). A catalog whose generation or live changes are damaged when it is first seen answers `index_damaged` or
//! `live_damaged`, until either file is written again. Catalogs that appear are picked up; one that disappears serves on until the server stops, because its files stay mapped.

use std::collections::BTreeMap;
use std::path::PathBuf;
use std::sync::Arc;
use std::time::SystemTime;

use arc_swap::ArcSwap;

use super::answers::{CatalogState, CatalogStatus};
use super::config::CatalogSettings;
use super::metrics::Metrics;
use super::problem::{Code, Problem, with_causes};
use crate::behavior::BehaviorConfig;
use crate::catalog::CatalogConfig;
use crate::embed::Embedder;
use crate::index::{CatalogDir, Check, IndexError};
use crate::live::View;
use crate::recommend::{Engine, RecommendConfig, RecommendError, WaitingRule};
use crate::rules::RULES_FILE;

/// The catalogs of one index root.
pub(super) struct Catalogs {
    root: PathBuf,
    config: RecommendConfig,
    behavior: BehaviorConfig,
    settings: CatalogSettings,
    embedder: Arc<Embedder>,
    metrics: Arc<Metrics>,
    /// Readers take the whole map; a change replaces it.
    serving: ArcSwap<BTreeMap<String, Served>>,
}

/// One catalog at one moment.
#[derive(Clone)]
struct Served {
    /// Answers; `None` while no generation could be opened.
    engine: Option<Arc<Engine>>,
    /// Why none answers.
    failed: CatalogState,
    /// Whether the live changes could not be read when they were last looked at.
    is_stale: bool,
    /// `CURRENT` as it was last looked at.
    seen: Stamp,
    /// The generation that `CURRENT` names, when it was refused.
    refused: Option<String>,
}

/// Tells one writing of `CURRENT` from another, also when it names the same generation again.
#[derive(Clone, PartialEq)]
struct Stamp {
    written: SystemTime,
    bytes: Vec<u8>,
    /// When the live changes and the rules were written, and their lengths: what may have been mended while none answers.
    live: [Option<(SystemTime, u64)>; 2],
}

impl Stamp {
    fn read(dir: &CatalogDir) -> std::io::Result<Self> {
        let path = dir.current_path();
        let live = [dir.live_path(), dir.path().join(RULES_FILE)].map(|path| {
            let file = std::fs::metadata(path).ok()?;
            Some((file.modified().ok()?, file.len()))
        });
        Ok(Self { written: std::fs::metadata(&path)?.modified()?, bytes: std::fs::read(&path)?, live })
    }

    fn is_same_current(&self, other: &Self) -> bool {
        (self.written, &self.bytes) == (other.written, &other.bytes)
    }
}

impl Catalogs {
    /// Opens every catalog below `root`; a damaged one is logged and kept as such.
    ///
    /// Returns an error if `root` cannot be read.
    pub(super) fn open(
        root: PathBuf,
        (config, behavior): (RecommendConfig, BehaviorConfig),
        settings: CatalogSettings,
        embedder: Arc<Embedder>,
        metrics: Arc<Metrics>,
    ) -> Result<Self, IndexError> {
        let catalogs = Self { root, config, behavior, settings, embedder, metrics, serving: ArcSwap::default() };
        catalogs.refresh()?;
        if catalogs.serving.load().is_empty() {
            tracing::warn!("no catalog below `{}` yet; `kindred index build` makes one", catalogs.root.display());
        }
        Ok(catalogs)
    }

    /// How events count in what is learned from them.
    pub(super) fn behavior(&self) -> &BehaviorConfig {
        &self.behavior
    }

    /// Looks at every `CURRENT` and takes over what is new, changes that other processes made included. Reads whole generations: never call it where requests are answered,
    /// and never twice at once.
    ///
    /// Returns an error if the root cannot be read; all catalogs then serve on.
    pub(super) fn refresh(&self) -> Result<(), IndexError> {
        for dir in CatalogDir::all(&self.root)? {
            // Stamped before the generation is opened: a write in between is looked at once more, never missed.
            let Ok(stamp) = Stamp::read(&dir) else { continue };
            let old = self.serving.load().get(dir.catalog()).cloned();
            let is_served = |old: &Served| old.engine.is_some() && old.seen.is_same_current(&stamp);
            let served = match old {
                Some(old) if is_served(&old) => match self.catch_up(&dir, old) {
                    Some(changed) => changed,
                    None => continue,
                },
                Some(old) if old.seen == stamp => continue,
                old => self.take_over(&dir, stamp, old.and_then(|old| old.engine)),
            };
            let mut serving = BTreeMap::clone(&self.serving.load());
            serving.insert(dir.catalog().to_owned(), served);
            self.serving.store(Arc::new(serving));
        }
        Ok(())
    }

    /// Makes changes of other processes visible and shows the figures. Returns the catalog when the log could be read before and now
    /// cannot, or the other way round.
    fn catch_up(&self, dir: &CatalogDir, old: Served) -> Option<Served> {
        let engine = old.engine.as_ref()?;
        let caught_up = engine.live().catch_up().and_then(|_| engine.live().log_size());
        match &caught_up {
            Ok(size) => self.metrics.live(dir.catalog(), &engine.view(), *size),
            Err(error) if !old.is_stale => {
                let catalog = dir.catalog();
                tracing::error!(catalog, "live changes of other processes are not seen: {}", with_causes(error));
            }
            Err(_) => {}
        }
        let before = engine.rules().version();
        let rules = engine.rules().catch_up(&engine.view());
        match &rules {
            Ok(true) if engine.rules().version() <= before => {
                let (catalog, version) = (dir.catalog(), engine.rules().version());
                tracing::warn!(
                    catalog,
                    before,
                    version,
                    "another `rules.sqlite` was put in place: its rules are in force"
                );
            }
            Ok(true) => {
                tracing::info!(catalog = dir.catalog(), version = engine.rules().version(), "rules in force");
                note_waiting(dir.catalog(), engine);
            }
            Ok(false) => {}
            Err(error) if !old.is_stale => {
                let catalog = dir.catalog();
                tracing::error!(catalog, "rules of other processes are not seen: {}", with_causes(error));
            }
            Err(_) => {}
        }
        let is_stale = caught_up.is_err() || rules.is_err();
        (is_stale != old.is_stale).then(|| Served { is_stale, ..old })
    }

    fn take_over(&self, dir: &CatalogDir, seen: Stamp, old: Option<Arc<Engine>>) -> Served {
        let catalog = dir.catalog();
        let before = old.as_ref().map(|engine| engine.view());
        let old_name = before.as_ref().map(|view| view.generation().name());
        match self.open_engine(dir, old.clone()) {
            Ok(engine) => {
                let view = engine.view();
                let (name, products) = (view.generation().name(), view.num_products());
                tracing::info!(catalog, generation = name, products, seq = view.seq(), "generation serves");
                note_waiting(catalog, &engine);
                self.metrics.reloaded(catalog, true, old_name, Some((name, products)));
                Served { engine: Some(engine), failed: CatalogState::Serving, is_stale: false, seen, refused: None }
            }
            Err(error) => {
                let refused = dir.current().ok().flatten().unwrap_or_else(|| "unreadable CURRENT".to_owned());
                let serving = old_name.unwrap_or("none");
                tracing::error!(catalog, generation = refused, serving, "generation refused: {}", with_causes(&error));
                self.metrics.reloaded(catalog, false, None, None);
                let failed = match error {
                    RecommendError::Live(_) => CatalogState::LiveDamaged,
                    RecommendError::Rules(_) => CatalogState::RulesDamaged,
                    _ => CatalogState::IndexDamaged,
                };
                Served { engine: old, failed, is_stale: false, seen, refused: Some(refused) }
            }
        }
    }

    /// The engine that answers, with the generation in use; a new one when none answers yet.
    fn open_engine(&self, dir: &CatalogDir, old: Option<Arc<Engine>>) -> Result<Arc<Engine>, RecommendError> {
        let generation = dir.open_current(Check::Hashes)?;
        if let Some(engine) = old {
            engine.take_over(generation)?;
            return Ok(engine);
        }
        let template = &self.settings.of(dir.catalog()).text;
        let mut config = self.config.clone();
        if let Some(placements) = self.settings.placements.get(dir.catalog()) {
            config.placements = placements.clone();
        }
        let engine = Engine::new(dir, generation, self.embedder.clone(), template, &config)?;
        Ok(Arc::new(engine.with_behavior(self.behavior.clone())))
    }

    /// How the catalog's products are read.
    pub(super) fn settings(&self, catalog: &str) -> &CatalogConfig {
        self.settings.of(catalog)
    }

    /// The folder of `catalog`.
    ///
    /// Returns a problem if the name could be no folder.
    pub(super) fn dir(&self, catalog: &str) -> Result<CatalogDir, Problem> {
        let unknown = |_| Problem::field(Code::CatalogNotFound, "catalog", format!("there is no catalog `{catalog}`"));
        CatalogDir::new(&self.root, catalog).map_err(unknown)
    }

    /// The engine that answers for `catalog` now.
    ///
    /// Returns a problem if there is no such catalog or its index is damaged.
    pub(super) fn engine(&self, catalog: &str) -> Result<Arc<Engine>, Problem> {
        match self.serving.load().get(catalog) {
            Some(Served { engine: Some(engine), .. }) => Ok(engine.clone()),
            Some(Served { engine: None, failed: CatalogState::LiveDamaged, .. }) => {
                Err(Problem::new(Code::LiveDamaged, format!("the live changes of catalog `{catalog}` cannot be used")))
            }
            Some(Served { engine: None, failed: CatalogState::RulesDamaged, .. }) => {
                Err(Problem::new(Code::RulesDamaged, format!("the rules of catalog `{catalog}` cannot be used")))
            }
            Some(Served { engine: None, .. }) => {
                Err(Problem::new(Code::IndexDamaged, format!("the index of catalog `{catalog}` cannot be used")))
            }
            None => Err(Problem::field(Code::CatalogNotFound, "catalog", format!("there is no catalog `{catalog}`"))),
        }
    }

    /// Shows and keeps what the rules of every catalog did since the last call.
    pub(super) fn keep_rule_figures(&self) {
        let day = jiff::Timestamp::now().to_zoned(jiff::tz::TimeZone::UTC).date().to_string();
        for (catalog, served) in self.serving.load().iter() {
            let Some(engine) = &served.engine else { continue };
            let figures = engine.rules().take_figures();
            self.metrics.rules(catalog, engine.rules().version(), &figures);
            if !figures.is_empty()
                && let Err(error) = engine.rules().store().add_figures(&day, &figures)
            {
                tracing::error!(catalog, "what the rules did is not kept: {}", with_causes(&error));
            }
        }
    }

    /// How every catalog stands, by name.
    pub(super) fn status(&self) -> Vec<CatalogStatus> {
        let status = |(catalog, served): (&String, &Served)| {
            let view = served.engine.as_ref().map(|engine| engine.view());
            let count = |of: fn(&View) -> usize| view.as_ref().map_or(0, of);
            CatalogStatus {
                catalog: catalog.clone(),
                state: if view.is_some() { CatalogState::Serving } else { served.failed },
                generation: view.as_ref().map(|view| view.generation().name().to_owned()),
                products: count(View::num_products),
                live_seq: view.as_ref().map_or(0, View::seq),
                live_new: count(View::num_new),
                live_patched: count(View::num_patched),
                live_masked: count(View::num_masked),
                rules_version: served.engine.as_ref().map_or(0, |engine| engine.rules().version()),
                refused_generation: served.refused.clone(),
            }
        };
        self.serving.load().iter().map(status).collect()
    }
}

/// Logs the rules in force that do not count, as no product has a field that they name.
fn note_waiting(catalog: &str, engine: &Engine) {
    match engine.rules().waiting(&engine.view()) {
        Ok(waiting) => {
            for WaitingRule { rule, field } in waiting {
                tracing::warn!(catalog, rule, field, "a rule does not count until a product has the field");
            }
        }
        Err(error) => tracing::error!(catalog, "which rules wait for a field is not known: {}", with_causes(&error)),
    }
}
