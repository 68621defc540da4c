//! Which products are made for another model than the one asked about: an embedding cannot tell an iPhone 7 from a 7 Plus.

use roaring::RoaringBitmap;

use super::error::RecommendError;
use crate::catalog::models_named;
use crate::index::{FITS_ANY, FITS_FIELD, Generation};
use crate::rank::RowId;

/// What the engine knows of fitting before a question comes.
pub(super) struct Fitting {
    /// Rows that name any model.
    any: RoaringBitmap,
    /// Factor on the score of a row made for other models.
    factor: f32,
}

impl Fitting {
    /// Returns an error if the generation's bitmap cannot be read.
    pub(super) fn of(generation: &Generation, factor: f32) -> Result<Self, RecommendError> {
        Ok(Self { any: generation.terms().rows(FITS_FIELD, FITS_ANY)?, factor })
    }
}

/// The rows made for other models than the one asked about.
pub(super) struct Fit {
    other: RoaringBitmap,
    /// Factor on their score.
    pub factor: f32,
}

impl Fit {
    /// Takes the anchors' models and those of the catalog's that the text names; `None` when they name none, and then nothing is changed.
    ///
    /// Returns an error if a bitmap cannot be read.
    pub(super) fn of(
        generation: &Generation,
        fitting: &Fitting,
        anchors: &[RowId],
        text: Option<&str>,
    ) -> Result<Option<Self>, RecommendError> {
        let named = text.map(models_named).unwrap_or_default();
        let stated = anchors.iter().flat_map(|&row| generation.products().models(row));
        let mut same = RoaringBitmap::new();
        for model in named.iter().map(String::as_str).chain(stated) {
            same |= generation.terms().rows(FITS_FIELD, model)?;
        }
        if same.is_empty() || fitting.factor >= 1.0 {
            return Ok(None);
        }
        let other = &fitting.any - same;
        Ok(Some(Self { other, factor: fitting.factor }))
    }

    /// Rows that name other models only.
    pub(super) fn other(&self) -> &RoaringBitmap {
        &self.other
    }
}
