//! From hits to the list that is shown: pins, then hits by score times factor, without what is hidden, doubled or capped.

use std::collections::{HashMap, HashSet};

use super::act::Act;
use super::compiled::{Active, Compiled};
use super::expr::Expr;
use super::finish::Rank;
use super::scene::Scene;
use crate::rank::RowId;
use crate::recommend::query::Hit;
use crate::rules::bounded_factor;

/// A hit with what it is sorted by.
#[derive(Debug, Clone, Copy)]
pub(super) struct Valued {
    pub hit: Hit,
    /// Whether it is there because it is popular: after all others.
    pub is_fill: bool,
    /// Score times factor.
    pub value: f64,
    hidden_by: Option<usize>,
}

/// What may be asked of one question on the way to its list.
pub(super) struct Selector<'a> {
    pub compiled: &'a Compiled,
    pub active: &'a Active,
    pub scene: &'a Scene<'a>,
    /// The request's own filter, where it has conditions that are asked of each hit.
    pub open_filter: Option<&'a Expr>,
    /// Whether the question itself lets the product appear.
    pub may_appear: &'a dyn Fn(RowId) -> bool,
    /// What ranks the hits.
    pub rank: &'a dyn Rank,
    /// The hits of [`Selector::named_rows`] that are ranked.
    pub known: HashMap<u32, Hit>,
    bought: Option<(usize, HashSet<u32>)>,
    frequency: Option<(usize, u32, HashMap<u32, u32>)>,
    fatigue: Option<(usize, f64, HashMap<u32, u32>)>,
    replacements: HashMap<u32, Vec<(usize, RowId)>>,
    pins: Vec<(usize, RowId, Option<usize>)>,
    caps: Vec<usize>,
}

/// The list that is shown.
#[derive(Debug, Default)]
pub(super) struct Selected {
    pub hits: Vec<Hit>,
    /// Whether the last hits are there because they are popular.
    pub has_fill: bool,
    /// Value of the last hit that is no pin; what was not fetched must be below it.
    pub last_value: Option<f64>,
    /// Products that each rule kept out of the list.
    pub removed: HashMap<usize, HashSet<u32>>,
    /// Rules that put something where it is.
    pub placed: HashSet<usize>,
}

/// A list in the making.
struct Shelf<'s> {
    slots: Vec<Option<Hit>>,
    families: HashSet<u32>,
    names: HashSet<String>,
    rows: HashSet<u32>,
    counts: HashMap<(usize, u64), usize>,
    selector: &'s Selector<'s>,
    removed: HashMap<usize, HashSet<u32>>,
    placed: HashSet<usize>,
}

impl<'a> Selector<'a> {
    /// What the rules that count need to know of this question.
    pub(super) fn new(
        compiled: &'a Compiled,
        active: &'a Active,
        scene: &'a Scene<'a>,
        open_filter: Option<&'a Expr>,
        may_appear: &'a dyn Fn(RowId) -> bool,
        rank: &'a dyn Rank,
    ) -> Self {
        let mut selector = Self {
            compiled,
            active,
            scene,
            open_filter,
            may_appear,
            rank,
            known: HashMap::new(),
            bought: None,
            frequency: None,
            fatigue: None,
            replacements: HashMap::new(),
            pins: Vec::new(),
            caps: Vec::new(),
        };
        for number in active.iter() {
            match &compiled.rules[number].act {
                Act::Pin { products, position } => {
                    let rows = products.iter().zip(0..).filter_map(|(named, at)| Some((named.row(scene)?, at)));
                    let pins = rows.map(|(row, at)| (number, row, position.map(|place| place + at)));
                    selector.pins.extend(pins);
                }
                Act::Replace { product, with } => {
                    if let (Some(product), Some(with)) = (product.row(scene), with.row(scene)) {
                        selector.replacements.entry(product.0).or_default().push((number, with));
                    }
                }
                Act::Cap { .. } => selector.caps.push(number),
                Act::Bought(days) => selector.bought = Some((number, scene.families_bought(*days))),
                Act::Frequency { impressions, days } => {
                    selector.frequency = Some((number, *impressions, scene.shown_in_vain(*days)));
                }
                Act::Fatigue { strength, days } => {
                    selector.fatigue = Some((number, *strength, scene.shown_in_vain(*days)));
                }
                Act::Hide(_) | Act::Only(_) | Act::Scale(..) => {}
            }
        }
        selector
    }

