//! `kindred index build | list | verify | rollback | gc`.

use std::path::Path;
use std::process::ExitCode;

use anyhow::Result;
use serde_json::json;

use super::args::IndexCommand;
use super::context::Context;
use super::exit;
use super::output::{bytes, number, print_json, say, table, thousands};
use super::progress::BuildBars;
use crate::behavior::{ComplementConfig, LearnedCounts};
use crate::config::Config;
use crate::events::{EventStore, HistoryPart};
use crate::index::{CatalogDir, Check, IndexError, Listed, Manifest};
use crate::live::{ChangeLog, FoldChanges, LiveError};
use crate::pipeline::{Build, Built};

pub(super) fn run(context: &Context, command: &IndexCommand) -> Result<ExitCode> {
    match command {
        IndexCommand::Build { catalog, feed, live_changes } => build(context, catalog, feed, *live_changes),
        IndexCommand::List { catalog } => list(context, catalog.as_deref()),
        IndexCommand::Verify { catalog, all } => verify(context, catalog.as_deref(), *all),
        IndexCommand::Rollback { catalog, to } => rollback(context, catalog, to.as_deref()),
        IndexCommand::Gc { catalog, keep } => gc(context, catalog, *keep),
    }
}

fn build(context: &Context, catalog: &str, feed: &Path, live: FoldChanges) -> Result<ExitCode> {
    let dir = context.catalog_dir(catalog)?;
    let settings = context.config.catalog(catalog)?;
    let embedder = context.embedder()?;
    forget_old_events(context, &dir);
    let bars = BuildBars::new(context.quiet || context.json);
    let build = Build {
        dir: &dir,
        catalog: &settings,
        index: &context.config.index,
        live,
        behavior: &context.config.behavior,
        history: &|| Ok(EventStore::open(&dir.path(), &context.config.events)?.history(&HistoryPart::default())?),
        embedder: &embedder,
    };
    let built = build.run(feed, &|step| bars.show(step));
    bars.clear();
    let built = built?;
    if context.json {
        let live = json!({"folded": built.live.num_folded, "superseded": built.live.num_superseded});
        print_json(&json!({
            "manifest": built.manifest, "records": built.num_records, "rejects": dir.rejects_path(), "live_changes": live,
            "learned": built.learned,
        }))?;
    } else {
        print_built(&dir, &built, &context.config)?;
    }
    Ok(ExitCode::SUCCESS)
}

/// Events past their retention go before a build. What fails is said, stops no build, and is tried again by the next.
fn forget_old_events(context: &Context, dir: &CatalogDir) {
    let now_ms = jiff::Timestamp::now().as_millisecond();
    let purged = EventStore::open(&dir.path(), &context.config.events).and_then(|store| store.purge(now_ms));
    if let Err(error) = purged {
        tracing::warn!("old events are kept: {error}");
    }
}

fn print_built(dir: &CatalogDir, built: &Built, config: &Config) -> Result<()> {
    let Manifest { generation, catalog, counts, build, .. } = &built.manifest;
    say!("{catalog} {generation} is in use")?;
    say!("  products    {} in {} families", thousands(counts.products), thousands(counts.families))?;
    if counts.rejects > 0 {
        say!("  rejected    {} records, listed in {}", thousands(counts.rejects), dir.rejects_path().display())?;
    }
    if built.live.num_folded + built.live.num_superseded > 0 {
        let (folded, superseded) = (built.live.num_folded, built.live.num_superseded);
        say!(
            "  changes     {} folded in, {} superseded by the feed",
            thousands(folded as usize),
            thousands(superseded as usize)
        )?;
    }
    let (embedded, reused) = (thousands(build.embedded), thousands(build.reused));
    say!(
        "  texts       {embedded} embedded, {reused} from the cache, {} repeated",
        thousands(built.num_repeated_texts)
    )?;
    let wider = match build.ef_search > config.index.ef_search {
        true => format!("; ef_search raised from {} to {} for it", config.index.ef_search, build.ef_search),
        false => String::new(),
    };
    say!(
        "  recall@10   {:.4} against exact search, over {} products{wider}",
        build.recall_at_10,
        thousands(build.recall_queries)
    )?;
    if built.learned.events > 0 {
        let learned = &built.learned;
        let [events, orders] = [learned.events, learned.orders].map(thousands);
        let [sessions, products] = [learned.sessions, learned.products].map(thousands);
        say!("  learned     {events} events: {orders} orders and {sessions} sessions, about {products} products")?;
        say!("  complements {}", complements(learned, &config.behavior.complement))?;
    }
    say!("  took        {:.1} s", build.took_ms as f64 / 1e3)?;
    Ok(())
}

/// What became of the map of complements.
fn complements(learned: &LearnedCounts, config: &ComplementConfig) -> String {
    let pairs = thousands(learned.pairs);
    match learned.has_map {
        true => format!("a map learned from {pairs} pairs of products"),
        false if config.rank == 0 => "no map: behavior.complement.rank is 0".to_owned(),
        false => {
            let needed = thousands(config.min_pairs);
            format!("no map: {pairs} pairs of products were bought together and are not alike, {needed} are needed")
        }
    }
}

