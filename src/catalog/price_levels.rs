//! Where a price stands among the prices of its category: quantiles inside the leaf, shrunk to the parents, by the piece.
//!
//! A position is `q = (n q_leaf + 30 q_parent) / (n + 30)`, the parent's own position shrunk in the same way up to the whole shop, so that
//! a leaf of three products borrows from its parent and one of three hundred does not. Prices of several currencies are kept apart.

use std::collections::BTreeMap;

use super::attributes::{Attribute, AttributeKind};
use super::money::{Currency, Money};

/// Products of the parent that count as much as the leaf's own.
const SHRINKAGE: f32 = 30.0;
/// Price tiers: a fifth of the positions each.
pub const NUM_TIERS: u8 = 5;

/// The prices of one category in one currency.
#[derive(Debug, Clone, PartialEq)]
pub struct PriceGroup {
    /// Number of the category; [`WHOLE_SHOP`] for all.
    pub category: u32,
    /// The currency's three letters.
    pub currency: [u8; 3],
    /// Natural logarithms of the prices by the piece, ascending.
    pub prices: Vec<f32>,
}

/// The category that every product is in.
pub const WHOLE_SHOP: u32 = u32::MAX;

/// What one piece costs, as a natural logarithm of the major unit; `None` for a price of 0.
pub fn unit_price(price: Money, attributes: impl IntoIterator<Item = Attribute>) -> Option<f32> {
    let pieces = attributes.into_iter().find(|attribute| attribute.kind == AttributeKind::Pieces);
    let pieces = pieces.map_or(1.0, |attribute| f64::from(attribute.value).max(1.0));
    let major = price.minor as f64 / 10f64.powi(price.currency.exponent() as i32);
    (major > 0.0).then(|| (major / pieces).ln() as f32)
}

/// The price tier of a position, from 0 to [`NUM_TIERS`] - 1.
pub fn tier(position: f32) -> u8 {
    ((position * f32::from(NUM_TIERS)) as u8).min(NUM_TIERS - 1)
}

/// The groups of `prices`: each a category with all its ancestors, a currency, and the logarithm of a unit price; by category and currency.
pub fn price_groups(prices: impl IntoIterator<Item = (Vec<u32>, Currency, f32)>) -> Vec<PriceGroup> {
    let mut groups: BTreeMap<(u32, [u8; 3]), Vec<f32>> = BTreeMap::new();
    for (categories, currency, price) in prices {
        for category in categories.into_iter().chain([WHOLE_SHOP]) {
            groups.entry((category, currency.to_bytes())).or_default().push(price);
        }
    }
    let group = |((category, currency), mut prices): ((u32, [u8; 3]), Vec<f32>)| {
        prices.sort_unstable_by(f32::total_cmp);
        PriceGroup { category, currency, prices }
    };
    groups.into_iter().map(group).collect()
}

/// The position, 0 to 1, of a price among the ascending prices of groups from the leaf's to the whole shop's; one half where there is none.
pub fn position<'a>(price: f32, leaf_to_shop: impl DoubleEndedIterator<Item = &'a [f32]>) -> f32 {
    leaf_to_shop.rev().fold(0.5, |parent, prices| {
        let count = prices.len() as f32;
        let share = share_below(price, prices).unwrap_or(parent);
        (count * share + SHRINKAGE * parent) / (count + SHRINKAGE)
    })
}

/// The share of `prices` below `price`, equal ones by half.
fn share_below(price: f32, prices: &[f32]) -> Option<f32> {
    let below = prices.partition_point(|other| *other < price - 1e-5);
    let up_to = prices.partition_point(|other| *other <= price + 1e-5);
    (!prices.is_empty()).then(|| (below + up_to) as f32 / (2 * prices.len()) as f32)
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    fn usd() -> Currency {
        "USD".parse().unwrap()
    }

    #[test]
    fn a_pack_is_priced_by_the_piece_and_a_price_of_zero_not_at_all() {
        let six = Attribute::new(AttributeKind::Pieces, 6.0, super::super::Origin::Title);
        let price = |minor| Money { minor, currency: usd() };
        let by_piece = unit_price(price(1200), six).unwrap();
        assert!((by_piece - 2f32.ln()).abs() < 1e-6);
        assert_eq!(unit_price(price(0), six), None);
    }

    #[test]
    fn a_small_leaf_leans_on_its_parent_and_a_large_one_does_not() {
        let parent: Vec<f32> = (0..100).map(|at| at as f32).collect();
        let at = |count: u32| {
            let leaf: Vec<f32> = (0..count).map(|at| 90.0 + at as f32 / count as f32).collect();
            position(90.5, [&leaf[..], &parent[..]].into_iter())
        };
        assert!(
            at(2) > 0.75 && at(2) > at(20) && at(20) > at(100) && (at(100) - 0.5).abs() < 0.12,
            "{} {} {}",
            at(2),
            at(20),
            at(100)
        );
        assert_eq!(position(1.0, std::iter::empty()), 0.5);
    }

    proptest! {
        #[test]
        fn a_dearer_product_never_stands_lower(prices in prop::collection::vec(0.1f32..10.0, 1..400), a in 0.1f32..10.0, b in 0.1f32..10.0) {
            let groups = price_groups(prices.iter().map(|price| (vec![3], usd(), *price)));
            prop_assert_eq!(groups.len(), 2);
            let at = |price: f32| position(price, groups.iter().map(|group| &group.prices[..]));
            prop_assert!(at(a.min(b)) <= at(a.max(b)));
            prop_assert!((0.0..=1.0).contains(&at(a)) && tier(at(a)) < NUM_TIERS);
        }
    }
}
