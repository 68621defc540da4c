//! A set of rules compiled for a generation: which rules count for a question, and which of them are about a product, found without
//! asking every rule.
//!
//! Each row of the generation has the list of the rules that may be about it, as a chain of nodes that rows share: rows with the
//! same rules have the same chain. So a product costs the rules about it, not the rules there are.

use std::collections::{HashMap, HashSet};
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, Mutex, PoisonError};

use jiff::tz::TimeZone;
use roaring::{MultiOps, RoaringBitmap};

use super::act::{Act, CompiledRule, Figures, history_rules};
use super::book::WaitingRule;
use super::expr::{CompileError, Compiler};
use super::facts::Facts;
use super::scene::Scene;
use crate::index::Generation;
use crate::live::View;
use crate::rank::RowId;
use crate::rules::{Essentials, MAX_FACTOR, RuleCounts, RuleSet, bounded_factor};

/// Effects that are kept ready, by the rules that count.
const MAX_EFFECTS: usize = 1024;
/// Parts of the factors above 1 that raised rows are sorted into: the finer, the fewer hits need be fetched to be sure of a list.
const RAISING_LEVELS: usize = 4;
/// Number of the node that ends a chain.
const END: u32 = 0;

/// Which rules count, by number.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub(super) struct Active(Box<[u64]>);

impl Active {
    fn none(num_rules: usize) -> Self {
        Self(vec![0; num_rules.div_ceil(64)].into())
    }

    fn insert(&mut self, rule: usize) {
        self.0[rule / 64] |= 1 << (rule % 64);
    }

    /// Whether the rule counts.
    pub(super) fn has(&self, rule: usize) -> bool {
        self.0.get(rule / 64).is_some_and(|word| word >> (rule % 64) & 1 == 1)
    }

    /// The rules that count, ascending.
    pub(super) fn iter(&self) -> impl Iterator<Item = usize> + '_ {
        self.0.iter().enumerate().flat_map(|(at, &word)| {
            std::iter::successors(Some(word), |word| Some(word & (word - 1)).filter(|rest| *rest != 0))
                .filter(|word| *word != 0)
                .map(move |word| at * 64 + word.trailing_zeros() as usize)
        })
    }

    fn and(&self, other: &Self) -> Self {
        Self(self.0.iter().zip(&other.0).map(|(a, b)| a & b).collect())
    }
}

/// What the rules that count say of rows, without asking one. Live changes aside.
pub(super) struct Effect {
    /// Rows of the generation that are hidden in every scene.
    pub hidden: RoaringBitmap,
    /// Rows that may be raised, by the largest factor that they may get.
    pub raised: Vec<(f64, RoaringBitmap)>,
    /// The largest factor of the others.
    pub others_factor: f64,
    /// The largest factor of all.
    pub max_factor: f64,
}

#[derive(Clone, Copy)]
struct Node {
    next: u32,
    rule: u32,
}

/// A set compiled for a generation.
pub(in crate::recommend) struct Compiled {
    pub version: u64,
    pub shop: Essentials,
    pub zone: TimeZone,
    pub(super) facts: Arc<Facts>,
    pub(super) rules: Vec<CompiledRule>,
    generation: String,
    /// Rules that count for every question, and those that are to be asked.
    always: Active,
    asked: Vec<usize>,
    /// Rules that are about products and in no chain.
    everywhere: Vec<usize>,
    /// Rules in chains that changes of offers change.
    on_offers: Vec<usize>,
    /// First node of each row's chain.
    chains: Vec<u32>,
    nodes: Vec<Node>,
    /// Rules that decide an [`Effect`].
    deciding: Active,
    effects: Mutex<HashMap<Active, Arc<Effect>>>,
}

/// What the rules that count say of one product.
#[derive(Debug, Clone, Copy, Default)]
pub(super) struct Verdict {
    /// Sum of the logarithms of its factors, not bounded.
    pub ln_factor: f64,
    /// The first rule that hides it.
    pub hidden_by: Option<usize>,
}