    /// Rows that may be in the list whatever their score.
    pub(super) fn named_rows(&self) -> impl Iterator<Item = u32> + '_ {
        let targets = self.replacements.values().flatten().map(|(_, with)| with.0);
        self.pins.iter().map(|(_, row, _)| row.0).chain(targets)
    }

    /// The hit with its value.
    pub(super) fn valued(&self, hit: Hit, is_fill: bool) -> Valued {
        let verdict = self.compiled.verdict(hit.row, self.active, self.scene);
        let factor = bounded_factor(verdict.ln_factor) * self.tiredness(hit.row);
        Valued { hit, is_fill, value: f64::from(hit.score) * factor, hidden_by: verdict.hidden_by }
    }

    /// What the rules multiply the hit's score by.
    pub(super) fn factor(&self, hit: Hit) -> f64 {
        let verdict = self.compiled.verdict(hit.row, self.active, self.scene);
        bounded_factor(verdict.ln_factor) * self.tiredness(hit.row)
    }

    /// The factor for what was shown in vain.
    fn tiredness(&self, row: RowId) -> f64 {
        let times = |(_, strength, shown): &(usize, f64, HashMap<u32, u32>)| {
            let times = shown.get(&row.0).copied().unwrap_or(0);
            (-strength * f64::from(times)).exp()
        };
        self.fatigue.as_ref().map_or(1.0, times)
    }

    /// The rule that hides the product, which may be known from its verdict.
    pub(super) fn hidden_by(&self, row: RowId, verdict: Option<Option<usize>>) -> Option<usize> {
        let by_rule = verdict.unwrap_or_else(|| self.compiled.verdict(row, self.active, self.scene).hidden_by);
        let is_bought = |(_, families): &&(usize, HashSet<u32>)| {
            self.scene.view.family(row).is_some_and(|family| families.contains(&family))
        };
        let is_capped =
            |(_, most, shown): &&(usize, u32, HashMap<u32, u32>)| shown.get(&row.0).is_some_and(|n| n >= most);
        by_rule
            .or_else(|| self.bought.as_ref().filter(is_bought).map(|(number, _)| *number))
            .or_else(|| self.frequency.as_ref().filter(is_capped).map(|(number, ..)| *number))
    }

    /// Whether a named product may be in the list.
    fn is_let_through(&self, row: RowId) -> bool {
        let is_ranked = !self.rank.is_strict() || self.known.contains_key(&row.0);
        is_ranked && (self.may_appear)(row) && self.open_filter.is_none_or(|expr| expr.holds(Some(row), self.scene))
    }

    /// What appears in the product's place, and the rules that say so, in their order.
    pub(super) fn replaced(&self, row: RowId) -> (RowId, Vec<usize>) {
        let (mut row, mut rules) = (row, Vec::new());
        // No circles: the set was checked.
        while let Some(options) = self.replacements.get(&row.0) {
            let may_be = |with: RowId| self.is_let_through(with) && self.hidden_by(with, None).is_none();
            let Some(&(number, with)) = options.iter().find(|(_, with)| may_be(*with)) else { break };
            rules.push(number);
            row = with;
        }
        (row, rules)
    }

    /// The list of `limit` at most. `all_hits` are sorted by [`order`].
    pub(super) fn select(&self, all_hits: &[Valued], limit: usize) -> Selected {
        let mut shelf = Shelf {
            slots: vec![None; limit],
            families: HashSet::new(),
            names: HashSet::new(),
            rows: HashSet::new(),
            counts: HashMap::new(),
            selector: self,
            removed: HashMap::new(),
            placed: HashSet::new(),
        };
        let unknown = |row| Hit { row, score: 0.0, sources: Default::default() };
        let plain = |row: RowId| self.known.get(&row.0).copied().unwrap_or_else(|| unknown(row));
        for &(number, pinned, place) in &self.pins {
            let free = shelf.slots.iter().skip(place.unwrap_or(0)).position(Option::is_none);
            let Some(free) = free.map(|at| at + place.unwrap_or(0)) else { continue };
            if self.is_let_through(pinned) && self.hidden_by(pinned, None).is_none() {
                let (row, rules) = self.replaced(pinned);
                if shelf.put(plain(row), free, false) {
                    shelf.placed.insert(number);
                    shelf.placed.extend(rules);
                }
            }
        }
        let (mut free, mut last_value, mut has_fill) = (0, None, false);
        // What stands in another's place, the rules that say so, and whose place it is.
        let mut stand_ins: HashMap<u32, (Vec<usize>, u32)> = HashMap::new();
        for valued in all_hits {
            while shelf.slots.get(free).is_some_and(Option::is_some) {
                free += 1;
            }
            if free == limit {
                break;
            }
            if !self.open_filter.is_none_or(|expr| expr.holds(Some(valued.hit.row), self.scene)) {
                continue;
            }
            if let Some(number) = self.hidden_by(valued.hit.row, Some(valued.hidden_by)) {
                shelf.removed.entry(number).or_default().insert(valued.hit.row.0);
                continue;
            }
            let (row, rules) = self.replaced(valued.hit.row);
            let hit = if row == valued.hit.row { valued.hit } else { plain(row) };
            if shelf.put(hit, free, true) {
                shelf.placed.extend(&rules);
                if !rules.is_empty() {
                    stand_ins.insert(row.0, (rules, valued.hit.row.0));
                }
                last_value = Some(valued.value);
                has_fill |= valued.is_fill;
            } else if !rules.is_empty() {
                // Its stand-in is there already, or may not be.
                shelf.note_removed(&rules, valued.hit.row.0);
            } else if let Some((rules, instead_of)) = stand_ins.remove(&row.0) {
                // It is there, in the place of one that has none now.
                shelf.note_removed(&rules, instead_of);
            }
        }
        let Shelf { slots, removed, mut placed, .. } = shelf;
        let hits: Vec<Hit> = slots.into_iter().flatten().collect();
        let mut seen: Vec<RowId> = hits.iter().map(|hit| hit.row).collect();
        seen.extend(best_by_score(all_hits, limit));
        self.note_scaled(&seen, &mut placed);
        Selected { hits, has_fill, last_value, removed, placed }
    }

    /// Adds the rules that multiply the score of a product that is shown, or would be without rules.
    fn note_scaled(&self, seen: &[RowId], placed: &mut HashSet<usize>) {
        if let Some((number, _, shown)) = &self.fatigue
            && seen.iter().any(|row| shown.contains_key(&row.0))
        {
            placed.insert(*number);
        }
        seen.iter().for_each(|row| self.compiled.scaling(*row, self.active, self.scene, placed));
    }
}

