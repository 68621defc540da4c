//! How an answer that was given came about.

use std::sync::Arc;

use axum::extract::{RawQuery, State};
use axum::response::Response;
use serde::Serialize;
use utoipa::ToSchema;

use super::address::AnswerAddress;
use super::app::App;
use super::kept::Kept;
use super::problem::{Code, Problem, Refusals};
use super::query_string::QueryString;
use super::recommend_routes::{json, trace};
use crate::live::View;
use crate::recommend::{Engine, Trace, WhyNot};

/// An answer that was given, and how it comes about now.
#[derive(Debug, Serialize, ToSchema)]
pub(super) struct TraceResponse {
    /// The answer's id.
    recommendation_id: String,
    /// When it was asked for, RFC 3339.
    asked_at: String,
    /// The products that were shown, in their order.
    shown: Vec<String>,
    /// Whether the question is answered the same now.
    is_same: bool,
    /// What has changed since: `generation`, `products` (prices, stock, texts), `rules`. Empty where nothing has.
    changed: Vec<&'static str>,
    /// How the question is answered now.
    trace: Trace,
    /// What became of the product of `why_not`; absent without one.
    #[serde(skip_serializing_if = "Option::is_none")]
    why_not: Option<WhyNot>,
}

/// Explains an answer by its id: the question is asked again, of the products and rules as they are now.
///
/// Questions are held for `server.trace_keep_seconds`, as many as `server.trace_keep_bytes` have room for.
#[utoipa::path(
    get, path = "/v1/{catalog}/recommendations/{recommendation_id}/trace", tag = "recommend",
    params(
        AnswerAddress,
        ("why_not" = Option<String>, Query, description = "A product whose absence is to be explained"),
    ),
    responses(
        (status = 200, description = "How the answer comes about", body = TraceResponse),
        Refusals,
    ),
)]
pub(super) async fn trace_of(
    State(app): State<App>,
    AnswerAddress { catalog, recommendation_id, engine }: AnswerAddress,
    RawQuery(raw): RawQuery,
) -> Result<Response, Problem> {
    let parameters = QueryString::parse(raw.as_deref(), &["why_not"])?;
    let unknown = || {
        let message = format!("no answer `{recommendation_id}` of catalog `{catalog}` is kept");
        Problem::field(Code::RecommendationNotFound, "recommendation_id", message)
    };
    let kept = app.kept().find(&catalog, &recommendation_id).ok_or_else(unknown)?;
    let (view, deadline) = (engine.view(), app.deadline());
    let trace = trace(&app, &engine, &view, kept.query.clone(), deadline).await?;
    let why_not = match parameters.get("why_not") {
        None => None,
        Some(id) => {
            let (engine, view, query, id) = (engine.clone(), view.clone(), kept.query.clone(), id.to_owned());
            Some(app.apart(deadline, move || engine.why_not(&view, &query, &id)).await??)
        }
    };
    json(&TraceResponse {
        asked_at: kept.asked_at.to_string(),
        is_same: trace.list.results.iter().map(|result| &result.id).eq(&kept.shown),
        changed: changed(&kept, &engine, &view),
        shown: kept.shown.clone(),
        recommendation_id,
        trace,
        why_not,
    })
}

/// What has changed since the question was answered.
fn changed(kept: &Kept, engine: &Arc<Engine>, view: &View) -> Vec<&'static str> {
    let changes = [
        ("generation", kept.generation != view.generation().name()),
        ("products", kept.live_seq != view.seq()),
        ("rules", kept.rules_version != engine.rules().version()),
    ];
    changes.into_iter().filter(|(_, is_changed)| *is_changed).map(|(what, _)| what).collect()
}
