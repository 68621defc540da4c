//! Requests and answers as JSON. Unknown fields are refused, so that a slip of the pen is an error and not silence.

use std::collections::HashSet;

use serde::{Deserialize, Serialize};
use serde_json::value::RawValue;
use utoipa::ToSchema;
use utoipa::openapi::schema::{ArrayBuilder, Object, ObjectBuilder, Schema, Type};

use super::problem::{Code, Problem};
use crate::recommend::{Answer, Engine, FewerBecause, Hit, Intent, MAX_ANCHORS, Query, RelativePrice};
use crate::rules::Filter;

/// Products in an answer unless the request says otherwise.
pub(super) const DEFAULT_LIMIT: usize = 10;
/// Longest placement name in characters.
const MAX_PLACEMENT_CHARS: usize = 64;
/// Longest visitor, session and user id in bytes.
const MAX_VISITOR_BYTES: usize = 128;

/// What to recommend, and from what.
#[derive(Debug, Clone, Default, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
#[schema(example = json!({"placement": "pdp-similar", "context": {"product": "85099B"}, "limit": 4, "include": ["product"]}))]
pub(super) struct RecommendRequest {
    /// The shop's name for the slot, 1 to 64 characters; comes back in the answer.
    placement: Option<String>,
    /// What to show; this version answers `similar`.
    #[serde(default)]
    intent: Intent,
    /// What the shopper looks at now.
    #[serde(default)]
    context: Context,
    /// Accepted, 1 to 128 bytes; has no effect yet.
    visitor_id: Option<String>,
    /// Accepted, 1 to 128 bytes; has no effect yet.
    session_id: Option<String>,
    /// Accepted, 1 to 128 bytes; has no effect yet.
    user_id: Option<String>,
    /// Accepted; nothing about the visitor is kept either way.
    #[serde(rename = "consent")]
    _consent: Option<bool>,
    /// Most products in the answer, 1 to 100.
    #[serde(default = "default_limit")]
    #[schema(minimum = 1, maximum = 100, default = 10)]
    limit: usize,
    /// Which products may appear.
    #[serde(default)]
    filter: Filter,
    /// Products that never appear, at most 1000.
    #[serde(default)]
    exclude: Vec<String>,
    /// Leaves out products with a lower score; 0 to 1.
    #[schema(minimum = 0, maximum = 1)]
    min_score: Option<f32>,
    /// A price band relative to the first product of the context that has a price.
    price: Option<RelativePrice>,
    /// What each result carries besides id and score.
    #[serde(default)]
    include: Vec<Include>,
    /// Scores every product instead of walking the graph: slower, for comparisons.
    #[serde(default)]
    exact: bool,
}

/// What the shopper looks at. The answer starts from `product` and `products` together with `query`; without any of these
/// from `viewed`, else from `cart`. What is in the cart never appears.
#[derive(Debug, Clone, Default, Deserialize, ToSchema)]
#[serde(deny_unknown_fields, default)]
pub(super) struct Context {
    /// The product on the page.
    product: Option<String>,
    /// Several products, at most 1000; their mean is searched.
    products: Vec<String>,
    /// Free text.
    query: Option<String>,
    /// Products looked at before, at most 1000.
    viewed: Vec<String>,
    /// The cart, at most 1000 lines.
    cart: Vec<CartLine>,
}

/// A line of the cart. Written too: the API's description shows the context's defaults.
#[derive(Debug, Clone, Serialize, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub(super) struct CartLine {
    /// The product.
    id: String,
    /// How many, 1 or more.
    #[serde(default = "one")]
    #[schema(minimum = 1, default = 1)]
    quantity: u32,
}

/// A part of a result that is sent only on request.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Deserialize, ToSchema)]
#[serde(rename_all = "snake_case")]
pub(super) enum Include {
    /// The whole product record.
    Product,
}

/// A search by free text.
#[derive(Debug, Clone, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
#[schema(example = json!({"query": "red retrospot bag", "limit": 5, "include": ["product"]}))]
pub(super) struct SearchRequest {
    /// The text, 1 to 2000 bytes.
    query: String,
    /// Most products in the answer, 1 to 100.
    #[serde(default = "default_limit")]
    #[schema(minimum = 1, maximum = 100, default = 10)]
    limit: usize,
    /// Which products may appear.
    #[serde(default)]
    filter: Filter,
    /// Leaves out products with a lower score; 0 to 1.
    #[schema(minimum = 0, maximum = 1)]
    min_score: Option<f32>,
    /// What each result carries besides id and score.
    #[serde(default)]
    include: Vec<Include>,
}

