//! Why a build ended without a new generation.

use std::path::PathBuf;

use crate::catalog::FeedError;
use crate::embed::EmbedError;
use crate::events::EventError;
use crate::index::IndexError;
use crate::live::LiveError;

/// A build ended without a new generation; the one in use is unchanged.
#[derive(Debug, thiserror::Error)]
pub enum BuildError {
    /// The feed could not be read, or too many of its records are bad.
    #[error(transparent)]
    Feed(#[from] FeedError),
    /// The feed has a header but no product, or live changes deleted them all.
    #[error("`{0}` holds no product; nothing was changed")]
    NoProducts(PathBuf),
    /// Too many records were refused; they are listed in a file.
    #[error("the refused records are listed in `{rejects}`; nothing else was changed")]
    Rejected {
        /// The file that lists them.
        rejects: PathBuf,
        /// How many there are, and of what.
        #[source]
        source: FeedError,
    },
    /// The texts could not be embedded.
    #[error(transparent)]
    Embed(#[from] EmbedError),
    /// The live changes could not be folded in.
    #[error(transparent)]
    Live(#[from] LiveError),
    /// The events could not be read.
    #[error(transparent)]
    Events(#[from] EventError),
    /// The index could not be written.
    #[error(transparent)]
    Index(#[from] IndexError),
}
