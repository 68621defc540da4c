//! What is kept of one visitor, user or nameless session: shown, and erased.

use axum::extract::State;
use axum::response::Response;
use serde::Serialize;
use utoipa::ToSchema;

use super::address::VisitorAddress;
use super::app::App;
use super::problem::{Problem, ProblemDocument, Refusals};
use super::recommend_routes::json;
use crate::events::ExportedEvent;
use crate::pipeline::{Erasure, erase_shopper};

/// All that is kept of one visitor or user.
#[derive(Debug, Serialize, ToSchema)]
pub(super) struct VisitorResponse {
    /// The events, oldest first.
    events: Vec<ExportedEvent>,
}

/// Shows all that is kept of one visitor or user. For the shop's own systems, never for the browser.
#[utoipa::path(
    get, path = "/v1/{catalog}/visitors/{*id}", tag = "events",
    params(VisitorAddress),
    responses(
        (status = 200, description = "The events; none of an id that is not known", body = VisitorResponse),
        Refusals,
    ),
)]
pub(super) async fn export_visitor(
    State(app): State<App>,
    VisitorAddress { catalog, id }: VisitorAddress,
) -> Result<Response, Problem> {
    let store = app.events().of(&catalog)?;
    let events = app.apart(app.deadline(), move || store.export(&id)).await??;
    json(&VisitorResponse { events })
}

/// Erases all that is kept of one visitor or user, and answers with a receipt. For the shop's own systems, never for the browser.
///
/// When the answer comes, neither the id's hash nor its events are in any file of the catalog: the event files were searched after the last
/// write, and every session to which one of its events contributes is taken out of every generation, of which the receipt tells; the one in
/// use is replaced by one without them, which serves within `server.reload_interval_ms`. A session that two devices of one user share goes
/// whole, whichever id is erased; the other's events stay. Pairs of products that no more orders or sessions back than were taken out go with
/// them. The other counts over all shoppers (how popular products are, what follows what by category) hold no session and stay until the next
/// build. An erasure that takes longer than a request may, that another process keeps from it by reading for long, or that comes while a build
/// runs, is answered 503; it may go on, asking again does what is left, and the receipt counts what all of them erased.
#[utoipa::path(
    delete, path = "/v1/{catalog}/visitors/{*id}", tag = "events",
    params(VisitorAddress),
    responses(
        (status = 200, description = "It is erased, or there was nothing", body = Erasure),
        (status = "4XX", description = "The request is wrong", body = ProblemDocument, content_type = "application/problem+json"),
        (status = "5XX", description = "It may not be erased whole; ask again", body = ProblemDocument, content_type = "application/problem+json"),
    ),
)]
pub(super) async fn erase_visitor(
    State(app): State<App>,
    VisitorAddress { catalog, id }: VisitorAddress,
) -> Result<Response, Problem> {
    let store = app.events().of(&catalog)?;
    let dir = app.catalogs().dir(&catalog)?;
    let behavior = app.catalogs().behavior().clone();
    let (receipts, of, whose) = (app.receipts().clone(), catalog.clone(), id.clone());
    // Held by the work itself, which goes on when this request has run out of time.
    let erase = move || Ok::<_, Problem>(receipts.hold(&of, &whose, erase_shopper(&dir, &store, &whose, &behavior)?));
    let erasure = app.apart(app.deadline(), erase).await;
    // Whose questions are held is not known, so all go, also where something else could not be erased.
    app.kept().forget(&catalog);
    let erasure = erasure??;
    app.receipts().take(&catalog, &id);
    json(&erasure)
}
