//! What can be typed after `kindred rules`.

use std::path::PathBuf;

use clap::Subcommand;

use crate::rules::MAX_SAVER_CHARS;

#[derive(Debug, Subcommand)]
pub(super) enum RulesCommand {
    /// Read a file of rules as saving would, and say what is wrong with it; nothing is changed
    Check {
        #[command(flatten)]
        file: RulesFile,
    },
    /// Save a file of rules: in force with the next answer, in a running server within server.reload_interval_ms
    Apply {
        #[command(flatten)]
        file: RulesFile,
        /// The version that the file was made from: what its `version` says when left out, else the one in force when the command starts. Refused
        /// with what has changed if another is in force
        #[arg(long, value_name = "VERSION")]
        expect: Option<u64>,
        /// Save over whatever is in force
        #[arg(long, conflicts_with = "expect")]
        force: bool,
        #[command(flatten)]
        saver: SaverArgs,
    },
    /// Print the rules in force, or an older version, as TOML (JSON with --json), with their version: edit and apply them
    Show {
        /// The catalog
        catalog: String,
        /// An older version
        #[arg(long, value_name = "VERSION")]
        version: Option<u64>,
    },
    /// List the versions: who saved which when, and what changed
    History {
        /// The catalog
        catalog: String,
        /// Most versions
        #[arg(long, default_value_t = 20)]
        limit: usize,
    },
    /// Put an older version in force again, as a new version
    Rollback {
        /// The catalog
        catalog: String,
        /// The version; the one before the one in force when left out
        #[arg(long, value_name = "VERSION")]
        to: Option<u64>,
        #[command(flatten)]
        saver: SaverArgs,
    },
    /// Show what a file of rules would change, before it does: on drawn products, sessions and orders
    DryRun {
        #[command(flatten)]
        file: RulesFile,
        /// Questions to draw, besides some for every rule that none of them reaches
        #[arg(long, default_value_t = 200, value_parser = clap::value_parser!(u32).range(1..=5000))]
        questions: u32,
        /// Length of the lists
        #[arg(long, default_value_t = 10, value_parser = clap::value_parser!(u32).range(1..=100))]
        limit: u32,
        /// Fixes what is drawn
        #[arg(long, default_value_t = 1)]
        seed: u64,
        /// When the questions are asked, e.g. 2026-11-27T08:00:00Z; now when left out
        #[arg(long, value_name = "TIME")]
        at: Option<jiff::Timestamp>,
    },
    /// Report what the rules did on the last days: how often each counted and fired, what it kept out, what it left short
    Report {
        /// The catalog
        catalog: String,
        /// Days (UTC), today included
        #[arg(long, default_value_t = 1, value_parser = clap::value_parser!(u32).range(1..=400))]
        days: u32,
    },
}

#[derive(Debug, clap::Args)]
pub(super) struct RulesFile {
    /// The catalog
    pub catalog: String,
    /// The file, .toml or .json; - reads TOML from standard input
    pub file: PathBuf,
}

#[derive(Debug, clap::Args)]
pub(super) struct SaverArgs {
    /// Who saves; the user of this machine when left out
    #[arg(long, value_name = "NAME", value_parser = saver_word)]
    pub who: Option<String>,
    /// Why
    #[arg(long, value_name = "TEXT", default_value = "", value_parser = saver_word)]
    pub note: String,
}

/// Who saves, or why: as long as over HTTP.
fn saver_word(text: &str) -> Result<String, String> {
    if text.chars().count() > MAX_SAVER_CHARS {
        return Err(format!("at most {MAX_SAVER_CHARS} characters are allowed"));
    }
    if text.chars().any(char::is_control) {
        return Err("line breaks and other control characters are not allowed".to_owned());
    }
    Ok(text.to_owned())
}
