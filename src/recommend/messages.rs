//! The sentences of reasons, what attributes are called, and the titles of lists: built in in English, any of them and any language by
//! settings.
//!
//! A key is looked up in the language asked for (`de-at`, then `de`), then in `en`, then here. `{name}` stands for a part of the evidence;
//! a name that the evidence lacks stays empty.

use std::collections::BTreeMap;

use serde::{Deserialize, Serialize};

/// Sentences by language (lower case) and key, in place of the built-in ones.
#[derive(Debug, Clone, PartialEq, Eq, Default, Serialize, Deserialize)]
#[serde(transparent)]
pub struct Messages(BTreeMap<String, BTreeMap<String, String>>);

/// The built-in sentences by key.
const BUILT_IN: [(&str, &str); 57] = [
    ("reason.more", "{to} {label} instead of {from}"),
    ("reason.more.pieces", "{to} instead of {from}"),
    ("reason.more.cores", "{to} instead of {from}"),
    ("reason.more.layers", "{to} of protection instead of {from}"),
    ("reason.more.ports", "{to} instead of {from}"),
    ("reason.more.network", "{to} instead of {from}"),
    ("reason.more.resolution", "{to} instead of {from}"),
    ("reason.more.condition", "{to} instead of {from}"),
    ("reason.more.water_resistance", "{to} instead of {from}"),
    ("reason.more.material", "Made of {to} instead of {from}"),
    ("reason.more.cable_length", "{to} long instead of {from}"),
    ("reason.more.talk_time", "{to} of talk time instead of {from}"),
    ("reason.more.drop_protection", "Withstands falls of {to} instead of {from}"),
    ("reason.has", "With {label}"),
    ("reason.has.water_resistance", "{to}"),
    ("reason.has.drop_protection", "Withstands falls of {to}"),
    ("reason.has.noise_cancelling", "Noise cancelling"),
    ("reason.fits_same", "Also fits {model}"),
    ("reason.same_brand", "Also from {brand}, in {category}"),
    ("reason.same_brand.plain", "Also from {brand}"),
    ("reason.same_category", "Also in {category}"),
    ("reason.alike", "Similar to {title}"),
    ("reason.matches_words", "Matches {words}"),
    ("reason.matches_text", "Close to what was asked for"),
    ("reason.bought_together", "Bought together with {title} in {orders} orders"),
    ("reason.seen_together", "Met in {sessions} recent visits together with {title}"),
    ("reason.bought_before", "You had this in {orders} of your earlier orders"),
    ("reason.popular", "Popular: {actions} times looked at, taken or bought"),
    ("reason.required_part", "Needed for {title}"),
    ("reason.always_together", "Belongs with {title}"),
    ("reason.accessory", "Accessory for {title}"),
    ("reason.often_bought_with", "Often bought with {title}"),
    ("reason.part_of_set", "From one set with {title}"),
    ("reason.fits", "Fits {model}"),
    ("reason.made_for", "Made for: {name}"),
    ("reason.made_for.some", "Made for select models: {name}"),
    ("reason.free_shipping", "Brings your cart to free delivery, for which {gap} are missing"),
    ("reason.related", "Related to {title}"),
    ("reason.due_again", "Bought {times} times, about every {days} days, last {ago} days ago"),
    ("reason.due_again.once", "Last bought {ago} days ago; shoppers buy it again after about {days} days"),
    ("reason.due_again.alike", "Last bought {ago} days ago; such things are bought again after about {days} days"),
    ("reason.for_order", "For your order: {reason}"),
    ("reason.in_shop", "From this shop"),
    ("title.similar", "Similar to {title}"),
    ("title.similar.plain", "You may be looking for"),
    ("title.upsell", "A step up from {title}"),
    ("title.upsell.plain", "A step up"),
    ("title.next", "You may want next"),
    ("title.for_you", "For you"),
    ("title.trending", "Popular now"),
    ("title.cross_sell", "Goes with {title}"),
    ("title.cross_sell.plain", "Goes with your cart"),
    ("title.post_purchase", "Goes with your order"),
    ("title.bundle", "Complete the set"),
    ("title.replenish", "Time to restock"),
    ("label.brand", "brand"),
    ("label.color", "color"),
];

impl Messages {
    /// The sentence under the first of `keys` that is known, with `parts` put in and a capital at its start.
    pub(super) fn sentence(&self, language: Option<&str>, keys: &[&str], parts: &BTreeMap<&str, String>) -> String {
        let template = keys.iter().find_map(|key| self.template(language, key)).unwrap_or_default();
        let filled = fill(template, parts);
        let mut rest = filled.chars();
        rest.next().map_or(String::new(), |first| first.to_uppercase().chain(rest).collect())
    }

    /// What the attribute `word` is called; `usual` where nothing else is said.
    pub(super) fn label(&self, language: Option<&str>, word: &str, usual: &str) -> String {
        self.template(language, &format!("label.{word}")).unwrap_or(usual).to_owned()
    }

    /// The languages and keys that no sentence is asked for under: slips of the pen.
    pub fn unknown_key(&self) -> Option<String> {
        let is_known = |key: &str| {
            BUILT_IN.iter().any(|(known, _)| *known == key)
                || key.strip_prefix("label.").is_some_and(|word| !word.is_empty())
                || ["reason.more.", "reason.has."].iter().any(|start| key.strip_prefix(start).is_some_and(is_kind))
        };
        let keys = self.0.iter().flat_map(|(language, known)| known.keys().map(move |key| (language, key)));
        keys.into_iter().find(|(_, key)| !is_known(key)).map(|(language, key)| format!("{language}.{key}"))
    }

