//! Kindred: a semantic recommender for online shops, in one binary on one machine.
//!
//! # The tour
//!
//! A feed becomes answers in five steps, each a module that may use only the modules on lines above its own
//! (`tests/layers.rs` holds that):
//!
//! ```text
//! catalog · rank                      a feed file → products · scored rows and their one order
//! embed · index · events · rules      text → vectors · vectors → nearest rows, on disk · what shoppers did · what a shop says may appear
//! live                                changes between two builds: kept, visible at once
//! behavior                            what is learned from what shoppers did
//! pipeline                            feed → published generation: joins the above for a build
//! recommend                           question → answer: joins the above for a request
//! eval · server                       quality measures and their runner · HTTP
//! config · cli                        settings · commands
//! ```
//!
//! * [`catalog::read_feed`] reads any of six kinds of export; a bad record never stops a good one.
//! * [`embed::Embedder`] turns texts into vectors of length 1; [`embed::embed_with_cache`] embeds only what is new.
//! * [`index::CatalogDir`] is a catalog's folder of immutable generations; [`index::Generation`] is one of them, mapped.
//! * [`live::LiveCatalog`] keeps what changes between builds, and [`live::View`] is a generation with it.
//! * [`events::EventStore`] keeps what shoppers did, and makes an [`events::History`] of it.
//! * [`pipeline::Build`] goes from a feed to a generation in use.
//! * [`behavior::Learned`] is what a history of events teaches, [`behavior::Behavior`] the same, mapped.
//! * [`rules::RuleSet`] is what a shop's people say may appear, and [`recommend::Rulebook`] the version in force with its history.
//! * [`recommend::Engine`] answers a [`recommend::Query`] on one generation; [`recommend::Engine::place`] asks it as a slot of the shop's pages
//!   would, and [`recommend::Engine::trace`] and [`recommend::Engine::why_not`] tell how the answer came about.
//! * [`eval::judge()`] measures how well any ranking foretells what shoppers did next.
//! * [`server::serve`] does so over HTTP, for every catalog, and takes new generations over without a failed request.
//!
//! The whole way, from a feed to an answer:
//!
//! ```no_run
//! use std::{path::Path, sync::Arc};
//! use kindred::{behavior::BehaviorConfig, events::History, catalog::CatalogConfig, embed::{EmbedConfig, Embedder}, index::{CatalogDir, Check, IndexConfig}};
//! use kindred::{live::FoldChanges, pipeline::Build, recommend::{Engine, Query, RecommendConfig}};
//!
//! # fn main() -> Result<(), Box<dyn std::error::Error>> {
//! let embedder = Arc::new(Embedder::load(&EmbedConfig::default())?);
//! let dir = CatalogDir::new(Path::new("index"), "myshop")?;
//! let (catalog, index) = (CatalogConfig::default(), IndexConfig::default());
//! let (behavior, history) = (BehaviorConfig::default(), || Ok(History::default()));
//! let live = FoldChanges::Newer;
//! Build { dir: &dir, catalog: &catalog, index: &index, live, behavior: &behavior, history: &history, embedder: &embedder }
//!     .run(Path::new("feed.csv"), &|_step| {})?;
//!
//! let generation = dir.open_current(Check::Hashes)?;
//! let engine = Engine::new(&dir, generation, embedder, &catalog.text, &RecommendConfig::default())?;
//! let view = engine.view();
//! let answer = engine.answer(&view, &Query { anchors: vec!["SKU-1".into()], limit: 5, ..Query::default() })?;
//! for hit in answer.hits {
//!     println!("{:.3} {}", hit.score, view.product(hit.row)?.title);
//! }
//! # Ok(())
//! # }
//! ```
//!
//! # Invariants
//!
//! * A generation is never changed once it has its name; `CURRENT` is replaced by one rename. A build that is killed leaves the
//!   old generation in use.
//! * Vectors of different models or precisions never meet: the manifest carries the fingerprint, and [`recommend::Engine`] compares it. One
//!   generation is made with one text template.
//! * A live change is acknowledged when it is on disk and in the view; a [`live::View`] never changes, and one answer comes from one view.
//! * A version of the rules is in force as a whole or not at all: one answer comes from one version, and names it.
//! * An event is acknowledged when it is on disk, and counts once. Ids of shoppers are written as keyed hashes alone, and nothing without consent;
//!   what is learned depends on the events, never on the order in which they came.
//! * Money is integer minor units and a currency. Lists have one total order ([`rank::best_first`]). Scores are in `[0, 1]`,
//!   higher is better.
//! * The same feed, settings and seed give the same index files, byte for byte.
//! * Nothing outside this machine is asked for anything.

pub mod behavior;
pub mod catalog;
pub mod cli;
pub mod config;
pub mod embed;
pub mod eval;
pub mod events;
pub mod index;
pub mod live;
pub mod pipeline;
pub mod rank;
pub mod recommend;
pub mod rules;
pub mod server;
