//! Why a product is due: how often and when it was bought, and what shoppers do.

use serde_json::json;

use super::due::Due;
use crate::recommend::query::Hit;
use crate::recommend::reason::{Explainer, Reason};

impl Explainer<'_> {
    /// What the shopper did, where an interval is of their own; else what shoppers of the product do, else of things like it.
    pub(in crate::recommend) fn of_due(&self, hit: &Hit) -> Reason {
        let Some(due) = self.due.iter().find(|due| due.row == hit.row) else {
            return self.simple("in_shop", &[], json!({}));
        };
        let days = |days: f32| format!("{}", days.round() as i64);
        let (key, interval) = match due.own_days {
            Some(own) => ("reason.due_again", own),
            None if due.crowd_shoppers > 0 => ("reason.due_again.once", due.interval_days),
            None => ("reason.due_again.alike", due.interval_days),
        };
        let parts = [("times", due.num_times.to_string()), ("days", days(interval)), ("ago", days(due.since_days))];
        self.said("due_again".to_owned(), &[key], &parts.into_iter().collect(), evidence(due))
    }
}

/// The figures behind a [`Due`], in whole tenths of a day.
fn evidence(due: &Due) -> serde_json::Value {
    let tenths = |days: f32| (f64::from(days) * 10.0).round() / 10.0;
    json!({
        "times": due.num_times,
        "own_interval_days": due.own_days.map(tenths),
        "shoppers_interval_days": due.crowd_days.map(tenths),
        "shoppers": due.crowd_shoppers,
        "interval_days": tenths(due.interval_days),
        "last_days_ago": tenths(due.since_days),
        "due_in_days": tenths(due.in_days()),
    })
}
