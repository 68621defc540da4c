//! The rules in force for one catalog: kept in its store, compiled for the generations in use, replaced as a whole.
//!
//! Whoever answers takes the whole once, so an answer comes from one version.

use std::collections::HashSet;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use arc_swap::ArcSwap;
use serde::Serialize;
use utoipa::ToSchema;

use super::check::check_against;
use super::compiled::Compiled;
use super::facts::Facts;
use crate::index::Generation;
use crate::live::View;
use crate::recommend::error::RecommendError;
use crate::recommend::placement::{Placements, unknown_labels};
use crate::rules::{FilterError, RuleCounts, RuleSet, RuleStore, RulesDiff, RulesError, Version, VersionInfo};

/// Generations that rules are compiled for: the one in use and the one before it.
const NUM_GENERATIONS: usize = 2;

/// What is in force.
struct InForce {
    version: Version,
    compiled: Vec<Arc<Compiled>>,
}

impl InForce {
    fn of(&self, generation: &Generation) -> Option<&Arc<Compiled>> {
        self.compiled.iter().find(|compiled| compiled.generation() == generation.name())
    }
}

/// The rules of one catalog.
pub struct Rulebook {
    store: RuleStore,
    /// What rules may name as a placement.
    placements: Placements,
    in_force: ArcSwap<InForce>,
    /// Held by whoever replaces what is in force.
    replacing: Mutex<()>,
    /// Rules that were in force until lately: their figures are still to be taken.
    retired: Mutex<Vec<Arc<Compiled>>>,
}

/// A set that was saved.
#[derive(Debug, Clone, PartialEq)]
pub struct Saved {
    /// Its version.
    pub version: u64,
    /// What changed.
    pub diff: RulesDiff,
    /// What may be a slip of the pen, by place; it was saved all the same.
    pub warnings: Vec<FilterError>,
}

/// A rule that does not count until a product has a field that it names.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, ToSchema)]
pub struct WaitingRule {
    /// The rule.
    pub rule: String,
    /// The field, the first where it lacks several.
    pub field: String,
}

/// Who saves a set, and why.
#[derive(Debug, Clone, Copy)]
pub struct Saver<'a> {
    /// Who, as they say.
    pub who: &'a str,
    /// Why, as they say.
    pub note: &'a str,
    /// When, in milliseconds since 1970.
    pub at_ms: i64,
}

fn lock<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    // What these guard is replaced whole.
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}

impl Rulebook {
    /// The rules in `store`, compiled for `generation` of a catalog with `placements`.
    ///
    /// Returns an error if they cannot be read.
    pub(in crate::recommend) fn open(
        store: RuleStore,
        generation: &Generation,
        placements: Placements,
    ) -> Result<Self, RecommendError> {
        let version = store.current()?;
        let compiled = compile(&version, generation, Arc::new(Facts::new()))?;
        let in_force = ArcSwap::from_pointee(InForce { version, compiled: vec![Arc::new(compiled)] });
        Ok(Self { store, placements, in_force, replacing: Mutex::new(()), retired: Mutex::new(Vec::new()) })
    }

    /// The version in force.
    pub fn current(&self) -> Version {
        self.in_force.load().version.clone()
    }

    /// Whether what a shopper bought lately is left out: days of it, where so.
    pub fn repurchase_days(&self) -> Option<u32> {
        self.in_force.load().version.set.shop.repurchase_days
    }

    /// Number of the version in force; 0 where none was ever saved.
    pub fn version(&self) -> u64 {
        self.in_force.load().version.version
    }

    /// The versions, the newest first, at most `limit`.
    ///
    /// Returns an error if they cannot be read.
    pub fn history(&self, limit: usize) -> Result<Vec<VersionInfo>, RulesError> {
        self.store.history(limit)
    }

    /// Where the versions and the daily figures are kept.
    pub fn store(&self) -> &RuleStore {
        &self.store
    }

