//! Placements, intents and kinds of visitors that rules name: what no request can have is a slip of the pen, or a slot that is yet to come.

use super::settings::Placements;
use crate::recommend::query::{Intent, VISITORS};
use crate::rules::{Condition, Filter, FilterError, Label, RuleSet, did_you_mean};

/// A warning at each condition of `set` that names a placement that there is not, or an intent or a kind of visitor that no request has.
pub(in crate::recommend) fn unknown_labels(set: &RuleSet, placements: &Placements) -> Vec<FilterError> {
    let mut warnings = Vec::new();
    for (at, rule) in set.rules.iter().enumerate() {
        in_filter(&rule.when, placements, &format!("rules[{at}].when"), &mut warnings);
        if let Some((place, filter)) = rule.then.filter() {
            in_filter(filter, placements, &format!("rules[{at}].then.{place}"), &mut warnings);
        }
    }
    warnings
}

fn in_filter(filter: &Filter, placements: &Placements, at: &str, warnings: &mut Vec<FilterError>) {
    for (_, place, condition) in filter.conditions() {
        in_condition(condition, placements, &format!("{at}.{place}"), warnings);
    }
}

fn in_condition(condition: &Condition, placements: &Placements, at: &str, warnings: &mut Vec<FilterError>) {
    let label = condition.context.as_deref().unwrap_or_default();
    for value in condition.matches.iter().flat_map(|values| values.values()) {
        if let Some(message) = unknown(label, value, placements) {
            warnings.push(FilterError::new(format!("{at}.match"), message));
        }
    }
    let lists = [("must", &condition.must), ("should", &condition.should), ("must_not", &condition.must_not)];
    for (name, list) in lists {
        for (i, inner) in list.iter().enumerate() {
            in_condition(inner, placements, &format!("{at}.{name}[{i}]"), warnings);
        }
    }
}

/// What is wrong with the value of a label that has known ones.
fn unknown(label: &str, value: &str, placements: &Placements) -> Option<String> {
    let is_in = |known: &[&str]| known.iter().any(|known| known.eq_ignore_ascii_case(value));
    let among = |what: &str, known: &[&str]| {
        let near = did_you_mean(value, known.iter().copied());
        (!is_in(known)).then(|| format!("there is no {what} `{value}`; there are {}{near}", known.join(", ")))
    };
    match Label::ALL.into_iter().find(|known| known.word() == label)? {
        Label::Placement => {
            let names: Vec<&str> = placements.iter().map(|(name, _)| name).collect();
            (!is_in(&names))
                .then(|| format!("there is no placement `{value}`; the catalog has {}", placements.known(value)))
        }
        Label::Intent => among("intent", &Intent::ALL.map(Intent::word)),
        Label::Visitor => among("kind of visitor", &VISITORS),
        _ => None,
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::rules::Notation;

    #[test]
    fn what_no_request_can_name_is_warned_of_at_its_place() {
        let document = r#"{"rules": [
            {"id": "a", "when": {"must": [{"context": "placement", "match": ["cart", "Home"]}]}, "then": {"exclude": {"must": [{"key": "brand", "match": "x"}]}}},
            {"id": "b", "when": {"must": [{"should": [{"context": "placement", "match": ["home", "carts"]}, {"context": "device", "match": "carts"}]}]},
             "then": {"exclude": {"must": [{"key": "brand", "match": "x"}]}}},
            {"id": "c", "when": {"must": [{"context": "intent", "match": ["upsel", "Cross_Sell"]}, {"context": "visitor", "match": "returning"}],
             "must_not": [{"context": "visitor", "match": "stranger"}]}, "then": {"exclude": {"must": [{"key": "brand", "match": "x"}]}}}]}"#;
        let set = RuleSet::read(document, Notation::Json).unwrap();
        let warnings = unknown_labels(&set, &Placements::default());
        let places: Vec<&str> = warnings.iter().map(|warning| warning.path.as_str()).collect();
        let expected =
            ["rules[1].when.must[0].should[0].match", "rules[2].when.must[0].match", "rules[2].when.must_not[0].match"];
        assert_eq!(places, expected);
        for (warning, near) in
            warnings.iter().zip(["did you mean `cart`", "did you mean `upsell`", "there are new, returning"])
        {
            assert!(warning.message.contains(near), "{}", warning.message);
        }
    }
}
