//! One change of a catalog between two builds.

use crate::catalog::{OfferPatch, Product, ProductId};

/// What is done to one product.
#[derive(Debug, Clone, PartialEq)]
pub enum Change {
    /// The product is new, or replaces the one of its id.
    Upsert(Box<Upsert>),
    /// The product's price, stock or labels change.
    Patch {
        /// The product.
        id: ProductId,
        /// What changes.
        patch: OfferPatch,
    },
    /// The product is gone.
    Delete {
        /// The product.
        id: ProductId,
    },
}

/// A product with its vector.
#[derive(Debug, Clone, PartialEq)]
pub struct Upsert {
    /// The product.
    pub product: Product,
    /// The vector of its text, of length 1.
    pub vector: Vec<f32>,
    /// Fingerprint of the model that made the vector.
    pub model: String,
}

impl Change {
    /// The product that is changed.
    pub fn id(&self) -> &ProductId {
        match self {
            Self::Upsert(upsert) => &upsert.product.id,
            Self::Patch { id, .. } | Self::Delete { id } => id,
        }
    }
}

/// A change as it stands in the log.
#[derive(Debug, Clone, PartialEq)]
pub struct Entry {
    /// Its number; they ascend by one.
    pub seq: u64,
    /// When it was acknowledged, in milliseconds since 1970.
    pub at_ms: i64,
    /// What was done.
    pub change: Change,
}
