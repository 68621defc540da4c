//! A record of any dialect under Merchant Center's names, still as text, and how it becomes a [`Product`].

use std::collections::BTreeMap;

use super::header::canonical_name;
use super::money::{Currency, Money};
use super::price::parse_price;
use super::product::{Availability, CategoryPath, Product, ProductId, ProductIdError, RelatedProduct, Relationship};
use super::reject::{RejectCode, WarningCode};
use super::sale_dates::SalePeriod;
use super::settings::CatalogConfig;
use super::text::{plain_text, single_spaced};

/// Longest quotation of a bad value in a message, in characters.
const MAX_QUOTED_CHARS: usize = 60;

/// A record of a feed: values by canonical name, and what has more structure than a text.
#[derive(Debug, Default)]
pub(super) struct Draft {
    /// 1-based number of the line where the record starts.
    pub(super) row: u64,
    /// Values by canonical name, in feed order.
    pub(super) fields: BTreeMap<String, Vec<String>>,
    /// Category paths that the feed gives as lists.
    pub(super) categories: Vec<CategoryPath>,
    /// Google's category where the feed gives it as a list.
    pub(super) google_category: CategoryPath,
    /// Names and values of `product_detail`.
    pub(super) details: Vec<(String, String)>,
    pub(super) related: Vec<RelatedDraft>,
}

/// An entry of `related_product`, not yet checked.
#[derive(Debug)]
pub(super) struct RelatedDraft {
    pub(super) relationship: String,
    /// `id` or `gtin`; empty means `id`.
    pub(super) identifier_type: String,
    pub(super) identifier: String,
}

/// What is wrong with a record.
#[derive(Debug)]
pub(super) struct Fault {
    pub(super) field: String,
    pub(super) code: RejectCode,
    pub(super) message: String,
}

/// A product with what could not be settled from its record alone.
#[derive(Debug)]
pub(super) struct Built {
    pub(super) product: Product,
    /// Related products named by their GTIN.
    pub(super) related_by_gtin: Vec<(Relationship, String)>,
    pub(super) warnings: Vec<(WarningCode, String)>,
}

/// What a record is read with.
pub(super) struct Reading<'a> {
    pub(super) config: &'a CatalogConfig,
    pub(super) currency: Option<Currency>,
    /// Sale prices outside their period at this time are dropped; `None` keeps them all.
    pub(super) now: Option<jiff::Timestamp>,
}

impl Draft {
    pub(super) fn new(row: u64) -> Self {
        Self { row, ..Self::default() }
    }

    /// Adds a value unless it is empty.
    pub(super) fn add(&mut self, name: &str, value: impl Into<String>) {
        let value = value.into();
        if !value.trim().is_empty() && !name.is_empty() {
            self.fields.entry(name.to_owned()).or_default().push(value);
        }
    }

    /// The record's id as it stands in the feed.
    pub(super) fn id(&self) -> Option<String> {
        self.fields.get("id")?.first().map(|id| id.trim().to_owned())
    }

    /// Takes the first value of a field that holds one.
    fn take(&mut self, name: &str) -> Option<String> {
        self.fields.remove(name)?.into_iter().next()
    }

    /// Turns the record into a product. The fault is the first that was found.
    pub(super) fn build(mut self, reading: &Reading) -> Result<Built, Fault> {
        let config = reading.config;
        let mut warnings = Vec::new();
        let id = self.product_id()?;
        let title = self.take("title").map(|title| plain_text(&title)).filter(|title| !title.is_empty());
        let title =
            title.ok_or_else(|| fault("title", RejectCode::MissingTitle, "the record has no title; give it one"))?;
        check_length("title", &title, config.max_title_bytes)?;
        let description = self.take("description").map(|text| plain_text(&text)).unwrap_or_default();
        check_length("description", &description, config.max_description_bytes)?;
        let availability = self.availability()?;
        let prices = self.prices(reading, &mut warnings)?;
        let (related_product, related_by_gtin) = self.related_products(&mut warnings);
        let product_type = self.product_types();
        let google_product_category = self.google_product_category();
        let mut link = |name: &str| self.take(name).map(|link| link.trim().to_owned());
        let (link, image_link) = (link("link"), link("image_link"));
        let mut text = |name: &str| self.take(name).map(|text| plain_text(&text)).filter(|text| !text.is_empty());
        let (brand, gtin, mpn, item_group_id) = (text("brand"), text("gtin"), text("mpn"), text("item_group_id"));
        let product = Product {
            id,
            title,
            description,
            link,
            image_link,
            availability,
            price: prices.price,
            sale_price: prices.sale_price,
            cost_of_goods_sold: prices.cost,
            brand,
            gtin,
            mpn,
            product_type,
            google_product_category,
            item_group_id,
            related_product,
            attributes: self.attributes(config)?,
        };
        check_lengths(&product, config.max_field_bytes)?;
        Ok(Built { product, related_by_gtin, warnings })
    }

