//! A product as Shopify's storefront shows it, so that a theme can switch by changing one address.

use serde::Serialize;
use utoipa::ToSchema;

use crate::catalog::{Availability, Product};

/// The answer of `recommendations/products.json`.
#[derive(Debug, Serialize, ToSchema)]
#[schema(example = json!({"products": [{
    "id": "20914", "title": "Set/5 Red Retrospot Lid Glass Bowls", "handle": "20914", "vendor": null, "type": null,
    "price": 295, "compare_at_price": null, "currency": "GBP", "available": true, "url": null, "featured_image": null,
}]}))]
pub(super) struct ShopifyResponse {
    /// The products, best first.
    pub(super) products: Vec<ShopifyProduct>,
}

/// One product in Shopify's words.
#[derive(Debug, Serialize, ToSchema)]
pub(super) struct ShopifyProduct {
    /// The product's id in the feed.
    id: String,
    /// Its title.
    title: String,
    /// The family: what Shopify calls the handle that its variants share.
    handle: String,
    /// Brand or vendor.
    vendor: Option<String>,
    /// The leaf category.
    #[serde(rename = "type")]
    kind: Option<String>,
    /// What a shopper pays, in minor units of `currency`.
    price: Option<i64>,
    /// The regular price while a lower one is in force, in minor units of `currency`.
    compare_at_price: Option<i64>,
    /// ISO 4217 code of both prices.
    currency: Option<String>,
    /// Whether it can be ordered now.
    available: bool,
    /// The product's page.
    url: Option<String>,
    /// The main image.
    featured_image: Option<String>,
}

impl From<Product> for ShopifyProduct {
    fn from(product: Product) -> Self {
        let price = product.effective_price();
        let is_reduced = product.sale_price.is_some();
        Self {
            title: product.title.clone(),
            handle: product.family().to_owned(),
            kind: product.main_category().last().cloned(),
            price: price.map(|price| price.minor),
            compare_at_price: product.price.filter(|_| is_reduced).map(|price| price.minor),
            currency: price.map(|price| price.currency.code().to_owned()),
            available: product.availability != Availability::OutOfStock,
            id: product.id.into(),
            vendor: product.brand,
            url: product.link,
            featured_image: product.image_link,
        }
    }
}
