//! The shop's rules: read, saved with the version that they change, tried, and what they did. For the shop's own people, never for the
//! browser.

use axum::extract::{RawQuery, State};
use axum::http::header::{ETAG, IF_MATCH};
use axum::http::{HeaderMap, HeaderValue};
use axum::response::Response;
use jiff::{Timestamp, ToSpan};
use serde::Serialize;
use tokio::time::Instant;
use utoipa::ToSchema;

use super::address::CatalogAddress;
use super::app::App;
use super::json_body::RulesBody;
use super::problem::{Code, Problem, ProblemDocument, Refusals, problem_response};
use super::query_string::QueryString;
use super::recommend_routes::json;
use crate::events::HistoryPart;
use crate::recommend::{DryRun, DryRunReport, RecommendError, Saver, WaitingRule};
use crate::rules::{DayFigures, MAX_SAVER_CHARS, RuleSet, RulesDiff, RulesError, VersionInfo};

/// Who saves rules, as they say.
const WHO_HEADER: &str = "x-kindred-user";
/// Why they do, as they say.
const NOTE_HEADER: &str = "x-kindred-note";
/// Versions that the history shows unless told otherwise, and at most.
const HISTORY: (usize, usize) = (20, 1000);
/// Days that the report shows unless told otherwise, and at most.
const REPORT_DAYS: (usize, usize) = (1, 400);
/// Questions of a dry run unless told otherwise, and at most.
const QUESTIONS: (usize, usize) = (200, 5000);
/// Share of the time until the answer is due that drawing and asking may take; the rest is for the report.
const DRY_RUN_SHARE: f64 = 0.6;
/// Length of a dry run's lists.
const DRY_RUN_LIMIT: usize = 10;

/// The rules in force.
#[derive(Debug, Serialize, ToSchema)]
pub(super) struct RulesResponse {
    /// Their version, as the `ETag` has it; 0 where none were ever saved.
    version: u64,
    /// The rules: send them back changed, with `If-Match`.
    document: RuleSet,
}

/// Rules that were saved: every answer that begins now has them.
#[derive(Debug, Serialize, ToSchema)]
pub(super) struct SavedRulesResponse {
    /// Their version.
    version: u64,
    /// What changed.
    diff: RulesDiff,
    /// What may be a slip of the pen; it is saved all the same.
    warnings: Vec<RulesWarning>,
}

/// What may be a slip of the pen.
#[derive(Debug, Serialize, ToSchema)]
pub(super) struct RulesWarning {
    /// The place.
    path: String,
    /// What is odd there.
    message: String,
}

/// The second of two people who save at once gets this; nothing was changed.
#[derive(Debug, Serialize, ToSchema)]
pub(super) struct RulesConflict {
    #[serde(flatten)]
    problem: ProblemDocument,
    /// The version in force.
    current_version: u64,
    /// Who saved it, as they said.
    saved_by: String,
    /// What they changed since the version of `If-Match`.
    diff: RulesDiff,
}

/// The versions, the newest first.
#[derive(Debug, Serialize, ToSchema)]
pub(super) struct RulesHistoryResponse {
    /// Who saved what when.
    versions: Vec<VersionInfo>,
}

/// What rules did, day by day.
#[derive(Debug, Serialize, ToSchema)]
pub(super) struct RulesReportResponse {
    /// By day, the newest first, and by what they kept out.
    figures: Vec<DayFigures>,
    /// Rules in force that do not count until a product has a field that they name.
    waiting: Vec<WaitingRule>,
}

/// Shows the rules in force.
#[utoipa::path(
    get, path = "/v1/{catalog}/rules", tag = "rules",
    params(CatalogAddress),
    responses(
        (status = 200, description = "The rules; `ETag` is their version", body = RulesResponse),
        Refusals,
    ),
)]
pub(super) async fn get_rules(
    CatalogAddress { engine, .. }: CatalogAddress,
    RawQuery(raw): RawQuery,
) -> Result<Response, Problem> {
    QueryString::parse(raw.as_deref(), &[])?;
    let current = engine.rules().current();
    tagged(json(&RulesResponse { version: current.version, document: current.set })?, current.version)
}

