//! What a command works with, opened when it is asked for.

use std::sync::Arc;

use anyhow::Result;

use super::args::Args;
use super::exit::Unanswerable;
use crate::config::Config;
use crate::embed::Embedder;
use crate::index::{CatalogDir, Check};
use crate::recommend::Engine;

/// Settings and output mode of one command.
pub(super) struct Context {
    pub config: Config,
    pub json: bool,
    pub quiet: bool,
}

impl Context {
    pub(super) fn new(args: &Args) -> Result<Self> {
        let config = Config::load(args.config.as_deref(), std::env::vars(), &args.overrides())?;
        Ok(Self { config, json: args.json, quiet: args.quiet })
    }

    pub(super) fn embedder(&self) -> Result<Arc<Embedder>> {
        Ok(Arc::new(Embedder::load(&self.config.embed)?))
    }

    pub(super) fn catalog_dir(&self, catalog: &str) -> Result<CatalogDir> {
        Ok(CatalogDir::new(&self.config.index_root, catalog)?)
    }

    /// The named catalog, or all when none is named.
    pub(super) fn catalog_dirs(&self, catalog: Option<&str>) -> Result<Vec<CatalogDir>> {
        match catalog {
            Some(name) => Ok(vec![self.existing_dir(name)?]),
            None => Ok(CatalogDir::all(&self.config.index_root)?),
        }
    }

    /// The folder of a catalog that has been built.
    pub(super) fn existing_dir(&self, catalog: &str) -> Result<CatalogDir> {
        let dir = self.catalog_dir(catalog)?;
        if dir.path().is_dir() {
            return Ok(dir);
        }
        let known: Vec<String> =
            CatalogDir::all(&self.config.index_root)?.iter().map(|dir| dir.catalog().to_owned()).collect();
        let there =
            if known.is_empty() { "there is none yet".to_owned() } else { format!("there is {}", known.join(", ")) };
        let root = self.config.index_root.display();
        let message = format!(
            "no catalog `{catalog}` under `{root}` ({there}); build it with `kindred index build {catalog} --feed FILE`"
        );
        Err(Unanswerable(message).into())
    }

    /// The catalog, ready to answer or to be changed, its generation checked as `check` says.
    pub(super) fn engine(&self, catalog: &str, check: Check) -> Result<Engine> {
        let dir = self.existing_dir(catalog)?;
        let generation = dir.open_current(check)?;
        let template = self.config.catalog(catalog)?.text;
        let engine = Engine::new(&dir, generation, self.embedder()?, &template, &self.config.recommend(catalog)?)?;
        Ok(engine.with_behavior(self.config.behavior.clone()))
    }
}
