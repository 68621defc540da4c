//! Why a product is not in an answer: the one step at which it went.

use serde::{Deserialize, Serialize};
use utoipa::ToSchema;

use super::log::{Examined, Examinee, Fate, Judged, Noted, Sieve};
use crate::live::View;
use crate::rank::RowId;
use crate::recommend::engine::Engine;
use crate::recommend::error::RecommendError;
use crate::recommend::query::{Answer, FewerBecause, Intent, Query};

/// What became of a product, and where.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, ToSchema)]
pub struct WhyNot {
    /// The product.
    pub id: String,
    /// The intent that it came furthest with; of the list as a whole the leading one.
    pub intent: Intent,
    /// The step at which it went, or its place.
    #[serde(flatten)]
    pub step: Step,
}

/// What became of a product.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, ToSchema)]
#[serde(tag = "step", rename_all = "snake_case")]
pub enum Step {
    /// The catalog has no such product.
    UnknownProduct,
    /// There is no list that it could be in.
    NoList {
        /// Why not.
        because: FewerBecause,
    },
    /// It is kept out whatever the sources say of it.
    KeptOut {
        /// By what.
        by: Sieve,
    },
    /// No source brings it.
    NotACandidate {
        /// Cosine similarity of its text with what is asked about, below 0 as 0; `null` where that is not known.
        similarity: Option<f32>,
        /// The score that it would have by that alone; `null` where it would have none.
        would_be_score: Option<f32>,
        /// The place that it would have with that score, at best; `null` as the score.
        would_be_place: Option<usize>,
    },
    /// Its score is below the lowest.
    MinScore {
        /// Its score.
        score: f32,
        /// The lowest.
        min_score: f32,
    },
    /// A rule of the shop hides it, caps what is like it, or shows another in its place.
    Rule {
        /// The rule.
        rule: String,
    },
    /// Another of its family, of its name or, in a bundle, of its kind stands for them.
    Variant {
        /// Which.
        instead: String,
    },
    /// It had a place before the list was spread over categories.
    Diversity {
        /// That place.
        place: usize,
        /// What it was worth there.
        before: f32,
        /// What it was worth beside others of its category.
        after: f32,
    },
    /// The list was full.
    Limit {
        /// Its place among the candidates by score, or by turns where several intents are mixed.
        place: usize,
        /// Its score.
        score: f32,
    },
    /// It is in the list.
    Shown {
        /// Its place.
        rank: usize,
    },
}

impl Step {
    /// How far a product came, for the furthest of several intents.
    fn depth(&self) -> usize {
        match self {
            Self::UnknownProduct | Self::NoList { .. } => 0,
            Self::KeptOut { .. } => 1,
            Self::NotACandidate { .. } => 2,
            Self::MinScore { .. } => 3,
            Self::Rule { .. } => 4,
            Self::Variant { .. } => 5,
            Self::Diversity { .. } => 6,
            Self::Limit { .. } => 7,
            Self::Shown { .. } => 8,
        }
    }
}

impl Engine {
    /// What became of the product `id` in the answer to `query` on `view`: exactly one step, or its place.
    ///
    /// Returns an error as [`Engine::answer`] does.
    pub fn why_not(&self, view: &View, query: &Query, id: &str) -> Result<WhyNot, RecommendError> {
        let (answer, Noted { lists: noted, without_list }) = self.examined(view, query, Some(id))?;
        let told = |intent, step| WhyNot { id: id.to_owned(), intent, step };
        let Some(row) = view.row(id) else { return Ok(told(query.intent, Step::UnknownProduct)) };
        if let Some(at) = answer.hits.iter().position(|hit| hit.row == row) {
            let intent = answer.part_of(row).map_or(query.intent, |part| part.intent);
            return Ok(told(intent, Step::Shown { rank: at + 1 }));
        }
        let steps = noted.iter().map(|examined| {
            let is_whole = !examined.is_part && noted.len() > 1;
            (examined.intent, Seeker { view, examined, is_whole, limit: query.limit }.step(row))
        });
        let whole = noted.last().map(|examined| examined.judged.iter().any(|judged| judged.hit.row == row));
        // What reached the whole of a mix went there; else the intent counts with which it came furthest.
        let steps: Vec<_> = steps.collect();
        let furthest = match whole {
            Some(true) => steps.into_iter().next_back(),
            _ => {
                let num_parts = if steps.len() > 1 { steps.len() - 1 } else { steps.len() };
                let parts = steps.into_iter().take(num_parts);
                let furthest = parts.reduce(|best, other| if other.1.depth() > best.1.depth() { other } else { best });
                furthest.map(|(intent, step)| (intent, kept_out_of_mix(&noted, &step).unwrap_or(step)))
            }
        };
        let (intent, step) = furthest.unwrap_or_else(|| {
            let nothing = Step::NotACandidate { similarity: None, would_be_score: None, would_be_place: None };
            let no_list = without_list.first().map_or(nothing, |none| Step::NoList { because: none.because });
            (query.intent, unexamined(view, &answer, query, row).unwrap_or(no_list))
        });
        Ok(told(intent, step))
    }
}

