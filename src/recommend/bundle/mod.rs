//! Bundles: a product or a cart completed to a set of different kinds of things, with a discount that its margin allows.
//!
//! ```text
//! what is on the page, else the cart ─► the goal: kinds that the request or the shop names, else those that feed and orders tell
//!   ▼
//! of each kind the best that cross-sell knows and that can be bought; a kind of the shop's that it knows nothing of: the nearest by its text
//!   ▼
//! the set, each kind once ─► price, cost, the largest discount above the margin floor
//! ```
//!
//! | file | subject |
//! |---|---|
//! | `settings` | [`BundleConfig`] |
//! | `goal` | which kinds of things a set is to have |
//! | `answer` | the shelf |
//! | `offer` | [`BundleOffer`]: what the set costs, and the discount |

mod answer;
mod goal;
mod offer;
mod settings;

pub(super) use answer::Bundle;
pub(super) use goal::{Goal, kind};
pub(super) use offer::Priced;
pub use offer::{BundleOffer, NoDiscount};
pub use settings::{BundleConfig, MAX_TYPES, MIN_TYPES};
