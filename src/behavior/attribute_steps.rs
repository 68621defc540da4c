//! What shoppers care about: which attributes the product bought had more of than the one viewed, by category.

use super::NO_CATEGORY;
use crate::catalog::{Attribute, AttributeKind, Direction, Verdict, compare};
use crate::events::{EventKind, History};

/// Numbers a row has for each kind: bought more of it, and bought less or something else.
pub const COUNTS_PER_KIND: usize = 2;
/// Numbers of one category.
pub const ROW_LENGTH: usize = COUNTS_PER_KIND * AttributeKind::ALL.len();

/// Counts of purchases after a view whose products differ in a kind.
#[derive(Debug, Clone, PartialEq)]
pub struct AttributeSteps {
    /// Row 0 over all, row `1 + c` for what was viewed in category `c`; two counts for each kind.
    pub counts: Vec<u32>,
}

impl AttributeSteps {
    /// Counts each pair "viewed i, bought another product j of its category later in the session", once a session; `attributes_of` are
    /// the products' comparable values.
    pub fn count(
        history: &History,
        category_of: &[u32],
        num_categories: usize,
        attributes_of: &[Vec<Attribute>],
    ) -> Self {
        let mut steps = Self { counts: vec![0; (num_categories + 1) * ROW_LENGTH] };
        if attributes_of.is_empty() {
            return steps;
        }
        let category = |product: u32| category_of.get(product as usize).copied().unwrap_or(NO_CATEGORY);
        for session in history.sessions() {
            let mut pairs = Vec::new();
            for (at, bought) in
                session.interactions.iter().enumerate().filter(|(_, step)| step.kind == EventKind::Purchase)
            {
                let viewed = session.interactions[..at].iter().filter(|step| {
                    matches!(step.kind, EventKind::ViewItem | EventKind::SelectItem)
                        && step.product != bought.product
                        && category(step.product) == category(bought.product)
                });
                pairs.extend(viewed.map(|step| (step.product, bought.product)));
            }
            pairs.sort_unstable();
            pairs.dedup();
            for (viewed, bought) in pairs {
                let of = |product: u32| attributes_of.get(product as usize).map_or(&[][..], Vec::as_slice);
                steps.add(category(viewed), of(viewed), of(bought));
            }
        }
        steps
    }

    fn add(&mut self, category: u32, viewed: &[Attribute], bought: &[Attribute]) {
        let own = (category != NO_CATEGORY).then_some(category as usize + 1);
        for difference in compare(viewed, bought, AttributeKind::direction) {
            let is_comparable = difference.to.is_some() && difference.kind.direction() != Direction::Neutral;
            for row in own.into_iter().chain([0]).filter(|_| is_comparable) {
                let at = row * ROW_LENGTH + difference.kind as usize * COUNTS_PER_KIND;
                let at = at + usize::from(difference.verdict != Verdict::Better);
                self.counts.get_mut(at).into_iter().for_each(|count| *count += 1);
            }
        }
    }
}
