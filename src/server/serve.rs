//! Binds, opens the catalogs, answers until told to stop, and lets running requests end.

use std::future::Future;
use std::net::SocketAddr;
use std::path::PathBuf;
use std::sync::Arc;
use std::time::Duration;

use axum_server::{Handle, Server};
use hyper_util::rt::TokioTimer;
use tokio::net::TcpListener;
use tokio::task::{JoinHandle, spawn_blocking};
use tokio::time::{Instant, MissedTickBehavior, interval};

use super::app::App;
use super::catalogs::Catalogs;
use super::config::{CatalogSettings, ServerConfig};
use super::connections::ConnectionLimit;
use super::error::ServerError;
use super::event_stores::EventStores;
use super::metrics::Metrics;
use super::problem::with_causes;
use super::{openapi, router};
use crate::behavior::BehaviorConfig;
use crate::embed::Embedder;
use crate::events::EventsConfig;
use crate::recommend::RecommendConfig;

/// How often histograms are folded, and what rules did is kept.
const FOLD_INTERVAL: Duration = Duration::from_secs(5);

/// How often events that are past their retention are forgotten.
const PURGE_INTERVAL: Duration = Duration::from_secs(24 * 3600);

/// What a server needs.
pub struct Serve {
    /// Where to listen, and the limits.
    pub config: ServerConfig,
    /// The folder with one folder a catalog.
    pub index_root: PathBuf,
    /// Settings of answers.
    pub recommend: RecommendConfig,
    /// Settings of what is learned from events.
    pub behavior: BehaviorConfig,
    /// How products that come over HTTP are read.
    pub catalogs: CatalogSettings,
    /// What of events is kept, and for how long.
    pub events: EventsConfig,
    /// The model for free text and new products.
    pub embedder: Arc<Embedder>,
    /// Called once with the address that is listened on, when requests are about to be answered.
    pub ready: Option<Box<dyn FnOnce(SocketAddr) + Send>>,
}

/// Serves until `shutdown` resolves; then takes no more connections, lets running requests end within
/// [`ServerConfig::shutdown_grace_ms`], and returns. Runs on the caller's runtime, which needs its I/O and time drivers.
///
/// A catalog that is damaged is logged and answers 503; it does not keep the others from serving. Returns an error if the
/// address cannot be listened on, a setting has no use, or the index root cannot be read.
pub async fn serve(serve: Serve, shutdown: impl Future<Output = ()> + Send + 'static) -> Result<(), ServerError> {
    let Serve { config, index_root, recommend, behavior, catalogs: settings, events, embedder, ready } = serve;
    check(&config)?;
    let bind_failed = |source| ServerError::Bind { address: config.bind, source };
    let listener = TcpListener::bind(config.bind).await.map_err(bind_failed)?;
    let address = listener.local_addr().map_err(bind_failed)?;
    let (routes, api) = router::routes();
    let metrics = router::metrics_of(&api)?;
    let events = Arc::new(EventStores::new(index_root.clone(), events, metrics.clone()));
    let (opening, of_catalogs) = ((recommend, behavior), (metrics.clone(), events.clone()));
    let catalogs = spawn_blocking(move || {
        let (metrics, events) = of_catalogs;
        events.refresh()?;
        Catalogs::open(index_root, opening, settings, embedder, metrics)
    });
    let catalogs = Arc::new(catalogs.await.map_err(ServerError::Task)?.map_err(ServerError::IndexRoot)?);
    let api = openapi::document(api)
        .map_err(|error| ServerError::Setting { setting: "openapi", reason: error.to_string() })?;
    let app = App::new(&config, catalogs.clone(), events.clone(), metrics.clone(), api);
    let service = router::with_layers(routes, app, &config.cors_allow_origins)?.into_make_service();
    let handle = Handle::new();
    let mut server = Server::<SocketAddr>::from_listener(listener)
        .acceptor(ConnectionLimit::new(config.max_connections, millis(config.request_timeout_ms), metrics.clone()))
        .handle(handle.clone())
        .http1_only();
    let http1 = &mut server.http_builder().http1();
    http1.timer(TokioTimer::new()).header_read_timeout(millis(config.header_timeout_ms));
    let ending = catalogs.clone();
    let _background = [
        Background(tokio::spawn(watch(catalogs, events.clone(), metrics, millis(config.reload_interval_ms)))),
        Background(tokio::spawn(purge(events))),
        Background(tokio::spawn(async move {
            shutdown.await;
            tracing::info!("stopping: running requests may end");
            handle.graceful_shutdown(Some(millis(config.shutdown_grace_ms)));
        })),
    ];
    tracing::info!(%address, "listening");
    if let Some(ready) = ready {
        ready(address);
    }
    let served = server.serve(service).await.map_err(|source| ServerError::Accept { address, source });
    // What the rules did since the last look would be lost; a panic here was logged where it happened.
    let _ = spawn_blocking(move || ending.keep_rule_figures()).await;
    served
}

