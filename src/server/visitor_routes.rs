//! What is kept of one visitor, user or nameless session: shown, and erased.

use axum::extract::rejection::PathRejection;
use axum::extract::{Path, State};
use axum::response::Response;
use serde::Serialize;
use utoipa::ToSchema;

use super::app::{App, path_problem};
use super::problem::{Problem, ProblemDocument};
use super::recommend_routes::json;
use crate::events::{ErasureReceipt, ExportedEvent};

/// All that is kept of one visitor or user.
#[derive(Debug, Serialize, ToSchema)]
pub(super) struct VisitorResponse {
    /// The events, oldest first.
    events: Vec<ExportedEvent>,
}

/// Shows all that is kept of one visitor or user. For the shop's own systems, never for the browser.
#[utoipa::path(
    get, path = "/v1/{catalog}/visitors/{*id}", tag = "events",
    params(
        ("catalog" = String, Path, description = "The catalog's name"),
        ("id" = String, Path, description = "The visitor's or user's id, as events bear it, or that of a session whose events bear neither; slashes may stand as they are"),
    ),
    responses(
        (status = 200, description = "The events; none of an id that is not known", body = VisitorResponse),
        (status = "4XX", description = "The request is wrong", body = ProblemDocument, content_type = "application/problem+json"),
        (status = "5XX", description = "The server cannot answer now", body = ProblemDocument, content_type = "application/problem+json"),
    ),
)]
pub(super) async fn export_visitor(
    State(app): State<App>,
    path: Result<Path<(String, String)>, PathRejection>,
) -> Result<Response, Problem> {
    let Path((catalog, id)) = path.map_err(path_problem)?;
    let store = app.events().of(&catalog)?;
    let events = app.apart(app.deadline(), move || store.export(&id)).await??;
    json(&VisitorResponse { events })
}

/// Erases all that is kept of one visitor or user, and answers with a receipt. For the shop's own systems, never for the browser.
///
/// When the answer comes, neither the id's hash nor its events are in any file of the event store: the files were searched after the last
/// write. Generations built before still tell, without
/// any id, which products stood together in its sessions, until they are built anew and removed. An erasure that takes longer than a request may is
/// answered 503 and goes on, as is one that another process keeps from it by reading for long; asking again goes on where it stopped, and its
/// receipt counts what all of them erased.
#[utoipa::path(
    delete, path = "/v1/{catalog}/visitors/{*id}", tag = "events",
    params(
        ("catalog" = String, Path, description = "The catalog's name"),
        ("id" = String, Path, description = "The visitor's or user's id, as events bear it, or that of a session whose events bear neither; slashes may stand as they are"),
    ),
    responses(
        (status = 200, description = "It is erased, or there was nothing", body = ErasureReceipt),
        (status = "4XX", description = "The request is wrong", body = ProblemDocument, content_type = "application/problem+json"),
        (status = "5XX", description = "It may not be erased whole; ask again", body = ProblemDocument, content_type = "application/problem+json"),
    ),
)]
pub(super) async fn erase_visitor(
    State(app): State<App>,
    path: Result<Path<(String, String)>, PathRejection>,
) -> Result<Response, Problem> {
    let Path((catalog, id)) = path.map_err(path_problem)?;
    let store = app.events().of(&catalog)?;
    let receipt = app.apart(app.deadline(), move || store.erase(&id)).await??;
    json(&receipt)
}
