//! What a set names of a catalog, by place: fields of products, and the filters that products pass or not.

use super::filter::{Condition, Filter};
use super::rule::{Consequence, Rule};
use super::set::RuleSet;

/// What relative conditions and caps call the whole main category: no field of products, and always there.
const WHOLE_CATEGORY: &str = "product_type";

/// Adds `filter`, which stands `at`, and every filter of the page or the cart inside it.
fn add_filters<'a>(filter: &'a Filter, at: String, found: &mut Vec<(String, &'a Filter)>) {
    for (_, place, condition) in filter.conditions() {
        add_looked_at(condition, &format!("{at}.{place}"), found);
    }
    found.push((at, filter));
}

fn add_looked_at<'a>(condition: &'a Condition, at: &str, found: &mut Vec<(String, &'a Filter)>) {
    for (name, filter) in [("page", &condition.page), ("cart", &condition.cart)] {
        if let Some(filter) = filter {
            add_filters(filter, format!("{at}.{name}"), found);
        }
    }
    condition.inner().for_each(|(_, place, inner)| add_looked_at(inner, &format!("{at}.{place}"), found));
}

/// Adds the fields that `condition`, which stands `at`, and the lists in it name.
fn add_fields<'a>(condition: &'a Condition, at: &str, found: &mut Vec<(String, &'a str)>) {
    if let Some(key) = &condition.key {
        found.push((format!("{at}.key"), key));
    }
    for (name, field) in [("same", &condition.same), ("different", &condition.different)] {
        if let Some(field) = field.as_deref().filter(|field| *field != WHOLE_CATEGORY) {
            found.push((format!("{at}.{name}"), field));
        }
    }
    condition.inner().for_each(|(_, place, inner)| add_fields(inner, &format!("{at}.{place}"), found));
}

impl Filter {
    /// The fields of products that it names, with their places; `at` is its own. Filters of the page and the cart in it are left out.
    pub fn fields(&self, at: &str) -> Vec<(String, &str)> {
        let mut found = Vec::new();
        self.conditions().for_each(|(_, place, condition)| add_fields(condition, &format!("{at}.{place}"), &mut found));
        found
    }
}

impl Rule {
    /// Adds every filter of products, those of the page and the cart inside others included; the rule stands `at`.
    fn add_filters<'a>(&'a self, at: &str, found: &mut Vec<(String, &'a Filter)>) {
        add_filters(&self.when, format!("{at}.when"), found);
        if let Some((place, filter)) = self.then.filter() {
            add_filters(filter, format!("{at}.then.{place}"), found);
        }
    }

    /// The field for whose values it caps, with its place.
    fn capped_field(&self, at: &str) -> Option<(String, &str)> {
        let Consequence::Cap(cap) = &self.then else { return None };
        let field = cap.per.as_deref().filter(|field| *field != WHOLE_CATEGORY)?;
        Some((format!("{at}.then.cap.per"), field))
    }

    /// Every field of products that it names, with its place below the rule's own, which is `at`.
    pub fn fields(&self, at: &str) -> Vec<(String, &str)> {
        let mut filters = Vec::new();
        self.add_filters(at, &mut filters);
        let fields = filters.into_iter().flat_map(|(at, filter)| filter.fields(&at));
        fields.chain(self.capped_field(at)).collect()
    }
}

impl RuleSet {
    /// Every filter of products with its place, those of the page and the cart inside others included.
    pub fn filters(&self) -> Vec<(String, &Filter)> {
        let mut found = Vec::new();
        if let Some(clearance) = &self.shop.clearance {
            add_filters(&clearance.filter, "shop.clearance.filter".to_owned(), &mut found);
        }
        for (at, never) in self.shop.never_with.iter().enumerate() {
            add_filters(&never.page, format!("shop.never_with[{at}].page"), &mut found);
            add_filters(&never.hide, format!("shop.never_with[{at}].hide"), &mut found);
        }
        for (at, rule) in self.rules.iter().enumerate() {
            rule.add_filters(&format!("rules[{at}]"), &mut found);
        }
        found
    }

    /// Every field of products that it names, with its place.
    pub fn fields(&self) -> Vec<(String, &str)> {
        let filters = self.filters().into_iter().flat_map(|(at, filter)| filter.fields(&at));
        let caps = self.rules.iter().enumerate();
        filters.chain(caps.filter_map(|(at, rule)| rule.capped_field(&format!("rules[{at}]")))).collect()
    }
}

#[cfg(test)]
mod tests {
    use crate::rules::{Notation, RuleSet};

    #[test]
    fn every_field_is_named_with_its_place_at_whatever_depth() {
        let text = r#"
            [shop]
            clearance = { filter = { must = [{ key = "a", exists = true }] }, factor = 1.5 }
            never_with = [{ page = { must = [{ key = "b", exists = true }] }, hide = { should = [{ same = "c" }] } }]
            [[rules]]
            id = "r"
            when.must = [{ page = { must_not = [{ must = [{ cart = { must = [{ different = "d" }] } }] }] } }]
            then.cap = { at_most = 1, per = "e", filter = { must = [{ same = "product_type" }, { key = "f", match = "x" }] } }
            [[rules]]
            id = "s"
            then.cap = { at_most = 1, per = "product_type" }"#;
        let set = RuleSet::read(text, Notation::Toml).unwrap();
        let mut fields = set.fields();
        fields.sort_by_key(|(_, field)| *field);
        let fields: Vec<(&str, &str)> = fields.iter().map(|(at, field)| (at.as_str(), *field)).collect();
        let expected = [
            ("shop.clearance.filter.must[0].key", "a"),
            ("shop.never_with[0].page.must[0].key", "b"),
            ("shop.never_with[0].hide.should[0].same", "c"),
            ("rules[0].when.must[0].page.must_not[0].must[0].cart.must[0].different", "d"),
            ("rules[0].then.cap.per", "e"),
            ("rules[0].then.cap.filter.must[1].key", "f"),
        ];
        assert_eq!(fields, expected);
    }
}
