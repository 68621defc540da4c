//! The question and the answer, free of any wire format.

use std::collections::HashMap;
use std::sync::Arc;

use jiff::Timestamp;
use serde::{Deserialize, Serialize};
use utoipa::ToSchema;

use super::bundle::MAX_TYPES;
use super::error::RecommendError;
use super::placement::{Slot, Stage};
use super::replenish::MAX_DUE_WITHIN_DAYS;
use super::source::{Source, SourceScores};
use super::trace::TraceLog;
use crate::catalog::Money;
use crate::events::{BoughtProduct, EventKind, LiveInteraction, Purchased};
use crate::rank::RowId;
use crate::rules::Filter;

/// Most products in an answer.
pub const MAX_LIMIT: usize = 100;
/// Most products that a question may start from, and most that it may exclude.
pub const MAX_ANCHORS: usize = 1000;
/// Longest free text in bytes.
pub const MAX_QUERY_BYTES: usize = 2000;

/// Kinds of visitors that a shop can tell apart, as rules name them.
pub const VISITORS: [&str; 2] = ["new", "returning"];

/// What the shopper should be shown.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Default, Serialize, Deserialize, ToSchema)]
#[serde(rename_all = "snake_case")]
pub enum Intent {
    /// Products alike to the ones given or to a text.
    #[default]
    Similar,
    /// A better model, one price step up.
    Upsell,
    /// What goes with the cart.
    CrossSell,
    /// The cart completed to a set.
    Bundle,
    /// What is due to be bought again.
    Replenish,
    /// What this shopper may like.
    ForYou,
    /// What sells now.
    Trending,
    /// What this session wants next.
    Next,
}

impl Intent {
    /// Every intent.
    pub const ALL: [Self; 8] = [
        Self::Similar,
        Self::Upsell,
        Self::CrossSell,
        Self::Bundle,
        Self::Replenish,
        Self::ForYou,
        Self::Trending,
        Self::Next,
    ];

    /// The word on the wire.
    pub fn word(self) -> &'static str {
        match self {
            Self::Similar => "similar",
            Self::Upsell => "upsell",
            Self::CrossSell => "cross_sell",
            Self::Bundle => "bundle",
            Self::Replenish => "replenish",
            Self::ForYou => "for_you",
            Self::Trending => "trending",
            Self::Next => "next",
        }
    }

    /// Whether only what its source names may be in its list: a rule can neither pin nor put in another's place what it does not.
    pub(super) fn is_strict(self) -> bool {
        matches!(self, Self::Upsell | Self::Bundle | Self::Replenish)
    }

    /// Whether answers start from what a session did, if anything.
    pub fn is_of_session(self) -> bool {
        matches!(self, Self::Next | Self::ForYou | Self::Trending)
    }
}

/// Something done with a product in the live session.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct SessionEvent {
    /// The product.
    pub id: String,
    /// What was done.
    pub kind: EventKind,
}

