//! `[behavior]`: how much each event counts, how fast it fades, and the parameters of the learners.

use serde::{Deserialize, Serialize};

use crate::events::EventKind;

/// Most products that the closed form takes: 3.2 GB of numbers.
const MAX_EASE_PRODUCTS: usize = 20_000;

/// Settings of what is learned from events.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct BehaviorConfig {
    /// Related products kept for each product.
    pub per_product: usize,
    /// Days after which an order counts half for what is bought together; 0 for never.
    pub order_half_life_days: f32,
    /// Days after which a session counts half for what follows what; 0 for never.
    pub session_half_life_days: f32,
    /// Days after which an event counts half for popularity; 0 for never.
    pub popularity_half_life_days: f32,
    /// Orders of more products than this say nothing about what goes together.
    pub max_order_products: usize,
    /// How much each kind of event counts.
    pub weights: EventWeights,
    /// Shrunk asymmetric cosine of orders.
    pub copurchase: CoPurchaseConfig,
    /// Closed-form regression on the most bought products.
    pub ease: EaseConfig,
    /// Session neighbors that look closely: what is newest decides.
    pub session: SessionConfig,
    /// Session neighbors that look widely: order and age matter little. They find more, the close ones rank better.
    #[serde(with = "WideSession")]
    pub session_wide: SessionConfig,
    /// Share of the wide neighbors in a session's votes, 0 to 1; 0 leaves them out.
    pub session_wide_share: f32,
    /// Past sessions as vectors.
    pub semantic: SemanticConfig,
    /// The map from a product's vector to where what goes with it lies.
    pub complement: ComplementConfig,
    /// Shoppers who came back for a product that count as much as what is known of its category for how often it is bought, and likewise of
    /// the category beside the whole shop.
    pub repeat_kappa: f32,
}

impl Default for BehaviorConfig {
    fn default() -> Self {
        Self {
            per_product: 50,
            order_half_life_days: 365.0,
            session_half_life_days: 90.0,
            popularity_half_life_days: 30.0,
            max_order_products: 100,
            weights: EventWeights::default(),
            copurchase: CoPurchaseConfig::default(),
            ease: EaseConfig::default(),
            session: SessionConfig::default(),
            session_wide: SessionConfig::wide(),
            session_wide_share: 0.25,
            semantic: SemanticConfig::default(),
            complement: ComplementConfig::default(),
            repeat_kappa: 5.0,
        }
    }
}

impl BehaviorConfig {
    /// The first setting that has no sense in it, and what would be right.
    pub fn out_of_range(&self) -> Option<(&'static str, &'static str)> {
        let is_share = |x: f32| (0.0..=1.0).contains(&x);
        let is_days = |x: f32| x.is_finite() && x >= 0.0;
        let weights = EventKind::ALL.map(|kind| self.weights.of(kind));
        let (days, share) = ("give a number of days, 0 or more", "give a number from 0 to 1");
        let above = "give a number above 0";
        let checks = [
            ("order_half_life_days", is_days(self.order_half_life_days), days),
            ("session_half_life_days", is_days(self.session_half_life_days), days),
            ("popularity_half_life_days", is_days(self.popularity_half_life_days), days),
            ("session_wide_share", is_share(self.session_wide_share), share),
            ("per_product", (1..=1000).contains(&self.per_product), "give a number from 1 to 1000"),
            ("weights", weights.iter().all(|weight| weight.abs() <= 1000.0), "give numbers from -1000 to 1000"),
            ("copurchase.shrinkage", self.copurchase.shrinkage > 0.0 && self.copurchase.shrinkage.is_finite(), above),
            ("copurchase.exponent", is_share(self.copurchase.exponent), share),
            ("ease.num_products", self.ease.num_products <= MAX_EASE_PRODUCTS, "give at most 20000"),
            ("ease.lambda", self.ease.lambda > 0.0 && self.ease.lambda.is_finite(), above),
            ("ease.size_exponent", is_share(self.ease.size_exponent), share),
            ("ease.popularity_exponent", is_share(self.ease.popularity_exponent), share),
            ("session", self.session.is_in_range(), SessionConfig::RANGES),
            ("session_wide", self.session_wide.is_in_range(), SessionConfig::RANGES),
            ("repeat_kappa", (0.1..=1e6).contains(&self.repeat_kappa), "give a number of shoppers from 0.1 to 1000000"),
            ("semantic.fade", is_share(self.semantic.fade), share),
            ("semantic.temperature", self.semantic.temperature > 0.0 && self.semantic.temperature.is_finite(), above),
            ("semantic.num_neighbors", (1..=10_000).contains(&self.semantic.num_neighbors), "give 1 to 10000"),
            ("complement", self.complement.is_in_range(), ComplementConfig::RANGES),
        ];
        checks.into_iter().find(|(_, is_right, _)| !is_right).map(|(key, _, wanted)| (key, wanted))
    }

