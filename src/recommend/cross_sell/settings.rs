//! `[recommend.cross_sell]`.

use serde::{Deserialize, Serialize};

use crate::recommend::settings::share_of_texts;
use crate::recommend::source::SourceWeights;

/// Settings of cross-sell.
#[derive(Debug, Clone, Copy, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct CrossSellConfig {
    /// What the feed's `related_product` and the shop's own pairs count.
    pub relations: f32,
    /// What counts that a product says it is made for one of the cart's.
    pub compatibility: f32,
    /// What orders count of which the cart's products have very many.
    pub copurchase: f32,
    /// What counts that was met or bought after the newest product, in proportion to the orders.
    pub next: f32,
    /// What likeness of texts counts where there are no orders.
    pub similar: f32,
    /// What the map of complements counts where there are no orders of the cart's products.
    pub complement: f32,
    /// What common words count where there are no orders.
    pub lexical: f32,
    /// Orders of the cart's products at which orders and texts count half.
    pub kappa: f32,
    /// Least share of texts, however many orders there are, 0 to 1.
    pub content_floor: f32,
    /// Cosine similarity to a product of the cart above which another is its look-alike and is not shown; 0 to 1.
    pub look_alike: f32,
    /// How much a kind of thing that is not yet in the list counts beside the score, 0 to 1.
    pub diversity: f32,
    /// Most products of one kind of thing before every other kind was served.
    pub max_per_need: usize,
    /// Share of the best score below which a kind of thing waits until the better ones have `max_per_need`; 0 to 1.
    pub weak_share: f32,
    /// Share of the cart's value up to which a price is in proportion.
    pub addon_share: f64,
    /// Least factor of a score whose product is dearer than that; 0 to 1.
    pub addon_floor: f32,
    /// Factor on the score of what closes the gap to free delivery; 1 to 2.
    pub gap_factor: f32,
    /// Lowest score, unless a request has a `min_score`; 0 to 1.
    pub min_score: f32,
}

impl Default for CrossSellConfig {
    fn default() -> Self {
        Self {
            relations: 1.0,
            compatibility: 0.6,
            copurchase: 1.0,
            next: 0.1,
            similar: 0.3,
            complement: 0.3,
            lexical: 0.0,
            kappa: 20.0,
            content_floor: 0.17,
            look_alike: 0.85,
            diversity: 0.3,
            max_per_need: 2,
            weak_share: 0.3,
            addon_share: 0.5,
            addon_floor: 0.5,
            gap_factor: 1.25,
            min_score: 0.02,
        }
    }
}

impl CrossSellConfig {
    /// The setting that is out of its range, and what would be right.
    pub fn out_of_range(&self) -> Option<(&'static str, &'static str)> {
        let is_share = |x: f32| (0.0..=1.0).contains(&x);
        let share = "give a number from 0 to 1";
        let checks = [
            ("kappa", self.kappa.is_finite() && self.kappa >= 0.0, "give a number of orders, 0 or more"),
            ("content_floor", is_share(self.content_floor), share),
            ("look_alike", is_share(self.look_alike), share),
            ("diversity", is_share(self.diversity), share),
            ("max_per_need", self.max_per_need > 0, "give 1 or more"),
            ("weak_share", is_share(self.weak_share), share),
            ("addon_share", self.addon_share.is_finite() && self.addon_share > 0.0, "give a number above 0"),
            ("addon_floor", is_share(self.addon_floor), share),
            ("gap_factor", (1.0..=2.0).contains(&self.gap_factor), "give a number from 1 to 2"),
            ("min_score", is_share(self.min_score), share),
        ];
        let weights =
            ["relations", "compatibility", "copurchase", "next", "similar", "complement", "lexical"].into_iter();
        let Self { relations, compatibility, copurchase, next, similar, complement, lexical, .. } = *self;
        let values = [relations, compatibility, copurchase, next, similar, complement, lexical];
        let weights = weights.zip(values.map(|x| (0.0..=1000.0).contains(&x)));
        let weights = weights.map(|(name, is_right)| (name, is_right, "give a number from 0 to 1000"));
        checks.into_iter().chain(weights).find(|(_, is_right, _)| !is_right).map(|(name, _, right)| (name, right))
    }

    /// What each source counts for a cart whose products are in `orders` orders each: texts count their share of what they may, and orders the
    /// rest. What the feed tells counts the same, however many there are.
    pub fn weights(&self, orders: &[u32]) -> SourceWeights {
        let of_texts = share_of_texts(orders, self.kappa, self.content_floor);
        SourceWeights {
            relations: self.relations,
            compatibility: self.compatibility,
            copurchase: self.copurchase * (1.0 - of_texts),
            next: self.next * (1.0 - of_texts),
            similar: self.similar * of_texts,
            complement: self.complement * of_texts,
            lexical: self.lexical * of_texts,
            ..SourceWeights::default()
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn orders_take_over_from_texts_with_no_jump_and_leave_what_the_feed_tells_alone() {
        let config = CrossSellConfig { kappa: 10.0, content_floor: 0.2, ..CrossSellConfig::default() };
        let at = |orders: u32| config.weights(&[orders]);
        assert_eq!((at(0).copurchase, at(0).similar), (0.0, config.similar));
        assert_eq!((at(10).copurchase, at(10).similar), (0.5 * config.copurchase, 0.5 * config.similar));
        assert!((at(1_000_000).similar - 0.2 * config.similar).abs() < 1e-6);
        for n in 0..200 {
            let (now, then) = (at(n), at(n + 1));
            assert!(then.copurchase >= now.copurchase && then.copurchase - now.copurchase < 0.1);
            assert_eq!((now.relations, now.compatibility), (config.relations, config.compatibility));
        }
    }

    #[test]
    fn what_is_out_of_range_is_named() {
        assert_eq!(CrossSellConfig::default().out_of_range(), None);
        let bad = CrossSellConfig { gap_factor: 3.0, ..CrossSellConfig::default() };
        assert_eq!(bad.out_of_range().map(|(name, _)| name), Some("gap_factor"));
        let bad = CrossSellConfig { next: f32::NAN, ..CrossSellConfig::default() };
        assert_eq!(bad.out_of_range().map(|(name, _)| name), Some("next"));
    }
}
