//! What has changed since a generation was built, as one value: changed offers, masked rows and new products.
//!
//! A clone shares all but what is changed afterwards, so every commit can have a snapshot of its own: its cost follows the number of
//! changes in it and the length of a few bitmaps, never the number of changes before it.

use std::sync::Arc;

use imbl::OrdMap;
use roaring::RoaringBitmap;

use super::change::{Change, Upsert};
use super::delta::DeltaProduct;
use crate::catalog::{
    Availability, Compatibility, Offer, OfferPatch, Product, ProductId, RecordFault, RejectCode, attributes,
};
use crate::index::{
    FITS_ANY, FITS_FIELD, Generation, HalfVector, IndexError, availability_word, offer_terms, product_terms,
};
use crate::rank::RowId;

/// A generation and what is looked up in it once.
#[derive(Debug)]
pub(super) struct Baseline {
    pub(super) generation: Generation,
    /// Rows that are out of stock.
    pub(super) sold_out: RoaringBitmap,
    /// Rows that name a model they fit.
    pub(super) fits_any: RoaringBitmap,
    /// The models that its products say they fit.
    pub(super) compatibility: Compatibility,
}

impl Baseline {
    /// Returns an error if the generation's terms cannot be read.
    pub(super) fn of(generation: Generation) -> Result<Self, IndexError> {
        let terms = generation.terms();
        let sold_out = terms.rows("availability", availability_word(Availability::OutOfStock))?;
        let fits_any = terms.rows(FITS_FIELD, FITS_ANY)?;
        let models = terms.values(FITS_FIELD).into_iter().filter(|model| model != FITS_ANY);
        let compatibility = Compatibility::of_models(models);
        Ok(Self { sold_out, fits_any, compatibility, generation })
    }

    pub(super) fn num_rows(&self) -> u32 {
        // The format counts rows in 32 bits.
        self.generation.products().num_rows() as u32
    }
}

/// Why a change is not accepted.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Refusal {
    /// The catalog has no such product.
    UnknownProduct,
    /// The sale price cannot stand beside the price; says why.
    SalePrice(String),
}

impl Refusal {
    /// The refusal of a change of the product `id`, as a fault of its record.
    pub fn fault(self, id: &ProductId) -> RecordFault {
        let id = Some(id.to_string());
        match self {
            Self::UnknownProduct => {
                RecordFault::new(id, "id", RejectCode::UnknownProduct, "the catalog has no such product; check the id")
            }
            Self::SalePrice(message) => RecordFault::new(id, "sale_price", RejectCode::BadPrice, message),
        }
    }
}

/// The changes since a generation was built.
#[derive(Debug, Clone)]
pub(super) struct Overlay {
    /// Number of the last change that was applied.
    pub(super) seq: u64,
    /// Changed offers of rows of the generation.
    pub(super) offers: OrdMap<u32, Offer>,
    /// The rows of `offers`.
    pub(super) patched: Arc<RoaringBitmap>,
    /// Rows of the generation that are gone or replaced.
    pub(super) masked: Arc<RoaringBitmap>,
    /// New products by row, from the generation's number of rows upward. A row is never used twice.
    pub(super) delta: OrdMap<u32, Arc<DeltaProduct>>,
    /// Rows by the terms of `offers` (those of an offer) and of `delta` (all).
    pub(super) terms: OrdMap<Arc<[u8]>, Arc<RoaringBitmap>>,
    /// Rows of `delta` by id.
    ids: OrdMap<Arc<str>, u32>,
    /// Numbers of the families that only `delta` has or had, by `item_group_id`: the row of their first product.
    families: OrdMap<Arc<str>, u32>,
    next_row: u32,
}

/// Where a product is.
enum Place {
    Generation(u32),
    Delta(u32),
}

impl Overlay {
    /// No changes on `baseline`, which has all up to `seq`.
    pub(super) fn new(baseline: &Baseline, seq: u64) -> Self {
        Self {
            seq,
            offers: OrdMap::new(),
            patched: Arc::default(),
            masked: Arc::default(),
            delta: OrdMap::new(),
            terms: OrdMap::new(),
            ids: OrdMap::new(),
            families: OrdMap::new(),
            next_row: baseline.num_rows(),
        }
    }

