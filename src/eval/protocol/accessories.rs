//! Cross-sell without a single event: what is shown beside products of one kind, drawn by seed, and whether it is made for them.
//!
//! Whether a product is made for another is read again from the records alone, with nothing of the index taken for it.

use std::collections::{BTreeMap, BTreeSet};

use serde::Serialize;

use super::super::error::EvalError;
use super::super::random::Random;
use crate::catalog::{Compatibility, Product, known_model, need};
use crate::live::View;
use crate::rank::RowId;
use crate::recommend::{Engine, Intent, Query, Reason};
use crate::rules::RuleSet;

/// What is asked.
#[derive(Debug, Clone)]
pub struct AccessorySettings {
    /// Kinds of things, as [`need`] says them, of which products are drawn.
    pub needs: Vec<String>,
    /// Products asked about.
    pub num_anchors: usize,
    /// Length of the lists.
    pub k: usize,
    /// Draws the products.
    pub seed: u64,
}

/// How a product stands to the one asked about, by what both records say.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Serialize)]
#[serde(rename_all = "snake_case")]
pub enum Made {
    /// It names a model that the other is.
    ForIt,
    /// It names no model.
    ForMany,
    /// It names models, none of which the other is.
    ForAnother,
    /// It is of the kind of thing that was asked about.
    OfItsKind,
}

/// What was found.
#[derive(Debug, Clone, Serialize)]
pub struct AccessoryReport {
    /// Products asked about.
    pub num_anchors: usize,
    /// Those that get an answer.
    pub num_answered: usize,
    /// Those for whose model the shop has anything.
    pub num_with_accessories: usize,
    /// Of those, how many have something for their model first.
    pub num_first_for_it: usize,
    /// Products shown, by how they stand to the one asked about.
    pub shown: BTreeMap<Made, usize>,
    /// The same by kind of thing.
    pub by_need: BTreeMap<String, usize>,
    /// Mean number of kinds of things in an answer.
    pub mean_needs: f64,
    /// Every product asked about with its answer.
    pub answers: Vec<AccessoryAnswer>,
}

/// One product and what is shown beside it.
#[derive(Debug, Clone, Serialize)]
pub struct AccessoryAnswer {
    /// The product's id.
    pub id: String,
    /// Its title.
    pub title: String,
    /// The models that it is, by its title, of those that the shop has something for.
    pub models: Vec<String>,
    /// What is shown, best first.
    pub results: Vec<AccessoryResult>,
}

/// A product that is shown.
#[derive(Debug, Clone, Serialize)]
pub struct AccessoryResult {
    /// The product's id.
    pub id: String,
    /// Its title.
    pub title: String,
    /// The kind of thing that it is.
    pub need: Option<String>,
    /// How it stands to the one asked about.
    pub made: Made,
    /// Its score.
    pub score: f32,
    /// Why it is there.
    pub reason: Reason,
}

/// Asks `engine` for what goes with products drawn by seed, with none of the shop's rules in force.
///
/// Returns an error if there is no product of these kinds, a record is damaged or a question cannot be answered.
pub fn accessories(engine: &Engine, view: &View, settings: &AccessorySettings) -> Result<AccessoryReport, EvalError> {
    let rows: Vec<u32> = view.all_rows().iter().collect();
    let products = rows.iter().map(|&row| view.product(RowId(row))).collect::<Result<Vec<_>, _>>()?;
    let is_asked = |at: &usize| need(&products[*at]).is_some_and(|need| settings.needs.contains(&need));
    let asked: Vec<usize> = (0..products.len()).filter(is_asked).collect();
    if asked.is_empty() {
        let reason = format!("no product is a {}", settings.needs.join(" or a "));
        return Err(EvalError::NoCases { protocol: "accessories", reason });
    }
    let records = Records::of(&products);
    let no_rules = engine.try_rules(view, &RuleSet::default())?;
    let mut answers = Vec::new();
    for at in Random::new(settings.seed, 0).sample(&asked, settings.num_anchors) {
        let anchor = &products[at];
        let anchors = vec![anchor.id.to_string()];
        let query = Query { intent: Intent::CrossSell, anchors, limit: settings.k, ..Query::default() };
        let answer = engine.answer_with(view, &query, &no_rules)?;
        let explained = engine.explain(view, &query, &answer)?;
        let models = records.models_of(anchor);
        let mut results = Vec::new();
        for (hit, reason) in answer.hits.iter().zip(explained.reasons) {
            let product = view.product(hit.row)?;
            let made = records.made(&product, anchor, &models);
            let (id, need) = (product.id.to_string(), need(&product));
            results.push(AccessoryResult { id, title: product.title, need, made, score: hit.score, reason });
        }
        answers.push(AccessoryAnswer { id: anchor.id.to_string(), title: anchor.title.clone(), models, results });
    }
    Ok(AccessoryReport::of(answers))
}

impl AccessoryReport {
    fn of(answers: Vec<AccessoryAnswer>) -> Self {
        let (mut shown, mut by_need, mut num_needs) = (BTreeMap::new(), BTreeMap::new(), 0);
        for answer in &answers {
            let mut needs = BTreeSet::new();
            for result in &answer.results {
                let need = result.need.clone().unwrap_or_else(|| "not said".to_owned());
                *shown.entry(result.made).or_insert(0) += 1;
                *by_need.entry(need.clone()).or_insert(0) += 1;
                needs.insert(need);
            }
            num_needs += needs.len();
        }
        let num_answered = answers.iter().filter(|answer| !answer.results.is_empty()).count();
        let with_models = || answers.iter().filter(|answer| !answer.models.is_empty());
        let is_first =
            |answer: &&AccessoryAnswer| answer.results.first().is_some_and(|first| first.made == Made::ForIt);
        Self {
            num_anchors: answers.len(),
            num_answered,
            num_with_accessories: with_models().count(),
            num_first_for_it: with_models().filter(is_first).count(),
            shown,
            by_need,
            mean_needs: num_needs as f64 / num_answered.max(1) as f64,
            answers,
        }
    }
}

/// What the shop's records say of models.
struct Records {
    compatibility: Compatibility,
    models: BTreeSet<String>,
}

impl Records {
    fn of(products: &[Product]) -> Self {
        let compatibility = Compatibility::of(products);
        let models = products.iter().flat_map(|product| compatibility.fits(product)).collect();
        Self { compatibility, models }
    }

    fn models_of(&self, product: &Product) -> Vec<String> {
        known_model(&product.title, |model| self.models.contains(model))
    }

    fn made(&self, product: &Product, anchor: &Product, models: &[String]) -> Made {
        let fits = self.compatibility.fits(product);
        if need(product) == need(anchor) {
            Made::OfItsKind
        } else if fits.iter().any(|model| models.contains(model)) {
            Made::ForIt
        } else if fits.is_empty() {
            Made::ForMany
        } else {
            Made::ForAnother
        }
    }
}
