//! Why each product is shown: a code, a sentence, and the evidence that the sentence is made of, all from feed fields and counts.
//!
//! A reason is only given where its evidence is at hand: what is said is looked up again for the hit, in the record, the comparison or the
//! tables, never taken from a score. Likeness (`alike`) is measured between the two texts that the sentence is about, whichever source
//! brought the hit; where there is little of it, and nothing else holds, a product is there because it is of the shop.

use std::collections::{BTreeMap, HashSet};

use serde::Serialize;
use serde_json::{Map, Value, json};
use utoipa::ToSchema;

use super::compare::{ComparedRow, compared};
use super::cross_sell::Basket;
use super::error::RecommendError;
use super::query::{Answer, Hit, Intent, Query};
use super::replenish::Due;
use super::search::similarity;
use super::settings::RecommendConfig;
use super::source::{Source, SourceWeights};
use super::told::Told;
use super::upsell::Anchor;
use crate::behavior::Behavior;
use crate::catalog::{Product, Verdict};
use crate::events::{BoughtProduct, EventKind};
use crate::live::View;
use crate::rank::RowId;

/// Orders or sessions below which a pair is no reason.
const LEAST_COUNT: u32 = 2;
/// Cosine similarity of two products' texts below which nobody sees that they are alike.
pub(super) const LEAST_LIKENESS: f32 = 0.35;
/// The same of a product and what was asked for, which is short.
const LEAST_LIKENESS_TO_TEXT: f32 = 0.3;
/// Words that any text needs: to have them in common says nothing.
const FILLERS: [&str; 12] = ["and", "are", "for", "from", "has", "that", "the", "this", "who", "with", "you", "your"];
/// Newest products of a session that a reason may name.
const NUM_NAMED: usize = 8;

/// Why a product is shown.
#[derive(Debug, Clone, PartialEq, Serialize, ToSchema)]
pub struct Reason {
    /// What kind of reason: `more_storage`, `has_kickstand`, `bought_together`, …
    pub code: String,
    /// A sentence for the shopper.
    pub text: String,
    /// What the sentence is made of.
    #[schema(value_type = Object)]
    pub evidence: Map<String, Value>,
}

/// Why an answer is as it is.
#[derive(Debug, Clone, PartialEq)]
pub struct Explained {
    /// A title for the list.
    pub title: String,
    /// A reason for each hit, in order.
    pub reasons: Vec<Reason>,
}

/// An answer to be explained.
pub(super) struct Explainer<'a> {
    pub view: &'a View,
    pub query: &'a Query,
    pub answer: &'a Answer,
    pub config: &'a RecommendConfig,
    pub behavior: Option<&'a Behavior>,
    /// What each source counts, for what starts from a session.
    pub weights: Option<SourceWeights>,
    pub steps: &'a [(RowId, EventKind)],
    pub anchors: &'a [RowId],
    /// What the feed and the shop's own pairs say.
    pub told: Told<'a>,
    /// What a cross-sell goes with, the newest last.
    pub starts: &'a [RowId],
    /// What that is worth.
    pub basket: Option<Basket>,
    /// What is due for the shopper.
    pub due: Vec<Due>,
}

