//! Every error that the server answers, as an RFC 9457 problem document. Causes and paths of the machine are logged, never sent.

use std::borrow::Cow;
use std::collections::BTreeMap;
use std::error::Error;

use axum::http::header::{CONNECTION, CONTENT_TYPE, RETRY_AFTER};
use axum::http::{HeaderValue, StatusCode};
use axum::response::{IntoResponse, Response};
use serde::Serialize;
use utoipa::openapi::{self, ContentBuilder, Ref, RefOr};
use utoipa::{IntoResponses, ToSchema};

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
    /// The HTTP status.
    fn status(self) -> StatusCode {
        match self {
            Self::InvalidJson
            | Self::InvalidField
            | Self::UnknownField
            | Self::InvalidFilter
            | Self::InvalidAddress
            | Self::IntentNotAvailable
            | Self::InvalidRules => StatusCode::BAD_REQUEST,
            Self::CatalogNotFound
            | Self::ProductNotFound
            | Self::PlacementNotFound
            | Self::RecommendationNotFound
            | Self::RouteNotFound
            | Self::VersionNotFound => StatusCode::NOT_FOUND,
            Self::MethodNotAllowed => StatusCode::METHOD_NOT_ALLOWED,
            Self::RequestTimeout => StatusCode::REQUEST_TIMEOUT,
            Self::BodyTooLarge => StatusCode::PAYLOAD_TOO_LARGE,
            Self::UnsupportedMediaType => StatusCode::UNSUPPORTED_MEDIA_TYPE,
            Self::Internal => StatusCode::INTERNAL_SERVER_ERROR,
            Self::IndexDamaged
            | Self::LiveDamaged
            | Self::EventsDamaged
            | Self::RulesDamaged
            | Self::EventsUnavailable
            | Self::NotReady
            | Self::Overloaded => StatusCode::SERVICE_UNAVAILABLE,
            Self::RulesConflict => StatusCode::PRECONDITION_FAILED,
            Self::PreconditionRequired => StatusCode::PRECONDITION_REQUIRED,
            Self::DiskFull => StatusCode::INSUFFICIENT_STORAGE,
        }
    }

    /// What kind of problem it is, in words.
    fn title(self) -> &'static str {
        match self {
            Self::InvalidJson => "The body is not JSON",
            Self::InvalidField => "A field is wrong",
            Self::UnknownField => "A field does not exist",
            Self::InvalidFilter => "The filter cannot be used",
            Self::InvalidAddress => "The address is wrong",
            Self::IntentNotAvailable => "The intent is not available",
            Self::CatalogNotFound => "No such catalog",
            Self::ProductNotFound => "No such product",
            Self::PlacementNotFound => "No such placement",
            Self::RecommendationNotFound => "No such answer",
            Self::RouteNotFound => "No such route",
            Self::MethodNotAllowed => "Wrong method",
            Self::RequestTimeout => "The body came too slowly",
            Self::BodyTooLarge => "The body is too long",
            Self::UnsupportedMediaType => "The body is not JSON",
            Self::Internal => "The server failed",
            Self::IndexDamaged => "The index is damaged",
            Self::LiveDamaged => "The live changes are damaged",
            Self::EventsDamaged => "The events are damaged",
            Self::RulesDamaged => "The rules are damaged",
            Self::InvalidRules => "The rules have no sense in them",
            Self::RulesConflict => "Somebody else has saved rules meanwhile",
            Self::VersionNotFound => "No such version",
            Self::PreconditionRequired => "The version is missing",
            Self::EventsUnavailable => "The events cannot be reached now",
            Self::DiskFull => "The disk is full",
            Self::NotReady => "Not every catalog serves",
            Self::Overloaded => "The server is at its limit",
        }
    }

    /// What to do, unless a problem says it better.
    fn hint(self) -> &'static str {
        match self {
            Self::InvalidField | Self::UnknownField | Self::InvalidFilter => {
                "/openapi.json describes every field and its range"
            }
            Self::InvalidJson => "send one JSON object",
            Self::InvalidAddress => "percent-encode its parts as UTF-8",
            Self::IntentNotAvailable => "use `similar` (`related`)",
            Self::CatalogNotFound => "GET /v1/catalogs lists them",
            Self::ProductNotFound => "check the id against the shop's feed",
            Self::PlacementNotFound => "`kindred placements CATALOG` lists them",
            Self::RecommendationNotFound => {
                "answers are kept for `server.trace_keep_seconds`, as many as `server.trace_keep_bytes` hold; ask again with `include: [\"trace\"]`"
            }
            Self::RouteNotFound => "/openapi.json lists every route",
            Self::MethodNotAllowed => "the `Allow` header names the methods of this route",
            Self::RequestTimeout => "send the body at once",
            Self::BodyTooLarge => "ask for less in one request",
            Self::UnsupportedMediaType => "send `Content-Type: application/json`",
            Self::Internal => "the server's log has the cause",
            Self::IndexDamaged => "rebuild it with `kindred index build` or go back with `kindred index rollback`",
            Self::LiveDamaged => {
                "restore `live.sqlite` from a backup, or move it away, which gives up the changes since the last build"
            }
            Self::EventsDamaged => {
                "the server's log names the file: restore `events.sqlite` or `events.key` from a backup, or move them away, which gives up the events"
            }
            Self::RulesDamaged => "restore `rules.sqlite` from a backup, or move it away, which gives up the rules",
            Self::InvalidRules => "nothing was changed; `field` names the place",
            Self::RulesConflict => {
                "nothing was changed; `diff` says what they changed: get the rules, put your change into them, and send them with their ETag"
            }
            Self::VersionNotFound => "GET /v1/{catalog}/rules/history lists them",
            Self::PreconditionRequired => {
                "send `If-Match` with the ETag of the rules that you have changed, or `*` to overwrite whatever there is"
            }
            Self::EventsUnavailable => {
                "another process holds the events, or their disk fails, of which the server's log tells: nothing was kept, send it again"
            }
            Self::DiskFull => "nothing was changed; free some space and send it again",
            Self::NotReady => "`catalogs` says which and why",
            Self::Overloaded => "try again in a second",
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
        // A unit variant serializes to its name.
        let code = serde_json::to_value(self.code).unwrap_or_default();
        ProblemDocument {
            kind: format!("urn:kindred:problem:{}", code.as_str().unwrap_or_default()),
            title: self.code.title(),
            status: self.code.status().as_u16(),
            detail: self.detail,
            code: self.code,
            field: self.field,
            hint: self.hint.map_or(self.code.hint().into(), Cow::from),
        }
    }

    /// The HTTP status.
    pub(super) fn status(&self) -> StatusCode {
        self.code.status()
    }
}

