//! A listener with its connections: bounded in number, rid of slow clients, and stopped gracefully.

use std::io::{self, ErrorKind};
use std::net::SocketAddr;
use std::pin::pin;
use std::sync::Arc;
use std::time::Duration;

use axum::Router;
use hyper::server::conn::http1;
use hyper_util::rt::{TokioIo, TokioTimer};
use hyper_util::service::TowerToHyperService;
use tokio::net::{TcpListener, TcpStream};
use tokio::runtime::Handle;
use tokio::sync::{OwnedSemaphorePermit, Semaphore, watch};
use tokio::task::{JoinHandle, JoinSet};
use tokio::time::{sleep, timeout};

use super::write_deadline::WriteDeadline;

/// The most bytes of a request's head.
const HEAD_BYTES_MAX: usize = 16 * 1024;

/// How long nothing is accepted after the system refused a connection, as it does without file descriptors.
const ACCEPT_PAUSE: Duration = Duration::from_millis(100);

/// A listener that serves until it is stopped. Dropped, it accepts no more and lets running requests end.
///
/// It speaks HTTP/1.1 alone: every wait on a client then has a limit.
#[derive(Debug)]
pub struct Server {
    address: SocketAddr,
    stop: watch::Sender<bool>,
    serving: JoinHandle<()>,
}

/// What one listener allows its clients.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct ConnectionLimits {
    /// Open connections; those beyond wait in the system's backlog.
    pub connections_max: usize,
    /// How long a client may take for a request's head. An idle connection is closed after the same time.
    pub head_timeout: Duration,
    /// How long a client may take to read an answer.
    pub write_timeout: Duration,
}

impl ConnectionLimits {
    /// For `[admin] listen`: a few operators and their tools.
    pub const ADMIN: Self = Self {
        connections_max: 64,
        head_timeout: Duration::from_secs(30),
        write_timeout: Duration::from_secs(30),
    };

    /// For `[http] listen`: the front ends, each with many waits.
    pub const API: Self = Self {
        connections_max: 2048,
        ..Self::ADMIN
    };
}

/// Why an address cannot be listened on.
#[derive(Debug, thiserror::Error)]
pub enum ListenError {
    /// Somebody listens there.
    #[error("{key} = \"{address}\" is in use; stop what listens there, or write another port")]
    InUse {
        /// The key in the configuration.
        key: &'static str,
        /// The address that it names.
        address: SocketAddr,
    },
    /// The system refuses the address.
    #[error(
        "{key} = \"{address}\" cannot be listened on; write an address of this machine and a port that it may use"
    )]
    Refused {
        /// The key in the configuration.
        key: &'static str,
        /// The address that it names.
        address: SocketAddr,
        /// What the system says.
        source: io::Error,
    },
}

/// Whether the listener is being stopped.
#[derive(Clone, Debug)]
pub(super) struct Stopping(pub(super) watch::Receiver<bool>);

impl Stopping {
    /// Whether it has begun.
    pub(super) fn has_begun(&self) -> bool {
        *self.0.borrow()
    }

    /// Ends when it begins.
    pub(super) async fn begun(&mut self) {
        // A server that is gone has stopped.
        let _ = self.0.wait_for(|stopping| *stopping).await;
    }
}

impl Server {
    pub(super) fn start(
        runtime: &Handle,
        key: &'static str,
        address: SocketAddr,
        limits: ConnectionLimits,
        router: impl FnOnce(Stopping) -> Router,
    ) -> Result<Self, ListenError> {
        let bound = listen(runtime, address).and_then(|it| Ok((it.local_addr()?, it)));
        let (address, listener) = bound.map_err(|source| match source.kind() {
            ErrorKind::AddrInUse => ListenError::InUse { key, address },
            _ => ListenError::Refused {
                key,
                address,
                source,
            },
        })?;
        let (stop, stopping) = watch::channel(false);
        let stopping = Stopping(stopping);
        let router = router(stopping.clone());
        Ok(Self {
            address,
            stop,
            serving: runtime.spawn(serve(listener, router, limits, stopping)),
        })
    }

    /// The address that is listened on, with the port that was found for port 0.
    #[must_use]
    pub fn address(&self) -> SocketAddr {
        self.address
    }

    /// Accepts no more, answers what waits with what is known, and lets running requests end; after `patience` their
    /// connections are cut. Says whether all ended by themselves.
    pub async fn stop(self, patience: Duration) -> bool {
        self.stop.send_replace(true);
        let cut = self.serving.abort_handle();
        let ended = timeout(patience, self.serving).await.is_ok();
        cut.abort();
        ended
    }
}

fn listen(runtime: &Handle, address: SocketAddr) -> io::Result<TcpListener> {
    let listener = std::net::TcpListener::bind(address)?;
    listener.set_nonblocking(true)?;
    let _inside = runtime.enter();
    TcpListener::from_std(listener)
}

/// Accepts until it is to stop, and ends with the last connection.
async fn serve(
    listener: TcpListener,
    router: Router,
    limits: ConnectionLimits,
    mut stopping: Stopping,
) {
    let slots = Arc::new(Semaphore::new(limits.connections_max));
    let mut connections = JoinSet::new();
    loop {
        tokio::select! {
            () = stopping.begun() => break,
            (stream, slot) = accept(&listener, &slots) => {
                let service = TowerToHyperService::new(router.clone());
                connections.spawn(connection(stream, service, limits, stopping.clone(), slot));
            }
            Some(_) = connections.join_next() => {}
        }
    }
    drop(listener);
    while connections.join_next().await.is_some() {}
}

async fn accept(
    listener: &TcpListener,
    slots: &Arc<Semaphore>,
) -> (TcpStream, Option<OwnedSemaphorePermit>) {
    // Nobody closes the semaphore, so there always is a slot in the end.
    let slot = Arc::clone(slots).acquire_owned().await.ok();
    loop {
        match listener.accept().await {
            Ok((stream, _)) => return (stream, slot),
            Err(error) => {
                tracing::debug!(%error, "a connection was not accepted");
                sleep(ACCEPT_PAUSE).await;
            }
        }
    }
}

async fn connection(
    stream: TcpStream,
    service: TowerToHyperService<Router>,
    limits: ConnectionLimits,
    mut stopping: Stopping,
    _slot: Option<OwnedSemaphorePermit>,
) {
    // Answers are small and whole: nothing is to wait for more.
    let _ = stream.set_nodelay(true);
    let stream = TokioIo::new(WriteDeadline::new(stream, limits.write_timeout));
    let served = http1::Builder::new()
        .timer(TokioTimer::new())
        .header_read_timeout(limits.head_timeout)
        .max_buf_size(HEAD_BYTES_MAX)
        .serve_connection(stream, service);
    let mut served = pin!(served);
    let ended = tokio::select! {
        ended = served.as_mut() => ended,
        () = stopping.begun() => {
            served.as_mut().graceful_shutdown();
            served.await
        }
    };
    if let Err(error) = ended {
        tracing::debug!(%error, "a connection ended early");
    }
}