fn list(context: &Context, catalog: Option<&str>) -> Result<ExitCode> {
    let mut shown =
        table(&["catalog", "generation", "in use", "products", "changes", "recall@10", "embedded", "size", "built at"]);
    let mut values = Vec::new();
    for dir in context.catalog_dirs(catalog)? {
        let log = ChangeLog::open_existing(&dir.live_path())?;
        for listed in dir.list()? {
            let pending = listed.manifest.as_ref().map(|manifest| pending(log.as_ref(), manifest));
            let pending = pending.unwrap_or(Ok(0))?;
            match &listed.manifest {
                Ok(manifest) => {
                    shown.add_row(list_row(dir.catalog(), &listed, manifest, pending));
                }
                Err(error) => {
                    let why = exit::one_line(&anyhow::anyhow!("{error}"));
                    shown.add_row([dir.catalog().to_owned(), listed.name.clone(), in_use(&listed).to_owned(), why]);
                }
            }
            let error = listed.manifest.as_ref().err().map(ToString::to_string);
            let manifest = listed.manifest.ok();
            let (generation, current) = (&listed.name, listed.is_current);
            values.push(json!({"catalog": dir.catalog(), "generation": generation, "current": current, "live_changes": pending, "manifest": manifest, "error": error}));
        }
    }
    if context.json {
        print_json(&values)?;
    } else if values.is_empty() {
        say!(
            "no index yet under {}; `kindred index build CATALOG --feed FILE` makes one",
            context.config.index_root.display()
        )?;
    } else {
        say!("{shown}")?;
    }
    Ok(ExitCode::SUCCESS)
}

/// How many live changes are applied on top of the generation when it is opened.
fn pending(log: Option<&ChangeLog>, manifest: &Manifest) -> Result<u64, LiveError> {
    let Some(log) = log else { return Ok(0) };
    let mark = manifest.live.as_ref().filter(|mark| mark.log == log.name());
    let settled = mark.map_or(0, |mark| mark.seq).max(log.purged()?);
    Ok(log.last_seq()?.saturating_sub(settled))
}

fn in_use(listed: &Listed) -> &'static str {
    if listed.is_current { "yes" } else { "" }
}

fn list_row(catalog: &str, listed: &Listed, manifest: &Manifest, pending: u64) -> Vec<comfy_table::Cell> {
    let size = manifest.files.values().map(|file| file.bytes).sum();
    vec![
        catalog.into(),
        listed.name.as_str().into(),
        in_use(listed).into(),
        number(thousands(manifest.counts.products)),
        number(thousands(pending as usize)),
        number(format!("{:.4}", manifest.build.recall_at_10)),
        number(thousands(manifest.build.embedded)),
        number(bytes(size)),
        manifest.created_at.strftime("%Y-%m-%d %H:%M:%S UTC").to_string().into(),
    ]
}

fn verify(context: &Context, catalog: Option<&str>, all: bool) -> Result<ExitCode> {
    let mut num_damaged = 0;
    let mut values = Vec::new();
    for dir in context.catalog_dirs(catalog)? {
        for (name, result) in verify_dir(&dir, all)? {
            let error = result.err().map(|error| exit::one_line(&error.into()));
            num_damaged += usize::from(error.is_some());
            if !context.json {
                say!("{} {name}: {}", dir.catalog(), error.as_deref().unwrap_or("whole"))?;
            }
            values.push(json!({"catalog": dir.catalog(), "generation": name, "ok": error.is_none(), "error": error}));
        }
    }
    if context.json {
        print_json(&values)?;
    } else if values.is_empty() {
        say!("no index yet under {}", context.config.index_root.display())?;
    }
    Ok(if num_damaged == 0 { ExitCode::SUCCESS } else { ExitCode::from(exit::INDEX) })
}

/// The generation in use by way of `CURRENT`, and with `all` every other by its name.
fn verify_dir(dir: &CatalogDir, all: bool) -> Result<Vec<(String, Result<(), IndexError>)>> {
    let current = dir.open_current(Check::Hashes);
    let name = current.as_ref().map_or_else(|_| "in use".to_owned(), |generation| generation.name().to_owned());
    let mut results = vec![(name, current.map(drop))];
    if all {
        let others = dir.list()?.into_iter().filter(|listed| !listed.is_current);
        results.extend(others.map(|listed| {
            let result = dir.open_generation(&listed.name, Check::Hashes).map(drop);
            (listed.name, result)
        }));
    }
    Ok(results)
}

fn rollback(context: &Context, catalog: &str, to: Option<&str>) -> Result<ExitCode> {
    let manifest = context.existing_dir(catalog)?.rollback(to)?;
    if context.json {
        print_json(&manifest)?;
    } else {
        say!("{catalog} {} is in use, {} products", manifest.generation, thousands(manifest.counts.products))?;
    }
    Ok(ExitCode::SUCCESS)
}

fn gc(context: &Context, catalog: &str, keep: usize) -> Result<ExitCode> {
    let deleted = context.existing_dir(catalog)?.gc(keep)?;
    if context.json {
        print_json(&json!({"deleted": deleted}))?;
    } else if deleted.is_empty() {
        say!("{catalog}: nothing to delete")?;
    } else {
        say!("{catalog}: deleted {}", deleted.join(", "))?;
    }
    Ok(ExitCode::SUCCESS)
}
