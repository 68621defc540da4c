//! What can be typed of one question: a session, and what is asked of it.

use crate::catalog::Money;
use crate::recommend::{Intent, Stage};

#[derive(Debug, clap::Args)]
pub(super) struct AskArgs {
    /// Most products to show; 10, or what the placement says, when left out
    #[arg(long)]
    pub limit: Option<usize>,
    /// Leave out products with a lower score, 0 to 1
    #[arg(long)]
    pub min_score: Option<f32>,
    /// Filter as JSON, e.g. '{"must":[{"key":"brand","match":"Sony"}]}'
    #[arg(long, value_name = "JSON")]
    pub filter: Option<String>,
    /// Never show this product; may be repeated
    #[arg(long, value_name = "PRODUCT")]
    pub exclude: Vec<String>,
    /// Score every product instead of walking the graph
    #[arg(long)]
    pub exact: bool,
}

/// A session, and what is asked of it.
#[derive(Debug, Clone, Default, clap::Args)]
pub(super) struct SessionArgs {
    /// What to show; next when neither this nor a placement is given
    #[arg(long, value_name = "next|for_you|trending|upsell|cross_sell|bundle|replenish|similar", value_parser = recommend_intent)]
    pub intent: Option<Intent>,
    /// Show what this placement shows; `kindred placements` lists them
    #[arg(long, value_name = "NAME")]
    pub placement: Option<String>,
    /// How far the session has come, for the placement: discovery, consideration, cart, checkout, post_purchase; from the session when left out
    #[arg(long, value_parser = stage, requires = "placement")]
    pub stage: Option<Stage>,
    /// A product that the session looked at, the oldest first; may be repeated
    #[arg(long, value_name = "PRODUCT")]
    pub viewed: Vec<String>,
    /// A product in the cart; may be repeated
    #[arg(long, value_name = "PRODUCT")]
    pub cart: Vec<String>,
    /// The product that is looked at now
    #[arg(long, value_name = "PRODUCT")]
    pub product: Option<String>,
    /// Products that the session looked at may be shown again
    #[arg(long)]
    pub include_seen: bool,
    /// The value of a cart from which on delivery is free, e.g. '50.00 USD'
    #[arg(long, value_name = "AMOUNT")]
    pub free_shipping_over: Option<Money>,
    /// The kinds of things that complete a bundle, e.g. case,charger; those of the settings, or what feed and orders tell, when left out
    #[arg(long, value_name = "KIND", value_delimiter = ',')]
    pub goal: Vec<String>,
    #[command(flatten)]
    pub order: OrderArgs,
    /// The visitor or user who asks: what they bought counts for for_you and replenish, and nothing of it goes with an order
    #[arg(long, value_name = "ID")]
    pub shopper: Option<String>,
    /// For replenish: what is due so many days from now [setting: recommend.replenish.due_within_days]
    #[arg(long, value_name = "DAYS")]
    pub due_within: Option<f32>,
    /// When it is asked; now when left out
    #[arg(long, value_name = "TIME")]
    pub at: Option<jiff::Timestamp>,
}

/// An order that was placed, for cross_sell.
#[derive(Debug, Clone, Default, clap::Args)]
pub(super) struct OrderArgs {
    /// A product of an order that was placed, which cross_sell then goes with; may be repeated
    #[arg(long, value_name = "PRODUCT")]
    pub order: Vec<String>,
    /// The same with the last order of --shopper
    #[arg(long, requires = "shopper", conflicts_with = "order")]
    pub last_order: bool,
    /// When the order was placed, e.g. 2026-11-20T09:30:00Z; no window is heeded when left out
    #[arg(long, value_name = "TIME", requires = "order")]
    pub placed_at: Option<jiff::Timestamp>,
}

fn recommend_intent(word: &str) -> Result<Intent, String> {
    let intent = Intent::ALL.into_iter().find(|intent| intent.word() == word);
    let words = || Intent::ALL.map(Intent::word).join(", ");
    intent.ok_or_else(|| format!("`{word}` is not one of {}", words()))
}

fn stage(word: &str) -> Result<Stage, String> {
    let stage = Stage::ALL.into_iter().find(|stage| stage.word() == word);
    let words = || Stage::ALL.map(Stage::word).join(", ");
    stage.ok_or_else(|| format!("`{word}` is not one of {}", words()))
}