fn default_limit() -> usize {
    DEFAULT_LIMIT
}

fn one() -> u32 {
    1
}

impl RecommendRequest {
    /// The question, the placement to echo, and whether results carry their product.
    ///
    /// Returns an error at the first field that is out of its range.
    pub(super) fn into_query(self) -> Result<(Query, Option<String>, bool), Problem> {
        self.check()?;
        let has_product = self.include.contains(&Include::Product);
        let cart: Vec<String> = self.context.cart.into_iter().map(|line| line.id).collect();
        let mut anchors: Vec<String> = self.context.product.into_iter().chain(self.context.products).collect();
        let mut exclude = self.exclude;
        exclude.extend(cart.iter().cloned());
        if anchors.is_empty() && self.context.query.is_none() {
            anchors = if self.context.viewed.is_empty() { cart } else { self.context.viewed };
        }
        keep_first(&mut anchors, &mut exclude);
        let query = Query {
            intent: self.intent,
            anchors,
            text: self.context.query,
            limit: self.limit,
            min_score: self.min_score,
            filter: self.filter,
            exclude,
            price: self.price,
            exact: self.exact,
        };
        Ok((query, self.placement, has_product))
    }

    fn check(&self) -> Result<(), Problem> {
        let context = &self.context;
        let num_excluded = self.exclude.len() + context.cart.len();
        let num_products = context.products.len() + usize::from(context.product.is_some());
        at_most("context.products", num_products)?;
        at_most("context.viewed", context.viewed.len())?;
        at_most("context.cart", context.cart.len())?;
        at_most("exclude", num_excluded)?;
        if let Some(at) = context.cart.iter().position(|line| line.quantity == 0) {
            return Err(Problem::field(
                Code::InvalidField,
                format!("context.cart[{at}].quantity"),
                "it is 0; give 1 or more",
            ));
        }
        if self.placement.as_ref().is_some_and(|name| !(1..=MAX_PLACEMENT_CHARS).contains(&name.chars().count())) {
            let message = format!("a placement has 1 to {MAX_PLACEMENT_CHARS} characters");
            return Err(Problem::field(Code::InvalidField, "placement", message));
        }
        let ids = [("visitor_id", &self.visitor_id), ("session_id", &self.session_id), ("user_id", &self.user_id)];
        for (field, id) in ids {
            if id.as_ref().is_some_and(|id| !(1..=MAX_VISITOR_BYTES).contains(&id.len())) {
                let message = format!("an id has 1 to {MAX_VISITOR_BYTES} bytes");
                return Err(Problem::field(Code::InvalidField, field, message));
            }
        }
        Ok(())
    }
}

fn at_most(field: &str, count: usize) -> Result<(), Problem> {
    if count <= MAX_ANCHORS {
        return Ok(());
    }
    let message =
        format!("{count} products are too many, at most {MAX_ANCHORS} are allowed (the cart counts as excluded)");
    Err(Problem::field(Code::InvalidField, field, message))
}

/// Drops ids that came before, so that an unknown one is reported once.
fn keep_first(anchors: &mut Vec<String>, exclude: &mut Vec<String>) {
    if anchors.len() + exclude.len() < 2 {
        return;
    }
    let mut seen = HashSet::new();
    anchors.retain(|id| seen.insert(id.clone()));
    exclude.retain(|id| seen.insert(id.clone()));
}

impl SearchRequest {
    /// The question, its text, and whether results carry their product.
    pub(super) fn into_query(self) -> (Query, String, bool) {
        let has_product = self.include.contains(&Include::Product);
        let text = Some(self.query.clone());
        let query =
            Query { text, limit: self.limit, min_score: self.min_score, filter: self.filter, ..Query::default() };
        (query, self.query, has_product)
    }

    /// A search for `query` with every other field at its default.
    pub(super) fn plain(query: String, limit: usize) -> Self {
        Self { query, limit, filter: Filter::default(), min_score: None, include: vec![Include::Product] }
    }
}

