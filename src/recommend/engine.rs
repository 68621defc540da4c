//! Answers questions on one open generation.

use std::sync::Arc;

use roaring::RoaringBitmap;
use serde::{Deserialize, Serialize};

use super::error::RecommendError;
use super::filter::{all_rows, allowed_rows, intersect};
use super::fit::{Fit, Fitting};
use super::query::{Answer, FewerBecause, Intent, MAX_ANCHORS, MAX_LIMIT, MAX_QUERY_BYTES, Query, RelativePrice};
use super::search::{Allowed, Search, Shelf};
use crate::catalog::Availability;
use crate::embed::Embedder;
use crate::index::{Generation, ModelRecord, NO_PRICE, availability_word};
use crate::rank::RowId;

/// Settings of answers.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct RecommendConfig {
    /// Leave out what is out of stock, unless a request filters by availability itself.
    pub in_stock_only: bool,
    /// Factor on the score of a product made for another model than the one asked about: a case for an iPhone 7 Plus beside a
    /// case for an iPhone 7. 0 to 1; 1 turns it off.
    pub misfit_factor: f32,
}

impl Default for RecommendConfig {
    fn default() -> Self {
        Self { in_stock_only: true, misfit_factor: 0.5 }
    }
}

/// Which setting would load the model that made the index. A precision's fingerprint differs as another model's does.
fn setting_that_differs(indexed: &ModelRecord, loaded: &Embedder) -> String {
    if indexed.name == loaded.name() && indexed.precision != loaded.precision().name() {
        format!("embed.precision={}", indexed.precision)
    } else {
        "embed.model".to_owned()
    }
}

/// One generation, the model for free text, and the settings: everything that an answer needs.
pub struct Engine {
    generation: Generation,
    embedder: Arc<Embedder>,
    /// The rows that may be sold now; `None` when all may.
    in_stock: Option<RoaringBitmap>,
    fitting: Fitting,
}

impl Engine {
    /// Joins a generation with the model that made its vectors.
    ///
    /// Returns an error if another model made them.
    pub fn new(
        generation: Generation,
        embedder: Arc<Embedder>,
        config: &RecommendConfig,
    ) -> Result<Self, RecommendError> {
        let model = &generation.manifest().model;
        if model.fingerprint != embedder.fingerprint() {
            let describe = |name: &str, precision: &str, fingerprint: &str| {
                format!("{name} {precision} ({})", fingerprint.get(..12).unwrap_or(fingerprint))
            };
            return Err(RecommendError::ForeignModel {
                catalog: generation.manifest().catalog.clone(),
                indexed: describe(&model.name, &model.precision, &model.fingerprint),
                loaded: describe(embedder.name(), embedder.precision().name(), embedder.fingerprint()),
                setting: setting_that_differs(model, &embedder),
            });
        }
        let in_stock = if config.in_stock_only { in_stock(&generation)? } else { None };
        let fitting = Fitting::of(&generation, config.misfit_factor)?;
        Ok(Self { generation, embedder, in_stock, fitting })
    }

    /// The generation that answers.
    pub fn generation(&self) -> &Generation {
        &self.generation
    }

    /// Answers `query`.
    ///
    /// Products of the question that the catalog lacks are named in the answer, not an error. Returns an error if a field
    /// is out of its range, the filter is malformed, the intent has no source, or the index or the model fails.
    pub fn answer(&self, query: &Query) -> Result<Answer, RecommendError> {
        check(query)?;
        let (anchors, mut missing_ids) = self.rows(&query.anchors);
        let (excluded, unknown) = self.rows(&query.exclude);
        missing_ids.extend(unknown);
        let Some(vector) = self.query_vector(&anchors, query.text.as_deref())? else {
            return Ok(Answer { hits: Vec::new(), missing_ids, fewer_because: Some(FewerBecause::UnknownProducts) });
        };
        let allowed = self.allowed(query, &anchors, &excluded)?;
        let is_filtered = allowed.is_filtered;
        let fit = Fit::of(&self.generation, &self.fitting, &anchors, query.text.as_deref())?;
        let search = Search { generation: &self.generation, query, vector: &vector, allowed, fit, anchors: &anchors };
        let Shelf { hits, is_cut } = search.best_families()?;
        let fewer_because = (hits.len() < query.limit).then_some(match (is_cut, is_filtered) {
            (true, _) => FewerBecause::MinScore,
            (false, true) => FewerBecause::Filter,
            (false, false) => FewerBecause::CatalogSize,
        });
        Ok(Answer { hits, missing_ids, fewer_because })
    }

    /// Rows of the ids that the catalog has, and the ids that it lacks.
    fn rows(&self, ids: &[String]) -> (Vec<RowId>, Vec<String>) {
        let mut rows = Vec::with_capacity(ids.len());
        let mut missing = Vec::new();
        for id in ids {
            match self.generation.products().row(id) {
                Some(row) => rows.push(row),
                None => missing.push(id.clone()),
            }
        }
        (rows, missing)
    }

