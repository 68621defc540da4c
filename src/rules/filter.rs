//! The filter language: which products may appear. One language for requests, rules and dry runs. A filter knows no catalog;
//! `recommend` looks its fields up.
//!
//! ```json
//! {"must": [{"key": "brand", "match": "Sony"}, {"key": "price", "range": {"gte": 10, "lt": "50.00 USD"}},
//!           {"price_ratio": {"gte": 0.8, "lte": 1.5}}, {"different": "product_type"}],
//!  "should": [{"key": "category", "match": ["Cases", "Phones > Chargers"]}, {"must": [{"stock": {"gte": 20}}]}],
//!  "must_not": [{"key": "color", "match": "red"}, {"context": "device", "match": "mobile"}]}
//! ```

use serde::{Deserialize, Serialize};
use utoipa::ToSchema;

/// Most conditions in one filter, those of filters inside it included.
pub const MAX_CONDITIONS: usize = 64;
/// Most values in one `match`.
pub const MAX_VALUES: usize = 1000;
/// How deep filters may stand in one another.
pub const MAX_DEPTH: usize = 8;

/// A product may appear when every `must` holds, no `must_not` holds, and one of `should` holds if there are any.
#[derive(Debug, Clone, PartialEq, Default, Serialize, Deserialize, ToSchema)]
#[serde(deny_unknown_fields, default)]
pub struct Filter {
    /// All of these must hold.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub must: Vec<Condition>,
    /// At least one of these must hold, if there are any.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub should: Vec<Condition>,
    /// None of these may hold.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub must_not: Vec<Condition>,
}

/// The list of a [`Filter`] that a condition stands in.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Clause {
    /// `must`
    Must,
    /// `should`
    Should,
    /// `must_not`
    MustNot,
}

impl Clause {
    /// The word in a filter.
    pub fn word(self) -> &'static str {
        match self {
            Self::Must => "must",
            Self::Should => "should",
            Self::MustNot => "must_not",
        }
    }
}

/// One test. Exactly one of: `key` with `match`, `range`, `exists` or `match_context`; `context` with `match`, `range` or `exists`; `same`;
/// `different`; `price_ratio`; `margin`; `age_days`; `stock`; `in_cart`; `page`; `cart`; or a filter inside (`must`, `should`, `must_not`).
#[derive(Debug, Clone, PartialEq, Default, Serialize, Deserialize, ToSchema)]
#[serde(deny_unknown_fields, default)]
pub struct Condition {
    /// The field: `brand`, `category`, `price`, `availability`, `family`, `id`, or the name of an attribute such as `color`.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub key: Option<String>,
    /// What is known of the question: `placement`, `intent`, `segment`, `device`, `channel`, `loyalty_tier`, `visitor`, `region`,
    /// `weekday` or `time`.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub context: Option<String>,
    /// The field has this value, or one of these. Case and surplus spaces do not count. A category matches by its own name,
    /// an ancestor's, or a path from the root (`Phones > Cases`).
    #[serde(rename = "match", skip_serializing_if = "Option::is_none")]
    pub matches: Option<MatchValue>,
    /// The field lies in this range: `price`, an attribute that is a number, or the context's `time` (`"22:00"` to `"06:00"` is the night).
    #[serde(skip_serializing_if = "Option::is_none")]
    pub range: Option<Range>,
    /// The field has any value (`true`) or none (`false`).
    #[serde(skip_serializing_if = "Option::is_none")]
    pub exists: Option<bool>,
    /// The product's field has a value that the context's label of this name has.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub match_context: Option<String>,
    /// The product has a value of this field in common with the product asked about: `brand`, `product_type`, `family`, an attribute.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub same: Option<String>,
    /// The product has no value of this field in common with the product asked about.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub different: Option<String>,
    /// Its price divided by that of the product asked about, in one currency.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub price_ratio: Option<Range>,
    /// Share of the price that is left after `cost_of_goods_sold`: 0.2 is 20 %. Does not hold where either is not known.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub margin: Option<Range>,
    /// Days since the first of `availability_date`, `published_at` and `created_at` that the product has.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub age_days: Option<Range>,
    /// Pieces, by the attribute `quantity`; 0 where the product is out of stock.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub stock: Option<Range>,
    /// The product, or another of its family, is in the cart.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub in_cart: Option<bool>,
    /// A product asked about passes this filter.
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schema(no_recursion)]
    pub page: Option<Box<Filter>>,
    /// A product in the cart passes this filter.
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schema(no_recursion)]
    pub cart: Option<Box<Filter>>,
    /// All of these must hold.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    #[schema(no_recursion)]
    pub must: Vec<Condition>,
    /// At least one of these must hold, if there are any.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    #[schema(no_recursion)]
    pub should: Vec<Condition>,
    /// None of these may hold.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    #[schema(no_recursion)]
    pub must_not: Vec<Condition>,
}

