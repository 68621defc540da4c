//! What is no add-on to a cart: look-alikes, the same kind of thing, what is made for something else.

use std::collections::HashSet;

use roaring::RoaringBitmap;

use super::settings::CrossSellConfig;
use crate::index::{DENIED_FIELD, NEED_FIELD, kernels};
use crate::live::View;
use crate::rank::RowId;
use crate::recommend::error::RecommendError;
use crate::recommend::query::Hit;
use crate::recommend::source::Source;
use crate::recommend::told::{Told, device_plugs};
use crate::recommend::trace::Sieve;

/// What of a cart keeps candidates out.
pub(in crate::recommend) struct Outs<'a> {
    view: &'a View,
    look_alike: f32,
    /// Main categories of the cart.
    leaves: HashSet<u32>,
    /// Rows of the cart's kinds of things.
    needs: RoaringBitmap,
    /// Those, and the rows of the cart's main categories: what is near to the cart because it is the same.
    pub(in crate::recommend) same: RoaringBitmap,
    vectors: Vec<Vec<f32>>,
    /// Rows that say they are not for a model of the cart's.
    denied: RoaringBitmap,
    /// Models that the cart's products are or fit.
    models: Vec<String>,
    /// Plugs of the cart's devices; 0 where nothing is known.
    plugs: u32,
}

impl<'a> Outs<'a> {
    /// Reads the cart.
    ///
    /// Returns an error if a record or a bitmap is damaged.
    pub(in crate::recommend) fn of(
        told: Told<'a>,
        starts: &[RowId],
        config: &CrossSellConfig,
    ) -> Result<Self, RecommendError> {
        let view = told.view;
        let mut needs = RoaringBitmap::new();
        for &row in starts {
            if let Some(need) = view.need(row)? {
                needs |= view.rows_with(NEED_FIELD, &need)?;
            }
        }
        let models = told.models_of(starts)?;
        let plugs = told.plugs(&models)?;
        let mut denied = RoaringBitmap::new();
        for model in &models {
            denied |= view.rows_with(DENIED_FIELD, model)?;
        }
        let leaves: HashSet<u32> = starts.iter().filter_map(|&row| view.leaf(row)).collect();
        let mut same = needs.clone();
        for path in leaves.iter().filter_map(|&leaf| Some(view.generation().comparison()?.path(leaf))) {
            same |= view.rows_with("category", path)?;
        }
        let vectors = starts.iter().filter_map(|&row| view.vector(row)).collect();
        Ok(Self { view, look_alike: config.look_alike, leaves, needs, same, vectors, denied, models, plugs })
    }

    /// Why the hit is no add-on; `None` where it may go with the cart. What orders hold together with it need not be of another kind of
    /// thing, nor fit.
    pub(in crate::recommend) fn refusal(&self, hit: &Hit) -> Option<Sieve> {
        if hit.sources.get(Source::Relations) > 0.0 {
            return None;
        }
        let is_bought_with = hit.sources.get(Source::Copurchase) > 0.0;
        let is_of_category = self.view.leaf(hit.row).is_some_and(|leaf| self.leaves.contains(&leaf));
        let refused = |is_refused: bool, by: Sieve| is_refused.then_some(by);
        refused(is_of_category || !is_bought_with && self.needs.contains(hit.row.0), Sieve::SameKind)
            .or_else(|| refused(!is_bought_with && !self.fits(hit.row), Sieve::Misfit))
            .or_else(|| refused(self.is_look_alike(hit.row), Sieve::LookAlike))
    }

    /// Whether the product denies none of the cart's models, is made for nothing or for one of the cart's models, and has a plug of theirs where both are known.
    fn fits(&self, row: RowId) -> bool {
        if self.denied.contains(row.0) {
            return false;
        }
        let models = self.view.models(row);
        let is_for = |own: &String| models.iter().any(|model| model == own);
        if !models.is_empty() {
            return self.models.iter().any(is_for);
        }
        let plugs = if self.plugs == 0 { 0 } else { device_plugs(&self.view.attributes(row)) };
        plugs == 0 || plugs & self.plugs != 0
    }

    fn is_look_alike(&self, row: RowId) -> bool {
        let Some(of_row) = self.view.vector(row) else { return false };
        let dot = kernels::dot();
        self.vectors.iter().any(|vector| dot(vector, &of_row) > self.look_alike)
    }
}
