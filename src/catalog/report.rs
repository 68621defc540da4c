//! What `kindred validate` tells about a feed: counts, faults with examples, and how well each field is filled.

use std::collections::{BTreeMap, HashSet};

use serde::Serialize;

use super::feed::{Dialect, Feed};
use super::product::Product;
use super::reject::{Reject, RejectCode, Warnings};
use super::source::Compression;
use super::template::TextTemplate;

/// Examples of each fault.
const MAX_EXAMPLES: usize = 3;

/// Attributes whose fill rate is listed, most filled first.
const MAX_LISTED_ATTRIBUTES: usize = 50;

/// Warnings that the report shows in full.
const MAX_LISTED_WARNINGS: usize = 10;

/// The findings on one feed.
#[derive(Debug, Clone, PartialEq, Serialize)]
pub struct FeedReport {
    /// The kind of export.
    pub dialect: Dialect,
    /// How the file is compressed.
    pub compression: Compression,
    /// Records read.
    pub num_rows: u64,
    /// Records that became products.
    pub num_products: u64,
    /// Rows of products that the shop does not offer.
    pub num_skipped: u64,
    /// Records left out.
    pub num_rejects: u64,
    /// Rejects as a share of products and rejects, from 0 to 1.
    pub reject_share: f64,
    /// Rejects by code, most frequent first.
    pub rejects: Vec<RejectSummary>,
    /// Warnings counted, with the first ones.
    pub warnings: Warnings,
    /// Records left out because their id came before.
    pub num_duplicate_ids: u64,
    /// Products whose embedded text is empty or their title alone.
    pub num_title_only_texts: u64,
    /// Products whose embedded text is empty.
    pub num_empty_texts: u64,
    /// Products whose embedded text another product has too.
    pub num_shared_texts: u64,
    /// Distinct families: products that share an `item_group_id` count once.
    pub num_families: u64,
    /// Distinct main categories, compared as whole paths.
    pub num_categories: u64,
    /// Products by the currency of the price that shoppers pay.
    pub currencies: BTreeMap<String, u64>,
    /// How well each field is filled: known fields in schema order, then attributes, most filled first.
    pub fields: Vec<FieldFill>,
}

/// One kind of fault with examples.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct RejectSummary {
    /// The fault.
    pub code: RejectCode,
    /// Records with it.
    pub count: u64,
    /// The first of them.
    pub examples: Vec<Reject>,
}

/// How many products have a value in a field.
#[derive(Debug, Clone, PartialEq, Serialize)]
pub struct FieldFill {
    /// The field's canonical name.
    pub field: String,
    /// Products with a value.
    pub num_filled: u64,
    /// Their share of all products, from 0 to 1.
    pub share: f64,
}

impl Feed {
    /// Sums the feed up; `template` says which text would be embedded.
    pub fn report(&self, template: &TextTemplate) -> FeedReport {
        let (num_products, num_rejects) = (self.products.len() as u64, self.rejects.len() as u64);
        let texts = text_counts(&self.products, template);
        let families: HashSet<&str> = self.products.iter().map(Product::family).collect();
        let categories: HashSet<&[String]> =
            self.products.iter().map(Product::main_category).filter(|p| !p.is_empty()).collect();
        let mut warnings = self.warnings.clone();
        warnings.examples.truncate(MAX_LISTED_WARNINGS);
        FeedReport {
            dialect: self.dialect,
            compression: self.compression,
            num_rows: self.num_rows,
            num_products,
            num_skipped: self.num_skipped,
            num_rejects,
            reject_share: share(num_rejects, num_rejects + num_products),
            rejects: summaries(&self.rejects),
            warnings,
            num_duplicate_ids: self.rejects.iter().filter(|reject| reject.code == RejectCode::DuplicateId).count()
                as u64,
            num_title_only_texts: texts.num_title_only,
            num_empty_texts: texts.num_empty,
            num_shared_texts: texts.num_shared,
            num_families: families.len() as u64,
            num_categories: categories.len() as u64,
            currencies: currencies(&self.products),
            fields: fills(&self.products),
        }
    }
}

