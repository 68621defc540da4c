//! Why the server could not start or go on.

use std::io;
use std::net::SocketAddr;

use crate::index::IndexError;

/// The server could not start or go on.
#[derive(Debug, thiserror::Error)]
pub enum ServerError {
    /// The address cannot be listened on.
    #[error(
        "cannot listen on {address}: stop the server that runs there, or choose a free address of this machine with server.bind"
    )]
    Bind {
        /// The address.
        address: SocketAddr,
        /// What the system said.
        #[source]
        source: io::Error,
    },
    /// A setting has no use.
    #[error("server.{setting}: {reason}")]
    Setting {
        /// The setting's name.
        setting: &'static str,
        /// What is wrong and what would be right.
        reason: String,
    },
    /// The index root cannot be read.
    #[error("cannot look for catalogs")]
    IndexRoot(#[source] IndexError),
    /// Accepting connections failed.
    #[error("the server on {address} stopped")]
    Accept {
        /// The address.
        address: SocketAddr,
        /// What the system said.
        #[source]
        source: io::Error,
    },
    /// A thread of the server died.
    #[error("a background task of the server ended")]
    Task(#[source] tokio::task::JoinError),
}
