//! Every error that the server answers, as an RFC 9457 problem document. Causes and paths of the machine are logged, never sent.

use std::borrow::Cow;
use std::error::Error;

use axum::http::header::{CONNECTION, CONTENT_TYPE, RETRY_AFTER};
use axum::http::{HeaderValue, StatusCode};
use axum::response::{IntoResponse, Response};
use serde::Serialize;
use utoipa::ToSchema;

use crate::events::EventError;
use crate::index::IndexError;
use crate::live::LiveError;
use crate::pipeline::EraseError;
use crate::recommend::RecommendError;
use crate::rules::RulesError;

/// Media type of a problem document.
pub(super) const PROBLEM_JSON: &str = "application/problem+json";

/// What went wrong, for programs.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, ToSchema)]
#[serde(rename_all = "snake_case")]
pub(super) enum Code {
    /// The body is not JSON, or empty.
    InvalidJson,
    /// A field has a wrong type or lies outside its range.
    InvalidField,
    /// A field that does not exist.
    UnknownField,
    /// The filter cannot be used.
    InvalidFilter,
    /// The address is not percent-encoded UTF-8.
    InvalidAddress,
    /// The intent has no source in this version.
    IntentNotAvailable,
    /// No catalog of this name is served.
    CatalogNotFound,
    /// The catalog has no product of this id.
    ProductNotFound,
    /// The catalog has no placement of this name.
    PlacementNotFound,
    /// No answer of this id is kept.
    RecommendationNotFound,
    /// No such route.
    RouteNotFound,
    /// The route has no such method.
    MethodNotAllowed,
    /// The body came too slowly.
    RequestTimeout,
    /// The body is too long.
    BodyTooLarge,
    /// The body is not declared as JSON.
    UnsupportedMediaType,
    /// A fault of the server; its log has the cause.
    Internal,
    /// The catalog's generation was damaged when the server started.
    IndexDamaged,
    /// The catalog's live changes cannot be read or written.
    LiveDamaged,
    /// The catalog's events cannot be read or written.
    EventsDamaged,
    /// The catalog's rules cannot be read or written.
    RulesDamaged,
    /// The rules have no sense in them.
    InvalidRules,
    /// Somebody else has saved rules meanwhile.
    RulesConflict,
    /// There is no such version of the rules.
    VersionNotFound,
    /// The request does not say which version it changes.
    PreconditionRequired,
    /// Another process holds the catalog's events, or their disk fails.
    EventsUnavailable,
    /// A change was not kept, as the disk is full.
    DiskFull,
    /// Not every catalog serves.
    NotReady,
    /// More work than the server takes on.
    Overloaded,
}

