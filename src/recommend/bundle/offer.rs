//! What a set costs, and the largest discount that leaves the shop its margin.

use serde::Serialize;
use utoipa::ToSchema;

use super::settings::BundleConfig;
use crate::catalog::{Currency, Money, Product};

/// What a set is sold for.
#[derive(Debug, Clone, PartialEq, Serialize, ToSchema)]
pub struct BundleOffer {
    /// Every product of the set, what it starts from first; one piece of each.
    pub products: Vec<String>,
    /// What they cost one by one; `null` where one has no price above 0, or not in the currency of the others.
    #[schema(value_type = Option<String>, example = "158.82 USD")]
    pub price: Option<Money>,
    /// The proposed discount on that, as a share in whole percents; 0 where none is proposed.
    #[schema(example = 0.15)]
    pub discount: f64,
    /// The price after the discount.
    #[schema(value_type = Option<String>, example = "135.00 USD")]
    pub discounted_price: Option<Money>,
    /// By how much that is more than what the set starts from costs, as a share of it.
    #[schema(example = 0.35)]
    pub order_value_rise: Option<f64>,
    /// Share of the discounted price that is left after `cost_of_goods_sold`; `null` where a cost is not known, and over HTTP without a trace.
    #[schema(example = 0.48)]
    pub margin: Option<f64>,
    /// Why no discount is proposed; `null` where one is.
    pub no_discount_because: Option<NoDiscount>,
    /// Products whose `cost_of_goods_sold` is not known, or not in the currency of their price.
    pub without_cost: Vec<String>,
    /// Kinds of things that were asked for and that nothing in stock is of.
    pub missing_types: Vec<String>,
}

/// Why no discount is proposed.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, ToSchema)]
#[serde(rename_all = "snake_case")]
pub enum NoDiscount {
    /// Nothing completes the set.
    NoSet,
    /// A product has no price above 0.
    NoPrice,
    /// Prices are in several currencies.
    Currencies,
    /// A product's cost is not known, so nobody can tell what a discount leaves.
    NoCosts,
    /// Even 1 % leaves less than the margin floor, or less profit than without the set.
    Margin,
    /// Even with 1 % off the order's value does not rise enough.
    OrderValue,
    /// The settings allow none.
    Settings,
}

/// A product of a set with its price of now.
pub(in crate::recommend) struct Priced {
    pub product: Product,
    pub price: Option<Money>,
}

impl Priced {
    /// What the shop paid, in the currency of the price.
    fn cost(&self) -> Option<i64> {
        let price = self.price?;
        self.product.cost_of_goods_sold.filter(|cost| cost.currency == price.currency).map(|cost| cost.minor)
    }
}

/// What a set is worth, in minor units of one currency.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
struct Worth {
    /// Prices of what it starts from.
    start: i128,
    /// Prices of all.
    all: i128,
    /// Costs of what was added.
    added_cost: i128,
    /// Costs of all.
    cost: i128,
}

impl Worth {
    /// The price with `percent` off, to the nearest minor unit.
    fn discounted(&self, percent: i128) -> i128 {
        (self.all * (100 - percent) + 50) / 100
    }

    /// The largest discount in whole percents, at most that of the settings, that leaves the margin floor, no less profit than what the set
    /// starts from alone, and the rise of the order's value.
    fn discount(&self, config: &BundleConfig) -> Result<i128, NoDiscount> {
        let most = (config.max_discount * 100.0 + 1e-9) as i128;
        let leaves_margin = |price: i128| {
            let floor = config.margin_floor * price as f64;
            (price - self.cost) as f64 >= floor - 1e-6 && price - self.added_cost >= self.start
        };
        let rises = |price: i128| price as f64 >= self.start as f64 * (1.0 + config.min_rise) - 1e-6;
        let is_right = |percent: &i128| leaves_margin(self.discounted(*percent)) && rises(self.discounted(*percent));
        match (1..=most).rev().find(is_right) {
            Some(percent) => Ok(percent),
            None if most == 0 => Err(NoDiscount::Settings),
            None if !leaves_margin(self.discounted(1)) => Err(NoDiscount::Margin),
            None => Err(NoDiscount::OrderValue),
        }
    }
}