/// Recommended products, best first.
#[derive(Debug, Serialize, ToSchema)]
#[schema(example = json!({
    "recommendation_id": "01JD5Q4G3X1M6Z8T0V9K2B7R5C", "placement": "pdp-similar", "intent": "similar",
    "generation": "gen-000001", "experiment": null,
    "results": [{"id": "20914", "score": 0.7421, "rank": 1, "sources": {"similar": 0.7421}}],
    "fallback": null, "fewer_because": null, "missing_ids": [], "took_ms": 0.21,
}))]
pub(super) struct RecommendResponse<'a> {
    /// A ULID: names this answer in later events.
    pub(super) recommendation_id: String,
    /// The request's placement.
    pub(super) placement: Option<&'a str>,
    /// The request's intent.
    pub(super) intent: Intent,
    /// The generation that answered.
    pub(super) generation: &'a str,
    /// Always `null`: no experiments run.
    #[schema(value_type = Option<Object>)]
    pub(super) experiment: (),
    /// The products, one a family.
    pub(super) results: Vec<ResultItem<'a>>,
    /// Always `null`: nothing is padded.
    #[schema(value_type = Option<String>)]
    pub(super) fallback: (),
    /// Why there are fewer than `limit`; `null` when there are not.
    pub(super) fewer_because: Option<FewerBecause>,
    /// Ids of the request that the catalog does not have.
    pub(super) missing_ids: &'a [String],
    /// Time from the parsed request to the answer.
    pub(super) took_ms: f64,
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
    /// Time from the parsed request to the answer.
    pub(super) took_ms: f64,
}

/// One product of an answer.
#[derive(Debug, Serialize, ToSchema)]
pub(super) struct ResultItem<'a> {
    /// The product.
    id: &'a str,
    /// 0 to 1, higher is better.
    score: f32,
    /// 1 for the best.
    rank: usize,
    /// The score's parts by source.
    sources: Sources,
    /// The product record, on `include: ["product"]`.
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schema(schema_with = product_schema)]
    product: Option<&'a RawValue>,
}

/// A score's parts.
#[derive(Debug, Serialize, ToSchema)]
pub(super) struct Sources {
    /// Likeness of the texts.
    similar: f32,
}

/// The hits as results, in order. The product records are the index's own bytes, not parsed again.
///
/// Returns an error if a hit's record is damaged.
pub(super) fn results<'a>(engine: &'a Engine, hits: &[Hit], has_product: bool) -> Result<Vec<ResultItem<'a>>, Problem> {
    let products = engine.generation().products();
    let result = |(at, hit): (usize, &Hit)| {
        let record = has_product.then(|| products.record(hit.row)).transpose();
        Ok(ResultItem {
            id: products.id(hit.row).unwrap_or_default(),
            score: hit.score,
            rank: at + 1,
            sources: Sources { similar: hit.score },
            product: record.map_err(|error| Problem::internal(&error))?,
        })
    };
    hits.iter().enumerate().map(result).collect()
}

impl<'a> RecommendResponse<'a> {
    /// An answer with its results packed; `placement` is echoed.
    pub(super) fn new(
        engine: &'a Engine,
        answer: &'a Answer,
        placement: Option<&'a str>,
        has_product: bool,
        took_ms: f64,
    ) -> Result<Self, Problem> {
        Ok(Self {
            recommendation_id: ulid::Ulid::generate().to_string(),
            placement,
            intent: Intent::Similar,
            generation: engine.generation().name(),
            experiment: (),
            results: results(engine, &answer.hits, has_product)?,
            fallback: (),
            fewer_because: answer.fewer_because,
            missing_ids: &answer.missing_ids,
            took_ms,
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
    pub(super) product: &'a RawValue,
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
    /// Its products.
    pub(super) products: usize,
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
    ("cost_of_goods_sold", "What the shop paid.", false),
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

    fn query(json: &str) -> (Vec<String>, Vec<String>) {
        let request: RecommendRequest = serde_json::from_str(json).unwrap();
        let (query, ..) = request.into_query().unwrap();
        (query.anchors, query.exclude)
    }

    #[test]
    fn anchors_are_products_else_viewed_else_cart_and_the_cart_is_kept_out() {
        let ids = |ids: &[&str]| ids.iter().map(|id| id.to_string()).collect::<Vec<_>>();
        let all = r#"{"context":{"product":"a","products":["b","a"],"viewed":["v"],"cart":[{"id":"c"}]},"exclude":["x","c"]}"#;
        assert_eq!(query(all), (ids(&["a", "b"]), ids(&["x", "c"])));
        let viewed = r#"{"context":{"viewed":["v","w"],"cart":[{"id":"c","quantity":2}]}}"#;
        assert_eq!(query(viewed), (ids(&["v", "w"]), ids(&["c"])));
        assert_eq!(query(r#"{"context":{"cart":[{"id":"c"},{"id":"c"}]}}"#), (ids(&["c"]), ids(&[])));
        let text = r#"{"context":{"query":"bag","viewed":["v"],"cart":[{"id":"c"}]}}"#;
        assert_eq!(query(text), (ids(&[]), ids(&["c"])));
    }

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
