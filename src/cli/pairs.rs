//! `kindred pairs`.

use std::process::ExitCode;

use anyhow::Result;
use serde_json::json;

use super::context::Context;
use super::exit::FEED;
use super::output::{print_json, say, thousands};
use crate::catalog::{PairFault, Pairs};

/// Prints the rows and files that cannot be used. Rows change nothing of the exit code, as answers go on without them; a file does.
pub(super) fn run(context: &Context, catalog: &str) -> Result<ExitCode> {
    let pairs = Pairs::of_folder(&context.existing_dir(catalog)?.path());
    let is_whole = !pairs.faults().iter().any(PairFault::is_of_file);
    let code = if is_whole { ExitCode::SUCCESS } else { ExitCode::from(FEED) };
    if context.json {
        print_json(&json!({"pairs": pairs.len(), "faults": pairs.faults()}))?;
        return Ok(code);
    }
    pairs.faults().iter().try_for_each(|fault| say!("{fault}"))?;
    let num_rows = pairs.faults().iter().filter(|fault| !fault.is_of_file()).count();
    say!("{} pairs, {} rows that cannot be used", thousands(pairs.len()), thousands(num_rows))?;
    Ok(code)
}