impl Compiled {
    /// Compiles `set`, which is `version`, for `generation`. One that was saved is taken as it is, whatever would be refused today.
    ///
    /// Returns an error if there is no sense at all in the set or the generation cannot be read.
    pub(super) fn compile(
        version: u64,
        set: &RuleSet,
        generation: &Generation,
        facts: Arc<Facts>,
    ) -> Result<Self, CompileError> {
        // A circle would never end.
        set.check_replacements()?;
        let mut rules = Vec::new();
        {
            let compiler = Compiler { generation, facts: &facts };
            for (at, rule, bounds) in set.in_order() {
                let at = at.map_or_else(|| rule.id.clone(), |at| format!("rules[{at}]"));
                rules.push(CompiledRule::of(&rule, bounds, &compiler, &at)?);
            }
        }
        rules.extend(history_rules(&set.shop));
        let num_rows = generation.products().num_rows() as u32;
        let (mut always, mut deciding) = (Active::none(rules.len()), Active::none(rules.len()));
        let (mut asked, mut everywhere, mut on_offers) = (Vec::new(), Vec::new(), Vec::new());
        let mut chains = Chains { first: vec![END; num_rows as usize], nodes: vec![Node { next: END, rule: 0 }] };
        for (number, rule) in rules.iter_mut().enumerate() {
            if rule.counts_always() {
                always.insert(number)
            } else {
                asked.push(number)
            }
            let (expr, is_only) = match &rule.act {
                Act::Hide(expr) | Act::Scale(expr, _) => (expr, false),
                Act::Only(expr) => (expr, true),
                _ => continue,
            };
            deciding.insert(number);
            rule.depends_on_offer = expr.depends_on_offer();
            let cover = expr.cover(num_rows);
            if is_only {
                rule.rows = cover.map(|rows| all_rows(num_rows) - rows);
                everywhere.push(number);
                continue;
            }
            match cover {
                None => everywhere.push(number),
                Some(rows) => {
                    rule.is_exact = !rule.depends_on_offer && expr.exact(num_rows).is_some();
                    if rule.depends_on_offer {
                        on_offers.push(number);
                    }
                    chains.add(&rows, number as u32);
                    rule.rows = Some(rows);
                }
            }
        }
        Ok(Self {
            version,
            shop: set.shop.clone(),
            zone: set.zone()?,
            facts,
            rules,
            generation: generation.name().to_owned(),
            always,
            asked,
            everywhere,
            on_offers,
            chains: chains.first,
            nodes: chains.nodes,
            deciding,
            effects: Mutex::new(HashMap::new()),
        })
    }

    /// Its version.
    pub(in crate::recommend) fn version(&self) -> u64 {
        self.version
    }

    /// The generation that it is for.
    pub(super) fn generation(&self) -> &str {
        &self.generation
    }

    /// Whether it changes nothing.
    pub(super) fn is_empty(&self) -> bool {
        self.rules.is_empty() && self.shop.one_per_family
    }

    /// The rules that do not count until a product has a field, in their order.
    pub(super) fn waiting(&self, view: &View) -> Vec<WaitingRule> {
        let waiting = |rule: &CompiledRule| {
            Some(WaitingRule { rule: rule.id.to_string(), field: rule.missing_field(view)?.to_owned() })
        };
        self.rules.iter().filter_map(waiting).collect()
    }

    /// The rules that count in this scene.
    pub(super) fn active(&self, scene: &Scene<'_>) -> Active {
        let mut active = self.always.clone();
        for &number in &self.asked {
            if self.rules[number].counts(scene) {
                active.insert(number);
            }
        }
        active
    }

    /// What the rules that count say of the product in `row`.
    pub(super) fn verdict(&self, row: RowId, active: &Active, scene: &Scene<'_>) -> Verdict {
        let mut verdict = Verdict::default();
        self.each_about(row, active, scene, &mut |number, is_known| {
            self.ask(number, row, scene, is_known, &mut verdict);
        });
        verdict
    }

