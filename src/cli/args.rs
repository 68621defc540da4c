//! What can be typed, with the help that teaches it.

use std::net::SocketAddr;
use std::path::PathBuf;

use clap::{Parser, Subcommand};

use super::args_ask::{AskArgs, SessionArgs};
use super::args_eval::EvalArgs;
use super::args_events::EventsCommand;
use super::args_rules::RulesCommand;
use super::args_shopper::{BundleArgs, PostPurchaseArgs, ReplenishArgs};
use crate::config;
use crate::live::FoldChanges;

/// A semantic recommender for online shops.
///
/// Give it a product feed and it answers which products are alike, in milliseconds, from one folder on this machine.
#[derive(Debug, Parser)]
#[command(version, max_term_width = 100, after_help = AFTER_HELP)]
pub(super) struct Args {
    /// Settings file; kindred.toml in the working folder is read when it exists
    #[arg(long, global = true, env = "KINDRED_CONFIG", value_name = "FILE")]
    pub config: Option<PathBuf>,
    /// One setting above file and environment, e.g. --set server.bind=127.0.0.1:9000; may be repeated
    #[arg(long, global = true, value_name = "KEY=VALUE")]
    pub set: Vec<String>,
    /// Folder of the built indexes [setting: index_root]
    #[arg(long, global = true, value_name = "DIR")]
    pub index_root: Option<PathBuf>,
    /// Folder of the model [setting: embed.model]
    #[arg(long, global = true, value_name = "DIR")]
    pub model: Option<PathBuf>,
    /// Print JSON for scripts instead of text for people
    #[arg(long, global = true)]
    pub json: bool,
    /// Show no progress bars
    #[arg(short, long, global = true)]
    pub quiet: bool,
    #[command(subcommand)]
    pub command: Command,
}

const AFTER_HELP: &str = "\
First steps:
  kindred validate feed.csv                    see what is in the feed, and what is wrong with it
  kindred index build myshop --feed feed.csv   embed it and put it in use
  kindred similar myshop SKU-1                 look at an answer
  kindred serve                                answer over HTTP
  kindred events import myshop orders.csv      take in what shoppers bought
  kindred products patch myshop prices.csv     change prices and stock without a build

Settings: flags, then KINDRED_SECTION__KEY variables, then kindred.toml, then defaults; `kindred init --print` shows all.
Exit codes: 0 done, 1 another error, 2 usage or settings, 3 feed, 4 model, 5 index, 6 question, 7 not written, 8 in use.";

