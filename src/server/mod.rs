//! placeholder until merged
use serde::{Deserialize, Serialize};
use std::{net::SocketAddr, path::PathBuf, sync::Arc};
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct ServerConfig {
    pub bind: SocketAddr,
}
impl Default for ServerConfig {
    fn default() -> Self {
        Self { bind: ([127, 0, 0, 1], 8080).into() }
    }
}
pub struct Serve {
    pub config: ServerConfig,
    pub index_root: PathBuf,
    pub recommend: crate::recommend::RecommendConfig,
    pub embedder: Arc<crate::embed::Embedder>,
    pub ready: Option<()>,
}
#[derive(Debug, thiserror::Error)]
pub enum ServerError {
    #[error("x")]
    Bind { a: u8 },
    #[error("y")]
    Other,
}
pub async fn serve(_s: Serve, shutdown: impl Future<Output = ()> + Send + 'static) -> Result<(), ServerError> {
    shutdown.await;
    Ok(())
}
