//! Answers as JSON. Product records that have not changed since the build go out as the index's own bytes.

use std::borrow::Cow;

use serde::Serialize;
use serde_json::value::RawValue;
use utoipa::ToSchema;
use utoipa::openapi::schema::{ArrayBuilder, Object, ObjectBuilder, Schema, Type};

use super::problem::Problem;
use super::requests::Include;
use crate::live::View;
use crate::recommend::{
    Answer, BundleOffer, ComparedRow, Engine, Explained, FewerBecause, Hit, Intent, Query, Reason, Source,
    SourceScores, Stage, Trace,
};

/// Recommended products, best first.
#[derive(Debug, Serialize, ToSchema)]
#[schema(example = json!({
    "recommendation_id": "01JD5Q4G3X1M6Z8T0V9K2B7R5C", "placement": "pdp-similar", "intent": "similar", "stage": "discovery",
    "generation": "gen-000001", "title": null, "experiment": null,
    "results": [{"id": "20914", "score": 0.7421, "rank": 1, "sources": {"similar": 0.7421}}],
    "fallback": null, "fewer_because": null, "fewer_because_rule": null, "bundle": null, "rules_version": 3, "rules": [], "missing_ids": [], "took_ms": 0.21,
}))]
pub(super) struct RecommendResponse<'a> {
    /// A ULID: names this answer in later events.
    pub(super) recommendation_id: String,
    /// The request's placement.
    pub(super) placement: Option<&'a str>,
    /// What is shown: the request's intent, or the leading one of its placement.
    pub(super) intent: Intent,
    /// How far the session has come, as the placement took it; `null` without a placement.
    pub(super) stage: Option<Stage>,
    /// The generation that answered.
    pub(super) generation: &'a str,
    /// A title for the list, on `include: ["reason"]`; `null` otherwise.
    pub(super) title: Option<String>,
    /// Always `null`: no experiments run.
    #[schema(value_type = Option<Object>)]
    pub(super) experiment: (),
    /// The products, one a family.
    pub(super) results: Vec<ResultItem<'a>>,
    /// The source that filled a list which would have been shorter, `popular`; `null` when none did.
    pub(super) fallback: Option<Source>,
    /// Why there are fewer than `limit`; `null` when there are not.
    pub(super) fewer_because: Option<FewerBecause>,
    /// With `rule`: the rule that kept most out; `null` otherwise.
    pub(super) fewer_because_rule: Option<&'a str>,
    /// For `bundle`: what the set is sold for; `null` otherwise.
    pub(super) bundle: Option<BundleOffer>,
    /// Version of the rules that the answer comes from; 0 where none were ever saved.
    pub(super) rules_version: u64,
    /// The rules that changed the answer.
    pub(super) rules: Vec<AppliedRule<'a>>,
    /// Ids of the request that the catalog does not have.
    pub(super) missing_ids: &'a [String],
    /// Time from the parsed request to the answer.
    pub(super) took_ms: f64,
    /// How the answer came about, on `include: ["trace"]`.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(super) trace: Option<Trace>,
}

/// Found products, best first.
#[derive(Debug, Serialize, ToSchema)]
pub(super) struct SearchResponse<'a> {
    /// A ULID: names this answer in later events.
    pub(super) recommendation_id: String,
    /// The request's text.
    pub(super) query: &'a str,
    /// The generation that answered.
    pub(super) generation: &'a str,
    /// The products, one a family.
    pub(super) results: Vec<ResultItem<'a>>,
    /// Why there are fewer than `limit`; `null` when there are not.
    pub(super) fewer_because: Option<FewerBecause>,
    /// With `rule`: the rule that kept most out; `null` otherwise.
    pub(super) fewer_because_rule: Option<&'a str>,
    /// Version of the rules that the answer comes from; 0 where none were ever saved.
    pub(super) rules_version: u64,
    /// Time from the parsed request to the answer.
    pub(super) took_ms: f64,
}

/// A rule that changed an answer.
#[derive(Debug, Serialize, ToSchema)]
pub(super) struct AppliedRule<'a> {
    /// Its id; the shop's essentials begin with `shop.`.
    id: &'a str,
    /// Products that it kept out.
    removed: u64,
}

/// The rule that is why there are fewer than asked.
pub(super) fn why_fewer(answer: &Answer) -> Option<&str> {
    answer.fired.iter().find(|fired| fired.is_why_fewer).map(|fired| &*fired.id)
}

