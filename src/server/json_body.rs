//! A request body, read within its limits of size and time, and parsed with the place of the first mistake.

use std::future::poll_fn;
use std::pin::Pin;

use axum::body::{Body, HttpBody};
use axum::extract::{FromRequest, Request};
use axum::http::HeaderMap;
use axum::http::header::{CONTENT_TYPE, EXPECT};
use serde::de::{DeserializeOwned, IgnoredAny};
use serde_json::error::Category;
use tokio::time::{Instant, timeout_at};

use super::app::App;
use super::problem::{Code, Problem};
use crate::catalog::RecordForm;
use crate::rules::Notation;

/// Bytes of an overlong body that are read and thrown away, so that the client gets to read the answer.
const MAX_DRAINED_BYTES: usize = 16 * 1024 * 1024;
/// Most bytes set aside on the word of a `Content-Length`.
const MAX_RESERVED_BYTES: usize = 64 * 1024;

/// Media types of one JSON value a line.
const JSON_LINES: [&str; 4] =
    ["application/jsonl", "application/x-ndjson", "application/x-jsonlines", "application/jsonlines"];

/// What a browser's `navigator.sendBeacon` calls a text: any other type would have it ask for leave first.
const BEACON: &str = "text/plain";

/// A parsed JSON body, and until when the answer is due.
pub(super) struct JsonBody<T> {
    pub(super) value: T,
    pub(super) deadline: Instant,
}

impl<T: DeserializeOwned> FromRequest<App> for JsonBody<T> {
    type Rejection = Problem;

    async fn from_request(request: Request, app: &App) -> Result<Self, Problem> {
        let deadline = app.deadline();
        check_media_type(request.headers())?;
        Ok(Self { value: parse(&read_body(request, app, deadline).await?)?, deadline })
    }
}

/// A body of records, not yet parsed, and until when the answer is due.
pub(super) struct RecordsBody {
    pub(super) text: String,
    pub(super) form: RecordForm,
    pub(super) deadline: Instant,
}

impl FromRequest<App> for RecordsBody {
    type Rejection = Problem;

    async fn from_request(request: Request, app: &App) -> Result<Self, Problem> {
        let deadline = app.deadline();
        let is_lines = JSON_LINES.contains(&essence(request.headers()).as_str());
        if !is_lines {
            check_media_type(request.headers())?;
        }
        let text = read_text(request, app, deadline).await?;
        Ok(Self { text, form: if is_lines { RecordForm::JsonLines } else { RecordForm::Json }, deadline })
    }
}

/// A body of rules, not yet parsed, and until when the answer is due.
pub(super) struct RulesBody {
    pub(super) text: String,
    pub(super) notation: Notation,
    pub(super) deadline: Instant,
}

impl FromRequest<App> for RulesBody {
    type Rejection = Problem;

    async fn from_request(request: Request, app: &App) -> Result<Self, Problem> {
        let deadline = app.deadline();
        let is_toml = essence(request.headers()) == "application/toml";
        if !is_toml {
            check_media_type(request.headers())?;
        }
        let text = read_text(request, app, deadline).await?;
        Ok(Self { text, notation: if is_toml { Notation::Toml } else { Notation::Json }, deadline })
    }
}

/// A body of events, not yet parsed nor held against UTF-8 (a line that is no text is the fault of that line alone), and until when the answer
/// is due.
pub(super) struct EventsBody {
    pub(super) bytes: Vec<u8>,
    pub(super) form: RecordForm,
    pub(super) deadline: Instant,
}

impl FromRequest<App> for EventsBody {
    type Rejection = Problem;

    async fn from_request(request: Request, app: &App) -> Result<Self, Problem> {
        let deadline = app.deadline();
        let essence = essence(request.headers());
        let (is_lines, is_beacon) = (JSON_LINES.contains(&essence.as_str()), essence == BEACON);
        if !is_lines && !is_beacon {
            check_media_type(request.headers())?;
        }
        let bytes = read_body(request, app, deadline).await?;
        check_not_empty(&bytes)?;
        let is_lines = is_lines || is_beacon && holds_lines(&bytes);
        Ok(Self { bytes, form: if is_lines { RecordForm::JsonLines } else { RecordForm::Json }, deadline })
    }
}

