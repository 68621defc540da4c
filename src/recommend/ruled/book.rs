//! The rules in force for one catalog: kept in its store, compiled for the generations in use, replaced as a whole.
//!
//! Whoever answers takes the whole once, so an answer comes from one version.

use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use arc_swap::ArcSwap;

use super::compiled::Compiled;
use super::facts::Facts;
use crate::index::Generation;
use crate::live::View;
use crate::recommend::error::RecommendError;
use crate::recommend::filter::check_field;
use crate::recommend::placement::{Placements, unknown_placements};
use crate::rules::{
    Condition, Filter, FilterError, RuleCounts, RuleSet, RuleStore, RulesDiff, RulesError, Version, VersionInfo,
};

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

    /// `set` compiled for the generation of `view`, without putting it in force.
    ///
    /// Returns an error if it has no sense in it.
    pub(in crate::recommend) fn trial(&self, set: &RuleSet, view: &View) -> Result<Compiled, RecommendError> {
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

    /// What may be a slip of the pen in `set`, by place.
    ///
    /// Returns an error if it has no sense in it or names a field that no product of `view` has.
    pub fn check(&self, view: &View, set: &RuleSet) -> Result<Vec<FilterError>, RecommendError> {
        let mut warnings = check_products(set, view)?;
        warnings.extend(unknown_placements(set, &self.placements));
        Ok(warnings)
    }

    /// Keeps `set` as the next version and puts it in force: every answer that begins after this has it. `expected` is the version that
    /// the change was made on; `None` takes whatever is in force.
    ///
    /// Returns an error if it has no sense in it, names a field that no product of `view` has, somebody else saved one meanwhile, or it
    /// cannot be written; then nothing changes.
    pub fn put(
        &self,
        view: &View,
        set: RuleSet,
        expected: Option<u64>,
        saver: Saver<'_>,
    ) -> Result<Saved, RecommendError> {
        let warnings = self.check(view, &set)?;
        let _replacing = lock(&self.replacing);
        let in_force = self.in_force.load_full();
        let next = Version { version: 0, set };
        // Before it is kept, so that what cannot be put in force is not.
        let compiled = recompiled(&next, &in_force.compiled, view)?;
        let (version, diff) = self.store.put(&next.set, expected, saver.who, saver.note, saver.at_ms)?;
        self.replace(Version { version, ..next }, compiled);
        Ok(Saved { version, diff, warnings })
    }

    /// Puts version `to` in force again, as a new version; the one before the last when `None`.
    ///
    /// Returns an error if there is none, or as [`Rulebook::put`] does.
    pub fn roll_back(&self, view: &View, to: Option<u64>, saver: Saver<'_>) -> Result<Saved, RecommendError> {
        let current = self.store.current()?.version;
        let to = to.unwrap_or(current.saturating_sub(1));
        let old = if to == 0 { Version::default() } else { self.store.version(to)? };
        self.put(view, old.set, Some(current), saver)
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
        if version.version == in_force.version.version {
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

/// Warnings at products that the catalog does not have and filters that match none.
///
/// Returns an error at a field that no product has.
fn check_products(set: &RuleSet, view: &View) -> Result<Vec<FilterError>, RecommendError> {
    set.check()?;
    let mut warnings = Vec::new();
    let shop = [("shop.clearance.filter", set.shop.clearance.as_ref().map(|scale| &scale.filter))];
    for (at, filter) in shop.into_iter().filter_map(|(at, filter)| Some((at, filter?))) {
        check_fields(filter, view, at)?;
    }
    for (at, never) in set.shop.never_with.iter().enumerate() {
        check_fields(&never.page, view, &format!("shop.never_with[{at}].page"))?;
        check_fields(&never.hide, view, &format!("shop.never_with[{at}].hide"))?;
    }
    for (at, rule) in set.rules.iter().enumerate() {
        check_fields(&rule.when, view, &format!("rules[{at}].when"))?;
        if let Some((place, filter)) = rule.then.filter() {
            check_fields(filter, view, &format!("rules[{at}].then.{place}"))?;
        }
        for (place, id) in rule.then.products() {
            if view.row(id).is_none() {
                let message = format!("the catalog has no product `{id}`; rule `{}` is kept and waits for it", rule.id);
                warnings.push(FilterError::new(format!("rules[{at}].then.{place}"), message));
            }
        }
    }
    Ok(warnings)
}

fn check_fields(filter: &Filter, view: &View, at: &str) -> Result<(), RecommendError> {
    filter.conditions().try_for_each(|(_, place, condition)| check_condition(condition, view, &format!("{at}.{place}")))
}

fn check_condition(condition: &Condition, view: &View, at: &str) -> Result<(), RecommendError> {
    for (name, field) in [("key", &condition.key), ("same", &condition.same), ("different", &condition.different)] {
        match field.as_deref() {
            None => {}
            Some("product_type") if name != "key" => {}
            Some(field) => check_field(view, field, &format!("{at}.{name}"))?,
        }
    }
    for (name, inner) in [("page", &condition.page), ("cart", &condition.cart)] {
        if let Some(inner) = inner {
            check_fields(inner, view, &format!("{at}.{name}"))?;
        }
    }
    let lists = [("must", &condition.must), ("should", &condition.should), ("must_not", &condition.must_not)];
    for (name, list) in lists {
        for (i, inner) in list.iter().enumerate() {
            check_condition(inner, view, &format!("{at}.{name}[{i}]"))?;
        }
    }
    Ok(())
}
