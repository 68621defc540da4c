//! The text of a document as a value, where readers of structures are too kind: members that stand twice, and lists in place of tables.

use std::fmt;

use serde::de::{Deserialize, Deserializer, Error, MapAccess, SeqAccess, Visitor};
use serde_json::{Map, Value};

use super::filter::FilterError;

/// Members that are lists of tables.
const LISTS_OF_TABLES: [&str; 5] = ["rules", "never_with", "must", "should", "must_not"];
/// Members that are, or may be, lists of words.
const LISTS_OF_WORDS: [&str; 3] = ["match", "products", "weekdays"];

/// JSON without a member that stands twice: the first would be lost.
pub(super) struct Unique(pub Value);

impl<'de> Deserialize<'de> for Unique {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        deserializer.deserialize_any(UniqueVisitor).map(Self)
    }
}

struct UniqueVisitor;

impl<'de> Visitor<'de> for UniqueVisitor {
    type Value = Value;

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("JSON")
    }

    fn visit_unit<E>(self) -> Result<Value, E> {
        Ok(Value::Null)
    }

    fn visit_bool<E>(self, value: bool) -> Result<Value, E> {
        Ok(Value::Bool(value))
    }

    fn visit_i64<E>(self, value: i64) -> Result<Value, E> {
        Ok(Value::from(value))
    }

    fn visit_u64<E>(self, value: u64) -> Result<Value, E> {
        Ok(Value::from(value))
    }

    fn visit_f64<E>(self, value: f64) -> Result<Value, E> {
        Ok(Value::from(value))
    }

    fn visit_str<E>(self, value: &str) -> Result<Value, E> {
        Ok(Value::String(value.to_owned()))
    }

    fn visit_seq<A: SeqAccess<'de>>(self, mut seq: A) -> Result<Value, A::Error> {
        let mut values = Vec::new();
        while let Some(Unique(value)) = seq.next_element()? {
            values.push(value);
        }
        Ok(Value::Array(values))
    }

    fn visit_map<A: MapAccess<'de>>(self, mut map: A) -> Result<Value, A::Error> {
        let mut members = Map::new();
        while let Some((name, Unique(value))) = map.next_entry::<String, _>()? {
            if members.contains_key(&name) {
                return Err(A::Error::custom(format!("`{name}` stands there twice")));
            }
            members.insert(name, value);
        }
        Ok(Value::Object(members))
    }
}

/// Looks at `value`, the member `name` that stands `at`, of a document whose members are known.
///
/// Returns an error at a list in place of a table, which would be taken field by field, and at anything but a table in a list of tables.
pub(super) fn check_lists(value: &Value, name: &str, at: &str) -> Result<(), FilterError> {
    match value {
        Value::Object(members) => {
            let below = |name: &str| if at.is_empty() { name.to_owned() } else { format!("{at}.{name}") };
            members.iter().try_for_each(|(name, value)| check_lists(value, name, &below(name)))
        }
        Value::Array(values) => {
            let is_of_tables = LISTS_OF_TABLES.contains(&name);
            if !is_of_tables && !LISTS_OF_WORDS.contains(&name) {
                return Err(FilterError::new(at, "a list stands here in place of a table or a value"));
            }
            values.iter().enumerate().try_for_each(|(i, value)| match value {
                Value::Array(_) => Err(FilterError::new(format!("{at}[{i}]"), "a list stands here inside a list")),
                Value::Object(_) => check_lists(value, name, &format!("{at}[{i}]")),
                _ if is_of_tables => Err(FilterError::new(format!("{at}[{i}]"), "a table must stand here")),
                _ => Ok(()),
            })
        }
        _ => Ok(()),
    }
}

#[cfg(test)]
mod tests {
    use crate::rules::{Notation, RuleSet};

    fn refusal(text: &str) -> String {
        RuleSet::read(text, Notation::Json).map(|_| String::new()).unwrap_or_else(|error| error.to_string())
    }

    #[test]
    fn members_that_stand_twice_are_refused_at_whatever_depth() {
        for (text, name) in [
            (r#"{"rules": [], "rules": []}"#, "`rules`"),
            (r#"{"shop": {"max_per_brand": 1, "max_per_brand": 2}}"#, "`max_per_brand`"),
            (r#"{"rules": [{"id": "r", "then": {"pin": {"products": ["a"]}}, "id": "s"}]}"#, "`id`"),
        ] {
            let error = refusal(text);
            assert!(error.contains(&format!("{name} stands there twice at line 1")), "{error}");
        }
        assert_eq!(refusal(r#"{"shop": {"max_per_brand": 1}, "rules": []}"#), "");
    }

    #[test]
    fn lists_in_place_of_tables_are_refused_at_their_place() {
        let rule = |rest: &str| format!(r#"{{"rules": [{{"id": "r", {rest}}}]}}"#);
        let pin = r#""then": {"pin": {"products": ["a"]}}"#;
        for (text, at) in [
            (r#"{"shop": [true]}"#.to_owned(), "shop: "),
            (rule(&format!(r#""when": [], {pin}"#)), "rules[0].when: "),
            (rule(r#""then": {"pin": [["a"], 3]}"#), "rules[0].then.pin: "),
            (
                rule(r#""then": {"exclude": {"must": [{"key": "price", "range": [10]}]}}"#),
                "rules[0].then.exclude.must[0].range: ",
            ),
        ] {
            let error = refusal(&text);
            assert!(error.starts_with(at), "{error}");
        }
        let fine = r#""weekdays": ["mon"], "then": {"exclude": {"must": [{"key": "brand", "match": ["a", "b"]}]}}"#;
        assert_eq!((refusal(&rule(pin)), refusal(&rule(fine))), (String::new(), String::new()));
    }
}