/// What keeps a product out of the list of several intents that one of them gave.
fn kept_out_of_mix(noted: &[Examined], step: &Step) -> Option<Step> {
    let is_given = matches!(step, Step::Limit { .. }) && noted.len() > 1;
    let by = noted.last().filter(|_| is_given)?.target.as_ref()?.sieve?;
    matches!(by, Sieve::InCart | Sieve::AskedAbout | Sieve::NeverTogether | Sieve::FamilyTaken)
        .then_some(Step::KeptOut { by })
}

/// What keeps a product out of an answer that has nothing to start from.
fn unexamined(view: &View, answer: &Answer, query: &Query, row: RowId) -> Option<Step> {
    let is_named = |ids: &[String]| ids.iter().any(|id| view.row(id) == Some(row));
    let by = match () {
        () if is_named(&query.exclude) => Sieve::Excluded,
        () if answer.anchor == Some(row) || is_named(&query.anchors) => Sieve::AskedAbout,
        () => return None,
    };
    Some(Step::KeptOut { by })
}

/// Looks for one product in one list.
struct Seeker<'a> {
    view: &'a View,
    examined: &'a Examined,
    /// Whether it is the list of several intents.
    is_whole: bool,
    limit: usize,
}

impl Seeker<'_> {
    fn step(&self, row: RowId) -> Step {
        let judged = self.examined.judged.iter().zip(1..).find(|(judged, _)| judged.hit.row == row);
        let target = self.examined.target.as_ref().filter(|target| target.row == row);
        match (judged, target.and_then(|target| target.sieve)) {
            (Some((judged, place)), _) => self.of_candidate(judged, place),
            (None, Some(by)) => Step::KeptOut { by },
            (None, None) => self.of_no_candidate(target),
        }
    }

    fn of_candidate(&self, judged: &Judged, place: usize) -> Step {
        let score = judged.hit.score;
        match &judged.fate {
            // A part gives more than the list has room for.
            Fate::Shown | Fate::Limit => self.spread_away(judged).unwrap_or(Step::Limit { place, score }),
            Fate::BelowFloor => Step::MinScore { score, min_score: self.examined.floor.unwrap_or_default() },
            Fate::KeptOut(by) => Step::KeptOut { by: *by },
            Fate::Variant(other) => Step::Variant { instead: self.view.id(*other).unwrap_or_default().to_owned() },
            Fate::Rule(rule) => Step::Rule { rule: rule.to_string() },
        }
    }

    /// Whether it had a place before the list of several intents was spread.
    fn spread_away(&self, judged: &Judged) -> Option<Step> {
        let before = judged.before_spread.filter(|_| self.is_whole)?;
        let is_before = |other: &&Judged| {
            let worth = other.before_spread.unwrap_or(f32::MIN);
            worth > before || (worth == before && other.hit.row < judged.hit.row)
        };
        let place = 1 + self.examined.judged.iter().filter(is_before).count();
        let is_spread = place <= self.limit && judged.hit.score < before;
        is_spread.then_some(Step::Diversity { place, before, after: judged.hit.score })
    }

    fn of_no_candidate(&self, target: Option<&Examinee>) -> Step {
        let would_be = target.and_then(|target| target.would_be);
        let score = would_be.and_then(|would_be| would_be.score);
        let ahead = |score: f32| self.examined.judged.iter().filter(|judged| judged.hit.score > score).count();
        Step::NotACandidate {
            similarity: would_be.map(|would_be| would_be.similarity),
            would_be_score: score,
            would_be_place: score.map(|score| 1 + ahead(score)),
        }
    }
}
