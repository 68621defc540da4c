//! JSON values with numbers as their decimal text: `15.10` stays `15.10` and never becomes a float.

use std::collections::BTreeMap;

use serde_json::value::RawValue;

/// Deepest nesting that a feed's record needs; deeper ones are refused.
const MAX_DEPTH: usize = 8;

/// An object's members by name; of two members with one name the last counts.
pub(super) type Object = BTreeMap<String, Json>;

/// One JSON value.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) enum Json {
    Null,
    Bool(bool),
    /// The number as the file writes it.
    Number(String),
    Text(String),
    List(Vec<Json>),
    Object(Object),
}

/// Reads one JSON value. The error is a sentence for the rejects file.
pub(super) fn parse(text: &str) -> Result<Json, String> {
    parse_at(text, 0)
}

/// Reads one JSON object. The error is a sentence for the rejects file.
pub(super) fn parse_object(text: &str) -> Result<Object, String> {
    match parse(text)? {
        Json::Object(members) => Ok(members),
        _ => Err("the line is no JSON object; write one object a line".to_owned()),
    }
}

fn parse_at(text: &str, depth: usize) -> Result<Json, String> {
    let text = text.trim();
    if depth > MAX_DEPTH {
        return Err(format!("the JSON is nested deeper than {MAX_DEPTH} levels; flatten it"));
    }
    let broken = |error: serde_json::Error| format!("the line is no valid JSON: {error}");
    Ok(match text.as_bytes().first() {
        Some(b'{') => {
            let members: BTreeMap<String, &RawValue> = serde_json::from_str(text).map_err(broken)?;
            let parsed = members.into_iter().map(|(name, raw)| Ok((name, parse_at(raw.get(), depth + 1)?)));
            Json::Object(parsed.collect::<Result<_, String>>()?)
        }
        Some(b'[') => {
            let items: Vec<&RawValue> = serde_json::from_str(text).map_err(broken)?;
            Json::List(items.into_iter().map(|raw| parse_at(raw.get(), depth + 1)).collect::<Result<_, _>>()?)
        }
        Some(b'"') => Json::Text(serde_json::from_str(text).map_err(broken)?),
        Some(b't' | b'f') => Json::Bool(serde_json::from_str(text).map_err(broken)?),
        Some(b'n') => serde_json::from_str::<()>(text).map(|()| Json::Null).map_err(broken)?,
        _ => Json::Number(serde_json::from_str::<&RawValue>(text).map_err(broken)?.get().to_owned()),
    })
}

impl Json {
    /// The texts of a scalar or of a list's items, in order; objects have none.
    pub(super) fn texts(&self) -> Vec<String> {
        match self {
            Self::Null | Self::Object(_) => Vec::new(),
            Self::Bool(value) => vec![value.to_string()],
            Self::Number(text) | Self::Text(text) => vec![text.clone()],
            Self::List(items) => items.iter().flat_map(Self::texts).collect(),
        }
    }

    /// The first text; empty when there is none.
    pub(super) fn text(&self) -> String {
        self.texts().into_iter().next().unwrap_or_default()
    }

    /// A list's items, or the value itself as the only one.
    pub(super) fn items(&self) -> &[Json] {
        match self {
            Self::Null => &[],
            Self::List(items) => items,
            other => std::slice::from_ref(other),
        }
    }

    pub(super) fn as_object(&self) -> Option<&Object> {
        match self {
            Self::Object(members) => Some(members),
            _ => None,
        }
    }

    /// The member `name` of an object, else `Null`.
    pub(super) fn member(&self, name: &str) -> &Json {
        self.as_object().and_then(|members| members.get(name)).unwrap_or(&Json::Null)
    }

    /// A price as text for the price reader. A JSON number's point is always the decimal point, so its closing zeros are
    /// dropped, which leaves nothing that could group thousands.
    pub(super) fn price_text(&self) -> String {
        match self {
            Self::Number(text) if text.contains('.') && !text.contains(['e', 'E']) => {
                text.trim_end_matches('0').trim_end_matches('.').to_owned()
            }
            other => other.text(),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    #[test]
    fn numbers_keep_their_decimal_text() {
        let object =
            parse_object(r#"{"a": 15.10, "b": 0.1e2, "c": 123456789012345678901234567890.123, "d": -0}"#).unwrap();
        let texts: Vec<String> = object.values().map(Json::text).collect();
        assert_eq!(texts, ["15.10", "0.1e2", "123456789012345678901234567890.123", "-0"]);
    }

    #[test]
    fn broken_and_deep_json_is_refused_without_a_crash() {
        let deep = format!("{{\"a\":{}{}}}", "[".repeat(200_000), "]".repeat(200_000));
        for text in
            ["", "{", "[1]", "1", "{\"a\":}", "{\"a\":1}}", "{'a':1}", "{\"a\":\"\\ud800\"}", "{\"a\":NaN}", &deep]
        {
            assert!(parse_object(text).is_err(), "accepted {text:.40}");
        }
    }

    proptest! {
        #[test]
        fn strings_agree_with_a_whole_parse(name in "\\PC{0,12}", value in "(\\PC|[\0-\u{1f}]){0,20}") {
            let text = serde_json::json!({ name.clone(): [value.clone(), value.clone()] }).to_string();
            let object = parse_object(&text).unwrap();
            prop_assert_eq!(object[&name].texts(), vec![value.clone(), value]);
        }
    }
}