/// Saves rules and puts them in force: every answer that begins after this one has them, on all threads.
///
/// `If-Match` names the version that was changed, so that of two people who save at once the second gets 412 with what the first has
/// changed; `*` overwrites whatever there is. The body is JSON, or TOML as `application/toml`. `x-kindred-user` and `x-kindred-note` say who
/// saves and why.
#[utoipa::path(
    put, path = "/v1/{catalog}/rules", tag = "rules",
    params(
        CatalogAddress,
        ("If-Match" = String, Header, description = "ETag of the rules that were changed, or `*`"),
    ),
    request_body(content((RuleSet = "application/json"), (String = "application/toml"))),
    responses(
        (status = 200, description = "They are in force", body = SavedRulesResponse),
        (status = 412, description = "Somebody else has saved rules meanwhile", body = RulesConflict, content_type = "application/problem+json"),
        (status = "4XX", description = "The request is wrong; the old rules stay", body = ProblemDocument, content_type = "application/problem+json"),
        (status = "5XX", description = "The old rules stay", body = ProblemDocument, content_type = "application/problem+json"),
    ),
)]
pub(super) async fn put_rules(
    State(app): State<App>,
    address: Result<CatalogAddress, Problem>,
    headers: HeaderMap,
    body: Result<RulesBody, Problem>,
) -> Result<Response, Problem> {
    let CatalogAddress { engine, .. } = address?;
    let expected = expected_version(&headers)?;
    let RulesBody { text, notation, deadline } = body?;
    let (who, note) = (word(&headers, WHO_HEADER, "api")?, word(&headers, NOTE_HEADER, "")?);
    let save = move || {
        let set = RuleSet::read(&text, notation)?;
        let saver = Saver { who: &who, note: &note, at_ms: Timestamp::now().as_millisecond() };
        engine.rules().put(&engine.view(), set, expected, saver)
    };
    match app.apart(deadline, save).await? {
        Ok(saved) => {
            let warning =
                |warning: crate::rules::FilterError| RulesWarning { path: warning.path, message: warning.message };
            let warnings = saved.warnings.into_iter().map(warning).collect();
            let response = SavedRulesResponse { version: saved.version, diff: saved.diff, warnings };
            tagged(json(&response)?, saved.version)
        }
        Err(RecommendError::Rules(RulesError::Conflict { expected, current, who, diff })) => {
            let diff = *diff;
            let detail = format!("version {current} was saved by {who} since version {expected}: {}", diff.in_words());
            let problem = Problem::new(Code::RulesConflict, detail);
            let status = problem.status();
            let body = RulesConflict { problem: problem.document(), current_version: current, saved_by: who, diff };
            tagged(problem_response(status, &body), current)
        }
        Err(error) => Err(rules_problem(error)),
    }
}

/// Tries rules without saving them: drawn products, sessions and orders are answered with the rules in force and with these, and compared.
///
/// Where the time of a request is too short for all, the report says what was left out (`questions_left_out`, `rules_left_out`).
#[utoipa::path(
    post, path = "/v1/{catalog}/rules/dry-run", tag = "rules",
    params(
        CatalogAddress,
        ("questions" = Option<usize>, Query, description = "How many are drawn, 1 to 5000; 200 when absent"),
        ("seed" = Option<usize>, Query, description = "Fixes what is drawn; 1 when absent"),
        ("at" = Option<String>, Query, description = "When they are asked, RFC 3339; now when absent"),
    ),
    request_body(content((RuleSet = "application/json"), (String = "application/toml"))),
    responses(
        (status = 200, description = "What would change", body = DryRunReport),
        (status = "4XX", description = "The rules or the request are wrong", body = ProblemDocument, content_type = "application/problem+json"),
        (status = "5XX", description = "The server cannot answer now", body = ProblemDocument, content_type = "application/problem+json"),
    ),
)]
pub(super) async fn dry_run(
    State(app): State<App>,
    address: Result<CatalogAddress, Problem>,
    RawQuery(raw): RawQuery,
    body: Result<RulesBody, Problem>,
) -> Result<Response, Problem> {
    let CatalogAddress { catalog, engine } = address?;
    let RulesBody { text, notation, deadline } = body?;
    let parameters = QueryString::parse(raw.as_deref(), &["questions", "seed", "at"])?;
    let num_questions = parameters.number("questions", 1..=QUESTIONS.1, QUESTIONS.0)?;
    let seed = parameters.number("seed", 0..=u32::MAX as usize, 1)? as u64;
    let wrong = |_| Problem::field(Code::InvalidField, "at", "give a moment such as `2026-11-27T08:00:00Z`");
    let at = parameters.get("at").map(str::parse::<Timestamp>).transpose().map_err(wrong)?;
    let at = at.unwrap_or_else(Timestamp::now);
    let events = app.events().of(&catalog);
    let run = move || -> Result<DryRunReport, Problem> {
        let set = RuleSet::read(&text, notation).map_err(RulesError::from)?;
        // Without events that can be read, only products are drawn.
        let history = events.and_then(|store| Ok(store.history(&HistoryPart::default())?)).unwrap_or_default();
        // Rather a part of the questions than no answer.
        let within = Some(deadline.saturating_duration_since(Instant::now()).mul_f64(DRY_RUN_SHARE));
        let run = DryRun { set: &set, history: &history, num_questions, limit: DRY_RUN_LIMIT, seed, at, within };
        engine.dry_run(&engine.view(), &run).map_err(rules_problem)
    };
    json(&app.apart(deadline, run).await??)
}

