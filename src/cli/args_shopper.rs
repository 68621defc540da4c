//! What can be typed after `kindred bundle`, `kindred post-purchase` and `kindred replenish`.

use std::path::PathBuf;

use super::args_ask::AskArgs;

#[derive(Debug, clap::Args)]
pub(super) struct BundleArgs {
    /// The catalog
    pub catalog: String,
    /// The products to complete; the cart when left out
    #[arg(value_name = "PRODUCT")]
    pub products: Vec<String>,
    /// A product in the cart; may be repeated
    #[arg(long, value_name = "PRODUCT")]
    pub cart: Vec<String>,
    /// The kinds of things that complete the set, e.g. case,charger; those of the settings, or what feed and orders tell, when left out
    #[arg(long, value_name = "KIND", value_delimiter = ',')]
    pub goal: Vec<String>,
    #[command(flatten)]
    pub ask: AskArgs,
}

#[derive(Debug, clap::Args)]
pub(super) struct PostPurchaseArgs {
    /// The catalog
    pub catalog: String,
    /// The products of the order; the shopper's last order when left out
    #[arg(value_name = "PRODUCT", required_unless_present = "shopper")]
    pub products: Vec<String>,
    /// The visitor or user who placed it: nothing that they bought is shown
    #[arg(long, value_name = "ID")]
    pub shopper: Option<String>,
    /// When the order was placed, e.g. 2026-11-20T09:30:00Z; no window is heeded when left out
    #[arg(long, value_name = "TIME", requires = "products")]
    pub placed_at: Option<jiff::Timestamp>,
    /// When it is asked; now when left out
    #[arg(long, value_name = "TIME")]
    pub at: Option<jiff::Timestamp>,
    #[command(flatten)]
    pub ask: AskArgs,
}

#[derive(Debug, clap::Args)]
pub(super) struct ReplenishArgs {
    /// The catalog
    pub catalog: String,
    /// Visitors or users to ask about; everybody when neither they nor --shoppers are given
    #[arg(value_name = "SHOPPER")]
    pub shoppers: Vec<String>,
    /// A file of their ids, one a line
    #[arg(long = "shoppers", value_name = "FILE")]
    pub file: Option<PathBuf>,
    /// Show what is due so many days from now [setting: recommend.replenish.due_within_days]
    #[arg(long, value_name = "DAYS")]
    pub due_within: Option<f32>,
    /// Print comma-separated values with a line of column names
    #[arg(long)]
    pub csv: bool,
    /// When it is asked; now when left out
    #[arg(long, value_name = "TIME")]
    pub at: Option<jiff::Timestamp>,
    #[command(flatten)]
    pub ask: AskArgs,
}
