//! The rules of a shop as one document: read from JSON or TOML with the place of the first mistake, and checked as a whole.

use std::collections::{HashMap, HashSet};

use jiff::Timestamp;
use jiff::tz::TimeZone;
use serde::{Deserialize, Serialize};
use serde_json::{Value, json};
use utoipa::ToSchema;

use super::document::{Unique, check_lists};
use super::filter::{Filter, FilterError};
use super::nearest::did_you_mean;
use super::rule::{Consequence, MAX_FACTOR, Rule, moment};
use super::shop::Essentials;

/// Longest document in bytes.
pub const MAX_DOCUMENT_BYTES: usize = 1024 * 1024;
/// Most rules in a document.
pub const MAX_RULES: usize = 5000;

/// Every rule of a catalog.
#[derive(Debug, Clone, PartialEq, Default, Serialize, Deserialize, ToSchema)]
#[serde(deny_unknown_fields, default)]
pub struct RuleSet {
    /// The version that the document was made from, as `kindred rules show` writes it: `kindred rules apply` refuses to save over a later one.
    /// Over HTTP `If-Match` says it. Not kept.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub version: Option<u64>,
    /// The time zone of dates, times of the day and weekdays, such as `Europe/Berlin`; UTC when left out.
    #[serde(skip_serializing_if = "String::is_empty")]
    pub time_zone: String,
    /// What every shop needs.
    pub shop: Essentials,
    /// At most 5000.
    pub rules: Vec<Rule>,
}

/// How a document is written.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Notation {
    /// JSON.
    Json,
    /// TOML.
    Toml,
}

impl RuleSet {
    /// Reads a document and checks it.
    ///
    /// Returns an error naming the place if it is too long, cannot be read, has an unknown field, or has no sense in it.
    pub fn read(text: &str, notation: Notation) -> Result<Self, FilterError> {
        let whole = |message: String| FilterError::new("document", message);
        if text.len() > MAX_DOCUMENT_BYTES {
            return Err(whole(format!("it has {} bytes, at most {MAX_DOCUMENT_BYTES} are allowed", text.len())));
        }
        if text.trim().is_empty() {
            return Err(whole("it is empty; a set without rules is `rules = []` in TOML and `{}` in JSON".to_owned()));
        }
        let value: Value = match notation {
            Notation::Json => {
                let Unique(value) =
                    serde_json::from_str(text).map_err(|error| whole(format!("it is not JSON: {error}")))?;
                value
            }
            Notation::Toml => {
                let table: toml::Table = text.parse().map_err(|error| whole(not_toml(text, &error)))?;
                json_of(toml::Value::Table(table), "")?
            }
        };
        let value = unwrapped(value);
        check_tables(&value)?;
        let set: Self = serde_path_to_error::deserialize(&value)
            .map_err(|error| located(&error.path().to_string(), &error.inner().to_string()))?;
        check_lists(&value, "", "")?;
        set.check()?;
        Ok(set)
    }

    /// Reads a set as it was stored. It was checked when it was saved: what a newer version, or another machine, would refuse is in force all the
    /// same, and can be rolled back.
    ///
    /// Returns an error if it is no set of rules.
    pub(super) fn read_stored(text: &str) -> Result<Self, serde_json::Error> {
        serde_json::from_str(text)
    }

    /// Whether it changes nothing.
    pub fn is_empty(&self) -> bool {
        self.shop.rules().is_empty() && self.shop.is_plain() && self.rules.is_empty()
    }

    /// The time zone.
    ///
    /// Returns an error if this machine knows none of the name.
    pub fn zone(&self) -> Result<TimeZone, FilterError> {
        if self.time_zone.is_empty() || self.time_zone == "UTC" {
            return Ok(TimeZone::UTC);
        }
        let unknown =
            |_| FilterError::new("time_zone", format!("`{}` is no time zone that is known here", self.time_zone));
        TimeZone::get(&self.time_zone).map_err(unknown)
    }