/// A question.
#[derive(Debug, Clone, Default)]
pub struct Query {
    /// What to show.
    pub intent: Intent,
    /// Products to start from, at most [`MAX_ANCHORS`]; their mean vector is searched. They and their families are never in the answer.
    pub anchors: Vec<String>,
    /// What the live session has done, oldest first, at most [`MAX_ANCHORS`]: what [`Intent::Next`] and [`Intent::ForYou`] start from, and
    /// with the anchors [`Intent::CrossSell`].
    pub session: Vec<SessionEvent>,
    /// What the shopper bought in earlier orders, the products of most orders first; those that the catalog lacks are left out.
    pub bought: Vec<BoughtProduct>,
    /// Whether products of the session may be in the answer; the setting decides when `None`.
    pub include_seen: Option<bool>,
    /// Free text to start from, at most [`MAX_QUERY_BYTES`].
    pub text: Option<String>,
    /// Most products to return, 1 to [`MAX_LIMIT`].
    pub limit: usize,
    /// Products with a lower score are left out; 0 to 1.
    pub min_score: Option<f32>,
    /// Which products may appear.
    pub filter: Filter,
    /// Products that never appear, at most [`MAX_ANCHORS`].
    pub exclude: Vec<String>,
    /// Price band relative to the first anchor with a price.
    pub price: Option<RelativePrice>,
    /// Score every allowed product instead of walking the graph.
    pub exact: bool,
    /// Seconds on the page of the product looked at, where the shop tells: a sign of interest for [`Intent::Upsell`].
    pub looked_s: Option<f64>,
    /// Whether the shopper compares products: another sign.
    pub is_comparing: bool,
    /// Language of reasons and titles, such as `de-AT`; English where the settings have none for it.
    pub language: Option<String>,
    /// The slot of the page, as rules name it. [`Engine::place`](super::Engine::place) looks its settings up.
    pub placement: Option<String>,
    /// What the placement says of this question; the intent alone counts when `None`.
    pub slot: Option<Arc<Slot>>,
    /// Whether this is one intent of several that are asked: no rule counts yet, and nothing is filled.
    pub is_part: bool,
    /// How far the session has come, where the shop says; from its steps when `None`.
    pub stage: Option<Stage>,
    /// Where it is written down how the answer came about; nothing is, and it costs nothing, when `None`.
    pub trace: Option<Arc<TraceLog>>,
    /// What is in the cart, for rules; no hit because of it alone is left out.
    pub cart: Vec<String>,
    /// Who asks, for rules.
    pub shopper: Shopper,
    /// Pieces of what is in the cart, by product id, where there is more than one: for what the cart is worth.
    pub quantities: HashMap<String, u32>,
    /// The value of a cart from which on delivery is free: [`Intent::CrossSell`] favors what closes the gap.
    pub free_shipping_over: Option<Money>,
    /// For [`Intent::CrossSell`]: that what is in the session's cart is an order that was placed. What is in `bought` is then not shown.
    pub order: Option<PlacedOrder>,
    /// For [`Intent::Replenish`]: what the shopper bought and kept.
    pub purchases: Vec<Purchased>,
    /// For [`Intent::Replenish`]: what is due so many days from now is shown; the setting decides when `None`.
    pub due_within_days: Option<f32>,
    /// For [`Intent::Bundle`]: the kinds of things that complete the set, at most one less than [`MAX_TYPES`].
    pub goal: Vec<String>,
    /// When it is asked, for rules, windows and what is due; now when `None`.
    pub at: Option<Timestamp>,
    /// Whether the answer counts in the rules' figures.
    pub is_counted: bool,
}

impl From<LiveInteraction> for Mark {
    fn from(done: LiveInteraction) -> Self {
        Self { product: done.product, kind: done.kind, time_ms: done.time_ms }
    }
}

impl Query {
    /// Tells the rules what the shopper was shown, clicked and bought: `live`, and purchases of orders, which are remembered for longer.
    pub fn mark(&mut self, live: Vec<LiveInteraction>, purchases: &[Purchased]) {
        let bought = |line: &Purchased| Mark {
            product: line.product.as_str().into(),
            kind: EventKind::Purchase,
            time_ms: i64::from(line.time_s) * 1000,
        };
        self.shopper.marks = purchases.iter().map(bought).chain(live.into_iter().map(Mark::from)).collect();
        self.shopper.marks.sort_by_key(|mark| mark.time_ms);
    }

    /// Whether it needs something to go with.
    fn goes_with_cart(&self) -> bool {
        self.intent == Intent::Bundle || self.intent == Intent::CrossSell && self.order.is_none()
    }

