//! Questions in, ranked products out: the one place that joins products, vectors, behavior and filters.
//!
//! It never reads HTTP; what changes between two questions is in `live`.
//!
//! | file | subject |
//! |---|---|
//! | `query` | the question and the answer |
//! | `engine` | answering: what is asked about, what may appear |
//! | `scope` | a question in rows: its page, its cart, what may appear |
//! | `search` | the nearest rows, fit, families, floor |
//! | `settings` | what may be in answers, and what each source counts |
//! | `source` | the makers of candidates and what each counts |
//! | `session` | what a session holds for an answer: steps, cart, what it is about |
//! | `shop` | what a blend asks of a shop, live or measured, and the live one |
//! | `candidates` | what each source knows of a session |
//! | `blend` | candidates of all sources as one shelf: what is served and what is measured |
//! | `upsell` | the better model one price step up |
//! | `cross_sell` | what goes with the cart |
//! | `bundle` | the cart completed to a set, and its discount |
//! | `replenish` | what is due to be bought again |
//! | `post_purchase` | what goes with an order that was placed: when, and a shopper's last one |
//! | `told` | what the feed and the shop's own pairs say goes together |
//! | `compare` | two products side by side |
//! | `reason` | why each product is shown, and the list's title |
//! | `together` | why each product goes with a cart |
//! | `messages` | the sentences of reasons, by language |
//! | `filter` | a filter's conditions looked up |
//! | `ruled` | the shop's rules: compiled, in force, applied to hits |
//! | `placement` | the named slots of the shop's pages: intents, limits, stages of a session |
//! | `trace` | how an answer came about, and why a product is not in it |
//! | `fit` | products made for another model than the one asked about |
//! | `error` | what can be wrong with a question |

mod blend;
mod bundle;
mod candidates;
mod compare;
mod cross_sell;
mod engine;
mod error;
mod filter;
mod fit;
mod messages;
mod placement;
mod post_purchase;
mod query;
mod reason;
mod replenish;
mod ruled;
mod scope;
mod search;
mod session;
mod settings;
mod shop;
mod source;
mod together;
mod told;
mod trace;
mod upsell;

pub use blend::{SessionShelf, answer_session};
pub use bundle::{BundleConfig, BundleOffer, MAX_TYPES, MIN_TYPES, NoDiscount};
pub use compare::ComparedRow;
pub use cross_sell::{CrossSellConfig, goes_with_cart};
pub use engine::{Engine, TrialRules};
pub use error::RecommendError;
pub use messages::Messages;
pub use placement::{
    Fallback, MAX_PLACEMENT_CHARS, MixPart, Placement, PlacementChanges, Placements, Said, Slot, SourceFactors, Stage,
};
pub use post_purchase::PostPurchaseConfig;
pub use query::{
    Answer, FewerBecause, FiredRule, Hit, Intent, MAX_ANCHORS, MAX_LIMIT, MAX_QUERY_BYTES, Mark, Part, PlacedOrder,
    Query, RelativePrice, SessionEvent, Shopper,
};
pub use reason::{Explained, Reason};
pub use replenish::{Due, ReplenishConfig};
pub use ruled::{
    BrokenPin, DryRun, DryRunReport, HiddenPin, ListChange, Orders, PlacementReport, RuleReach, Rulebook, Saved, Saver,
    Thinned, WaitingRule,
};
pub use session::{RowStep, SessionQuestion, in_cart};
pub use settings::{CartMix, RecommendConfig};
pub use shop::Shop;
pub use source::{Source, SourceScores, SourceWeights};
pub use trace::{
    CandidateTrace, LeftOut, ListTrace, PartTrace, PlacedTrace, Sieve, SourceTrace, Step, Trace, TraceLog, WhyNot,
    WithoutList,
};
pub use upsell::UpsellConfig;