/// One value or several. Numbers and booleans count as their text: `5` is `"5"`.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, ToSchema)]
#[serde(untagged, try_from = "serde_json::Value")]
pub enum MatchValue {
    /// A single value.
    One(String),
    /// Any of these values.
    Any(Vec<String>),
}

impl TryFrom<serde_json::Value> for MatchValue {
    type Error = &'static str;

    fn try_from(value: serde_json::Value) -> Result<Self, Self::Error> {
        match value {
            serde_json::Value::Array(values) => {
                values.into_iter().map(text_of).collect::<Result<_, _>>().map(Self::Any)
            }
            value => text_of(value).map(Self::One),
        }
    }
}

fn text_of(value: serde_json::Value) -> Result<String, &'static str> {
    match value {
        serde_json::Value::String(text) => Ok(text),
        serde_json::Value::Number(number) => Ok(number.to_string()),
        serde_json::Value::Bool(is_true) => Ok(is_true.to_string()),
        _ => Err("`match` takes a text, a number, true or false, or a list of these"),
    }
}

impl MatchValue {
    /// The values, in their order.
    pub fn values(&self) -> &[String] {
        match self {
            Self::One(value) => std::slice::from_ref(value),
            Self::Any(values) => values,
        }
    }
}

/// Bounds; each is optional, at least one must be there.
#[derive(Debug, Clone, PartialEq, Default, Serialize, Deserialize, ToSchema)]
#[serde(deny_unknown_fields, default)]
pub struct Range {
    /// Above this.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub gt: Option<Bound>,
    /// At or above this.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub gte: Option<Bound>,
    /// Below this.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub lt: Option<Bound>,
    /// At or below this.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub lte: Option<Bound>,
}

/// A number, which for `price` is an amount in each product's own currency (`15.5`); or a text: an amount in one currency (`"15.50 USD"`:
/// products in others do not match), or a time of the day (`"08:30"`).
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, ToSchema)]
#[serde(untagged)]
pub enum Bound {
    /// A number; of a price, in major units.
    #[schema(value_type = f64)]
    Amount(serde_json::Number),
    /// An amount with its currency, or a time of the day.
    Money(String),
}

/// What is wrong with a filter or a set of rules, and where in it.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("{path}: {message}")]
pub struct FilterError {
    /// The place, e.g. `filter.must[1].range` or `rules[3].then.boost.factor`.
    pub path: String,
    /// What is wrong and what would be right.
    pub message: String,
}

/// Longest place and message of an error in characters: what people write may be as long as a document.
const MAX_ERROR_CHARS: usize = 600;

impl FilterError {
    /// An error at `path`. Of a long place or message the middle is left out.
    pub fn new(path: impl Into<String>, message: impl Into<String>) -> Self {
        Self { path: shortened(path.into(), MAX_ERROR_CHARS), message: shortened(message.into(), MAX_ERROR_CHARS) }
    }
}

/// `text`, or where it has more than `max_chars` characters its beginning and its end.
pub fn shortened(text: String, max_chars: usize) -> String {
    let num_chars = text.chars().count();
    if num_chars <= max_chars {
        return text;
    }
    let half = max_chars / 2;
    text.chars().take(half).chain(['…']).chain(text.chars().skip(num_chars - half)).collect()
}

/// The conditions of three lists, each with its list and its place: `must[0]`, `should[2]`, ….
pub(super) fn each_of(lists: [&[Condition]; 3]) -> impl Iterator<Item = (Clause, String, &Condition)> {
    let clauses = [Clause::Must, Clause::Should, Clause::MustNot];
    clauses.into_iter().zip(lists).flat_map(|(clause, list)| {
        list.iter().enumerate().map(move |(i, c)| (clause, format!("{}[{i}]", clause.word()), c))
    })
}

impl Filter {
    /// Every condition with its list and its place: `must[0]`, `should[2]`, ….
    pub fn conditions(&self) -> impl Iterator<Item = (Clause, String, &Condition)> {
        each_of([&self.must, &self.should, &self.must_not])
    }

    /// Whether there are no conditions.
    pub fn is_empty(&self) -> bool {
        self.must.is_empty() && self.should.is_empty() && self.must_not.is_empty()
    }

    /// Whether a condition, at whatever depth, names the field of products.
    pub fn names(&self, key: &str) -> bool {
        self.conditions().any(|(_, _, condition)| condition.names(key))
    }
}

impl Condition {
    /// `key` has one of `values`.
    pub fn matching(key: &str, values: &[&str]) -> Self {
        let values = values.iter().map(|value| (*value).to_owned()).collect();
        Self { key: Some(key.to_owned()), matches: Some(MatchValue::Any(values)), ..Self::default() }
    }

    /// The conditions of the filter inside, if it is one.
    pub(super) fn inner(&self) -> impl Iterator<Item = (Clause, String, &Self)> {
        each_of([&self.must, &self.should, &self.must_not])
    }

    fn names(&self, key: &str) -> bool {
        self.key.as_deref() == Some(key) || self.inner().any(|(_, _, condition)| condition.names(key))
    }
}
