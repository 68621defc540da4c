//! The shop's products and how they are read: a feed file in, [`Product`] records and a list of rejected records out.
//!
//! Reading never stops at a bad record and never changes anything on disk; only [`write_rejects`] writes a file.
//!
//! | file | subject |
//! |---|---|
//! | `product`, `money` | the product record · exact prices |
//! | `attributes` | what a product says of itself in comparable values |
//! | `compatibility` | what a product says it fits |
//! | `denial` | what a text takes back: `not for iPhone 7` |
//! | `title_words` | titles as words, and what opens, parts and ends what a product is for |
//! | `need`, `purpose` | the kind of thing that a product is · the kinds of things that it is for |
//! | `pairs` | the shop's own pairs of products |
//! | `price_levels` | where a price stands among the prices of its category |
//! | `settings`, `template` | `[catalog]` settings · the text that is embedded |
//! | `feed`, `report` | reading one feed · what `kindred validate` prints |
//! | `error`, `reject` | why a feed cannot be read · why a record was left out |
//! | `source`, `delimited`, `json` | bytes to lines · lines to cells · lines to exact JSON values |
//! | `header` | column names, delimiter and dialect from the first line |
//! | `merchant`, `shopify`, `retail`, `personalize` | one file a dialect: its records to drafts |
//! | `draft`, `collect` | a draft to a product · products, rejects and warnings of one feed |
//! | `offer` | what of a product changes from hour to hour, and how |
//! | `record_file` | files of orders and interactions, record by record |
//! | `record` | records that come singly: products, changes, ids |
//! | `price`, `sale_dates`, `text` | prices · sale periods · HTML to plain text |
mod attributes;
mod collect;
mod compatibility;
mod delimited;
mod denial;
mod draft;
mod error;
mod feed;
mod header;
mod json;
mod merchant;
mod money;
mod need;
mod offer;
mod pairs;
mod personalize;
mod price;
mod price_levels;
mod product;
mod purpose;
mod record;
mod record_file;
mod reject;
mod report;
mod retail;
mod sale_dates;
mod settings;
mod shopify;
mod source;
mod template;
mod text;
mod title_words;

pub use attributes::{Attribute, AttributeKind, Difference, Direction, Origin, Units, Verdict, attributes, compare};
pub use compatibility::{Compatibility, models_denied, models_named};
pub use error::FeedError;
pub use feed::{Dialect, Feed, FeedProgress, read_feed, read_feed_at};
pub use money::{Currency, Money, MoneyError};
pub use need::{need, need_of_category, need_of_path, things};
pub use offer::{LABELS, Offer, OfferPatch};
pub use pairs::{PairFault, Pairs, Tie};
pub use price::{PriceError, parse_price};
pub use price_levels::{NUM_TIERS, PriceGroup, WHOLE_SHOP, position, price_groups, tier, unit_price};
pub use product::*;
pub use purpose::{Name, Purpose, as_written, known_model, names, purposes};
pub use record::{Record, RecordFault, RecordForm, RecordReader, split_records};
pub use record_file::{FileRecord, RecordFile};
pub use reject::{FeedWarning, Reject, RejectCode, WarningCode, Warnings, write_rejects};
pub use report::{FeedReport, FieldFill, RejectSummary};
pub use settings::CatalogConfig;
pub use source::{Compression, open_text};
pub use template::{TemplateField, TextTemplate};
