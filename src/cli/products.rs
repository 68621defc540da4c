//! `kindred products upsert | patch | delete`: changes between two builds, with or without a server running.

use std::io::Read;
use std::path::Path;
use std::process::ExitCode;

use anyhow::{Context as _, Result};
use serde_json::json;

use super::args::{ChangesFile, ProductsCommand};
use super::context::Context;
use super::exit::{self, Unanswerable};
use super::output::{print_json, say, thousands};
use super::progress::BuildBars;
use crate::catalog::{Product, Record, RecordFault, RecordForm, RecordReader, Reject, split_records, write_rejects};
use crate::index::Check;
use crate::live::{Change, LiveCatalog, LiveError, Refusal};

/// Changes that are acknowledged together.
const BATCH_CHANGES: usize = 1000;
/// Products that are embedded and acknowledged together.
const BATCH_PRODUCTS: usize = 256;
/// Rejected changes that are printed; a file of rejects has all.
const MAX_PRINTED: usize = 20;

/// What became of a file's changes.
#[derive(Default)]
struct Outcome {
    accepted: usize,
    not_found: usize,
    rejects: Vec<Reject>,
    seq: u64,
}

impl Outcome {
    /// Notes that the record at `place`, counted from 0, was not accepted.
    fn reject(&mut self, place: usize, fault: RecordFault) {
        let RecordFault { id, field, code, message } = fault;
        self.rejects.push(Reject { row: place as u64 + 1, id, field, code, message });
    }
}

pub(super) fn run(context: &Context, command: &ProductsCommand) -> Result<ExitCode> {
    match command {
        ProductsCommand::Upsert { file } => upsert(context, file),
        ProductsCommand::Patch { file } => {
            let patch = |reader: &RecordReader<'_>, record: &Record| {
                reader.patch(record).map(|(id, patch)| Change::Patch { id, patch })
            };
            change(context, file, patch)
        }
        ProductsCommand::Delete { file } => {
            change(context, file, |_, record| record.id().map(|id| Change::Delete { id }))
        }
    }
}

