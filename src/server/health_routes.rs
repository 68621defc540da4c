//! How the server itself is doing, and what it can be asked.

use axum::extract::State;
use axum::http::HeaderValue;
use axum::http::header::CONTENT_TYPE;
use axum::response::{IntoResponse, Response};
use serde::Serialize;

use super::answers::{CatalogState, CatalogStatus, LiveResponse, ReadyResponse};
use super::app::App;
use super::problem::{Code, Problem, ProblemDocument, problem_response};
use super::recommend_routes::json;

/// Says that the process runs.
#[utoipa::path(
    get, path = "/healthz/live", tag = "health",
    responses((status = 200, description = "The process runs", body = LiveResponse)),
)]
pub(super) async fn live() -> Result<Response, Problem> {
    json(&LiveResponse { status: "live" })
}

/// Says whether the server should get requests: there is a catalog, and every one answers.
///
/// A catalog whose newest generation was refused while an older one answers is ready; `refused_generation` names it.
#[utoipa::path(
    get, path = "/healthz/ready", tag = "health",
    responses(
        (status = 200, description = "Every catalog answers", body = ReadyResponse),
        (status = 503, description = "There is no catalog, or one does not answer", body = NotReady, content_type = "application/problem+json"),
    ),
)]
pub(super) async fn ready(State(app): State<App>) -> Result<Response, Problem> {
    let catalogs = app.catalogs().status();
    let damaged = catalogs.iter().filter(|catalog| catalog.state != CatalogState::Serving).count();
    let detail = match (catalogs.len(), damaged) {
        (0, _) => "no catalog has an index yet".to_owned(),
        (_, 0) => return json(&ReadyResponse { status: "ready", catalogs }),
        (all, damaged) => format!("{damaged} of {all} catalogs cannot answer"),
    };
    let problem = Problem::new(Code::NotReady, detail);
    let status = problem.status();
    Ok(problem_response(status, &NotReady { problem: problem.document(), catalogs }))
}

/// A problem document that says how each catalog stands.
#[derive(Debug, Serialize, utoipa::ToSchema)]
pub(super) struct NotReady {
    #[serde(flatten)]
    problem: ProblemDocument,
    /// Every catalog.
    catalogs: Vec<CatalogStatus>,
}

/// Shows the server's figures in Prometheus' text format.
#[utoipa::path(
    get, path = "/metrics", tag = "health",
    responses((status = 200, description = "Figures in Prometheus' text format", body = String, content_type = "text/plain")),
)]
pub(super) async fn metrics(State(app): State<App>) -> Response {
    let media_type = HeaderValue::from_static("text/plain; version=0.0.4; charset=utf-8");
    ([(CONTENT_TYPE, media_type)], app.metrics().render()).into_response()
}

/// Describes this API as an OpenAPI 3.1 document.
#[utoipa::path(
    get, path = "/openapi.json", tag = "health",
    responses((status = 200, description = "This document", body = Object)),
)]
pub(super) async fn openapi(State(app): State<App>) -> Response {
    ([(CONTENT_TYPE, HeaderValue::from_static("application/json"))], app.openapi().to_owned()).into_response()
}
