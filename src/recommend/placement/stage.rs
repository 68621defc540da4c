//! How far a session has come: from looking round to an order.

use std::collections::HashSet;

use serde::{Deserialize, Serialize};
use utoipa::ToSchema;

use crate::events::EventKind;
use crate::recommend::query::Query;

/// Products looked at that show that something is being chosen.
const CONSIDERED: usize = 3;

/// How far a session has come.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord, Serialize, Deserialize, ToSchema)]
#[serde(rename_all = "snake_case")]
pub enum Stage {
    /// Looking round.
    Discovery,
    /// Choosing: three or more products looked at, or products compared.
    Consideration,
    /// Something is in the cart.
    Cart,
    /// The checkout was begun, and nothing was looked at since.
    Checkout,
    /// An order was placed, and nothing was looked at since.
    PostPurchase,
}

impl Stage {
    /// Every stage, in their order.
    pub const ALL: [Self; 5] = [Self::Discovery, Self::Consideration, Self::Cart, Self::Checkout, Self::PostPurchase];

    /// The word on the wire.
    pub fn word(self) -> &'static str {
        match self {
            Self::Discovery => "discovery",
            Self::Consideration => "consideration",
            Self::Cart => "cart",
            Self::Checkout => "checkout",
            Self::PostPurchase => "post_purchase",
        }
    }

    /// The stage of the session that asks `query`: what the question says, else after an order where it starts from one, else what was done, with what is on the page as the newest.
    /// What the request tells again of a cart or of views moves nothing.
    pub(super) fn of(query: &Query) -> Self {
        if let Some(stage) = query.stage {
            return stage;
        }
        if query.order.is_some() {
            return Self::PostPurchase;
        }
        let mut trail = Trail::default();
        query.session.iter().for_each(|event| trail.add(&event.id, event.kind));
        query.cart.iter().for_each(|id| trail.add(id, EventKind::AddToCart));
        let is_on_page = !query.anchors.is_empty();
        query.anchors.iter().for_each(|id| trail.add(id, EventKind::ViewItem));
        trail.stage(is_on_page, query.is_comparing)
    }
}

/// What a session did, as far as it tells the stage.
#[derive(Default)]
struct Trail<'q> {
    viewed: HashSet<&'q str>,
    cart: HashSet<&'q str>,
    is_at_checkout: bool,
    is_after_order: bool,
}

impl<'q> Trail<'q> {
    fn add(&mut self, id: &'q str, kind: EventKind) {
        let is_new = match kind {
            EventKind::ViewItem | EventKind::SelectItem => self.viewed.insert(id),
            EventKind::AddToCart => self.cart.insert(id),
            _ => false,
        };
        if is_new {
            (self.is_at_checkout, self.is_after_order) = (false, false);
        }
        match kind {
            EventKind::BeginCheckout => {
                self.cart.insert(id);
                (self.is_at_checkout, self.is_after_order) = (true, false);
            }
            EventKind::RemoveFromCart => drop(self.cart.remove(id)),
            EventKind::Purchase => {
                self.cart.remove(id);
                (self.is_at_checkout, self.is_after_order) = (false, true);
            }
            _ => {}
        }
    }

    fn stage(&self, is_on_page: bool, is_comparing: bool) -> Stage {
        let is_done = |flag: bool| flag && !is_on_page;
        match () {
            () if is_done(self.is_at_checkout) && !self.cart.is_empty() => Stage::Checkout,
            () if is_done(self.is_after_order) && self.cart.is_empty() => Stage::PostPurchase,
            () if !self.cart.is_empty() => Stage::Cart,
            () if is_comparing || self.viewed.len() >= CONSIDERED => Stage::Consideration,
            () => Stage::Discovery,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::recommend::query::{PlacedOrder, SessionEvent};

    fn stage(done: &[(&str, EventKind)], page: &[&str], cart: &[&str]) -> Stage {
        let session = done.iter().map(|(id, kind)| SessionEvent { id: (*id).to_owned(), kind: *kind }).collect();
        let owned = |ids: &[&str]| ids.iter().map(|id| (*id).to_owned()).collect();
        Stage::of(&Query { session, anchors: owned(page), cart: owned(cart), ..Query::default() })
    }

    #[test]
    fn a_session_goes_from_looking_round_to_an_order_and_back() {
        use EventKind::{AddToCart, BeginCheckout, Purchase, RemoveFromCart, ViewItem, ViewItemList};
        let shown = [("s1", ViewItemList), ("s2", ViewItemList), ("s3", ViewItemList)];
        let looked = [("a", ViewItem), ("b", ViewItem), ("c", ViewItem)];
        assert_eq!((stage(&[], &[], &[]), stage(&shown, &[], &[])), (Stage::Discovery, Stage::Discovery));
        assert_eq!((stage(&looked[..2], &[], &[]), stage(&looked, &[], &[])), (Stage::Discovery, Stage::Consideration));
        assert_eq!(stage(&looked[..2], &["c"], &[]), Stage::Consideration);
        let steps = [("a", ViewItem), ("a", AddToCart), ("a", BeginCheckout), ("a", Purchase), ("b", ViewItem)];
        let walked: Vec<Stage> = (1..=5).map(|n| stage(&steps[..n], &[], &[])).collect();
        use Stage::{Cart, Checkout, Discovery, PostPurchase};
        assert_eq!(walked, [Discovery, Cart, Checkout, PostPurchase, Discovery]);
        assert_eq!(stage(&[("a", AddToCart), ("a", RemoveFromCart)], &[], &[]), Discovery);
        // A product page, or a new product in the cart, is no checkout any more; what is told again changes nothing.
        assert_eq!(stage(&steps[..3], &["b"], &[]), Cart);
        assert_eq!(stage(&steps[..3], &[], &["a"]), Checkout);
        assert_eq!(stage(&steps[..3], &[], &["a", "z"]), Cart);
        let told = Query { stage: Some(Checkout), ..Query::default() };
        assert_eq!(Stage::of(&told), Checkout);
        let order = Some(PlacedOrder::default());
        assert_eq!(Stage::of(&Query { order, ..Query::default() }), PostPurchase);
        assert_eq!(Stage::of(&Query { order, ..told }), Checkout);
    }
}