    /// The mean of the anchors' vectors and the text's, of length 1; `None` when there is nothing to start from.
    fn query_vector(&self, anchors: &[RowId], text: Option<&str>) -> Result<Option<Vec<f32>>, RecommendError> {
        let text = text.map(|text| self.embedder.embed_one(text)).transpose()?;
        let vectors = anchors.iter().filter_map(|&row| self.generation.vector(row)).chain(text.as_deref());
        let mut sum = vec![0f32; self.embedder.dim()];
        let mut num_vectors = 0;
        for vector in vectors {
            sum.iter_mut().zip(vector).for_each(|(sum, x)| *sum += x);
            num_vectors += 1;
        }
        let norm = sum.iter().map(|x| x * x).sum::<f32>().sqrt();
        if num_vectors == 0 || norm < 1e-6 {
            return Ok(None);
        }
        if num_vectors > 1 {
            sum.iter_mut().for_each(|x| *x /= norm);
        }
        Ok(Some(sum))
    }

    fn allowed(&self, query: &Query, anchors: &[RowId], excluded: &[RowId]) -> Result<Allowed, RecommendError> {
        let mut rows = allowed_rows(&self.generation, &query.filter)?;
        if !query.filter.names("availability") {
            rows = intersect(rows, self.in_stock.clone());
        }
        if let Some(band) = query.price {
            rows = intersect(rows, self.price_band(anchors, band));
        }
        let is_filtered = rows.is_some();
        let out: RoaringBitmap = anchors.iter().chain(excluded).map(|row| row.0).collect();
        if let Some(rows) = &mut rows {
            *rows -= &out;
        }
        Ok(Allowed { rows, out, is_filtered })
    }

    /// The rows whose price is the anchor's times the band; `None` (all) when no anchor has a price.
    fn price_band(&self, anchors: &[RowId], band: RelativePrice) -> Option<RoaringBitmap> {
        let products = self.generation.products();
        let anchor = anchors.iter().find_map(|&row| products.price(row))?;
        let times = |factor: f64| anchor.minor as f64 * factor;
        let low = band.relative_min.map_or(f64::NEG_INFINITY, |factor| times(factor).round());
        let high = band.relative_max.map_or(f64::INFINITY, |factor| times(factor).round());
        let currency = anchor.currency.to_bytes();
        let rows = products.prices().iter().zip(products.currencies()).zip(0u32..);
        let in_band = rows.filter(|((minor, of), _)| {
            **minor != NO_PRICE && **of == currency && (low..=high).contains(&(**minor as f64))
        });
        Some(in_band.map(|(_, row)| row).collect())
    }
}

fn in_stock(generation: &Generation) -> Result<Option<RoaringBitmap>, RecommendError> {
    let sold_out = generation.terms().rows("availability", availability_word(Availability::OutOfStock))?;
    Ok(if sold_out.is_empty() { None } else { Some(all_rows(generation) - sold_out) })
}

fn check(query: &Query) -> Result<(), RecommendError> {
    let invalid = |field, message: String| Err(RecommendError::Invalid { field, message });
    let is_share = |x: f64| (0.0..=1.0).contains(&x);
    let is_factor = |x: &Option<f64>| x.is_none_or(|x| x.is_finite() && x >= 0.0);
    if query.intent != Intent::Similar {
        return Err(RecommendError::IntentNotAvailable(query.intent.word()));
    }
    if !(1..=MAX_LIMIT).contains(&query.limit) {
        return invalid("limit", format!("{} is not between 1 and {MAX_LIMIT}", query.limit));
    }
    if query.min_score.is_some_and(|score| !is_share(score.into())) {
        return invalid("min_score", "give a number between 0 and 1".into());
    }
    if query.anchors.len() > MAX_ANCHORS {
        return invalid("context.products", format!("at most {MAX_ANCHORS} products are allowed"));
    }
    if query.exclude.len() > MAX_ANCHORS {
        return invalid("exclude", format!("at most {MAX_ANCHORS} products are allowed"));
    }
    if query.price.is_some_and(|band| !is_factor(&band.relative_min) || !is_factor(&band.relative_max)) {
        return invalid(
            "price",
            "relative_min and relative_max are multiples of the product's price, 0 or more".into(),
        );
    }
    if let Some(RelativePrice { relative_min: Some(low), relative_max: Some(high) }) = query.price
        && low > high
    {
        return invalid("price", format!("relative_min {low} is above relative_max {high}"));
    }
    match &query.text {
        Some(text) if text.trim().is_empty() => invalid("context.query", "the text is empty".into()),
        Some(text) if text.len() > MAX_QUERY_BYTES => invalid(
            "context.query",
            format!("the text has {} bytes, at most {MAX_QUERY_BYTES} are allowed", text.len()),
        ),
        None if query.anchors.is_empty() => {
            invalid("context", "give `product`, `products`, `viewed`, `cart` or `query` to start from".into())
        }
        _ => Ok(()),
    }
}
