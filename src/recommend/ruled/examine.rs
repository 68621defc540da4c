//! What became of each product on the way to one list: worked out after it, and only where a trace is written.

use std::collections::{HashMap, HashSet};
use std::sync::Arc;

use super::finish::{Asked, Depth, Rank, is_of_families};
use super::select::{Selected, Selector};
use crate::rank::RowId;
use crate::recommend::error::RecommendError;
use crate::recommend::query::Hit;
use crate::recommend::trace::{Examined, Examinee, Fate, Judged, Sieve};

/// The rules that counted and the list that they left, where any did.
type Ruled<'r> = Option<(&'r Selector<'r>, &'r Selected)>;

/// The list that is examined.
struct Shown<'s> {
    rows: HashSet<RowId>,
    /// The product of each family, and of each name, that is shown.
    families: HashMap<u32, RowId>,
    names: HashMap<String, RowId>,
    floor: Option<f32>,
    rank: &'s dyn Rank,
    ruled: Ruled<'s>,
}

impl Asked<'_> {
    /// What became of what `rank` found, where `shown` is the list.
    ///
    /// Returns an error if an index cannot be searched.
    pub(super) fn examine(&self, rank: &dyn Rank, shown: &[Hit], ruled: Ruled<'_>) -> Result<Examined, RecommendError> {
        let found = rank.found()?;
        let ranked = rank.rank(&Depth::traced())?.hits;
        let list = self.shown(rank, shown, ruled);
        let judged: Vec<Judged> = ranked.iter().map(|hit| self.judged(*hit, &list)).collect();
        let kept_out = found.iter().filter_map(|hit| Some((hit.row, self.sieve(hit.row, rank, ruled)?))).collect();
        let log = self.query.trace.as_ref();
        let target = log.and_then(|log| self.view.row(log.target()?)).map(|row| Examinee {
            row,
            sieve: self.sieve(row, rank, ruled),
            would_be: rank.would_be(row),
        });
        Ok(Examined {
            intent: self.query.intent,
            is_part: self.query.is_part,
            found,
            kept_out,
            judged,
            weights: rank.weights(),
            floor: list.floor,
            target,
        })
    }

    fn shown<'s>(&self, rank: &'s dyn Rank, hits: &[Hit], ruled: Ruled<'s>) -> Shown<'s> {
        let is_by_family = ruled.is_none_or(|(selector, _)| selector.compiled.shop.one_per_family);
        let rows = hits.iter().map(|hit| hit.row);
        let of_families = rows.clone().filter(|_| is_by_family);
        Shown {
            rows: rows.collect(),
            families: of_families.clone().filter_map(|row| Some((self.view.family(row)?, row))).collect(),
            names: of_families.filter_map(|row| Some((rank.name(row)?, row))).collect(),
            floor: self.query.min_score.or(rank.floor()),
            rank,
            ruled,
        }
    }

    fn judged(&self, hit: Hit, list: &Shown<'_>) -> Judged {
        let (mut factor, mut rules) = (1.0, Vec::new());
        if let Some((selector, _)) = list.ruled {
            factor = selector.factor(hit);
            rules = scaling(selector, hit.row);
        }
        let before_spread = list.rank.before_spread(hit.row);
        Judged { hit, before_spread, factor, rules, fate: self.fate(hit, list) }
    }

    fn fate(&self, hit: Hit, list: &Shown<'_>) -> Fate {
        if list.rows.contains(&hit.row) {
            return Fate::Shown;
        }
        if list.floor.is_some_and(|floor| hit.score < floor) {
            return Fate::BelowFloor;
        }
        if let Some((selector, selected)) = list.ruled {
            if !selector.open_filter.is_none_or(|expr| expr.holds(Some(hit.row), selector.scene)) {
                return Fate::KeptOut(Sieve::Filter);
            }
            if let Some(rule) = hiding(selector, selected, hit.row) {
                return Fate::Rule(rule);
            }
        }
        let family = self.view.family(hit.row).and_then(|family| list.families.get(&family));
        let named = || list.rank.name(hit.row).and_then(|name| list.names.get(&name));
        match family.or_else(named) {
            Some(shown) => Fate::Variant(*shown),
            None => Fate::Limit,
        }
    }

    /// What keeps the product out, whatever the sources say of it; `None` where it may appear.
    fn sieve(&self, row: RowId, rank: &dyn Rank, ruled: Ruled<'_>) -> Option<Sieve> {
        if self.allowed.out.contains(row.0) {
            return Some(self.why_out(row, rank));
        }
        if is_of_families(self.view, row, self.taken) {
            return Some(if rank.vetoes(row) { Sieve::NeverTogether } else { Sieve::FamilyTaken });
        }
        let step = self.allowed.steps.iter().find(|(_, rows)| !rows.contains(row.0)).map(|(sieve, _)| *sieve);
        let is_open_out = |(selector, _): &(&Selector<'_>, &Selected)| {
            !selector.open_filter.is_none_or(|expr| expr.holds(Some(row), selector.scene))
        };
        step.or_else(|| ruled.as_ref().filter(|ruled| is_open_out(ruled)).map(|_| Sieve::Filter))
            .or_else(|| rank.refusal(row))
    }

    /// Why the question itself names the product as out.
    fn why_out(&self, row: RowId, rank: &dyn Rank) -> Sieve {
        let is_among = |ids: &[String]| self.view.id(row).is_some_and(|id| ids.iter().any(|other| other == id));
        let is_after_order = self.query.order.is_some();
        let is_owned = || self.query.bought.iter().any(|own| self.view.row(&own.product) == Some(row));
        match () {
            () if is_among(&self.query.cart) || (!is_after_order && self.cart.contains(&row)) => Sieve::InCart,
            () if is_among(&self.query.exclude) => Sieve::Excluded,
            () if is_after_order && (self.cart.contains(&row) || is_owned()) => Sieve::Bought,
            () if is_among(&self.query.anchors) || self.page.contains(&row) => Sieve::AskedAbout,
            () if rank.vetoes(row) => Sieve::NeverTogether,
            () => Sieve::Seen,
        }
    }
}

/// The rule that keeps the product out: it hides it, caps what is like it, or puts another in its place.
fn hiding(selector: &Selector<'_>, selected: &Selected, row: RowId) -> Option<Arc<str>> {
    let capped = || selected.removed.iter().filter(|(_, rows)| rows.contains(&row.0)).map(|(number, _)| *number).min();
    let replaced = || selector.replaced(row).1.first().copied();
    let number = selector.hidden_by(row, None).or_else(capped).or_else(replaced)?;
    Some(selector.compiled.rules[number].id.clone())
}

/// The rules that multiply the product's score, in their order.
fn scaling(selector: &Selector<'_>, row: RowId) -> Vec<Arc<str>> {
    let mut numbers = HashSet::new();
    selector.compiled.scaling(row, selector.active, selector.scene, &mut numbers);
    let mut numbers: Vec<usize> = numbers.into_iter().collect();
    numbers.sort_unstable();
    numbers.into_iter().map(|number| selector.compiled.rules[number].id.clone()).collect()
}