    /// What is in force, for the generation of `view`.
    ///
    /// Returns an error if it has to be compiled and the generation cannot be read.
    pub(in crate::recommend) fn compiled(&self, view: &View) -> Result<Arc<Compiled>, RecommendError> {
        let in_force = self.in_force.load();
        match in_force.of(view.generation()) {
            Some(compiled) => Ok(compiled.clone()),
            // Rules were replaced while this view was of another generation.
            None => self.prepare(view.generation()),
        }
    }

    /// The rules in force that do not count until a product of `view` has a field that they name, in their order.
    ///
    /// Returns an error if they have to be compiled and the generation cannot be read.
    pub fn waiting(&self, view: &View) -> Result<Vec<WaitingRule>, RecommendError> {
        Ok(self.compiled(view)?.waiting(view))
    }

    /// `set` compiled for the generation of `view`, without putting it in force.
    ///
    /// Returns an error if it has no sense in it.
    pub(in crate::recommend) fn trial(&self, set: &RuleSet, view: &View) -> Result<Compiled, RecommendError> {
        set.check()?;
        let facts = self.compiled(view)?.facts.clone();
        Ok(Compiled::compile(0, set, view.generation(), facts)?)
    }

    /// What is in force, compiled for a generation that is about to be used.
    ///
    /// Returns an error if the generation cannot be read; then nothing changes.
    pub(in crate::recommend) fn prepare(&self, generation: &Generation) -> Result<Arc<Compiled>, RecommendError> {
        let _replacing = lock(&self.replacing);
        let in_force = self.in_force.load_full();
        let fresh = Arc::new(compile(&in_force.version, generation, Arc::new(Facts::new()))?);
        let mut compiled = in_force.compiled.clone();
        compiled.retain(|old| old.generation() != generation.name());
        let surplus = (compiled.len() + 1).saturating_sub(NUM_GENERATIONS);
        lock(&self.retired).extend(compiled.drain(..surplus));
        compiled.push(fresh.clone());
        self.in_force.store(Arc::new(InForce { version: in_force.version.clone(), compiled }));
        Ok(fresh)
    }

    /// What may be a slip of the pen in `set`, by place: what this takes, [`Rulebook::put`] takes on the same view.
    ///
    /// Returns an error if it has no sense in it, or names a field that no product of `view` has and the version in force does not name.
    pub fn check(&self, view: &View, set: &RuleSet) -> Result<Vec<FilterError>, RecommendError> {
        let warnings = self.warnings(view, set)?;
        self.trial(set, view)?;
        Ok(warnings)
    }

    /// The warnings of a set, checked on its own and against the catalog.
    ///
    /// Returns an error as [`Rulebook::check`] does.
    pub(super) fn warnings(&self, view: &View, set: &RuleSet) -> Result<Vec<FilterError>, RecommendError> {
        set.check()?;
        self.warnings_knowing(view, set, &named_fields(&self.in_force.load().version.set))
    }

    /// The warnings of a set at products, filters and placements of the catalog.
    ///
    /// Returns an error if it names a field that no product has and that is not `known`.
    fn warnings_knowing(
        &self,
        view: &View,
        set: &RuleSet,
        known: &HashSet<&str>,
    ) -> Result<Vec<FilterError>, RecommendError> {
        let mut warnings = check_against(set, view, known)?;
        warnings.extend(unknown_labels(set, &self.placements));
        Ok(warnings)
    }

    /// Keeps `set` as the next version and puts it in force: every answer that begins after this has it. `expected` is the version that
    /// the change was made on; `None` takes whatever is in force.
    ///
    /// Returns an error as [`Rulebook::check`] does, or if somebody else saved a version meanwhile, or it cannot be written; then nothing
    /// changes.
    pub fn put(
        &self,
        view: &View,
        set: RuleSet,
        expected: Option<u64>,
        saver: Saver<'_>,
    ) -> Result<Saved, RecommendError> {
        let warnings = self.warnings(view, &set)?;
        self.keep(view, set, expected, saver, warnings)
    }