    /// Returns an error at the first place that has no sense in it.
    pub fn check(&self) -> Result<(), FilterError> {
        let zone = self.zone()?;
        self.shop.check()?;
        if self.rules.len() > MAX_RULES {
            return Err(FilterError::new("rules", format!("{} are too many, at most {MAX_RULES}", self.rules.len())));
        }
        let mut ids = HashSet::new();
        for (at, rule) in self.rules.iter().enumerate() {
            let at = format!("rules[{at}]");
            rule.check(&at, &zone)?;
            if !ids.insert(rule.id.as_str()) {
                return Err(FilterError::new(format!("{at}.id"), format!("another rule is named `{}` too", rule.id)));
            }
        }
        self.check_replacements()
    }

    /// A product that stands in for another may be stood in for itself, but never in a circle, whatever the conditions are.
    ///
    /// Returns an error at a rule that closes one.
    pub fn check_replacements(&self) -> Result<(), FilterError> {
        let mut next: HashMap<&str, Vec<(&str, usize)>> = HashMap::new();
        for (at, rule) in self.rules.iter().enumerate() {
            if let (Consequence::Replace(replace), true) = (&rule.then, rule.on) {
                next.entry(&replace.product).or_default().push((&replace.with, at));
            }
        }
        let mut done: HashSet<&str> = HashSet::new();
        let mut starts: Vec<&str> = next.keys().copied().collect();
        starts.sort_unstable();
        for start in starts {
            // Walks depth first; `path` holds the products on the way with the edge that is looked at next.
            let mut path: Vec<(&str, usize)> = vec![(start, 0)];
            while let Some((product, edge)) = path.last_mut() {
                let step = next.get(product).and_then(|edges| edges.get(*edge)).copied();
                *edge += 1;
                match step {
                    _ if done.contains(product) => drop(path.pop()),
                    None => {
                        done.insert(product);
                        path.pop();
                    }
                    Some((with, at)) if path.iter().any(|(product, _)| *product == with) => {
                        let way: Vec<&str> =
                            path.iter().map(|(product, _)| *product).skip_while(|p| *p != with).collect();
                        let message = format!("a circle: {} → {with}", way.join(" → "));
                        return Err(FilterError::new(format!("rules[{at}].then.replace"), message));
                    }
                    Some((with, _)) => path.push((with, 0)),
                }
            }
        }
        Ok(())
    }

    /// The rules that are on, the shop's first, then by priority and place, each with its place in [`RuleSet::rules`] (`None` for the
    /// shop's) and the moments between which it counts.
    pub fn in_order(&self) -> Vec<(Option<usize>, Rule, [Option<Timestamp>; 2])> {
        let zone = self.zone().unwrap_or(TimeZone::UTC);
        // A moment that cannot be read was refused by `check`.
        let read = |text: &Option<String>| text.as_deref().and_then(|text| moment(text, &zone).ok());
        let mut own: Vec<(usize, &Rule)> = self.rules.iter().enumerate().filter(|(_, rule)| rule.on).collect();
        own.sort_by_key(|(at, rule)| (std::cmp::Reverse(rule.priority), *at));
        let shop = self.shop.rules().into_iter().map(|rule| (None, rule));
        let own = own.into_iter().map(|(at, rule)| (Some(at), rule.clone()));
        shop.chain(own).map(|(at, rule)| (at, rule.clone(), [read(&rule.from), read(&rule.until)])).collect()
    }
}

/// The document of what `rules show --json` prints and `GET` answers with: what is shown can be changed and sent back.
fn unwrapped(value: Value) -> Value {
    match value {
        Value::Object(mut members) if members.len() == 2 && members.contains_key("version") => {
            match members.remove("document") {
                Some(document @ Value::Object(_)) => document,
                Some(other) => json!({"version": members.remove("version"), "document": other}),
                None => Value::Object(members),
            }
        }
        value => value,
    }
}

/// An error of the deserializer as one of ours, with the nearest known word for an unknown one.
fn located(path: &str, message: &str) -> FilterError {
    let ticked = |text: &str| -> Vec<String> { text.split('`').skip(1).step_by(2).map(str::to_owned).collect() };
    for (kind, word) in [("unknown field ", "field"), ("unknown variant ", "operator")] {
        if !message.starts_with(kind) {
            continue;
        }
        let words = ticked(message);
        let Some((unknown, known)) = words.split_first() else { continue };
        let near = did_you_mean(unknown, known.iter().map(String::as_str));
        let at = if path.ends_with(unknown.as_str()) {
            path.to_owned()
        } else {
            format!("{}.{unknown}", path.trim_end_matches('.'))
        };
        return FilterError::new(
            at.trim_start_matches('.'),
            format!("there is no {word} `{unknown}`; known are {}{near}", known.join(", ")),
        );
    }
    let at = if path == "." { "document" } else { path };
    FilterError::new(at, message)
}

