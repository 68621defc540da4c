//! Hits of several intents as one list: by turns, spread over categories, filled where that is allowed, and then under the shop's rules.

use std::collections::{HashMap, HashSet};

use super::place::Slot;
use super::settings::MixPart;
use crate::live::View;
use crate::rank::{RowId, ScoredRow, best_first};
use crate::recommend::engine::{Engine, owned};
use crate::recommend::error::RecommendError;
use crate::recommend::query::{Answer, FewerBecause, Hit, Intent, Part, Query};
use crate::recommend::ruled::{Asked, Compiled, Depth, Rank, Ranked, is_of_families};

/// Hits that each intent gives, as a multiple of the limit and beyond: for what rules and families take out.
const POOL_FACTOR: usize = 3;
const POOL_SLACK: usize = 20;

/// The answer of one intent of a mix, before rules.
struct PartAnswer {
    part: MixPart,
    answer: Answer,
}

/// A hit in the mix.
#[derive(Debug, Clone, Copy)]
struct Mixed {
    /// As its intent gave it.
    own: Hit,
    intent: Intent,
    /// What it is worth before the list is spread over categories.
    turn: f32,
    /// What the mix is sorted by.
    value: f32,
    category: Option<u32>,
}

/// Hits of all intents, best first.
struct Shelf<'a> {
    view: &'a View,
    /// Rows whose families never appear.
    taken: &'a [RowId],
    /// Those of them that never stand beside what the list goes with.
    vetoed: &'a [RowId],
    hits: Vec<Mixed>,
    /// What a short list is filled with.
    fill: Vec<Hit>,
    is_cut: bool,
    /// Whether every intent names all that may be in the list.
    is_strict: bool,
}

impl Engine {
    /// Answers a question in a placement of several intents, or of one that spreads or fills.
    ///
    /// Returns an error as [`Engine::answer`] does.
    pub(in crate::recommend) fn answer_mixed(
        &self,
        view: &View,
        query: &Query,
        slot: &Slot,
        rules: &Compiled,
    ) -> Result<Answer, RecommendError> {
        if self.is_outside_window(query) {
            return Ok(Answer::nothing(None, Vec::new(), FewerBecause::OutsideWindow, rules.version()));
        }
        let parts = self.parts(view, query, slot, rules)?;
        let fill = if slot.is_filled() { self.popular(view, query, rules)? } else { Vec::new() };
        let scope = self.scope(view, query)?;
        let goes_with = slot.mix.iter().any(|part| matches!(part.intent, Intent::CrossSell | Intent::Bundle));
        let vetoed = if goes_with { self.never_beside(view, &scope)? } else { Vec::new() };
        let taken: Vec<RowId> = scope.taken.iter().chain(&vetoed).copied().chain(owned(view, query)).collect();
        let shelf = Shelf { vetoed: &vetoed, ..Shelf::new(view, (&taken, slot, query.limit), &parts, fill) };
        let (is_cut, why) = (shelf.is_cut, why_fewer(&parts));
        let asked = Asked {
            view,
            query,
            page: scope.page(),
            cart: &scope.cart,
            taken: &taken,
            allowed: &scope.allowed,
            missing_ids: scope.missing_ids.clone(),
            is_filled: slot.is_filled(),
            anchor: parts.first().and_then(|part| part.answer.anchor),
            most: None,
            otherwise: if is_cut { FewerBecause::MinScore } else { why },
        };
        let mut answer = asked.finish(&shelf, rules)?;
        shelf.give_own_scores(&mut answer.hits);
        answer.parts = parts.iter().map(|part| shelf.part(part)).collect();
        Ok(answer)
    }

    /// What each intent of the mix gives that has anything to start from; all of them where none has, for their error.
    fn parts(
        &self,
        view: &View,
        query: &Query,
        slot: &Slot,
        rules: &Compiled,
    ) -> Result<Vec<PartAnswer>, RecommendError> {
        let can_any = slot.mix.iter().any(|part| query.can_start(part.intent));
        let started = slot.mix.iter().filter(|part| !can_any || query.can_start(part.intent));
        let answered = started.map(|part| {
            let asked = as_part(query.asking(part.intent));
            Ok(PartAnswer { part: *part, answer: self.answer_ruled(view, &asked, rules)? })
        });
        answered.collect()
    }

