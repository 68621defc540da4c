//! `kindred init`: writes a settings file that explains itself.

use std::fs::OpenOptions;
use std::io::Write;
use std::path::Path;
use std::process::ExitCode;

use anyhow::{Context as _, Result};

use super::args::Args;
use super::output::say;
use crate::config;

pub(super) fn run(file: Option<&Path>, print: bool, force: bool) -> Result<ExitCode> {
    if print {
        say!("{}", config::TEMPLATE.trim_end())?;
        return Ok(ExitCode::SUCCESS);
    }
    let path = file.map_or_else(Args::default_config, Path::to_owned);
    let mut options = OpenOptions::new();
    options.write(true).truncate(force).create(force).create_new(!force);
    let opened = options.open(&path);
    let mut out =
        opened.with_context(|| format!("cannot write `{}`; --force overwrites an existing file", path.display()))?;
    out.write_all(config::TEMPLATE.as_bytes()).with_context(|| format!("cannot write `{}`", path.display()))?;
    say!("wrote {}; every setting is in it, commented out with its default", path.display())?;
    Ok(ExitCode::SUCCESS)
}
