//! `kindred bench events`: how long opening a catalog's events takes, and reading all of them as a history.

use std::process::ExitCode;
use std::time::Instant;

use anyhow::Result;
use serde::Serialize;

use super::context::Context;
use super::output::{bytes, print_json, say, thousands};
use crate::events::{EventStore, HistoryPart};

#[derive(Serialize)]
struct Report {
    events_bytes: u64,
    open_seconds: f64,
    history_seconds: f64,
    sessions: usize,
    interactions: usize,
    products: usize,
    /// The most memory that the process had; `None` where the system does not tell.
    peak_bytes: Option<u64>,
}

pub(super) fn run(context: &Context, catalog: &str) -> Result<ExitCode> {
    let began = Instant::now();
    let store = EventStore::open(&context.existing_dir(catalog)?.path(), &context.config.events)?;
    let open_seconds = began.elapsed().as_secs_f64();
    let began = Instant::now();
    let history = store.history(&HistoryPart::default())?;
    let report = Report {
        events_bytes: store.num_bytes()?,
        open_seconds,
        history_seconds: began.elapsed().as_secs_f64(),
        sessions: history.num_sessions(),
        interactions: history.num_interactions(),
        products: history.products().len(),
        peak_bytes: peak_bytes(),
    };
    if context.json {
        print_json(&report)?;
        return Ok(ExitCode::SUCCESS);
    }
    let Report { sessions, interactions, products, .. } = report;
    say!("open      {open_seconds:.3} s, {}", bytes(report.events_bytes))?;
    let (interactions, sessions, products) = (thousands(interactions), thousands(sessions), thousands(products));
    say!(
        "history   {:.2} s: {interactions} interactions, {sessions} sessions, {products} products",
        report.history_seconds
    )?;
    if let Some(peak) = report.peak_bytes {
        say!("memory    {} at most", bytes(peak))?;
    }
    Ok(ExitCode::SUCCESS)
}

/// `VmHWM` of this process.
fn peak_bytes() -> Option<u64> {
    let status = std::fs::read_to_string("/proc/self/status").ok()?;
    let line = status.lines().find_map(|line| line.strip_prefix("VmHWM:"))?;
    Some(line.trim().strip_suffix("kB")?.trim().parse::<u64>().ok()? * 1024)
}
