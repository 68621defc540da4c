//! The seam between sources and rules: hits before rules in, the answer out.
//!
//! A source ranks as many hits as it is asked for. With rules, more are asked for while one that was not fetched could belong on the
//! list: above the last that is there, raised by as much as the rules that count can raise.

use std::borrow::Cow;
use std::collections::HashMap;

use jiff::Timestamp;
use roaring::RoaringBitmap;

use super::compiled::{Active, Compiled, Effect};
use super::expr::{Compiler, Expr};
use super::scene::Scene;
use super::select::{Selected, Selector, Valued, order};
use crate::live::View;
use crate::rank::RowId;
use crate::recommend::error::RecommendError;
use crate::recommend::query::{Answer, FewerBecause, FiredRule, Hit, Query};
use crate::recommend::search::Allowed;
use crate::recommend::source::{Source, SourceWeights};
use crate::recommend::trace::{Sieve, WouldBe};

/// Hits that are fetched beyond the limit at first: for what rules and families take out.
const SLACK: usize = 22;
/// By how much a fetch grows.
const GROWTH: usize = 4;
/// Hits that a trace looks at.
const NUM_TRACED: usize = 1000;

/// How far a source is to rank.
pub(in crate::recommend) struct Depth<'a> {
    /// Most hits.
    pub limit: usize,
    /// Whether families may have several.
    pub every_variant: bool,
    /// Whether a list that is shorter than `limit` is filled with what is popular.
    pub is_filled: bool,
    /// Whether the question's `min_score` cuts.
    pub has_floor: bool,
    /// Rows that may be hits beside what the question allows; all when `None`.
    pub within: Option<&'a RoaringBitmap>,
}

impl Depth<'_> {
    /// What is asked where no rules are in force: `limit` hits, one a family, not below the floor.
    pub(in crate::recommend) fn plain(limit: usize, is_filled: bool) -> Self {
        Self { limit, every_variant: false, is_filled, has_floor: true, within: None }
    }

    /// What a trace looks at: the best hits of any score, and every variant.
    pub(in crate::recommend) fn traced() -> Self {
        Self { limit: NUM_TRACED, every_variant: true, is_filled: false, has_floor: false, within: None }
    }

    /// Whether the row is among those that may be hits.
    pub(in crate::recommend) fn is_within(&self, row: RowId) -> bool {
        self.within.is_none_or(|within| within.contains(row.0))
    }
}

/// Hits, best first.
pub(in crate::recommend) struct Ranked {
    pub hits: Vec<Hit>,
    /// How many of the last are there because they are popular.
    pub num_filled: usize,
    /// Whether `min_score` cut them.
    pub is_cut: bool,
}

/// Makes hits of one question.
pub(in crate::recommend) trait Rank {
    /// The best hits that the question allows, as far as `depth` says. Fewer than `depth.limit` are all that there are.
    ///
    /// Returns an error if an index cannot be searched.
    fn rank(&self, depth: &Depth<'_>) -> Result<Ranked, RecommendError>;

    /// Whether ranking all is as cheap as ranking few.
    fn is_cheap(&self) -> bool;

    /// Whether only what it ranks may be in the list: a rule can neither pin nor put in another's place what it does not.
    fn is_strict(&self) -> bool {
        false
    }

    /// What only one product of a list may be called, besides being of one family; `None` where names do not count.
    fn name(&self, _row: RowId) -> Option<String> {
        None
    }

    /// For traces: what the sources know, whatever the question keeps out, best first; empty where that is not told.
    ///
    /// Returns an error if an index cannot be searched.
    fn found(&self) -> Result<Vec<Hit>, RecommendError> {
        Ok(Vec::new())
    }

    /// For traces: what each source counts; `None` where scores are no mean of what sources say.
    fn weights(&self) -> Option<SourceWeights> {
        None
    }

    /// For traces: the lowest score where the question says none.
    fn floor(&self) -> Option<f32> {
        None
    }

    /// For traces: whether the product, or one of its family, never stands beside what the list goes with.
    fn vetoes(&self, _row: RowId) -> bool {
        false
    }

    /// For traces: what of its own keeps out a product that the question lets through.
    fn refusal(&self, _row: RowId) -> Option<Sieve> {
        None
    }

    /// For traces: what a product that is no hit would be worth; `None` where that is not known.
    fn would_be(&self, _row: RowId) -> Option<WouldBe> {
        None
    }

    /// For traces: what a hit was worth before the list was spread over categories; `None` where it was not.
    fn before_spread(&self, _row: RowId) -> Option<f32> {
        None
    }
}

/// Whether `row` is one of `rows`, or of the family of one.
pub(in crate::recommend) fn is_of_families(view: &View, row: RowId, rows: &[RowId]) -> bool {
    let family = view.family(row);
    rows.iter().any(|&other| other == row || view.family(other) == family)
}

/// A question whose hits can be made.
pub(in crate::recommend) struct Asked<'a> {
    pub view: &'a View,
    pub query: &'a Query,
    /// What is asked about, the most important first.
    pub page: &'a [RowId],
    /// What the session has in its cart.
    pub cart: &'a [RowId],
    /// Rows whose families never appear.
    pub taken: &'a [RowId],
    pub allowed: &'a Allowed,
    pub missing_ids: Vec<String>,
    /// Whether a short list is filled with what is popular.
    pub is_filled: bool,
    /// The product that the answer starts from.
    pub anchor: Option<RowId>,
    /// Most hits that the shopper's interest allows; `None` where only the question's limit counts.
    pub most: Option<usize>,
    /// Why there are fewer where neither a floor, the shopper's interest nor a rule is to blame.
    pub otherwise: FewerBecause,
}

