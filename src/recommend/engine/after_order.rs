//! Answers what goes with an order that was placed: cross-sell with the order as the cart, inside a window of hours.

use jiff::Timestamp;

use super::Engine;
use crate::live::View;
use crate::recommend::error::RecommendError;
use crate::recommend::query::{Answer, FewerBecause, Query};
use crate::recommend::ruled::Compiled;

impl Engine {
    /// Answers what goes with the order, without what the shopper has; nothing before and after the window of the settings, where it is known
    /// when the order was placed.
    pub(super) fn answer_after_order(
        &self,
        view: &View,
        query: &Query,
        rules: &Compiled,
    ) -> Result<Answer, RecommendError> {
        let nothing = |why| Ok(Answer::nothing(None, Vec::new(), why, rules.version()));
        if query.session.is_empty() {
            return nothing(FewerBecause::NoOrder);
        }
        if self.is_outside_window(query) {
            return nothing(FewerBecause::OutsideWindow);
        }
        self.answer_cross_sell(view, query, rules)
    }

    /// Whether the order of the question, if any, was placed too short or too long a time ago.
    pub(in crate::recommend) fn is_outside_window(&self, query: &Query) -> bool {
        let placed = query.order.and_then(|order| order.placed_at);
        let hours =
            |placed: Timestamp| query.at.unwrap_or_else(Timestamp::now).duration_since(placed).as_secs_f64() / 3600.0;
        let window = &self.config.post_purchase;
        placed.is_some_and(|placed| !(window.from_hours..=window.until_hours).contains(&hours(placed)))
    }
}
