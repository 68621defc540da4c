//! Gathers what one feed gives: products in feed order, rejects and warnings, and whatever spans several records.

use std::collections::HashMap;

use super::draft::{Draft, Fault, Reading};
use super::product::{Product, ProductId, RelatedProduct, Relationship};
use super::reject::{FeedWarning, Reject, RejectCode, WarningCode, Warnings};

/// Longest id and message that a reject keeps, in characters.
const MAX_REJECT_CHARS: usize = 300;

/// Products, rejects and warnings so far.
pub(super) struct Collector<'a> {
    reading: Reading<'a>,
    pub(super) products: Vec<Product>,
    pub(super) rejects: Vec<Reject>,
    pub(super) warnings: Warnings,
    /// Records that the shop does not offer: drafts, archived and unpublished ones.
    pub(super) num_skipped: u64,
    first_rows: HashMap<ProductId, u64>,
    related_by_gtin: Vec<PendingRelation>,
}

/// A related product named by its GTIN, which may stand on a later line.
struct PendingRelation {
    product: usize,
    row: u64,
    relationship: Relationship,
    gtin: String,
}

impl<'a> Collector<'a> {
    pub(super) fn new(reading: Reading<'a>) -> Self {
        Self {
            reading,
            products: Vec::new(),
            rejects: Vec::new(),
            warnings: Warnings::default(),
            num_skipped: 0,
            first_rows: HashMap::new(),
            related_by_gtin: Vec::new(),
        }
    }

    pub(super) fn reject(&mut self, mut reject: Reject) {
        reject.message = reject.message.chars().take(MAX_REJECT_CHARS).collect();
        reject.field = reject.field.chars().take(MAX_REJECT_CHARS).collect();
        reject.id = reject.id.map(|id| id.chars().take(MAX_REJECT_CHARS).collect());
        self.rejects.push(reject);
    }

    /// Takes the record as a product or as a reject.
    pub(super) fn accept(&mut self, draft: Draft) {
        let (row, id) = (draft.row, draft.id());
        match draft.build(&self.reading) {
            Err(Fault { field, code, message }) => self.reject(Reject { row, id, field, code, message }),
            Ok(built) => match self.first_rows.get(&built.product.id) {
                Some(first) => {
                    let message =
                        format!("the id already belongs to the record at line {first}; give each product its own");
                    self.reject(Reject { row, id, field: "id".to_owned(), code: RejectCode::DuplicateId, message });
                }
                None => {
                    self.first_rows.insert(built.product.id.clone(), row);
                    for (code, message) in built.warnings {
                        self.warnings.push(FeedWarning { row, id: built.product.id.to_string(), code, message });
                    }
                    let product = self.products.len();
                    let pending = built.related_by_gtin.into_iter();
                    self.related_by_gtin.extend(pending.map(|(relationship, gtin)| PendingRelation {
                        product,
                        row,
                        relationship,
                        gtin,
                    }));
                    self.products.push(built.product);
                }
            },
        }
    }

    /// Replaces GTINs of related products by ids; call once, after the last record.
    pub(super) fn resolve_gtins(&mut self) {
        if self.related_by_gtin.is_empty() {
            return;
        }
        let mut ids: HashMap<String, ProductId> = HashMap::new();
        for product in &self.products {
            if let Some(gtin) = &product.gtin {
                ids.entry(gtin.clone()).or_insert_with(|| product.id.clone());
            }
        }
        for pending in std::mem::take(&mut self.related_by_gtin) {
            let product = &mut self.products[pending.product];
            match ids.get(&pending.gtin) {
                Some(id) => {
                    product.related_product.push(RelatedProduct { relationship: pending.relationship, id: id.clone() })
                }
                None => self.warnings.push(FeedWarning {
                    row: pending.row,
                    id: product.id.to_string(),
                    code: WarningCode::BadRelatedProduct,
                    message: format!("no product of the feed has the GTIN `{}`", pending.gtin),
                }),
            }
        }
    }
}
