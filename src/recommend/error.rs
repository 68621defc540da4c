//! What can be wrong with a question. Each names the field, so that an edge can say it in its own words.

use crate::embed::EmbedError;
use crate::index::IndexError;
use crate::live::LiveError;
use crate::rules::{FilterError, RulesError};

/// A question could not be answered.
#[derive(Debug, thiserror::Error)]
pub enum RecommendError {
    /// A field of the question is out of its range.
    #[error("{field}: {message}")]
    Invalid {
        /// The field.
        field: &'static str,
        /// What is wrong and what would be right.
        message: String,
    },
    /// The filter cannot be used.
    #[error(transparent)]
    Filter(#[from] FilterError),
    /// The catalog has no product with this field, so a condition on it is a slip of the pen.
    #[error("{path}: no product has a field `{field}`; the catalog has {known}")]
    UnknownField {
        /// The place of the condition.
        path: String,
        /// The field.
        field: String,
        /// The fields there are.
        known: String,
    },
    /// The question names a placement that the shop does not have.
    #[error("no placement `{name}`; the catalog has {known}")]
    UnknownPlacement {
        /// The name.
        name: String,
        /// The names there are.
        known: String,
    },
    /// The generation is of a release that did not compare products.
    #[error("generation {0} has nothing that products are compared by; rebuild with `kindred index build`")]
    NotComparable(String),
    /// The index of another model.
    #[error(
        "catalog `{catalog}` was indexed with model {indexed}, but model {loaded} is loaded; rebuild with `kindred index build {catalog}` \
         or set {setting}"
    )]
    ForeignModel {
        /// The catalog's name.
        catalog: String,
        /// Name, precision and fingerprint in the manifest.
        indexed: String,
        /// Name, precision and fingerprint of the loaded model.
        loaded: String,
        /// The setting that loads the model of the index, with its value where that is known.
        setting: String,
    },
    /// The index failed.
    #[error("cannot search the index")]
    Index(#[from] IndexError),
    /// The live changes failed.
    #[error(transparent)]
    Live(#[from] LiveError),
    /// The rules cannot be kept or read.
    #[error(transparent)]
    Rules(#[from] RulesError),
    /// The text could not be embedded.
    #[error("cannot embed the text")]
    Embed(#[from] EmbedError),
}
