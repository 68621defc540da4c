//! Which products are made for another model than the one asked about: an embedding cannot tell an iPhone 7 from a 7 Plus.

use roaring::RoaringBitmap;

use super::error::RecommendError;
use crate::catalog::{fits, fits_in_text};
use crate::index::{FITS_ANY, FITS_FIELD, Generation};
use crate::rank::{RowId, ScoredRow};

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

/// The rows that fit what was asked about, and those that name other models only.
pub(super) struct Fit {
    /// Rows that name one of the models.
    pub same: RoaringBitmap,
    other: RoaringBitmap,
    factor: f32,
}

impl Fit {
    /// Reads the models off the anchors' records and the text; `None` when they name none, and then nothing is changed.
    ///
    /// Returns an error if a record or a bitmap cannot be read.
    pub(super) fn of(
        generation: &Generation,
        fitting: &Fitting,
        anchors: &[RowId],
        text: Option<&str>,
    ) -> Result<Option<Self>, RecommendError> {
        let mut models = text.map(fits_in_text).unwrap_or_default();
        for &row in anchors {
            if fitting.any.contains(row.0) {
                models.extend(fits(&generation.products().product(row)?));
            }
        }
        let mut same = RoaringBitmap::new();
        for model in &models {
            same |= generation.terms().rows(FITS_FIELD, model)?;
        }
        if same.is_empty() || fitting.factor >= 1.0 {
            return Ok(None);
        }
        let other = &fitting.any - &same;
        Ok(Some(Self { same, other, factor: fitting.factor }))
    }

    /// Lowers the score of a row made for other models.
    pub(super) fn weigh(&self, scored: &mut ScoredRow) {
        if self.other.contains(scored.row.0) && scored.score > 0.0 {
            scored.score *= self.factor;
        }
    }
}
