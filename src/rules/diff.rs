//! What changed between two sets of rules, for people and for the record of changes.

use serde::{Deserialize, Serialize};
use utoipa::ToSchema;

use super::set::RuleSet;

/// What changed from one set to another, by the ids of rules.
#[derive(Debug, Clone, PartialEq, Eq, Default, Serialize, Deserialize, ToSchema)]
#[serde(default)]
pub struct RulesDiff {
    /// Rules that are new.
    pub added: Vec<String>,
    /// Rules that are gone.
    pub removed: Vec<String>,
    /// Rules that differ, each with its fields that do.
    pub changed: Vec<ChangedRule>,
    /// Settings that differ: `time_zone`, `shop.max_per_brand`, ….
    pub settings: Vec<String>,
    /// Whether rules that are in both stand in another order.
    pub is_reordered: bool,
}

/// A rule that differs.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
pub struct ChangedRule {
    /// Its id.
    pub id: String,
    /// Its fields that differ.
    pub fields: Vec<String>,
}

/// Names of the members in which two objects differ.
fn members(a: &impl Serialize, b: &impl Serialize) -> Vec<String> {
    let object = |value: serde_json::Result<serde_json::Value>| match value {
        Ok(serde_json::Value::Object(members)) => members,
        _ => serde_json::Map::new(),
    };
    let (a, b) = (object(serde_json::to_value(a)), object(serde_json::to_value(b)));
    let mut names: Vec<String> =
        a.keys().chain(b.keys()).filter(|name| a.get(*name) != b.get(*name)).cloned().collect();
    names.sort();
    names.dedup();
    names
}

impl RulesDiff {
    /// What changed from `old` to `new`.
    pub fn between(old: &RuleSet, new: &RuleSet) -> Self {
        let find = |set: &RuleSet, id: &str| set.rules.iter().position(|rule| rule.id == id);
        let zone = (old.time_zone != new.time_zone).then(|| "time_zone".to_owned());
        let shop = members(&old.shop, &new.shop).into_iter().map(|name| format!("shop.{name}"));
        let mut diff = Self { settings: zone.into_iter().chain(shop).collect(), ..Self::default() };
        let mut places = Vec::new();
        for rule in &new.rules {
            match find(old, &rule.id) {
                None => diff.added.push(rule.id.clone()),
                Some(at) => {
                    places.push(at);
                    let fields = members(&old.rules[at], rule);
                    if !fields.is_empty() {
                        diff.changed.push(ChangedRule { id: rule.id.clone(), fields });
                    }
                }
            }
        }
        let gone = old.rules.iter().filter(|rule| find(new, &rule.id).is_none());
        diff.removed = gone.map(|rule| rule.id.clone()).collect();
        diff.is_reordered = !places.is_sorted();
        diff
    }

    /// Whether nothing changed.
    pub fn is_empty(&self) -> bool {
        *self == Self::default()
    }

    /// One line for people.
    pub fn in_words(&self) -> String {
        let changed = self.changed.iter().map(|rule| format!("~{} ({})", rule.id, rule.fields.join(", ")));
        let mut parts: Vec<String> = self.added.iter().map(|id| format!("+{id}")).collect();
        parts.extend(self.removed.iter().map(|id| format!("-{id}")));
        parts.extend(changed);
        parts.extend(self.settings.iter().map(|name| format!("~{name}")));
        if self.is_reordered {
            parts.push("order".to_owned());
        }
        if parts.is_empty() { "no change".to_owned() } else { parts.join(" ") }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::rules::Notation;

    #[test]
    fn a_diff_names_what_came_went_and_changed() {
        let read = |text: &str| RuleSet::read(text, Notation::Toml).unwrap();
        let rule = |id: &str, product: &str| {
            format!("[[rules]]\nid = \"{id}\"\nthen = {{ pin = {{ products = [\"{product}\"] }} }}\n")
        };
        let old = read(&[rule("a", "x"), rule("b", "x"), rule("c", "x")].concat());
        let new = read(&format!("[shop]\nadult = true\n{}{}{}", rule("c", "x"), rule("b", "y"), rule("d", "x")));
        let diff = RulesDiff::between(&old, &new);
        assert_eq!(diff.in_words(), "+d -a ~b (then) ~shop.adult order");
        assert!(RulesDiff::between(&new, &new).is_empty());
    }
}
