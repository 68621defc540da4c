//! `[recommend.upsell]`.

use serde::{Deserialize, Serialize};

use crate::catalog::{AttributeKind, Direction};

/// Settings of upsell.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct UpsellConfig {
    /// Lowest price as a multiple of the anchor's, unless a request says; 1 or more.
    pub price_min: f64,
    /// Highest price as a multiple of the anchor's, unless a request says.
    pub price_max: f64,
    /// Lowest cosine similarity; 0 to 1.
    pub min_similarity: f32,
    /// The same where nothing but the text says that two products serve one use: no category, or features alone that are better; 0 to 1.
    pub close_similarity: f32,
    /// Lowest score, unless a request has a `min_score`; 0 to 1.
    pub min_score: f32,
    /// How many price tiers, a fifth of the category each, an answer may lie above the anchor.
    pub max_tier_step: u8,
    /// Exponent on the margin; 0 leaves it out, 0.5 is the most. The factor is never below one half.
    pub margin_weight: f32,
    /// Seconds on the anchor's page that show interest.
    pub long_look_s: f64,
    /// Most products for a session without, with one, and with more signs of interest; what is not known of does not limit.
    pub shown: [usize; 3],
    /// Kinds that are a matter of taste in this shop: `screen` where small ones are wanted.
    pub neutral: Vec<AttributeKind>,
}

impl Default for UpsellConfig {
    fn default() -> Self {
        Self {
            price_min: 1.05,
            price_max: 1.6,
            min_similarity: 0.7,
            close_similarity: 0.7,
            min_score: 0.1,
            max_tier_step: 1,
            margin_weight: 0.1,
            long_look_s: 30.0,
            shown: [1, 3, 6],
            neutral: Vec::new(),
        }
    }
}

impl UpsellConfig {
    /// The setting that is out of its range, and what would be right.
    pub fn out_of_range(&self) -> Option<(&'static str, &'static str)> {
        let is_share = |x: f32| (0.0..=1.0).contains(&x);
        let checks = [
            ("price_min", self.price_min.is_finite() && self.price_min >= 1.0, "give a multiple of 1 or more"),
            (
                "price_max",
                self.price_max.is_finite() && self.price_max >= self.price_min,
                "give a multiple not below price_min",
            ),
            ("min_similarity", is_share(self.min_similarity), "give a number from 0 to 1"),
            ("close_similarity", is_share(self.close_similarity), "give a number from 0 to 1"),
            ("min_score", is_share(self.min_score), "give a number from 0 to 1"),
            ("margin_weight", (0.0..=0.5).contains(&self.margin_weight), "give a number from 0 to 0.5"),
            ("long_look_s", self.long_look_s.is_finite() && self.long_look_s >= 0.0, "give seconds, 0 or more"),
            ("shown", self.shown.is_sorted(), "give three ascending numbers"),
        ];
        checks.into_iter().find(|(_, is_right, _)| !is_right).map(|(name, _, right)| (name, right))
    }

    /// Which way of a kind is better in this shop.
    pub fn direction(&self, kind: AttributeKind) -> Direction {
        if self.neutral.contains(&kind) { Direction::Neutral } else { kind.direction() }
    }
}
