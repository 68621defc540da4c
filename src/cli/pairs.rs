//! `kindred pairs`.

use std::process::ExitCode;

use anyhow::Result;
use serde_json::json;

use super::context::Context;
use super::output::{print_json, say, thousands};
use crate::catalog::Pairs;

/// Prints the rows that cannot be used; they change nothing of the exit code, as answers go on without them.
pub(super) fn run(context: &Context, catalog: &str) -> Result<ExitCode> {
    let pairs = Pairs::of_folder(&context.existing_dir(catalog)?.path())?;
    if context.json {
        print_json(&json!({"pairs": pairs.len(), "faults": pairs.faults()}))?;
        return Ok(ExitCode::SUCCESS);
    }
    let faults = pairs.faults().iter();
    faults.into_iter().try_for_each(|fault| {
        say!("{}, line {}, {}: {}", fault.path.display(), fault.line, fault.field, fault.message)
    })?;
    say!("{} pairs, {} rows that cannot be used", thousands(pairs.len()), thousands(pairs.faults().len()))?;
    Ok(ExitCode::SUCCESS)
}
