//! Figures for Prometheus. Each server has its own recorder, so that two in one process do not mix.

use std::collections::HashMap;
use std::time::Duration;

use crate::live::{LogSize, View};
use crate::rules::RuleCounts;
use metrics::{Counter, Gauge, Histogram, Key, KeyName, Label, Level, Metadata, Recorder, Unit};
use metrics_exporter_prometheus::{BuildError, PrometheusBuilder, PrometheusHandle, PrometheusRecorder};

/// Upper bounds of the latency buckets in seconds.
const LATENCY_BUCKETS: [f64; 13] =
    [0.0001, 0.00025, 0.0005, 0.001, 0.0025, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 1.0, 5.0];
/// Route of a request that no route matched.
const NO_ROUTE: &str = "none";

const REQUESTS: &str = "kindred_http_requests_total";
const LATENCY: &str = "kindred_http_request_duration_seconds";
const IN_FLIGHT: &str = "kindred_http_requests_in_flight";
const CONNECTIONS: &str = "kindred_http_connections";
const REFUSED_CONNECTIONS: &str = "kindred_http_connections_refused_total";
const RELOADS: &str = "kindred_reloads_total";
const PRODUCTS: &str = "kindred_catalog_products";
const GENERATION: &str = "kindred_generation_info";
const CHANGES: &str = "kindred_live_changes_total";
const LIVE_NEW: &str = "kindred_live_new_products";
const LIVE_PATCHED: &str = "kindred_live_patched_products";
const LIVE_MASKED: &str = "kindred_live_masked_products";
const LOG_CHANGES: &str = "kindred_live_log_changes";
const LOG_BYTES: &str = "kindred_live_log_bytes";

const RULES_VERSION: &str = "kindred_rules_version";
const RULE_COUNTED: &str = "kindred_rule_answers_counted_total";
const RULE_FIRED: &str = "kindred_rule_answers_changed_total";
const RULE_REMOVED: &str = "kindred_rule_products_removed_total";
const RULE_SHORTENED: &str = "kindred_rule_lists_shortened_total";

const EVENTS: &str = "kindred_events_total";
const EVENT_BYTES: &str = "kindred_events_bytes";

const METADATA: Metadata<'static> = Metadata::new("kindred", Level::INFO, None);

/// The server's figures.
pub(super) struct Metrics {
    recorder: PrometheusRecorder,
    handle: PrometheusHandle,
    routes: HashMap<String, RouteMetrics>,
    /// Requests being answered.
    pub(super) in_flight: Gauge,
    /// Connections open.
    pub(super) connections: Gauge,
    /// Connections refused at the limit.
    pub(super) refused_connections: Counter,
}

/// The figures of one route that every request touches, looked up once.
struct RouteMetrics {
    ok: Counter,
    latency: Histogram,
}

