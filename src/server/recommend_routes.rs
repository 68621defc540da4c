//! Recommendations and search: unpack, ask, pack.

use std::sync::Arc;

use axum::extract::{RawQuery, State};
use axum::http::HeaderValue;
use axum::http::header::CONTENT_TYPE;
use axum::response::{IntoResponse, Response};
use serde::Serialize;
use tokio::time::Instant;

use super::address::CatalogAddress;
use super::answers::{Extras, RecommendResponse, SearchResponse, results, why_fewer};
use super::app::App;
use super::json_body::JsonBody;
use super::kept::Kept;
use super::problem::{Code, Problem, Refusals, with_causes};
use super::query_string::QueryString;
use super::requests::{DEFAULT_LIMIT, Include, RecommendRequest, SearchRequest, Shopper, VisitorKind};
use super::shopify::ShopifyResponse;
use crate::events::{BoughtProduct, Buyer, EventError, EventKind, EventStore, Purchased};
use crate::live::View;
use crate::recommend::{Engine, Intent, MAX_ANCHORS, MAX_LIMIT, Query, SessionEvent, Trace};

/// Most products that Shopify's call returns, and what it returns unless told otherwise.
const SHOPIFY_LIMIT: usize = 10;

/// An answer as JSON.
///
/// Returns a problem if it cannot be written as JSON, which only a fault of this program can cause.
pub(super) fn json(body: &impl Serialize) -> Result<Response, Problem> {
    let body = serde_json::to_vec(body).map_err(|error| Problem::internal(&error))?;
    Ok(([(CONTENT_TYPE, HeaderValue::from_static("application/json"))], body).into_response())
}

/// Recommends products.
///
/// Products of the request that the catalog lacks are named in `missing_ids`; when none of those to start from is known, the
/// answer is empty and `fewer_because` is `unknown_products`.
#[utoipa::path(
    post, path = "/v1/{catalog}/recommend", tag = "recommend",
    params(CatalogAddress),
    request_body = RecommendRequest,
    responses(
        (status = 200, description = "Products, best first", body = RecommendResponse),
        Refusals,
    ),
)]
pub(super) async fn recommend(
    State(app): State<App>,
    address: Result<CatalogAddress, Problem>,
    request: Result<JsonBody<RecommendRequest>, Problem>,
) -> Result<Response, Problem> {
    let CatalogAddress { catalog, engine } = address?;
    let JsonBody { value, deadline } = request?;
    let may_know = app.events().may_keep(value.consent());
    let (shopper, said, is_of_last_order) = (value.shopper(may_know), value.said(), value.is_of_last_order());
    let (mut query, placement, include) = value.into_query()?;
    let view = engine.view();
    let is_of_page = matches!(query.intent, Intent::Similar | Intent::Trending);
    if let Some(shopper) = shopper.as_ref().filter(|_| !is_of_page && query.order.is_none()) {
        add_live_session(&app, &catalog, shopper, &view, &mut query);
    }
    query = engine.place(query, said)?;
    if let Some(shopper) = shopper {
        let heeds_bought = query.intents().any(|intent| engine.config().heeds_bought(intent));
        if let Some(buyer) = shopper.buyer().filter(|_| heeds_bought) {
            query.bought = bought(&app, &catalog, buyer, deadline).await;
        }
        let heeds_purchases = query.order.is_some() || query.intents().any(|intent| intent == Intent::Replenish);
        let buyer = shopper.buyer().filter(|_| heeds_purchases || engine.rules().repurchase_days().is_some());
        let purchases = match buyer {
            Some(buyer) => purchases(&app, &catalog, buyer, deadline).await,
            None => Vec::new(),
        };
        if engine.rules().version() > 0 {
            add_marks(&app, &catalog, &shopper, &purchases, &mut query);
        }
        if heeds_purchases {
            query.take_purchases(purchases, is_of_last_order);
        }
    }
    let query = Arc::new(query);
    let (answer, took_ms) = app.ask(&engine, &view, query.clone(), deadline).await?;
    let extras = Extras { query: &query, include: &include };
    let mut response = RecommendResponse::new(&engine, (&view, &answer), &extras, placement.as_deref(), took_ms)?;
    if include.contains(&Include::Trace) {
        response.trace = Some(trace(&app, &engine, &view, query.clone(), deadline).await?);
    }
    if may_know {
        app.kept().keep(&response.recommendation_id, Kept::of(&catalog, query.clone(), (&view, &answer)));
    }
    json(&response)
}

