//! The question and the answer, free of any wire format.

use serde::{Deserialize, Serialize};
use utoipa::ToSchema;

use super::source::{Source, SourceScores};
use crate::events::{BoughtProduct, EventKind};
use crate::rank::RowId;
use crate::rules::Filter;

/// Most products in an answer.
pub const MAX_LIMIT: usize = 100;
/// Most products that a question may start from, and most that it may exclude.
pub const MAX_ANCHORS: usize = 1000;
/// Longest free text in bytes.
pub const MAX_QUERY_BYTES: usize = 2000;

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
    /// What the live session has done, oldest first, at most [`MAX_ANCHORS`]: what [`Intent::Next`] and [`Intent::ForYou`] start from.
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
    /// Ids of the question that the catalog does not have, in its order.
    pub missing_ids: Vec<String>,
    /// The source that filled a list which would have been shorter; `None` when none did.
    pub fallback: Option<Source>,
    /// Why there are fewer than asked; `None` when there are not.
    pub fewer_because: Option<FewerBecause>,
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
    /// No source knows more: too little is known of the session, or nothing was learned from events.
    Evidence,
}
