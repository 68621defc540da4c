//! What a cart is worth, and what that says of an add-on's price.

use super::settings::CrossSellConfig;
use crate::catalog::{Currency, Money};
use crate::live::View;
use crate::rank::RowId;
use crate::recommend::query::Query;

/// How many times the gap to free delivery a product may cost that closes it.
const MAX_GAPS: i64 = 2;

/// What is known of a cart's value.
#[derive(Debug, Clone, Copy, PartialEq)]
pub(in crate::recommend) struct Basket {
    currency: Currency,
    /// In minor units, above 0.
    value: i64,
    /// What is missing to free delivery, above 0; `None` where nothing is, or nobody says from when on it is free.
    gap: Option<i64>,
}

impl Basket {
    /// Adds up `starts`, in the currency of the first that has a price above 0; `None` where none has. What is looked at counts as if it were
    /// in the cart, but not for the gap.
    pub(in crate::recommend) fn of(view: &View, query: &Query, starts: &[RowId], cart: &[RowId]) -> Option<Self> {
        let price = |row: RowId| view.price(row).filter(|price| price.minor > 0);
        let currency = starts.iter().find_map(|&row| price(row))?.currency;
        let pieces = |row: RowId| view.id(row).and_then(|id| query.quantities.get(id)).copied().unwrap_or(1);
        let worth = |&row: &RowId| {
            let price = price(row).filter(|price| price.currency == currency)?;
            Some(price.minor.saturating_mul(i64::from(pieces(row))))
        };
        let sum = |rows: &[RowId]| rows.iter().filter_map(worth).fold(0, i64::saturating_add);
        let threshold = query.free_shipping_over.filter(|over| over.currency == currency);
        let gap = threshold.map(|over| over.minor.saturating_sub(sum(cart))).filter(|gap| *gap > 0 && !cart.is_empty());
        Some(Self { currency, value: sum(starts), gap })
    }

    /// Whether a product of this price brings the cart to free delivery without costing more than twice what is missing.
    pub(in crate::recommend) fn closes_gap(&self, price: Option<Money>) -> bool {
        let Some((price, gap)) = price.filter(|price| price.currency == self.currency).zip(self.gap) else {
            return false;
        };
        (gap..=gap.saturating_mul(MAX_GAPS)).contains(&price.minor)
    }

    /// What is missing to free delivery.
    pub(in crate::recommend) fn gap(&self) -> Option<Money> {
        self.gap.map(|minor| Money { minor, currency: self.currency })
    }

    /// The factor of a score by the product's price: 1 for what is in proportion to the cart, or closes the gap to free delivery, less the
    /// dearer it is, never below the floor, which a price in another currency has: nobody pays in two. Without a price nothing is said.
    pub(in crate::recommend) fn factor(&self, price: Option<Money>, config: &CrossSellConfig) -> f32 {
        let Some(price) = price.filter(|price| price.minor > 0) else { return 1.0 };
        if price.currency != self.currency {
            return config.addon_floor;
        }
        if self.closes_gap(Some(price)) {
            return config.gap_factor;
        }
        let proportion = config.addon_share * self.value as f64 / price.minor as f64;
        (proportion as f32).clamp(config.addon_floor, 1.0)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_add_on_counts_less_the_dearer_it_is_never_below_the_floor_and_more_where_it_closes_the_gap() {
        let money = |text: &str| Some(text.parse::<Money>().unwrap());
        let config =
            CrossSellConfig { addon_share: 0.5, addon_floor: 0.4, gap_factor: 1.5, ..CrossSellConfig::default() };
        let currency = money("1.00 USD").unwrap().currency;
        let basket = Basket { currency, value: 10_000, gap: None };
        let factor = |price| basket.factor(price, &config);
        assert_eq!(factor(money("10.00 USD")), 1.0);
        assert_eq!(factor(money("50.00 USD")), 1.0);
        assert_eq!(factor(money("100.00 USD")), 0.5);
        assert_eq!(factor(money("9999.00 USD")), 0.4);
        for nothing in [None, money("0.00 USD")] {
            assert_eq!(factor(nothing), 1.0);
        }
        assert_eq!(factor(money("1.00 EUR")), 0.4);
        let near = Basket { gap: Some(2_000), ..basket };
        assert!(near.closes_gap(money("20.00 USD")) && near.closes_gap(money("40.00 USD")));
        assert!(!near.closes_gap(money("19.99 USD")) && !near.closes_gap(money("40.01 USD")));
        assert!(
            !near.closes_gap(money("20.00 EUR")) && !near.closes_gap(None) && !basket.closes_gap(money("20.00 USD"))
        );
        assert_eq!((near.factor(money("25.00 USD"), &config), near.gap()), (1.5, money("20.00 USD")));
    }
}
