//! One rule compiled: when it counts and what it does.

use std::collections::BTreeSet;
use std::sync::Arc;
use std::sync::atomic::AtomicU64;

use jiff::Timestamp;
use jiff::tz::TimeZone;
use roaring::RoaringBitmap;

use super::expr::{CompileError, Compiler, Expr};
use super::facts::FieldColumn;
use super::scene::Scene;
use crate::index::Generation;
use crate::live::View;
use crate::rank::RowId;
use crate::recommend::filter::is_built_in;
use crate::rules::{Consequence, Essentials, Filter, Rule, WEEKDAYS, is_relative};

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
    pub built: Option<RowId>,
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
    /// Fields that it names and no product of the generation has: it does not count until the live changes bring each.
    waits_for: BTreeSet<String>,
    /// Days on which it counts, Monday first.
    weekdays: [bool; 7],
    /// Whether its rows in chains are exactly those that it is about, so that they need not be asked.
    pub is_exact: bool,
    pub depends_on_offer: bool,
    /// Rows of the generation that it may be about (those that it hides, of [`Act::Only`]); `None` where it may be any.
    pub rows: Option<RoaringBitmap>,
    pub figures: Figures,
}

/// What a rule did since the last look.
#[derive(Default)]
pub(super) struct Figures {
    pub counted: AtomicU64,
    pub fired: AtomicU64,
    pub removed: AtomicU64,
    pub shortened: AtomicU64,
}

impl CompiledRule {
    /// Compiles a rule that stands `at` and counts between the two moments.
    ///
    /// Returns an error if it has no sense in it or the generation cannot be read.
    pub(super) fn of(
        rule: &Rule,
        [from, until]: [Option<Timestamp>; 2],
        compiler: &Compiler<'_>,
        at: &str,
    ) -> Result<Self, CompileError> {
        let when = compiler.filter(&rule.when, &format!("{at}.when"))?;
        let target = rule.then.filter().map(|(_, filter)| filter);
        let day =
            |day: &&str| rule.weekdays.is_empty() || rule.weekdays.iter().any(|own| own.eq_ignore_ascii_case(day));
        let fields = rule.fields(at).into_iter().map(|(_, field)| field);
        let terms = compiler.generation.terms();
        let waits_for = fields.filter(|field| !is_built_in(field) && !terms.has_field(field)).map(str::to_owned);
        Ok(Self {
            id: rule.id.as_str().into(),
            act: act(&rule.then, compiler, &format!("{at}.then"))?,
            asks_page: when.is_about_products(),
            needs_page: target.is_some_and(is_relative),
            when,
            from,
            until,
            waits_for: waits_for.collect(),
            weekdays: WEEKDAYS.each_ref().map(day),
            is_exact: false,
            depends_on_offer: false,
            rows: None,
            figures: Figures::default(),
        })
    }

    /// Whether it counts for every question.
    pub(super) fn counts_always(&self) -> bool {
        let is_bound = !self.waits_for.is_empty()
            || self.from.is_some()
            || self.until.is_some()
            || self.needs_page
            || self.weekdays != [true; 7];
        !is_bound && matches!(self.when, Expr::Const(true))
    }

    /// The first field that it names and no product has; it does not count until one has it.
    pub(super) fn missing_field(&self, view: &View) -> Option<&str> {
        self.waits_for.iter().map(String::as_str).find(|field| !view.has_field(field))
    }

    /// Whether it may count at this time for any question.
    pub(super) fn can_count(&self, view: &View, now: Timestamp, zone: &TimeZone) -> bool {
        let weekday = now.to_zoned(zone.clone()).weekday().to_monday_zero_offset();
        self.missing_field(view).is_none()
            && self.is_in_time(now, weekday as usize)
            && !matches!(self.when, Expr::Const(false))
    }

    fn is_in_time(&self, now: Timestamp, weekday: usize) -> bool {
        self.from.is_none_or(|from| from <= now)
            && self.until.is_none_or(|until| now < until)
            && self.weekdays.get(weekday).is_some_and(|is_on| *is_on)
    }

    /// Whether it counts in this scene.
    pub(super) fn counts(&self, scene: &Scene<'_>) -> bool {
        self.missing_field(scene.view).is_none()
            && self.is_in_time(scene.now, scene.weekday)
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

impl Act {
    /// Whether it looks at what the shopper did before.
    pub(super) fn is_of_history(&self) -> bool {
        matches!(self, Self::Bought(_) | Self::Frequency { .. } | Self::Fatigue { .. })
    }
}

/// The essentials that look at what the shopper did.
pub(super) fn history_rules(shop: &Essentials) -> Vec<CompiledRule> {
    let rule = |id: &str, act: Act| CompiledRule {
        id: format!("{}{id}", crate::rules::SHOP_PREFIX).into(),
        act,
        when: Expr::Const(true),
        asks_page: false,
        needs_page: false,
        from: None,
        until: None,
        waits_for: BTreeSet::new(),
        weekdays: [true; 7],
        is_exact: false,
        depends_on_offer: false,
        rows: None,
        figures: Figures::default(),
    };
    let bought = shop.repurchase_days.map(|days| rule("repurchase_days", Act::Bought(days)));
    let cap = |cap: crate::rules::FrequencyCap| Act::Frequency { impressions: cap.impressions, days: cap.days };
    let capped = shop.frequency_cap.map(|of| rule("frequency_cap", cap(of)));
    let tired = |of: crate::rules::Fatigue| Act::Fatigue { strength: of.strength, days: of.days };
    let tired = shop.fatigue.map(|of| rule("fatigue", tired(of)));
    bought.into_iter().chain(capped).chain(tired).collect()
}
