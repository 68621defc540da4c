//! From a session to candidates: what each source knows.

use std::borrow::Cow;
use std::cell::RefCell;

use super::source::Source;
use crate::behavior::{
    self, Behavior, BehaviorConfig, Related, SessionScratch, Step, Tally, bought_together, pooled, semantic_votes,
    session_votes,
};
use crate::events::EventKind;
use crate::index::IndexError;
use crate::live::View;
use crate::rank::RowId;

/// Candidates of a source: enough for a list of the longest kind after a filter that keeps one in five.
const PER_SOURCE: usize = 500;

thread_local! {
    static SCRATCH: RefCell<(SessionScratch, Tally)> = RefCell::new((SessionScratch::default(), Tally::new(0)));
}

/// A live session on the rows of a view.
pub(super) struct LiveSession<'a> {
    pub view: &'a View,
    pub behavior: Option<&'a Behavior>,
    pub config: &'a BehaviorConfig,
    /// What was done that counts, oldest first.
    pub steps: &'a [(RowId, EventKind)],
    /// What the session is about, of length 1.
    pub vector: Option<&'a [f32]>,
}

/// What the steps are about: the weighted mean of their products, the newest counting most, with `text` where there is one; of length 1.
/// `None` when there is nothing to start from.
pub(super) fn session_vector(
    view: &View,
    steps: &[(RowId, EventKind)],
    text: Option<Vec<f32>>,
    config: &BehaviorConfig,
    dim: usize,
) -> Option<Vec<f32>> {
    let vector = |&(row, kind): &(RowId, EventKind)| {
        let weight = config.weights.of(kind).max(0.0);
        view.vector(row).map(|vector| (Cow::Owned(vector), weight))
    };
    let steps: Vec<_> = steps.iter().filter_map(vector).chain(text.map(|text| (Cow::Owned(text), 1.0))).collect();
    pooled(steps.into_iter(), config.semantic.fade, dim)
}

impl LiveSession<'_> {
    /// The best of `source`, best first; empty where it knows nothing of the session.
    ///
    /// Returns an error if the index of sessions cannot be searched.
    pub(super) fn candidates(&self, source: Source) -> Result<Vec<Related>, IndexError> {
        let Some(behavior) = self.behavior else { return Ok(Vec::new()) };
        let rows: Vec<u32> = self.steps.iter().map(|(row, _)| row.0).collect();
        Ok(match source {
            Source::Copurchase => related(bought_together(behavior.ease(), behavior.copurchase(), &rows, PER_SOURCE)),
            Source::Session => self.session(behavior),
            Source::SessionSemantic => self.session_semantic(behavior)?,
            Source::Next => after(behavior, rows.last().copied()),
            Source::Popular => behavior.popular().row(0).to_vec(),
            Source::Similar => Vec::new(),
        })
    }

    fn session(&self, behavior: &Behavior) -> Vec<Related> {
        let step = |&(row, kind): &(RowId, EventKind)| Step { product: row.0, weight: self.config.weights.of(kind) };
        let steps: Vec<Step> = self.steps.iter().map(step).filter(|step| step.weight > 0.0).collect();
        SCRATCH.with_borrow_mut(|(scratch, _)| {
            // Counted from the newest event, so that a generation's answers do not change with its age.
            session_votes(behavior.sessions(), &steps, behavior.last_s(), self.config, PER_SOURCE, scratch)
        })
    }

    fn session_semantic(&self, behavior: &Behavior) -> Result<Vec<Related>, IndexError> {
        let Some(vector) = self.vector else { return Ok(Vec::new()) };
        let nearest = behavior.nearest_sessions(vector, self.config.semantic.num_neighbors)?;
        let (sessions, session_of) = (behavior.sessions(), behavior.session_of());
        Ok(SCRATCH.with_borrow_mut(|(_, tally)| {
            semantic_votes(sessions, session_of, &nearest, self.config, PER_SOURCE, tally)
        }))
    }
}

/// Met and bought after the newest product, half and half where both are known.
fn after(behavior: &Behavior, newest: Option<u32>) -> Vec<Related> {
    let Some(newest) = newest else { return Vec::new() };
    related(behavior::blend(&[(1.0, behavior.next().row(newest)), (1.0, behavior.bought_next().row(newest))]))
}

fn related(blended: Vec<behavior::Blended>) -> Vec<Related> {
    blended.into_iter().map(|entry| Related { product: entry.product, score: entry.score, evidence: 0 }).collect()
}