/// Whether the first line is a value by itself and not the only one.
fn holds_lines(bytes: &[u8]) -> bool {
    let mut lines = bytes.split(|byte| *byte == b'\n').filter(|line| !line.trim_ascii().is_empty());
    let is_whole = |line| serde_json::from_slice::<IgnoredAny>(line).is_ok();
    lines.next().is_some_and(is_whole) && lines.next().is_some()
}

async fn read_body(request: Request, app: &App, deadline: Instant) -> Result<Vec<u8>, Problem> {
    let (head, body) = request.into_parts();
    let is_waiting = head.headers.contains_key(EXPECT);
    let bytes = timeout_at(deadline, read(body, app.max_body_bytes(), is_waiting)).await;
    bytes.map_err(|_| Problem::new(Code::RequestTimeout, "the body did not arrive in time"))?
}

async fn read_text(request: Request, app: &App, deadline: Instant) -> Result<String, Problem> {
    let bytes = read_body(request, app, deadline).await?;
    check_not_empty(&bytes)?;
    String::from_utf8(bytes).map_err(|error| not_utf8(error.utf8_error().valid_up_to()))
}

fn check_not_empty(bytes: &[u8]) -> Result<(), Problem> {
    if bytes.iter().all(u8::is_ascii_whitespace) {
        return Err(Problem::new(Code::InvalidJson, "the body is empty"));
    }
    Ok(())
}

fn not_utf8(at: usize) -> Problem {
    Problem::new(Code::InvalidJson, format!("the body is not UTF-8 at byte {at}"))
}

/// The content type without its parameters, in lower case; empty when none is given.
fn essence(headers: &HeaderMap) -> String {
    let value = headers.get(CONTENT_TYPE).and_then(|value| value.to_str().ok()).unwrap_or_default();
    value.split(';').next().unwrap_or_default().trim().to_ascii_lowercase()
}

/// JSON in any of its guises: `application/json`, `application/merge-patch+json`, with or without parameters.
fn check_media_type(headers: &HeaderMap) -> Result<(), Problem> {
    let essence = essence(headers);
    let subtype = essence.strip_prefix("application/").unwrap_or_default();
    if subtype == "json" || subtype.ends_with("+json") {
        return Ok(());
    }
    let value = headers.get(CONTENT_TYPE).map(|value| value.to_str().unwrap_or_default());
    let detail = value.map_or("no content type is given".to_owned(), |value| format!("`{value}` is not JSON"));
    Err(Problem::field(Code::UnsupportedMediaType, "Content-Type", detail))
}

/// Reads the body. `is_waiting` says that the client sends it only once it is asked for.
async fn read(mut body: Body, max_bytes: usize, is_waiting: bool) -> Result<Vec<u8>, Problem> {
    let too_large = || Problem::new(Code::BodyTooLarge, format!("the body is longer than {max_bytes} bytes"));
    let declared = usize::try_from(body.size_hint().lower()).unwrap_or(usize::MAX);
    if declared > max_bytes && (is_waiting || declared > max_bytes.saturating_add(MAX_DRAINED_BYTES)) {
        return Err(too_large());
    }
    let mut bytes = Vec::with_capacity(declared.min(max_bytes).min(MAX_RESERVED_BYTES));
    let mut num_bytes = 0;
    while let Some(frame) = poll_fn(|cx| Pin::new(&mut body).poll_frame(cx)).await {
        let frame = frame.map_err(|_| Problem::new(Code::InvalidJson, "the body ended before its declared length"))?;
        let Ok(data) = frame.into_data() else { continue };
        num_bytes += data.len();
        if num_bytes <= max_bytes {
            bytes.extend_from_slice(&data);
        } else if num_bytes > max_bytes.saturating_add(MAX_DRAINED_BYTES) {
            break;
        }
    }
    if num_bytes > max_bytes { Err(too_large()) } else { Ok(bytes) }
}

