//! Routes, the layers around them, and what answers where no route does.

use std::any::Any;
use std::sync::Arc;
use std::time::Instant;

use axum::Router;
use axum::extract::{MatchedPath, Request, State};
use axum::http::{HeaderValue, Method, StatusCode, Uri};
use axum::middleware::{Next, from_fn_with_state};
use axum::response::{IntoResponse, Response};
use tower_http::catch_panic::CatchPanicLayer;
use tower_http::cors::{AllowOrigin, CorsLayer};
use utoipa::openapi::OpenApi;
use utoipa_axum::router::OpenApiRouter;
use utoipa_axum::routes;

use super::app::App;
use super::error::ServerError;
use super::metrics::Metrics;
use super::problem::{Code, Problem};
use super::{
    change_routes, event_routes, health_routes, openapi, product_routes, recommend_routes, rules_routes, trace_routes,
    visitor_routes,
};

/// Every route and its description.
pub(super) fn routes() -> (Router<App>, OpenApi) {
    OpenApiRouter::with_openapi(openapi::frame())
        .routes(routes!(recommend_routes::recommend))
        .routes(routes!(recommend_routes::search, recommend_routes::search_by_address))
        .routes(routes!(recommend_routes::shopify_recommendations))
        .routes(routes!(trace_routes::trace_of))
        .routes(routes!(product_routes::product, change_routes::delete_product))
        .routes(routes!(change_routes::patch_products, change_routes::put_products, change_routes::delete_products))
        .routes(routes!(event_routes::post_events))
        .routes(routes!(rules_routes::get_rules, rules_routes::put_rules))
        .routes(routes!(rules_routes::dry_run))
        .routes(routes!(rules_routes::history))
        .routes(routes!(rules_routes::report))
        .routes(routes!(visitor_routes::export_visitor, visitor_routes::erase_visitor))
        .routes(routes!(product_routes::catalogs))
        .routes(routes!(health_routes::live))
        .routes(routes!(health_routes::ready))
        .routes(routes!(health_routes::metrics))
        .routes(routes!(health_routes::openapi))
        .split_for_parts()
}

/// The routes with their layers. `origins` may call from the browser.
///
/// Returns an error if an origin cannot stand in a header.
pub(super) fn with_layers(routes: Router<App>, app: App, origins: &[String]) -> Result<Router, ServerError> {
    let mut router = routes
        .fallback(no_route)
        .method_not_allowed_fallback(no_method)
        .layer(CatchPanicLayer::custom(panicked))
        .layer(from_fn_with_state(app.clone(), observe));
    if !origins.is_empty() {
        router = router.layer(cors(origins)?);
    }
    Ok(router.with_state(app))
}

fn cors(origins: &[String]) -> Result<CorsLayer, ServerError> {
    let allowed = if origins.iter().any(|origin| origin == "*") {
        AllowOrigin::any()
    } else {
        let header = |origin: &String| {
            HeaderValue::from_str(origin).map_err(|_| ServerError::Setting {
                setting: "cors_allow_origins",
                reason: format!("`{origin}` is no origin; write it as `https://shop.example`"),
            })
        };
        AllowOrigin::list(origins.iter().map(header).collect::<Result<Vec<_>, _>>()?)
    };
    let methods = [Method::GET, Method::HEAD, Method::POST];
    Ok(CorsLayer::new().allow_origin(allowed).allow_methods(methods).allow_headers([axum::http::header::CONTENT_TYPE]))
}

async fn no_route(uri: Uri) -> Problem {
    Problem::new(Code::RouteNotFound, format!("there is nothing at `{}`", uri.path()))
}

/// Answers `OPTIONS` on every route; the `Allow` header is added to either answer.
async fn no_method(method: Method, uri: Uri) -> Response {
    if method == Method::OPTIONS {
        return StatusCode::NO_CONTENT.into_response();
    }
    Problem::new(Code::MethodNotAllowed, format!("`{}` does not take {method}", uri.path())).into_response()
}

fn panicked(panic: Box<dyn Any + Send>) -> Response {
    let message = panic.downcast_ref::<String>().map(String::as_str).or_else(|| panic.downcast_ref::<&str>().copied());
    tracing::error!("a request panicked: {}", message.unwrap_or("no message"));
    Problem::new(Code::Internal, "the request could not be answered").into_response()
}

/// Counts, times and logs every request.
async fn observe(State(app): State<App>, route: Option<MatchedPath>, request: Request, next: Next) -> Response {
    let in_flight = InFlight::enter(app.clone());
    let began = Instant::now();
    let line = tracing::enabled!(tracing::Level::DEBUG).then(|| (request.method().clone(), shown_path(&request)));
    let response = next.run(request).await;
    let took = began.elapsed();
    drop(in_flight);
    app.metrics().answered(route.as_ref().map(MatchedPath::as_str), response.status().as_u16(), took);
    if let Some((method, path)) = line {
        tracing::debug!(%method, path, status = response.status().as_u16(), took_us = took.as_micros() as u64, "request");
    }
    response
}

/// The path for the log: of a visitor's the pattern alone, since ids of shoppers are written nowhere.
fn shown_path(request: &Request) -> String {
    let path = request.uri().path();
    let is_visitor = path.split('/').nth(3) == Some("visitors");
    if is_visitor { "/v1/{catalog}/visitors/{id}".to_owned() } else { path.to_owned() }
}

/// Counts a request as under way until it is dropped, which also happens when its client leaves.
struct InFlight(App);

impl InFlight {
    fn enter(app: App) -> Self {
        app.metrics().in_flight.increment(1.0);
        Self(app)
    }
}

impl Drop for InFlight {
    fn drop(&mut self) {
        self.0.metrics().in_flight.decrement(1.0);
    }
}

/// The figures of every described route.
///
/// Returns an error if they cannot be set up.
pub(super) fn metrics_of(api: &OpenApi) -> Result<Arc<Metrics>, ServerError> {
    let metrics = Metrics::new(api.paths.paths.keys().map(String::as_str));
    let failed = |error: metrics_exporter_prometheus::BuildError| ServerError::Setting {
        setting: "metrics",
        reason: error.to_string(),
    };
    Ok(Arc::new(metrics.map_err(failed)?))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_panic_is_a_problem_that_tells_nothing_of_its_cause() {
        for panic in [Box::new("secret") as Box<dyn Any + Send>, Box::new(String::from("secret")), Box::new(5)] {
            let response = panicked(panic);
            assert_eq!(response.status(), StatusCode::INTERNAL_SERVER_ERROR);
            assert_eq!(response.headers()["content-type"], "application/problem+json");
            assert!(!format!("{:?}", response.body()).contains("secret"));
        }
    }
}