fn share(part: u64, whole: u64) -> f64 {
    if whole == 0 { 0.0 } else { part as f64 / whole as f64 }
}

fn summaries(rejects: &[Reject]) -> Vec<RejectSummary> {
    let mut by_code: BTreeMap<RejectCode, RejectSummary> = BTreeMap::new();
    for reject in rejects {
        let empty = RejectSummary { code: reject.code, count: 0, examples: Vec::new() };
        let summary = by_code.entry(reject.code).or_insert(empty);
        summary.count += 1;
        if summary.examples.len() < MAX_EXAMPLES {
            summary.examples.push(reject.clone());
        }
    }
    let mut summaries: Vec<RejectSummary> = by_code.into_values().collect();
    summaries.sort_by(|a, b| b.count.cmp(&a.count).then(a.code.cmp(&b.code)));
    summaries
}

#[derive(Default)]
struct TextCounts {
    num_empty: u64,
    num_title_only: u64,
    num_shared: u64,
}

fn text_counts(products: &[Product], template: &TextTemplate) -> TextCounts {
    let mut counts = TextCounts::default();
    let mut seen: BTreeMap<[u8; 32], u64> = BTreeMap::new();
    for product in products {
        let text = template.render(product);
        counts.num_empty += u64::from(text.trim().is_empty());
        counts.num_title_only += u64::from(text.is_empty() || text == product.title);
        *seen.entry(*blake3::hash(text.as_bytes()).as_bytes()).or_default() += 1;
    }
    counts.num_shared = seen.into_values().filter(|count| *count > 1).sum();
    counts
}

fn currencies(products: &[Product]) -> BTreeMap<String, u64> {
    let mut counts = BTreeMap::new();
    for price in products.iter().filter_map(Product::effective_price) {
        *counts.entry(price.currency.to_string()).or_default() += 1;
    }
    counts
}

/// Whether a product has a value in one field.
type IsFilled = fn(&Product) -> bool;

fn fills(products: &[Product]) -> Vec<FieldFill> {
    let known: [(&str, IsFilled); 15] = [
        ("title", |p| !p.title.is_empty()),
        ("description", |p| !p.description.is_empty()),
        ("link", |p| p.link.is_some()),
        ("image_link", |p| p.image_link.is_some()),
        ("price", |p| p.price.is_some()),
        ("sale_price", |p| p.sale_price.is_some()),
        ("cost_of_goods_sold", |p| p.cost_of_goods_sold.is_some()),
        ("brand", |p| p.brand.is_some()),
        ("gtin", |p| p.gtin.is_some()),
        ("mpn", |p| p.mpn.is_some()),
        ("product_type", |p| !p.product_type.is_empty()),
        ("google_product_category", |p| !p.google_product_category.is_empty()),
        ("item_group_id", |p| p.item_group_id.is_some()),
        ("related_product", |p| !p.related_product.is_empty()),
        ("attributes", |p| !p.attributes.is_empty()),
    ];
    let fill = |field: &str, num_filled: u64| FieldFill {
        field: field.to_owned(),
        num_filled,
        share: share(num_filled, products.len() as u64),
    };
    let known = known.map(|(field, is_filled)| fill(field, products.iter().filter(|p| is_filled(p)).count() as u64));
    let mut attributes: BTreeMap<&str, u64> = BTreeMap::new();
    for name in products.iter().flat_map(|product| product.attributes.keys()) {
        *attributes.entry(name).or_default() += 1;
    }
    let mut attributes: Vec<(&str, u64)> = attributes.into_iter().collect();
    attributes.sort_by(|a, b| b.1.cmp(&a.1).then(a.0.cmp(b.0)));
    attributes.truncate(MAX_LISTED_ATTRIBUTES);
    known.into_iter().chain(attributes.into_iter().map(|(name, count)| fill(name, count))).collect()
}
