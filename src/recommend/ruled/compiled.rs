//! A set of rules compiled for a generation: which rules count for a question, and which of them are about a product, found without
//! asking every rule.
//!
//! Each row of the generation has the list of the rules that may be about it, as a chain of nodes that rows share: rows with the
//! same rules have the same chain. So a product costs the rules about it, not the rules there are.

use std::collections::{HashMap, HashSet};
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, Mutex, PoisonError};

use jiff::Timestamp;
use jiff::tz::TimeZone;
use roaring::RoaringBitmap;

use super::expr::{CompileError, Compiler, Expr};
use super::facts::{Facts, FieldColumn};
use super::scene::Scene;
use crate::index::Generation;
use crate::rank::RowId;
use crate::rules::{Consequence, Essentials, Filter, Rule, RuleCounts, RuleSet, WEEKDAYS, is_relative};

/// Answers' rows that are kept ready, by the rules that count.
const MAX_EFFECTS: usize = 256;
/// Number of the node that ends a chain.
const END: u32 = 0;

/// What a rule does, compiled.
pub(super) enum Act {
    /// Hides what passes.
    Hide(Expr),
    /// Hides what does not pass.
    Only(Expr),
    /// Multiplies the score of what passes; the logarithm of the factor.
    Scale(Expr, f64),
    /// These first, or from a place counted from 0.
    Pin { products: Vec<Named>, position: Option<usize> },
    /// At most so many of what passes, for each value of the field.
    Cap { at_most: usize, field: Option<(String, Option<Arc<FieldColumn>>)>, expr: Expr },
    /// One in another's place.
    Replace { product: Named, with: Named },
    /// Hides what was bought in the last days.
    Bought(u32),
    /// Hides what was shown so often in vain in the last days.
    Frequency { impressions: u32, days: u32 },
    /// Multiplies the score by e^(-strength) for each time that it was shown in vain in the last days.
    Fatigue { strength: f64, days: u32 },
}

/// A product by its id, with its row in the generation.
pub(super) struct Named {
    pub id: String,
    built: Option<RowId>,
}

impl Named {
    fn of(id: &str, generation: &Generation) -> Self {
        Self { id: id.to_owned(), built: generation.products().row(id) }
    }

    /// Its row now.
    pub(super) fn row(&self, scene: &Scene<'_>) -> Option<RowId> {
        self.built.filter(|row| scene.view.has_row(*row)).or_else(|| scene.view.row(&self.id))
    }
}

/// A rule, compiled.
pub(super) struct CompiledRule {
    pub id: Arc<str>,
    pub act: Act,
    when: Expr,
    asks_page: bool,
    /// Whether it compares with a product asked about, so that it says nothing without one.
    needs_page: bool,
    from: Option<Timestamp>,
    until: Option<Timestamp>,
    /// Days on which it counts, Monday first.
    weekdays: [bool; 7],
    /// Whether its rows in chains are exactly those that it is about, so that they need not be asked.
    is_exact: bool,
    depends_on_offer: bool,
    figures: Figures,
}

/// What a rule did since the last look.
#[derive(Default)]
struct Figures {
    counted: AtomicU64,
    fired: AtomicU64,
    removed: AtomicU64,
    shortened: AtomicU64,
}

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