    /// What sells now, as far as the question allows it.
    fn popular(&self, view: &View, query: &Query, rules: &Compiled) -> Result<Vec<Hit>, RecommendError> {
        let asked = Query { min_score: None, trace: None, ..as_part(query.asking(Intent::Trending)) };
        Ok(self.answer_ruled(view, &asked, rules)?.hits)
    }
}

/// The question as one part of a mix: more hits, and no rules yet.
fn as_part(query: Query) -> Query {
    Query { is_part: true, limit: POOL_FACTOR * query.limit + POOL_SLACK, ..query }
}

/// Why a mix is short: what most of it says, the leading intent first.
fn why_fewer(parts: &[PartAnswer]) -> FewerBecause {
    parts.iter().find_map(|part| part.answer.fewer_because).unwrap_or(FewerBecause::CatalogSize)
}

impl<'a> Shelf<'a> {
    fn new(
        view: &'a View,
        (taken, slot, limit): (&'a [RowId], &Slot, usize),
        parts: &[PartAnswer],
        fill: Vec<Hit>,
    ) -> Self {
        let hits = spread(by_turns(view, parts), slot.diversity, POOL_FACTOR * limit + POOL_SLACK);
        let is_cut = parts.iter().any(|part| part.answer.fewer_because == Some(FewerBecause::MinScore));
        let is_strict = parts.iter().all(|part| part.part.intent.is_strict());
        Self { view, taken, vetoed: &[], hits, fill, is_cut: is_cut && !slot.is_filled(), is_strict }
    }

    /// What came from one intent.
    fn part(&self, PartAnswer { part, answer }: &PartAnswer) -> Part {
        let own = self.hits.iter().filter(|mixed| mixed.intent == part.intent);
        Part { intent: part.intent, anchor: answer.anchor, rows: own.map(|mixed| mixed.own.row).collect() }
    }

    /// Puts the scores of the hits' own intents in the place of what the mix is sorted by.
    fn give_own_scores(&self, hits: &mut [Hit]) {
        let own: HashMap<RowId, Hit> = self.hits.iter().map(|mixed| (mixed.own.row, mixed.own)).collect();
        hits.iter_mut().for_each(|hit| *hit = own.get(&hit.row).copied().unwrap_or(*hit));
    }
}

/// The hits of all intents, best first: the hit at place `n` (from 1) of an intent counts its share divided by `n`, so that each has its
/// turn as often as its share says (D'Hondt's divisors). One intent alone keeps its own scores.
fn by_turns(view: &View, parts: &[PartAnswer]) -> Vec<Mixed> {
    let highest = parts.iter().map(|part| part.part.share).fold(f32::MIN_POSITIVE, f32::max);
    let mut best: HashMap<RowId, Mixed> = HashMap::new();
    for PartAnswer { part, answer } in parts {
        for (own, place) in answer.hits.iter().zip(1u16..) {
            let turn = part.share / highest / f32::from(place);
            let value = if parts.len() == 1 { own.score } else { turn };
            let mixed = Mixed { own: *own, intent: part.intent, turn: value, value, category: view.leaf(own.row) };
            let known = best.entry(own.row).or_insert(mixed);
            if known.value < value {
                *known = mixed;
            }
        }
    }
    let mut hits: Vec<Mixed> = best.into_values().collect();
    hits.sort_unstable_by(|a, b| best_first(&a.scored(), &b.scored()));
    hits
}

/// The best `limit` hits, each worth `1 - diversity` times as much for every hit of its category that stands before it, best first. (The
/// aspects of xQuAD are categories here, each product being of one.)
fn spread(mut rest: Vec<Mixed>, diversity: f32, limit: usize) -> Vec<Mixed> {
    if diversity <= 0.0 {
        rest.truncate(limit);
        return rest;
    }
    let mut chosen = Vec::with_capacity(limit.min(rest.len()));
    while chosen.len() < limit && !rest.is_empty() {
        let first = |best: usize, at: usize| {
            if best_first(&rest[at].scored(), &rest[best].scored()).is_lt() { at } else { best }
        };
        let best = (0..rest.len()).reduce(first).unwrap_or(0);
        let hit = rest.swap_remove(best);
        let is_like = |other: &&mut Mixed| hit.category.is_some() && other.category == hit.category;
        rest.iter_mut().filter(is_like).for_each(|other| other.value *= 1.0 - diversity);
        chosen.push(hit);
    }
    chosen
}

impl Mixed {
    fn scored(&self) -> ScoredRow {
        ScoredRow { row: self.own.row, score: self.value }
    }

