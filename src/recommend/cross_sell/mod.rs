//! Cross-sell: what goes with everything in the cart, never a second one of what is in it.
//!
//! ```text
//! cart and product on the page (else the newest of the session)
//!   │ sources: relations · compatibility · copurchase · next · similar, weighted by what is known: the one blend
//!   ▼
//! out: families of the cart, pairs that never stand together, look-alikes, the same category, the same kind of thing unless orders hold
//!      both, what is made for another model or has another plug
//!   ▼
//! score × price in proportion to the cart, × what closes the gap to free delivery
//!   ▼
//! what is required first, then each kind of thing once before any twice ─► the shop's rules ─► one a family
//! ```
//!
//! What the feed or the shop itself names as going together is never held back as a look-alike: somebody has said that it is none.
//!
//! | file | subject |
//! |---|---|
//! | `settings` | [`CrossSellConfig`] |
//! | `basket` | what the cart is worth |
//! | `outs` | what is no add-on |
//! | `needs` | the order of the list |
//! | `answer` | the shelf |

mod answer;
mod basket;
mod needs;
mod outs;
mod settings;

pub use answer::goes_with_cart;
pub(super) use answer::{CrossSell, kind_by_category};
pub(super) use basket::Basket;
pub(super) use outs::Outs;
pub use settings::CrossSellConfig;
