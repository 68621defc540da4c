//! `[recommend]`: what may be in answers, and what each source counts.

use serde::{Deserialize, Serialize};

use super::bundle::BundleConfig;
use super::cross_sell::CrossSellConfig;
use super::messages::Messages;
use super::post_purchase::PostPurchaseConfig;
use super::query::Intent;
use super::replenish::ReplenishConfig;
use super::source::SourceWeights;
use super::upsell::UpsellConfig;

/// Settings of answers.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct RecommendConfig {
    /// Leave out what is out of stock, unless a request filters by availability itself.
    pub in_stock_only: bool,
    /// Factor on the score of a product made for another model than the one asked about: a case for an iPhone 7 Plus beside a
    /// case for an iPhone 7. 0 to 1; 1 turns it off.
    pub misfit_factor: f32,
    /// Whether products that the session has looked at may be in it again, unless a request says.
    pub include_seen: bool,
    /// Fill a list that is shorter than asked with what is popular, unless a request has a `min_score`.
    pub popular_fallback: bool,
    /// What each source counts for [`Intent::Next`].
    pub next: SourceWeights,
    /// What each source counts for [`Intent::ForYou`] while nothing is in the cart.
    pub for_you: SourceWeights,
    /// What counts for [`Intent::ForYou`] once something is in the cart.
    pub cart: CartMix,
    /// What each source counts for [`Intent::Trending`].
    pub trending: SourceWeights,
    /// [`Intent::Upsell`].
    pub upsell: UpsellConfig,
    /// [`Intent::CrossSell`].
    pub cross_sell: CrossSellConfig,
    /// [`Intent::CrossSell`] with an order that was placed.
    pub post_purchase: PostPurchaseConfig,
    /// [`Intent::Bundle`].
    pub bundle: BundleConfig,
    /// [`Intent::Replenish`].
    pub replenish: ReplenishConfig,
    /// Sentences of reasons, labels and titles by language and key, in place of the built-in ones: `messages.de."reason.more"`.
    pub messages: Messages,
}

impl Default for RecommendConfig {
    fn default() -> Self {
        Self {
            in_stock_only: true,
            misfit_factor: 0.5,
            include_seen: false,
            popular_fallback: true,
            next: SourceWeights::NEXT,
            for_you: SourceWeights::FOR_YOU,
            cart: CartMix::default(),
            trending: SourceWeights::TRENDING,
            upsell: UpsellConfig::default(),
            cross_sell: CrossSellConfig::default(),
            post_purchase: PostPurchaseConfig::default(),
            bundle: BundleConfig::default(),
            replenish: ReplenishConfig::default(),
            messages: Messages::default(),
        }
    }
}

impl RecommendConfig {
    /// The setting that is out of its range, and what would be right.
    pub fn out_of_range(&self) -> Option<(&'static str, &'static str)> {
        let is_share = |x: f32| (0.0..=1.0).contains(&x);
        let (share, weight) = ("give a number from 0 to 1", "give numbers from 0 to 1000");
        let CartMix { kappa, content_floor, semantic_share, bought } = self.cart;
        let checks = [
            ("misfit_factor", is_share(self.misfit_factor), share),
            ("next", self.next.is_in_range(), weight),
            ("for_you", self.for_you.is_in_range(), weight),
            ("trending", self.trending.is_in_range(), weight),
            ("cart.kappa", kappa.is_finite() && kappa >= 0.0, "give a number of orders, 0 or more"),
            ("cart.content_floor", is_share(content_floor), share),
            ("cart.semantic_share", is_share(semantic_share), share),
            ("cart.bought", (0.0..=1000.0).contains(&bought), "give a number from 0 to 1000"),
        ];
        checks.into_iter().find(|(_, is_right, _)| !is_right).map(|(key, _, wanted)| (key, wanted))
    }