/// One product of an answer.
#[derive(Debug, Serialize, ToSchema)]
pub(super) struct ResultItem<'a> {
    /// The product.
    id: &'a str,
    /// What the results are sorted by before the shop's rules move any, 0 to 1, higher is better: for `similar` the similarity, lowered for a product made for another model
    /// than the one asked about; for the other intents the weighted mean of what the sources say.
    score: f32,
    /// 1 for the best.
    rank: usize,
    /// What each source says.
    sources: Sources,
    /// The intent that it is from, where the placement shows several.
    #[serde(skip_serializing_if = "Option::is_none")]
    intent: Option<Intent>,
    /// The product record, on `include: ["product"]`.
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schema(schema_with = product_schema)]
    product: Option<Cow<'a, RawValue>>,
    /// Why it is there, on `include: ["reason"]`.
    #[serde(skip_serializing_if = "Option::is_none")]
    reason: Option<Reason>,
    /// What differs from the product that the answer starts from, what is better first, on `include: ["comparison"]`; absent where that
    /// has no price or there is none.
    #[serde(skip_serializing_if = "Option::is_none")]
    comparison: Option<Vec<ComparedRow>>,
}

/// What each source says, 0 to 1; one that does not know the product is left out.
#[derive(Debug, Serialize, ToSchema)]
pub(super) struct Sources {
    /// Cosine similarity of the texts.
    #[serde(skip_serializing_if = "Option::is_none")]
    similar: Option<f32>,
    /// Bought in orders with products of the session, as a share of the best.
    #[serde(skip_serializing_if = "Option::is_none")]
    copurchase: Option<f32>,
    /// Met by sessions that share products, as a share of the best.
    #[serde(skip_serializing_if = "Option::is_none")]
    session: Option<f32>,
    /// Met by sessions about like things, as a share of the best.
    #[serde(skip_serializing_if = "Option::is_none")]
    session_semantic: Option<f32>,
    /// Met or bought after the newest product, as a share of the best.
    #[serde(skip_serializing_if = "Option::is_none")]
    next: Option<f32>,
    /// Popular, as a share of the most popular.
    #[serde(skip_serializing_if = "Option::is_none")]
    popular: Option<f32>,
    /// Bought by this shopper in earlier orders: `ln(1 + orders)` as a share of that of ten orders.
    #[serde(skip_serializing_if = "Option::is_none")]
    bought: Option<f32>,
    /// Named by the feed, or by the shop itself, as going with a product of the session.
    #[serde(skip_serializing_if = "Option::is_none")]
    relations: Option<f32>,
    /// Says that it is made for a product of the session.
    #[serde(skip_serializing_if = "Option::is_none")]
    compatibility: Option<f32>,
    /// Lies where, by a map of texts learned from orders, what goes with the session's products lies, as a share of the best.
    #[serde(skip_serializing_if = "Option::is_none")]
    complement: Option<f32>,
    /// Shares words with the session's products, as a share of the best.
    #[serde(skip_serializing_if = "Option::is_none")]
    lexical: Option<f32>,
}

impl Sources {
    fn of(scores: &SourceScores) -> Self {
        let known = |source| Some(scores.get(source)).filter(|score| *score > 0.0);
        Self {
            similar: known(Source::Similar),
            copurchase: known(Source::Copurchase),
            session: known(Source::Session),
            session_semantic: known(Source::SessionSemantic),
            next: known(Source::Next),
            popular: known(Source::Popular),
            bought: known(Source::Bought),
            relations: known(Source::Relations),
            compatibility: known(Source::Compatibility),
            complement: known(Source::Complement),
            lexical: known(Source::Lexical),
        }
    }
}

/// A product's record as it is sent: what the shop paid is nobody's business but the shop's.
///
/// Returns a problem if the record is no JSON.
pub(super) fn public_record(record: Cow<'_, RawValue>) -> Result<Cow<'_, RawValue>, Problem> {
    const COST: &str = "cost_of_goods_sold";
    if !record.get().contains(COST) {
        return Ok(record);
    }
    let damaged = |error: serde_json::Error| Problem::internal(&error);
    let mut fields: serde_json::Map<String, serde_json::Value> = serde_json::from_str(record.get()).map_err(damaged)?;
    fields.remove(COST);
    serde_json::value::to_raw_value(&fields).map(Cow::Owned).map_err(damaged)
}

/// The hits of an answer on `view` as results, in order.
///
/// Returns an error if a hit's record is damaged.
pub(super) fn results<'a>(view: &'a View, hits: &[Hit], has_product: bool) -> Result<Vec<ResultItem<'a>>, Problem> {
    let result = |(at, hit): (usize, &Hit)| {
        let record =
            has_product.then(|| view.record(hit.row)).transpose().map_err(|error| Problem::internal(&error))?;
        Ok(ResultItem {
            id: view.id(hit.row).unwrap_or_default(),
            score: hit.score,
            rank: at + 1,
            sources: Sources::of(&hit.sources),
            intent: None,
            product: record.map(public_record).transpose()?,
            reason: None,
            comparison: None,
        })
    };
    hits.iter().enumerate().map(result).collect()
}

