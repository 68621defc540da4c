//! Protocols: what of a history is learned from, and which questions are asked.
//!
//! | file | protocol |
//! |---|---|
//! | `sessions` | the next product of a session, revealed step by step |
//! | `baskets` | one hidden line of an order |
//! | `cold` | a product that was never sold before: its order, or itself in an order |
//! | `accessories` | what goes with products of one kind, drawn by seed, without events |
//! | `upsell` | something better than a product, on products drawn by seed |
//! | `ladder` | held-out products, given back their first n orders |
//!
//! Rankers are rebuilt for every task from [`Task::train`](super::Task::train), which holds nothing from the cut on.

mod accessories;
mod baskets;
mod cold;
mod ladder;
mod orders;
mod sessions;
mod upsell;

pub use accessories::{AccessoryAnswer, AccessoryReport, AccessoryResult, AccessorySettings, Made, accessories};
pub use baskets::{BasketSettings, baskets};
pub use cold::{ColdSettings, cold_anchors, cold_candidates, cold_sessions};
pub use ladder::{Ladder, LadderSettings, RUNGS, Rung};
pub use orders::order_times;
pub use sessions::{next_items, sessions};
pub use upsell::{UpsellAnswer, UpsellReport, UpsellResult, UpsellSettings, upsell};
