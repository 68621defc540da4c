//! What of a product changes from hour to hour: prices, stock and labels, and how a change of it is applied.
//!
//! A change is applied in one way, whether it becomes visible at once or is folded into a build: [`OfferPatch::applied_to`].

use std::collections::BTreeMap;
use std::sync::Arc;

use serde::{Deserialize, Deserializer, Serialize};

use super::money::Money;
use super::product::{Availability, Product};

/// The attributes that a shop labels its products with (Merchant Center's `custom_label_0` to `custom_label_4`).
pub const LABELS: [&str; 5] =
    ["custom_label_0", "custom_label_1", "custom_label_2", "custom_label_3", "custom_label_4"];

/// The part of a [`Product`] that a shop changes without touching its text.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Offer {
    /// Regular price.
    pub price: Option<Money>,
    /// Reduced price, in force now; never above `price`.
    pub sale_price: Option<Money>,
    /// Whether it can be bought now.
    pub availability: Availability,
    /// Values by place in [`LABELS`]; `None` when there are none.
    labels: Option<Arc<BTreeMap<u8, Vec<String>>>>,
}

impl Offer {
    /// The offer of `product`.
    pub fn of(product: &Product) -> Self {
        let value = |(place, name): (u8, &&str)| Some((place, product.attributes.get(*name)?.clone()));
        let labels: BTreeMap<u8, Vec<String>> = (0..).zip(&LABELS).filter_map(value).collect();
        Self {
            price: product.price,
            sale_price: product.sale_price,
            availability: product.availability,
            labels: (!labels.is_empty()).then(|| Arc::new(labels)),
        }
    }

    /// Puts the offer into `product`, whose other fields stay.
    pub fn put_into(&self, product: &mut Product) {
        product.price = self.price;
        product.sale_price = self.sale_price;
        product.availability = self.availability;
        for (place, name) in (0..).zip(LABELS) {
            match self.labels.as_ref().and_then(|labels| labels.get(&place)) {
                Some(values) => product.attributes.insert(name.to_owned(), values.clone()),
                None => product.attributes.remove(name),
            };
        }
    }

    /// What a shopper pays now: the sale price where there is one, else the price.
    pub fn effective_price(&self) -> Option<Money> {
        self.sale_price.or(self.price)
    }

    /// The labels' names and values.
    pub fn labels(&self) -> impl Iterator<Item = (&'static str, &str)> {
        let labels = self.labels.iter().flat_map(|labels| labels.iter());
        let named = labels.filter_map(|(place, values)| Some((*LABELS.get(usize::from(*place))?, values)));
        named.flat_map(|(name, values)| values.iter().map(move |value| (name, value.as_str())))
    }
}

/// A change of a product's offer. What it does not name stays as it is.
#[derive(Debug, Clone, PartialEq, Eq, Default, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct OfferPatch {
    /// The new regular price.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub price: Option<Money>,
    /// The new reduced price; `Some(None)` ends the reduction.
    #[serde(default, skip_serializing_if = "Option::is_none", deserialize_with = "present")]
    pub sale_price: Option<Option<Money>>,
    /// Whether it can be bought now.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub availability: Option<Availability>,
    /// New values by place in [`LABELS`]; no values take the label away.
    #[serde(default, skip_serializing_if = "BTreeMap::is_empty")]
    pub labels: BTreeMap<u8, Vec<String>>,
}

/// A field that is there, `null` or not.
fn present<'de, D: Deserializer<'de>>(deserializer: D) -> Result<Option<Option<Money>>, D::Error> {
    Option::<Money>::deserialize(deserializer).map(Some)
}

impl OfferPatch {
    /// Whether it names no field.
    pub fn is_empty(&self) -> bool {
        *self == Self::default()
    }

    /// The offer after the change. A sale price that is then above the price, or in another currency, ends, as a build drops it.
    pub fn applied_to(&self, offer: &Offer) -> Offer {
        let price = self.price.or(offer.price);
        let sale_price = self.sale_price.unwrap_or(offer.sale_price).filter(|sale| is_reduction(*sale, price));
        let mut labels = offer.labels.as_deref().cloned().unwrap_or_default();
        labels.extend(self.labels.iter().map(|(place, values)| (*place, values.clone())));
        labels.retain(|_, values| !values.is_empty());
        Offer {
            price,
            sale_price,
            availability: self.availability.unwrap_or(offer.availability),
            labels: (!labels.is_empty()).then(|| Arc::new(labels)),
        }
    }

    /// Why the sale price that it names cannot stand beside the price that `offer` would then have; `None` when it can.
    pub fn conflict_with(&self, offer: &Offer) -> Option<String> {
        let sale = self.sale_price.flatten()?;
        let price = self.price.or(offer.price)?;
        if sale.currency != price.currency {
            Some(format!("the sale price is {sale} but the price {price}; use one currency"))
        } else if sale.minor > price.minor {
            Some(format!("the sale price {sale} is above the price {price}; lower it, or raise the price too"))
        } else {
            None
        }
    }
}

fn is_reduction(sale: Money, price: Option<Money>) -> bool {
    price.is_none_or(|price| price.currency == sale.currency && sale.minor <= price.minor)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn product() -> Product {
        serde_json::from_value(serde_json::json!({
            "id": "1", "title": "t", "price": "10.00 EUR", "sale_price": "8.00 EUR",
            "attributes": {"custom_label_1": ["new", "gift"], "color": ["red"]},
        }))
        .unwrap()
    }

    fn patch(json: serde_json::Value) -> OfferPatch {
        serde_json::from_value(json).unwrap()
    }

    #[test]
    fn an_offer_put_back_changes_nothing() {
        let (before, mut after) = (product(), product());
        Offer::of(&before).put_into(&mut after);
        assert_eq!(before, after);
    }

    #[test]
    fn a_patch_changes_what_it_names_and_null_takes_away() {
        let offer = Offer::of(&product());
        let changed =
            patch(serde_json::json!({"sale_price": null, "labels": {"1": [], "4": ["last"]}})).applied_to(&offer);
        assert_eq!((changed.price, changed.sale_price), (offer.price, None));
        assert_eq!(changed.labels().collect::<Vec<_>>(), [("custom_label_4", "last")]);
        let mut after = product();
        changed.put_into(&mut after);
        assert_eq!(after.attributes.keys().collect::<Vec<_>>(), ["color", "custom_label_4"]);
    }

    #[test]
    fn a_sale_price_that_is_no_reduction_ends() {
        let offer = Offer::of(&product());
        for price in ["7.00 EUR", "20.00 USD"] {
            let change = patch(serde_json::json!({"price": price}));
            assert_eq!(change.conflict_with(&offer), None, "the patch does not name the sale price");
            assert_eq!(change.applied_to(&offer).sale_price, None, "{price}");
        }
        assert!(patch(serde_json::json!({"sale_price": "11.00 EUR"})).conflict_with(&offer).unwrap().contains("above"));
        assert!(
            patch(serde_json::json!({"sale_price": "1.00 USD"})).conflict_with(&offer).unwrap().contains("currency")
        );
    }

    #[test]
    fn a_patch_survives_a_round_trip_and_keeps_null_apart_from_absence() {
        for json in
            [serde_json::json!({}), serde_json::json!({"sale_price": null}), serde_json::json!({"price": "1.00 EUR"})]
        {
            assert_eq!(serde_json::to_value(patch(json.clone())).unwrap(), json);
        }
    }
}
