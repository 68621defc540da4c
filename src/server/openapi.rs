//! The description of the API, made from the router, so that the two cannot differ.

use utoipa::openapi::{ComponentsBuilder, Info, OpenApi, OpenApiBuilder};

use super::problem::ProblemDocument;

/// The document's frame; the router adds the paths.
pub(super) fn frame() -> OpenApi {
    let mut info = Info::new("Kindred", env!("CARGO_PKG_VERSION"));
    info.description = Some(
        "Recommends products in an online shop. Unknown fields and parameters are refused. Every error is an \
         application/problem+json document with `code`, `field` and `hint`."
            .to_owned(),
    );
    let components = ComponentsBuilder::new().schema_from::<ProblemDocument>().build();
    OpenApiBuilder::new().info(info).components(Some(components)).build()
}

/// The document as JSON text. OpenAPI has no wildcards, so `{*id}` is written `{id}`.
///
/// Returns an error if it cannot be written as JSON.
pub(super) fn document(mut api: OpenApi) -> Result<String, serde_json::Error> {
    let paths = std::mem::take(&mut api.paths.paths);
    api.paths.paths = paths.into_iter().map(|(path, item)| (path.replace("{*", "{"), item)).collect();
    serde_json::to_string(&api)
}