impl Code {
    /// HTTP status, title, and what to do unless a problem says it better.
    fn facts(self) -> (StatusCode, &'static str, &'static str) {
        const SEE: &str = "/openapi.json describes every field and its range";
        match self {
            Self::InvalidJson => (StatusCode::BAD_REQUEST, "The body is not JSON", "send one JSON object"),
            Self::InvalidField => (StatusCode::BAD_REQUEST, "A field is wrong", SEE),
            Self::UnknownField => (StatusCode::BAD_REQUEST, "A field does not exist", SEE),
            Self::InvalidFilter => (StatusCode::BAD_REQUEST, "The filter cannot be used", SEE),
            Self::InvalidAddress => {
                (StatusCode::BAD_REQUEST, "The address is wrong", "percent-encode its parts as UTF-8")
            }
            Self::IntentNotAvailable => {
                (StatusCode::BAD_REQUEST, "The intent is not available", "use `similar` (`related`)")
            }
            Self::CatalogNotFound => (StatusCode::NOT_FOUND, "No such catalog", "GET /v1/catalogs lists them"),
            Self::ProductNotFound => (StatusCode::NOT_FOUND, "No such product", "check the id against the shop's feed"),
            Self::PlacementNotFound => {
                (StatusCode::NOT_FOUND, "No such placement", "`kindred placements CATALOG` lists them")
            }
            Self::RecommendationNotFound => (
                StatusCode::NOT_FOUND,
                "No such answer",
                "answers are kept for `server.trace_keep_seconds`, as many as `server.trace_keep_bytes` hold; ask again with `include: [\"trace\"]`",
            ),
            Self::RouteNotFound => (StatusCode::NOT_FOUND, "No such route", "/openapi.json lists every route"),
            Self::MethodNotAllowed => {
                (StatusCode::METHOD_NOT_ALLOWED, "Wrong method", "the `Allow` header names the methods of this route")
            }
            Self::RequestTimeout => (StatusCode::REQUEST_TIMEOUT, "The body came too slowly", "send the body at once"),
            Self::BodyTooLarge => {
                (StatusCode::PAYLOAD_TOO_LARGE, "The body is too long", "ask for less in one request")
            }
            Self::UnsupportedMediaType => {
                (StatusCode::UNSUPPORTED_MEDIA_TYPE, "The body is not JSON", "send `Content-Type: application/json`")
            }
            Self::Internal => {
                (StatusCode::INTERNAL_SERVER_ERROR, "The server failed", "the server's log has the cause")
            }
            Self::IndexDamaged => (
                StatusCode::SERVICE_UNAVAILABLE,
                "The index is damaged",
                "rebuild it with `kindred index build` or go back with `kindred index rollback`",
            ),
            Self::LiveDamaged => (
                StatusCode::SERVICE_UNAVAILABLE,
                "The live changes are damaged",
                "restore `live.sqlite` from a backup, or move it away, which gives up the changes since the last build",
            ),
            Self::EventsDamaged => (
                StatusCode::SERVICE_UNAVAILABLE,
                "The events are damaged",
                "the server's log names the file: restore `events.sqlite` or `events.key` from a backup, or move them away, which gives up the events",
            ),
            Self::RulesDamaged => (
                StatusCode::SERVICE_UNAVAILABLE,
                "The rules are damaged",
                "restore `rules.sqlite` from a backup, or move it away, which gives up the rules",
            ),
            Self::InvalidRules => (
                StatusCode::BAD_REQUEST,
                "The rules have no sense in them",
                "nothing was changed; `field` names the place",
            ),
            Self::RulesConflict => (
                StatusCode::PRECONDITION_FAILED,
                "Somebody else has saved rules meanwhile",
                "nothing was changed; `diff` says what they changed: get the rules, put your change into them, and send them with their ETag",
            ),
            Self::VersionNotFound => {
                (StatusCode::NOT_FOUND, "No such version", "GET /v1/{catalog}/rules/history lists them")
            }
            Self::PreconditionRequired => (
                StatusCode::PRECONDITION_REQUIRED,
                "The version is missing",
                "send `If-Match` with the ETag of the rules that you have changed, or `*` to overwrite whatever there is",
            ),
            Self::EventsUnavailable => (
                StatusCode::SERVICE_UNAVAILABLE,
                "The events cannot be reached now",
                "another process holds the events, or their disk fails, of which the server's log tells: nothing was kept, send it again",
            ),
            Self::DiskFull => (
                StatusCode::INSUFFICIENT_STORAGE,
                "The disk is full",
                "nothing was changed; free some space and send it again",
            ),
            Self::NotReady => {
                (StatusCode::SERVICE_UNAVAILABLE, "Not every catalog serves", "`catalogs` says which and why")
            }
            Self::Overloaded => {
                (StatusCode::SERVICE_UNAVAILABLE, "The server is at its limit", "try again in a second")
            }
        }
    }
}

/// A problem document (RFC 9457).
#[derive(Debug, Clone, Serialize, ToSchema)]
#[schema(example = json!({
    "type": "urn:kindred:problem:invalid_field", "title": "A field is wrong", "status": 400,
    "detail": "limit: 0 is not between 1 and 100", "code": "invalid_field", "field": "limit",
    "hint": "/openapi.json describes every field and its range",
}))]
pub(super) struct ProblemDocument {
    /// Names the kind of problem, as `code` does.
    #[serde(rename = "type")]
    kind: String,
    /// What kind of problem it is, in words.
    title: &'static str,
    /// The HTTP status.
    status: u16,
    /// What is wrong this time.
    detail: String,
    /// The kind of problem, for programs.
    code: Code,
    /// The place in the request, such as `filter.must[0].range`; `null` when no single one is to blame.
    field: Option<String>,
    /// What to do.
    hint: Cow<'static, str>,
}

/// An error on its way to the client.
#[derive(Debug, Clone)]
pub(super) struct Problem {
    code: Code,
    detail: String,
    field: Option<String>,
    hint: Option<String>,
}

