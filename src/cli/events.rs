//! `kindred events import | status | export | erase | purge`: what shoppers did, with or without a server running.

use std::fs::File;
use std::io::{BufWriter, Write};
use std::path::Path;
use std::process::ExitCode;

use anyhow::Result;
use serde_json::json;

use super::args_events::EventsCommand;
use super::context::Context;
use super::exit::Unanswerable;
use super::output::{bytes, number, print_json, say, table, thousands};
use super::progress::BuildBars;
use crate::catalog::FeedError;
use crate::events::{ColumnMap, EventReject, EventStore, Import, Imported};
use crate::index::{Check, Generation};
use crate::pipeline::erase_shopper;

/// Rejected lines that are printed; a file of rejects has all.
const MAX_PRINTED: usize = 20;

pub(super) fn run(context: &Context, command: &EventsCommand) -> Result<ExitCode> {
    match command {
        EventsCommand::Import { catalog, file, map, rejects } => {
            import(context, catalog, file, map.clone().unwrap_or_default(), rejects.as_deref())?;
        }
        EventsCommand::Status { catalog } => status(context, catalog)?,
        EventsCommand::Export { catalog, id } => print_json(&json!({"events": store(context, catalog)?.export(id)?}))?,
        EventsCommand::Erase { catalog, id } => {
            let (dir, store) = (context.existing_dir(catalog)?, store(context, catalog)?);
            print_json(&erase_shopper(&dir, &store, id, &context.config.behavior)?)?;
        }
        EventsCommand::Purge { catalog, force } => {
            let (store, now_ms) = (store(context, catalog)?, jiff::Timestamp::now().as_millisecond());
            let purged = if *force { store.purge_anyway(now_ms) } else { store.purge(now_ms) }?;
            match context.json {
                true => print_json(&json!({"purged": purged}))?,
                false => say!("{catalog}: {} events past their retention are forgotten", thousands(purged as usize))?,
            }
        }
    }
    Ok(ExitCode::SUCCESS)
}

fn store(context: &Context, catalog: &str) -> Result<EventStore> {
    Ok(EventStore::open(&context.existing_dir(catalog)?.path(), &context.config.events)?)
}

fn import(context: &Context, catalog: &str, file: &Path, columns: ColumnMap, rejects: Option<&Path>) -> Result<()> {
    let store = store(context, catalog)?;
    let generation = context.existing_dir(catalog)?.open_current(Check::Headers).ok();
    let is_known = |id: &str| generation.as_ref().is_none_or(|generation| has(generation, id));
    let import =
        Import { store: &store, columns, now_ms: jiff::Timestamp::now().as_millisecond(), is_known: &is_known };
    let bars = BuildBars::new(context.quiet || context.json);
    let mut refused = Rejects::create(rejects)?;
    let done = import.run(file, &mut |read, total| bars.show_import(read, total), &mut |reject| refused.push(reject));
    bars.clear();
    let done = done?;
    let first = refused.finish()?;
    report(context, catalog, &done, &first)?;
    if done.accepted + done.duplicates == 0 && done.rejected > 0 {
        return Err(Unanswerable(format!("none of the {} lines can be used", thousands(done.rejected as usize))).into());
    }
    Ok(())
}

fn has(generation: &Generation, id: &str) -> bool {
    generation.products().row(id).is_some()
}

fn report(context: &Context, catalog: &str, done: &Imported, first: &[EventReject]) -> Result<()> {
    let unknown = done.unknown_products.len();
    if context.json {
        return print_json(&json!({
            "records": done.records, "accepted": done.accepted, "duplicates": done.duplicates, "without_consent": done.without_consent,
            "ignored": done.ignored, "rejected": done.rejected, "first_rejected": first, "unknown_products": unknown,
        }));
    }
    let count = |number: u64| thousands(number as usize);
    say!("{catalog}: {} events of {} lines are kept", count(done.accepted), count(done.records))?;
    let others = [
        ("known already", done.duplicates),
        ("without consent", done.without_consent),
        ("ignored", done.ignored),
        ("rejected", done.rejected),
    ];
    for (what, number) in others.into_iter().filter(|(_, number)| *number > 0) {
        say!("  {what:<16} {}", count(number))?;
    }
    if unknown > 0 {
        let mut some: Vec<&str> = done.unknown_products.iter().map(String::as_str).collect();
        some.sort_unstable();
        let shown = some.iter().take(5).copied().collect::<Vec<_>>().join(", ");
        say!("  not in the catalog: {} products, such as {shown}; their events are kept", thousands(unknown))?;
    }
    for reject in first {
        say!("  line {}, {}: {}", reject.index, reject.field, reject.message)?;
    }
    Ok(())
}

fn status(context: &Context, catalog: &str) -> Result<()> {
    let status = store(context, catalog)?.status()?;
    if context.json {
        return print_json(&status);
    }
    say!(
        "{catalog}: {} events of {} shoppers, {}",
        thousands(status.events as usize),
        thousands(status.shoppers as usize),
        bytes(status.bytes)
    )?;
    if let (Some(first), Some(last)) = (status.first, status.last) {
        say!("  from {first} to {last}")?;
    }
    let mut counts = table(&["event", "number"]);
    for (event, count) in &status.by_event {
        counts.add_row(vec![comfy_table::Cell::new(event), number(thousands(*count as usize))]);
    }
    Ok(say!("{counts}")?)
}

/// Rejected lines: the first few to print, all to a file.
struct Rejects<'a> {
    file: Option<(&'a Path, BufWriter<File>)>,
    first: Vec<EventReject>,
    failed: Option<std::io::Error>,
}

impl<'a> Rejects<'a> {
    fn create(path: Option<&'a Path>) -> Result<Self> {
        let failed = |path: &Path, source| FeedError::WriteRejects { path: path.to_owned(), source };
        let open =
            |path: &'a Path| Ok((path, BufWriter::new(File::create(path).map_err(|source| failed(path, source))?)));
        Ok(Self {
            file: path.map(open).transpose().map_err(|error: FeedError| error)?,
            first: Vec::new(),
            failed: None,
        })
    }

    fn push(&mut self, reject: &EventReject) {
        if self.first.len() < MAX_PRINTED {
            self.first.push(reject.clone());
        }
        if let (Some((_, out)), None) = (&mut self.file, &self.failed) {
            let written = serde_json::to_writer(&mut *out, reject).map_err(std::io::Error::from);
            self.failed = written.and_then(|()| out.write_all(b"\n")).err();
        }
    }

    /// The first rejects, once all are written.
    fn finish(self) -> Result<Vec<EventReject>> {
        if let Some((path, mut out)) = self.file {
            let written = self.failed.map_or_else(|| out.flush(), Err);
            written.map_err(|source| FeedError::WriteRejects { path: path.to_owned(), source })?;
        }
        Ok(self.first)
    }
}