    fn product_id(&mut self) -> Result<ProductId, Fault> {
        let id = self.take("id").unwrap_or_default();
        ProductId::new(id.trim()).map_err(|error| match error {
            ProductIdError::Empty => fault("id", RejectCode::MissingId, "the record has no id; give it one"),
            other => fault("id", RejectCode::BadId, format!("{other}; choose a shorter plain id")),
        })
    }

    fn availability(&mut self) -> Result<Availability, Fault> {
        self.take("availability").map_or(Ok(Availability::InStock), |text| parse_availability(&text))
    }

    fn prices(&mut self, reading: &Reading, warnings: &mut Vec<(WarningCode, String)>) -> Result<Prices, Fault> {
        let named = self.take("currency").map(|code| code.parse::<Currency>());
        let named = named.transpose().map_err(|error| fault("currency", RejectCode::BadPrice, error.to_string()))?;
        let currency = named.or(reading.currency);
        let mut read = |name: &str| {
            let text = self.take(name);
            let price = text.map(|text| parse_price(&text, currency)).transpose();
            price.map_err(|error| fault(name, RejectCode::BadPrice, error.to_string()))
        };
        let (price, sale_price, cost) = (read("price")?, read("sale_price")?, read("cost_of_goods_sold")?);
        if let (Some(price), Some(sale)) = (price, sale_price) {
            if price.currency != sale.currency {
                let message = format!("the sale price is {sale} but the price {price}; use one currency");
                return Err(fault("sale_price", RejectCode::BadPrice, message));
            }
            if sale.minor > price.minor {
                let message = format!("the sale price {sale} is above the price {price} and was left out");
                warnings.push((WarningCode::SaleAbovePrice, message));
            }
        }
        let is_in_force = sale_price.is_none() || self.is_sale_in_force(reading.now, warnings);
        let is_reduced = |sale: &Money| price.is_none_or(|price| sale.minor <= price.minor);
        Ok(Prices { price, sale_price: sale_price.filter(|sale| is_in_force && is_reduced(sale)), cost })
    }

    fn is_sale_in_force(&self, now: Option<jiff::Timestamp>, warnings: &mut Vec<(WarningCode, String)>) -> bool {
        let dates = self.fields.get("sale_price_effective_date").and_then(|values| values.first());
        let Some(dates) = dates else { return true };
        let Some(period) = SalePeriod::parse(dates) else {
            let message = format!("`{}` is no period such as 2026-11-01T00:00Z/2026-11-30T23:59Z", quoted(dates));
            warnings.push((WarningCode::BadSaleDates, message));
            return true;
        };
        now.is_none_or(|now| period.contains(now))
    }

    fn related_products(
        &mut self,
        warnings: &mut Vec<(WarningCode, String)>,
    ) -> (Vec<RelatedProduct>, Vec<(Relationship, String)>) {
        let (mut by_id, mut by_gtin) = (Vec::new(), Vec::new());
        for entry in std::mem::take(&mut self.related) {
            let relationship = serde_json::from_value(canonical_name(&entry.relationship).into());
            let id = ProductId::new(entry.identifier.trim());
            match (relationship, entry.identifier_type.to_ascii_lowercase().as_str(), id) {
                (Ok(relationship), "gtin", Ok(gtin)) => by_gtin.push((relationship, gtin.into())),
                (Ok(relationship), "" | "id", Ok(id)) => by_id.push(RelatedProduct { relationship, id }),
                _ => {
                    let entry = [entry.relationship, entry.identifier_type, entry.identifier].join(":");
                    let message = format!("`{}` is no relationship_type:identifier_type:identifier", quoted(&entry));
                    warnings.push((WarningCode::BadRelatedProduct, message));
                }
            }
        }
        (by_id, by_gtin)
    }

    fn product_types(&mut self) -> Vec<CategoryPath> {
        let listed = std::mem::take(&mut self.categories);
        let named = self.fields.remove("product_type").unwrap_or_default();
        let named = named.iter().map(|path| split_category(path));
        let mut paths: Vec<CategoryPath> = Vec::new();
        for path in listed.iter().map(|path| clean_path(path)).chain(named) {
            if !path.is_empty() && !paths.contains(&path) {
                paths.push(path);
            }
        }
        paths
    }