    /// Sessions that a product's list must hold for every question that is asked of it.
    pub fn num_candidates(&self) -> usize {
        self.session.num_candidates.max(self.session_wide.num_candidates)
    }
}

/// How much an event of each kind counts, a view being 1. What counts 0 or less is no step of a session.
#[derive(Debug, Clone, Copy, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct EventWeights {
    /// `view_item`.
    pub view_item: f32,
    /// `view_item_list`: an impression.
    pub view_item_list: f32,
    /// `select_item`.
    pub select_item: f32,
    /// `add_to_cart`.
    pub add_to_cart: f32,
    /// `remove_from_cart`.
    pub remove_from_cart: f32,
    /// `add_to_wishlist`.
    pub add_to_wishlist: f32,
    /// `begin_checkout`.
    pub begin_checkout: f32,
    /// `purchase`.
    pub purchase: f32,
    /// `refund`: added to a purchase in popularity by the share of its pieces that was sent back.
    pub refund: f32,
}

impl Default for EventWeights {
    fn default() -> Self {
        Self {
            view_item: 1.0,
            view_item_list: 0.0,
            select_item: 1.0,
            add_to_cart: 2.0,
            remove_from_cart: 0.0,
            add_to_wishlist: 1.5,
            begin_checkout: 2.0,
            purchase: 3.0,
            refund: -3.0,
        }
    }
}

impl EventWeights {
    /// What an event of this kind counts.
    pub fn of(&self, kind: EventKind) -> f32 {
        match kind {
            EventKind::ViewItem => self.view_item,
            EventKind::ViewItemList => self.view_item_list,
            EventKind::SelectItem => self.select_item,
            EventKind::AddToCart => self.add_to_cart,
            EventKind::RemoveFromCart => self.remove_from_cart,
            EventKind::AddToWishlist => self.add_to_wishlist,
            EventKind::BeginCheckout => self.begin_checkout,
            EventKind::Purchase => self.purchase,
            EventKind::Refund => self.refund,
            EventKind::Search => 0.0,
        }
    }
}

/// `c_ij / ((n_i + shrinkage)^exponent (n_j + shrinkage)^(1 - exponent))`, `c` orders with both, `n` orders with one.
#[derive(Debug, Clone, Copy, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct CoPurchaseConfig {
    /// Orders added to each count, so that pairs seen once or twice do not lead.
    pub shrinkage: f32,
    /// How the two counts share the denominator, 0 to 1: 1 divides by the anchor's alone, as confidence does.
    pub exponent: f32,
}

impl Default for CoPurchaseConfig {
    fn default() -> Self {
        Self { shrinkage: 20.0, exponent: 0.6 }
    }
}

/// EASE (Steck, "Embarrassingly Shallow Autoencoders for Sparse Data", WWW 2019).
#[derive(Debug, Clone, Copy, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct EaseConfig {
    /// Products taken, the most bought first; time grows with the cube and memory with the square (8 bytes each). 0 turns it off.
    pub num_products: usize,
    /// L2 regularization, in orders.
    pub lambda: f32,
    /// An order of `n` products counts `n^-size_exponent`, so that wholesale orders, with their very many pairs, do not drown the others.
    pub size_exponent: f32,
    /// A product's weights are divided by `(1 + its orders)^popularity_exponent`: what is in every order completes none.
    pub popularity_exponent: f32,
}

