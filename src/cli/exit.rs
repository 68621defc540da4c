//! Exit codes: what kind of thing went wrong, for scripts and cron jobs.

use std::process::ExitCode;

use super::output::OutputError;
use crate::catalog::FeedError;
use crate::config::ConfigError;
use crate::embed::EmbedError;
use crate::eval::EvalError;
use crate::events::EventError;
use crate::index::IndexError;
use crate::live::LiveError;
use crate::pipeline::{BuildError, EraseError};
use crate::recommend::RecommendError;
use crate::rules::RulesError;
use crate::server::ServerError;

/// Settings that cannot be used, and (from the argument parser) wrong usage.
pub(super) const SETTINGS: u8 = 2;
/// A feed, or a file of texts or reference vectors, that cannot be read, or has too many bad records.
pub(super) const FEED: u8 = 3;
/// A model that is missing or damaged.
pub(super) const MODEL: u8 = 4;
/// An index that is missing, damaged or refused.
pub(super) const INDEX: u8 = 5;
/// A question that cannot be answered: an unknown product, a wrong filter, rules with no sense in them.
pub(super) const QUESTION: u8 = 6;
/// A file cannot be written: a full disk, missing rights.
pub(super) const WRITE: u8 = 7;
/// Another build runs, the port is taken, or somebody else has saved rules meanwhile.
pub(super) const IN_USE: u8 = 8;

/// A question that names nothing the catalog has.
#[derive(Debug, thiserror::Error)]
#[error("{0}")]
pub(super) struct Unanswerable(pub String);

/// A file of changes that cannot be read as a whole.
#[derive(Debug, thiserror::Error)]
#[error("{0}")]
pub(super) struct BadChanges(pub String);

/// The error and its causes in one line, each said once.
pub(super) fn one_line(error: &anyhow::Error) -> String {
    let mut line = String::new();
    for cause in error.chain() {
        let text = cause.to_string().replace('\n', " ");
        if !line.contains(&text) {
            line = if line.is_empty() { text } else { format!("{line}: {text}") };
        }
    }
    line
}

/// The exit code for the error, by the innermost cause that has one.
pub(super) fn code_of(error: &anyhow::Error) -> ExitCode {
    let code = error.chain().filter_map(code_of_cause).last();
    ExitCode::from(code.unwrap_or(1))
}