/// The rows of the best `limit` by score alone.
fn best_by_score(hits: &[Valued], limit: usize) -> impl Iterator<Item = RowId> {
    let mut scored: Vec<(f32, RowId)> = hits.iter().map(|valued| (valued.hit.score, valued.hit.row)).collect();
    scored.sort_unstable_by(|a, b| b.0.total_cmp(&a.0).then(a.1.cmp(&b.1)));
    scored.into_iter().take(limit).map(|(_, row)| row)
}

/// Best first: hits before fills, the higher value, then the lower row.
pub(super) fn order(a: &Valued, b: &Valued) -> std::cmp::Ordering {
    let by_value = || b.value.total_cmp(&a.value).then(a.hit.row.cmp(&b.hit.row));
    a.is_fill.cmp(&b.is_fill).then_with(by_value)
}

impl Shelf<'_> {
    fn note_removed(&mut self, rules: &[usize], row: u32) {
        for number in rules {
            self.removed.entry(*number).or_default().insert(row);
        }
    }

    /// Puts the hit into a free slot, unless it or its family is there already or a cap is reached. Returns whether it did.
    fn put(&mut self, hit: Hit, slot: usize, is_noted: bool) -> bool {
        let (scene, compiled) = (self.selector.scene, self.selector.compiled);
        let family = scene.view.family(hit.row).unwrap_or(hit.row.0);
        let name = self.selector.rank.name(hit.row).filter(|_| compiled.shop.one_per_family);
        let is_like_another = self.families.contains(&family) || name.as_ref().is_some_and(|n| self.names.contains(n));
        if self.rows.contains(&hit.row.0) || (compiled.shop.one_per_family && is_like_another) {
            return false;
        }
        let mut keys = Vec::new();
        for &number in &self.selector.caps {
            let Act::Cap { at_most, field, expr } = &compiled.rules[number].act else { continue };
            if !expr.holds(Some(hit.row), scene) {
                continue;
            }
            let values = match field {
                None => vec![0],
                Some((field, column)) => scene.facts.values(scene.view, hit.row, field, column.as_deref()),
            };
            for value in values {
                if self.counts.get(&(number, value)).copied().unwrap_or(0) >= *at_most {
                    if is_noted {
                        self.removed.entry(number).or_default().insert(hit.row.0);
                    }
                    return false;
                }
                keys.push((number, value));
            }
        }
        keys.into_iter().for_each(|key| *self.counts.entry(key).or_insert(0) += 1);
        self.rows.insert(hit.row.0);
        self.families.insert(family);
        self.names.extend(name);
        self.slots[slot] = Some(hit);
        true
    }
}