fn change(
    context: &Context,
    file: &ChangesFile,
    one: impl Fn(&RecordReader<'_>, &Record) -> Result<Change, RecordFault>,
) -> Result<ExitCode> {
    send(context, file, one, BATCH_CHANGES, |_, changes| Ok(changes))
}

fn upsert(context: &Context, file: &ChangesFile) -> Result<ExitCode> {
    send(
        context,
        file,
        |reader, record| reader.product(record),
        BATCH_PRODUCTS,
        |live, products: Vec<Product>| live.upserts(products),
    )
}

/// Reads the file's records with `one`, makes changes of them with `prepare`, batch by batch, and reports what became of them.
fn send<T>(
    context: &Context,
    file: &ChangesFile,
    one: impl Fn(&RecordReader<'_>, &Record) -> Result<T, RecordFault>,
    batch_records: usize,
    prepare: impl Fn(&LiveCatalog, Vec<T>) -> Result<Vec<Change>, LiveError>,
) -> Result<ExitCode> {
    let settings = context.config.catalog(&file.catalog)?;
    let reader = RecordReader::new(&settings, jiff::Timestamp::now())?;
    let records = read(&file.file)?;
    let engine = context.engine(&file.catalog, Check::Headers)?;
    let bars = BuildBars::new(context.quiet || context.json);
    let mut outcome = Outcome { seq: engine.view().seq(), ..Outcome::default() };
    let total = records.len();
    let mut records = records.into_iter().enumerate();
    let mut sent = 0;
    loop {
        let batch: Vec<_> = records.by_ref().take(batch_records).collect();
        if batch.is_empty() {
            break;
        }
        sent += batch.len();
        send_batch(engine.live(), batch, |record| one(&reader, record), &prepare, &mut outcome)?;
        bars.show_changes(sent, total);
    }
    bars.clear();
    report(context, file, &outcome)
}

type Placed = (usize, Result<Record, RecordFault>);

fn send_batch<T>(
    live: &LiveCatalog,
    batch: Vec<Placed>,
    one: impl Fn(&Record) -> Result<T, RecordFault>,
    prepare: impl Fn(&LiveCatalog, Vec<T>) -> Result<Vec<Change>, LiveError>,
    outcome: &mut Outcome,
) -> Result<()> {
    let (mut places, mut good) = (Vec::new(), Vec::new());
    for (place, record) in batch {
        match record.and_then(|record| one(&record)) {
            Ok(read) => {
                places.push(place);
                good.push(read);
            }
            Err(fault) => outcome.reject(place, fault),
        }
    }
    if good.is_empty() {
        return Ok(());
    }
    let changes = prepare(live, good)?;
    let asked: Vec<_> =
        changes.iter().map(|change| (change.id().clone(), matches!(change, Change::Delete { .. }))).collect();
    let receipt = live.submit(changes)?;
    outcome.accepted += receipt.accepted;
    outcome.seq = receipt.seq;
    for (at, refusal) in receipt.refused {
        match (refusal, &asked[at]) {
            (Refusal::UnknownProduct, (_, true)) => outcome.not_found += 1,
            (refusal, (id, _)) => outcome.reject(places[at], refusal.fault(id)),
        }
    }
    Ok(())
}

fn read(path: &Path) -> Result<Vec<Result<Record, RecordFault>>> {
    let mut text = String::new();
    if path == Path::new("-") {
        std::io::stdin().read_to_string(&mut text).context("cannot read standard input")?;
    } else {
        text = std::fs::read_to_string(path).map_err(|error| unreadable(path, &error.to_string()))?;
    }
    if text.trim().is_empty() {
        return Err(unreadable(path, "it is empty").into());
    }
    split_records(&text, form_of(&text)).map_err(|message| unreadable(path, &message).into())
}

fn unreadable(path: &Path, reason: &str) -> exit::BadChanges {
    exit::BadChanges(format!(
        "cannot read the changes `{}`: {reason}; give JSON, JSON Lines or CSV with a column `id`",
        path.display()
    ))
}

/// JSON is told by its first letter, JSON Lines by a second value.
fn form_of(text: &str) -> RecordForm {
    match text.trim_start_matches(['\u{feff}', ' ', '\t', '\r', '\n']).as_bytes().first() {
        Some(b'[') => RecordForm::Json,
        Some(b'{') if serde_json::from_str::<&serde_json::value::RawValue>(text).is_err() => RecordForm::JsonLines,
        Some(b'{') => RecordForm::Json,
        Some(b'"') if text.lines().next().is_some_and(|line| serde_json::from_str::<String>(line).is_ok()) => {
            RecordForm::JsonLines
        }
        _ => RecordForm::Csv,
    }
}

fn report(context: &Context, file: &ChangesFile, outcome: &Outcome) -> Result<ExitCode> {
    let Outcome { accepted, not_found, rejects, seq } = outcome;
    if let Some(path) = &file.rejects {
        write_rejects(path, rejects)?;
    }
    if context.json {
        print_json(&json!({"accepted": accepted, "not_found": not_found, "rejected": rejects, "seq": seq}))?;
    } else {
        say!("{}: {} changes accepted, up to number {seq}", file.catalog, thousands(*accepted))?;
        if *not_found > 0 {
            say!("  not there   {}", thousands(*not_found))?;
        }
        if !rejects.is_empty() {
            say!("  rejected    {}", thousands(rejects.len()))?;
        }
        for reject in rejects.iter().take(MAX_PRINTED) {
            let id = reject.id.as_ref().map_or_else(String::new, |id| format!(", id {id}"));
            say!("  record {}{id}, {}: {}", reject.row, reject.field, reject.message)?;
        }
    }
    if *accepted == 0 && !rejects.is_empty() {
        return Err(Unanswerable(format!("none of the {} changes was accepted", thousands(rejects.len()))).into());
    }
    Ok(ExitCode::SUCCESS)
}
