//! Settings of the server.

use std::collections::BTreeMap;
use std::net::{Ipv4Addr, SocketAddr};

use serde::{Deserialize, Serialize};

use crate::catalog::CatalogConfig;
use crate::recommend::Placements;

/// Where the server listens and how much a client may take.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct ServerConfig {
    /// Address and port; port 0 takes a free one.
    pub bind: SocketAddr,
    /// Connections open at the same time; one more is answered 503 and closed. Each has one request under way at most.
    pub max_connections: usize,
    /// Bytes of a request body; a longer one is answered 413.
    pub max_body_bytes: usize,
    /// Time for a client to send a request's head, and for an idle connection to send the next; then it is closed.
    pub header_timeout_ms: u64,
    /// Time for reading a body and answering: a slower body is answered 408, a slower answer 503. A client that takes none
    /// of its answer for as long is cut off.
    pub request_timeout_ms: u64,
    /// Time that running requests get to end after a stop.
    pub shutdown_grace_ms: u64,
    /// How often the catalogs' `CURRENT` files are looked at for a new generation.
    pub reload_interval_ms: u64,
    /// Seconds for which a question is held in memory so that its answer can be explained; 0 holds none.
    pub trace_keep_seconds: u64,
    /// Bytes that such questions may take together; the oldest go first.
    pub trace_keep_bytes: usize,
    /// Origins whose pages may call from the browser, such as `https://shop.example`; `*` means any. Empty means none.
    pub cors_allow_origins: Vec<String>,
}

impl Default for ServerConfig {
    fn default() -> Self {
        Self {
            bind: SocketAddr::from((Ipv4Addr::LOCALHOST, 8080)),
            max_connections: 1024,
            max_body_bytes: 1024 * 1024,
            header_timeout_ms: 5000,
            request_timeout_ms: 5000,
            shutdown_grace_ms: 10_000,
            reload_interval_ms: 250,
            trace_keep_seconds: 600,
            trace_keep_bytes: 16 * 1024 * 1024,
            cors_allow_origins: Vec::new(),
        }
    }
}

/// How the products of each catalog are read, and which placements it has.
#[derive(Debug, Clone, Default)]
pub struct CatalogSettings {
    /// For every catalog that `named` leaves out.
    pub default: CatalogConfig,
    /// For single catalogs, by name.
    pub named: BTreeMap<String, CatalogConfig>,
    /// Placements of single catalogs, by name; those of the settings of answers for every other.
    pub placements: BTreeMap<String, Placements>,
}

impl CatalogSettings {
    /// The settings of one catalog.
    pub fn of(&self, catalog: &str) -> &CatalogConfig {
        self.named.get(catalog).unwrap_or(&self.default)
    }
}