    fn hit(&self) -> Hit {
        Hit { score: self.value, ..self.own }
    }
}

impl Rank for Shelf<'_> {
    fn rank(&self, depth: &Depth<'_>) -> Result<Ranked, RecommendError> {
        let mut families: HashSet<u32> = self.taken.iter().filter_map(|&row| self.view.family(row)).collect();
        let mut is_free = |row: RowId| {
            let family = self.view.family(row);
            family.is_some_and(|family| match depth.every_variant {
                true => !families.contains(&family),
                false => families.insert(family),
            })
        };
        let ranked = self.hits.iter().map(Mixed::hit);
        let mut hits: Vec<Hit> =
            ranked.filter(|hit| depth.is_within(hit.row) && is_free(hit.row)).take(depth.limit).collect();
        let num_found = hits.len();
        if depth.is_filled {
            let present: HashSet<RowId> = hits.iter().map(|hit| hit.row).collect();
            let least = hits.last().map_or(1.0, |hit| hit.score);
            let fill = self.fill.iter().filter(|hit| !present.contains(&hit.row) && depth.is_within(hit.row));
            let fill = fill.filter(|hit| is_free(hit.row)).take(depth.limit.saturating_sub(num_found));
            hits.extend(fill.map(|hit| Hit { score: least * hit.score, ..*hit }));
        }
        Ok(Ranked { num_filled: hits.len() - num_found, hits, is_cut: self.is_cut })
    }

    /// All candidates are scored before the first is known.
    fn is_cheap(&self) -> bool {
        true
    }

    fn is_strict(&self) -> bool {
        self.is_strict
    }

    fn vetoes(&self, row: RowId) -> bool {
        is_of_families(self.view, row, self.vetoed)
    }

    fn before_spread(&self, row: RowId) -> Option<f32> {
        self.hits.iter().find(|mixed| mixed.own.row == row).map(|mixed| mixed.turn)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    fn mixed(row: u32, value: f32, category: u32) -> Mixed {
        let own = Hit { row: RowId(row), score: value, sources: Default::default() };
        Mixed { own, intent: Intent::Next, turn: value, value, category: (category > 0).then_some(category) }
    }

    /// What each remaining hit is worth is worked out anew at every place.
    fn slow(hits: &[Mixed], diversity: f32) -> Vec<u32> {
        let (mut chosen, mut rest): (Vec<&Mixed>, Vec<&Mixed>) = (Vec::new(), hits.iter().collect());
        while !rest.is_empty() {
            let worth = |hit: &Mixed| {
                let like = chosen.iter().filter(|other| hit.category.is_some() && other.category == hit.category);
                like.fold(hit.value, |value, _| value * (1.0 - diversity))
            };
            rest.sort_by(|a, b| worth(b).total_cmp(&worth(a)).then(a.own.row.cmp(&b.own.row)));
            chosen.push(rest.remove(0));
        }
        chosen.into_iter().map(|hit| hit.own.row.0).collect()
    }

    proptest! {
        #[test]
        fn a_spread_list_is_greedy_and_descends(
            hits in prop::collection::vec((0u8..=20, 0u32..4), 0..30), diversity in 0u8..=4,
        ) {
            let diversity = f32::from(diversity) / 4.0;
            let hits: Vec<Mixed> =
                hits.iter().zip(0..).map(|(&(value, of), row)| mixed(row, f32::from(value) / 20.0, of)).collect();
            let mut sorted = hits.clone();
            sorted.sort_unstable_by(|a, b| best_first(&a.scored(), &b.scored()));
            let list = spread(sorted, diversity, hits.len());
            prop_assert_eq!(list.iter().map(|hit| hit.own.row.0).collect::<Vec<_>>(), slow(&hits, diversity));
            prop_assert!(list.is_sorted_by(|a, b| a.value >= b.value));
        }
    }
}