impl Default for EaseConfig {
    fn default() -> Self {
        Self { num_products: 4000, lambda: 5.0, size_exponent: 0.5, popularity_exponent: 0.2 }
    }
}

/// How a step's weight falls with its distance from the newest step.
#[derive(Debug, Clone, Copy, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Fade {
    /// `exp(-distance / scale)`, the scale in steps.
    Exponential(f32),
    /// `1 - distance / length`, never below zero.
    Linear(f32),
    /// 1 whatever the distance.
    Flat,
}

impl Fade {
    /// The weight at `distance` steps, in `[0, 1]`.
    pub fn at(self, distance: usize) -> f32 {
        match self {
            Self::Exponential(scale) => (-(distance as f32) / scale).exp(),
            Self::Linear(length) => (1.0 - distance as f32 / length).max(0.0),
            Self::Flat => 1.0,
        }
    }
}

/// VSTAN (Ludewig, Mauro, Latifi and Jannach, "Empirical analysis of session-based recommendation algorithms", UMUAI 2021), over the
/// index of VMIS (Kersbergen, Sprangers and Schelter, "Serenade", SIGMOD 2022).
#[derive(Debug, Clone, Copy, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct SessionConfig {
    /// Neighbor sessions that vote.
    pub num_neighbors: usize,
    /// Newest sessions sharing a product that are compared.
    pub num_candidates: usize,
    /// Newest different products of the live session that are looked at.
    pub max_products: usize,
    /// How the live session's older steps fade.
    pub position: Fade,
    /// Days over which an old session fades by `e`; 0 for never.
    pub recency_days: f32,
    /// How a neighbor's products fade with their distance from the newest shared one.
    pub neighborhood: Fade,
    /// How a neighbor fades with the place in the live session of the newest shared product.
    pub last_match: Fade,
    /// How much rarity counts: a product's votes are times `1 + idf_weight ln(sessions / sessions with it)`.
    pub idf_weight: f32,
    /// Whether long sessions are shorter of breath: similarity is divided by the root of their number of products.
    pub is_length_normalized: bool,
}

/// [`SessionConfig`] as it is read for the wide neighbors: what is left out is theirs, not the close ones'.
#[derive(Serialize, Deserialize)]
#[serde(remote = "SessionConfig", deny_unknown_fields, default = "SessionConfig::wide")]
struct WideSession {
    num_neighbors: usize,
    num_candidates: usize,
    max_products: usize,
    position: Fade,
    recency_days: f32,
    neighborhood: Fade,
    last_match: Fade,
    idf_weight: f32,
    is_length_normalized: bool,
}

impl SessionConfig {
    const RANGES: &'static str = "give 1 to 100000 neighbors and candidates, 1 to 64 products, days and idf_weight of 0 or more, and \
        fades over more than 0 steps";

    fn is_in_range(&self) -> bool {
        let is_fade = |fade| match fade {
            Fade::Exponential(steps) | Fade::Linear(steps) => steps > 0.0 && f32::is_finite(steps),
            Fade::Flat => true,
        };
        let is_amount = |x: f32| x.is_finite() && x >= 0.0;
        (1..=100_000).contains(&self.num_neighbors)
            && (1..=100_000).contains(&self.num_candidates)
            && (1..=64).contains(&self.max_products)
            && is_amount(self.recency_days)
            && is_amount(self.idf_weight)
            && [self.position, self.neighborhood, self.last_match].into_iter().all(is_fade)
    }

    /// As VMIS compares sessions: linear weights, no age, no distance inside the neighbor.
    pub fn wide() -> Self {
        Self {
            num_neighbors: 288,
            num_candidates: 1502,
            max_products: 4,
            position: Fade::Linear(10.0),
            recency_days: 0.0,
            neighborhood: Fade::Flat,
            last_match: Fade::Linear(10.0),
            idf_weight: 1.0,
            is_length_normalized: false,
        }
    }
}