/// A task that ends with the server.
struct Background(JoinHandle<()>);

impl Drop for Background {
    fn drop(&mut self) {
        self.0.abort();
    }
}

/// Takes over new generations for as long as it runs.
async fn watch(catalogs: Arc<Catalogs>, events: Arc<EventStores>, metrics: Arc<Metrics>, every: Duration) {
    let mut ticks = interval(every);
    ticks.set_missed_tick_behavior(MissedTickBehavior::Delay);
    let mut folded = Instant::now();
    let mut is_failing = false;
    loop {
        ticks.tick().await;
        let is_due = folded.elapsed() >= FOLD_INTERVAL;
        if is_due {
            metrics.fold();
            folded = Instant::now();
        }
        let (catalogs, events) = (catalogs.clone(), events.clone());
        let look = move || {
            if is_due {
                catalogs.keep_rule_figures();
            }
            events.refresh().and_then(|()| catalogs.refresh())
        };
        let failure = match spawn_blocking(look).await {
            Ok(refreshed) => refreshed.err().map(|error| with_causes(&error)),
            Err(error) => Some(error.to_string()),
        };
        if let Some(failure) = failure.as_ref().filter(|_| !is_failing) {
            tracing::error!("cannot look for new generations: {failure}");
        }
        is_failing = failure.is_some();
    }
}

/// Checks the files of events, and forgets those past their retention, at the start and then once a day.
async fn purge(events: Arc<EventStores>) {
    let mut ticks = interval(PURGE_INTERVAL);
    loop {
        ticks.tick().await;
        let events = events.clone();
        // What a purge leaves is tried again the next day; it logs why.
        let _ = spawn_blocking(move || {
            events.check();
            events.purge();
        })
        .await;
    }
}

fn millis(ms: u64) -> Duration {
    Duration::from_millis(ms)
}

fn check(config: &ServerConfig) -> Result<(), ServerError> {
    /// A year: longer times overflow a clock somewhere.
    const MAX_MS: u64 = 365 * 24 * 3600 * 1000;
    let times = [
        ("header_timeout_ms", config.header_timeout_ms),
        ("request_timeout_ms", config.request_timeout_ms),
        ("shutdown_grace_ms", config.shutdown_grace_ms),
        ("reload_interval_ms", config.reload_interval_ms),
    ];
    let counts = [("max_connections", config.max_connections), ("max_body_bytes", config.max_body_bytes)];
    let wrong_time = times.into_iter().find(|(_, ms)| !(1..=MAX_MS).contains(ms));
    let zero_count = counts.into_iter().find(|(_, count)| *count == 0);
    match (wrong_time, zero_count) {
        (Some((setting, ms)), _) => {
            Err(ServerError::Setting { setting, reason: format!("{ms} is not between 1 and {MAX_MS} milliseconds") })
        }
        (None, Some((setting, _))) => {
            Err(ServerError::Setting { setting, reason: "it is 0; give 1 or more".to_owned() })
        }
        (None, None) => Ok(()),
    }
}
