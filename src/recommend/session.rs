//! What a session holds for an answer: its steps, its cart, what is kept out, what it is about.

use std::borrow::Cow;

use super::query::Intent;
use crate::behavior::{BehaviorConfig, pooled};
use crate::events::EventKind;
use crate::rank::RowId;

/// Something done with a row.
pub type RowStep = (RowId, EventKind);

/// Products bought before that an answer starts from where there is nothing else.
const MAX_BOUGHT_STARTS: usize = 50;

/// What was put into the cart and neither taken out again nor bought, of what was done, oldest first.
pub fn in_cart<P: Copy + PartialEq>(steps: impl IntoIterator<Item = (P, EventKind)>) -> Vec<P> {
    let mut cart = Vec::new();
    for (product, kind) in steps {
        match kind {
            EventKind::AddToCart | EventKind::BeginCheckout if !cart.contains(&product) => cart.push(product),
            EventKind::RemoveFromCart | EventKind::Purchase => cart.retain(|other| *other != product),
            _ => {}
        }
    }
    cart
}

/// A question that starts from a session.
#[derive(Debug, Clone, Copy)]
pub struct SessionQuestion<'a> {
    /// [`Intent::Next`], [`Intent::ForYou`], [`Intent::Trending`] or [`Intent::CrossSell`].
    pub intent: Intent,
    /// What was done, oldest first.
    pub steps: &'a [RowStep],
    /// The vector of a text to start from besides, of length 1.
    pub text: Option<&'a [f32]>,
    /// Rows whose families are kept out: what is on the page and in the cart.
    pub taken: &'a [RowId],
    /// What the shopper bought in earlier orders, each with the number of orders, the most first. Empty for one of whom nothing is known.
    pub bought: &'a [(RowId, u32)],
    /// Most hits.
    pub limit: usize,
    /// Hits with a lower score are left out, and no list is filled.
    pub min_score: Option<f32>,
}

impl SessionQuestion<'_> {
    /// The rows that the answer starts from: for what goes with a cart the cart, for all else the steps that count; for a shopper who has
    /// done nothing yet what was bought most often before, as if that were the cart.
    pub(super) fn starts(&self, config: &BehaviorConfig) -> Start {
        let cart = in_cart(self.steps.iter().copied());
        let cart_of = |rows: Vec<RowId>| Start {
            steps: rows.into_iter().map(|row| (row, EventKind::AddToCart)).collect(),
            is_cart: true,
        };
        if matches!(self.intent, Intent::ForYou | Intent::CrossSell) && !cart.is_empty() {
            return cart_of(cart);
        }
        let counts = |(_, kind): &&RowStep| config.weights.of(*kind) > 0.0;
        let steps: Vec<RowStep> = self.steps.iter().filter(counts).copied().collect();
        if self.intent == Intent::ForYou && steps.is_empty() && self.text.is_none() && !self.bought.is_empty() {
            return cart_of(self.bought.iter().take(MAX_BOUGHT_STARTS).map(|(row, _)| *row).collect());
        }
        Start { steps, is_cart: false }
    }
}

/// What an answer starts from.
pub(super) struct Start {
    pub steps: Vec<RowStep>,
    /// Whether that is a cart: its order means nothing.
    pub is_cart: bool,
}

impl Start {
    pub(super) fn rows(&self) -> Vec<u32> {
        self.steps.iter().map(|(row, _)| row.0).collect()
    }

    /// What the steps are about: the weighted mean of their products' vectors, of a session the newest counting most, with `text` where
    /// there is one; of length 1. `None` when there is nothing to start from.
    pub(super) fn vector<'v>(
        &self,
        vector_of: impl Fn(RowId) -> Option<Cow<'v, [f32]>>,
        text: Option<&'v [f32]>,
        config: &BehaviorConfig,
    ) -> Option<Vec<f32>> {
        let weighted = |&(row, kind): &RowStep| Some((vector_of(row)?, config.weights.of(kind).max(0.0)));
        let text = text.map(|text| (Cow::Borrowed(text), 1.0));
        let steps: Vec<_> = self.steps.iter().filter_map(weighted).chain(text).collect();
        let dim = steps.first().map(|(vector, _)| vector.len())?;
        pooled(steps.into_iter(), if self.is_cart { 1.0 } else { config.semantic.fade }, dim)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_cart_is_what_was_put_in_and_neither_taken_out_nor_bought() {
        use EventKind::{AddToCart, BeginCheckout, Purchase, RemoveFromCart, ViewItem};
        let steps =
            [(1, AddToCart), (2, ViewItem), (3, AddToCart), (1, RemoveFromCart), (4, BeginCheckout), (3, Purchase)];
        assert_eq!(in_cart(steps), [4]);
        assert_eq!(in_cart([(1, AddToCart), (1, AddToCart), (1, RemoveFromCart), (1, AddToCart)]), [1]);
    }

    #[test]
    fn what_is_for_a_shopper_starts_from_the_cart_where_there_is_one() {
        let steps =
            [(RowId(7), EventKind::ViewItem), (RowId(8), EventKind::AddToCart), (RowId(9), EventKind::ViewItemList)];
        let question = |intent| SessionQuestion {
            intent,
            steps: &steps,
            text: None,
            taken: &[],
            bought: &[],
            limit: 1,
            min_score: None,
        };
        let config = BehaviorConfig::default();
        assert_eq!(question(Intent::ForYou).starts(&config).rows(), [8]);
        assert_eq!(question(Intent::Next).starts(&config).rows(), [7, 8]);
        let viewed = SessionQuestion { steps: &steps[..1], ..question(Intent::ForYou) };
        assert_eq!(viewed.starts(&config).rows(), [7]);
        // Whoever comes back and has done nothing yet starts from what was bought; an impression is nothing done.
        let bought = &[(RowId(5), 3), (RowId(4), 1)];
        let returning = SessionQuestion { bought, steps: &steps[2..], ..viewed };
        assert_eq!((returning.starts(&config).rows(), returning.starts(&config).is_cart), (vec![5, 4], true));
        assert_eq!(SessionQuestion { steps: &steps[..1], ..returning }.starts(&config).rows(), [7]);
        assert_eq!(SessionQuestion { steps: &steps, ..returning }.starts(&config).rows(), [8]);
        assert!(SessionQuestion { intent: Intent::Next, ..returning }.starts(&config).steps.is_empty());
    }
}
