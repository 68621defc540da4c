//! Recommendations over HTTP/1.1: several catalogs, each from the generation that its `CURRENT` file names.
//!
//! A handler unpacks the request, asks [`crate::recommend`], and packs the answer. Nothing here prints, ranks, or keeps state
//! beyond the open generations and the figures of `/metrics`. Every error that the server answers is an
//! `application/problem+json` document (RFC 9457) with a `code`, the `field` and a `hint`. The one exception: bytes that are no
//! HTTP request at all get a bare 400 or 431 from the protocol layer, which knows no documents.
//!
//! | file | subject |
//! |---|---|
//! | `config` | [`ServerConfig`] |
//! | `serve` | [`serve()`]: bind, watch, answer, stop |
//! | `error` | [`ServerError`] |
//! | `app` | what all handlers share, and how a question is asked |
//! | `address` | the parts of a path: catalog, product, visitor |
//! | `router` | routes, layers, fallbacks |
//! | `recommend_routes` | recommend, search, and the Shopify-shaped GET |
//! | `trace_routes` | how an answer that was given came about |
//! | `kept` | the questions of answers that can be explained |
//! | `product_routes` | catalogs and products |
//! | `change_routes` | changes of products |
//! | `changes` | changes as JSON |
//! | `event_routes` | events in |
//! | `rules_routes` | the shop's rules: read, saved, tried, reported |
//! | `visitor_routes` | what is kept of one visitor: shown, erased |
//! | `receipts` | receipts of erasures whose requests had run out of time |
//! | `event_stores` | catalog → event store |
//! | `health_routes` | health, metrics, OpenAPI |
//! | `requests` | requests as JSON |
//! | `answers` | answers as JSON |
//! | `shopify` | a product as Shopify's storefront shows it |
//! | `json_body` | a request body read within its limits and parsed |
//! | `query_string` | `?name=value`, strictly |
//! | `problem` | every error as a problem document |
//! | `catalogs` | catalog → engine, and taking over new generations |
//! | `connections` | connection limit and clients that do not read |
//! | `metrics` | figures for Prometheus |
//! | `openapi` | the description of the API, from the router |

mod address;
mod answers;
mod app;
mod catalogs;
mod change_routes;
mod changes;
mod config;
mod connections;
mod error;
mod event_routes;
mod event_stores;
mod health_routes;
mod json_body;
mod kept;
mod metrics;
mod openapi;
mod problem;
mod product_routes;
mod query_string;
mod receipts;
mod recommend_routes;
mod requests;
mod router;
mod rules_routes;
mod serve;
mod shopify;
mod trace_routes;
mod visitor_routes;

pub use config::{CatalogSettings, ServerConfig};
pub use error::ServerError;
pub use serve::{Serve, serve};