/// What goes into the results of an answer besides ids and scores.
pub(super) struct Extras<'q> {
    pub(super) query: &'q Query,
    pub(super) include: &'q [Include],
}

impl Extras<'_> {
    /// A set's offer as it is sent: from the margin anybody could tell what the shop paid, so a trace has to be asked for to see it.
    fn as_sent(&self, offer: BundleOffer) -> BundleOffer {
        let margin = offer.margin.filter(|_| self.include.contains(&Include::Trace));
        BundleOffer { margin, ..offer }
    }

    /// Puts what is asked for into `results`, which are those of `answer`; returns the list's title where reasons are asked for.
    ///
    /// Returns a problem if a record is damaged.
    fn put_into(
        &self,
        results: &mut [ResultItem<'_>],
        (engine, view, answer): (&Engine, &View, &Answer),
    ) -> Result<Option<String>, Problem> {
        if self.include.contains(&Include::Comparison) {
            for (result, hit) in results.iter_mut().zip(&answer.hits) {
                result.comparison = engine.compare(view, self.query, answer, hit.row)?;
            }
        }
        if !self.include.contains(&Include::Reason) {
            return Ok(None);
        }
        let Explained { title, reasons } = engine.explain(view, self.query, answer)?;
        results.iter_mut().zip(reasons).for_each(|(result, reason)| result.reason = Some(reason));
        Ok(Some(title))
    }
}

impl<'a> RecommendResponse<'a> {
    /// An answer with its results packed; `placement` is echoed.
    ///
    /// Returns a problem if a record is damaged.
    pub(super) fn new(
        engine: &Engine,
        (view, answer): (&'a View, &'a Answer),
        extras: &Extras<'_>,
        placement: Option<&'a str>,
        took_ms: f64,
    ) -> Result<Self, Problem> {
        let mut results = results(view, &answer.hits, extras.include.contains(&Include::Product))?;
        let title = extras.put_into(&mut results, (engine, view, answer))?;
        let intents = answer.hits.iter().map(|hit| answer.part_of(hit.row).map(|part| part.intent));
        results.iter_mut().zip(intents).for_each(|(result, intent)| result.intent = intent);
        Ok(Self {
            recommendation_id: ulid::Ulid::generate().to_string(),
            placement,
            intent: extras.query.intent,
            stage: extras.query.slot.as_ref().map(|slot| slot.stage),
            generation: view.generation().name(),
            title,
            experiment: (),
            results,
            fallback: answer.fallback,
            fewer_because: answer.fewer_because,
            fewer_because_rule: why_fewer(answer),
            bundle: engine.bundle_offer(view, extras.query, answer)?.map(|offer| extras.as_sent(offer)),
            rules_version: answer.rules_version,
            rules: answer.fired.iter().map(|fired| AppliedRule { id: &fired.id, removed: fired.removed }).collect(),
            missing_ids: &answer.missing_ids,
            took_ms,
            trace: None,
        })
    }
}

/// One product and the generation that has it.
#[derive(Debug, Serialize, ToSchema)]
pub(super) struct ProductResponse<'a> {
    /// The catalog.
    pub(super) catalog: &'a str,
    /// The generation that has the product.
    pub(super) generation: &'a str,
    /// The product's id.
    pub(super) id: &'a str,
    /// What a shopper pays, e.g. `15.00 USD`; `null` without a price.
    pub(super) effective_price: Option<String>,
    /// The product record.
    #[schema(schema_with = product_schema)]
    pub(super) product: Cow<'a, RawValue>,
}

/// Every catalog that the server knows.
#[derive(Debug, Serialize, ToSchema)]
pub(super) struct CatalogsResponse {
    /// By name.
    pub(super) catalogs: Vec<CatalogStatus>,
}