/// Parses `bytes`; the way to a mistake is traced only once there is one.
fn parse<T: DeserializeOwned>(bytes: &[u8]) -> Result<T, Problem> {
    check_not_empty(bytes)?;
    let text = std::str::from_utf8(bytes).map_err(|error| not_utf8(error.valid_up_to()))?;
    if text.trim_start().starts_with('[') {
        return Err(Problem::field(Code::InvalidField, "body", "the body is a list; send one JSON object"));
    }
    serde_json::from_str(text).map_err(|error| {
        let mut json = serde_json::Deserializer::from_str(text);
        match serde_path_to_error::deserialize::<_, T>(&mut json) {
            Err(traced) => problem_at(&traced.path().to_string(), traced.inner()),
            Ok(_) => problem_at("", &error),
        }
    })
}

fn problem_at(path: &str, error: &serde_json::Error) -> Problem {
    let message = error.to_string();
    let unknown = message.strip_prefix("unknown field `").and_then(|rest| rest.split('`').next());
    match (error.classify(), unknown) {
        (Category::Data, Some(name)) => {
            let parent = path.strip_suffix(name).unwrap_or(path).trim_end_matches('.');
            let field = if parent.is_empty() { name.to_owned() } else { format!("{parent}.{name}") };
            Problem::field(Code::UnknownField, field, &message)
        }
        (Category::Data, None) => {
            let missing = message.strip_prefix("missing field `").and_then(|rest| rest.split('`').next());
            let place = match (path.trim_matches('.'), missing) {
                ("", Some(name)) => name.to_owned(),
                (parent, Some(name)) => format!("{parent}.{name}"),
                ("", None) => "body".to_owned(),
                (path, None) => path.to_owned(),
            };
            Problem::field(Code::InvalidField, place, &message)
        }
        _ => Problem::field(
            Code::InvalidJson,
            if path.trim_matches(['.', '?']).is_empty() { "body" } else { path },
            &message,
        ),
    }
}

#[cfg(test)]
mod tests {
    use serde::Deserialize;

    use super::*;

    #[derive(Debug, Deserialize)]
    #[serde(deny_unknown_fields)]
    #[allow(dead_code, reason = "only parsed")]
    struct Outer {
        inner: Option<Inner>,
        #[serde(default)]
        limit: usize,
    }

    #[derive(Debug, Deserialize)]
    #[serde(deny_unknown_fields)]
    #[allow(dead_code, reason = "only parsed")]
    struct Inner {
        names: Vec<String>,
    }

    #[test]
    fn a_mistake_is_found_at_its_place() {
        let cases = [
            (r#"{"inner":{"names":["a",5]}}"#, "invalid_field", "inner.names[1]"),
            (r#"{"inner":{}}"#, "invalid_field", "inner.names"),
            (r#"{"inner":{"names":[],"x":1}}"#, "unknown_field", "inner.x"),
            (r#"{"y":1}"#, "unknown_field", "y"),
            (r#"{"limit":-1}"#, "invalid_field", "limit"),
            (r#"{"limit":1e400}"#, "invalid_json", "limit"),
            (r#"{"limit":NaN}"#, "invalid_json", "limit"),
            (r#"[]x"#, "invalid_field", "body"),
            (r#"{} x"#, "invalid_json", "body"),
            (r#"{"limit":"#, "invalid_json", "limit"),
            ("5", "invalid_field", "body"),
        ];
        for (json, code, field) in cases {
            let document = serde_json::to_value(parse::<Outer>(json.as_bytes()).unwrap_err().document()).unwrap();
            assert_eq!((&document["code"], &document["field"]), (&code.into(), &field.into()), "{json}: {document}");
        }
        let detail = |bytes: &[u8]| parse::<Outer>(bytes).unwrap_err().document();
        assert!(format!("{:?}", detail(b" \n")).contains("empty"));
        assert!(format!("{:?}", detail(b"{\"a\xff\"}")).contains("UTF-8 at byte 3"));
    }
}