    /// The language and key of a sentence that cannot be filled, and what is wrong with it.
    pub fn unusable(&self) -> Option<(String, &'static str)> {
        let all =
            self.0.iter().flat_map(|(language, known)| known.iter().map(move |(key, text)| (language, key, text)));
        let mut faults = all.filter_map(|(language, key, text)| Some((format!("{language}.{key}"), fault(text)?)));
        faults.next()
    }

    fn template(&self, language: Option<&str>, key: &str) -> Option<&str> {
        let language = language.map(str::to_lowercase).unwrap_or_default();
        let primary = language.split(['-', '_']).next().unwrap_or_default().to_owned();
        let own = [language.as_str(), &primary, "en"].into_iter().find_map(|name| self.0.get(name)?.get(key));
        let built_in = || BUILT_IN.iter().find(|(known, _)| *known == key).map(|(_, template)| *template);
        own.map(String::as_str).or_else(built_in)
    }
}

/// Names of what may be put into sentences.
const PARTS: [&str; 18] = [
    "actions", "ago", "brand", "category", "days", "from", "gap", "label", "model", "name", "orders", "over", "reason",
    "sessions", "times", "title", "to", "words",
];

/// What is wrong with a template.
fn fault(template: &str) -> Option<&'static str> {
    if template.trim().is_empty() {
        return Some("is empty; leave the line out to have the usual sentence");
    }
    let mut rest = template;
    while let Some((before, after)) = rest.split_once('{') {
        let Some((name, behind)) = after.split_once('}') else { return Some("has a `{` without a `}`") };
        if before.contains('}') {
            return Some("has a `}` without a `{`");
        }
        if !PARTS.contains(&name) {
            return Some("names a part in braces that no sentence has; the README lists them");
        }
        rest = behind;
    }
    rest.contains('}').then_some("has a `}` without a `{`")
}

fn is_kind(word: &str) -> bool {
    crate::catalog::AttributeKind::ALL.iter().any(|kind| kind.word() == word)
}

/// `template` with each `{name}` replaced once: what is put in is not looked at again.
fn fill(template: &str, parts: &BTreeMap<&str, String>) -> String {
    let mut filled = String::with_capacity(template.len() + 32);
    let mut rest = template;
    while let Some((before, after)) = rest.split_once('{') {
        filled.push_str(before);
        let Some((name, behind)) = after.split_once('}') else {
            filled.push('{');
            rest = after;
            continue;
        };
        filled.push_str(parts.get(name).map_or("", String::as_str));
        rest = behind;
    }
    filled.push_str(rest);
    filled
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    fn messages(toml: &str) -> Messages {
        toml::from_str(toml).unwrap()
    }

    #[test]
    fn a_sentence_is_looked_up_from_the_dialect_to_the_built_in() {
        let own = messages(
            "[de]\n\"reason.more\" = '{to} statt {from}'\n[de-at]\n\"reason.more\" = 'leiwande {to}'\n[en]\n\"reason.has\" = 'comes with {label}'",
        );
        let parts =
            BTreeMap::from([("to", "64 GB".to_owned()), ("from", "32 GB".to_owned()), ("label", "storage".to_owned())]);
        let more = |language| own.sentence(language, &["reason.more.storage", "reason.more"], &parts);
        assert_eq!(more(Some("de-DE")), "64 GB statt 32 GB");
        assert_eq!(more(Some("de-AT")), "Leiwande 64 GB");
        assert_eq!(more(Some("fr")), "64 GB storage instead of 32 GB");
        assert_eq!(own.sentence(Some("de"), &["reason.has"], &parts), "Comes with storage");
        assert_eq!(own.unknown_key(), None);
        assert_eq!(messages("[fr]\n\"reason.mor\" = 'x'").unknown_key(), Some("fr.reason.mor".to_owned()));
    }

    #[test]
    fn a_sentence_that_cannot_be_filled_is_named() {
        for (text, word) in [
            ("", "empty"),
            ("{nope} {to}", "no sentence has"),
            ("{to", "without a `}`"),
            ("to}", "without a `{`"),
            ("{to} }", "without"),
        ] {
            let (key, what) = messages(&format!("[de]\n\"reason.more\" = '{text}'")).unusable().unwrap();
            assert!(key == "de.reason.more" && what.contains(word), "{text}: {what}");
        }
        assert_eq!(messages("[de]\n\"reason.more\" = '{to} statt {from}'").unusable(), None);
        assert!(BUILT_IN.iter().all(|(_, template)| fault(template).is_none()));
    }

    #[test]
    fn what_is_put_in_is_not_looked_at_again() {
        let parts = BTreeMap::from([("to", "{from}".to_owned()), ("from", "{to}".to_owned())]);
        assert_eq!(fill("{to} instead of {from}", &parts), "{from} instead of {to}");
    }

    proptest! {
        #[test]
        fn any_template_is_filled_without_panic(template in "[a{}z]{0,20}", value in ".{0,5}") {
            fill(&template, &BTreeMap::from([("a", value)]));
        }
    }
}