fn code_of_cause(cause: &(dyn std::error::Error + 'static)) -> Option<u8> {
    if let Some(error) = cause.downcast_ref::<IndexError>() {
        return Some(of_index(error));
    }
    if let Some(error) = cause.downcast_ref::<BuildError>() {
        return Some(match error {
            BuildError::Feed(error) => of_feed(error),
            BuildError::NoProducts(_) | BuildError::Rejected { .. } => FEED,
            BuildError::Embed(error) => of_embed(error),
            BuildError::Index(error) => of_index(error),
            BuildError::Live(error) => of_live(error),
            BuildError::Events(error) => of_events(error),
        });
    }
    if let Some(error) = cause.downcast_ref::<EraseError>() {
        return Some(match error {
            EraseError::Events(error) => of_events(error),
            EraseError::Index(error) => of_index(error),
        });
    }
    if let Some(error) = cause.downcast_ref::<RecommendError>() {
        return Some(match error {
            RecommendError::Index(error) => of_index(error),
            RecommendError::Live(error) => of_live(error),
            RecommendError::Rules(error) => of_rules(error),
            RecommendError::Embed(_) => MODEL,
            RecommendError::ForeignModel { .. } | RecommendError::NotComparable(_) => INDEX,
            _ => QUESTION,
        });
    }
    cause
        .downcast_ref::<FeedError>()
        .map(of_feed)
        .or_else(|| cause.downcast_ref::<EmbedError>().map(of_embed))
        .or_else(|| cause.downcast_ref::<LiveError>().map(of_live))
        .or_else(|| cause.downcast_ref::<EvalError>().map(of_eval))
        .or_else(|| cause.downcast_ref::<RulesError>().map(of_rules))
        .or_else(|| cause.downcast_ref::<EventError>().map(of_events))
        .or_else(|| cause.is::<ConfigError>().then_some(SETTINGS))
        .or_else(|| cause.is::<BadChanges>().then_some(FEED))
        .or_else(|| cause.is::<Unanswerable>().then_some(QUESTION))
        .or_else(|| cause.is::<OutputError>().then_some(WRITE))
        .or_else(|| {
            cause.downcast_ref::<ServerError>().map(|error| match error {
                ServerError::Bind { .. } => IN_USE,
                _ => 1,
            })
        })
}

fn of_live(error: &LiveError) -> u8 {
    match error {
        LiveError::Index(error) => of_index(error),
        LiveError::Embed(error) => of_embed(error),
        LiveError::Open { .. } | LiveError::Write { .. } | LiveError::DiskFull { .. } | LiveError::NoWriter { .. } => {
            WRITE
        }
        LiveError::Busy { .. } => IN_USE,
        _ => INDEX,
    }
}

fn of_rules(error: &RulesError) -> u8 {
    match error {
        RulesError::Document(_) | RulesError::NoVersion { .. } => QUESTION,
        RulesError::Conflict { .. } | RulesError::Busy { .. } => IN_USE,
        RulesError::Damaged { .. } | RulesError::Foreign { .. } | RulesError::Gone { .. } => INDEX,
        RulesError::Sqlite { .. } | RulesError::Make { .. } | RulesError::DiskFull { .. } => WRITE,
    }
}

fn of_eval(error: &EvalError) -> u8 {
    match error {
        EvalError::NoCases { .. } | EvalError::UnknownReference { .. } => QUESTION,
        EvalError::WritePlot { .. } | EvalError::Scratch { .. } => WRITE,
        EvalError::Events(error) => of_events(error),
        EvalError::Index(error) => of_index(error),
        EvalError::Recommend(_) => QUESTION,
        _ => FEED,
    }
}

fn of_events(error: &EventError) -> u8 {
    match error {
        EventError::Open { .. }
        | EventError::File { .. }
        | EventError::Write { .. }
        | EventError::DiskFull { .. }
        | EventError::NoWriter { .. }
        | EventError::MakeKey { .. } => WRITE,
        EventError::Busy { .. } | EventError::NotScrubbed { .. } => IN_USE,
        EventError::InvalidId { .. } => QUESTION,
        EventError::ReadFile { .. } | EventError::Columns { .. } => FEED,
        _ => INDEX,
    }
}

fn of_index(error: &IndexError) -> u8 {
    match error {
        IndexError::Write { .. } => WRITE,
        IndexError::BuildInProgress { .. } => IN_USE,
        IndexError::CatalogName(_) => SETTINGS,
        _ => INDEX,
    }
}

fn of_feed(error: &FeedError) -> u8 {
    match error {
        FeedError::WriteRejects { .. } => WRITE,
        _ => FEED,
    }
}

fn of_embed(error: &EmbedError) -> u8 {
    match error {
        EmbedError::CacheInUse { .. } => IN_USE,
        EmbedError::Cache { .. } => WRITE,
        EmbedError::PlainPrecision { .. } | EmbedError::TooManyThreads { .. } => SETTINGS,
        EmbedError::ReadTexts { .. }
        | EmbedError::TextsNotUtf8 { .. }
        | EmbedError::NoTexts { .. }
        | EmbedError::NothingToMeasure
        | EmbedError::NoNeighbors { .. }
        | EmbedError::ReadReference { .. }
        | EmbedError::ReferenceLine { .. } => FEED,
        _ => MODEL,
    }
}

/// Whether the reader of standard output went away (`kindred … | head`): nothing that anybody wants to read about.
pub(super) fn is_closed_pipe(error: &anyhow::Error) -> bool {
    let output = error.downcast_ref::<OutputError>();
    output.is_some_and(|OutputError(source)| source.kind() == std::io::ErrorKind::BrokenPipe)
}
