//! Which products are made for another model than the one asked about: an embedding cannot tell an iPhone 7 from a 7 Plus.

use roaring::RoaringBitmap;

use super::error::RecommendError;
use crate::catalog::models_named;
use crate::index::FITS_FIELD;
use crate::live::View;
use crate::rank::RowId;

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
        view: &View,
        factor: f32,
        anchors: &[RowId],
        text: Option<&str>,
    ) -> Result<Option<Self>, RecommendError> {
        let named = text.map(models_named).unwrap_or_default();
        let stated = anchors.iter().flat_map(|&row| view.models(row));
        let mut same = RoaringBitmap::new();
        for model in named.iter().map(String::as_str).chain(stated) {
            same |= view.rows_with(FITS_FIELD, model)?;
        }
        if same.is_empty() || factor >= 1.0 {
            return Ok(None);
        }
        Ok(Some(Self { other: view.rows_that_fit_any() - same, factor }))
    }

    /// Rows that name other models only.
    pub(super) fn other(&self) -> &RoaringBitmap {
        &self.other
    }
}
