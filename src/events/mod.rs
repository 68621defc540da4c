//! What shoppers did: told, checked, kept, forgotten, and read back as the history that behaviour is learned from.
//!
//! The way of an event: [`EventReader`] reads and checks it, [`EventStore`] keeps it (acknowledged means on disk) and shows it in
//! [`EventStore::live_session`], [`EventStore::history`] turns all of them into a [`History`]. Ids of shoppers are written as keyed hashes
//! alone; [`EventStore::erase`] leaves neither the hashes nor the events in any file of it. Nothing here knows catalogs' products, ranks, or
//! answers requests.
//!
//! | file | subject |
//! |---|---|
//! | `kind` | [`EventKind`] |
//! | `event` | [`Event`] and the bounds that it must keep |
//! | `parse`, `fields` | [`EventReader`]: JSON to events · the fields of one |
//! | `names` | other systems' names of events |
//! | `time` | times read, and held against the clock |
//! | `reject` | why an event is not kept |
//! | `settings` | [`EventsConfig`] |
//! | `store` | [`EventStore`]: one writer, live sessions |
//! | `file`, `tables` | `events.sqlite`, open · its tables, made and checked |
//! | `row` | one row of it |
//! | `orders` | what makes two tellings of an order one |
//! | `identity` | `events.key`, and ids as hashes |
//! | `live`, `restore` | the session that each shopper is in · after a restart |
//! | `sessions`, `sessions/refunds` | stored events to a [`History`] · which sales refunds take back |
//! | `sessions/one_shopper`, `bought` | one shopper's purchases read · what they bought before, counted |
//! | `purchases`, `sessions/all_shoppers` | what shoppers bought and kept, and when · everybody's purchases read |
//! | `erase`, `scrub`, `unused_names` | erasure, export · erased bytes are in no file · nor names that nobody else's events bear |
//! | `purge` | retention |
//! | `import`, `columns` | [`Import`]: files of orders and interactions · what their columns say |
//! | `status` | what there is, counted |
//! | `history` | [`History`]: interactions by session, in memory |
//! | `error` | [`EventError`] |
//! | `fixture` | purchases that tests tell |

mod bought;
mod columns;
mod erase;
mod error;
mod event;
mod fields;
mod file;
#[cfg(test)]
mod fixture;
mod history;
mod identity;
mod import;
mod kind;
mod live;
mod names;
mod orders;
mod parse;
mod purchases;
mod purge;
mod reject;
mod restore;
mod row;
mod scrub;
mod sessions;
mod settings;
mod status;
mod store;
mod tables;
mod time;
mod unused_names;

pub use bought::{BoughtProduct, Buyer, MAX_BOUGHT_LINES, bought_by_shopper};
pub use columns::ColumnMap;
pub use erase::{ErasureReceipt, ExportedEvent, ExportedItem};
pub use error::EventError;
pub use event::{
    Event, Ids, Item, MAX_ID_BYTES, MAX_ITEMS, MAX_PRICE, MAX_QUANTITY, MAX_QUERY_BYTES, MAX_WORD_BYTES, PRICE_PARTS,
};
pub use file::EVENTS_FILE;
pub use history::{History, HistoryBuilder, Interaction, NO_ORDER, Session};
pub use identity::KEY_FILE;
pub use import::{Import, Imported};
pub use kind::EventKind;
pub use live::{LiveInteraction, MAX_LIVE_INTERACTIONS, MAX_MARKS};
pub use parse::{EventReader, ReadEvents, Reading};
pub use purchases::{Purchase, Purchased, Shoppers, purchases_by_shopper};
pub use reject::{EventFault, EventReject, EventRejectCode};
pub use sessions::HistoryPart;
pub use settings::{EventsConfig, RetentionDays};
pub use status::EventStatus;
pub use store::{EventReceipt, EventStore};
pub use time::{FIRST_MS, MAX_AHEAD_MS};