/// The refusals that a route may answer with, for the API's description.
pub(super) struct Refusals;

/// The same of a route that changes something.
pub(super) struct RefusedChanges;

impl IntoResponses for Refusals {
    fn responses() -> BTreeMap<String, RefOr<openapi::Response>> {
        refusals("The server cannot answer now")
    }
}

impl IntoResponses for RefusedChanges {
    fn responses() -> BTreeMap<String, RefOr<openapi::Response>> {
        refusals("Nothing was changed")
    }
}

fn refusals(failed: &str) -> BTreeMap<String, RefOr<openapi::Response>> {
    let document = |description: &str| {
        let content = ContentBuilder::new().schema(Some(Ref::from_schema_name(ProblemDocument::name()))).build();
        openapi::ResponseBuilder::new().description(description).content(PROBLEM_JSON, content).build()
    };
    let responses = [("4XX", "The request is wrong"), ("5XX", failed)];
    responses.map(|(status, description)| (status.to_owned(), document(description).into())).into()
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
            RulesError::Gone { .. } => {
                tracing::error!("rules cannot be used: {error}");
                return Self::new(
                    Code::RulesDamaged,
                    "`rules.sqlite` was moved away or deleted; what is in force stays",
                )
                .hint("put the file back, or restart the server without it, which gives up the rules");
            }
            RulesError::Sqlite { .. } | RulesError::Make { .. } => return Self::internal(&error),
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
            EventError::Replaced { .. } => {
                tracing::error!("events cannot be used: {}", with_causes(&error));
                let detail = "`events.sqlite` was moved away or replaced while in use; nothing was kept";
                return Self::new(Code::EventsDamaged, detail).hint("restart the server");
            }
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
    fn events_that_were_moved_away_ask_for_a_restart() {
        let path = std::path::PathBuf::from("/secret/events.sqlite");
        let document = serde_json::to_value(Problem::from(EventError::Replaced { path }).document()).unwrap();
        assert_eq!((&document["status"], &document["hint"]), (&503.into(), &"restart the server".into()));
        assert!(!document.to_string().contains("secret"));
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
