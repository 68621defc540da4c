//! What a better product is: the same leaf and use, at most a tier up, something better, nothing worse.

use std::collections::HashSet;

use super::settings::UpsellConfig;
use crate::catalog::{Attribute, Difference, Origin, Verdict, compare, things, tier};
use crate::live::View;
use crate::rank::RowId;

/// Share of two titles' words above which they name variants of one product.
const VARIANT_WORDS: f32 = 0.75;

/// Mobile networks, as titles write them without marks: of products that are tied to one.
const NETWORKS: [&str; 16] = [
    "at&t",
    "boost mobile",
    "consumer cellular",
    "cricket",
    "metropcs",
    "net10",
    "simple mobile",
    "sprint",
    "straight talk",
    "t mobile",
    "total wireless",
    "tracfone",
    "u s cellular",
    "verizon",
    "virgin mobile",
    "vodafone",
];

/// The product to step up from, read once.
pub(in crate::recommend) struct Anchor {
    pub row: RowId,
    pub attributes: Vec<Attribute>,
    leaf: Option<u32>,
    family: Option<u32>,
    /// Where its price stands in its category, 0 to 1.
    pub position: f32,
    models: Vec<String>,
    title: String,
}

/// A candidate that passes every rule.
pub(super) struct Better {
    pub differences: Vec<Difference>,
    /// Where its price stands in the category, 0 to 1.
    pub position: f32,
}

impl Anchor {
    /// Reads the product; `None` where it has no price above 0.
    pub(in crate::recommend) fn of(view: &View, row: RowId) -> Option<Self> {
        let attributes = view.attributes(row);
        let position = view.price_position(row, &attributes)?;
        let models = view.models(row).into_iter().map(str::to_owned).collect();
        let title = view.title(row).unwrap_or_default();
        Some(Self { row, attributes, leaf: view.leaf(row), family: view.family(row), position, models, title })
    }

    /// What is better about a candidate and where it stands; `None` where a rule keeps it out.
    pub(super) fn step_up(&self, view: &View, row: RowId, similarity: f32, config: &UpsellConfig) -> Option<Better> {
        let floor = if self.leaf.is_some() { config.min_similarity } else { config.close_similarity };
        if similarity < floor || !view.is_of_same_category(row, self.row) || !self.is_of_same_use(&view.models(row)) {
            return None;
        }
        let attributes = view.attributes(row);
        let position = view.price_position(row, &attributes)?;
        if tier(position) > tier(self.position).saturating_add(config.max_tier_step) {
            return None;
        }
        let differences = self.differences(&attributes, config);
        let is_out = |difference: &Difference| difference.verdict == Verdict::Worse || difference.kind.must_agree();
        if differences.iter().any(is_out) {
            return None;
        }
        let is_noticeably_better =
            |difference: &Difference| difference.verdict == Verdict::Better && difference.is_noticeable();
        if !differences.iter().any(is_noticeably_better) {
            return None;
        }
        let title = view.title(row).unwrap_or_default();
        let is_variant = view.family(row) == self.family || shared_words(&self.title, &title) >= VARIANT_WORDS;
        let is_better = |difference: &Difference| {
            let counts = !is_variant || difference.to.is_some_and(|to| to.origin < Origin::Description);
            let is_told = difference.from.is_some() || similarity >= config.close_similarity;
            is_noticeably_better(difference) && counts && is_told
        };
        let is_of_use = agree(&qualifiers(&self.title), &qualifiers(&title)) && has_all_things(&self.title, &title);
        let passes =
            differences.iter().any(is_better) && is_of_use && networks(&title).is_subset(&networks(&self.title));
        passes.then_some(Better { differences, position })
    }

    /// What differs from the anchor.
    pub(in crate::recommend) fn differences(&self, attributes: &[Attribute], config: &UpsellConfig) -> Vec<Difference> {
        compare(&self.attributes, attributes, |kind| config.direction(kind))
    }

    /// Whether a product made for these models serves whoever needs the anchor: all of the anchor's, or none where it names none.
    fn is_of_same_use(&self, models: &[&str]) -> bool {
        match self.models.is_empty() {
            true => models.is_empty(),
            false => self.models.iter().all(|model| models.contains(&model.as_str())),
        }
    }
}

/// What titles say in parentheses without a number, in lower case: `(Unlocked)`, `(AT&T)`.
fn qualifiers(title: &str) -> HashSet<String> {
    let inner = |part: &str| part.split_once(')').map(|(inner, _)| inner.trim().to_lowercase());
    let parts = title.split('(').skip(1).filter_map(inner);
    parts.filter(|inner| !inner.is_empty() && !inner.contains(|c: char| c.is_ascii_digit())).collect()
}

/// Whether two titles' qualifiers can be of one use: one of them has none, or they share one.
fn agree(a: &HashSet<String>, b: &HashSet<String>) -> bool {
    a.is_empty() || b.is_empty() || !a.is_disjoint(b)
}

/// Whether a product called `to` has everything that one called `from` sells together: a strap is no better case and band.
fn has_all_things(from: &str, to: &str) -> bool {
    let wanted = things(from, None);
    let offered = things(to, None);
    wanted.len() < 2 || wanted.iter().all(|thing| offered.contains(thing))
}

/// The mobile networks that a title names: who has one cannot use a phone that is tied to another.
fn networks(title: &str) -> HashSet<&'static str> {
    let words: Vec<String> = title
        .split(|c: char| !c.is_alphanumeric() && c != '&')
        .filter(|word| !word.is_empty())
        .map(str::to_lowercase)
        .collect();
    let title = format!(" {} ", words.join(" "));
    NETWORKS.into_iter().filter(|network| title.contains(&format!(" {network} "))).collect()
}

/// A title without the color behind its last dash, in lower case: what models of one name share.
pub(super) fn name_of(title: &str) -> String {
    let name = title.rsplit_once(" - ").map(|(before, _)| before).filter(|before| before.contains(" - "));
    name.unwrap_or(title).to_lowercase()
}

/// The share of words that two titles have in common.
fn shared_words(a: &str, b: &str) -> f32 {
    let words = |title: &str| -> HashSet<String> {
        title.split(|c: char| !c.is_alphanumeric()).filter(|word| !word.is_empty()).map(str::to_lowercase).collect()
    };
    let (a, b) = (words(a), words(b));
    a.intersection(&b).count() as f32 / a.union(&b).count().max(1) as f32
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_sold_together_stays_together_and_a_network_is_not_left() {
        assert!(!has_all_things("EPIK Case and Band for Apple Watch 42mm - Clear", "Watch Strap for Apple Watch 42mm"));
        assert!(has_all_things("Watch Band for Apple Watch 42mm", "EPIK Case and Band for Apple Watch 42mm"));
        let may_follow = |to: &str, from: &str| networks(to).is_subset(&networks(from));
        assert!(!may_follow("Verizon Prepaid - LG K20 Prepaid Cell Phone", "Virgin Mobile - LG K3 Prepaid Cell Phone"));
        assert!(!may_follow("LG - V10 64GB AT&T Branded Cell Phone (Unlocked)", "LG - V10 32GB Cell Phone (Unlocked)"));
        assert!(may_follow("LG - V10 64GB Cell Phone (Unlocked)", "LG - V10 32GB (AT&T)"));
        assert!(may_follow("Samsung - Galaxy S4 T-Mobile", "Samsung - Galaxy S3 (T-Mobile)"));
    }
}
