//! The product record: Merchant Center's fields, parsed once, the only shape the rest of Kindred sees.

use std::borrow::Borrow;
use std::collections::BTreeMap;
use std::fmt;

use serde::{Deserialize, Serialize};

use super::money::Money;

/// Longest product id in bytes.
pub const MAX_ID_BYTES: usize = 128;

/// A product's key in its shop: any UTF-8 of 1 to [`MAX_ID_BYTES`] bytes without control characters; slashes are allowed.
#[derive(Debug, Clone, PartialEq, Eq, Hash, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(try_from = "String", into = "String")]
pub struct ProductId(String);

impl ProductId {
    /// Returns an error if `id` is empty, longer than [`MAX_ID_BYTES`], or holds a control character.
    pub fn new(id: impl Into<String>) -> Result<Self, ProductIdError> {
        let id = id.into();
        if id.is_empty() {
            Err(ProductIdError::Empty)
        } else if id.len() > MAX_ID_BYTES {
            Err(ProductIdError::TooLong(id.len()))
        } else if id.chars().any(char::is_control) {
            Err(ProductIdError::ControlCharacter)
        } else {
            Ok(Self(id))
        }
    }

    /// The id's text.
    pub fn as_str(&self) -> &str {
        &self.0
    }
}

/// Why a text is no product id.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum ProductIdError {
    /// The id has no characters.
    #[error("the id is empty")]
    Empty,
    /// The id has this many bytes.
    #[error("the id has {0} bytes, at most {MAX_ID_BYTES} are allowed")]
    TooLong(usize),
    /// A control character, such as a line break, stands in the id.
    #[error("the id holds a control character")]
    ControlCharacter,
}

impl fmt::Display for ProductId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

impl Borrow<str> for ProductId {
    fn borrow(&self) -> &str {
        &self.0
    }
}

impl TryFrom<String> for ProductId {
    type Error = ProductIdError;

    fn try_from(id: String) -> Result<Self, ProductIdError> {
        Self::new(id)
    }
}

impl From<ProductId> for String {
    fn from(id: ProductId) -> Self {
        id.0
    }
}

/// Whether a product can be bought now (Merchant Center's four values).
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Default, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Availability {
    /// Can be bought and shipped now. A feed without the field means this.
    #[default]
    InStock,
    /// Cannot be bought now.
    OutOfStock,
    /// Can be ordered before it is released.
    Preorder,
    /// Can be ordered and ships later.
    Backorder,
}

/// How a related product stands to the one that names it (Merchant Center's `relationship_type`).
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
#[allow(missing_docs, reason = "the names are Merchant Center's own")]
pub enum Relationship {
    PartOfSet,
    RequiredPart,
    OftenBoughtWith,
    Substitute,
    DifferentBrand,
    Accessory,
}

/// A typed edge to another product, as the feed states it.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct RelatedProduct {
    /// The kind of edge.
    pub relationship: Relationship,
    /// The other product, which need not be in the feed.
    pub id: ProductId,
}

/// A path from the root to the leaf of the shop's category tree, at least one name long.
pub type CategoryPath = Vec<String>;

/// Separates the names of a category path in feeds, filters and answers.
pub const CATEGORY_SEPARATOR: &str = " > ";

/// One product of a shop's feed.
///
/// Field names are Merchant Center's; columns that it does not know are in `attributes`, several values a name.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Product {
    /// The shop's key.
    pub id: ProductId,
    /// Plain text, never empty.
    pub title: String,
    /// Plain text; empty when the feed has none.
    #[serde(default, skip_serializing_if = "String::is_empty")]
    pub description: String,
    /// The product's page.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub link: Option<String>,
    /// The main image.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub image_link: Option<String>,
    /// Whether it can be bought now.
    #[serde(default)]
    pub availability: Availability,
    /// Regular price.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub price: Option<Money>,
    /// Reduced price, in force now.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub sale_price: Option<Money>,
    /// What the shop paid.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub cost_of_goods_sold: Option<Money>,
    /// Brand or vendor.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub brand: Option<String>,
    /// Global trade item number.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub gtin: Option<String>,
    /// Manufacturer part number.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub mpn: Option<String>,
    /// The shop's own categories (`product_type`), the main one first, each from root to leaf.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub product_type: Vec<CategoryPath>,
    /// Google's taxonomy, from root to leaf.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub google_product_category: CategoryPath,
    /// Variants of one product share it: the *family*.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub item_group_id: Option<String>,
    /// Typed edges to other products.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub related_product: Vec<RelatedProduct>,
    /// Every other field by its snake_case name: `color`, `size`, `material`, `custom_label_0`, `product_detail` entries by
    /// their attribute name, and the shop's own columns.
    #[serde(default, skip_serializing_if = "BTreeMap::is_empty")]
    pub attributes: BTreeMap<String, Vec<String>>,
}

impl Product {
    /// What a shopper pays now: the sale price where there is one, else the price.
    pub fn effective_price(&self) -> Option<Money> {
        self.sale_price.or(self.price)
    }

    /// The main category from root to leaf; empty when the feed has none: `product_type` first, else Google's.
    pub fn main_category(&self) -> &[String] {
        self.product_type.first().unwrap_or(&self.google_product_category)
    }

    /// The family's key: `item_group_id`, or the product's own id when it has no variants.
    pub fn family(&self) -> &str {
        self.item_group_id.as_deref().unwrap_or(self.id.as_str())
    }
}