#[derive(Debug, Subcommand)]
pub(super) enum Command {
    /// Write a kindred.toml with every setting, its default and what it does
    Init {
        /// Print it instead of writing it
        #[arg(long)]
        print: bool,
        /// Overwrite an existing file
        #[arg(long)]
        force: bool,
    },
    /// Read a feed as a build would and report what is in it; nothing is changed
    ///
    /// Reads Merchant Center CSV and TSV, JSON Lines with the same names, Shopify product CSV, Google Retail JSON Lines and Amazon
    /// Personalize items CSV; plain, .gz or .zst. Exits with 3 when more records are bad than a build would accept.
    Validate {
        /// The feed
        feed: PathBuf,
        /// Use the settings of this catalog (currency, limits, text)
        #[arg(long)]
        catalog: Option<String>,
        /// Write the bad records to this file as JSON Lines
        #[arg(long, value_name = "FILE")]
        rejects: Option<PathBuf>,
    },
    /// The embedding model
    Model {
        #[command(subcommand)]
        command: ModelCommand,
    },
    /// Measure speed on this machine
    Bench {
        #[command(subcommand)]
        command: BenchCommand,
    },
    /// Build, look at, check and go back between indexes
    Index {
        #[command(subcommand)]
        command: IndexCommand,
    },
    /// Change products between two builds: in the next answer, without a build
    Products {
        #[command(subcommand)]
        command: ProductsCommand,
    },
    /// What shoppers did: import it, see it, show or erase one shopper's, forget what is old
    Events {
        #[command(subcommand)]
        command: EventsCommand,
    },
    /// What may appear, what comes first, what never stands beside what: checked, tried, saved, undone, reported
    Rules {
        #[command(subcommand)]
        command: RulesCommand,
    },
    /// Show the products that are alike to a product, or to several
    Similar {
        /// The catalog
        catalog: String,
        /// Product ids; several are taken together
        #[arg(required = true, value_name = "PRODUCT")]
        products: Vec<String>,
        #[command(flatten)]
        ask: AskArgs,
    },
    /// Show the products that fit a free text
    Search {
        /// The catalog
        catalog: String,
        /// The text
        #[arg(required = true)]
        text: Vec<String>,
        #[command(flatten)]
        ask: AskArgs,
    },
    /// Measure how well rankings foretell what shoppers did next, beside baselines, with 95 % intervals
    ///
    /// Learns from what came before a cut in time and asks about what came after it; every product is ranked, none is sampled. Choose
    /// settings with --window validation, then look at the test window once.
    Eval(EvalArgs),
    /// Show the better products one price step above a product, and how they compare with it
    Upsell {
        /// The catalog
        catalog: String,
        /// The product to step up from
        product: String,
        /// A product that the session looked at, the oldest first; may be repeated
        #[arg(long, value_name = "PRODUCT")]
        viewed: Vec<String>,
        /// A product in the cart; may be repeated
        #[arg(long, value_name = "PRODUCT")]
        cart: Vec<String>,
        #[command(flatten)]
        ask: AskArgs,
    },
    /// Show what goes with a cart or a product: what is needed, what is made for it, what is bought with it
    CrossSell {
        /// The catalog
        catalog: String,
        /// What is in the cart, the newest last
        #[arg(value_name = "PRODUCT")]
        cart: Vec<String>,
        /// The product that is looked at now
        #[arg(long, value_name = "PRODUCT")]
        product: Option<String>,
        /// A product that the session looked at, the oldest first; may be repeated
        #[arg(long, value_name = "PRODUCT")]
        viewed: Vec<String>,
        /// The value of a cart from which on delivery is free, e.g. '50.00 USD'
        #[arg(long, value_name = "AMOUNT")]
        free_shipping_over: Option<crate::catalog::Money>,
        #[command(flatten)]
        ask: AskArgs,
    },
    /// Complete a product or a cart to a set of different kinds of things, and propose a discount that its margin allows
    Bundle(BundleArgs),
    /// Show what goes with an order that was placed: accessories, warranties and refills that the shopper does not have
    PostPurchase(PostPurchaseArgs),
    /// List what shoppers are due to buy again: one, those of a file, or everybody; for mail programs as --csv or --json
    ///
    /// Ids of shoppers are kept as keyed hashes alone: a list of everybody has a key in their place. Events that were told with consent: false are
    /// never kept, so that nobody who refused is on it; with events.require_consent nobody who did not consent.
    Replenish(ReplenishArgs),
    /// Show the shop's own pairs of products, index/CATALOG/pairs.csv and pairs.jsonl, and the rows that cannot be used
    Pairs {
        /// The catalog
        catalog: String,
    },
    /// Show what a session wants next, what a shopper may like, what sells now, what is better than the product looked at, what goes with the
    /// cart, or what a placement shows
    ///
    /// Learned from the shop's events by the last build.
    Recommend {
        /// The catalog
        catalog: String,
        #[command(flatten)]
        session: SessionArgs,
        #[command(flatten)]
        ask: AskArgs,
    },
    /// Show how an answer comes about: what each source brings, what is left out and by what, scores, rules, the order
    Explain {
        /// The catalog
        catalog: String,
        #[command(flatten)]
        session: SessionArgs,
        /// Say at which step this product goes, and why
        #[arg(long, value_name = "PRODUCT")]
        why_not: Option<String>,
        #[command(flatten)]
        ask: AskArgs,
    },
    /// Show the catalog's placements: what each slot of a page shows, at which stage of a session
    Placements {
        /// The catalog
        catalog: String,
    },
    /// Answer over HTTP until SIGINT or SIGTERM
    ///
    /// Serves every catalog below the index root; a new generation is taken over without a failed request.
    Serve {
        /// Address and port [setting: server.bind]
        #[arg(long, value_name = "ADDR:PORT")]
        bind: Option<SocketAddr>,
    },
}

#[derive(Debug, Subcommand)]
pub(super) enum ModelCommand {
    /// Load the model, print its name, dimensions and fingerprint, and compare it with reference vectors
    Check {
        /// JSON Lines {"text", "embedding"} made by another implementation with this model; .zst is read too
        #[arg(long, value_name = "FILE")]
        reference: Option<PathBuf>,
    },
    /// Embed a file of texts, one a line, and write their vectors: little-endian f32, row after row, each of length 1
    Embed {
        /// One text a line; empty lines are left out
        texts: PathBuf,
        /// The file to write
        #[arg(value_name = "VECTORS")]
        out: PathBuf,
    },
}

