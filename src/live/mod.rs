//! What changes between two builds: prices, stock and labels, new, reworded and deleted products. Durable when acknowledged, in the next
//! answer, and folded in by the next build.
//!
//! The log (`log`) is the truth; everything else is in memory and made from a generation and the log's changes that it lacks. Nothing
//! here answers questions, reads feeds, or changes a generation.
//!
//! | file | subject |
//! |---|---|
//! | `catalog` | [`LiveCatalog`]: one catalog's changes, kept and visible |
//! | `log` | [`ChangeLog`]: `live.sqlite` |
//! | `change` | [`Change`] |
//! | `overlay` | the changes since a generation was built, as one persistent value |
//! | `delta` | products that the generation does not have |
//! | `view` | [`View`]: a generation with its changes, what questions are answered on |
//! | `fold` | [`fold()`]: the changes put into the products of a feed |
//! | `error` | [`LiveError`] |

mod catalog;
mod change;
mod delta;
mod error;
mod fold;
mod log;
mod overlay;
mod view;

pub use catalog::{LiveCatalog, Receipt};
pub use change::{Change, Entry, Upsert};
pub use error::LiveError;
pub use fold::{FoldChanges, Folded, fold};
pub use log::{Append, ChangeLog, LogSize};
pub use overlay::Refusal;
pub use view::View;
