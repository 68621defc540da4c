//! `kindred model`.

use std::path::{Path, PathBuf};
use std::process::ExitCode;

use anyhow::Result;
use serde_json::json;

use super::args::ModelCommand;
use super::context::Context;
use super::exit;
use super::output::{print_json, say, thousands};
use super::progress::BuildBars;
use crate::embed::{EmbedProgress, Embedder, Parity, check_parity, read_texts};
use crate::index::write_raw_vectors;
use crate::pipeline::BuildStep;

/// Reference vectors of the model that comes with the project, used when it is checked and they are there.
const DEFAULT_REFERENCE: &str = "tests/data/minilm_reference.jsonl.zst";
const DEFAULT_MODEL: &str = "all-MiniLM-L6-v2";

pub(super) fn run(context: &Context, command: &ModelCommand) -> Result<ExitCode> {
    match command {
        ModelCommand::Check { reference } => check(context, reference.clone()),
        ModelCommand::Embed { texts, out } => embed(context, texts, out),
    }
}

fn embed(context: &Context, texts: &Path, out: &Path) -> Result<ExitCode> {
    let texts = read_texts(texts)?;
    let texts: Vec<&str> = texts.iter().map(String::as_str).collect();
    let embedder = context.embedder()?;
    let bars = BuildBars::new(context.quiet || context.json);
    let vectors = embedder.embed(&texts, &|embedded| {
        bars.show(BuildStep::Embedding(EmbedProgress { embedded, to_embed: texts.len() }));
    })?;
    bars.clear();
    write_raw_vectors(out, vectors.as_slice())?;
    let (rows, dim) = (texts.len(), embedder.dim());
    if context.json {
        print_json(&json!({"vectors": out, "rows": rows, "dim": dim}))?;
    } else {
        say!("{} vectors of {dim} numbers in {}", thousands(rows), out.display())?;
    }
    Ok(ExitCode::SUCCESS)
}

fn check(context: &Context, reference: Option<PathBuf>) -> Result<ExitCode> {
    let embedder = context.embedder()?;
    let reference = reference.or_else(|| default_reference(&embedder));
    let parity = reference.as_deref().map(|path| check_parity(&embedder, path)).transpose()?;
    let min_cosine = embedder.precision().min_cosine();
    let is_right = parity.as_ref().is_none_or(|parity| parity.min_cosine >= min_cosine);
    if context.json {
        print_json(&json!({
            "name": embedder.name(), "dim": embedder.dim(), "max_tokens": embedder.max_tokens(), "precision": embedder.precision(),
            "fingerprint": embedder.fingerprint(), "reference": reference, "parity": parity, "ok": is_right,
        }))?;
    } else {
        print(context, &embedder, reference.as_deref(), parity.as_ref())?;
    }
    Ok(if is_right { ExitCode::SUCCESS } else { ExitCode::from(exit::MODEL) })
}

fn default_reference(embedder: &Embedder) -> Option<PathBuf> {
    Some(PathBuf::from(DEFAULT_REFERENCE)).filter(|path| embedder.name() == DEFAULT_MODEL && path.exists())
}

fn print(context: &Context, embedder: &Embedder, reference: Option<&Path>, parity: Option<&Parity>) -> Result<()> {
    say!("model        {}", embedder.name())?;
    say!("folder       {}", context.config.embed.model.display())?;
    say!("dimensions   {}", embedder.dim())?;
    say!("max tokens   {}", embedder.max_tokens())?;
    say!("precision    {}", embedder.precision().name())?;
    say!("fingerprint  {}", embedder.fingerprint())?;
    match (reference, parity) {
        (Some(path), Some(parity)) => {
            let min_cosine = embedder.precision().min_cosine();
            let verdict = if parity.min_cosine >= min_cosine { "agrees" } else { "DISAGREES" };
            say!("reference    {} ({} texts)", path.display(), parity.num_texts)?;
            say!(
                "parity       {verdict}: cosine at least {:.7}, {:.7} on average",
                parity.min_cosine,
                parity.mean_cosine
            )?;
            if parity.min_cosine < min_cosine {
                say!("worst text   {}", parity.worst_text)?;
            }
        }
        _ => say!("parity       not checked; give --reference FILE")?,
    }
    Ok(())
}
