//! Which engine answers for which catalog, and how new generations are taken over.
//!
//! The rules: a generation is checked hash by hash before it serves. When `CURRENT` is written and the new generation is
//! damaged or of another model, it is refused, logged once, and the old one serves on until `CURRENT` is written again (a build
//! or a rollback does so). A catalog whose generation is damaged when it is first seen answers `index_damaged`. Catalogs that appear
//! are picked up; one that disappears serves on until the server stops, because its files stay mapped.

use std::collections::BTreeMap;
use std::path::PathBuf;
use std::sync::Arc;
use std::time::SystemTime;

use arc_swap::ArcSwap;

use super::answers::{CatalogState, CatalogStatus};
use super::metrics::Metrics;
use super::problem::{Code, Problem, with_causes};
use crate::embed::Embedder;
use crate::index::{CatalogDir, Check, IndexError};
use crate::recommend::{Engine, RecommendConfig, RecommendError};

/// The catalogs of one index root.
pub(super) struct Catalogs {
    root: PathBuf,
    config: RecommendConfig,
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
}

impl Stamp {
    fn read(dir: &CatalogDir) -> std::io::Result<Self> {
        let path = dir.current_path();
        Ok(Self { written: std::fs::metadata(&path)?.modified()?, bytes: std::fs::read(&path)? })
    }
}

impl Catalogs {
    /// Opens every catalog below `root`; a damaged one is logged and kept as such.
    ///
    /// Returns an error if `root` cannot be read.
    pub(super) fn open(
        root: PathBuf,
        config: RecommendConfig,
        embedder: Arc<Embedder>,
        metrics: Arc<Metrics>,
    ) -> Result<Self, IndexError> {
        let catalogs = Self { root, config, embedder, metrics, serving: ArcSwap::default() };
        catalogs.refresh()?;
        if catalogs.serving.load().is_empty() {
            tracing::warn!("no catalog below `{}` yet; `kindred index build` makes one", catalogs.root.display());
        }
        Ok(catalogs)
    }

    /// Looks at every `CURRENT` and takes over what is new. Reads whole generations: never call it where requests are answered,
    /// and never twice at once.
    ///
    /// Returns an error if the root cannot be read; all catalogs then serve on.
    pub(super) fn refresh(&self) -> Result<(), IndexError> {
        for dir in CatalogDir::all(&self.root)? {
            // Stamped before the generation is opened: a write in between is looked at once more, never missed.
            let Ok(stamp) = Stamp::read(&dir) else { continue };
            let old = self.serving.load().get(dir.catalog()).cloned();
            if old.as_ref().is_some_and(|old| old.seen == stamp) {
                continue;
            }
            let served = self.take_over(&dir, stamp, old.and_then(|old| old.engine));
            let mut serving = BTreeMap::clone(&self.serving.load());
            serving.insert(dir.catalog().to_owned(), served);
            self.serving.store(Arc::new(serving));
        }
        Ok(())
    }

    fn take_over(&self, dir: &CatalogDir, seen: Stamp, old: Option<Arc<Engine>>) -> Served {
        let catalog = dir.catalog();
        let old_name = old.as_ref().map(|engine| engine.generation().name());
        match self.open_engine(dir) {
            Ok(engine) => {
                let (name, num_products) = (engine.generation().name(), engine.generation().products().num_rows());
                tracing::info!(catalog, generation = name, products = num_products, "generation serves");
                self.metrics.reloaded(catalog, true, old_name, Some((name, num_products)));
                Served { engine: Some(Arc::new(engine)), seen, refused: None }
            }
            Err(error) => {
                let refused = dir.current().ok().flatten().unwrap_or_else(|| "unreadable CURRENT".to_owned());
                let serving = old_name.unwrap_or("none");
                tracing::error!(catalog, generation = refused, serving, "generation refused: {}", with_causes(&error));
                self.metrics.reloaded(catalog, false, None, None);
                Served { engine: old, seen, refused: Some(refused) }
            }
        }
    }

    fn open_engine(&self, dir: &CatalogDir) -> Result<Engine, RecommendError> {
        Engine::new(dir.open_current(Check::Hashes)?, self.embedder.clone(), &self.config)
    }

    /// The engine that answers for `catalog` now.
    ///
    /// Returns a problem if there is no such catalog or its index is damaged.
    pub(super) fn engine(&self, catalog: &str) -> Result<Arc<Engine>, Problem> {
        match self.serving.load().get(catalog) {
            Some(Served { engine: Some(engine), .. }) => Ok(engine.clone()),
            Some(Served { engine: None, .. }) => {
                Err(Problem::new(Code::IndexDamaged, format!("the index of catalog `{catalog}` cannot be used")))
            }
            None => Err(Problem::field(Code::CatalogNotFound, "catalog", format!("there is no catalog `{catalog}`"))),
        }
    }

    /// How every catalog stands, by name.
    pub(super) fn status(&self) -> Vec<CatalogStatus> {
        let status = |(catalog, served): (&String, &Served)| {
            let generation = served.engine.as_ref().map(|engine| engine.generation());
            CatalogStatus {
                catalog: catalog.clone(),
                state: if generation.is_some() { CatalogState::Serving } else { CatalogState::IndexDamaged },
                generation: generation.map(|generation| generation.name().to_owned()),
                products: generation.map_or(0, |generation| generation.products().num_rows()),
                refused_generation: served.refused.clone(),
            }
        };
        self.serving.load().iter().map(status).collect()
    }
}
