//! What the feed and the shop's own pairs say of products that go together: no event is needed, and each has an origin that can be shown.
//!
//! Two sources: *relations* are edges between two products (`related_product`, pairs made by hand), for or against; *compatibility* is
//! what a product says it is made for, met with what the others are: a model (`case for iPhone 7`), else a name (`charger for cell phones`).

use std::collections::{BTreeSet, HashMap};

use roaring::RoaringBitmap;

use super::error::RecommendError;
use crate::catalog::{Attribute, AttributeKind, Origin, Pairs, Product, Purpose, Tie, known_model, names, purposes};
use crate::index::{FITS_FIELD, PURPOSE_FIELD};
use crate::live::View;
use crate::rank::{RowId, ScoredRow};

/// Products of which all are scored by likeness, and read for plugs; …
const MAX_EACH: usize = 500;
/// … of more, so many of the nearest are candidates.
const NUM_NEAREST: usize = 150;
/// What a product is worth that is made for the model, for a name of the product's own of several words, and for a kind of thing: what
/// it is, or a word of its title, which is often chance.
const OF_MODEL: f32 = 1.0;
const OF_NAME: f32 = 0.6;
const OF_KIND: f32 = 0.4;
/// How much of that the likeness of the texts decides: enough to sort, never enough to change the level.
const LIKENESS_SHARE: f32 = 0.15;
/// Plugs of devices by bit, of which one has but one: Lightning, micro USB, USB-C, 30-pin.
const DEVICE_PLUGS: u32 = 0b1111;

/// An edge to a product of the shop.
#[derive(Debug, Clone, PartialEq)]
pub(super) struct Edge {
    pub from: RowId,
    pub to: RowId,
    pub tie: Tie,
    /// Whether the feed says so; else the shop's own pairs do.
    pub is_of_feed: bool,
}

/// Why a product is compatible.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) enum Match {
    /// It is made for this model.
    Model(String),
    /// It is made for things of this name.
    Purpose(Purpose),
}

/// What a shop tells.
#[derive(Clone, Copy)]
pub(super) struct Told<'a> {
    pub view: &'a View,
    pub pairs: &'a Pairs,
}