    fn google_product_category(&mut self) -> CategoryPath {
        let named = self.take("google_product_category");
        let listed = clean_path(&std::mem::take(&mut self.google_category));
        if listed.is_empty() { named.map(|path| split_category(&path)).unwrap_or_default() } else { listed }
    }

    fn attributes(&mut self, config: &CatalogConfig) -> Result<BTreeMap<String, Vec<String>>, Fault> {
        let mut attributes: BTreeMap<String, Vec<String>> = BTreeMap::new();
        let details = std::mem::take(&mut self.details).into_iter().map(|(name, value)| (canonical_name(&name), value));
        let fields = std::mem::take(&mut self.fields).into_iter();
        let fields = fields.flat_map(|(name, values)| values.into_iter().map(move |value| (name.clone(), value)));
        for (name, value) in fields.chain(details) {
            let value = if is_link(&name, &value) { single_spaced(&value) } else { plain_text(&value) };
            check_length(&name, &value, config.max_field_bytes)?;
            if value.is_empty() || name.is_empty() {
                continue;
            }
            let values = attributes.entry(name).or_default();
            if !values.contains(&value) {
                values.push(value);
            }
        }
        if attributes.len() > config.max_attributes {
            let message =
                format!("the record has {} attributes, at most {} are read", attributes.len(), config.max_attributes);
            return Err(fault("record", RejectCode::TooManyFields, message));
        }
        Ok(attributes)
    }
}

/// Merchant Center's four values, and other exports' words for them.
pub(super) fn parse_availability(text: &str) -> Result<Availability, Fault> {
    let name = text.trim().rsplit('/').next().unwrap_or_default();
    match canonical_name(name).as_str() {
        "in_stock" | "instock" | "available" | "available_for_order" | "limited_availability" => {
            Ok(Availability::InStock)
        }
        "out_of_stock" | "outofstock" | "sold_out" | "discontinued" => Ok(Availability::OutOfStock),
        "preorder" | "pre_order" => Ok(Availability::Preorder),
        "backorder" | "back_order" => Ok(Availability::Backorder),
        _ => {
            let message = format!("`{}` is not in_stock, out_of_stock, preorder or backorder", quoted(text));
            Err(fault("availability", RejectCode::BadAvailability, message))
        }
    }
}

struct Prices {
    price: Option<Money>,
    sale_price: Option<Money>,
    cost: Option<Money>,
}

/// Splits `A > B > C` into its names; the entities of an escaped path are decoded first. `/` is part of a name.
pub(super) fn split_category(path: &str) -> CategoryPath {
    plain_text(path).split('>').map(str::trim).filter(|name| !name.is_empty()).map(str::to_owned).collect()
}

fn clean_path(path: &[String]) -> CategoryPath {
    path.iter().map(|name| plain_text(name)).filter(|name| !name.is_empty()).collect()
}

/// Links keep their `&` and `<` as they are.
fn is_link(name: &str, value: &str) -> bool {
    name.ends_with("link") || value.starts_with("http://") || value.starts_with("https://")
}

fn check_lengths(product: &Product, max_bytes: usize) -> Result<(), Fault> {
    let single = [
        ("link", &product.link),
        ("image_link", &product.image_link),
        ("brand", &product.brand),
        ("gtin", &product.gtin),
        ("mpn", &product.mpn),
        ("item_group_id", &product.item_group_id),
    ];
    for (name, value) in single {
        check_length(name, value.as_deref().unwrap_or(""), max_bytes)?;
    }
    let paths = product.product_type.iter().map(|path| ("product_type", path));
    for (name, path) in paths.chain([("google_product_category", &product.google_product_category)]) {
        check_length(name, &path.concat(), max_bytes)?;
    }
    Ok(())
}

fn check_length(field: &str, value: &str, max_bytes: usize) -> Result<(), Fault> {
    if value.len() <= max_bytes {
        return Ok(());
    }
    let message = format!("the value has {} bytes, at most {max_bytes} are allowed; shorten it", value.len());
    Err(fault(field, RejectCode::FieldTooLong, message))
}

fn fault(field: &str, code: RejectCode, message: impl Into<String>) -> Fault {
    Fault { field: field.to_owned(), code, message: message.into() }
}

fn quoted(value: &str) -> String {
    single_spaced(value).chars().take(MAX_QUOTED_CHARS).collect()
}