/// Lists the versions of the rules: who saved which when, and what changed.
#[utoipa::path(
    get, path = "/v1/{catalog}/rules/history", tag = "rules",
    params(
        CatalogAddress,
        ("limit" = Option<usize>, Query, description = "Most versions, 1 to 1000; 20 when absent"),
    ),
    responses(
        (status = 200, description = "The newest first", body = RulesHistoryResponse),
        Refusals,
    ),
)]
pub(super) async fn history(
    State(app): State<App>,
    CatalogAddress { engine, .. }: CatalogAddress,
    RawQuery(raw): RawQuery,
) -> Result<Response, Problem> {
    let limit = QueryString::parse(raw.as_deref(), &["limit"])?.number("limit", 1..=HISTORY.1, HISTORY.0)?;
    let versions = app.apart(app.deadline(), move || engine.rules().history(limit)).await??;
    json(&RulesHistoryResponse { versions })
}

/// Reports what the rules did on the last days (UTC): in how many answers each counted and changed something, what it kept out, and how many
/// lists it left short. Some seconds behind.
#[utoipa::path(
    get, path = "/v1/{catalog}/rules/report", tag = "rules",
    params(
        CatalogAddress,
        ("days" = Option<usize>, Query, description = "How many days, today included, 1 to 400; 1 when absent"),
    ),
    responses(
        (status = 200, description = "By day and rule", body = RulesReportResponse),
        Refusals,
    ),
)]
pub(super) async fn report(
    State(app): State<App>,
    CatalogAddress { engine, .. }: CatalogAddress,
    RawQuery(raw): RawQuery,
) -> Result<Response, Problem> {
    let days = QueryString::parse(raw.as_deref(), &["days"])?.number("days", 1..=REPORT_DAYS.1, REPORT_DAYS.0)?;
    let today = Timestamp::now().to_zoned(jiff::tz::TimeZone::UTC).date();
    let first = today.saturating_sub((days as i64 - 1).days());
    let read = move || {
        let figures = engine.rules().store().figures(&first.to_string(), &today.to_string())?;
        let waiting = engine.rules().waiting(&engine.view())?;
        Ok::<_, RecommendError>(RulesReportResponse { figures, waiting })
    };
    json(&app.apart(app.deadline(), read).await??)
}

/// An error at a place in the rules, which is no filter of the request.
fn rules_problem(error: RecommendError) -> Problem {
    match error {
        RecommendError::Filter(error) => RulesError::from(error).into(),
        RecommendError::UnknownField { path, field, known } => {
            Problem::field(Code::InvalidRules, path, format!("no product has a field `{field}`"))
                .hint(format!("nothing was changed; the catalog has {known}"))
        }
        error => error.into(),
    }
}

fn tagged(mut response: Response, version: u64) -> Result<Response, Problem> {
    let tag = HeaderValue::from_str(&format!("\"{version}\"")).map_err(|error| Problem::internal(&error))?;
    response.headers_mut().insert(ETAG, tag);
    Ok(response)
}

/// The version of `If-Match`; `None` for `*`.
fn expected_version(headers: &HeaderMap) -> Result<Option<u64>, Problem> {
    let Some(value) = headers.get(IF_MATCH) else {
        return Err(Problem::field(Code::PreconditionRequired, "If-Match", "the header is missing"));
    };
    let text = value.to_str().unwrap_or_default().trim();
    if text == "*" {
        return Ok(None);
    }
    let number = text.trim_start_matches("W/").trim_matches('"').parse().ok();
    let wrong =
        || Problem::field(Code::InvalidField, "If-Match", format!("`{text}` is no ETag of rules, such as \"7\""));
    number.map(Some).ok_or_else(wrong)
}

fn word(headers: &HeaderMap, name: &'static str, otherwise: &str) -> Result<String, Problem> {
    let Some(value) = headers.get(name) else { return Ok(otherwise.to_owned()) };
    let word = String::from_utf8_lossy(value.as_bytes()).trim().to_owned();
    if word.chars().count() > MAX_SAVER_CHARS {
        return Err(Problem::field(
            Code::InvalidField,
            name,
            format!("at most {MAX_SAVER_CHARS} characters are allowed"),
        ));
    }
    if word.chars().any(char::is_control) {
        return Err(Problem::field(Code::InvalidField, name, "control characters are not allowed"));
    }
    Ok(word)
}
