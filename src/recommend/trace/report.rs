//! A whole answer, step by step.

use std::collections::{BTreeMap, HashMap};

use serde::{Deserialize, Serialize};
use utoipa::ToSchema;

use super::log::{Examined, Fate, Judged, Noted, Sieve, TraceLog, WithoutList};
use crate::live::View;
use crate::rank::RowId;
use crate::recommend::engine::Engine;
use crate::recommend::error::RecommendError;
use crate::recommend::placement::Stage;
use crate::recommend::query::{Answer, Hit, Intent, Query};
use crate::recommend::source::Source;

/// Candidates that are shown of each source and of each intent.
const NUM_CANDIDATES: usize = 20;
/// Products that are named of those that a step left out.
const NUM_EXAMPLES: usize = 5;

/// How an answer came about.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, ToSchema)]
pub struct Trace {
    /// The generation that answered.
    pub generation: String,
    /// Number of the last live change that counted.
    pub live_seq: u64,
    /// Version of the rules that counted; 0 where none were ever saved.
    pub rules_version: u64,
    /// The placement.
    pub placement: Option<String>,
    /// How far the session had come; `null` without a placement.
    pub stage: Option<Stage>,
    /// Each intent by itself, the leading one first, before the shop's rules where there are several.
    pub parts: Vec<PartTrace>,
    /// Intents that made no list, so that no step of theirs is told, and why.
    pub without_list: Vec<WithoutList>,
    /// The list.
    pub list: ListTrace,
}

/// One intent.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, ToSchema)]
pub struct PartTrace {
    /// The intent.
    pub intent: Intent,
    /// Its share of the list, beside the others'.
    pub share: f32,
    /// What each source brought before anything was left out, by source.
    pub sources: Vec<SourceTrace>,
    /// What of that was left out whatever its score, by what left it out.
    pub kept_out: Vec<LeftOut<Sieve>>,
    /// Candidates that may appear, in all.
    pub num_candidates: usize,
    /// The best of them.
    pub candidates: Vec<CandidateTrace>,
    /// Lowest score; `null` where there is none.
    pub min_score: Option<f32>,
    /// Candidates below it.
    pub num_below_min_score: usize,
}

/// What a source brought.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, ToSchema)]
pub struct SourceTrace {
    /// The source.
    pub source: Source,
    /// What it counts as a share of all, 0 to 1: a score is the sum of what sources say times this, for `cross_sell` and `bundle` times a
    /// factor of the price and never above that of the candidate before. `null` where scores are made otherwise.
    pub weight: Option<f32>,
    /// Products that it knows.
    pub num_found: usize,
    /// The best of them and what it says of each, 0 to 1.
    pub best: Vec<(String, f32)>,
}

/// Products that one step left out.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, ToSchema)]
pub struct LeftOut<By> {
    /// What left them out.
    pub by: By,
    /// How many.
    pub num_removed: usize,
    /// Some of them, the best first.
    pub examples: Vec<String>,
}

/// A candidate of one intent.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, ToSchema)]
pub struct CandidateTrace {
    /// The product.
    pub id: String,
    /// Its score, 0 to 1.
    pub score: f32,
    /// What the sources that know it say, 0 to 1.
    pub sources: BTreeMap<Source, f32>,
}

/// From candidates to the list.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, ToSchema)]
pub struct ListTrace {
    /// The products of the answer, in their order.
    pub results: Vec<PlacedTrace>,
    /// What the shop's rules left out among what could have been shown, by rule.
    pub rules: Vec<LeftOut<String>>,
    /// Products whose family has another in the list.
    pub num_variants: usize,
    /// Products for which there was no room.
    pub num_beyond_limit: usize,
    /// The best of those, in their order.
    pub next: Vec<PlacedTrace>,
}

/// A product and where it stands.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, ToSchema)]
pub struct PlacedTrace {
    /// The product.
    pub id: String,
    /// Its place by score, or by turns where several intents are mixed, from 1; `null` for one that no source ranked: pinned, put in another's
    /// place, or a fill.
    pub place: Option<usize>,
    /// The intent that it is from.
    pub intent: Intent,
    /// Its score by its intent, 0 to 1.
    pub score: f32,
    /// What it was worth before the list was spread over categories; `null` where it was not.
    pub before_spread: Option<f32>,
    /// What the list is sorted by before rules.
    pub value: f32,
    /// What the shop's rules multiply that by.
    pub factor: f64,
    /// The rules that do.
    pub rules: Vec<String>,
}

impl Engine {
    /// Answers `query` on `view` as [`Engine::answer`] does, and tells how.
    ///
    /// Returns an error as [`Engine::answer`] does.
    pub fn trace(&self, view: &View, query: &Query) -> Result<(Answer, Trace), RecommendError> {
        let (answer, noted) = self.examined(view, query, None)?;
        let trace = Reporter { view, query, answer: &answer }.trace(noted);
        Ok((answer, trace))
    }

    /// The answer, and what was noted of it. `target` is looked at whatever becomes of it.
    ///
    /// Returns an error as [`Engine::answer`] does.
    pub(super) fn examined(
        &self,
        view: &View,
        query: &Query,
        target: Option<&str>,
    ) -> Result<(Answer, Noted), RecommendError> {
        let log = TraceLog::after(target);
        let asked = Query { trace: Some(log.clone()), is_counted: false, ..query.clone() };
        let answer = self.answer(view, &asked)?;
        Ok((answer, log.take()))
    }
}

/// Puts a trace into words.
struct Reporter<'a> {
    view: &'a View,
    query: &'a Query,
    answer: &'a Answer,
}