/// What is wrong with a text that is no TOML, with the line and the column, both from 1.
fn not_toml(text: &str, error: &toml::de::Error) -> String {
    let message = error.message().split_whitespace().collect::<Vec<_>>().join(" ");
    let Some(before) = error.span().and_then(|span| text.get(..span.start)) else {
        return format!("it is not TOML: {message}");
    };
    let (line, last) = (before.matches('\n').count() + 1, before.rsplit('\n').next().unwrap_or_default());
    format!("it is not TOML at line {line}, column {}: {message}", last.chars().count() + 1)
}

/// The TOML value as JSON; `at` is its place, empty for the document.
///
/// Returns an error at a number that JSON cannot say.
fn json_of(value: toml::Value, at: &str) -> Result<Value, FilterError> {
    Ok(match value {
        toml::Value::String(text) => Value::String(text),
        toml::Value::Integer(number) => Value::from(number),
        toml::Value::Float(number) if !number.is_finite() => {
            return Err(FilterError::new(at, format!("`{number}` is no number that can be reckoned with")));
        }
        toml::Value::Float(number) => Value::from(number),
        toml::Value::Boolean(is_true) => Value::Bool(is_true),
        toml::Value::Datetime(moment) => Value::String(moment.to_string()),
        toml::Value::Array(values) => {
            let values = values.into_iter().enumerate().map(|(i, value)| json_of(value, &format!("{at}[{i}]")));
            Value::Array(values.collect::<Result<_, _>>()?)
        }
        toml::Value::Table(table) => {
            let below = |key: &str| if at.is_empty() { key.to_owned() } else { format!("{at}.{key}") };
            let members = table.into_iter().map(|(key, value)| Ok((key.clone(), json_of(value, &below(&key))?)));
            Value::Object(members.collect::<Result<_, FilterError>>()?)
        }
    })
}

/// Bounds the sum of logarithms of a product's factors, and returns the factor.
pub fn bounded_factor(sum_of_ln: f64) -> f64 {
    sum_of_ln.clamp(-MAX_FACTOR.ln(), MAX_FACTOR.ln()).exp()
}

/// Whether `filter` needs a product asked about: it compares with one.
pub fn is_relative(filter: &Filter) -> bool {
    fn any(conditions: &[super::Condition]) -> bool {
        conditions.iter().any(|condition| {
            condition.same.is_some()
                || condition.different.is_some()
                || condition.price_ratio.is_some()
                || [&condition.must, &condition.should, &condition.must_not].into_iter().any(|list| any(list))
        })
    }
    [&filter.must, &filter.should, &filter.must_not].into_iter().any(|list| any(list))
}

