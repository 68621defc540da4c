//! `[recommend]`: what may be in answers, and what each source counts.

use serde::{Deserialize, Serialize};

use super::bundle::BundleConfig;
use super::cross_sell::CrossSellConfig;
use super::messages::Messages;
use super::placement::Placements;
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
    /// The named slots of the shop's pages.
    pub placements: Placements,
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
            placements: Placements::default(),
            messages: Messages::default(),
        }
    }
}

impl RecommendConfig {
    /// The setting that is out of its range, and what would be right.
    pub fn out_of_range(&self) -> Option<(&'static str, &'static str)> {
        let is_share = |x: f32| (0.0..=1.0).contains(&x);
        let (share, weight) = ("give a number from 0 to 1", "give numbers from 0 to 1000");
        let CartMix { kappa, content_floor, semantic_share, complement_share, lexical_share, novelty, bought } =
            self.cart;
        let shares = [semantic_share, complement_share, lexical_share];
        let checks = [
            ("misfit_factor", is_share(self.misfit_factor), share),
            ("next", self.next.is_in_range(), weight),
            ("for_you", self.for_you.is_in_range(), weight),
            ("trending", self.trending.is_in_range(), weight),
            ("cart.kappa", kappa.is_finite() && kappa >= 0.0, "give a number of orders, 0 or more"),
            ("cart.content_floor", is_share(content_floor), share),
            ("cart.semantic_share", is_share(semantic_share), share),
            ("cart.complement_share", is_share(complement_share), share),
            ("cart.lexical_share", is_share(lexical_share), share),
            (
                "cart",
                shares.iter().sum::<f32>() <= 1.0,
                "give semantic_share, complement_share and lexical_share that are 1 or less together",
            ),
            ("cart.novelty", (0.0..=10.0).contains(&novelty), "give a number from 0 to 10"),
            ("cart.bought", (0.0..=1000.0).contains(&bought), "give a number from 0 to 1000"),
        ];
        checks.into_iter().find(|(_, is_right, _)| !is_right).map(|(key, _, wanted)| (key, wanted))
    }

    /// Whether answers to `intent` heed what the shopper bought in earlier orders.
    pub fn heeds_bought(&self, intent: Intent) -> bool {
        let of_cart = self.weights(intent, Some(&[])).map_or(0.0, |weights| weights.bought);
        let of_views = self.weights(intent, None).map_or(0.0, |weights| weights.bought);
        of_cart.max(of_views) > 0.0
    }

    /// How much texts are believed of what is new where an answer to `intent` starts from a cart or not: see [`CartMix::novelty`].
    pub fn novelty(&self, intent: Intent, is_cart: bool) -> f32 {
        if intent == Intent::ForYou && is_cart { self.cart.novelty } else { 0.0 }
    }

    /// What each source counts for `intent`, of which `cart_orders` tells how many orders hold each product of the cart, where
    /// there is one; `None` for an intent that does not start from a session.
    pub fn weights(&self, intent: Intent, cart_orders: Option<&[u32]>) -> Option<SourceWeights> {
        match (intent, cart_orders) {
            (Intent::Next, _) => Some(self.next),
            (Intent::ForYou, None) => Some(self.for_you),
            (Intent::ForYou, Some(orders)) => Some(self.cart.weights(orders)),
            (Intent::Trending, _) => Some(self.trending),
            (Intent::CrossSell | Intent::Bundle, orders) => Some(self.cross_sell.weights(orders.unwrap_or_default())),
            _ => None,
        }
    }
}