    /// Whether answers to `intent` heed what the shopper bought in earlier orders.
    pub fn heeds_bought(&self, intent: Intent) -> bool {
        let of_cart = self.weights(intent, Some(0.0)).map_or(0.0, |weights| weights.bought);
        let of_views = self.weights(intent, None).map_or(0.0, |weights| weights.bought);
        of_cart.max(of_views) > 0.0
    }

    /// What each source counts for `intent`, of which `cart_orders` tells the mean number of orders that hold what is in the cart, where
    /// anything is; `None` for an intent that does not start from a session.
    pub fn weights(&self, intent: Intent, cart_orders: Option<f32>) -> Option<SourceWeights> {
        match (intent, cart_orders) {
            (Intent::Next, _) => Some(self.next),
            (Intent::ForYou, None) => Some(self.for_you),
            (Intent::ForYou, Some(orders)) => Some(self.cart.weights(orders)),
            (Intent::Trending, _) => Some(self.trending),
            (Intent::CrossSell | Intent::Bundle, orders) => Some(self.cross_sell.weights(orders.unwrap_or(0.0))),
            _ => None,
        }
    }
}

/// What goes with a cart: what is bought together with its products, and the more of what texts tell the less orders tell of them.
#[derive(Debug, Clone, Copy, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct CartMix {
    /// Orders of the cart's products at which orders and texts count the same.
    pub kappa: f32,
    /// Least share of texts, however many orders there are, 0 to 1.
    pub content_floor: f32,
    /// What sessions about the same things count among texts, 0 to 1; the texts' likeness counts the rest.
    pub semantic_share: f32,
    /// What counts beside all that, which counts 1: what the shopper bought in earlier orders. 0 turns it off.
    pub bought: f32,
}

impl Default for CartMix {
    fn default() -> Self {
        Self { kappa: 20.0, content_floor: 0.17, semantic_share: 0.2, bought: 0.48 }
    }
}

impl CartMix {
    /// What each source counts for a cart whose products are in `orders` orders each, on average: texts count
    /// `kappa / (orders + kappa)`, but never less than their floor, and orders the rest, so that there is no jump between a new product
    /// and a well-known one.
    pub fn weights(&self, orders: f32) -> SourceWeights {
        let of_texts = (self.kappa / (orders + self.kappa).max(f32::MIN_POSITIVE)).max(self.content_floor);
        SourceWeights {
            copurchase: 1.0 - of_texts,
            similar: of_texts * (1.0 - self.semantic_share),
            session_semantic: of_texts * self.semantic_share,
            bought: self.bought,
            ..SourceWeights::default()
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_cart_nobody_bought_is_answered_by_texts_and_a_known_one_by_orders_with_no_jump_between() {
        let mix = CartMix { kappa: 10.0, content_floor: 0.2, semantic_share: 0.25, bought: 0.5 };
        let texts = |orders: f32| {
            let weights = mix.weights(orders);
            assert!((weights.copurchase + weights.similar + weights.session_semantic - 1.0).abs() < 1e-6);
            assert_eq!((weights.session, weights.next, weights.popular, weights.bought), (0.0, 0.0, 0.0, 0.5));
            assert!((weights.session_semantic - weights.similar / 3.0).abs() < 1e-6);
            weights.similar + weights.session_semantic
        };
        assert_eq!((texts(0.0), texts(10.0), texts(1e6)), (1.0, 0.5, 0.2));
        assert!((0..100).all(|n| texts(n as f32) >= texts(n as f32 + 1.0)));
        let config = RecommendConfig { cart: mix, ..RecommendConfig::default() };
        assert_eq!(config.weights(Intent::ForYou, Some(10.0)), Some(mix.weights(10.0)));
        assert_eq!(config.weights(Intent::ForYou, None), Some(config.for_you));
        assert_eq!(config.weights(Intent::Next, Some(10.0)), Some(config.next));
        assert_eq!(config.weights(Intent::Similar, None), None);
    }
}