    /// What is asked for: the intents of the placement, or the one.
    pub fn intents(&self) -> impl Iterator<Item = Intent> + '_ {
        let mix = self.slot.as_ref().filter(|_| !self.is_part).map_or(&[][..], |slot| slot.mix.as_slice());
        let own = Some(self.intent).filter(|_| mix.is_empty());
        mix.iter().map(|part| part.intent).chain(own)
    }

    /// Returns an error at the first field that is out of its range.
    pub(super) fn check(&self) -> Result<(), RecommendError> {
        let invalid = |field, message: String| Err(RecommendError::Invalid { field, message });
        let is_share = |x: f64| (0.0..=1.0).contains(&x);
        let is_factor = |x: &Option<f64>| x.is_none_or(|x| x.is_finite() && x >= 0.0);
        let is_session = self.intent.is_of_session();
        if !(1..=MAX_LIMIT).contains(&self.limit) {
            return invalid("limit", format!("{} is not between 1 and {MAX_LIMIT}", self.limit));
        }
        if self.min_score.is_some_and(|score| !is_share(score.into())) {
            return invalid("min_score", "give a number between 0 and 1".into());
        }
        if self.anchors.len() > MAX_ANCHORS {
            return invalid("context.products", format!("at most {MAX_ANCHORS} products are allowed"));
        }
        if self.session.len() > MAX_ANCHORS {
            return invalid("context.viewed", format!("at most {MAX_ANCHORS} products are allowed"));
        }
        if self.exclude.len() > MAX_ANCHORS {
            return invalid("exclude", format!("at most {MAX_ANCHORS} products are allowed"));
        }
        if self.price.is_some_and(|band| !is_factor(&band.relative_min) || !is_factor(&band.relative_max)) {
            return invalid(
                "price",
                "relative_min and relative_max are multiples of the product's price, 0 or more".into(),
            );
        }
        if let Some(RelativePrice { relative_min: Some(low), relative_max: Some(high) }) = self.price
            && low > high
        {
            return invalid("price", format!("relative_min {low} is above relative_max {high}"));
        }
        match &self.text {
            Some(text) if text.trim().is_empty() => invalid("context.query", "the text is empty".into()),
            Some(text) if text.len() > MAX_QUERY_BYTES => invalid(
                "context.query",
                format!("the text has {} bytes, at most {MAX_QUERY_BYTES} are allowed", text.len()),
            ),
            _ if self.intent == Intent::Upsell && self.anchors.is_empty() && self.session.is_empty() => {
                invalid("context", "give `product`, `viewed` or `cart` to step up from".into())
            }
            _ if self.goes_with_cart() && self.anchors.is_empty() && self.session.is_empty() => {
                invalid("context", "give `product`, `products`, `cart` or `viewed` to go with".into())
            }
            _ if self.order.is_some() && !self.is_part && !self.intents().any(|intent| intent == Intent::CrossSell) => {
                invalid("context.order", "an order is gone with by `cross_sell` alone".into())
            }
            _ if self.goal.len() >= MAX_TYPES || self.goal.iter().any(|kind| kind.trim().is_empty()) => {
                invalid("context.goal", format!("give at most {} kinds of things, none empty", MAX_TYPES - 1))
            }
            _ if self.due_within_days.is_some_and(|days| !(0.0..=MAX_DUE_WITHIN_DAYS).contains(&days)) => {
                invalid("context.due_within_days", format!("give 0 to {MAX_DUE_WITHIN_DAYS} days"))
            }
            _ if self.looked_s.is_some_and(|seconds| !(0.0..=86_400.0).contains(&seconds)) => {
                invalid("context.looked_s", "give seconds from 0 to 86400".into())
            }
            None if self.anchors.is_empty() && !is_session && self.intent == Intent::Similar => {
                invalid("context", "give `product`, `products`, `viewed`, `cart` or `query` to start from".into())
            }
            _ => Ok(()),
        }
    }
}

/// An order that was placed.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct PlacedOrder {
    /// When; no window is heeded where that is not known.
    pub placed_at: Option<Timestamp>,
}

/// What is known of who asks: what rules call their context.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Shopper {
    /// `mobile`, `desktop`, ….
    pub device: Option<String>,
    /// `app`, `web`, `shop floor`, ….
    pub channel: Option<String>,
    /// The shop's name for how loyal the shopper is.
    pub loyalty_tier: Option<String>,
    /// `new` or `returning`.
    pub visitor: Option<String>,
    /// Where it is to be delivered.
    pub region: Option<String>,
    /// The shop's own labels.
    pub segments: Vec<String>,
    /// What the shopper was shown, clicked and bought, oldest first.
    pub marks: Vec<Mark>,
}

/// Something that a shopper was shown, clicked or bought.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Mark {
    /// The product.
    pub product: Arc<str>,
    /// [`EventKind::ViewItemList`] is an impression, [`EventKind::Purchase`] a purchase, every other a click.
    pub kind: EventKind,
    /// When, in milliseconds since 1970.
    pub time_ms: i64,
}