/// A list in place of a table would be taken field by field, and an empty one for no rules.
fn check_tables(document: &Value) -> Result<(), FilterError> {
    if !document.is_object() {
        return Err(FilterError::new("document", "it is no table with `rules` and `shop`".to_owned()));
    }
    let rules = document.get("rules").and_then(Value::as_array).into_iter().flatten();
    match rules.into_iter().position(|rule| !rule.is_object()) {
        Some(at) => Err(FilterError::new(format!("rules[{at}]"), "a rule is a table".to_owned())),
        None => Ok(()),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// What is wrong with the document; nothing where it can be read.
    fn place(text: &str) -> String {
        RuleSet::read(text, Notation::Toml).map_or_else(|error| error.to_string(), |_| String::new())
    }

    const GOOD: &str = r#"
        time_zone = "UTC"
        shop = { in_stock_only = true, max_per_brand = 2, clearance = { filter = { must = [{ key = "custom_label_0", match = "sale" }] }, factor = 1.3 } }
        [[rules]]
        id = "a"
        from = 2026-11-27
        until = 2026-11-30T08:00:00Z
        then = { pin = { products = ["x"] } }
        [[rules]]
        id = "b"
        priority = 5
        when = { must = [{ context = "device", match = "mobile" }] }
        then.exclude = { must = [{ key = "brand", match = "Acme" }] }"#;

    #[test]
    fn json_and_toml_say_the_same_and_come_back() {
        let set = RuleSet::read(GOOD, Notation::Toml).unwrap();
        let json = serde_json::to_string(&set).unwrap();
        assert_eq!(RuleSet::read(&json, Notation::Json).unwrap(), set);
        let order: Vec<String> = set.in_order().into_iter().map(|(_, rule, _)| rule.id).collect();
        assert_eq!(order, ["shop.in_stock_only", "shop.clearance", "shop.max_per_brand", "b", "a"]);
        assert!(RuleSet::default().is_empty() && !set.is_empty());
    }

    #[test]
    fn errors_name_the_place_and_the_nearest_word() {
        let rule = |rest: &str| place(&format!("[[rules]]\nid = \"r\"\n{rest}"));
        let pin = "then = { pin = { products = [\"x\"] } }";
        for (text, parts) in [
            ("[[rule]]".to_owned(), ["rule: there is no field", "did you mean `rules`"]),
            (format!("[[rules]]\nid = \"r\"\nprioritty = 3\n{pin}"), ["rules[0].prioritty", "did you mean `priority`"]),
            ("[[rules]]\nid = \"r\"\nthen = { boots = 3 }".to_owned(), ["rules[0].then.boots", "did you mean `boost`"]),
            (
                format!("[shop]\nin_stock_onyl = true\n[[rules]]\nid = \"r\"\n{pin}"),
                ["shop.in_stock_onyl", "did you mean `in_stock_only`"],
            ),
        ] {
            let error = place(&text);
            parts.iter().for_each(|part| assert!(error.contains(part), "{error}"));
        }
        let exclude = |condition: &str| format!("then.exclude = {{ must = [{condition}] }}");
        assert!(
            rule(&exclude("{ key = \"price\", rnage = { gte = 1 } }")).contains("rules[0].then.exclude.must[0].rnage")
        );
        assert!(
            rule(&exclude("{ key = \"price\", range = { gte = 9, lt = 5 } }"))
                .starts_with("rules[0].then.exclude.must[0].range")
        );
        assert!(
            rule("then = { boost = { filter = { must = [{ same = \"brand\" }] }, factor = 3.0 } }")
                .starts_with("rules[0].then.boost.factor")
        );
        assert!(rule(&format!("from = \"2026-02-30\"\n{pin}")).starts_with("rules[0].from"));
        assert!(rule(&format!("from = 2026-02-03\nuntil = 2026-02-03\n{pin}")).starts_with("rules[0].until"));
        assert!(rule(&format!("weekdays = [\"mo\"]\n{pin}")).starts_with("rules[0].weekdays"));
        assert!(
            place(&format!("[[rules]]\nid = \"r\"\n{pin}\n[[rules]]\nid = \"r\"\n{pin}")).starts_with("rules[1].id")
        );
        assert!(place("time_zone = \"Mars/Olympus\"").starts_with("time_zone"));
        assert!(place(&"#".repeat(MAX_DOCUMENT_BYTES + 1)).starts_with("document: it has"));
        let of_json = |text: &str| RuleSet::read(text, Notation::Json).unwrap_err().to_string();
        assert!(of_json("[]").starts_with("document: it is no table"));
        assert!(of_json(r#"{"rules": [["r", "", ""]]}"#).starts_with("rules[0]: a rule is a table"));
        assert!(place("[[rules]\n").starts_with("document: it is not TOML at line 1, column"));
    }

    #[test]
    fn what_is_about_every_product_or_no_time_of_the_day_is_refused_in_the_essentials_too() {
        let (brand, none) = ("{ must = [{ key = \"brand\", match = \"a\" }] }", "{}");
        let never = |page: &str, hide: &str| place(&format!("[[shop.never_with]]\npage = {page}\nhide = {hide}"));
        assert!(never(brand, none).starts_with("shop.never_with[0].hide: the filter has no conditions"));
        assert!(never(none, brand).starts_with("shop.never_with[0].page: the filter has no conditions"));
        assert_eq!(never(brand, brand), "");
        assert!(place("shop.clearance = { filter = {}, factor = 1.5 }").starts_with("shop.clearance.filter: "));
        assert!(place("shop.frequency_cap = { impressions = 2, days = 31 }").starts_with("shop.frequency_cap.days: "));
        assert!(place("shop.frequency_cap = { impressions = 201, days = 3 }").contains("from 1 to 200"));
        let when = |range: &str| {
            let then = "then = { exclude = { must = [{ key = \"brand\", match = \"a\" }] } }";
            place(&format!(
                "[[rules]]\nid = \"r\"\nwhen.must = [{{ context = \"time\", range = {{ {range} }} }}]\n{then}"
            ))
        };
        for empty in ["gt = \"24:00\"", "gte = \"24:00\"", "gt = \"08:00\", lt = \"08:00\""] {
            assert!(when(empty).contains("nothing lies between"), "{empty}: {}", when(empty));
        }
        for fine in ["gte = \"22:00\", lt = \"06:00\"", "lt = \"24:00\"", "gt = \"23:58\""] {
            assert_eq!(when(fine), "", "{fine}");
        }
        let rule = |rest: &str| place(&format!("[[rules]]\nid = \"r\"\n{rest}"));
        assert!(rule("then.pin.products = [\"a\\u001b\"]").starts_with("rules[0].then.pin.products[0]: "));
        assert!(rule("note = \"\\u001b\"\nthen.pin.products = [\"a\"]").starts_with("rules[0].note: "));
        let intents = "when.must = [{ context = \"intent\", match = \"for_you\" }, { context = \"intent\", match = \"trending\" }]";
        assert_eq!(rule(&format!("{intents}\nthen.pin.products = [\"a\"]")), "");
    }

    #[test]
    fn numbers_that_are_none_are_refused_at_their_place() {
        assert!(place("shop = { margin_floor = nan }").starts_with("shop.margin_floor: `NaN`"));
        let boost = "then.boost = { filter = { must = [{ stock = { gte = -inf } }] }, factor = 1.5 }";
        let error = place(&format!("[[rules]]\nid = \"r\"\n{boost}"));
        assert!(error.starts_with("rules[0].then.boost.filter.must[0].stock.gte: `-inf`"), "{error}");
    }

    #[test]
    fn an_error_at_a_long_line_is_short_and_names_its_beginning() {
        let long = "x".repeat(MAX_DOCUMENT_BYTES / 2);
        for text in [
            format!("time_zone = \"{long}\""),
            format!("[[rules]]\nid = \"r\"\n{long} = 1"),
            format!("[[rules]]\nid = \"{long}\""),
            format!("[[rules]]\nid = \"r\"\nfrom = \"{long}\"\nthen.pin.products = [\"a\"]"),
            format!("[[rules]]\nid = \"r\"\non = \"{long}\""),
            format!("time_zone = {long} 5"),
        ] {
            let error = place(&text);
            assert!(error.chars().count() < 1300, "{} characters: {}", error.len(), &error[..1300]);
        }
    }

    #[test]
    fn replacements_in_a_circle_are_refused_and_chains_are_not() {
        let set = |pairs: &[(&str, &str)]| {
            let rules = pairs.iter().enumerate().map(|(at, (product, with))| {
                format!("[[rules]]\nid = \"r{at}\"\nthen = {{ replace = {{ product = \"{product}\", with = \"{with}\" }} }}\n")
            });
            RuleSet::read(&rules.collect::<String>(), Notation::Toml).map_err(|error| error.to_string())
        };
        assert!(set(&[("a", "b"), ("b", "c"), ("a", "c"), ("d", "c")]).is_ok());
        let error = set(&[("x", "a"), ("a", "b"), ("b", "c"), ("c", "a")]).unwrap_err();
        assert!(error.contains("then.replace: a circle: a → b → c → a"), "{error}");
        assert!(set(&[("a", "a")]).unwrap_err().starts_with("rules[0].then.replace.with"));
    }
}
