//! Catalogs and their products.

use axum::extract::rejection::PathRejection;
use axum::extract::{Path, State};
use axum::response::Response;

use super::answers::{CatalogsResponse, ProductResponse};
use super::app::{App, path_problem};
use super::problem::{Code, Problem, ProblemDocument};
use super::recommend_routes::json;

/// Lists the catalogs and how each stands.
#[utoipa::path(
    get, path = "/v1/catalogs", tag = "catalogs",
    responses((status = 200, description = "Every catalog, by name", body = CatalogsResponse)),
)]
pub(super) async fn catalogs(State(app): State<App>) -> Result<Response, Problem> {
    json(&CatalogsResponse { catalogs: app.catalogs().status() })
}

/// Shows one product. The id is all that follows `/products/`, slashes included, percent-encoded where need be.
#[utoipa::path(
    get, path = "/v1/{catalog}/products/{*id}", tag = "catalogs",
    params(
        ("catalog" = String, Path, description = "The catalog's name"),
        ("id" = String, Path, description = "The product's id; slashes may stand as they are"),
    ),
    responses(
        (status = 200, description = "The product", body = ProductResponse),
        (status = "4XX", description = "The request is wrong", body = ProblemDocument, content_type = "application/problem+json"),
        (status = "5XX", description = "The server cannot answer now", body = ProblemDocument, content_type = "application/problem+json"),
    ),
)]
pub(super) async fn product(
    State(app): State<App>,
    path: Result<Path<(String, String)>, PathRejection>,
) -> Result<Response, Problem> {
    let Path((catalog, id)) = path.map_err(path_problem)?;
    let engine = app.catalogs().engine(&catalog)?;
    let view = engine.view();
    let unknown = || Problem::field(Code::ProductNotFound, "id", format!("catalog `{catalog}` has no product `{id}`"));
    let row = view.row(&id).ok_or_else(unknown)?;
    json(&ProductResponse {
        catalog: &catalog,
        generation: view.generation().name(),
        id: &id,
        effective_price: view.price(row).map(|price| price.to_string()),
        product: view.record(row).map_err(|error| Problem::internal(&error))?,
    })
}
