//! `[recommend.bundle]`.

use std::collections::BTreeMap;

use serde::{Deserialize, Serialize};

/// Fewest kinds of things of a set, what it starts from included.
pub const MIN_TYPES: usize = 2;
/// Most kinds of things of a set.
pub const MAX_TYPES: usize = 6;

/// Settings of bundles.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct BundleConfig {
    /// Kinds of things of a set that no goal names, what it starts from included: [`MIN_TYPES`] to [`MAX_TYPES`].
    pub types: usize,
    /// Largest discount on the whole set, 0 to 0.9; 0 proposes none.
    pub max_discount: f64,
    /// Least share of the discounted price that is left after `cost_of_goods_sold`, 0 to 1.
    pub margin_floor: f64,
    /// By how much the discounted set is worth more than what it starts from, at least, as a share of that.
    pub min_rise: f64,
    /// The kinds of things that complete a product of a kind, by that kind: `phone = ["case", "screen protector", "charger"]`.
    pub goals: BTreeMap<String, Vec<String>>,
}

impl Default for BundleConfig {
    fn default() -> Self {
        Self { types: 4, max_discount: 0.15, margin_floor: 0.2, min_rise: 0.35, goals: BTreeMap::new() }
    }
}

impl BundleConfig {
    /// The setting that is out of its range, and what would be right.
    pub fn out_of_range(&self) -> Option<(&'static str, &'static str)> {
        let is_goal = |types: &Vec<String>| {
            (1..MAX_TYPES).contains(&types.len()) && types.iter().all(|word| !word.trim().is_empty())
        };
        let checks = [
            ("types", (MIN_TYPES..=MAX_TYPES).contains(&self.types), "give 2 to 6 kinds of things"),
            ("max_discount", (0.0..=0.9).contains(&self.max_discount), "give a share from 0 to 0.9"),
            ("margin_floor", (0.0..=1.0).contains(&self.margin_floor), "give a share from 0 to 1"),
            ("min_rise", (0.0..=100.0).contains(&self.min_rise), "give a share from 0 to 100"),
            ("goals", self.goals.values().all(is_goal), "give each kind 1 to 5 kinds of things that complete it"),
        ];
        checks.into_iter().find(|(_, is_right, _)| !is_right).map(|(name, _, right)| (name, right))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_out_of_range_is_named() {
        assert_eq!(BundleConfig::default().out_of_range(), None);
        let goals = |types: &[&str]| {
            let types = types.iter().map(|word| (*word).to_owned()).collect();
            BundleConfig { goals: BTreeMap::from([("phone".to_owned(), types)]), ..BundleConfig::default() }
        };
        assert_eq!(goals(&["case", "charger"]).out_of_range(), None);
        for (bad, name) in [
            (BundleConfig { types: 7, ..BundleConfig::default() }, "types"),
            (BundleConfig { max_discount: f64::NAN, ..BundleConfig::default() }, "max_discount"),
            (goals(&[]), "goals"),
            (goals(&["a", "b", "c", "d", "e", "f"]), "goals"),
            (goals(&[" "]), "goals"),
        ] {
            assert_eq!(bad.out_of_range().map(|(name, _)| name), Some(name));
        }
    }
}