impl BundleOffer {
    /// The offer for a set that starts from `start` and is completed by `added`.
    pub(in crate::recommend) fn of(
        start: &[Priced],
        added: &[Priced],
        missing_types: Vec<String>,
        config: &BundleConfig,
    ) -> Self {
        let all = || start.iter().chain(added);
        let without_cost = all().filter(|part| part.cost().is_none());
        let mut offer = Self {
            products: all().map(|part| part.product.id.as_str().to_owned()).collect(),
            price: None,
            discount: 0.0,
            discounted_price: None,
            order_value_rise: None,
            margin: None,
            no_discount_because: None,
            without_cost: without_cost.map(|part| part.product.id.as_str().to_owned()).collect(),
            missing_types,
        };
        match summed(start, added) {
            Ok((currency, start, sum)) => offer.price_at(currency, (start, sum), added, all(), config),
            Err(why) => offer.no_discount_because = Some(why),
        }
        offer
    }

    /// Fills in what the prices of the start and of all allow.
    fn price_at<'p>(
        &mut self,
        currency: Currency,
        (start, sum): (i128, i128),
        added: &[Priced],
        all: impl Iterator<Item = &'p Priced>,
        config: &BundleConfig,
    ) {
        let money = |minor: i128| Some(Money { minor: i64::try_from(minor).unwrap_or(i64::MAX), currency });
        let known = costs(added.iter()).zip(costs(all));
        let worth = known.map(|(added_cost, cost)| Worth { start, all: sum, added_cost, cost });
        let found = worth.ok_or(NoDiscount::NoCosts).and_then(|worth| worth.discount(config));
        let percent = found.unwrap_or(0);
        let price = Worth { start, all: sum, added_cost: 0, cost: 0 }.discounted(percent);
        self.price = money(sum);
        self.discount = percent as f64 / 100.0;
        self.discounted_price = money(price);
        self.order_value_rise = Some(price as f64 / start as f64 - 1.0);
        self.margin = worth.map(|worth| 1.0 - worth.cost as f64 / price as f64);
        self.no_discount_because = found.err();
    }
}

/// The sum of the costs; `None` where one is not known.
fn costs<'p>(parts: impl Iterator<Item = &'p Priced>) -> Option<i128> {
    parts.map(|part| part.cost().map(i128::from)).sum()
}

