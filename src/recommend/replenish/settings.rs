//! `[recommend.replenish]`.

use serde::{Deserialize, Serialize};

/// Settings of replenishment.
#[derive(Debug, Clone, Copy, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct ReplenishConfig {
    /// Intervals of a shopper's own that count as much as what all shoppers do.
    pub kappa: f32,
    /// What is due so many days from now is shown, unless a request says.
    pub due_within_days: f32,
    /// Intervals since the last purchase after which it counts as given up and is not shown; above 1.
    pub lapsed_after: f32,
    /// Lowest share of buyers who come back, shrunk likewise: below it a product is nothing that is bought again. 0 to 1.
    pub min_repeat: f32,
}

impl Default for ReplenishConfig {
    fn default() -> Self {
        Self { kappa: 2.0, due_within_days: 7.0, lapsed_after: 3.0, min_repeat: 0.3 }
    }
}

/// Longest time ahead that may be asked about, in days.
pub(in crate::recommend) const MAX_DUE_WITHIN_DAYS: f32 = 3650.0;

impl ReplenishConfig {
    /// The setting that is out of its range, and what would be right.
    pub fn out_of_range(&self) -> Option<(&'static str, &'static str)> {
        let checks = [
            ("kappa", (0.1..=1e6).contains(&self.kappa), "give a number of intervals from 0.1 to 1000000"),
            ("due_within_days", (0.0..=MAX_DUE_WITHIN_DAYS).contains(&self.due_within_days), "give 0 to 3650 days"),
            ("lapsed_after", (1.0..=1000.0).contains(&self.lapsed_after), "give a number of intervals from 1 to 1000"),
            ("min_repeat", (0.0..=1.0).contains(&self.min_repeat), "give a number from 0 to 1"),
        ];
        checks.into_iter().find(|(_, is_right, _)| !is_right).map(|(name, _, right)| (name, right))
    }
}