/// How a catalog stands.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, ToSchema)]
pub(super) struct CatalogStatus {
    /// The catalog's name.
    pub(super) catalog: String,
    /// Whether it answers.
    pub(super) state: CatalogState,
    /// The generation that answers; `null` when none does.
    pub(super) generation: Option<String>,
    /// Its products, live changes included.
    pub(super) products: usize,
    /// Number of the last live change that answers reflect.
    pub(super) live_seq: u64,
    /// Products that are new or reworded since the build: each question compares them one by one.
    pub(super) live_new: usize,
    /// Products whose price, stock or labels have changed since the build.
    pub(super) live_patched: usize,
    /// Products of the build that are deleted or replaced.
    pub(super) live_masked: usize,
    /// Version of the rules in force; 0 where none were ever saved.
    pub(super) rules_version: u64,
    /// The newest generation when it was refused and an older one answers, or none; `null` otherwise.
    pub(super) refused_generation: Option<String>,
}

/// Whether a catalog answers.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, ToSchema)]
#[serde(rename_all = "snake_case")]
pub(super) enum CatalogState {
    /// It answers.
    Serving,
    /// Its generation cannot be used; it answers 503.
    IndexDamaged,
    /// Its live changes cannot be read; it answers 503.
    LiveDamaged,
    /// Its rules cannot be read; it answers 503.
    RulesDamaged,
}

/// The process runs.
#[derive(Debug, Serialize, ToSchema)]
pub(super) struct LiveResponse {
    /// Always `live`.
    pub(super) status: &'static str,
}

/// At least one catalog is known and each one answers.
#[derive(Debug, Serialize, ToSchema)]
pub(super) struct ReadyResponse {
    /// Always `ready`.
    pub(super) status: &'static str,
    /// Every catalog.
    pub(super) catalogs: Vec<CatalogStatus>,
}

/// The product record's fields as the index keeps them: name, description, whether it is a list.
const PRODUCT_FIELDS: [(&str, &str, bool); 16] = [
    ("id", "The shop's key.", false),
    ("title", "Plain text.", false),
    ("description", "Plain text; absent when empty.", false),
    ("link", "The product's page.", false),
    ("image_link", "The main image.", false),
    ("availability", "in_stock, out_of_stock, preorder or backorder.", false),
    ("price", "Regular price, e.g. 15.00 USD.", false),
    ("sale_price", "Reduced price, in force now.", false),
    ("cost_of_goods_sold", "What the shop paid; taken, never sent.", false),
    ("brand", "Brand or vendor.", false),
    ("gtin", "Global trade item number.", false),
    ("mpn", "Manufacturer part number.", false),
    ("product_type", "The shop's categories, each a list of names from root to leaf.", true),
    ("google_product_category", "Google's category: names from root to leaf.", true),
    ("item_group_id", "Shared by the variants of one product.", false),
    ("related_product", "Typed edges to other products: relationship and id.", true),
];

fn product_schema() -> Schema {
    let mut product =
        ObjectBuilder::new().schema_type(Type::Object).description(Some("A product, in Merchant Center's words."));
    for (name, description, is_list) in PRODUCT_FIELDS {
        product = if is_list {
            product.property(name, ArrayBuilder::new().items(Object::new()).description(Some(description)))
        } else {
            product.property(name, ObjectBuilder::new().schema_type(Type::String).description(Some(description)))
        };
    }
    let attributes = "Every other field by its name, several values each.";
    let attributes = ObjectBuilder::new().schema_type(Type::Object).description(Some(attributes));
    product.property("attributes", attributes).required("id").required("title").required("availability").into()
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::catalog::Product;

    #[test]
    fn the_described_product_has_the_fields_of_the_record() {
        let record = serde_json::json!({
            "id": "1", "title": "t", "description": "d", "link": "l", "image_link": "i", "price": "1.00 USD",
            "sale_price": "1.00 USD", "cost_of_goods_sold": "1.00 USD", "brand": "b", "gtin": "g", "mpn": "m",
            "product_type": [["a"]], "google_product_category": ["a"], "item_group_id": "f",
            "related_product": [{"relationship": "accessory", "id": "2"}], "attributes": {"color": ["red"]},
        });
        let product: Product = serde_json::from_value(record).unwrap();
        let names = |value: &serde_json::Value| {
            let mut names: Vec<String> = value.as_object().unwrap().keys().cloned().collect();
            names.sort();
            names
        };
        let schema = serde_json::to_value(product_schema()).unwrap();
        assert_eq!(names(&schema["properties"]), names(&serde_json::to_value(product).unwrap()));
    }
}