/// The currency, and the prices of the start and of all.
fn summed(start: &[Priced], added: &[Priced]) -> Result<(Currency, i128, i128), NoDiscount> {
    let currency = start.iter().find_map(|part| part.price).map(|price| price.currency).ok_or(NoDiscount::NoPrice)?;
    if added.is_empty() {
        return Err(NoDiscount::NoSet);
    }
    let sum = |parts: &[Priced]| -> Result<i128, NoDiscount> {
        parts.iter().try_fold(0, |sum, part| match part.price {
            Some(price) if price.currency != currency => Err(NoDiscount::Currencies),
            Some(price) if price.minor > 0 => Ok(sum + i128::from(price.minor)),
            _ => Err(NoDiscount::NoPrice),
        })
    };
    let start = sum(start)?;
    Ok((currency, start, start + sum(added)?))
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn part(price: &str, cost: &str) -> Priced {
        let product = serde_json::json!({"id": format!("{price}/{cost}"), "title": "t", "price": Some(price).filter(|p| !p.is_empty()),
            "cost_of_goods_sold": Some(cost).filter(|c| !c.is_empty())});
        Priced { product: serde_json::from_value(product).unwrap(), price: price.parse().ok() }
    }

    fn offer(start: &[(&str, &str)], added: &[(&str, &str)], config: &BundleConfig) -> BundleOffer {
        let parts = |list: &[(&str, &str)]| list.iter().map(|(price, cost)| part(price, cost)).collect::<Vec<_>>();
        BundleOffer::of(&parts(start), &parts(added), Vec::new(), config)
    }

    #[test]
    fn fifteen_percent_off_for_an_order_worth_thirty_five_percent_more() {
        let config = BundleConfig::default();
        let found =
            offer(&[("100.00 USD", "50.00 USD")], &[("40.00 USD", "14.00 USD"), ("18.82 USD", "6.00 USD")], &config);
        assert_eq!(found.price.unwrap().to_string(), "158.82 USD");
        assert_eq!((found.discount, found.discounted_price.unwrap().to_string()), (0.15, "135.00 USD".to_owned()));
        assert!((found.order_value_rise.unwrap() - 0.35).abs() < 1e-9, "{found:?}");
        // 65 of 135 are left.
        assert!((found.margin.unwrap() - 65.0 / 135.0).abs() < 1e-9 && found.no_discount_because.is_none());
        // A dearer start leaves less room: 15 % would lift the order by less.
        let less =
            offer(&[("110.00 USD", "50.00 USD")], &[("40.00 USD", "14.00 USD"), ("18.82 USD", "6.00 USD")], &config);
        assert_eq!((less.discount, less.order_value_rise.unwrap() >= 0.35), (0.12, true), "{less:?}");
        // What costs nearly what it is sold for is given no discount.
        let thin = offer(&[("100.00 USD", "79.00 USD")], &[("59.00 USD", "48.00 USD")], &config);
        assert_eq!((thin.discount, thin.no_discount_because), (0.0, Some(NoDiscount::Margin)));
    }

    #[test]
    fn without_costs_prices_or_one_currency_no_discount_is_proposed_and_the_offer_says_so() {
        let config = BundleConfig::default();
        let start = [("100.00 USD", "10.00 USD")];
        let why = |start: &[(&str, &str)], added: &[(&str, &str)]| {
            let found = offer(start, added, &config);
            assert_eq!(found.discount, 0.0);
            (found.no_discount_because, found.price.is_some())
        };
        assert_eq!(why(&start, &[("60.00 USD", "")]), (Some(NoDiscount::NoCosts), true));
        assert_eq!(why(&start, &[("60.00 USD", "9.00 EUR")]), (Some(NoDiscount::NoCosts), true));
        assert_eq!(why(&start, &[("60.00 EUR", "9.00 EUR")]), (Some(NoDiscount::Currencies), false));
        for (price, cost) in [("", "1.00 USD"), ("0.00 USD", "0.00 USD")] {
            assert_eq!(why(&start, &[(price, cost)]), (Some(NoDiscount::NoPrice), false));
            assert_eq!(why(&[(price, cost)], &[("60.00 USD", "9.00 USD")]).0, Some(NoDiscount::NoPrice));
        }
        assert_eq!(why(&start, &[]), (Some(NoDiscount::NoSet), false));
        assert_eq!(why(&start, &[("20.00 USD", "1.00 USD")]), (Some(NoDiscount::OrderValue), true));
        let none = offer(&start, &[("60.00 USD", "9.00 USD")], &BundleConfig { max_discount: 0.0, ..config.clone() });
        assert_eq!(none.no_discount_because, Some(NoDiscount::Settings));
        let lacking = offer(&start, &[("60.00 USD", "")], &config);
        assert_eq!((lacking.without_cost, lacking.margin), (vec!["60.00 USD/".to_owned()], None));
    }

    proptest! {
        #[test]
        fn a_discount_keeps_the_floor_the_profit_and_the_rise_and_a_percent_more_would_not(
            start in 1i64..50_000, start_cost in 0i64..50_000, added in 1i64..50_000, added_cost in 0i64..50_000,
            floor in 0.0f64..0.6, rise in 0.0f64..0.6, most in 0u32..40,
        ) {
            let config = BundleConfig {
                max_discount: f64::from(most) / 100.0, margin_floor: floor, min_rise: rise, ..BundleConfig::default()
            };
            let text = |minor: i64| format!("{}.{:02} USD", minor / 100, minor % 100);
            let found = offer(&[(&text(start), &text(start_cost))], &[(&text(added), &text(added_cost))], &config);
            // In amounts, not in minor units, and by the formulas of a margin and a profit.
            let (s, sc, a, ac) = (start as f64 / 100.0, start_cost as f64 / 100.0, added as f64 / 100.0, added_cost as f64 / 100.0);
            let is_right = |discount: f64, slack: f64| {
                let price = (s + a) * (1.0 - discount);
                (price - sc - ac) / price >= floor - slack / price
                    && price - sc - ac >= s - sc - slack
                    && price / s - 1.0 >= rise - slack / s
            };
            // A minor unit of rounding either way.
            if found.discount > 0.0 {
                prop_assert!(found.discount <= config.max_discount + 1e-9 && is_right(found.discount, 0.011));
            }
            let more = found.discount + 0.01;
            prop_assert!(more > config.max_discount + 1e-9 || !is_right(more, -0.011), "{found:?}");
        }
    }
}
