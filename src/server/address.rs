//! The parts of a route's path: which catalog, and which product, answer or visitor of it.

use std::sync::Arc;

use axum::extract::path::ErrorKind;
use axum::extract::rejection::PathRejection;
use axum::extract::{FromRequestParts, Path};
use axum::http::request::Parts;
use serde::de::DeserializeOwned;
use utoipa::IntoParams;

use super::app::App;
use super::problem::{Code, Problem};
use crate::recommend::Engine;

/// A catalog that may or may not answer.
#[derive(IntoParams)]
#[into_params(parameter_in = Path)]
pub(super) struct CatalogName {
    /// The catalog's name
    pub(super) catalog: String,
}

/// A catalog that answers.
///
/// A handler that takes a body takes this as a [`Result`], so that the body is read and the client gets to read the refusal.
#[derive(IntoParams)]
#[into_params(parameter_in = Path)]
pub(super) struct CatalogAddress {
    /// The catalog's name
    pub(super) catalog: String,
    #[param(ignore)]
    pub(super) engine: Arc<Engine>,
}

/// A product of a catalog that answers; whether there is one is not yet known.
#[derive(IntoParams)]
#[into_params(parameter_in = Path)]
pub(super) struct ProductAddress {
    /// The catalog's name
    pub(super) catalog: String,
    /// The product's id; slashes may stand as they are
    pub(super) id: String,
    #[param(ignore)]
    pub(super) engine: Arc<Engine>,
}

/// An answer of a catalog that answers; whether it is kept is not yet known.
#[derive(IntoParams)]
#[into_params(parameter_in = Path)]
pub(super) struct AnswerAddress {
    /// The catalog's name
    pub(super) catalog: String,
    /// The answer's `recommendation_id`
    pub(super) recommendation_id: String,
    #[param(ignore)]
    pub(super) engine: Arc<Engine>,
}

/// A visitor, user or nameless session of a catalog.
#[derive(IntoParams)]
#[into_params(parameter_in = Path)]
pub(super) struct VisitorAddress {
    /// The catalog's name
    pub(super) catalog: String,
    /// The visitor's or user's id, as events bear it, or that of a session whose events bear neither; slashes may stand as they are
    pub(super) id: String,
}

impl FromRequestParts<App> for CatalogName {
    type Rejection = Problem;

    async fn from_request_parts(parts: &mut Parts, app: &App) -> Result<Self, Problem> {
        Ok(Self { catalog: path(parts, app).await? })
    }
}

impl FromRequestParts<App> for CatalogAddress {
    type Rejection = Problem;

    async fn from_request_parts(parts: &mut Parts, app: &App) -> Result<Self, Problem> {
        let catalog: String = path(parts, app).await?;
        let engine = app.catalogs().engine(&catalog)?;
        Ok(Self { catalog, engine })
    }
}

impl FromRequestParts<App> for ProductAddress {
    type Rejection = Problem;

    async fn from_request_parts(parts: &mut Parts, app: &App) -> Result<Self, Problem> {
        let (catalog, id): (String, String) = path(parts, app).await?;
        let engine = app.catalogs().engine(&catalog)?;
        Ok(Self { catalog, id, engine })
    }
}

impl FromRequestParts<App> for AnswerAddress {
    type Rejection = Problem;

    async fn from_request_parts(parts: &mut Parts, app: &App) -> Result<Self, Problem> {
        let (catalog, recommendation_id): (String, String) = path(parts, app).await?;
        let engine = app.catalogs().engine(&catalog)?;
        Ok(Self { catalog, recommendation_id, engine })
    }
}

impl FromRequestParts<App> for VisitorAddress {
    type Rejection = Problem;

    async fn from_request_parts(parts: &mut Parts, app: &App) -> Result<Self, Problem> {
        let (catalog, id) = path(parts, app).await?;
        Ok(Self { catalog, id })
    }
}

async fn path<T: DeserializeOwned + Send>(parts: &mut Parts, app: &App) -> Result<T, Problem> {
    let Path(path) = Path::from_request_parts(parts, app).await.map_err(path_problem)?;
    Ok(path)
}

/// Why the parts of a path could not be read.
fn path_problem(rejection: PathRejection) -> Problem {
    match rejection {
        PathRejection::FailedToDeserializePathParams(error) => match error.into_kind() {
            ErrorKind::InvalidUtf8InPathParam { key } => {
                Problem::field(Code::InvalidAddress, key, "it is not percent-encoded UTF-8")
            }
            kind => Problem::new(Code::InvalidAddress, kind.to_string()),
        },
        other => Problem::internal(&other),
    }
}