    /// The row of the product with this id.
    pub(super) fn row(&self, baseline: &Baseline, id: &str) -> Option<RowId> {
        match self.place(baseline, id)? {
            Place::Generation(row) | Place::Delta(row) => Some(RowId(row)),
        }
    }

    fn place(&self, baseline: &Baseline, id: &str) -> Option<Place> {
        if let Some(&row) = self.ids.get(id) {
            return Some(Place::Delta(row));
        }
        let row = baseline.generation.products().row(id)?.0;
        (!self.masked.contains(row)).then_some(Place::Generation(row))
    }

    /// The offer of a row of the generation.
    ///
    /// Returns an error if the row's record is damaged.
    pub(super) fn offer(&self, baseline: &Baseline, row: u32) -> Result<Offer, IndexError> {
        match self.offers.get(&row) {
            Some(offer) => Ok(offer.clone()),
            None => Ok(Offer::of(&baseline.generation.products().product(RowId(row))?)),
        }
    }

    /// Why `change` is not to be accepted; `None` when it is.
    ///
    /// Returns an error if the product's record is damaged.
    pub(super) fn check(&self, baseline: &Baseline, change: &Change) -> Result<Option<Refusal>, IndexError> {
        if matches!(change, Change::Upsert(_)) {
            return Ok(None);
        }
        let Some(RowId(row)) = self.row(baseline, change.id().as_str()) else {
            return Ok(Some(Refusal::UnknownProduct));
        };
        match change {
            // Only a sale price that is named can conflict, so no record is read for the others.
            Change::Patch { patch, .. } if patch.sale_price.flatten().is_some() => {
                let offer = match self.delta.get(&row) {
                    Some(known) => Offer::of(&known.product),
                    None => self.offer(baseline, row)?,
                };
                Ok(patch.conflict_with(&offer).map(Refusal::SalePrice))
            }
            _ => Ok(None),
        }
    }

    /// Applies a change that is number `seq` of the log. A change of a product that is not there does nothing.
    ///
    /// Returns an error if a record of the generation is damaged.
    pub(super) fn apply(&mut self, baseline: &Baseline, seq: u64, change: &Change) -> Result<(), IndexError> {
        match change {
            Change::Upsert(upsert) => self.upsert(baseline, upsert)?,
            Change::Patch { id, patch } => match self.place(baseline, id.as_str()) {
                Some(Place::Generation(row)) => self.patch(baseline, row, patch)?,
                Some(Place::Delta(row)) => self.patch_delta(baseline, row, patch),
                None => {}
            },
            Change::Delete { id } => match self.place(baseline, id.as_str()) {
                Some(Place::Generation(row)) => self.mask(row),
                Some(Place::Delta(row)) => self.remove_delta(baseline, row),
                None => {}
            },
        }
        self.seq = seq;
        Ok(())
    }

    fn patch(&mut self, baseline: &Baseline, row: u32, patch: &OfferPatch) -> Result<(), IndexError> {
        let offer = patch.applied_to(&self.offer(baseline, row)?);
        self.set_offer(row, offer);
        Ok(())
    }

    fn patch_delta(&mut self, baseline: &Baseline, row: u32, patch: &OfferPatch) {
        let Some(known) = self.delta.get(&row).cloned() else { return };
        let mut product = known.product.clone();
        patch.applied_to(&Offer::of(&product)).put_into(&mut product);
        self.remove_delta(baseline, row);
        let (vector, models, attributes) = (known.vector.clone(), known.models.clone(), known.attributes.clone());
        self.insert_delta(baseline, row, DeltaProduct { product, vector, family: known.family, models, attributes });
    }

