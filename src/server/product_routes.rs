//! Catalogs and their products.

use axum::extract::State;
use axum::response::Response;

use super::address::ProductAddress;
use super::answers::{CatalogsResponse, ProductResponse, public_record};
use super::app::App;
use super::problem::{Code, Problem, Refusals};
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
    params(ProductAddress),
    responses(
        (status = 200, description = "The product", body = ProductResponse),
        Refusals,
    ),
)]
pub(super) async fn product(ProductAddress { catalog, id, engine }: ProductAddress) -> Result<Response, Problem> {
    let view = engine.view();
    let unknown = || Problem::field(Code::ProductNotFound, "id", format!("catalog `{catalog}` has no product `{id}`"));
    let row = view.row(&id).ok_or_else(unknown)?;
    json(&ProductResponse {
        catalog: &catalog,
        generation: view.generation().name(),
        id: &id,
        effective_price: view.price(row).map(|price| price.to_string()),
        product: public_record(view.record(row).map_err(|error| Problem::internal(&error))?)?,
    })
}