/// A price band as multiples of the anchor's price, bounds included.
#[derive(Debug, Clone, Copy, PartialEq, Serialize, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub struct RelativePrice {
    /// Lowest multiple; none when absent.
    #[serde(default)]
    pub relative_min: Option<f64>,
    /// Highest multiple; none when absent.
    #[serde(default)]
    pub relative_max: Option<f64>,
}

/// An answer: at most `limit` hits, best first.
#[derive(Debug, Clone, PartialEq)]
pub struct Answer {
    /// The products, best first, one a family.
    pub hits: Vec<Hit>,
    /// The product that the answer starts from and is compared with: the one on the page, else the newest of the session.
    pub anchor: Option<RowId>,
    /// Ids of the question that the catalog does not have, in its order.
    pub missing_ids: Vec<String>,
    /// The source that filled a list which would have been shorter; `None` when none did.
    pub fallback: Option<Source>,
    /// Why there are fewer than asked; `None` when there are not.
    pub fewer_because: Option<FewerBecause>,
    /// Version of the rules that were in force; 0 where none were ever saved.
    pub rules_version: u64,
    /// The rules that changed the answer.
    pub fired: Vec<FiredRule>,
    /// The intents that hits came from, the leading one first; empty where one was asked.
    pub parts: Vec<Part>,
}

/// One intent of an answer to several.
#[derive(Debug, Clone, PartialEq)]
pub struct Part {
    /// The intent.
    pub intent: Intent,
    /// The product that it starts from.
    pub anchor: Option<RowId>,
    /// What it gave, best first, in the answer or not.
    pub rows: Vec<RowId>,
}

impl Answer {
    /// The intent that a product of the answer came from: of several the leading one; `None` where one was asked.
    pub fn part_of(&self, row: RowId) -> Option<&Part> {
        self.parts.iter().find(|part| part.rows.contains(&row)).or(self.parts.first())
    }

    /// An answer without hits, and why.
    pub(super) fn nothing(
        anchor: Option<RowId>,
        missing_ids: Vec<String>,
        why: FewerBecause,
        rules_version: u64,
    ) -> Self {
        let fewer_because = Some(why);
        Self {
            hits: Vec::new(),
            anchor,
            missing_ids,
            fallback: None,
            fewer_because,
            rules_version,
            fired: Vec::new(),
            parts: Vec::new(),
        }
    }
}

/// A rule that changed an answer.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct FiredRule {
    /// Its id.
    pub id: Arc<str>,
    /// Products that it kept out.
    pub removed: u64,
    /// Whether it is why there are fewer than asked: of several rules the one that kept most out.
    pub is_why_fewer: bool,
}

/// One product of an answer.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Hit {
    /// The product's row.
    pub row: RowId,
    /// What the answer is sorted by, 0 to 1: the similarity, lowered for a product that is made for another model; for what starts from a
    /// session the weighted mean of what the sources say.
    pub score: f32,
    /// What each source says, 0 to 1, as a share of what it says of its best product (what was bought before: of ten orders); for [`Intent::Similar`] the cosine similarity with
    /// what was asked about, below 0 as 0.
    pub sources: SourceScores,
}

/// Why an answer holds fewer products than asked.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
#[serde(rename_all = "snake_case")]
pub enum FewerBecause {
    /// None of the products to start from is in the catalog.
    UnknownProducts,
    /// The others score below `min_score`.
    MinScore,
    /// The others are kept out by the filter, the price band, or stock.
    Filter,
    /// The catalog has no more families.
    CatalogSize,
    /// The others are kept out by the shop's rules.
    Rule,
    /// The product to step up from has no price above 0.
    NoPrice,
    /// No other product is better inside the price band.
    NothingBetter,
    /// The session shows too little interest to be shown more.
    Interest,
    /// Nothing more that the shopper bought is due to be bought again.
    NothingDue,
    /// What the set starts from is of as many kinds as a set has.
    SetComplete,
    /// No order of the shopper is known.
    NoOrder,
    /// The order was placed too short or too long a time ago.
    OutsideWindow,
    /// No source knows more: too little is known of the session, or nothing was learned from events.
    Evidence,
}
