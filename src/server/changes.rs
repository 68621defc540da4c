//! Changes of products as JSON, and what became of them.

use serde::{Deserialize, Serialize};
use utoipa::ToSchema;

use crate::catalog::{ProductId, RecordFault, RejectCode};
use crate::live::{Change, Receipt, Refusal};

/// A change of a product's price, stock or labels. What it leaves out stays as it is.
#[derive(Debug, ToSchema)]
#[expect(dead_code, reason = "described here, read by the reader of feed records")]
#[schema(example = json!({"id": "85099B", "price": "2.95 GBP", "sale_price": null, "availability": "out_of_stock"}))]
pub(super) struct OfferChange {
    /// The product.
    id: String,
    /// The new regular price: `15.00 USD`, or a number in the catalog's currency.
    price: Option<String>,
    /// The new reduced price, in force at once; `null` ends the reduction.
    sale_price: Option<String>,
    /// `in_stock`, `out_of_stock`, `preorder` or `backorder`.
    availability: Option<String>,
    /// A label, or a list of them; `null` takes it away. `custom_label_1` to `custom_label_4` likewise.
    custom_label_0: Option<String>,
}

/// The products that are gone.
#[derive(Debug, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
#[schema(example = json!({"ids": ["85099B", "20914"]}))]
pub(super) struct DeleteRequest {
    /// Their ids.
    pub(super) ids: Vec<String>,
}

/// What became of the changes of a request. Those that were accepted are on disk, and every later answer reflects them.
#[derive(Debug, Serialize, ToSchema)]
#[schema(example = json!({
    "accepted": 1, "not_found": 0, "seq": 4711, "took_ms": 2.4,
    "rejected": [{"index": 1, "id": "gone", "field": "id", "code": "unknown_product", "message": "the catalog has no such product"}],
}))]
pub(super) struct ChangesResponse {
    /// How many were accepted.
    pub(super) accepted: usize,
    /// How many products to delete there were not.
    pub(super) not_found: usize,
    /// The others.
    pub(super) rejected: Vec<RejectedChange>,
    /// Number of the last change of the catalog that answers reflect now.
    pub(super) seq: u64,
    /// Time from the read body to the answer.
    pub(super) took_ms: f64,
}

/// A change that was not accepted, and why.
#[derive(Debug, Serialize, ToSchema)]
pub(super) struct RejectedChange {
    /// Its place in the request, from 0.
    index: usize,
    /// The product; `null` where it could not be read.
    id: Option<String>,
    /// The field at fault; `record` where it is the whole record.
    field: String,
    /// What is wrong, for programs.
    #[schema(value_type = String)]
    code: RejectCode,
    /// What is wrong and what to send instead.
    message: String,
}

/// The records of a request, sorted into changes and rejects.
#[derive(Debug, Default)]
pub(super) struct Sorted {
    pub(super) changes: Vec<Change>,
    /// Where each of `changes` stood in the request.
    places: Vec<usize>,
    rejected: Vec<RejectedChange>,
}

impl Sorted {
    /// Changes as they were read, in the request's order.
    pub(super) fn of(read: impl IntoIterator<Item = Result<Change, RecordFault>>) -> Self {
        let mut sorted = Self::default();
        for (index, read) in read.into_iter().enumerate() {
            match read {
                Ok(change) => {
                    sorted.changes.push(change);
                    sorted.places.push(index);
                }
                Err(fault) => sorted.rejected.push(RejectedChange::new(index, fault)),
            }
        }
        sorted
    }

    /// The places and ids of the changes, without them: what an answer needs.
    pub(super) fn split(self) -> (Vec<Change>, Outcome) {
        let ids = self.changes.iter().map(|change| change.id().clone());
        let asked = self.places.into_iter().zip(ids).collect();
        (self.changes, Outcome { asked, rejected: self.rejected })
    }
}

/// What an answer needs besides the receipt.
#[derive(Debug)]
pub(super) struct Outcome {
    asked: Vec<(usize, ProductId)>,
    rejected: Vec<RejectedChange>,
}

impl Outcome {
    /// The answer. With `is_delete`, products that there are not are counted apart.
    pub(super) fn answer(self, receipt: Receipt, is_delete: bool, took_ms: f64) -> ChangesResponse {
        let Self { asked, mut rejected } = self;
        let mut not_found = 0;
        for (place, refusal) in receipt.refused {
            match (refusal, asked.get(place)) {
                (Refusal::UnknownProduct, _) if is_delete => not_found += 1,
                (refusal, Some((index, id))) => rejected.push(RejectedChange::refused(*index, id, refusal)),
                (_, None) => {}
            }
        }
        rejected.sort_by_key(|rejected| rejected.index);
        ChangesResponse { accepted: receipt.accepted, not_found, rejected, seq: receipt.seq, took_ms }
    }
}

impl RejectedChange {
    fn new(index: usize, fault: RecordFault) -> Self {
        Self { index, id: fault.id, field: fault.field, code: fault.code, message: fault.message }
    }

    fn refused(index: usize, id: &ProductId, refusal: Refusal) -> Self {
        let RecordFault { id, field, code, message } = refusal.fault(id);
        Self { index, id, field, code, message }
    }
}
