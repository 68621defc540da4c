//! A set held against a catalog before it is saved: what it names that is not there.
//!
//! A field that no product has is a slip of the pen, and refused; but not one that was there when the rule was saved, and went with a
//! build: such a rule is kept and waits, as one for a product does that the catalog does not have.

use std::collections::HashSet;

use crate::live::View;
use crate::recommend::error::RecommendError;
use crate::recommend::filter::{check_field, narrowed};
use crate::rules::{FilterError, RuleSet};

/// Warnings at what may be a slip of the pen in `set`: products and `kept` fields that the catalog does not have, and filters that no
/// product passes.
///
/// Returns an error at a field that no product has and that is not among `kept`, or if the catalog cannot be read.
pub(super) fn check_against(
    set: &RuleSet,
    view: &View,
    kept: &HashSet<&str>,
) -> Result<Vec<FilterError>, RecommendError> {
    let mut warnings = Vec::new();
    let mut missing = HashSet::new();
    for (at, field) in set.fields() {
        match check_field(view, field, &at) {
            Err(RecommendError::UnknownField { .. }) if kept.contains(field) => {
                missing.insert(field);
                let message =
                    format!("no product has a field `{field}` any longer; the rule is kept and waits for one");
                warnings.push(FilterError::new(at, message));
            }
            checked => checked?,
        }
    }
    warnings.extend(missing_products(set, view));
    for (at, filter) in set.filters() {
        let is_waiting = filter.fields("").iter().any(|(_, field)| missing.contains(field));
        if !is_waiting && narrowed(view, filter, &at)?.rows.is_some_and(|rows| rows.is_empty()) {
            warnings.push(FilterError::new(at, "no product passes this filter now; it is kept all the same"));
        }
    }
    Ok(warnings)
}

fn missing_products(set: &RuleSet, view: &View) -> Vec<FilterError> {
    let mut warnings = Vec::new();
    for (at, rule) in set.rules.iter().enumerate() {
        for (place, id) in rule.then.products() {
            if view.row(id).is_none() {
                let message = format!("the catalog has no product `{id}`; rule `{}` is kept and waits for it", rule.id);
                warnings.push(FilterError::new(format!("rules[{at}].then.{place}"), message));
            }
        }
    }
    warnings
}