impl Reporter<'_> {
    fn trace(&self, Noted { lists, without_list }: Noted) -> Trace {
        let parts = lists.iter().filter(|examined| examined.is_part || lists.len() == 1);
        Trace {
            generation: self.view.generation().name().to_owned(),
            live_seq: self.view.seq(),
            rules_version: self.answer.rules_version,
            placement: self.query.placement.clone(),
            stage: self.query.slot.as_ref().map(|slot| slot.stage),
            parts: parts.map(|examined| self.part(examined)).collect(),
            list: self.list(lists.last()),
            without_list,
        }
    }

    fn id(&self, row: RowId) -> String {
        self.view.id(row).unwrap_or_default().to_owned()
    }

    fn part(&self, examined: &Examined) -> PartTrace {
        let share =
            self.query.slot.as_ref().and_then(|slot| slot.mix.iter().find(|part| part.intent == examined.intent));
        let is_below = |judged: &&Judged| judged.fate == Fate::BelowFloor;
        let candidate = |judged: &Judged| CandidateTrace {
            id: self.id(judged.hit.row),
            score: judged.hit.score,
            sources: said(&judged.hit).collect(),
        };
        PartTrace {
            intent: examined.intent,
            share: share.map_or(1.0, |part| part.share),
            sources: Source::ALL.into_iter().filter_map(|source| self.source(source, examined)).collect(),
            kept_out: self.left_out(examined.kept_out.iter().copied()),
            num_candidates: examined.judged.len(),
            candidates: examined.judged.iter().take(NUM_CANDIDATES).map(candidate).collect(),
            min_score: examined.floor,
            num_below_min_score: examined.judged.iter().filter(is_below).count(),
        }
    }

    fn source(&self, source: Source, examined: &Examined) -> Option<SourceTrace> {
        let mut found: Vec<(f32, RowId)> = examined
            .found
            .iter()
            .map(|hit| (hit.sources.get(source), hit.row))
            .filter(|(says, _)| *says > 0.0)
            .collect();
        found.sort_unstable_by(|a, b| b.0.total_cmp(&a.0).then(a.1.cmp(&b.1)));
        let weights = examined.weights.as_ref();
        let total = weights.map(|weights| Source::ALL.into_iter().map(|source| weights.of(source)).sum::<f32>());
        let weight = weights.zip(total).map(|(weights, total)| weights.of(source) / total);
        let counts = weight.is_some_and(|weight| weight > 0.0);
        (counts || !found.is_empty()).then(|| SourceTrace {
            source,
            weight,
            num_found: found.len(),
            best: found.iter().take(NUM_CANDIDATES).map(|(says, row)| (self.id(*row), *says)).collect(),
        })
    }

    /// Products by what left them out; `removed` has the best first.
    fn left_out<By: Ord + Clone>(&self, removed: impl Iterator<Item = (RowId, By)>) -> Vec<LeftOut<By>> {
        let mut groups: BTreeMap<By, Vec<RowId>> = BTreeMap::new();
        removed.for_each(|(row, by)| groups.entry(by).or_default().push(row));
        let group = |(by, rows): (By, Vec<RowId>)| LeftOut {
            by,
            num_removed: rows.len(),
            examples: rows.iter().take(NUM_EXAMPLES).map(|row| self.id(*row)).collect(),
        };
        groups.into_iter().map(group).collect()
    }

    fn list(&self, whole: Option<&Examined>) -> ListTrace {
        let judged = whole.map_or(&[][..], |whole| whole.judged.as_slice());
        let places: HashMap<RowId, (usize, &Judged)> =
            judged.iter().zip(1..).map(|(judged, at)| (judged.hit.row, (at, judged))).collect();
        let by_rule = judged.iter().filter_map(|judged| match &judged.fate {
            Fate::Rule(rule) => Some((judged.hit.row, rule.to_string())),
            _ => None,
        });
        let mut beyond: Vec<&Judged> = judged.iter().filter(|judged| judged.fate == Fate::Limit).collect();
        let value = |judged: &Judged| f64::from(judged.hit.score) * judged.factor;
        beyond.sort_by(|a, b| value(b).total_cmp(&value(a)).then(a.hit.row.cmp(&b.hit.row)));
        let is_variant = |judged: &&Judged| matches!(judged.fate, Fate::Variant(_));
        let placed = |hit: &Hit| self.placed(hit, places.get(&hit.row).copied());
        ListTrace {
            results: self.answer.hits.iter().map(placed).collect(),
            rules: self.left_out(by_rule),
            num_variants: judged.iter().filter(is_variant).count(),
            num_beyond_limit: beyond.len(),
            next: beyond.iter().take(NUM_EXAMPLES).map(|judged| placed(&judged.hit)).collect(),
        }
    }

    /// `hit` as its intent gave it, and what became of it in the list.
    fn placed(&self, hit: &Hit, known: Option<(usize, &Judged)>) -> PlacedTrace {
        PlacedTrace {
            id: self.id(hit.row),
            place: known.map(|(place, _)| place),
            intent: self.answer.part_of(hit.row).map_or(self.query.intent, |part| part.intent),
            score: hit.score,
            before_spread: known.and_then(|(_, judged)| judged.before_spread),
            value: known.map_or(hit.score, |(_, judged)| judged.hit.score),
            factor: known.map_or(1.0, |(_, judged)| judged.factor),
            rules: known.map_or(Vec::new(), |(_, judged)| judged.rules.iter().map(ToString::to_string).collect()),
        }
    }
}

/// What the sources that know the product say.
fn said(hit: &Hit) -> impl Iterator<Item = (Source, f32)> + '_ {
    Source::ALL.into_iter().map(|source| (source, hit.sources.get(source))).filter(|(_, says)| *says > 0.0)
}
