//! Connections: how many at once, and cutting off clients that do not take their answer.

use std::future::Future;
use std::io;
use std::pin::Pin;
use std::sync::Arc;
use std::task::{Context, Poll, ready};
use std::time::Duration;

use axum_server::accept::Accept;
use tokio::io::{AsyncRead, AsyncReadExt, AsyncWrite, AsyncWriteExt, ReadBuf};
use tokio::net::TcpStream;
use tokio::sync::{OwnedSemaphorePermit, Semaphore};
use tokio::time::{Sleep, sleep, timeout};

use super::metrics::Metrics;
use super::problem::{Code, PROBLEM_JSON, Problem};

/// How long a refused client may take to read why.
const REFUSAL_TIME: Duration = Duration::from_secs(1);
/// Refusals told at the same time; beyond that a connection is closed without a word.
const MAX_REFUSALS: usize = 256;

/// Lets in so many connections at once; one more gets a problem document and is closed.
#[derive(Clone)]
pub(super) struct ConnectionLimit {
    free: Arc<Semaphore>,
    free_refusals: Arc<Semaphore>,
    write_timeout: Duration,
    metrics: Arc<Metrics>,
}

impl ConnectionLimit {
    /// At most `max` connections; a write that makes no progress for `write_timeout` ends its connection.
    pub(super) fn new(max: usize, write_timeout: Duration, metrics: Arc<Metrics>) -> Self {
        let free = Arc::new(Semaphore::new(max.min(Semaphore::MAX_PERMITS)));
        Self { free, free_refusals: Arc::new(Semaphore::new(MAX_REFUSALS)), write_timeout, metrics }
    }

    async fn enter<S>(self, stream: TcpStream, service: S) -> io::Result<(Connection, S)> {
        let Ok(slot) = self.free.try_acquire_owned() else {
            self.metrics.refused_connections.increment(1);
            if let Ok(_refusal) = self.free_refusals.try_acquire() {
                // A client that leaves before it was told loses nothing.
                let _ = timeout(REFUSAL_TIME, refuse(stream)).await;
            }
            return Err(io::Error::other("too many connections"));
        };
        stream.set_nodelay(true)?;
        self.metrics.connections.increment(1.0);
        let open = Open { _slot: slot, metrics: self.metrics };
        Ok((Connection { stream, write_timeout: self.write_timeout, stalled: None, _open: open }, service))
    }
}

impl<S: Send + 'static> Accept<TcpStream, S> for ConnectionLimit {
    type Stream = Connection;
    type Service = S;
    type Future = Pin<Box<dyn Future<Output = io::Result<(Connection, S)>> + Send>>;

    fn accept(&self, stream: TcpStream, service: S) -> Self::Future {
        Box::pin(self.clone().enter(stream, service))
    }
}

/// Answers without a request and waits for the client to close: closing first, with its request unread, would throw the
/// answer away on its side.
async fn refuse(mut stream: TcpStream) -> io::Result<()> {
    let problem = Problem::new(Code::Overloaded, "the server has as many connections as it takes");
    let body = serde_json::to_string(&problem.document())?;
    let head = format!(
        "HTTP/1.1 503 Service Unavailable\r\ncontent-type: {PROBLEM_JSON}\r\ncontent-length: {}\r\nretry-after: 1\r\nconnection: close\r\n\r\n",
        body.len()
    );
    stream.write_all((head + &body).as_bytes()).await?;
    stream.shutdown().await?;
    let mut unread = [0; 1024];
    while stream.read(&mut unread).await? > 0 {}
    Ok(())
}

/// Holds a connection's place and its count.
struct Open {
    _slot: OwnedSemaphorePermit,
    metrics: Arc<Metrics>,
}

impl Drop for Open {
    fn drop(&mut self) {
        self.metrics.connections.decrement(1.0);
    }
}

/// A connection that ends when the client takes nothing of its answer for too long.
pub(super) struct Connection {
    stream: TcpStream,
    write_timeout: Duration,
    /// Runs while a write waits for the client.
    stalled: Option<Pin<Box<Sleep>>>,
    _open: Open,
}

impl Connection {
    fn watch<T>(&mut self, cx: &mut Context<'_>, progress: Poll<io::Result<T>>) -> Poll<io::Result<T>> {
        if progress.is_ready() {
            self.stalled = None;
            return progress;
        }
        let stalled = self.stalled.get_or_insert_with(|| Box::pin(sleep(self.write_timeout)));
        ready!(stalled.as_mut().poll(cx));
        Poll::Ready(Err(io::ErrorKind::TimedOut.into()))
    }
}

impl AsyncRead for Connection {
    fn poll_read(mut self: Pin<&mut Self>, cx: &mut Context<'_>, into: &mut ReadBuf<'_>) -> Poll<io::Result<()>> {
        Pin::new(&mut self.stream).poll_read(cx, into)
    }
}

impl AsyncWrite for Connection {
    fn poll_write(mut self: Pin<&mut Self>, cx: &mut Context<'_>, bytes: &[u8]) -> Poll<io::Result<usize>> {
        let progress = Pin::new(&mut self.stream).poll_write(cx, bytes);
        self.watch(cx, progress)
    }

    fn poll_write_vectored(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        parts: &[io::IoSlice<'_>],
    ) -> Poll<io::Result<usize>> {
        let progress = Pin::new(&mut self.stream).poll_write_vectored(cx, parts);
        self.watch(cx, progress)
    }

    fn is_write_vectored(&self) -> bool {
        self.stream.is_write_vectored()
    }

    fn poll_flush(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        Pin::new(&mut self.stream).poll_flush(cx)
    }

    fn poll_shutdown(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        Pin::new(&mut self.stream).poll_shutdown(cx)
    }
}
