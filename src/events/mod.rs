//! What shoppers did: the words for it and the history that behaviour is learned from.
//!
//! | file | subject |
//! |---|---|
//! | `kind` | [`EventKind`] |
//! | `history` | [`History`]: interactions by session, in memory |

mod history;
mod kind;

pub use history::{History, HistoryBuilder, Interaction, NO_ORDER, Session};
pub use kind::EventKind;