impl Told<'_> {
    /// The edges that leave `rows`, the newest last: of the feed, then of the shop's pairs.
    ///
    /// Returns an error if a record is damaged.
    pub(super) fn edges(&self, rows: &[RowId]) -> Result<Vec<Edge>, RecommendError> {
        let mut edges = Vec::new();
        for &from in rows {
            let product = self.view.product(from)?;
            let of_feed = product.related_product.iter().map(|edge| (edge.id.as_str(), edge.relationship.into(), true));
            let own = self.pairs.of(product.id.as_str()).iter().map(|(id, tie)| (id.as_str(), *tie, false));
            let known = of_feed
                .chain(own)
                .filter_map(|(id, tie, is_of_feed)| Some(Edge { from, to: self.view.row(id)?, tie, is_of_feed }));
            edges.extend(known);
        }
        Ok(edges)
    }

    /// The rows that never stand beside `rows`.
    ///
    /// Returns an error if a record is damaged.
    pub(super) fn vetoed(&self, rows: &[RowId]) -> Result<Vec<RowId>, RecommendError> {
        let edges = self.edges(rows)?;
        Ok(edges.into_iter().filter(|edge| edge.tie.strength().is_none()).map(|edge| edge.to).collect())
    }

    /// What an edge for it leads to, by the strongest.
    ///
    /// Returns an error if a record is damaged.
    pub(super) fn relations(&self, rows: &[RowId]) -> Result<Vec<ScoredRow>, RecommendError> {
        let mut best = HashMap::new();
        for edge in self.edges(rows)? {
            if let Some(strength) = edge.tie.strength() {
                raise(&mut best, edge.to, strength);
            }
        }
        Ok(in_rows(best))
    }

    /// What says it is made for one of `rows`, of the rows that `may_appear`.
    ///
    /// Returns an error if a record or a bitmap is damaged.
    pub(super) fn compatible(
        &self,
        rows: &[RowId],
        may_appear: impl Fn(RowId) -> bool,
    ) -> Result<Vec<ScoredRow>, RecommendError> {
        let Some(vector) = self.mean_vector(rows) else { return Ok(Vec::new()) };
        let mut best = HashMap::new();
        for (level, made_for) in self.levels(rows)? {
            for near in self.nearest(&vector, &made_for)?.into_iter().filter(|near| may_appear(near.row)) {
                raise(&mut best, near.row, level * (1.0 - LIKENESS_SHARE * (1.0 - near.score)));
            }
        }
        Ok(in_rows(best))
    }

    /// What `rows` are about, of length 1.
    fn mean_vector(&self, rows: &[RowId]) -> Option<Vec<f32>> {
        let vectors = rows.iter().filter_map(|&row| self.view.vector(row));
        let mut sum = vectors.reduce(|mut sum, vector| {
            sum.iter_mut().zip(vector).for_each(|(sum, x)| *sum += x);
            sum
        })?;
        let norm = sum.iter().map(|x| x * x).sum::<f32>().sqrt();
        sum.iter_mut().for_each(|x| *x /= norm.max(f32::MIN_POSITIVE));
        Some(sum)
    }

    /// The nearest of `rows`, scored from 0 to 1; all of few, in no order.
    fn nearest(&self, vector: &[f32], rows: &RoaringBitmap) -> Result<Vec<ScoredRow>, RecommendError> {
        if rows.len() <= MAX_EACH as u64 {
            let near = |row: u32| ScoredRow { row: RowId(row), score: self.likeness(vector, RowId(row)) };
            return Ok(rows.iter().map(near).collect());
        }
        let mut near = self.view.candidates(vector, NUM_NEAREST, Some(rows), false)?;
        near.iter_mut().for_each(|near| near.score = near.score.clamp(0.0, 1.0));
        Ok(near)
    }

    /// The rows made for one of `rows`, by what that is worth. Names that several of them share are looked up once.
    fn levels(&self, rows: &[RowId]) -> Result<[(f32, RoaringBitmap); 3], RecommendError> {
        let [mut models, mut own, mut kinds] = [(); 3].map(|()| BTreeSet::new());
        for &row in rows {
            let product = self.view.product(row)?;
            models.extend(self.models(row, &product));
            for name in names(&product) {
                let is_telling = name.is_own && name.name.contains(' ');
                let found = if is_telling { &mut own } else { &mut kinds };
                found.insert(name.name);
            }
        }
        let union = |field: &str, values: BTreeSet<String>| {
            let mut all = RoaringBitmap::new();
            for value in values {
                all |= self.view.rows_with(field, &value)?;
            }
            for row in rows {
                all.remove(row.0);
            }
            Ok::<_, RecommendError>(all)
        };
        // What is made for a name and for a model fits that model alone.
        let of_others = self.view.rows_that_fit_any();
        let (own, kinds) = (union(PURPOSE_FIELD, own)? - &of_others, union(PURPOSE_FIELD, kinds)? - of_others);
        Ok([(OF_MODEL, union(FITS_FIELD, models)?), (OF_NAME, own), (OF_KIND, kinds)])
    }

    /// The models that a product is or fits.
    pub(super) fn models(&self, row: RowId, product: &Product) -> Vec<String> {
        let mut models: Vec<String> = self.view.models(row).into_iter().map(str::to_owned).collect();
        if models.is_empty() {
            let is_known = |model: &str| self.view.rows_with(FITS_FIELD, model).is_ok_and(|rows| !rows.is_empty());
            models = known_model(&product.title, is_known);
        }
        models
    }

    /// The models that `rows` are or fit.
    ///
    /// Returns an error if a record is damaged.
    pub(super) fn models_of(&self, rows: &[RowId]) -> Result<Vec<String>, RecommendError> {
        let mut models = Vec::new();
        for &row in rows {
            models.extend(self.models(row, &self.view.product(row)?));
        }
        models.sort_unstable();
        models.dedup();
        Ok(models)
    }

    /// The plugs that devices of `models` have, by what is made for them; 0 where nothing is known.
    ///
    /// Returns an error if a bitmap is damaged.
    pub(super) fn plugs(&self, models: &[String]) -> Result<u32, RecommendError> {
        let mut plugs = 0;
        for model in models {
            let rows = self.view.rows_with(FITS_FIELD, model)?;
            plugs |= rows
                .iter()
                .take(MAX_EACH)
                .map(|row| device_plugs(&self.view.attributes(RowId(row))))
                .fold(0, |a, b| a | b);
        }
        Ok(plugs)
    }

    /// What makes `row` compatible with `product` of `start`: a model before a name, of names the longest.
    pub(super) fn why_compatible(&self, start: RowId, product: &Product, row: RowId, made: &Product) -> Option<Match> {
        let models = self.models(start, product);
        let fits = self.view.models(row);
        if let Some(model) = fits.iter().find(|model| models.iter().any(|own| own == *model)) {
            return Some(Match::Model((*model).to_owned()));
        }
        if !fits.is_empty() {
            return None;
        }
        let names = names(product);
        let met = |purpose: &Purpose| names.iter().any(|name| name.name == purpose.name);
        let longest = |purpose: &Purpose| (purpose.origin == Origin::Title, purpose.name.len());
        purposes(made).into_iter().filter(met).max_by_key(longest).map(Match::Purpose)
    }

    fn likeness(&self, vector: &[f32], row: RowId) -> f32 {
        let of_row = self.view.vector(row).unwrap_or_default();
        vector.iter().zip(&of_row).map(|(a, b)| a * b).sum::<f32>().clamp(0.0, 1.0)
    }
}

/// The plugs of devices that a title names.
pub(super) fn device_plugs(attributes: &[Attribute]) -> u32 {
    let is_plug =
        |attribute: &&Attribute| attribute.kind == AttributeKind::Connector && attribute.origin < Origin::Description;
    attributes.iter().find(is_plug).map_or(0, |plug| plug.value as u32 & DEVICE_PLUGS)
}

fn raise(best: &mut HashMap<u32, f32>, row: RowId, score: f32) {
    let known = best.entry(row.0).or_insert(0.0);
    *known = known.max(score);
}

fn in_rows(best: HashMap<u32, f32>) -> Vec<ScoredRow> {
    best.into_iter().map(|(row, score)| ScoredRow { row: RowId(row), score }).collect()
}