impl Problem {
    /// A problem whose `detail` says what is wrong this time.
    pub(super) fn new(code: Code, detail: impl Into<String>) -> Self {
        Self { code, detail: detail.into(), field: None, hint: None }
    }

    /// A wrong field; the detail starts with its name.
    pub(super) fn field(code: Code, field: impl Into<String>, message: impl std::fmt::Display) -> Self {
        let field = field.into();
        Self { detail: format!("{field}: {message}"), field: Some(field), code, hint: None }
    }

    /// The same problem with a better hint.
    pub(super) fn hint(self, hint: impl Into<String>) -> Self {
        Self { hint: Some(hint.into()), ..self }
    }

    /// A fault of the server: logs the error and its causes, and tells the client none of them.
    pub(super) fn internal(error: &(dyn Error + 'static)) -> Self {
        tracing::error!("cannot answer: {}", with_causes(error));
        Self::new(Code::Internal, "the request could not be answered")
    }

    /// Names the field as the route's own request does.
    pub(super) fn rename_field(mut self, from: &str, to: &str) -> Self {
        if self.field.as_deref() == Some(from) {
            self.detail = self.detail.replacen(from, to, 1);
            self.field = Some(to.to_owned());
        }
        self
    }

    /// The document that the client gets.
    pub(super) fn document(self) -> ProblemDocument {
        let (status, title, hint) = self.code.facts();
        // A unit variant serializes to its name.
        let code = serde_json::to_value(self.code).unwrap_or_default();
        ProblemDocument {
            kind: format!("urn:kindred:problem:{}", code.as_str().unwrap_or_default()),
            title,
            status: status.as_u16(),
            detail: self.detail,
            code: self.code,
            field: self.field,
            hint: self.hint.map_or(hint.into(), Cow::from),
        }
    }

    /// The HTTP status.
    pub(super) fn status(&self) -> StatusCode {
        self.code.facts().0
    }
}

/// An error and its causes on one line.
pub(super) fn with_causes(error: &(dyn Error + 'static)) -> String {
    let mut line = error.to_string();
    let mut cause = error.source();
    while let Some(error) = cause {
        line.push_str(": ");
        line.push_str(&error.to_string());
        cause = error.source();
    }
    line
}

/// A problem document, and whatever it carries beyond the standard's fields, as a response.
pub(super) fn problem_response(status: StatusCode, body: &impl Serialize) -> Response {
    let body = serde_json::to_vec(body).unwrap_or_default();
    let mut response = (status, [(CONTENT_TYPE, HeaderValue::from_static(PROBLEM_JSON))], body).into_response();
    if status == StatusCode::SERVICE_UNAVAILABLE {
        response.headers_mut().insert(RETRY_AFTER, HeaderValue::from_static("1"));
    }
    // What is left of the body would be read as the next request.
    if status == StatusCode::REQUEST_TIMEOUT || status == StatusCode::PAYLOAD_TOO_LARGE {
        response.headers_mut().insert(CONNECTION, HeaderValue::from_static("close"));
    }
    response
}

impl IntoResponse for Problem {
    fn into_response(self) -> Response {
        problem_response(self.status(), &self.document())
    }
}

impl From<RecommendError> for Problem {
    fn from(error: RecommendError) -> Self {
        match error {
            RecommendError::Invalid { field, message } => Self::field(Code::InvalidField, field, message),
            RecommendError::Filter(error) => Self::field(Code::InvalidFilter, error.path, error.message),
            RecommendError::UnknownField { path, field, known } => {
                Self::field(Code::InvalidFilter, path, format!("no product has a field `{field}`"))
                    .hint(format!("the catalog has {known}"))
            }
            RecommendError::UnknownPlacement { name, known } => {
                let message = format!("the catalog has no placement `{name}`");
                Self::field(Code::PlacementNotFound, "placement", message).hint(format!("the catalog has {known}"))
            }
            RecommendError::IntentNotAvailable(_) => Self::field(Code::IntentNotAvailable, "intent", error),
            RecommendError::NotComparable(_) => {
                Self::field(Code::IntentNotAvailable, "intent", error).hint("build the index again")
            }
            RecommendError::Live(error) => error.into(),
            RecommendError::Rules(error) => error.into(),
            RecommendError::ForeignModel { .. } | RecommendError::Index(_) | RecommendError::Embed(_) => {
                Self::internal(&error)
            }
        }
    }
}

impl From<LiveError> for Problem {
    fn from(error: LiveError) -> Self {
        let code = match &error {
            LiveError::DiskFull { .. } => Code::DiskFull,
            LiveError::Busy { .. } => Code::Overloaded,
            LiveError::Damaged { .. }
            | LiveError::Foreign { .. }
            | LiveError::FormatVersion { .. }
            | LiveError::Replaced { .. }
            | LiveError::Purged { .. } => Code::LiveDamaged,
            _ => return Self::internal(&error),
        };
        tracing::error!("a change was not kept: {}", with_causes(&error));
        Self::new(code, "the change was not kept")
    }
}

impl From<RulesError> for Problem {
    fn from(error: RulesError) -> Self {
        let code = match &error {
            RulesError::Document(error) => return Self::field(Code::InvalidRules, &error.path, &error.message),
            RulesError::Conflict { .. } => return Self::new(Code::RulesConflict, error.to_string()),
            RulesError::NoVersion { .. } => return Self::new(Code::VersionNotFound, error.to_string()),
            RulesError::DiskFull { .. } => Code::DiskFull,
            RulesError::Busy { .. } => Code::Overloaded,
            RulesError::Damaged { .. } | RulesError::Foreign { .. } => Code::RulesDamaged,
            RulesError::Sqlite { .. } => return Self::internal(&error),
        };
        tracing::error!("rules cannot be used: {}", with_causes(&error));
        Self::new(code, "the rules stay as they were")
    }
}

impl From<EventError> for Problem {
    fn from(error: EventError) -> Self {
        let code = match &error {
            EventError::DiskFull { .. } => Code::DiskFull,
            EventError::InvalidId { .. } => return Self::field(Code::InvalidField, "id", error),
            EventError::NotScrubbed { .. } => Code::Overloaded,
            EventError::Busy { .. }
            | EventError::Open { .. }
            | EventError::File { .. }
            | EventError::Read { .. }
            | EventError::Write { .. }
            | EventError::ReadKey { .. } => Code::EventsUnavailable,
            damage if damage.is_damage() => Code::EventsDamaged,
            _ => return Self::internal(&error),
        };
        tracing::error!("events cannot be used: {}", with_causes(&error));
        Self::new(code, "the request was not carried out")
    }
}

impl From<EraseError> for Problem {
    fn from(error: EraseError) -> Self {
        let code = match error {
            EraseError::Events(error) => return error.into(),
            EraseError::Index(IndexError::BuildInProgress { .. }) => Code::Overloaded,
            EraseError::Index(ref damage) if damage.is_damage() => Code::IndexDamaged,
            EraseError::Index(error) => return Self::internal(&error),
        };
        tracing::error!("nobody was erased: {}", with_causes(&error));
        Self::new(code, "it may not be erased whole; ask again")
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_event_that_was_not_kept_says_why_and_names_no_path() {
        let path = std::path::PathBuf::from("/secret/events.sqlite");
        let source = std::sync::Arc::new(std::io::Error::other("the disk fails"));
        for (error, status, code) in [
            (EventError::DiskFull { path: path.clone() }, 507, Code::DiskFull),
            (EventError::Busy { path: path.clone() }, 503, Code::EventsUnavailable),
            (EventError::File { path: path.clone(), source }, 503, Code::EventsUnavailable),
            (EventError::WrongKey { path: path.clone() }, 503, Code::EventsDamaged),
            (EventError::NoWriter { path }, 500, Code::Internal),
        ] {
            let document = Problem::from(error).document();
            assert_eq!((document.status, document.code), (status, code));
            assert!(!serde_json::to_string(&document).unwrap().contains("secret"));
        }
    }

    #[test]
    fn a_change_that_was_not_kept_says_why_and_names_no_path() {
        let path = std::path::PathBuf::from("/secret/live.sqlite");
        for (error, status) in [
            (LiveError::DiskFull { path: path.clone() }, 507),
            (LiveError::Busy { path: path.clone() }, 503),
            (LiveError::Damaged { path: path.clone(), reason: "r".into() }, 503),
            (LiveError::NoWriter { path }, 500),
        ] {
            let document = Problem::from(error).document();
            assert_eq!(document.status, status);
            assert!(!serde_json::to_string(&document).unwrap().contains("secret"));
        }
    }
}