    /// Adds the rules that multiply the score of the product in `row`.
    pub(super) fn scaling(&self, row: RowId, active: &Active, scene: &Scene<'_>, found: &mut HashSet<usize>) {
        self.each_about(row, active, scene, &mut |number, is_known| {
            if matches!(&self.rules[number].act, Act::Scale(expr, _) if is_known || expr.holds(Some(row), scene)) {
                found.insert(number);
            }
        });
    }

    /// Calls `take` with the rules that count and may be about the product in `row`, and whether they are known to be.
    fn each_about(&self, row: RowId, active: &Active, scene: &Scene<'_>, take: &mut dyn FnMut(usize, bool)) {
        if scene.view.is_new(row) {
            active.iter().filter(|number| self.deciding.has(*number)).for_each(|number| take(number, false));
            return;
        }
        let is_patched = scene.view.patched_rows().contains(row.0);
        let mut at = self.chains.get(row.index()).copied().unwrap_or(END);
        while at != END {
            let Node { next, rule } = self.nodes[at as usize];
            let number = rule as usize;
            if active.has(number) && !(is_patched && self.rules[number].depends_on_offer) {
                take(number, self.rules[number].is_exact);
            }
            at = next;
        }
        let on_offers = self.on_offers.iter().filter(|_| is_patched);
        let others = self.everywhere.iter().chain(on_offers).copied();
        others.filter(|number| active.has(*number)).for_each(|number| take(number, false));
    }

    /// Adds what one rule says; `is_known` says that it is about the product.
    fn ask(&self, number: usize, row: RowId, scene: &Scene<'_>, is_known: bool, verdict: &mut Verdict) {
        let is_hidden = match &self.rules[number].act {
            Act::Hide(expr) => is_known || expr.holds(Some(row), scene),
            Act::Only(expr) => !expr.holds(Some(row), scene),
            Act::Scale(expr, ln) => {
                if is_known || expr.holds(Some(row), scene) {
                    verdict.ln_factor += ln;
                }
                false
            }
            _ => false,
        };
        if is_hidden && verdict.hidden_by.is_none_or(|first| number < first) {
            verdict.hidden_by = Some(number);
        }
    }

    /// What the rules that count say without asking a product.
    pub(super) fn effect(&self, active: &Active) -> Arc<Effect> {
        let key = active.and(&self.deciding);
        // A panic while an effect is worked out leaves the map without it.
        let lock = || self.effects.lock().unwrap_or_else(PoisonError::into_inner);
        if let Some(effect) = lock().get(&key) {
            return effect.clone();
        }
        let effect = Arc::new(self.work_out(&key));
        let mut effects = lock();
        if effects.len() >= MAX_EFFECTS {
            effects.clear();
        }
        effects.insert(key, effect.clone());
        effect
    }

    fn work_out(&self, active: &Active) -> Effect {
        let mut hidden = Vec::new();
        let mut sums = vec![0f64; self.chains.len()];
        let (mut touched, mut everywhere, mut all) = (RoaringBitmap::new(), 0.0, 0.0);
        for rule in active.iter().map(|number| &self.rules[number]) {
            let rows = rule.rows.as_ref();
            match (&rule.act, rows) {
                (Act::Hide(_), Some(rows)) if rule.is_exact => hidden.push(rows),
                (Act::Only(_), Some(rows)) if !rule.depends_on_offer => hidden.push(rows),
                // What is not sure to be buried counts as not buried.
                (Act::Scale(_, ln), Some(rows)) if *ln > 0.0 || rule.is_exact => {
                    rows.iter().for_each(|row| sums[row as usize] += ln);
                    touched |= rows;
                    all += ln.max(0.0);
                }
                (Act::Scale(_, ln), None) if *ln > 0.0 => {
                    everywhere += ln;
                    all += ln;
                }
                _ => {}
            }
        }
        let mut levels = vec![RoaringBitmap::new(); RAISING_LEVELS];
        for row in &touched {
            let ln = (sums[row as usize] + everywhere).min(MAX_FACTOR.ln());
            // The highest level holds the highest sums, its upper end included.
            let level = (ln / MAX_FACTOR.ln() * RAISING_LEVELS as f64).ceil() as usize;
            if ln > 0.0 {
                levels[level.clamp(1, RAISING_LEVELS) - 1].insert(row);
            }
        }
        let factor = |level: usize| MAX_FACTOR.powf((level + 1) as f64 / RAISING_LEVELS as f64);
        let raised = levels.into_iter().enumerate().map(|(level, rows)| (factor(level), rows));
        Effect {
            hidden: hidden.union(),
            raised: raised.filter(|(_, rows)| !rows.is_empty()).collect(),
            others_factor: bounded_factor(everywhere),
            max_factor: bounded_factor(all),
        }
    }

