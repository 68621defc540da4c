//! Replenishment: what a shopper bought and is due to buy again.
//!
//! ```text
//! the shopper's purchases, without what was sent back ─► of each family the product bought last
//!   │ days between them, n of them, beside what shoppers do: (n own + kappa crowd) / (n + kappa)
//!   ▼
//! due within the days asked about, not lapsed, and likely to be bought again at all ─► nearest to its day first ─► the shop's rules
//! ```
//!
//! | file | subject |
//! |---|---|
//! | `settings` | [`ReplenishConfig`] |
//! | `due` | [`Due`]: when a product is due |
//! | `answer` | the shelf |
//! | `reason` | why it is on it |

mod answer;
mod due;
mod reason;
mod settings;

pub(super) use answer::Shelf;
pub use due::Due;
pub(super) use due::{Known, due_products};
pub(super) use settings::MAX_DUE_WITHIN_DAYS;
pub use settings::ReplenishConfig;
