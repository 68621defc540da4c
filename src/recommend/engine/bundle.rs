//! Answers what completes a product or a cart to a set, and what the set is sold for.

use std::cell::OnceCell;
use std::collections::HashSet;

use super::Engine;
use super::cart::goes_with;
use crate::live::View;
use crate::rank::RowId;
use crate::recommend::bundle::{Bundle, BundleOffer, Goal, Priced, kind};
use crate::recommend::cross_sell::CrossSell;
use crate::recommend::error::RecommendError;
use crate::recommend::query::{Answer, FewerBecause, Intent, Query};
use crate::recommend::ruled::{Asked, Compiled};
use crate::recommend::scope::{named, steps};
use crate::recommend::session::in_cart;

/// What a set starts from.
struct Start {
    rows: Vec<RowId>,
    cart: Vec<RowId>,
    missing_ids: Vec<String>,
}

impl Start {
    fn of(view: &View, query: &Query) -> Self {
        let (anchors, _, mut missing_ids) = named(view, query);
        let steps = steps(view, &query.session, &mut missing_ids);
        let cart = in_cart(steps.iter().copied());
        Self { rows: goes_with(Intent::Bundle, &anchors, &cart, &steps), cart, missing_ids }
    }
}

impl Engine {
    /// Answers what completes what is on the page, else the cart, to a set: each kind of thing once, nothing of a kind that is there already.
    pub(super) fn answer_bundle(&self, view: &View, query: &Query, rules: &Compiled) -> Result<Answer, RecommendError> {
        let start = Start::of(view, query);
        let goal = Goal::of(view, (&start.rows, &start.cart), &query.goal, &self.config.bundle)?;
        if goal.num_missing == 0 && !start.rows.is_empty() {
            let (newest, why) = (start.rows.last().copied(), FewerBecause::SetComplete);
            return Ok(Answer::nothing(newest, start.missing_ids, why, rules.version()));
        }
        let limit = query.limit.min(goal.num_missing.max(1));
        let mut answer = self.answer_cross_sell(view, &Query { limit, ..query.clone() }, rules)?;
        // Also where the shop lets rules show several of one family.
        let mut kinds = HashSet::new();
        let num_found = answer.hits.len();
        answer.hits.retain(|hit| kind(view, hit.row).is_ok_and(|kind| kinds.insert(kind)));
        if answer.hits.len() < num_found {
            answer.fewer_because = answer.fewer_because.or(Some(FewerBecause::SetComplete));
        }
        Ok(answer)
    }

    /// The answer of a set that `cross_sell` gives products for.
    pub(super) fn finish_bundle(
        &self,
        asked: Asked<'_>,
        cross_sell: &CrossSell<'_>,
        rules: &Compiled,
    ) -> Result<Answer, RecommendError> {
        let (view, starts) = (cross_sell.told.view, cross_sell.starts);
        let goal = Goal::of(view, (starts, asked.cart), &asked.query.goal, &self.config.bundle)?;
        let bundle = Bundle { cross_sell, goal: &goal, allowed: asked.allowed, listed: OnceCell::new() };
        asked.finish(&bundle, rules)
    }

    /// What the set of `answer` is sold for, of several intents that of the bundle; `None` where the question asks for none or starts from
    /// nothing that the catalog has.
    ///
    /// Returns an error if a record is damaged.
    pub fn bundle_offer(
        &self,
        view: &View,
        query: &Query,
        answer: &Answer,
    ) -> Result<Option<BundleOffer>, RecommendError> {
        let start = Start::of(view, query);
        let part = answer.parts.iter().find(|part| part.intent == Intent::Bundle);
        let is_asked = part.is_some() || answer.parts.is_empty() && query.intent == Intent::Bundle;
        if !is_asked || start.rows.is_empty() {
            return Ok(None);
        }
        let is_of_set = |row: &RowId| part.is_none_or(|part| part.rows.contains(row));
        let added: Vec<RowId> = answer.hits.iter().map(|hit| hit.row).filter(is_of_set).collect();
        let goal = Goal::of(view, (&start.rows, &start.cart), &query.goal, &self.config.bundle)?;
        let missing_types = goal.without(view, &added)?;
        let priced = |rows: &[RowId]| -> Result<Vec<Priced>, RecommendError> {
            rows.iter().map(|&row| Ok(Priced { product: view.product(row)?, price: view.price(row) })).collect()
        };
        let (start, added) = (priced(&start.rows)?, priced(&added)?);
        Ok(Some(BundleOffer::of(&start, &added, missing_types, &self.config.bundle)))
    }
}
