//! What can be typed after `kindred eval`.

use std::path::PathBuf;

#[derive(Debug, clap::Args)]
pub(super) struct EvalArgs {
    /// The catalog whose products are ranked, with their texts, and whose events are asked about unless a file is given
    #[arg(required_unless_present_any = ["train", "orders"])]
    pub catalog: Option<String>,
    /// Sessions to learn from: tab-separated SessionId, ItemId, Time; .gz and .zst are read too
    #[arg(long, value_name = "FILE", requires = "test", conflicts_with = "orders")]
    pub train: Option<PathBuf>,
    /// Sessions to ask about, in the same form
    #[arg(long, value_name = "FILE", requires = "train")]
    pub test: Option<PathBuf>,
    /// Orders in the place of the catalog's events, read as `events import` reads them: CSV with order_id, product_id, timestamp and, where there are such, quantity, unit_price and customer_id
    #[arg(long, value_name = "FILE")]
    pub orders: Option<PathBuf>,
    /// What is asked; sessions for --train, all others for --orders, and all that the events allow for a catalog when left out
    #[arg(long, value_enum, value_delimiter = ',', value_name = "PROTOCOL")]
    pub protocol: Vec<EvalProtocol>,
    /// The part that is asked about: the last fifth, or the last fifth before that
    #[arg(long, value_enum, default_value_t = EvalWindow::Test)]
    pub window: EvalWindow,
    /// Learn from what came before this time instead, e.g. 2026-09-01
    #[arg(long, value_name = "DATE")]
    pub cut: Option<jiff::civil::Date>,
    /// With --cut: use nothing from this time on
    #[arg(long, value_name = "DATE", requires = "cut")]
    pub until: Option<jiff::civil::Date>,
    /// Length of the lists; 20 for sessions and 10 for the others when left out
    #[arg(long, value_parser = clap::value_parser!(u64).range(1..=1000))]
    pub k: Option<u64>,
    /// Leave what a session already holds out of its lists
    #[arg(long)]
    pub drop_seen: bool,
    /// Draws hidden lines, held-out products and the sessions of the intervals
    #[arg(long, default_value_t = 1)]
    pub seed: u64,
    /// Draws of the bootstrap
    #[arg(long, default_value_t = 2000, value_parser = clap::value_parser!(u64).range(1..=100_000))]
    pub draws: u64,
    /// Leave out orders of more products when asking: wholesale
    #[arg(long, default_value_t = 50)]
    pub max_products: usize,
    /// Most pairs of an order and a product that the cold protocols and the ladder ask about
    #[arg(long, default_value_t = 4000)]
    pub pairs: usize,
    /// Kinds of things that protocol accessories asks about, e.g. phone
    #[arg(long, value_name = "KIND", value_delimiter = ',')]
    pub need: Vec<String>,
    /// The method that the others are compared with; the last of the table when left out
    #[arg(long, value_name = "METHOD")]
    pub reference: Option<String>,
    /// Print popularity deciles and evidence buckets too
    #[arg(long)]
    pub slices: bool,
    /// Draw the evidence ladder, which must be asked for, to this SVG file
    #[arg(long, value_name = "FILE")]
    pub plot: Option<PathBuf>,
}

/// What `eval` asks.
#[derive(Debug, Clone, Copy, PartialEq, Eq, clap::ValueEnum)]
pub(super) enum EvalProtocol {
    /// The next product of a session, revealed step by step
    Sessions,
    /// A hidden line of an order
    Baskets,
    /// The rest of an order, by a product that is new since the cut
    ColdAnchors,
    /// A product that is new since the cut, by the rest of its order
    ColdCandidates,
    /// Another product of a session that ends with a new one
    ColdSessions,
    /// The rest of an order, by a product that was given back its first 0 to 100 orders
    Ladder,
    /// A hidden line of an order, by what goes with the rest: look-alikes, categories bought together, cross-sell with and without orders
    CrossSell,
    /// What goes with 30 products of the kinds of --need, drawn by --seed, and whether it is made for them
    Accessories,
    /// Something better than a product: rules kept, coverage and price ratio, on 100 of the catalog's products drawn by --seed
    Upsell,
}

impl EvalProtocol {
    /// Its word in reports.
    pub(super) fn word(self) -> &'static str {
        match self {
            Self::Sessions => "sessions",
            Self::Baskets => "baskets",
            Self::ColdAnchors => "cold-anchors",
            Self::ColdCandidates => "cold-candidates",
            Self::ColdSessions => "cold-sessions",
            Self::Ladder => "ladder",
            Self::CrossSell => "cross-sell",
            Self::Accessories => "accessories",
            Self::Upsell => "upsell",
        }
    }
}

/// The part of the events that is asked about.
#[derive(Debug, Clone, Copy, PartialEq, Eq, clap::ValueEnum)]
pub(super) enum EvalWindow {
    /// The last fifth
    Test,
    /// The last fifth of what comes before
    Validation,
}
