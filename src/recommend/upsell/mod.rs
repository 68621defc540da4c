//! Upsell: the better model one price step up, never merely the dearer one.
//!
//! ```text
//! anchor (the product on the page, else the newest of the session)
//!   │ rows: price inside the band, main category or below, in stock, filter, not in the cart
//!   ▼
//! the nearest by text (HNSW) ─► rules: same leaf and use, at most a tier up, something better, nothing worse
//!   ▼
//! score = similarity × gain × acceptance of the price step × the shopper's price level × margin
//!   ▼
//! best first ─► the shop's rules: exclude, boost, bury, cap, pin ─► one a family, as many as the shopper's interest allows
//! ```
//!
//! Variants of the anchor's own family count like any other product, but what is better has to stand in a title or a field: descriptions
//! of variants differ by accident. What has no category is compared with what has none and must be closer by text, as nothing else tells
//! that two products serve one use. Every factor lies in (0, 1], so that a score means the same in every answer.
//!
//! The shop's rules move and take out what passes the rules here and never add to it: a product that is pinned, or put in another's place,
//! must itself be better than the anchor, inside the band and allowed; else the pin leaves its place to the others. Only the floor of
//! scores does not count for it.
//!
//! | file | subject |
//! |---|---|
//! | `settings` | [`UpsellConfig`] |
//! | `rules` | what a better product is |
//! | `acceptance` | which price steps shoppers take |
//! | `shopper` | the session: its price level, and how interested it is |
//! | `answer` | the shelf |

mod acceptance;
mod answer;
mod rules;
mod settings;
mod shopper;

pub(super) use answer::Upsell;
pub(super) use rules::Anchor;
pub use settings::UpsellConfig;
