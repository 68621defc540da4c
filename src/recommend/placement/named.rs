//! Placements that rules name: what no placement is called is a slip of the pen, or a slot that is yet to come.

use super::settings::Placements;
use crate::rules::{Condition, Filter, FilterError, Label, RuleSet};

/// A warning at each condition of `set` that names a placement that there is not.
pub(in crate::recommend) fn unknown_placements(set: &RuleSet, placements: &Placements) -> Vec<FilterError> {
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
    let names = condition.matches.as_ref().filter(|_| condition.context.as_deref() == Some(Label::Placement.word()));
    let is_known = |name: &str| placements.iter().any(|(known, _)| known.eq_ignore_ascii_case(name));
    for name in names.iter().flat_map(|names| names.values()).filter(|name| !is_known(name)) {
        let message = format!("there is no placement `{name}`; the catalog has {}", placements.known(name));
        warnings.push(FilterError::new(format!("{at}.match"), message));
    }
    let lists = [("must", &condition.must), ("should", &condition.should), ("must_not", &condition.must_not)];
    for (name, list) in lists {
        for (i, inner) in list.iter().enumerate() {
            in_condition(inner, placements, &format!("{at}.{name}[{i}]"), warnings);
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::rules::Notation;

    #[test]
    fn a_rule_for_a_slot_that_is_not_there_is_warned_of_at_its_place() {
        let document = r#"{"rules": [
            {"id": "a", "when": {"must": [{"context": "placement", "match": ["cart", "Home"]}]}, "then": {"exclude": {"must": [{"key": "brand", "match": "x"}]}}},
            {"id": "b", "when": {"must": [{"should": [{"context": "placement", "match": ["home", "carts"]}, {"context": "device", "match": "carts"}]}]},
             "then": {"exclude": {"must": [{"key": "brand", "match": "x"}]}}}]}"#;
        let set = RuleSet::read(document, Notation::Json).unwrap();
        let warnings = unknown_placements(&set, &Placements::default());
        let places: Vec<&str> = warnings.iter().map(|warning| warning.path.as_str()).collect();
        assert_eq!(places, ["rules[1].when.must[0].should[0].match"]);
        assert!(warnings[0].message.contains("did you mean `cart`"), "{}", warnings[0].message);
    }
}