#[derive(Debug, Subcommand)]
pub(super) enum BenchCommand {
    /// Search an index, or one built from raw vectors, and report recall, queries a second and latency, with and without filters
    Ann(AnnArgs),
    /// Learn from generated orders and sessions, and report seconds, memory, and the time of session answers
    Behavior {
        /// Order lines to generate
        #[arg(long, default_value_t = 1_000_000)]
        order_lines: u64,
        /// Past sessions to generate
        #[arg(long, default_value_t = 1_000_000)]
        sessions: u64,
        /// Products to generate
        #[arg(long, default_value_t = 100_000, value_parser = clap::value_parser!(u32).range(40..))]
        products: u32,
        /// Live sessions to time at each length
        #[arg(long, default_value_t = 2000)]
        questions: u32,
        /// Fixes what is generated
        #[arg(long, default_value_t = 42)]
        seed: u64,
    },
    /// Open a catalog's events and read them all as behaviour is learned from them, and report the times and the memory
    Events {
        /// The catalog
        catalog: String,
    },
    /// Answer questions about a catalog with and without many rules, and report what they add to the time; nothing is saved
    Rules {
        /// The catalog
        catalog: String,
        /// Rules to generate over the catalog's own values
        #[arg(long, default_value_t = 1000, value_parser = clap::value_parser!(u32).range(1..=5000))]
        rules: u32,
        /// Questions to time
        #[arg(long, default_value_t = 2000, value_parser = clap::value_parser!(u32).range(1..=1_000_000))]
        questions: u32,
    },
    /// Answer questions about a catalog with and without each source of candidates, and report what it adds to the time
    Sources {
        /// The catalog
        catalog: String,
        /// Questions to time, of each intent
        #[arg(long, default_value_t = 500, value_parser = clap::value_parser!(u32).range(1..=1_000_000))]
        questions: u32,
    },
    /// Embed a file of texts and report texts and tokens a second, latency of single short texts, and where the time goes
    Embed {
        /// One text a line; empty lines are left out
        texts: PathBuf,
        /// JSON Lines {"text", "embedding"} made by another implementation with this model; .zst is read too
        #[arg(long, value_name = "FILE")]
        reference: Option<PathBuf>,
        /// Measure Candle's own operators on the processor, f32 alone, instead of Kindred's kernels: the stages compare
        #[arg(long)]
        plain: bool,
        /// Instead of speed, the share of each text's ten nearest neighbours in f32 that precision = "fast" keeps
        #[arg(long, conflicts_with_all = ["plain", "reference"])]
        compare_precisions: bool,
    },
}

/// A number above 0 and at most 1.
fn share(text: &str) -> Result<f64, String> {
    let share = text.parse().ok().filter(|share| *share > 0.0 && *share <= 1.0);
    share.ok_or_else(|| format!("`{text}` is not a number above 0 and at most 1"))
}

