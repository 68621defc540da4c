//! Why a product goes with a cart: what the feed or the shop says first, then what orders say, then what texts say.

use serde_json::json;

use super::error::RecommendError;
use super::query::Hit;
use super::reason::{Explainer, LEAST_LIKENESS, Reason};
use super::source::{Source, SourceWeights};
use super::told::{Edge, Match};
use crate::catalog::{Product, Purpose, Tie, as_written};
use crate::rank::RowId;

/// Products of a cart that a reason may name, the newest.
const MAX_NAMED: usize = 100;

impl Explainer<'_> {
    /// The first of these that holds of the hit.
    ///
    /// Returns an error if a record is damaged.
    pub(super) fn of_cart(&self, hit: &Hit, weights: SourceWeights) -> Result<Reason, RecommendError> {
        if let Some(reason) = self.related(hit)? {
            return Ok(reason);
        }
        if let Some(reason) = self.compatible(hit)? {
            return Ok(reason);
        }
        if let Some(reason) = self.free_delivery(hit) {
            return Ok(reason);
        }
        match self.counted(hit, weights)? {
            Some(reason) => Ok(reason),
            None => self.of_likeness(hit),
        }
    }

    /// The strongest edge that leads to the hit, of equal ones that of the newest product.
    fn related(&self, hit: &Hit) -> Result<Option<Reason>, RecommendError> {
        if hit.sources.get(Source::Relations) == 0.0 {
            return Ok(None);
        }
        let edges = self.told.edges(self.starts)?;
        let strength = |edge: &Edge| edge.tie.strength().unwrap_or(0.0);
        let to_hit = edges.into_iter().filter(|edge| edge.to == hit.row && edge.tie.strength().is_some());
        let Some(edge) = to_hit.max_by(|a, b| strength(a).total_cmp(&strength(b))) else { return Ok(None) };
        let product = self.view.product(edge.from)?;
        let origin = if edge.is_of_feed { "related_product" } else { "pairs" };
        let evidence = json!({"product": product.id, "relation": edge.tie, "origin": origin});
        let code = match edge.tie {
            Tie::RequiredPart => "required_part",
            Tie::Accessory => "accessory",
            Tie::OftenBoughtWith => "often_bought_with",
            Tie::PartOfSet => "part_of_set",
            _ => "always_together",
        };
        Ok(Some(self.simple(code, &[("title", product.title)], evidence)))
    }

    /// What the hit says it is made for, and of which product that is true.
    fn compatible(&self, hit: &Hit) -> Result<Option<Reason>, RecommendError> {
        if hit.sources.get(Source::Compatibility) == 0.0 {
            return Ok(None);
        }
        let made = self.view.product(hit.row)?;
        let mut by_name = None;
        for &start in self.named() {
            let product = self.view.product(start)?;
            match self.told.why_compatible(start, &product, hit.row, &made) {
                Some(Match::Model(model)) => return Ok(Some(self.fits(&made, &product, &model))),
                Some(Match::Purpose(purpose)) if by_name.is_none() => by_name = Some((purpose, product)),
                _ => {}
            }
        }
        Ok(by_name.map(|(Purpose { name, origin, is_for_some }, product)| {
            let evidence = json!({"product": product.id, "made_for": name, "origin": origin, "some": is_for_some});
            let keys: &[&str] =
                if is_for_some { &["reason.made_for.some", "reason.made_for"] } else { &["reason.made_for"] };
            self.said("made_for".to_owned(), keys, &[("name", name)].into_iter().collect(), evidence)
        }))
    }

    fn fits(&self, made: &Product, product: &Product, model: &str) -> Reason {
        let written = as_written(&made.title, model).unwrap_or_else(|| model.to_owned());
        let evidence = json!({"product": product.id, "model": model});
        self.simple("fits", &[("model", written), ("title", product.title.clone())], evidence)
    }

    fn free_delivery(&self, hit: &Hit) -> Option<Reason> {
        let basket = self.basket.filter(|basket| basket.closes_gap(self.view.price(hit.row)))?;
        let (gap, over) = (basket.gap()?, self.query.free_shipping_over?);
        let parts = [("gap", gap.to_string()), ("over", over.to_string())];
        Some(self.simple("free_shipping", &parts, json!({"gap": gap, "over": over})))
    }

    /// The product of the cart whose text is nearest, where it is near.
    fn of_likeness(&self, hit: &Hit) -> Result<Reason, RecommendError> {
        let of_hit = self.view.vector(hit.row).unwrap_or_default();
        let similarity = |row: RowId| {
            let vector = self.view.vector(row).unwrap_or_default();
            vector.iter().zip(&of_hit).map(|(a, b)| a * b).sum::<f32>()
        };
        let scored = self.named().map(|&row| (row, similarity(row)));
        let nearest = scored.reduce(|best, other| if other.1 > best.1 { other } else { best });
        let nearest = nearest.filter(|(_, similarity)| *similarity >= LEAST_LIKENESS);
        let Some((row, similarity)) = nearest else { return Ok(self.simple("in_shop", &[], json!({}))) };
        let product = self.view.product(row)?;
        let evidence = json!({"product": product.id, "similarity": similarity});
        Ok(self.simple("related", &[("title", product.title)], evidence))
    }

    /// What the list goes with, the newest first.
    fn named(&self) -> impl Iterator<Item = &RowId> {
        self.starts.iter().rev().take(MAX_NAMED)
    }
}
