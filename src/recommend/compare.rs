//! Two products side by side: what differs, what that is to a shopper, and what shoppers of the category care about most first.

use serde::Serialize;
use utoipa::ToSchema;

use super::error::RecommendError;
use super::upsell::{Anchor, UpsellConfig};
use crate::behavior::Behavior;
use crate::catalog::{AttributeKind, Origin, Product, Verdict};
use crate::live::View;
use crate::rank::RowId;

/// Text attributes that a comparison shows, with what a shopper calls them.
const TEXTS: [&str; 6] = ["brand", "color", "size", "style", "pattern", "flavor"];
/// Purchases after a view whose products differ in a kind that speak half for how much shoppers care about it.
const CARE_SHRINKAGE: f32 = 20.0;
/// What a kind is worth of which nothing is known.
const LEAST_IMPORTANCE: f32 = 0.1;

/// How much shoppers of a category care about each kind: how often those who bought another product than they had viewed bought more of
/// it, where events tell; else how much the kind varies with the price inside the category.
pub(super) struct Importance<'a> {
    view: &'a View,
    leaf: Option<u32>,
    behavior: Option<&'a Behavior>,
}

impl<'a> Importance<'a> {
    pub(super) fn new(view: &'a View, behavior: Option<&'a Behavior>, leaf: Option<u32>) -> Self {
        Self { view, leaf, behavior }
    }

    /// From 0.1 to 1.
    pub(super) fn of(&self, kind: AttributeKind) -> f32 {
        let prior = self.view.generation().comparison().map_or(0.0, |comparison| comparison.care(self.leaf, kind));
        let (better, all) = self.bought_up(kind);
        // Half of the steps upward is chance: it says nothing.
        let preference = if all > 0.0 { (2.0 * better / all - 1.0).max(0.0) } else { 0.0 };
        let care = (all * preference + CARE_SHRINKAGE * prior) / (all + CARE_SHRINKAGE);
        care.clamp(LEAST_IMPORTANCE, 1.0)
    }

    /// Purchases after a view that differ in the kind: those of more of it, and all.
    fn bought_up(&self, kind: AttributeKind) -> (f32, f32) {
        let member = self.leaf.and_then(|leaf| self.view.generation().comparison()?.row_of(leaf));
        let counts = self.behavior.zip(member).map(|(behavior, row)| {
            let category = behavior.category_of().get(row.index()).copied();
            behavior.attribute_steps(category, kind)
        });
        counts.map_or((0.0, 0.0), |[better, other]| (better as f32, (better + other) as f32))
    }
}

/// A row of a comparison: what differs, with both values.
#[derive(Debug, Clone, PartialEq, Serialize, ToSchema)]
pub struct ComparedRow {
    /// The attribute's word: `storage`, or a feed field.
    pub attribute: String,
    /// What a shopper calls it.
    pub label: String,
    /// The value of the product asked about; `null` where its record does not say.
    pub from: Option<String>,
    /// The value of the recommended product; `null` where its record does not say.
    pub to: Option<String>,
    /// `better`, `worse` or `neutral`.
    #[schema(value_type = String)]
    pub verdict: Verdict,
    /// Where the recommended product's value is read from: `field`, `title` or `description`.
    #[schema(value_type = Option<String>)]
    pub origin: Option<Origin>,
}

/// What differs from the anchor to the product of `row`: better before worse before neutral, inside each what shoppers of the category
/// care about most first.
///
/// Returns an error if a record is damaged.
pub(super) fn compared(
    view: &View,
    behavior: Option<&Behavior>,
    anchor: &Anchor,
    row: RowId,
    config: &UpsellConfig,
    label: impl Fn(&str, &str) -> String,
) -> Result<Vec<ComparedRow>, RecommendError> {
    let importance = Importance::new(view, behavior, view.leaf(anchor.row));
    let mut differences = anchor.differences(&view.attributes(row), config);
    let order = |verdict: Verdict| {
        [Verdict::Better, Verdict::Worse, Verdict::Neutral].iter().position(|other| *other == verdict)
    };
    differences.sort_by(|a, b| {
        order(a.verdict)
            .cmp(&order(b.verdict))
            .then(b.is_noticeable().cmp(&a.is_noticeable()))
            .then(importance.of(b.kind).total_cmp(&importance.of(a.kind)))
            .then(a.kind.cmp(&b.kind))
    });
    let mut rows: Vec<ComparedRow> = differences
        .iter()
        .map(|difference| ComparedRow {
            attribute: difference.kind.word().to_owned(),
            label: label(difference.kind.word(), difference.kind.label()),
            from: difference.from.map(|from| from.to_string()),
            to: difference.to.map(|to| to.to_string()),
            verdict: difference.verdict,
            origin: difference.to.map(|to| to.origin),
        })
        .collect();
    let (from, to) = (view.product(anchor.row)?, view.product(row)?);
    rows.extend(TEXTS.iter().filter_map(|name| text_row(name, &from, &to, &label)));
    Ok(rows)
}

/// A field of words in which both products differ.
fn text_row(name: &str, from: &Product, to: &Product, label: impl Fn(&str, &str) -> String) -> Option<ComparedRow> {
    let value = |product: &Product| match name {
        "brand" => product.brand.clone(),
        name => product.attributes.get(name).map(|values| values.join(", ")),
    };
    let (from, to) = (value(from)?, value(to)?);
    (from.to_lowercase() != to.to_lowercase()).then(|| ComparedRow {
        attribute: name.to_owned(),
        label: label(name, name),
        from: Some(from),
        to: Some(to),
        verdict: Verdict::Neutral,
        origin: Some(Origin::Field),
    })
}