#[derive(Debug, clap::Args)]
pub(super) struct AnnArgs {
    /// The catalog whose generation in use is measured: its own products are asked for their neighbors
    #[arg(required_unless_present_any = ["base", "saved"])]
    pub catalog: Option<String>,
    /// Build an index of this file instead: little-endian f32, rows of length 1
    #[arg(long, value_name = "FILE", requires_all = ["queries", "dim"], conflicts_with = "catalog")]
    pub base: Option<PathBuf>,
    /// Measure an index that an earlier run left with --save
    #[arg(long, value_name = "FILE", requires = "queries", conflicts_with_all = ["catalog", "base"])]
    pub saved: Option<PathBuf>,
    /// The queries to ask it, in the same form as --base
    #[arg(long, value_name = "FILE", conflicts_with = "catalog")]
    pub queries: Option<PathBuf>,
    /// Numbers in a row
    #[arg(long, requires = "base")]
    pub dim: Option<usize>,
    /// Where the built index is written and stays; a temporary file when left out
    #[arg(long, value_name = "FILE", requires = "base")]
    pub save: Option<PathBuf>,
    /// Products wanted
    #[arg(long, default_value_t = 10, value_parser = clap::value_parser!(u64).range(1..=1000))]
    pub k: u64,
    /// Values of ef_search, ascending
    #[arg(long, value_delimiter = ',', default_value = "12,16,24,32,48,64,96,128,192,256,384,512")]
    pub ef: Vec<usize>,
    /// Passes over the queries for each figure; the fastest counts
    #[arg(long, default_value_t = 3, value_parser = clap::value_parser!(u64).range(1..))]
    pub rounds: u64,
    /// No further pass for a figure after so many seconds
    #[arg(long, default_value_t = 60.0)]
    pub seconds: f64,
    /// Shares of the rows that measured filters allow
    #[arg(long, value_delimiter = ',', default_value = "1,0.5,0.1,0.01,0.001,0.0001", value_parser = share)]
    pub shares: Vec<f64>,
    /// Measure without filters only
    #[arg(long)]
    pub no_filters: bool,
    /// Measure each plan of a filtered search apart, not only the one that is chosen
    #[arg(long, conflicts_with = "no_filters")]
    pub plans: bool,
    /// Recall that a filtered search must reach
    #[arg(long, default_value_t = 0.95)]
    pub recall: f64,
}

#[derive(Debug, Subcommand)]
pub(super) enum IndexCommand {
    /// Read a feed, embed what is new, build an index, check it, and put it in use
    Build {
        /// The catalog: 1 to 64 letters, digits, - or _
        catalog: String,
        /// The product feed
        #[arg(long, value_name = "FILE")]
        feed: PathBuf,
        /// Which live changes go in: those newer than the feed file, all that are kept, or none
        #[arg(long, default_value = "newer", value_name = "newer|all|none")]
        live_changes: FoldChanges,
    },
    /// List the generations of a catalog, or of all
    List {
        /// The catalog; all when left out
        catalog: Option<String>,
    },
    /// Read every byte of the generation in use, and of the others with --all, and compare with its hashes
    Verify {
        /// The catalog; all when left out
        catalog: Option<String>,
        /// Every generation, not only the one in use
        #[arg(long)]
        all: bool,
    },
    /// Put an older generation in use
    Rollback {
        /// The catalog
        catalog: String,
        /// The generation; the one before the one in use when left out
        #[arg(long, value_name = "GENERATION")]
        to: Option<String>,
    },
    /// Delete old generations; the one in use always stays
    Gc {
        /// The catalog
        catalog: String,
        /// How many generations to keep besides the one in use
        #[arg(long, default_value_t = 2)]
        keep: usize,
    },
}

#[derive(Debug, Subcommand)]
pub(super) enum ProductsCommand {
    /// Put products in: new ones, or in place of those with their ids
    ///
    /// Reads JSON (one product or a list) or JSON Lines, in Merchant Center's words.
    Upsert {
        #[command(flatten)]
        file: ChangesFile,
    },
    /// Change price, sale_price, availability and custom_label_0 to custom_label_4
    ///
    /// Reads JSON, JSON Lines, or CSV with a line of field names. What a change leaves out stays; null takes a sale price or a label
    /// away.
    Patch {
        #[command(flatten)]
        file: ChangesFile,
    },
    /// Delete products
    ///
    /// Reads ids as JSON, JSON Lines, or CSV with a column `id`.
    Delete {
        #[command(flatten)]
        file: ChangesFile,
    },
}

#[derive(Debug, clap::Args)]
pub(super) struct ChangesFile {
    /// The catalog
    pub catalog: String,
    /// The file; - reads standard input
    pub file: PathBuf,
    /// Write the changes that were not accepted to this file as JSON Lines
    #[arg(long, value_name = "FILE")]
    pub rejects: Option<PathBuf>,
}

impl Args {
    /// The flags that stand for a setting, as `key=value`.
    pub(super) fn overrides(&self) -> Vec<String> {
        let path =
            |key: &str, path: &PathBuf| format!("{key}={}", toml::Value::String(path.to_string_lossy().into_owned()));
        let index_root = self.index_root.iter().map(|dir| path("index_root", dir));
        let model = self.model.iter().map(|dir| path("embed.model", dir));
        self.set.iter().cloned().chain(index_root).chain(model).collect()
    }

    /// The file that `init` writes.
    pub(super) fn default_config() -> PathBuf {
        PathBuf::from(config::DEFAULT_FILE)
    }
}
