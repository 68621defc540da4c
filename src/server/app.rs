//! What all handlers share, and the one place where a question is asked.

use std::sync::Arc;
use std::time::Duration;

use tokio::sync::Semaphore;
use tokio::time::{Instant, timeout_at};

use super::catalogs::Catalogs;
use super::config::ServerConfig;
use super::event_stores::EventStores;
use super::kept::KeptQuestions;
use super::metrics::Metrics;
use super::problem::{Code, Problem};
use super::receipts::Receipts;
use crate::live::View;
use crate::recommend::{Answer, Engine, Query};

/// The handlers' state. Cheap to clone.
#[derive(Clone)]
pub(super) struct App(Arc<Shared>);

struct Shared {
    catalogs: Arc<Catalogs>,
    events: Arc<EventStores>,
    metrics: Arc<Metrics>,
    receipts: Arc<Receipts>,
    max_body_bytes: usize,
    request_timeout: Duration,
    /// Places for questions that keep a core busy for long.
    heavy: Arc<Semaphore>,
    kept: KeptQuestions,
    openapi: String,
}

impl App {
    /// State over open catalogs and their events; `openapi` is the description that the server gives of itself.
    pub(super) fn new(
        config: &ServerConfig,
        catalogs: Arc<Catalogs>,
        events: Arc<EventStores>,
        metrics: Arc<Metrics>,
        openapi: String,
    ) -> Self {
        let num_cores = std::thread::available_parallelism().map_or(1, usize::from);
        Self(Arc::new(Shared {
            catalogs,
            events,
            metrics,
            receipts: Arc::default(),
            max_body_bytes: config.max_body_bytes,
            request_timeout: Duration::from_millis(config.request_timeout_ms),
            heavy: Arc::new(Semaphore::new(num_cores)),
            kept: KeptQuestions::new(Duration::from_secs(config.trace_keep_seconds), config.trace_keep_bytes),
            openapi,
        }))
    }

    /// The catalogs.
    pub(super) fn catalogs(&self) -> &Catalogs {
        &self.0.catalogs
    }

    /// The catalogs' events.
    pub(super) fn events(&self) -> &EventStores {
        &self.0.events
    }

    /// Receipts of erasures that nobody has taken yet.
    pub(super) fn receipts(&self) -> &Arc<Receipts> {
        &self.0.receipts
    }

    /// The figures.
    pub(super) fn metrics(&self) -> &Metrics {
        &self.0.metrics
    }

    /// The questions whose answers can be explained.
    pub(super) fn kept(&self) -> &KeptQuestions {
        &self.0.kept
    }

    /// The OpenAPI document.
    pub(super) fn openapi(&self) -> &str {
        &self.0.openapi
    }

    /// Bytes of the longest body.
    pub(super) fn max_body_bytes(&self) -> usize {
        self.0.max_body_bytes
    }

    /// Until when a request that begins now is to be answered.
    pub(super) fn deadline(&self) -> Instant {
        Instant::now() + self.0.request_timeout
    }

    /// Asks `engine` on `view`, and returns the answer and the milliseconds it took.
    ///
    /// A search of the index takes well under a millisecond, less than handing it to another thread and back costs under
    /// load, so it runs where it is. Embedding a text and scoring every product take tens of milliseconds: they run on
    /// blocking threads, one a core at most, and wait for their turn until `deadline`.
    ///
    /// Returns a problem if the question is wrong, its turn did not come, or the index or the model fails.
    pub(super) async fn ask(
        &self,
        engine: &Arc<Engine>,
        view: &View,
        query: Arc<Query>,
        deadline: Instant,
    ) -> Result<(Answer, f64), Problem> {
        let began = Instant::now();
        let answer = if query.text.is_none() && !query.exact {
            engine.answer(view, &query)?
        } else {
            let (engine, view) = (engine.clone(), view.clone());
            self.apart(deadline, move || engine.answer(&view, &query)).await??
        };
        let took_us = began.elapsed().as_micros() as f64;
        Ok((answer, took_us / 1000.0))
    }

    /// Runs `work` on a blocking thread, when one of the places for it is free.
    ///
    /// Returns a problem if it was not done by `deadline`, or panicked.
    pub(super) async fn apart<T: Send + 'static>(
        &self,
        deadline: Instant,
        work: impl FnOnce() -> T + Send + 'static,
    ) -> Result<T, Problem> {
        let too_late = |_| Problem::new(Code::Overloaded, "the answer was not ready in time");
        let turn = timeout_at(deadline, self.0.heavy.clone().acquire_owned()).await.map_err(too_late)?;
        let task = tokio::task::spawn_blocking(move || {
            let _turn = turn;
            work()
        });
        let done = timeout_at(deadline, task).await.map_err(too_late)?;
        done.map_err(|error| Problem::internal(&error))
    }
}