/// What the rules that count say of rows, without asking one.
pub(super) struct Effect {
    /// Rows of the generation that are hidden in every scene.
    pub hidden: RoaringBitmap,
    /// Rows that may be raised; all where `None`.
    pub raised: Option<RoaringBitmap>,
    /// The largest factor that a product may get.
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
    /// Compiles `set`, which is `version`, for `generation`.
    ///
    /// Returns an error if the set has no sense in it or the generation cannot be read.
    pub(super) fn compile(
        version: u64,
        set: &RuleSet,
        generation: &Generation,
        facts: Arc<Facts>,
    ) -> Result<Self, CompileError> {
        set.check()?;
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
        let mut chains = Chains { first: Vec::new(), nodes: vec![Node { next: END, rule: 0 }] };
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
            match expr.cover(num_rows).filter(|_| !is_only) {
                None => everywhere.push(number),
                Some(rows) => {
                    rule.is_exact = !rule.depends_on_offer && expr.exact(num_rows).is_some();
                    if rule.depends_on_offer {
                        on_offers.push(number);
                    }
                    chains.add(&rows, number as u32, num_rows);
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
        let num_rows = self.chains.len() as u32;
        let mut everything = RoaringBitmap::new();
        everything.insert_range(0..num_rows);
        let (mut hidden, mut raised, mut ln) = (RoaringBitmap::new(), Some(RoaringBitmap::new()), 0.0);
        for rule in active.iter().map(|number| &self.rules[number]) {
            match &rule.act {
                Act::Hide(expr) if rule.is_exact => hidden |= expr.exact(num_rows).unwrap_or_default(),
                Act::Only(expr) if !rule.depends_on_offer => {
                    hidden |= expr.cover(num_rows).map_or_else(RoaringBitmap::new, |rows| &everything - rows);
                }
                Act::Scale(expr, factor) if *factor > 0.0 => {
                    ln += factor;
                    raised = raised.zip(expr.cover(num_rows)).map(|(rows, more)| rows | more);
                }
                _ => {}
            }
        }
        Effect { hidden, raised, max_factor: crate::rules::bounded_factor(ln) }
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

/// Chains that are being made.
struct Chains {
    first: Vec<u32>,
    nodes: Vec<Node>,
}

impl Chains {
    /// Puts `rule` before the chains of `rows`; rows that shared a chain share the new one.
    fn add(&mut self, rows: &RoaringBitmap, rule: u32, num_rows: u32) {
        self.first.resize(num_rows as usize, END);
        let mut made: HashMap<u32, u32> = HashMap::new();
        let mut last = (u32::MAX, END);
        for first in rows.iter().filter(|row| *row < num_rows) {
            let first = &mut self.first[first as usize];
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

impl CompiledRule {
    fn of(
        rule: &Rule,
        [from, until]: [Option<Timestamp>; 2],
        compiler: &Compiler<'_>,
        at: &str,
    ) -> Result<Self, CompileError> {
        let when = compiler.filter(&rule.when, &format!("{at}.when"))?;
        let target = rule.then.filter().map(|(_, filter)| filter);
        let day =
            |day: &&str| rule.weekdays.is_empty() || rule.weekdays.iter().any(|own| own.eq_ignore_ascii_case(day));
        Ok(Self {
            id: rule.id.as_str().into(),
            act: act(&rule.then, compiler, &format!("{at}.then"))?,
            asks_page: when.is_about_products(),
            needs_page: target.is_some_and(is_relative),
            when,
            from,
            until,
            weekdays: WEEKDAYS.each_ref().map(day),
            is_exact: false,
            depends_on_offer: false,
            figures: Figures::default(),
        })
    }

    fn counts_always(&self) -> bool {
        let is_bound = self.from.is_some() || self.until.is_some() || self.needs_page || self.weekdays != [true; 7];
        !is_bound && matches!(self.when, Expr::Const(true))
    }

    fn counts(&self, scene: &Scene<'_>) -> bool {
        let is_in_time = self.from.is_none_or(|from| from <= scene.now)
            && self.until.is_none_or(|until| scene.now < until)
            && self.weekdays.get(scene.weekday).is_some_and(|is_on| *is_on);
        is_in_time
            && !(self.needs_page && scene.page.is_empty())
            && match self.asks_page && !scene.page.is_empty() {
                true => scene.page.iter().any(|&row| self.when.holds(Some(row), scene)),
                false => self.when.holds(None, scene),
            }
    }
}

fn act(then: &Consequence, compiler: &Compiler<'_>, at: &str) -> Result<Act, CompileError> {
    let expr = |filter: &Filter, word: &str| compiler.filter(filter, &format!("{at}.{word}"));
    let named = |id: &String| Named::of(id, compiler.generation);
    Ok(match then {
        Consequence::Include(filter) => Act::Only(expr(filter, "include")?),
        Consequence::Exclude(filter) => Act::Hide(expr(filter, "exclude")?),
        Consequence::Boost(scale) => Act::Scale(expr(&scale.filter, "boost.filter")?, scale.factor.ln()),
        Consequence::Bury(scale) => Act::Scale(expr(&scale.filter, "bury.filter")?, scale.factor.ln()),
        Consequence::Pin(pin) => {
            let position = pin.position.map(|place| place.saturating_sub(1));
            Act::Pin { products: pin.products.iter().map(named).collect(), position }
        }
        Consequence::Cap(cap) => {
            let column = |field: &String| {
                let field = if field == "category" { "product_type" } else { field.as_str() };
                if field == "product_type" {
                    compiler.facts.read_records(compiler.generation)?;
                }
                Ok::<_, CompileError>((field.to_owned(), compiler.facts.column(compiler.generation, field)?))
            };
            let field = cap.per.as_ref().map(column).transpose()?;
            Act::Cap { at_most: cap.at_most, field, expr: expr(&cap.filter, "cap.filter")? }
        }
        Consequence::Replace(replace) => Act::Replace { product: named(&replace.product), with: named(&replace.with) },
    })
}

/// The essentials that look at what the shopper did.
fn history_rules(shop: &Essentials) -> Vec<CompiledRule> {
    let rule = |id: &str, act: Act| CompiledRule {
        id: format!("{}{id}", crate::rules::SHOP_PREFIX).into(),
        act,
        when: Expr::Const(true),
        asks_page: false,
        needs_page: false,
        from: None,
        until: None,
        weekdays: [true; 7],
        is_exact: false,
        depends_on_offer: false,
        figures: Figures::default(),
    };
    let bought = shop.repurchase_days.map(|days| rule("repurchase_days", Act::Bought(days)));
    let cap = |cap: crate::rules::FrequencyCap| Act::Frequency { impressions: cap.impressions, days: cap.days };
    let capped = shop.frequency_cap.map(|of| rule("frequency_cap", cap(of)));
    let tired = |of: crate::rules::Fatigue| Act::Fatigue { strength: of.strength, days: of.days };
    let tired = shop.fatigue.map(|of| rule("fatigue", tired(of)));
    bought.into_iter().chain(capped).chain(tired).collect()
}