    /// A product that differs from the generation's in its offer alone keeps its row there; any other gets a new one.
    fn upsert(&mut self, baseline: &Baseline, upsert: &Upsert) -> Result<(), IndexError> {
        let id = upsert.product.id.as_str();
        if let Some(&row) = self.ids.get(id) {
            self.remove_delta(baseline, row);
        }
        let products = baseline.generation.products();
        if let Some(row) = products.row(id) {
            let offer = Offer::of(&upsert.product);
            let mut before = products.product(row)?;
            let is_unchanged = Offer::of(&before) == offer;
            offer.put_into(&mut before);
            self.unpatch(row.0);
            if before == upsert.product {
                Arc::make_mut(&mut self.masked).remove(row.0);
                if !is_unchanged {
                    self.set_offer(row.0, offer);
                }
                return Ok(());
            }
            Arc::make_mut(&mut self.masked).insert(row.0);
        }
        let row = self.next_row;
        self.next_row += 1;
        let family = self.family(baseline, row, &upsert.product)?;
        let (product, vector) = (upsert.product.clone(), Arc::new(HalfVector::new(&upsert.vector)));
        let (models, attributes) = (baseline.compatibility.fits(&product), attributes(&product));
        self.insert_delta(baseline, row, DeltaProduct { product, vector, family, models, attributes });
        Ok(())
    }

    /// The number of the product's family: that of the generation's rows with its `item_group_id`, else of the new products with it,
    /// else a new one.
    fn family(&mut self, baseline: &Baseline, row: u32, product: &Product) -> Result<u32, IndexError> {
        let Some(group) = product.item_group_id.as_deref() else { return Ok(row) };
        let products = baseline.generation.products();
        // The term is folded and holds ids of products without a group too.
        for candidate in baseline.generation.terms().rows("family", group)? {
            if products.product(RowId(candidate))?.item_group_id.as_deref() == Some(group) {
                return Ok(products.family(RowId(candidate)).unwrap_or(row));
            }
        }
        if let Some(&family) = self.families.get(group) {
            return Ok(family);
        }
        self.families.insert(group.into(), row);
        Ok(row)
    }

    fn mask(&mut self, row: u32) {
        self.unpatch(row);
        Arc::make_mut(&mut self.masked).insert(row);
    }

    fn set_offer(&mut self, row: u32, offer: Offer) {
        self.unpatch(row);
        offer_terms(&offer).into_iter().for_each(|term| self.add_term(term, row));
        Arc::make_mut(&mut self.patched).insert(row);
        self.offers.insert(row, offer);
    }

    fn unpatch(&mut self, row: u32) {
        let Some(offer) = self.offers.remove(&row) else { return };
        Arc::make_mut(&mut self.patched).remove(row);
        offer_terms(&offer).into_iter().for_each(|term| self.remove_term(&term, row));
    }

    fn insert_delta(&mut self, baseline: &Baseline, row: u32, product: DeltaProduct) {
        let terms = product_terms(&product.product, &baseline.compatibility);
        terms.into_iter().for_each(|term| self.add_term(term, row));
        self.ids.insert(product.product.id.as_str().into(), row);
        self.delta.insert(row, Arc::new(product));
    }

    fn remove_delta(&mut self, baseline: &Baseline, row: u32) {
        let Some(known) = self.delta.remove(&row) else { return };
        self.ids.remove(known.product.id.as_str());
        let terms = product_terms(&known.product, &baseline.compatibility);
        terms.into_iter().for_each(|term| self.remove_term(&term, row));
    }

    fn add_term(&mut self, term: Vec<u8>, row: u32) {
        match self.terms.get_mut(term.as_slice()) {
            Some(rows) => {
                Arc::make_mut(rows).insert(row);
            }
            None => {
                self.terms.insert(term.into(), Arc::new(RoaringBitmap::from_iter([row])));
            }
        }
    }

    fn remove_term(&mut self, term: &[u8], row: u32) {
        let Some(rows) = self.terms.get_mut(term) else { return };
        let rows = Arc::make_mut(rows);
        rows.remove(row);
        if rows.is_empty() {
            self.terms.remove(term);
        }
    }
}