/// What goes with a cart: what is bought together with its products, and the more of what texts tell the less orders tell of them.
#[derive(Debug, Clone, Copy, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct CartMix {
    /// Orders of a product at which orders and texts count the same.
    pub kappa: f32,
    /// Least share of texts, however many orders there are, 0 to 1.
    pub content_floor: f32,
    /// What sessions about the same things count among texts, 0 to 1; the likeness of texts counts what the three shares leave.
    pub semantic_share: f32,
    /// What the map of complements counts among texts, 0 to 1.
    pub complement_share: f32,
    /// What common words count among texts, 0 to 1.
    pub lexical_share: f32,
    /// How much texts are believed of what is new: what they tell of a product is times `exp(novelty x)`, `x` being 1 for one that nobody
    /// has bought and half of it 60 days after its first order, both times the share of the catalog that was ever bought. What is new is bought
    /// with what is new, and orders cannot speak for it yet.
    pub novelty: f32,
    /// What counts beside all that, which counts 1: what the shopper bought in earlier orders. 0 turns it off.
    pub bought: f32,
}

impl Default for CartMix {
    fn default() -> Self {
        Self {
            kappa: 20.0,
            content_floor: 0.17,
            semantic_share: 0.0,
            complement_share: 0.3,
            lexical_share: 0.45,
            novelty: 1.6,
            bought: 0.48,
        }
    }
}

/// What texts count for a cart whose products are in `orders` orders each, 0 to 1. Of a product in `n` orders texts tell `kappa / (n + kappa)`
/// and orders the rest, `n / (n + kappa)`: the mean of a Dirichlet distribution whose prior are the texts. A cart is the mean of its products;
/// texts never count less than their `floor`. So there is no jump between a new product and a well-known one.
pub(super) fn share_of_texts(orders: &[u32], kappa: f32, floor: f32) -> f32 {
    let of_product = |&n: &u32| f64::from(kappa / (n as f32 + kappa).max(f32::MIN_POSITIVE));
    let mean = orders.iter().map(of_product).sum::<f64>() / orders.len().max(1) as f64;
    let mean = if orders.is_empty() { 1.0 } else { mean };
    (mean as f32).max(floor)
}

impl CartMix {
    /// What each source counts for a cart whose products are in `orders` orders each.
    pub fn weights(&self, orders: &[u32]) -> SourceWeights {
        let of_texts = share_of_texts(orders, self.kappa, self.content_floor);
        let [semantic, complement, lexical] =
            [self.semantic_share, self.complement_share, self.lexical_share].map(|share| of_texts * share);
        SourceWeights {
            copurchase: 1.0 - of_texts,
            similar: (of_texts - semantic - complement - lexical).max(0.0),
            session_semantic: semantic,
            complement,
            lexical,
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
        let shares =
            CartMix { semantic_share: 0.25, complement_share: 0.125, lexical_share: 0.5, ..CartMix::default() };
        let mix = CartMix { kappa: 10.0, content_floor: 0.2, bought: 0.5, ..shares };
        let texts = |orders: &[u32]| {
            let weights = mix.weights(orders);
            let texts = weights.similar + weights.session_semantic + weights.complement + weights.lexical;
            assert!((weights.copurchase + texts - 1.0).abs() < 1e-6);
            assert_eq!((weights.session, weights.next, weights.popular, weights.bought), (0.0, 0.0, 0.0, 0.5));
            let of = [weights.similar, weights.session_semantic, weights.complement, weights.lexical];
            assert!(of.iter().zip([0.125, 0.25, 0.125, 0.5]).all(|(of, share)| (of - texts * share).abs() < 1e-6));
            texts
        };
        assert_eq!((texts(&[0]), texts(&[10]), texts(&[1_000_000])), (1.0, 0.5, 0.2));
        assert!((0..100).all(|n| texts(&[n]) >= texts(&[n + 1])));
        // Half of the cart is known well: it is answered half by texts, not as one product in half as many orders.
        assert!((texts(&[0, 1_000_000]) - 0.5).abs() < 1e-4);
        let config = RecommendConfig { cart: mix, ..RecommendConfig::default() };
        assert_eq!(config.weights(Intent::ForYou, Some(&[10])), Some(mix.weights(&[10])));
        assert_eq!(config.weights(Intent::ForYou, None), Some(config.for_you));
        assert_eq!(config.weights(Intent::Next, Some(&[10])), Some(config.next));
        assert_eq!(config.weights(Intent::Similar, None), None);
    }
}
