//! From a session to candidates: what each source knows.

use std::cell::RefCell;

use super::error::RecommendError;
use super::session::Start;
use super::shop::Shop;
use super::source::Source;
use crate::behavior::{
    self, BehaviorConfig, Knowledge, Related, SessionScratch, Step, Tally, bought_together, semantic_votes,
    session_votes,
};

/// Candidates of a source: enough for a list of the longest kind after a filter that keeps one in five.
const PER_SOURCE: usize = 500;

thread_local! {
    static SCRATCH: RefCell<(SessionScratch, Tally)> = RefCell::new((SessionScratch::default(), Tally::new(0)));
}

/// What the sources are asked about.
pub(super) struct Asked<'a> {
    pub shop: &'a dyn Shop,
    pub config: &'a BehaviorConfig,
    pub start: &'a Start,
    /// What the session is about, of length 1.
    pub vector: Option<&'a [f32]>,
}

impl Asked<'_> {
    /// The best of `source`, best first; empty where it knows nothing of the session. What is near by its vector or its words and what feeds
    /// tell the shop itself knows, and what was bought before the question.
    ///
    /// Returns an error if the index of sessions cannot be searched.
    pub(super) fn candidates(&self, source: Source) -> Result<Vec<Related>, RecommendError> {
        let Some(known) = self.shop.knowledge() else { return Ok(Vec::new()) };
        Ok(match source {
            Source::Copurchase => {
                related(bought_together(known.ease, known.copurchase, &self.start.rows(), PER_SOURCE))
            }
            Source::Session => self.session(known),
            Source::SessionSemantic => self.session_semantic(known)?,
            Source::Next => after(known, self.start.rows().last().copied()),
            Source::Popular => known.popular.row(0).to_vec(),
            Source::Similar
            | Source::Bought
            | Source::Relations
            | Source::Compatibility
            | Source::Complement
            | Source::Lexical => Vec::new(),
        })
    }

    fn session(&self, known: Knowledge<'_>) -> Vec<Related> {
        let step = |&(row, kind): &super::RowStep| Step { product: row.0, weight: self.config.weights.of(kind) };
        let steps: Vec<Step> = self.start.steps.iter().map(step).collect();
        SCRATCH.with_borrow_mut(|(scratch, _)| {
            session_votes(known.sessions, &steps, known.now_s, self.config, PER_SOURCE, scratch)
        })
    }

    fn session_semantic(&self, known: Knowledge<'_>) -> Result<Vec<Related>, RecommendError> {
        let Some(vector) = self.vector else { return Ok(Vec::new()) };
        let nearest = self.shop.nearest_sessions(vector, self.config.semantic.num_neighbors)?;
        Ok(SCRATCH.with_borrow_mut(|(_, tally)| {
            semantic_votes(known.sessions, known.session_of, &nearest, self.config, PER_SOURCE, tally)
        }))
    }
}

/// Met and bought after the newest product, half and half where both are known.
fn after(known: Knowledge<'_>, newest: Option<u32>) -> Vec<Related> {
    let Some(newest) = newest else { return Vec::new() };
    related(behavior::blend(&[(1.0, known.next.row(newest)), (1.0, known.bought_next.row(newest))]))
}

fn related(blended: Vec<behavior::Blended>) -> Vec<Related> {
    blended.into_iter().map(|entry| Related { product: entry.product, score: entry.score, evidence: 0 }).collect()
}
