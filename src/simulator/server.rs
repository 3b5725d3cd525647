//! The listener and its connections: HTTP/1.1 with keep-alive and HTTP/2 with prior knowledge on one port.

use std::io;
use std::net::SocketAddr;
use std::sync::Arc;
use std::time::Duration;

use hyper::Request;
use hyper::body::Incoming;
use hyper::service::service_fn;
use hyper_util::rt::{TokioExecutor, TokioIo};
use hyper_util::server::conn::auto;
use tokio::net::{TcpListener, TcpSocket, TcpStream};
use tokio::runtime::Handle;
use tokio::sync::watch;
use tokio::task::JoinSet;

use super::service::Service;
use crate::batched::Batched;

const BACKLOG: u32 = 4096;
/// More than one client has in flight on one connection.
const STREAMS_MAX: u32 = 4096;
/// How often what is due by itself is looked for; who asks for an intent sees it on time in any case.
const TICK: Duration = Duration::from_millis(20);
/// How long running requests may take to end when the simulator stops.
const GRACE: Duration = Duration::from_secs(5);

/// Binds the address; port 0 takes a free one.
pub(crate) fn bind(listen: SocketAddr, handle: &Handle) -> io::Result<TcpListener> {
    let _runtime = handle.enter();
    let socket = match listen {
        SocketAddr::V4(_) => TcpSocket::new_v4(),
        SocketAddr::V6(_) => TcpSocket::new_v6(),
    }?;
    socket.set_reuseaddr(true)?;
    socket.bind(listen)?;
    socket.listen(BACKLOG)
}

/// Accepts connections until told to stop, then lets them end.
pub(crate) async fn accept(
    listener: TcpListener,
    service: Arc<Service>,
    handle: Handle,
    mut stop: watch::Receiver<bool>,
) {
    let mut connections = JoinSet::new();
    let mut tick = tokio::time::interval(TICK);
    loop {
        tokio::select! {
            accepted = listener.accept() => match accepted {
                Ok((stream, _)) => {
                    connections.spawn_on(connection(stream, service.clone(), stop.clone()), &handle);
                }
                Err(error) => {
                    tracing::warn!(%error, "the gateway simulator could not accept a connection");
                    tokio::time::sleep(TICK).await;
                }
            },
            Some(_) = connections.join_next() => {}
            _ = tick.tick() => {
                service.world.settle_due(service.world.clock.now_ms());
                service.world.journal.flush();
            }
            _ = stop.changed() => break,
        }
    }
    drop(listener);
    let all_ended = async { while connections.join_next().await.is_some() {} };
    // Who has not ended by then is cut off.
    let _in_time = tokio::time::timeout(GRACE, all_ended).await;
}

/// Whether the client speaks HTTP/2. A few bytes that come alone are taken for HTTP/1.1's, which costs time at most.
async fn begins_http2(stream: &TcpStream) -> bool {
    let mut first = [0; 3];
    matches!(stream.peek(&mut first).await, Ok(3)) && first == *b"PRI"
}

async fn connection(stream: TcpStream, service: Arc<Service>, mut stop: watch::Receiver<bool>) {
    // Without it answers wait for the peer's delayed acknowledgement; where it cannot be set, they just do.
    let _slower = stream.set_nodelay(true);
    let mut builder = auto::Builder::new(TokioExecutor::new());
    builder
        .http2()
        .max_concurrent_streams(STREAMS_MAX)
        // Clients that give up, and faults that were asked for, are no attack.
        .max_pending_accept_reset_streams(1 << 16)
        .max_local_error_reset_streams(1 << 16)
        .initial_connection_window_size(1 << 24)
        .initial_stream_window_size(1 << 20);
    let answer = service_fn(move |request: Request<Incoming>| service.clone().answer(request));
    let is_http2 = tokio::select! {
        it = begins_http2(&stream) => it,
        _ = stop.changed() => return,
    };
    let stream = Batched::new(TokioIo::new(stream), is_http2);
    let serving = builder.serve_connection(stream, answer);
    tokio::pin!(serving);
    tokio::select! {
        // How a connection ends is its client's affair, or a fault that was asked for.
        _ended = serving.as_mut() => {}
        _ = stop.changed() => {
            serving.as_mut().graceful_shutdown();
            let _ended = serving.await;
        }
    }
}