impl Asked<'_> {
    /// The answer: the hits of `rank`, with `compiled` applied to them.
    ///
    /// Returns an error if an index cannot be searched, or a condition of the request's filter compares with a product and none is
    /// asked about.
    pub(in crate::recommend) fn finish(self, rank: &dyn Rank, compiled: &Compiled) -> Result<Answer, RecommendError> {
        if self.query.is_part || (compiled.is_empty() && !self.allowed.is_open) {
            return self.unruled(rank, compiled.version);
        }
        let now = self.query.at.unwrap_or_else(Timestamp::now);
        let time = (now, &compiled.zone);
        let scene = Scene::of(self.view, &compiled.facts, self.query, self.page, self.cart, time);
        let filter = self.open_filter(compiled)?;
        let active = compiled.active(&scene);
        let may_appear = |row: RowId| self.may_appear(row);
        let mut selector = Selector::new(compiled, &active, &scene, filter.as_ref(), &may_appear, rank);
        let named: RoaringBitmap = selector.named_rows().collect();
        if !named.is_empty() {
            selector.known = self.hits_of(rank, &named)?;
        }
        let search = Widening { asked: &self, rank, selector: &selector };
        let (mut selected, mut is_cut) = search.run(&active, false)?;
        if selected.hits.len() < self.limit() && self.is_filled && !is_cut {
            (selected, is_cut) = search.run(&active, true)?;
        }
        if let Some(log) = &self.query.trace {
            log.note(self.examine(rank, &selected.hits, Some((&selector, &selected)))?);
        }
        Ok(self.ruled(selected, is_cut, compiled, &active))
    }

    /// The answer where no rule is in force.
    fn unruled(self, rank: &dyn Rank, rules_version: u64) -> Result<Answer, RecommendError> {
        let limit = self.limit();
        let is_limited = limit < self.query.limit;
        // One more, to see whether there are more than the shopper's interest allows.
        let Ranked { mut hits, num_filled, is_cut } =
            rank.rank(&Depth::plain(limit + usize::from(is_limited), self.is_filled))?;
        let is_held_back = is_limited && hits.len() > limit;
        hits.truncate(limit);
        if let Some(log) = &self.query.trace {
            log.note(self.examine(rank, &hits, None)?);
        }
        let fewer_because = (hits.len() < self.query.limit).then_some(self.why(is_cut, is_held_back));
        let fallback = (num_filled > 0).then_some(Source::Popular);
        let (anchor, missing_ids) = (self.anchor, self.missing_ids);
        let (fired, parts) = (Vec::new(), Vec::new());
        Ok(Answer { hits, anchor, missing_ids, fallback, fewer_because, rules_version, fired, parts })
    }

    /// Most hits of the answer.
    fn limit(&self) -> usize {
        self.most.map_or(self.query.limit, |most| most.min(self.query.limit))
    }

    fn why(&self, is_cut: bool, is_held_back: bool) -> FewerBecause {
        match (is_cut, is_held_back) {
            (true, _) => FewerBecause::MinScore,
            (false, true) => FewerBecause::Interest,
            (false, false) => self.otherwise,
        }
    }

    /// The request's filter, where it is to be asked of each hit.
    fn open_filter(&self, compiled: &Compiled) -> Result<Option<Expr>, RecommendError> {
        if !self.allowed.is_open {
            return Ok(None);
        }
        if self.page.is_empty() && crate::rules::is_relative(&self.query.filter) {
            let message = "`same`, `different` and `price_ratio` compare with a product; give `context.product`";
            return Err(crate::rules::FilterError::new("filter", message).into());
        }
        let compiler = Compiler { generation: self.view.generation(), facts: &compiled.facts };
        Ok(Some(compiler.filter(&self.query.filter, "filter")?))
    }

    /// Whether the question itself lets the product appear.
    fn may_appear(&self, row: RowId) -> bool {
        self.allowed.has(self.view, row) && !is_of_families(self.view, row, self.taken)
    }

    /// The hits of rows that rules name, whatever their score.
    fn hits_of(&self, rank: &dyn Rank, rows: &RoaringBitmap) -> Result<HashMap<u32, Hit>, RecommendError> {
        let limit = rows.len() as usize;
        let depth = Depth { limit, every_variant: true, is_filled: false, has_floor: false, within: Some(rows) };
        Ok(rank.rank(&depth)?.hits.into_iter().map(|hit| (hit.row.0, hit)).collect())
    }

    fn ruled(self, selected: Selected, is_cut: bool, compiled: &Compiled, active: &Active) -> Answer {
        let Selected { hits, has_fill, removed, placed, .. } = selected;
        let mut removed: Vec<(usize, u64)> =
            removed.into_iter().map(|(number, rows)| (number, rows.len() as u64)).collect();
        // Of rules that kept out as many, the one that comes first.
        removed.sort_unstable_by_key(|(number, count)| (std::cmp::Reverse(*count), *number));
        // A list with as many as the shopper's interest allows is not short by a rule.
        let is_held_back = hits.len() == self.limit() && self.limit() < self.query.limit;
        let is_short = hits.len() < self.query.limit;
        // Nor one for which more is missing than rules took out of it, as long as they left most.
        let num_removed = removed.iter().map(|(_, count)| *count as usize).sum::<usize>();
        let is_by_rules = hits.len() + num_removed >= self.query.limit || num_removed >= hits.len();
        let why = removed.first().map(|(number, _)| *number).filter(|_| is_short && !is_held_back && is_by_rules);
        let otherwise = || self.why(is_cut && !is_held_back, is_held_back);
        let fewer_because = is_short.then(|| why.map_or_else(otherwise, |_| FewerBecause::Rule));
        let mut fired: Vec<usize> = removed.iter().map(|(number, _)| *number).chain(placed).collect();
        fired.sort_unstable();
        fired.dedup();
        if self.query.is_counted {
            compiled.note(active, &fired, &removed, why);
        }
        let fired = fired.into_iter().map(|number| FiredRule {
            id: compiled.rules[number].id.clone(),
            removed: removed.iter().find(|(of, _)| *of == number).map_or(0, |(_, count)| *count),
            is_why_fewer: why == Some(number),
        });
        Answer {
            hits,
            anchor: self.anchor,
            missing_ids: self.missing_ids,
            fallback: has_fill.then_some(Source::Popular),
            fewer_because,
            rules_version: compiled.version,
            fired: fired.collect(),
            parts: Vec::new(),
        }
    }
}

