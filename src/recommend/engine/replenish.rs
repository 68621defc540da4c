//! Answers what is due to be bought again.

use jiff::Timestamp;

use super::Engine;
use crate::live::View;
use crate::recommend::error::RecommendError;
use crate::recommend::query::{Answer, FewerBecause, Query};
use crate::recommend::replenish::{Due, Known, Shelf, due_products};
use crate::recommend::ruled::{Asked, Compiled};

impl Engine {
    /// What is due for the shopper of the question by [`Query::purchases`], best first, whether it may be shown or not.
    pub fn due(&self, view: &View, query: &Query) -> Vec<Due> {
        self.bought_again(view, query).due
    }

    fn bought_again(&self, view: &View, query: &Query) -> Known {
        let now = query.at.unwrap_or_else(Timestamp::now).as_second().clamp(0, i64::from(u32::MAX)) as u32;
        let config = &self.config.replenish;
        let within_days = query.due_within_days.unwrap_or(config.due_within_days);
        due_products(view, self.behavior(view).as_deref(), &query.purchases, (now, within_days), config)
    }

    /// Answers what the shopper is due to buy again. What is on the page and in the cart, and its families, are not in the answer.
    pub(super) fn answer_replenish(
        &self,
        view: &View,
        query: &Query,
        rules: &Compiled,
    ) -> Result<Answer, RecommendError> {
        let scope = self.scope(view, query)?;
        let known = self.bought_again(view, query);
        let shelf = Shelf {
            view,
            allowed: &scope.allowed,
            known: &known,
            taken: scope.taken.iter().filter_map(|&row| view.family(row)).collect(),
            floor: query.min_score,
        };
        let asked = Asked {
            view,
            query,
            page: scope.page(),
            cart: &scope.cart,
            taken: &scope.taken,
            allowed: &scope.allowed,
            missing_ids: scope.missing_ids.clone(),
            is_filled: false,
            anchor: None,
            most: None,
            otherwise: FewerBecause::NothingDue,
        };
        asked.finish(&shelf, rules)
    }
}
