//! Events in: answered when they are on disk and in the live sessions.

use std::collections::HashSet;

use axum::extract::State;
use axum::response::Response;
use serde::Serialize;
use tokio::sync::oneshot;
use tokio::time::{Instant, timeout_at};
use utoipa::ToSchema;

use super::address::CatalogName;
use super::app::App;
use super::json_body::EventsBody;
use super::problem::{Code, Problem, ProblemDocument};
use super::recommend_routes::json;
use crate::catalog::RecordForm;
use crate::events::{Event, EventReader, EventReceipt, EventReject, EventStore, EventsConfig, ReadEvents};
use crate::live::View;

/// Bodies up to this length are read where they are, longer ones on a blocking thread.
const SMALL_BODY_BYTES: usize = 16 * 1024;

/// What became of the events of a request. Those that were accepted are on disk.
#[derive(Debug, Serialize, ToSchema)]
#[schema(example = json!({
    "accepted": 2, "duplicates": 1, "without_consent": 0, "ignored": 1, "unknown_products": 0, "took_ms": 1.9,
    "rejected": [{"index": 3, "field": "items[0].quantity", "code": "out_of_range", "message": "-1 is not above 0 and at most 1000000"}],
}))]
pub(super) struct EventsResponse {
    /// How many are kept.
    accepted: u64,
    /// How many had been kept before.
    duplicates: u64,
    /// How many are not written because the shopper did not agree.
    without_consent: u64,
    /// How many have a name of which nothing is learned, such as `page_view`.
    ignored: u64,
    /// Those that cannot be used.
    rejected: Vec<EventReject>,
    /// How many different products the catalog does not have; their events are kept.
    unknown_products: usize,
    /// Time from the read body to the answer.
    took_ms: f64,
}

/// A shopper's event, in GA4's words; what it may hold besides is left alone.
#[derive(Debug, ToSchema)]
#[expect(dead_code, reason = "described here, read by the reader of events")]
#[schema(example = json!({
    "event": "add_to_cart", "event_id": "e-1", "visitor_id": "v-1", "session_id": "s-1", "timestamp": "2026-01-31T12:00:00Z", "consent": true,
    "ecommerce": {"currency": "GBP", "items": [{"item_id": "85099B", "quantity": 1, "price": 2.08, "item_list_id": "pdp-similar"}]},
}))]
pub(super) struct StorefrontEvent {
    /// What was done: `view_item`, `view_item_list`, `select_item`, `add_to_cart`, `remove_from_cart`, `add_to_wishlist`, `begin_checkout`,
    /// `purchase`, `refund` or `search`; Google Retail's and Personalize's names are read too.
    event: String,
    /// Names the event: sent twice, it counts once. 1 to 256 bytes, as all ids but those of products, which have up to 128.
    event_id: Option<String>,
    /// The browser or device.
    visitor_id: Option<String>,
    /// The customer who is signed in.
    user_id: Option<String>,
    /// The visit.
    session_id: Option<String>,
    /// RFC 3339, or epoch seconds, milliseconds or microseconds; the time of receipt when left out.
    timestamp: Option<String>,
    /// `false`: nothing is written.
    consent: Option<bool>,
    /// The answer that led to it.
    recommendation_id: Option<String>,
    /// What it was done on.
    device: Option<String>,
    /// `transaction_id`, `currency` and `items` with `item_id`, `price`, `quantity` and `item_list_id`.
    #[schema(value_type = Object)]
    ecommerce: Option<()>,
}

/// Takes in what shoppers did.
///
/// The body is one event, a list of them, or JSON Lines (`application/x-ndjson`); any of these as `text/plain`, which is what
/// `navigator.sendBeacon` sends. A bad one never stops the others. Safe to call from the browser.
///
/// A purchase with a `transaction_id` is known by it, whatever its `event_id` and time: told again, it is a duplicate, and of products that it
/// tells more of than is known, what is more is kept. A refund is known by its `transaction_id` and its `event_id`, or else its time.
#[utoipa::path(
    post, path = "/v1/{catalog}/events", tag = "events",
    params(CatalogName),
    request_body(content((Vec<StorefrontEvent> = "application/json"), (String = "application/x-ndjson"), (String = "text/plain"))),
    responses(
        (status = 200, description = "What became of the events", body = EventsResponse),
        (status = "4XX", description = "The request is wrong", body = ProblemDocument, content_type = "application/problem+json"),
        (status = "5XX", description = "Nothing was kept", body = ProblemDocument, content_type = "application/problem+json"),
    ),
)]
pub(super) async fn post_events(
    State(app): State<App>,
    address: Result<CatalogName, Problem>,
    body: Result<EventsBody, Problem>,
) -> Result<Response, Problem> {
    let CatalogName { catalog } = address?;
    let store = app.events().of(&catalog)?;
    let EventsBody { bytes, form, deadline } = body?;
    let began = Instant::now();
    // Events are kept also where no generation could be opened.
    let view = app.catalogs().engine(&catalog).ok().map(|engine| engine.view());
    let (is_small, reading) = (bytes.len() <= SMALL_BODY_BYTES, store.clone());
    let read = move || read(&bytes, form, reading.config(), view.as_ref());
    let (read, unknown_products) = if is_small { read()? } else { app.apart(deadline, read).await?? };
    let ReadEvents { events, without_consent, ignored, rejected } = read;
    let receipt = if events.is_empty() { EventReceipt::default() } else { submit(&store, events, deadline).await? };
    let EventReceipt { accepted, duplicates } = receipt;
    let counts = [
        ("accepted", accepted),
        ("duplicate", duplicates),
        ("without_consent", without_consent),
        ("ignored", ignored),
        ("rejected", rejected.len() as u64),
    ];
    app.metrics().events(&catalog, &counts);
    let took_us = began.elapsed().as_micros() as f64;
    let took_ms = took_us / 1000.0;
    json(&EventsResponse { accepted, duplicates, without_consent, ignored, rejected, unknown_products, took_ms })
}

/// The body's events, and how many different products of theirs `view` does not have.
fn read(
    bytes: &[u8],
    form: RecordForm,
    config: &EventsConfig,
    view: Option<&View>,
) -> Result<(ReadEvents, usize), Problem> {
    let now_ms = jiff::Timestamp::now().as_millisecond();
    let read = EventReader::new(config, now_ms).read(bytes, form).map_err(|message| {
        Problem::field(Code::InvalidJson, "body", message).hint("send one event, a list of them, or JSON Lines")
    })?;
    let num_unknown = view.map_or(0, |view| num_unknown(view, &read.events));
    Ok((read, num_unknown))
}

/// How many different products `view` does not have.
fn num_unknown(view: &View, events: &[Event]) -> usize {
    let products = events.iter().flat_map(|event| event.items.iter().map(|item| item.product.as_str()));
    products.filter(|product| view.row(product).is_none()).collect::<HashSet<_>>().len()
}

async fn submit(store: &EventStore, events: Vec<Event>, deadline: Instant) -> Result<EventReceipt, Problem> {
    let (reply, answer) = oneshot::channel();
    // When the client has left, nobody takes the answer; the events are kept all the same.
    store.submit_with(events, move |result| drop(reply.send(result)));
    let too_late =
        |_| Problem::new(Code::Overloaded, "the events were not kept in time; they may still be, so send them again");
    let answer = timeout_at(deadline, answer).await.map_err(too_late)?;
    Ok(answer.map_err(|error| Problem::internal(&error))??)
}
