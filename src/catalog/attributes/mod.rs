//! What a product says of itself in comparable values: `128 GB`, `set of 6`, `stainless steel`, each with its unit, origin and direction.
//!
//! ```text
//! feed fields ─► fields ─┐
//! title ──────► scan ────┼─► one value a kind (fields before title before description) ─► compare: what differs, and which is better
//! description ► scan ────┘
//! ```
//!
//! A value is read only where the text says what it is: a number with a unit, or a word of a short list. What is out of a kind's
//! plausible range (`900000 TB`) or in a unit that the kind does not have is no attribute. Nothing is inferred from what is not said.
//!
//! | file | subject |
//! |---|---|
//! | `kind` | [`AttributeKind`]: units, ranges, directions |
//! | `words` | text to words and numbers |
//! | `scan` | words to values |
//! | `pieces` | how many pieces a title says are in it |
//! | `features` | what a product has or is: waterproof, kickstand |
//! | `fields` | feed fields and `Name: value` to values |
//! | `material` | materials and the ladders on which one is better than another |
//! | `compare` | [`compare`]: what differs between two products |

mod compare;
mod features;
mod fields;
mod kind;
mod material;
mod pieces;
mod scan;
mod words;

use std::fmt;

use serde::{Deserialize, Serialize};

use super::product::Product;
pub use compare::{Difference, Verdict, compare};
pub use kind::{AttributeKind, Direction};

/// Where a value is read from; a field is believed before a title, a title before a description.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Origin {
    /// A field of the feed.
    Field = 0,
    /// The title.
    Title = 1,
    /// The description.
    Description = 2,
}

/// A comparable value of a product.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Attribute {
    /// What is measured.
    pub kind: AttributeKind,
    /// In the kind's canonical unit; for words the number that the kind gives them.
    pub value: f32,
    /// Where it is read from.
    pub origin: Origin,
    /// The units in which it is read, and shown.
    pub units: Units,
}

/// Units in which a shop writes lengths and weights.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub enum Units {
    /// Meters and grams.
    #[default]
    Metric = 0,
    /// Feet and pounds.
    FeetAndPounds = 1,
    /// Inches and ounces.
    InchesAndOunces = 2,
}

impl Attribute {
    /// The attribute, where the value is plausible for the kind.
    pub fn new(kind: AttributeKind, value: f32, origin: Origin) -> Option<Self> {
        kind.is_plausible(value).then_some(Self { kind, value, origin, units: Units::Metric })
    }

    fn in_unit(self, unit: &str) -> Self {
        Self { units: scan::units(unit), ..self }
    }
}

/// The value as a shopper reads it: `256 GB`, `5.5"`, `set of 6`.
impl fmt::Display for Attribute {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.kind.write_value(self.value, self.units, f)
    }
}

/// The comparable values of `product`, at most one a kind, by kind.
///
/// ```
/// use kindred::catalog::{AttributeKind, Product, attributes};
/// let phone: Product = serde_json::from_str(r#"{"id": "1", "title": "Apple - iPhone 7 32GB - Silver"}"#).unwrap();
/// let storage = attributes(&phone)[0];
/// assert_eq!((storage.kind, storage.to_string().as_str()), (AttributeKind::Storage, "32 GB"));
/// ```
pub fn attributes(product: &Product) -> Vec<Attribute> {
    let mut found = fields::of_fields(product);
    found.extend(scan::of_title(&product.title, product.main_category()));
    found.extend(fields::of_pairs(&product.description));
    found.extend(scan::of_description(&product.description, &product.title));
    // Stable: of one kind and origin, the first that was found stays.
    found.sort_by_key(|attribute| (attribute.kind, attribute.origin));
    found.dedup_by_key(|attribute| attribute.kind);
    found
}

#[cfg(test)]
mod tests;