/// How the answer to `query` comes about: worked out apart, as it looks at far more products than the answer does.
pub(super) async fn trace(
    app: &App,
    engine: &Arc<Engine>,
    view: &View,
    query: Arc<Query>,
    deadline: Instant,
) -> Result<Trace, Problem> {
    let (engine, view) = (engine.clone(), view.clone());
    let (_, trace) = app.apart(deadline, move || engine.trace(&view, &query)).await??;
    Ok(trace)
}

/// Puts what the shopper has done before what the request tells of the session. Events that cannot be read do not keep the question from
/// being answered: they are logged where they are opened.
fn add_live_session(app: &App, catalog: &str, shopper: &Shopper, view: &View, query: &mut Query) {
    let Ok(store) = app.events().of(catalog) else { return };
    let now_ms = jiff::Timestamp::now().as_millisecond();
    let live = store.live_session(&shopper.ids(), shopper.session.as_deref(), now_ms).unwrap_or_default();
    let known = live.iter().filter(|done| view.row(&done.product).is_some());
    let mut session: Vec<SessionEvent> =
        known.map(|done| SessionEvent { id: done.product.to_string(), kind: done.kind }).collect();
    let room = MAX_ANCHORS.saturating_sub(query.session.len());
    session.drain(..session.len().saturating_sub(room));
    session.append(&mut query.session);
    query.session = session;
}

/// Tells the rules what the shopper was shown, clicked and bought, and whether it is the first visit. `purchases` are those of orders, which are
/// remembered for longer than what is held in memory.
fn add_marks(app: &App, catalog: &str, shopper: &Shopper, purchases: &[Purchased], query: &mut Query) {
    let ids = shopper.ids();
    let (Ok(store), Some(&visitor)) = (app.events().of(catalog), ids.first()) else { return };
    let now_ms = jiff::Timestamp::now().as_millisecond();
    let live = store.live_session(&ids, shopper.session.as_deref(), now_ms).unwrap_or_default();
    let marks = store.marks(visitor).unwrap_or_default();
    let began_ms = live.first().map_or(now_ms, |first| first.time_ms);
    if query.shopper.visitor.is_none() {
        let is_known = marks.iter().any(|mark| mark.kind != EventKind::ViewItemList && mark.time_ms < began_ms);
        let kind = if is_known { VisitorKind::Returning } else { VisitorKind::New };
        query.shopper.visitor = Some(kind.word().to_owned());
    }
    query.mark(marks, purchases);
}

/// What the shopper bought in earlier orders; nothing where that cannot be read in time, as the question has an answer without it.
async fn bought(app: &App, catalog: &str, buyer: Buyer, deadline: Instant) -> Vec<BoughtProduct> {
    read(app, catalog, deadline, move |store| store.bought(&buyer)).await
}

/// What the shopper bought and when; nothing where that cannot be read in time.
async fn purchases(app: &App, catalog: &str, buyer: Buyer, deadline: Instant) -> Vec<Purchased> {
    read(app, catalog, deadline, move |store| store.purchases(&buyer)).await
}

/// What `ask` reads of the catalog's events. It reads a file, so it does not run where requests are taken.
async fn read<T: Send + 'static>(
    app: &App,
    catalog: &str,
    deadline: Instant,
    ask: impl FnOnce(&EventStore) -> Result<Vec<T>, EventError> + Send + 'static,
) -> Vec<T> {
    let Ok(store) = app.events().of(catalog) else { return Vec::new() };
    match app.apart(deadline, move || ask(&store)).await {
        Ok(Ok(read)) => read,
        Ok(Err(error)) => {
            tracing::warn!(catalog, "what a shopper bought cannot be read: {}", with_causes(&error));
            Vec::new()
        }
        Err(_) => Vec::new(),
    }
}

/// Searches products by free text.
#[utoipa::path(
    post, path = "/v1/{catalog}/search", tag = "search",
    params(CatalogAddress),
    request_body = SearchRequest,
    responses(
        (status = 200, description = "Products, best first", body = SearchResponse),
        Refusals,
    ),
)]
pub(super) async fn search(
    State(app): State<App>,
    address: Result<CatalogAddress, Problem>,
    request: Result<JsonBody<SearchRequest>, Problem>,
) -> Result<Response, Problem> {
    let CatalogAddress { engine, .. } = address?;
    let JsonBody { value, deadline } = request?;
    answer_search(&app, &engine, value, deadline)
        .await
        .map_err(|problem| problem.rename_field("context.query", "query"))
}