    /// Keeps a set that was checked.
    fn keep(
        &self,
        view: &View,
        set: RuleSet,
        expected: Option<u64>,
        saver: Saver<'_>,
        warnings: Vec<FilterError>,
    ) -> Result<Saved, RecommendError> {
        let _replacing = lock(&self.replacing);
        let in_force = self.in_force.load_full();
        let next = Version { version: 0, set: RuleSet { version: None, ..set } };
        // Before it is kept, so that what cannot be put in force is not.
        let compiled = recompiled(&next, &in_force.compiled, view)?;
        let (version, diff) = self.store.keep(&next.set, expected, saver.who, saver.note, saver.at_ms)?;
        self.replace(Version { version, ..next }, compiled);
        Ok(Saved { version, diff, warnings })
    }

    /// Puts version `to` in force again, as a new version; the one before the last when `None`. It was checked when it was saved: what of it
    /// would be refused today is a warning.
    ///
    /// Returns an error if there is none, it cannot be compiled for the generation, or somebody else saved a version meanwhile.
    pub fn roll_back(&self, view: &View, to: Option<u64>, saver: Saver<'_>) -> Result<Saved, RecommendError> {
        let current = self.store.current()?.version;
        let to = to.unwrap_or(current.saturating_sub(1));
        let old = if to == 0 { Version::default() } else { self.store.version(to)? };
        let mut warnings: Vec<FilterError> = old.set.check().err().into_iter().collect();
        warnings.extend(self.warnings_knowing(view, &old.set, &named_fields(&old.set))?);
        self.keep(view, old.set, Some(current), saver, warnings)
    }

    /// Puts in force what another process has saved. Returns whether there was anything.
    ///
    /// Returns an error if it cannot be read; what is in force stays so.
    pub fn catch_up(&self, view: &View) -> Result<bool, RecommendError> {
        if !self.store.has_news()? {
            return Ok(false);
        }
        let _replacing = lock(&self.replacing);
        let in_force = self.in_force.load_full();
        let version = self.store.current()?;
        if version == in_force.version {
            return Ok(false);
        }
        let compiled = recompiled(&version, &in_force.compiled, view)?;
        self.replace(version, compiled);
        Ok(true)
    }

    fn replace(&self, version: Version, mut compiled: Vec<Compiled>) {
        compiled.iter_mut().for_each(|compiled| compiled.version = version.version);
        let compiled = compiled.into_iter().map(Arc::new).collect();
        let old = self.in_force.swap(Arc::new(InForce { version, compiled }));
        lock(&self.retired).extend(old.compiled.iter().cloned());
    }

    /// What the rules did since the last call, by rule.
    pub fn take_figures(&self) -> Vec<(String, RuleCounts)> {
        let mut figures: std::collections::BTreeMap<String, RuleCounts> = std::collections::BTreeMap::new();
        let mut add = |compiled: &Compiled| {
            for (rule, counts) in compiled.take_figures() {
                let sum = figures.entry(rule).or_default();
                sum.counted += counts.counted;
                sum.fired += counts.fired;
                sum.removed += counts.removed;
                sum.shortened += counts.shortened;
            }
        };
        self.in_force.load().compiled.iter().for_each(|compiled| add(compiled));
        let mut retired = lock(&self.retired);
        // Taken before the last answer that uses it may have ended: it is looked at once more.
        retired.retain(|compiled| {
            let is_used = Arc::strong_count(compiled) > 1;
            add(compiled);
            is_used
        });
        figures.into_iter().collect()
    }
}

fn compile(version: &Version, generation: &Generation, facts: Arc<Facts>) -> Result<Compiled, RecommendError> {
    Ok(Compiled::compile(version.version, &version.set, generation, facts)?)
}

/// `version` for the generation of `view`. The generation before it is left to views that are still answered.
fn recompiled(version: &Version, old: &[Arc<Compiled>], view: &View) -> Result<Vec<Compiled>, RecommendError> {
    let generation = view.generation();
    let facts = old.iter().find(|old| old.generation() == generation.name()).map(|old| old.facts.clone());
    Ok(vec![compile(version, generation, facts.unwrap_or_else(|| Arc::new(Facts::new())))?])
}

/// The fields of products that `set` names.
fn named_fields(set: &RuleSet) -> HashSet<&str> {
    set.fields().into_iter().map(|(_, field)| field).collect()
}