/// Fetches until the list is certain.
struct Widening<'a> {
    asked: &'a Asked<'a>,
    rank: &'a dyn Rank,
    selector: &'a Selector<'a>,
}

/// What a round of fetches brought.
struct Fetched {
    hits: Vec<Valued>,
    /// Value that a hit which was not fetched is not above; `None` when all were.
    missed: Option<f64>,
    is_cut: bool,
}

impl Widening<'_> {
    /// The list, and whether `min_score` cut the hits.
    fn run(&self, active: &Active, is_filled: bool) -> Result<(Selected, bool), RecommendError> {
        let limit = self.asked.limit();
        let effect = self.selector.compiled.effect(active);
        let mut depth = if self.rank.is_cheap() { usize::MAX } else { limit + SLACK };
        let mut within: Option<RoaringBitmap> = None;
        let mut removed = HashMap::new();
        loop {
            let Fetched { hits, missed, is_cut } = self.fetch(depth, within.as_ref(), &effect, is_filled)?;
            let mut selected = self.selector.select(&hits, limit);
            let is_whole = selected.hits.len() == limit;
            let is_above = |missed: f64| is_whole && selected.last_value.is_none_or(|last| last > missed);
            if missed.is_none_or(is_above) {
                for (number, rows) in removed {
                    let all: &mut std::collections::HashSet<u32> = selected.removed.entry(number).or_default();
                    all.extend::<std::collections::HashSet<u32>>(rows);
                }
                return Ok((selected, is_cut));
            }
            if within.is_none() && !effect.hidden.is_empty() {
                // What is hidden in every scene need not be fetched again; changed products may be hidden no longer.
                let mut rows = self.asked.view.all_rows();
                rows -= &effect.hidden;
                within = Some(rows);
                removed = selected.removed;
            }
            depth = depth.saturating_mul(GROWTH);
        }
    }

    /// The best `depth` hits by score, and those of rows that rules may raise.
    fn fetch(
        &self,
        depth: usize,
        within: Option<&RoaringBitmap>,
        effect: &Effect,
        is_filled: bool,
    ) -> Result<Fetched, RecommendError> {
        let mut fetched = Fetched { hits: Vec::new(), missed: None, is_cut: false };
        if self.rank.is_cheap() {
            self.fetch_part(depth, within, 1.0, is_filled, &mut fetched)?;
        } else {
            self.fetch_part(depth, within, effect.others_factor, is_filled, &mut fetched)?;
            for (factor, rows) in &effect.raised {
                let rows = within.map_or(Cow::Borrowed(rows), |within| Cow::Owned(rows & within));
                self.fetch_part(depth, Some(&rows), *factor, false, &mut fetched)?;
            }
            let changed = self.changed_rows(within).filter(|rows| !rows.is_empty() && effect.max_factor > 1.0);
            if let Some(changed) = changed {
                self.fetch_part(depth, Some(&changed), effect.max_factor, false, &mut fetched)?;
            }
            fetched.hits.sort_unstable_by_key(|valued| valued.hit.row);
            fetched.hits.dedup_by_key(|valued| valued.hit.row);
        }
        fetched.hits.sort_unstable_by(order);
        Ok(fetched)
    }

    /// Rows of products that have changed since the generation was built, of which an effect says nothing.
    fn changed_rows(&self, within: Option<&RoaringBitmap>) -> Option<RoaringBitmap> {
        let view = self.asked.view;
        let is_changed = !view.patched_rows().is_empty() || view.num_new() > 0;
        let rows = is_changed.then(|| view.patched_rows() | view.new_rows())?;
        Some(within.map_or_else(|| rows.clone(), |within| &rows & within))
    }

    fn fetch_part(
        &self,
        depth: usize,
        within: Option<&RoaringBitmap>,
        factor: f64,
        is_filled: bool,
        fetched: &mut Fetched,
    ) -> Result<(), RecommendError> {
        let depth = Depth { limit: depth, every_variant: true, is_filled, has_floor: true, within };
        let ranked = self.rank.rank(&depth)?;
        if ranked.hits.len() >= depth.limit {
            let missed = ranked.hits.last().map(|hit| f64::from(hit.score) * factor);
            fetched.missed = fetched.missed.into_iter().chain(missed).reduce(f64::max);
        }
        fetched.is_cut |= ranked.is_cut;
        let first_fill = ranked.hits.len() - ranked.num_filled;
        let valued = ranked.hits.into_iter().enumerate();
        fetched.hits.extend(valued.map(|(at, hit)| self.selector.valued(hit, at >= first_fill)));
        Ok(())
    }
}