    /// Notes what became of an answer: which rules counted and which did something.
    pub(super) fn note(&self, active: &Active, fired: &[usize], removed: &[(usize, u64)], short: Option<usize>) {
        let add = |figure: &AtomicU64, count: u64| {
            let _ = figure.fetch_add(count, Ordering::Relaxed);
        };
        active.iter().for_each(|number| add(&self.rules[number].figures.counted, 1));
        fired.iter().for_each(|&number| add(&self.rules[number].figures.fired, 1));
        removed.iter().for_each(|&(number, count)| add(&self.rules[number].figures.removed, count));
        if let Some(number) = short {
            add(&self.rules[number].figures.shortened, 1);
        }
    }

    /// What the rules did since the last call, those that did nothing left out.
    pub(super) fn take_figures(&self) -> Vec<(String, RuleCounts)> {
        let take = |figure: &AtomicU64| figure.swap(0, Ordering::Relaxed);
        let counts = self.rules.iter().map(|rule| {
            let Figures { counted, fired, removed, shortened } = &rule.figures;
            let counts = RuleCounts {
                counted: take(counted),
                fired: take(fired),
                removed: take(removed),
                shortened: take(shortened),
            };
            (rule.id.to_string(), counts)
        });
        counts.filter(|(_, counts)| *counts != RuleCounts::default()).collect()
    }

    /// In how many answers rules counted since the last call of [`Compiled::take_figures`], all rules together.
    pub(in crate::recommend) fn num_counted(&self) -> u64 {
        self.rules.iter().map(|rule| rule.figures.counted.load(Ordering::Relaxed)).sum()
    }

    /// How many rows of the generation each rule may be about; `None` where it depends on the question.
    pub(super) fn reach(&self, number: usize) -> Option<u64> {
        let num_rows = self.chains.len() as u32;
        match &self.rules[number].act {
            Act::Hide(expr) | Act::Scale(expr, _) | Act::Cap { expr, .. } => {
                expr.exact(num_rows).map(|rows| rows.len())
            }
            Act::Only(expr) => expr.exact(num_rows).map(|rows| u64::from(num_rows) - rows.len()),
            Act::Pin { products, .. } => Some(products.iter().filter(|named| named.built.is_some()).count() as u64),
            Act::Replace { product, .. } => Some(u64::from(product.built.is_some())),
            Act::Bought(_) | Act::Frequency { .. } | Act::Fatigue { .. } => None,
        }
    }
}

fn all_rows(num_rows: u32) -> RoaringBitmap {
    let mut rows = RoaringBitmap::new();
    rows.insert_range(0..num_rows);
    rows
}

/// Chains that are being made.
struct Chains {
    first: Vec<u32>,
    nodes: Vec<Node>,
}

impl Chains {
    /// Puts `rule` before the chains of `rows`; rows that shared a chain share the new one.
    fn add(&mut self, rows: &RoaringBitmap, rule: u32) {
        let mut made: HashMap<u32, u32> = HashMap::new();
        let mut last = (u32::MAX, END);
        for row in rows {
            let Some(first) = self.first.get_mut(row as usize) else { continue };
            if last.0 != *first {
                let nodes = &mut self.nodes;
                let node = made.entry(*first).or_insert_with(|| {
                    nodes.push(Node { next: *first, rule });
                    (nodes.len() - 1) as u32
                });
                last = (*first, *node);
            }
            *first = last.1;
        }
    }
}
