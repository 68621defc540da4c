//! `kindred serve`.

use std::net::SocketAddr;
use std::process::ExitCode;

use anyhow::{Context as _, Result};
use tokio::signal::unix::{SignalKind, signal};

use super::context::Context;
use crate::server::{CatalogSettings, Serve, serve};

pub(super) fn run(context: &Context, bind: Option<SocketAddr>) -> Result<ExitCode> {
    let mut config = context.config.server.clone();
    config.bind = bind.unwrap_or(config.bind);
    let named = context.config.catalogs.keys();
    let named = named.map(|name| Ok((name.clone(), context.config.catalog(name)?))).collect::<Result<_>>()?;
    let catalogs = context.config.catalogs.keys();
    let placements = catalogs.map(|name| Ok((name.clone(), context.config.recommend(name)?.placements)));
    let placements = placements.collect::<Result<_>>()?;
    let task = Serve {
        config,
        index_root: context.config.index_root.clone(),
        recommend: context.config.recommend.clone(),
        behavior: context.config.behavior.clone(),
        catalogs: CatalogSettings { default: context.config.catalog.clone(), named, placements },
        events: context.config.events.clone(),
        embedder: context.embedder()?,
        ready: None,
    };
    let runtime =
        tokio::runtime::Builder::new_multi_thread().enable_all().build().context("cannot start the runtime")?;
    runtime.block_on(async {
        let (mut interrupt, mut terminate) = (signal(SignalKind::interrupt())?, signal(SignalKind::terminate())?);
        let shutdown = async move {
            tokio::select! {
                _ = interrupt.recv() => {}
                _ = terminate.recv() => {}
            }
        };
        anyhow::Ok(serve(task, shutdown).await?)
    })?;
    Ok(ExitCode::SUCCESS)
}
