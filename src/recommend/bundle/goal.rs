//! Which kinds of things a set is to have.

use std::borrow::Cow;
use std::collections::HashSet;

use super::settings::{BundleConfig, MAX_TYPES};
use crate::catalog::need_of_category;
use crate::live::View;
use crate::rank::RowId;
use crate::recommend::cross_sell::kind_by_category;
use crate::recommend::error::RecommendError;

/// What a set starts from and what completes it.
pub(in crate::recommend) struct Goal {
    /// Kinds of things that it starts from; what is of no known kind is a kind of its own.
    pub own: HashSet<String>,
    /// The kinds that complete it, as they were named, with the word by which products are found; `None` where nobody names any.
    pub named: Option<Vec<(String, String)>>,
    /// Products that are missing to the whole set.
    pub num_missing: usize,
}

/// The kind of thing that a product is, or a name that no other has.
///
/// Returns an error if the record is damaged.
pub(in crate::recommend) fn kind(view: &View, row: RowId) -> Result<String, RecommendError> {
    let known = match kind_by_category(view, row) {
        Some(kind) => Some(kind),
        None => view.need(row)?.map(Cow::into_owned),
    };
    Ok(known.unwrap_or_else(|| format!("row {}", row.0)))
}

impl Goal {
    /// The goal of what `starts`, the most important last, beside a `cart`: `asked` where a request names kinds, else the shop's for the newest
    /// product of which it has one, else as many kinds as the settings say.
    ///
    /// Returns an error if a record is damaged.
    pub(in crate::recommend) fn of(
        view: &View,
        (starts, cart): (&[RowId], &[RowId]),
        asked: &[String],
        config: &BundleConfig,
    ) -> Result<Self, RecommendError> {
        let kinds_of =
            |rows: &[RowId]| rows.iter().map(|&row| kind(view, row)).collect::<Result<Vec<String>, RecommendError>>();
        let kinds = kinds_of(starts)?;
        let of_shop = || kinds.iter().rev().find_map(|own| config.goals.iter().find(|(name, _)| word(name) == *own));
        let names = if asked.is_empty() { of_shop().map(|(_, types)| types.as_slice()) } else { Some(asked) };
        let num_own = kinds.iter().collect::<HashSet<_>>().len();
        let own: HashSet<String> = kinds_of(cart)?.into_iter().chain(kinds).collect();
        let most = MAX_TYPES.saturating_sub(num_own);
        let named = names.map(|names| {
            let mut seen = own.clone();
            let words = names.iter().map(|name| (name.clone(), word(name)));
            words.filter(|(_, word)| seen.insert(word.clone())).take(most).collect::<Vec<_>>()
        });
        let num_missing = named.as_ref().map_or(config.types.saturating_sub(num_own).max(1).min(most), Vec::len);
        Ok(Self { own, named, num_missing })
    }

    /// The named kinds that none of `rows` is of.
    ///
    /// Returns an error if a record is damaged.
    pub(in crate::recommend) fn without(&self, view: &View, rows: &[RowId]) -> Result<Vec<String>, RecommendError> {
        let found: HashSet<String> = rows.iter().map(|&row| kind(view, row)).collect::<Result<_, _>>()?;
        let named = self.named.iter().flatten();
        Ok(named.filter(|(_, word)| !found.contains(word)).map(|(name, _)| name.clone()).collect())
    }

    /// Whether the kind is one that somebody named.
    pub(super) fn is_named(&self, kind: &str) -> bool {
        self.named.as_ref().is_some_and(|named| named.iter().any(|(_, word)| word == kind))
    }
}

/// The word by which products of a named kind are found: `Screen protectors` are under `protector`.
fn word(name: &str) -> String {
    need_of_category(name).unwrap_or_else(|| name.trim().to_lowercase())
}