impl Metrics {
    /// Figures for the given routes.
    ///
    /// Returns an error if the buckets cannot be set, which fixed buckets cannot cause.
    pub(super) fn new<'a>(routes: impl IntoIterator<Item = &'a str>) -> Result<Self, BuildError> {
        let recorder = PrometheusBuilder::new().set_buckets(&LATENCY_BUCKETS)?.build_recorder();
        describe(&recorder);
        let route_metrics = |route: &str| {
            let ok = recorder.register_counter(&requests_key(route, 200), &METADATA);
            let latency = Key::from_parts(LATENCY, vec![Label::new("route", route.to_owned())]);
            RouteMetrics { ok, latency: recorder.register_histogram(&latency, &METADATA) }
        };
        let routes = routes.into_iter().chain([NO_ROUTE]);
        Ok(Self {
            handle: recorder.handle(),
            routes: routes.map(|route| (route.to_owned(), route_metrics(route))).collect(),
            in_flight: recorder.register_gauge(&Key::from_name(IN_FLIGHT), &METADATA),
            connections: recorder.register_gauge(&Key::from_name(CONNECTIONS), &METADATA),
            refused_connections: recorder.register_counter(&Key::from_name(REFUSED_CONNECTIONS), &METADATA),
            recorder,
        })
    }

    /// Counts one answered request; `route` is its pattern, `None` when no route matched.
    pub(super) fn answered(&self, route: Option<&str>, status: u16, took: Duration) {
        let route = route.filter(|route| self.routes.contains_key(*route)).unwrap_or(NO_ROUTE);
        let Some(known) = self.routes.get(route) else { return };
        known.latency.record(took.as_secs_f64());
        if status == 200 {
            known.ok.increment(1);
        } else {
            self.recorder.register_counter(&requests_key(route, status), &METADATA).increment(1);
        }
    }

    /// Counts a generation taken over or refused, and shows the one that serves now.
    pub(super) fn reloaded(&self, catalog: &str, is_taken: bool, old: Option<&str>, now: Option<(&str, usize)>) {
        let result = if is_taken { "ok" } else { "refused" };
        let labels = vec![Label::new("catalog", catalog.to_owned()), Label::new("result", result)];
        self.recorder.register_counter(&Key::from_parts(RELOADS, labels), &METADATA).increment(1);
        if let Some(old) = old {
            self.generation(catalog, old).set(0.0);
        }
        if let Some((generation, num_products)) = now {
            self.generation(catalog, generation).set(1.0);
            let key = Key::from_parts(PRODUCTS, vec![Label::new("catalog", catalog.to_owned())]);
            self.recorder.register_gauge(&key, &METADATA).set(num_products as f64);
        }
    }

    /// Counts changes by what became of them.
    pub(super) fn changed(&self, catalog: &str, num_accepted: usize, num_rejected: usize) {
        for (result, count) in [("accepted", num_accepted), ("rejected", num_rejected)] {
            let labels = vec![Label::new("catalog", catalog.to_owned()), Label::new("result", result)];
            self.recorder.register_counter(&Key::from_parts(CHANGES, labels), &METADATA).increment(count as u64);
        }
    }

    /// Counts events by what became of them.
    pub(super) fn events(&self, catalog: &str, counts: &[(&'static str, u64)]) {
        for (result, count) in counts {
            let labels = vec![Label::new("catalog", catalog.to_owned()), Label::new("result", *result)];
            self.recorder.register_counter(&Key::from_parts(EVENTS, labels), &METADATA).increment(*count);
        }
    }

    /// Shows the version of the rules in force, and adds what the rules did.
    pub(super) fn rules(&self, catalog: &str, version: u64, figures: &[(String, RuleCounts)]) {
        let key = Key::from_parts(RULES_VERSION, vec![Label::new("catalog", catalog.to_owned())]);
        self.recorder.register_gauge(&key, &METADATA).set(version as f64);
        for (rule, counts) in figures {
            let counts = [
                (RULE_COUNTED, counts.counted),
                (RULE_FIRED, counts.fired),
                (RULE_REMOVED, counts.removed),
                (RULE_SHORTENED, counts.shortened),
            ];
            for (name, count) in counts {
                let labels = vec![Label::new("catalog", catalog.to_owned()), Label::new("rule", rule.clone())];
                self.recorder.register_counter(&Key::from_parts(name, labels), &METADATA).increment(count);
            }
        }
    }

    /// Shows how long a catalog's file of events is.
    pub(super) fn event_bytes(&self, catalog: &str, num_bytes: u64) {
        let key = Key::from_parts(EVENT_BYTES, vec![Label::new("catalog", catalog.to_owned())]);
        self.recorder.register_gauge(&key, &METADATA).set(num_bytes as f64);
    }

    /// Shows how far a catalog is from its generation, and what its log holds.
    pub(super) fn live(&self, catalog: &str, view: &View, log: LogSize) {
        let figures = [
            (PRODUCTS, view.num_products() as f64),
            (LIVE_NEW, view.num_new() as f64),
            (LIVE_PATCHED, view.num_patched() as f64),
            (LIVE_MASKED, view.num_masked() as f64),
            (LOG_CHANGES, log.changes as f64),
            (LOG_BYTES, log.bytes as f64),
        ];
        for (name, figure) in figures {
            let key = Key::from_parts(name, vec![Label::new("catalog", catalog.to_owned())]);
            self.recorder.register_gauge(&key, &METADATA).set(figure);
        }
    }

    fn generation(&self, catalog: &str, generation: &str) -> Gauge {
        let labels = vec![Label::new("catalog", catalog.to_owned()), Label::new("generation", generation.to_owned())];
        self.recorder.register_gauge(&Key::from_parts(GENERATION, labels), &METADATA)
    }

    /// The figures in Prometheus' text format.
    pub(super) fn render(&self) -> String {
        self.handle.render()
    }

    /// Folds what histograms have collected, which would grow without end where nobody asks for the figures.
    pub(super) fn fold(&self) {
        self.handle.run_upkeep();
    }
}

fn requests_key(route: &str, status: u16) -> Key {
    Key::from_parts(REQUESTS, vec![Label::new("route", route.to_owned()), Label::new("status", status.to_string())])
}

fn describe(recorder: &PrometheusRecorder) {
    let name = KeyName::from_const_str;
    let count = Some(Unit::Count);
    recorder.describe_counter(name(REQUESTS), count, "Requests answered, by route and HTTP status.".into());
    recorder.describe_histogram(name(LATENCY), Some(Unit::Seconds), "Time from a request's head to its answer.".into());
    recorder.describe_gauge(name(IN_FLIGHT), count, "Requests being answered.".into());
    recorder.describe_gauge(name(CONNECTIONS), count, "Connections open.".into());
    recorder.describe_counter(name(REFUSED_CONNECTIONS), count, "Connections refused at the limit.".into());
    recorder.describe_counter(name(RELOADS), count, "Generations opened, by catalog and result.".into());
    recorder.describe_gauge(name(PRODUCTS), count, "Products that are served.".into());
    recorder.describe_counter(
        name(CHANGES),
        count,
        "Changes of products that were sent, by catalog and result.".into(),
    );
    recorder.describe_gauge(name(LIVE_NEW), count, "Products new or reworded since the build.".into());
    recorder.describe_gauge(
        name(LIVE_PATCHED),
        count,
        "Products with another price, stock or label than in the build.".into(),
    );
    recorder.describe_gauge(name(LIVE_MASKED), count, "Products of the build that are deleted or replaced.".into());
    recorder.describe_gauge(name(LOG_CHANGES), count, "Changes that the log holds.".into());
    recorder.describe_gauge(name(LOG_BYTES), Some(Unit::Bytes), "Length of the log.".into());
    recorder.describe_gauge(name(RULES_VERSION), count, "Version of the rules in force.".into());
    recorder.describe_counter(name(RULE_COUNTED), count, "Answers for which a rule's condition held.".into());
    recorder.describe_counter(name(RULE_FIRED), count, "Answers that a rule changed.".into());
    recorder.describe_counter(name(RULE_REMOVED), count, "Products that a rule kept out of lists.".into());
    recorder.describe_counter(name(RULE_SHORTENED), count, "Lists that a rule left shorter than asked.".into());
    recorder.describe_counter(name(EVENTS), count, "Events that were sent, by catalog and result.".into());
    recorder.describe_gauge(name(EVENT_BYTES), Some(Unit::Bytes), "Length of the file of events.".into());
    recorder.describe_gauge(name(GENERATION), count, "1 for the generation that serves, 0 for earlier ones.".into());
}
