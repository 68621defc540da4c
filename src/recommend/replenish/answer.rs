//! What is due as a shelf.

use std::collections::HashSet;

use super::due::{Due, Known};
use crate::live::View;
use crate::rank::RowId;
use crate::recommend::blend::ENOUGH_ORDERS;
use crate::recommend::error::RecommendError;
use crate::recommend::query::Hit;
use crate::recommend::ruled::{Depth, Rank, Ranked};
use crate::recommend::search::Allowed;
use crate::recommend::source::{Source, SourceScores};
use crate::recommend::trace::Sieve;

/// One question for what is due.
pub(in crate::recommend) struct Shelf<'a> {
    pub view: &'a View,
    pub allowed: &'a Allowed,
    /// What was bought, one a family.
    pub known: &'a Known,
    /// Families that are kept out.
    pub taken: HashSet<u32>,
    /// Lowest score.
    pub floor: Option<f32>,
}

impl Rank for Shelf<'_> {
    fn rank(&self, depth: &Depth<'_>) -> Result<Ranked, RecommendError> {
        let may_appear = |due: &&Due| {
            let is_taken = self.view.family(due.row).is_none_or(|family| self.taken.contains(&family));
            depth.is_within(due.row) && self.allowed.has(self.view, due.row) && !is_taken
        };
        let is_high = |due: &&Due| !depth.has_floor || self.floor.is_none_or(|floor| due.score >= floor);
        let all: Vec<&Due> = self.known.due.iter().filter(may_appear).collect();
        let high: Vec<&Due> = all.iter().copied().filter(is_high).collect();
        let is_cut = high.len() < all.len() && high.len() < depth.limit;
        Ok(Ranked { hits: high.into_iter().take(depth.limit).map(hit).collect(), num_filled: 0, is_cut })
    }

    fn is_cheap(&self) -> bool {
        true
    }

    fn found(&self) -> Result<Vec<Hit>, RecommendError> {
        let others = self.known.others.iter().map(|(due, _)| due);
        let mut found: Vec<Hit> = self.known.due.iter().chain(others).map(hit).collect();
        found.sort_unstable_by(|a, b| b.score.total_cmp(&a.score).then(a.row.cmp(&b.row)));
        Ok(found)
    }

    fn refusal(&self, row: RowId) -> Option<Sieve> {
        self.known.others.iter().find(|(due, _)| due.row == row).map(|(_, why)| *why)
    }

    /// What was never bought is not due, whatever a rule names.
    fn is_strict(&self) -> bool {
        true
    }
}

/// `bought` says how often; the score is that of its day.
fn hit(due: &Due) -> Hit {
    let share = (due.num_times as f32).ln_1p() / ENOUGH_ORDERS.ln_1p();
    Hit { row: due.row, score: due.score, sources: SourceScores::of(Source::Bought, share.min(1.0)) }
}