impl Default for SessionConfig {
    fn default() -> Self {
        Self {
            num_neighbors: 500,
            num_candidates: 2500,
            max_products: 9,
            position: Fade::Exponential(0.5),
            recency_days: 5.0,
            neighborhood: Fade::Exponential(2.0),
            last_match: Fade::Exponential(1.0),
            idf_weight: 2.0,
            is_length_normalized: false,
        }
    }
}

/// Past sessions as vectors, found by what they are about.
#[derive(Debug, Clone, Copy, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct SemanticConfig {
    /// Newest sessions that get a vector; each takes about three times the model's dimensions in bytes. 0 turns it off.
    pub max_sessions: usize,
    /// What a step back in a session counts of the step after it, 0 to 1.
    pub fade: f32,
    /// Nearest sessions that vote.
    pub num_neighbors: usize,
    /// Difference in cosine similarity over which a session's vote falls by `e`.
    pub temperature: f32,
}

impl Default for SemanticConfig {
    fn default() -> Self {
        Self { max_sessions: 200_000, fade: 0.8, num_neighbors: 300, temperature: 0.1 }
    }
}

/// The map of complements, learned from pairs of products in orders by InfoNCE (van den Oord and others, "Representation learning with
/// contrastive predictive coding", 2018).
#[derive(Debug, Clone, Copy, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct ComplementConfig {
    /// Rank of what is learned besides the identity. 0 turns the map off.
    pub rank: usize,
    /// Pairs of products, bought together and not alike, from which on a map is learned.
    pub min_pairs: usize,
    /// Cosine similarity from which two products are alike: their pairs are left out.
    pub max_cosine: f32,
    /// Batches that are looked at.
    pub num_steps: usize,
    /// Pairs of a batch; each is told from the products of all others.
    pub batch_size: usize,
    /// Look-alikes that each pair is told from besides.
    pub num_look_alikes: usize,
    /// Difference in cosine similarity over which an answer counts `e` times as much.
    pub temperature: f32,
    /// Highest rate of learning.
    pub learning_rate: f32,
    /// Draws the batches.
    pub seed: u64,
}

impl Default for ComplementConfig {
    fn default() -> Self {
        Self {
            rank: 64,
            min_pairs: 1000,
            max_cosine: 0.85,
            num_steps: 400,
            batch_size: 1024,
            num_look_alikes: 1,
            temperature: 0.1,
            learning_rate: 0.001,
            seed: 1,
        }
    }
}

impl ComplementConfig {
    const RANGES: &'static str = "give a rank of 0 to 1024, 1 to 1000000 steps of 2 to 16384 pairs, 0 to 16 look-alikes, a max_cosine from 0 to 1, and a \
        temperature and a learning_rate above 0 and at most 1";

    fn is_in_range(&self) -> bool {
        let is_small = |x: f32| x > 0.0 && x <= 1.0;
        self.rank <= 1024
            && (1..=1_000_000).contains(&self.num_steps)
            && (2..=16_384).contains(&self.batch_size)
            && self.num_look_alikes <= 16
            && (0.0..=1.0).contains(&self.max_cosine)
            && is_small(self.temperature)
            && is_small(self.learning_rate)
    }
}

/// Weights fade no further than this many half-lives: what is older still counts beside equally old things where there is nothing newer,
/// and is nothing beside what is new.
const MOST_HALF_LIVES: f32 = 40.0;

/// What is left of a weight after `age_s` seconds with this half-life in days; all of it when that is 0, and never nothing.
pub fn decay(age_s: u32, half_life_days: f32) -> f32 {
    if half_life_days <= 0.0 {
        return 1.0;
    }
    (-(age_s as f32 / (half_life_days * 86_400.0)).min(MOST_HALF_LIVES)).exp2()
}
