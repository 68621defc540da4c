//! What a shopper did, in the words of GA4's e-commerce events.

use serde::{Deserialize, Serialize};
use utoipa::ToSchema;

/// What a shopper did. The words are GA4's event names.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord, Serialize, Deserialize, ToSchema)]
#[serde(rename_all = "snake_case")]
#[repr(u8)]
pub enum EventKind {
    /// Looked at a product's page.
    ViewItem = 0,
    /// Was shown a list: an impression of each of its products.
    ViewItemList = 1,
    /// Chose a product of a list.
    SelectItem = 2,
    /// Put it into the cart.
    AddToCart = 3,
    /// Took it out of the cart.
    RemoveFromCart = 4,
    /// Put it on a wish list.
    AddToWishlist = 5,
    /// Went to the checkout with it.
    BeginCheckout = 6,
    /// Bought it.
    Purchase = 7,
    /// Sent it back, or cancelled the order.
    Refund = 8,
    /// Searched for a text.
    Search = 9,
}

impl EventKind {
    /// Every kind, by number.
    pub const ALL: [Self; 10] = [
        Self::ViewItem,
        Self::ViewItemList,
        Self::SelectItem,
        Self::AddToCart,
        Self::RemoveFromCart,
        Self::AddToWishlist,
        Self::BeginCheckout,
        Self::Purchase,
        Self::Refund,
        Self::Search,
    ];

    /// The kind with this number on disk; `None` for a number that stands for none.
    pub fn from_number(number: u8) -> Option<Self> {
        Self::ALL.get(usize::from(number)).copied()
    }

    /// Its number on disk.
    pub fn number(self) -> u8 {
        self as u8
    }

    /// GA4's name of it.
    pub fn word(self) -> &'static str {
        match self {
            Self::ViewItem => "view_item",
            Self::ViewItemList => "view_item_list",
            Self::SelectItem => "select_item",
            Self::AddToCart => "add_to_cart",
            Self::RemoveFromCart => "remove_from_cart",
            Self::AddToWishlist => "add_to_wishlist",
            Self::BeginCheckout => "begin_checkout",
            Self::Purchase => "purchase",
            Self::Refund => "refund",
            Self::Search => "search",
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn numbers_and_words_stand_for_one_kind_each() {
        for kind in EventKind::ALL {
            assert_eq!(EventKind::from_number(kind.number()), Some(kind));
            assert_eq!(serde_json::to_value(kind).unwrap(), kind.word());
        }
        assert_eq!(EventKind::from_number(EventKind::ALL.len() as u8), None);
    }
}