impl Explainer<'_> {
    /// Returns an error if a record is damaged.
    pub(super) fn explain(&self) -> Result<Explained, RecommendError> {
        let started = self.answer.anchor.map(|row| self.view.product(row)).transpose()?;
        let reason = |hit: &Hit| match (self.query.intent, self.weights) {
            (Intent::Upsell, _) => self.better(hit),
            (Intent::Replenish, _) => Ok(self.of_due(hit)),
            (Intent::CrossSell | Intent::Bundle, Some(weights)) => {
                self.of_cart(hit, weights).map(|reason| self.of_order(reason))
            }
            (_, Some(weights)) => self.of_session(hit, weights),
            _ => self.of_product(hit, started.as_ref()),
        };
        let reasons = self.answer.hits.iter().map(reason).collect::<Result<_, _>>()?;
        Ok(Explained { title: self.title(started.as_ref()), reasons })
    }

    /// The same, said of the order where that is what it goes with.
    fn of_order(&self, mut reason: Reason) -> Reason {
        if self.query.order.is_some() {
            let parts = BTreeMap::from([("reason", reason.text)]);
            reason.text = self.config.messages.sentence(self.query.language.as_deref(), &["reason.for_order"], &parts);
            reason.evidence.insert("order".to_owned(), Value::Bool(true));
        }
        reason
    }

    fn title(&self, started: Option<&Product>) -> String {
        let word = if self.query.order.is_some() { "post_purchase" } else { self.query.intent.word() };
        let (with, plain) = (format!("title.{word}"), format!("title.{word}.plain"));
        let parts = started.map(|product| ("title", product.title.clone())).into_iter().collect();
        let is_of_one = self.query.intent != Intent::CrossSell || self.starts.len() == 1;
        let keys = if started.is_some() && is_of_one { [with.as_str(), &plain] } else { [plain.as_str(), &with] };
        self.config.messages.sentence(self.query.language.as_deref(), &keys, &parts)
    }

    /// The better attribute that shoppers care about most.
    fn better(&self, hit: &Hit) -> Result<Reason, RecommendError> {
        let Some(anchor) = self.answer.anchor.and_then(|row| Anchor::of(self.view, row)) else {
            return self.of_product(hit, None);
        };
        let language = self.query.language.as_deref();
        let label = |word: &str, usual: &str| self.config.messages.label(language, word, usual);
        let rows = compared(self.view, self.behavior, &anchor, hit.row, &self.config.upsell, label)?;
        match rows.into_iter().find(|row| row.verdict == Verdict::Better) {
            Some(row) => Ok(self.richer(row)),
            None => self.of_product(hit, None),
        }
    }

    fn richer(&self, row: ComparedRow) -> Reason {
        let form = if row.from.is_some() { "more" } else { "has" };
        let keys = [format!("reason.{form}.{}", row.attribute), format!("reason.{form}")];
        let evidence = json!({"attribute": row.attribute, "from": row.from, "to": row.to, "origin": row.origin});
        let parts = [("label", Some(row.label)), ("from", row.from), ("to", row.to)];
        let parts = parts.into_iter().map(|(name, value)| (name, value.unwrap_or_default())).collect();
        self.said(format!("{form}_{}", row.attribute), &[&keys[0], &keys[1]], &parts, evidence)
    }

    /// What a product has in common with what was asked about.
    fn of_product(&self, hit: &Hit, started: Option<&Product>) -> Result<Reason, RecommendError> {
        let product = self.view.product(hit.row)?;
        let Some(started) = started else { return Ok(self.of_text(hit, &product)) };
        let models = self.answer.anchor.map_or(Vec::new(), |row| self.view.models(row));
        let category = product.main_category().last().filter(|_| product.main_category() == started.main_category());
        let brand = product.brand.as_ref().filter(|brand| started.brand.as_ref() == Some(brand));
        if let Some(model) = self.view.models(hit.row).into_iter().find(|model| models.contains(model)) {
            return Ok(self.simple("fits_same", &[("model", model.to_owned())], json!({"model": model})));
        }
        if let (Some(brand), Some(category)) = (brand, category) {
            let parts = [("brand", brand.clone()), ("category", category.clone())];
            return Ok(self.simple("same_brand", &parts, json!({"brand": brand, "category": category})));
        }
        if let Some(brand) = brand {
            let parts = BTreeMap::from([("brand", brand.clone())]);
            return Ok(self.said("same_brand".into(), &["reason.same_brand.plain"], &parts, json!({"brand": brand})));
        }
        if let Some(category) = category {
            return Ok(self.simple("same_category", &[("category", category.clone())], json!({"category": category})));
        }
        Ok(self.alike(hit, started))
    }

    /// What a source says of likeness may be of a whole session, or a share of the best.
    fn alike(&self, hit: &Hit, started: &Product) -> Reason {
        let vector = |row: RowId| self.view.vector(row).unwrap_or_default();
        let likeness = self.answer.anchor.map_or(0.0, |anchor| similarity(&vector(anchor), &vector(hit.row)));
        if likeness < LEAST_LIKENESS {
            return self.simple("in_shop", &[], json!({}));
        }
        let evidence = json!({"product": started.id, "similarity": likeness});
        self.simple("alike", &[("title", started.title.clone())], evidence)
    }

    /// What a product has in common with a free text.
    fn of_text(&self, hit: &Hit, product: &Product) -> Reason {
        let words = |text: &str| -> Vec<String> {
            text.split(|c: char| !c.is_alphanumeric())
                .filter(|word| word.chars().count() > 2)
                .map(str::to_lowercase)
                .collect()
        };
        let title = words(&product.title);
        let mut common = words(self.query.text.as_deref().unwrap_or_default());
        let mut told = HashSet::new();
        common.retain(|word| title.contains(word) && !FILLERS.contains(&word.as_str()) && told.insert(word.clone()));
        if common.is_empty() {
            let likeness = hit.sources.get(Source::Similar);
            return match likeness < LEAST_LIKENESS_TO_TEXT {
                true => self.simple("in_shop", &[], json!({})),
                false => self.simple("matches_text", &[], json!({"similarity": likeness})),
            };
        }
        self.simple("matches_words", &[("words", common.join(", "))], json!({"words": common}))
    }

    /// What the source that says most knows, else the next one; likeness to the newest product where none has counts.
    fn of_session(&self, hit: &Hit, weights: SourceWeights) -> Result<Reason, RecommendError> {
        if let Some(reason) = self.counted(hit, weights)? {
            return Ok(reason);
        }
        let newest = self.answer.anchor.map(|row| self.view.product(row)).transpose()?;
        match newest {
            Some(newest) => self.of_product(hit, Some(&newest)),
            None if self.query.text.is_some() => Ok(self.of_text(hit, &self.view.product(hit.row)?)),
            None => Ok(self.simple("in_shop", &[], json!({}))),
        }
    }

    /// What the source that says most counts, else the next one.
    pub(super) fn counted(&self, hit: &Hit, weights: SourceWeights) -> Result<Option<Reason>, RecommendError> {
        let says = |source: Source| weights.of(source).max(f32::MIN_POSITIVE) * hit.sources.get(source);
        let mut sources: Vec<Source> =
            Source::ALL.into_iter().filter(|&source| hit.sources.get(source) > 0.0).collect();
        sources.sort_by(|&a, &b| says(b).total_cmp(&says(a)));
        for source in sources {
            let reason = match source {
                Source::Copurchase => self.bought_together(hit)?,
                Source::Session | Source::SessionSemantic | Source::Next => self.seen_together(hit)?,
                Source::Popular => self.popular(hit),
                Source::Bought => self.bought_before(hit)?,
                Source::Similar | Source::Relations | Source::Compatibility | Source::Complement | Source::Lexical => {
                    None
                }
            };
            if reason.is_some() {
                return Ok(reason);
            }
        }
        Ok(None)
    }

    /// The session's products, the newest first: what is on the page, then what was done.
    fn newest(&self) -> impl Iterator<Item = RowId> {
        self.anchors.iter().rev().copied().chain(self.steps.iter().rev().map(|(row, _)| *row)).take(NUM_NAMED)
    }

    fn bought_together(&self, hit: &Hit) -> Result<Option<Reason>, RecommendError> {
        let Some(behavior) = self.behavior else { return Ok(None) };
        let count = |row: RowId| {
            let known = behavior.copurchase().row(row.0).iter().find(|entry| entry.product == hit.row.0);
            known.map_or(0, |entry| entry.evidence)
        };
        self.with_most(count, |product, orders| {
            let evidence = json!({"product": product.id, "orders": orders});
            self.simple(
                "bought_together",
                &[("title", product.title.clone()), ("orders", orders.to_string())],
                evidence,
            )
        })
    }

    fn seen_together(&self, hit: &Hit) -> Result<Option<Reason>, RecommendError> {
        let Some(behavior) = self.behavior else { return Ok(None) };
        let sessions = behavior.sessions();
        let of_hit = sessions.with_product(hit.row.0);
        let count = |row: RowId| common(of_hit, sessions.with_product(row.0));
        self.with_most(count, |product, sessions| {
            let evidence = json!({"product": product.id, "sessions": sessions});
            self.simple(
                "seen_together",
                &[("title", product.title.clone()), ("sessions", sessions.to_string())],
                evidence,
            )
        })
    }

    /// The reason for the product of the session that `count` says most of, where that is enough.
    fn with_most(
        &self,
        count: impl Fn(RowId) -> u32,
        reason: impl Fn(&Product, u32) -> Reason,
    ) -> Result<Option<Reason>, RecommendError> {
        let counted = self.newest().map(|row| (row, count(row))).filter(|(_, count)| *count >= LEAST_COUNT);
        // Of equal counts the newest product.
        let Some((row, count)) = counted.reduce(|most, other| if other.1 > most.1 { other } else { most }) else {
            return Ok(None);
        };
        Ok(Some(reason(&self.view.product(row)?, count)))
    }

    fn bought_before(&self, hit: &Hit) -> Result<Option<Reason>, RecommendError> {
        let id = self.view.product(hit.row)?.id;
        let known = self.query.bought.iter().find(|bought| bought.product == id.as_str());
        Ok(known.map(|BoughtProduct { num_orders, .. }| {
            self.simple("bought_before", &[("orders", num_orders.to_string())], json!({"orders": num_orders}))
        }))
    }

    fn popular(&self, hit: &Hit) -> Option<Reason> {
        let known = self.behavior?.popular().row(0).iter().find(|entry| entry.product == hit.row.0)?;
        let actions = known.evidence;
        Some(self.simple("popular", &[("actions", actions.to_string())], json!({"actions": actions})))
    }

    pub(super) fn simple(&self, code: &str, parts: &[(&str, String)], evidence: Value) -> Reason {
        self.said(code.to_owned(), &[&format!("reason.{code}")], &parts.iter().cloned().collect(), evidence)
    }

    pub(super) fn said(&self, code: String, keys: &[&str], parts: &BTreeMap<&str, String>, evidence: Value) -> Reason {
        let text = self.config.messages.sentence(self.query.language.as_deref(), keys, parts);
        let Value::Object(evidence) = evidence else { return Reason { code, text, evidence: Map::new() } };
        Reason { code, text, evidence }
    }
}

/// How many numbers two descending lists share.
fn common(mut a: &[u32], mut b: &[u32]) -> u32 {
    let mut count = 0;
    while let (Some(&x), Some(&y)) = (a.first(), b.first()) {
        if x >= y {
            a = &a[1..];
        }
        if y >= x {
            b = &b[1..];
        }
        count += u32::from(x == y);
    }
    count
}
