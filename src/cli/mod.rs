//! The commands of `kindred`. With `main`, the only code that prints, chooses exit codes, or uses a catch-all error type.
//!
//! | file | subject |
//! |---|---|
//! | `args` | what can be typed |
//! | `context` | settings, model and index, opened when a command needs them |
//! | `exit` | exit codes |
//! | `progress` | progress bars |
//! | `output` | tables and JSON |
//! | `args_ask` | what can be typed of one question |
//! | `args_eval` | what can be typed after `kindred eval` |
//! | `args_events` | what can be typed after `kindred events` |
//! | `args_rules` | what can be typed after `kindred rules` |
//! | `args_shopper` | what can be typed after `kindred bundle`, `post-purchase` and `replenish` |
//! | `ask`, `bench`, `eval`, `events`, `explain`, `index`, `init`, `model`, `pairs`, `placements`, `products`, `replenish`, `rules`, `serve`, `validate` | one command each |
#![allow(clippy::print_stderr, reason = "a command line prints its errors")]

mod args;
mod args_ask;
mod args_eval;
mod args_events;
mod args_rules;
mod args_shopper;
mod ask;
mod bench;
mod bench_ann;
mod bench_events;
mod bench_rules;
mod bench_sources;
mod bench_times;
mod context;
mod eval;
mod eval_accessories;
mod eval_upsell;
mod events;
mod exit;
mod explain;
mod index;
mod init;
mod model;
mod output;
mod pairs;
mod placements;
mod products;
mod progress;
mod replenish;
mod rules;
mod serve;
mod validate;

use std::io::IsTerminal;
use std::process::ExitCode;

use clap::Parser;

use crate::recommend::Intent;
use args::{Args, Command};
use args_ask::SessionArgs;
use context::Context;

/// Runs the command of this process's arguments and returns its exit code. Errors go to standard error, in one line.
pub fn main() -> ExitCode {
    let args = Args::parse();
    start_logging();
    match run(args) {
        Ok(code) => code,
        Err(error) if exit::is_closed_pipe(&error) => ExitCode::SUCCESS,
        Err(error) => {
            eprintln!("error: {}", exit::one_line(&error));
            exit::code_of(&error)
        }
    }
}

fn run(args: Args) -> anyhow::Result<ExitCode> {
    if let Command::Init { print, force } = &args.command {
        return init::run(args.config.as_deref(), *print, *force);
    }
    let context = Context::new(&args)?;
    match args.command {
        Command::Init { .. } => Ok(ExitCode::SUCCESS),
        Command::Validate { feed, catalog, rejects } => {
            validate::run(&context, &feed, catalog.as_deref(), rejects.as_deref())
        }
        Command::Model { command } => model::run(&context, &command),
        Command::Bench { command } => bench::run(&context, &command),
        Command::Index { command } => index::run(&context, &command),
        Command::Products { command } => products::run(&context, &command),
        Command::Events { command } => events::run(&context, &command),
        Command::Rules { command } => rules::run(&context, &command),
        Command::Similar { catalog, products, ask } => ask::similar(&context, &catalog, products, &ask),
        Command::Search { catalog, text, ask } => ask::search(&context, &catalog, &text.join(" "), &ask),
        Command::Eval(args) => eval::run(&context, &args),
        Command::Upsell { catalog, product, viewed, cart, ask } => {
            let (intent, product) = (Some(Intent::Upsell), Some(product));
            let session = SessionArgs { intent, viewed, cart, product, ..SessionArgs::default() };
            ask::recommend(&context, &catalog, session, &ask)
        }
        Command::CrossSell { catalog, cart, product, viewed, free_shipping_over, ask } => {
            let intent = Some(Intent::CrossSell);
            let session = SessionArgs { intent, viewed, cart, product, free_shipping_over, ..SessionArgs::default() };
            ask::recommend(&context, &catalog, session, &ask)
        }
        Command::Bundle(args) => ask::bundle(&context, args),
        Command::PostPurchase(args) => ask::post_purchase(&context, args),
        Command::Replenish(args) => replenish::run(&context, &args),
        Command::Pairs { catalog } => pairs::run(&context, &catalog),
        Command::Recommend { catalog, session, ask } => ask::recommend(&context, &catalog, session, &ask),
        Command::Explain { catalog, session, why_not, ask } => {
            explain::run(&context, &catalog, session, why_not.as_deref(), &ask)
        }
        Command::Placements { catalog } => placements::run(&context, &catalog),
        Command::Serve { bind } => serve::run(&context, bind),
    }
}

/// What is logged by default: ours from `info` on; the graph builder's narration is left out.
const DEFAULT_LOG: &str = "info,hnsw_rs=warn";

/// Logs go to standard error, filtered by `KINDRED_LOG` (default [`DEFAULT_LOG`]), as text or with `KINDRED_LOG_FORMAT=json` as JSON Lines.
fn start_logging() {
    let filter = tracing_subscriber::EnvFilter::try_from_env("KINDRED_LOG").unwrap_or_else(|_| DEFAULT_LOG.into());
    let is_terminal = std::io::stderr().is_terminal();
    let subscriber =
        tracing_subscriber::fmt().with_env_filter(filter).with_ansi(is_terminal).with_writer(std::io::stderr);
    if std::env::var("KINDRED_LOG_FORMAT").is_ok_and(|format| format == "json") {
        subscriber.json().init();
    } else {
        subscriber.with_target(false).init();
    }
}
