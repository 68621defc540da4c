//! The filter language: which products may appear. A filter knows no catalog; `recommend` looks its fields up.
//!
//! ```json
//! {"must": [{"key": "brand", "match": "Sony"}, {"key": "price", "range": {"gte": 10, "lt": "50.00 USD"}}],
//!  "should": [{"key": "category", "match": ["Cases", "Phones > Chargers"]}],
//!  "must_not": [{"key": "color", "match": "red"}]}
//! ```

use serde::{Deserialize, Serialize};
use utoipa::ToSchema;

/// Most conditions in one filter.
pub const MAX_CONDITIONS: usize = 64;
/// Most values in one `match`.
pub const MAX_VALUES: usize = 1000;

/// A product may appear when every `must` holds, no `must_not` holds, and one of `should` holds if there are any.
#[derive(Debug, Clone, PartialEq, Default, Serialize, Deserialize, ToSchema)]
#[serde(deny_unknown_fields, default)]
pub struct Filter {
    /// All of these must hold.
    pub must: Vec<Condition>,
    /// At least one of these must hold, if there are any.
    pub should: Vec<Condition>,
    /// None of these may hold.
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
    fn word(self) -> &'static str {
        match self {
            Self::Must => "must",
            Self::Should => "should",
            Self::MustNot => "must_not",
        }
    }
}

/// One test of one field: exactly one of `match` and `range`.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub struct Condition {
    /// The field: `brand`, `category`, `price`, `availability`, `family`, `id`, or the name of an attribute such as `color`.
    pub key: String,
    /// The field has this value, or one of these. Case and surplus spaces do not count. A category matches by its own name,
    /// an ancestor's, or a path from the root (`Phones > Cases`).
    #[serde(default, rename = "match", skip_serializing_if = "Option::is_none")]
    pub matches: Option<MatchValue>,
    /// The field `price` lies in this range.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub range: Option<Range>,
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

/// Bounds of a price; each is optional, at least one must be there.
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

/// An amount in each product's own currency (`15.5`), or in one currency (`"15.50 USD"`: products in others do not match).
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, ToSchema)]
#[serde(untagged)]
pub enum Bound {
    /// An amount in major units.
    #[schema(value_type = f64)]
    Amount(serde_json::Number),
    /// An amount with its currency.
    Money(String),
}

/// Why a filter cannot be used, and where in it.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("{path}: {message}")]
pub struct FilterError {
    /// The place, e.g. `filter.must[1].range`.
    pub path: String,
    /// What is wrong and what would be right.
    pub message: String,
}

impl FilterError {
    /// An error at `path`.
    pub fn new(path: impl Into<String>, message: impl Into<String>) -> Self {
        Self { path: path.into(), message: message.into() }
    }
}

impl Filter {
    /// Every condition with its list and its place: `must[0]`, `should[2]`, ….
    pub fn conditions(&self) -> impl Iterator<Item = (Clause, String, &Condition)> {
        let lists = [(Clause::Must, &self.must), (Clause::Should, &self.should), (Clause::MustNot, &self.must_not)];
        lists.into_iter().flat_map(|(clause, list)| {
            list.iter().enumerate().map(move |(i, c)| (clause, format!("{}[{i}]", clause.word()), c))
        })
    }

    /// Whether a condition names the field.
    pub fn names(&self, key: &str) -> bool {
        self.conditions().any(|(_, _, condition)| condition.key == key)
    }

    /// Returns an error at the first condition that is incomplete, contradicts itself, or is over a limit; `at` is the filter's own place.
    pub fn check(&self, at: &str) -> Result<(), FilterError> {
        if self.conditions().count() > MAX_CONDITIONS {
            return Err(FilterError::new(at, format!("a filter has at most {MAX_CONDITIONS} conditions")));
        }
        self.conditions().try_for_each(|(_, place, condition)| condition.check(&format!("{at}.{place}")))
    }
}

impl Condition {
    fn check(&self, at: &str) -> Result<(), FilterError> {
        let values = self.matches.as_ref().map(MatchValue::values);
        match (values, &self.range) {
            (None, None) => Err(FilterError::new(at, "give `match` or `range`")),
            (Some(_), Some(_)) => Err(FilterError::new(at, "give `match` or `range`, not both")),
            (Some([]), None) => Err(FilterError::new(format!("{at}.match"), "the list of values is empty")),
            (Some(values), None) if values.len() > MAX_VALUES => {
                Err(FilterError::new(format!("{at}.match"), format!("at most {MAX_VALUES} values are allowed")))
            }
            (Some(_), None) if self.key == "price" => {
                Err(FilterError::new(format!("{at}.match"), "`price` takes `range`, e.g. {\"gte\": 10, \"lte\": 50}"))
            }
            (Some(_), None) => Ok(()),
            (None, Some(_)) if self.key != "price" => Err(FilterError::new(
                format!("{at}.range"),
                format!("`range` works on `price`; `{}` takes `match`", self.key),
            )),
            (None, Some(range)) => range.check(&format!("{at}.range")),
        }
    }
}

impl Range {
    fn check(&self, at: &str) -> Result<(), FilterError> {
        if *self == Self::default() {
            return Err(FilterError::new(at, "give at least one of `gt`, `gte`, `lt`, `lte`"));
        }
        if (self.gt.is_some() && self.gte.is_some()) || (self.lt.is_some() && self.lte.is_some()) {
            return Err(FilterError::new(at, "give one lower and one upper bound at most"));
        }
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn check(json: &str) -> Result<(), String> {
        let filter: Filter = serde_json::from_str(json).map_err(|e| e.to_string())?;
        filter.check("filter").map_err(|e| e.path)
    }

    #[test]
    fn errors_point_at_the_condition() {
        assert_eq!(check(r#"{"must":[{"key":"brand","match":"Sony"},{"key":"price","range":{"gte":1}}]}"#), Ok(()));
        let bad = [
            (r#"{"must":[{"key":"brand"}]}"#, "filter.must[0]"),
            (r#"{"should":[{"key":"a","match":"b"},{"key":"a","match":[]}]}"#, "filter.should[1].match"),
            (r#"{"must_not":[{"key":"price","match":"5"}]}"#, "filter.must_not[0].match"),
            (r#"{"must":[{"key":"brand","range":{"gt":5}}]}"#, "filter.must[0].range"),
            (r#"{"must":[{"key":"price","range":{}}]}"#, "filter.must[0].range"),
            (r#"{"must":[{"key":"price","range":{"gt":5,"gte":5}}]}"#, "filter.must[0].range"),
        ];
        for (json, place) in bad {
            assert_eq!(check(json), Err(place.to_owned()), "{json}");
        }
        let values = |json| serde_json::from_str::<MatchValue>(json).map(|matches| matches.values().to_vec());
        assert_eq!(values("5").unwrap(), ["5"]);
        assert_eq!(values(r#"["a", 1.5, true]"#).unwrap(), ["a", "1.5", "true"]);
        assert!(values(r#"[["a"]]"#).unwrap_err().to_string().contains("takes a text"));
        assert!(check(r#"{"must":[{"key":"a","equals":"b"}]}"#).unwrap_err().contains("equals"));
    }
}
