//! Changes of products: price, stock and labels, new and reworded products, deletions. Answered when they are kept and visible.

use std::sync::Arc;

use axum::extract::State;
use axum::response::Response;
use tokio::sync::oneshot;
use tokio::time::{Instant, timeout_at};

use super::address::{CatalogAddress, ProductAddress};
use super::app::App;
use super::changes::{ChangesResponse, DeleteRequest, OfferChange, Sorted};
use super::json_body::{JsonBody, RecordsBody};
use super::problem::{Code, Problem, RefusedChanges};
use super::recommend_routes::json;
use crate::catalog::{CatalogConfig, ProductId, Record, RecordFault, RecordReader, RejectCode, split_records};
use crate::live::{Change, Receipt};
use crate::recommend::Engine;

/// Bodies up to this length are parsed where they are, longer ones on a blocking thread.
const SMALL_BODY_BYTES: usize = 16 * 1024;

/// Changes prices, stock and labels of products.
///
/// The body is one change, a list of them, or JSON Lines (`application/x-ndjson`). A bad one never stops the others.
#[utoipa::path(
    patch, path = "/v1/{catalog}/products", tag = "products",
    params(CatalogAddress),
    request_body(content((Vec<OfferChange> = "application/json"), (String = "application/x-ndjson"))),
    responses(
        (status = 200, description = "What became of the changes", body = ChangesResponse),
        RefusedChanges,
    ),
)]
pub(super) async fn patch_products(
    State(app): State<App>,
    address: Result<CatalogAddress, Problem>,
    body: Result<RecordsBody, Problem>,
) -> Result<Response, Problem> {
    let CatalogAddress { catalog, engine } = address?;
    let body = body?;
    let (deadline, is_small) = (body.deadline, body.text.len() <= SMALL_BODY_BYTES);
    let config = app.catalogs().settings(&catalog).clone();
    let read = move || {
        read(&body, &config, |reader, record| reader.patch(record).map(|(id, patch)| Change::Patch { id, patch }))
    };
    let patches = if is_small { read()? } else { app.apart(deadline, read).await?? };
    keep(&app, &catalog, &engine, Sorted::of(patches), deadline, false).await
}

/// Puts products in: new ones, or in place of those with their ids.
///
/// The body is one product in Merchant Center's words, a list of them, or JSON Lines (`application/x-ndjson`), read as a feed is. Their
/// texts are embedded before the answer.
#[utoipa::path(
    post, path = "/v1/{catalog}/products", tag = "products",
    params(CatalogAddress),
    request_body(content((Vec<Object> = "application/json"), (String = "application/x-ndjson"))),
    responses(
        (status = 200, description = "What became of the products", body = ChangesResponse),
        RefusedChanges,
    ),
)]
pub(super) async fn put_products(
    State(app): State<App>,
    address: Result<CatalogAddress, Problem>,
    body: Result<RecordsBody, Problem>,
) -> Result<Response, Problem> {
    let CatalogAddress { catalog, engine } = address?;
    let body = body?;
    let deadline = body.deadline;
    let config = app.catalogs().settings(&catalog).clone();
    let embedding = engine.clone();
    let embed = move || -> Result<Sorted, Problem> {
        let products = read(&body, &config, |reader, record| reader.product(record))?;
        let wanted = products.iter().flatten().cloned().collect();
        let mut upserts = embedding.live().upserts(wanted)?.into_iter();
        // As many changes as products, in their order.
        Ok(Sorted::of(products.into_iter().filter_map(|product| product.map(|_| upserts.next()).transpose())))
    };
    let sorted = app.apart(deadline, embed).await??;
    keep(&app, &catalog, &engine, sorted, deadline, false).await
}

/// Deletes products.
#[utoipa::path(
    delete, path = "/v1/{catalog}/products", tag = "products",
    params(CatalogAddress),
    request_body = DeleteRequest,
    responses(
        (status = 200, description = "What became of the products; those that there are not are counted", body = ChangesResponse),
        RefusedChanges,
    ),
)]
pub(super) async fn delete_products(
    State(app): State<App>,
    address: Result<CatalogAddress, Problem>,
    request: Result<JsonBody<DeleteRequest>, Problem>,
) -> Result<Response, Problem> {
    let CatalogAddress { catalog, engine } = address?;
    let JsonBody { value, deadline } = request?;
    keep(&app, &catalog, &engine, Sorted::of(value.ids.into_iter().map(deletion)), deadline, true).await
}

/// Deletes one product. The id is all that follows `/products/`, slashes included, percent-encoded where need be.
#[utoipa::path(
    delete, path = "/v1/{catalog}/products/{*id}", tag = "products",
    params(ProductAddress),
    responses(
        (status = 200, description = "It is gone, or there was none", body = ChangesResponse),
        RefusedChanges,
    ),
)]
pub(super) async fn delete_product(
    State(app): State<App>,
    ProductAddress { catalog, id, engine }: ProductAddress,
) -> Result<Response, Problem> {
    keep(&app, &catalog, &engine, Sorted::of([deletion(id)]), app.deadline(), true).await
}

fn deletion(id: String) -> Result<Change, RecordFault> {
    let bad = |error: crate::catalog::ProductIdError| {
        RecordFault::new(Some(id.chars().take(200).collect()), "id", RejectCode::BadId, error.to_string())
    };
    ProductId::new(id.as_str()).map(|id| Change::Delete { id }).map_err(bad)
}

/// The body's records, each as `one` reads it.
fn read<T>(
    body: &RecordsBody,
    config: &CatalogConfig,
    one: impl Fn(&RecordReader<'_>, &Record) -> Result<T, RecordFault>,
) -> Result<Vec<Result<T, RecordFault>>, Problem> {
    let reader = RecordReader::new(config, jiff::Timestamp::now()).map_err(|error| Problem::internal(&error))?;
    let records = split_records(&body.text, body.form);
    let records = records.map_err(|message| {
        Problem::field(Code::InvalidJson, "body", message).hint("send one object, a list of them, or JSON Lines")
    })?;
    Ok(records.into_iter().map(|record| one(&reader, &record?)).collect())
}

/// Keeps the changes and answers when they are on disk and visible.
async fn keep(
    app: &App,
    catalog: &str,
    engine: &Arc<Engine>,
    sorted: Sorted,
    deadline: Instant,
    is_delete: bool,
) -> Result<Response, Problem> {
    let began = Instant::now();
    let (changes, outcome) = sorted.split();
    let receipt = if changes.is_empty() {
        Receipt { seq: engine.view().seq(), ..Receipt::default() }
    } else {
        submit(engine, changes, deadline).await?
    };
    let took_us = began.elapsed().as_micros() as f64;
    let answer = outcome.answer(receipt, is_delete, took_us / 1000.0);
    app.metrics().changed(catalog, answer.accepted, answer.rejected.len() + answer.not_found);
    json(&answer)
}

async fn submit(engine: &Engine, changes: Vec<Change>, deadline: Instant) -> Result<Receipt, Problem> {
    let (reply, answer) = oneshot::channel();
    // When the client has left, nobody takes the answer; the changes are kept all the same.
    engine.live().submit_with(changes, move |result| drop(reply.send(result)));
    let too_late =
        |_| Problem::new(Code::Overloaded, "the changes were not kept in time; they may still be, so send them again");
    let answer = timeout_at(deadline, answer).await.map_err(too_late)?;
    Ok(answer.map_err(|error| Problem::internal(&error))??)
}
