//! Placements: the named slots of a shop's pages, each with what it shows at each stage of a session.
//!
//! ```text
//! placement + stage of the session ─► a mix of intents, each asked by itself, without rules
//!   ▼
//! hits by turns, as often as each intent's share ─► less of a category that is on the list already ─► popular fill, where allowed
//!   ▼
//! the shop's rules, over the list as a whole ─► the answer
//! ```
//!
//! A placement of one intent that neither spreads nor fills is that intent's own answer.
//!
//! | file | subject |
//! |---|---|
//! | `settings` | what a placement is, and those that every shop has |
//! | `factors` | what sources count in a placement |
//! | `stage` | how far a session has come |
//! | `place` | a question in its placement |
//! | `named` | placements that rules name |
//! | `mix` | hits of several intents as one list |

mod factors;
mod mix;
mod named;
mod place;
mod settings;
mod stage;

pub use factors::SourceFactors;
pub(super) use named::unknown_placements;
pub use place::{Said, Slot};
pub use settings::{Fallback, MAX_PLACEMENT_CHARS, MixPart, Placement, PlacementChanges, Placements};
pub use stage::Stage;
