//! What a shop's people may say about which products appear: one filter language, and sets of rules as versioned documents.
//!
//! Pure but for `store`: nothing here knows a catalog, a question or the clock. `recommend` compiles a set for a generation and
//! applies it:
//!
//! ```text
//! document (TOML, JSON) ──read, check──► RuleSet ──put──► rules.sqlite: versions, who, when, diff
//!                                           │ compile for a generation: conditions to bitmaps, products to the rules about them
//!                                           ▼
//! question ─► hits of the sources ─► which rules count now ─► factors ─► pins ─► hidden? replaced? family? capped? ─► answer
//!                 ▲                                                         │
//!                 └──── more hits, while one that was not fetched could belong there ◄┘
//! ```
//!
//! | file | subject |
//! |---|---|
//! | `filter` | the filter language: its shape |
//! | `test` | a condition as what it tests, and its limits |
//! | `contradiction` | conditions that nothing passes together |
//! | `nearest` | the known word nearest to an unknown one |
//! | `rule` | one rule |
//! | `shop` | what every shop needs, as settings |
//! | `set` | all rules of a catalog as one document |
//! | `document` | its text as a value, read strictly |
//! | `named` | the fields and filters of a set, by place |
//! | `diff` | what changed between two sets |
//! | `store` | `rules.sqlite`: versions and daily figures |
//! | `error` | why a set was not kept |

mod contradiction;
mod diff;
mod document;
mod error;
mod filter;
mod named;
mod nearest;
mod rule;
mod set;
mod shop;
mod store;
mod test;

pub use diff::{ChangedRule, RulesDiff};
pub use error::RulesError;
pub use filter::{
    Bound, Clause, Condition, Filter, FilterError, MAX_CONDITIONS, MAX_DEPTH, MAX_VALUES, MatchValue, Range, shortened,
};
pub use nearest::{did_you_mean, nearest};
pub use rule::{
    Cap, Consequence, MAX_FACTOR, MAX_ID_CHARS, MAX_NOTE_CHARS, MAX_PINS, Pin, Replace, Rule, SHOP_PREFIX, Scale,
};
pub use set::{MAX_DOCUMENT_BYTES, MAX_RULES, Notation, RuleSet, bounded_factor, is_relative};
pub use shop::{Essentials, Fatigue, FrequencyCap, MAX_DAYS, NeverWith};
pub use store::{DayFigures, MAX_SAVER_CHARS, RULES_FILE, RuleCounts, RuleStore, Version, VersionInfo};
pub use test::{Label, Span, Test, TimeSpan, WEEKDAYS};