/// Searches products by free text, from a browser's address line. Results carry their products.
#[utoipa::path(
    get, path = "/v1/{catalog}/search", tag = "search",
    params(
        CatalogAddress,
        ("q" = String, Query, description = "The text, 1 to 2000 bytes"),
        ("limit" = Option<usize>, Query, description = "Most products, 1 to 100; 10 when absent"),
    ),
    responses(
        (status = 200, description = "Products, best first", body = SearchResponse),
        Refusals,
    ),
)]
pub(super) async fn search_by_address(
    State(app): State<App>,
    CatalogAddress { engine, .. }: CatalogAddress,
    RawQuery(raw): RawQuery,
) -> Result<Response, Problem> {
    let query = QueryString::parse(raw.as_deref(), &["q", "limit"])?;
    let limit = query.number("limit", 1..=MAX_LIMIT, DEFAULT_LIMIT)?;
    let request = SearchRequest::plain(query.required("q")?.to_owned(), limit);
    answer_search(&app, &engine, request, app.deadline())
        .await
        .map_err(|problem| problem.rename_field("context.query", "q"))
}

async fn answer_search(
    app: &App,
    engine: &Arc<Engine>,
    request: SearchRequest,
    deadline: Instant,
) -> Result<Response, Problem> {
    let (query, text, has_product) = request.into_query();
    let view = engine.view();
    let (answer, took_ms) = app.ask(engine, &view, Arc::new(query), deadline).await?;
    json(&SearchResponse {
        recommendation_id: ulid::Ulid::generate().to_string(),
        query: &text,
        generation: view.generation().name(),
        results: results(&view, &answer.hits, has_product)?,
        fewer_because: answer.fewer_because,
        fewer_because_rule: why_fewer(&answer),
        rules_version: answer.rules_version,
        took_ms,
    })
}

/// Recommends products in the shape of Shopify's storefront call.
#[utoipa::path(
    get, path = "/v1/{catalog}/recommendations/products.json", tag = "recommend",
    params(
        CatalogAddress,
        ("product_id" = String, Query, description = "The product on the page"),
        ("limit" = Option<usize>, Query, description = "Most products, 1 to 10; 10 when absent"),
        ("intent" = Option<String>, Query, description = "`related` when absent, `complementary` or `upsell`"),
    ),
    responses(
        (status = 200, description = "Products, best first", body = ShopifyResponse),
        Refusals,
    ),
)]
pub(super) async fn shopify_recommendations(
    State(app): State<App>,
    CatalogAddress { catalog, engine }: CatalogAddress,
    RawQuery(raw): RawQuery,
) -> Result<Response, Problem> {
    let parameters = QueryString::parse(raw.as_deref(), &["product_id", "limit", "intent"])?;
    let product_id = parameters.required("product_id")?;
    let intent = shopify_intent(parameters.get("intent"))?;
    let limit = parameters.number("limit", 1..=SHOPIFY_LIMIT, SHOPIFY_LIMIT)?;
    let view = engine.view();
    if view.row(product_id).is_none() {
        let message = format!("catalog `{catalog}` has no product `{product_id}`");
        return Err(Problem::field(Code::ProductNotFound, "product_id", message));
    }
    let anchors = vec![product_id.to_owned()];
    let query = Query { intent, anchors, limit, is_counted: true, ..Query::default() };
    let (answer, _) = app.ask(&engine, &view, Arc::new(query), app.deadline()).await?;
    let products = answer.hits.iter().map(|hit| view.product(hit.row).map(Into::into));
    let products = products.collect::<Result<_, _>>().map_err(|error| Problem::internal(&error))?;
    json(&ShopifyResponse { products })
}

fn shopify_intent(word: Option<&str>) -> Result<Intent, Problem> {
    match word {
        None | Some("related") => Ok(Intent::Similar),
        Some("complementary") => Ok(Intent::CrossSell),
        Some("upsell") => Ok(Intent::Upsell),
        Some(other) => Err(Problem::field(Code::InvalidField, "intent", format!("`{other}` is no intent"))
            .hint("use `related`, `complementary` or `upsell`")),
    }
}
