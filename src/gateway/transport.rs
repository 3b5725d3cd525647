//! Bytes out, bytes in, and what a failure proves: only what fails while connecting, or is held
//! back once connected, was provably never sent.

mod connect;
pub(crate) mod trust;

use std::error::Error;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::Duration;

use http_body_util::{BodyExt, Limited};
use hyper_util::client::legacy::Client;
use hyper_util::rt::{TokioExecutor, TokioTimer};
use tokio::sync::Semaphore;
use tokio::time::{Instant, timeout_at};

use super::answers::Reply;
use super::outgoing::{NotPermitted, OutgoingBody};
use super::stripe::Outgoing;
use super::{InvalidOptions, Options};
use connect::Connector;

/// An idle connection is closed before the peers' usual 60 seconds, so that no request meets one that closes.
const IDLE: Duration = Duration::from_secs(30);

/// A connection over HTTP/2 on which the peer answers no ping is given up: it would swallow every call until TCP
/// notices.
const PING: Duration = Duration::from_secs(10);

/// What is received at most before the peer waits for us, a stream and a connection.
const STREAM_WINDOW_BYTES: u32 = 1 << 20;
const CONNECTION_WINDOW_BYTES: u32 = 16 << 20;

/// Why there is no answer.
#[derive(Clone, PartialEq, Eq, Debug, thiserror::Error)]
pub(super) enum Failure {
    /// The request provably never left.
    #[error("{0}")]
    NotSent(String),
    /// It may have been executed.
    #[error("{0}")]
    Lost(String),
}

/// The connections to the gateway.
pub(super) struct Transport {
    /// With HTTP/2 each is one connection, since a client's pool opens but one; with HTTP/1.1 there is one client.
    clients: Box<[Client<Connector, OutgoingBody>]>,
    next: AtomicUsize,
    /// With HTTP/1.1 a request takes a whole connection: as many requests at once as connections.
    room: Option<Semaphore>,
    timeout: Duration,
}

impl Transport {
    pub(super) fn new(options: &Options) -> Result<Self, InvalidOptions> {
        let tls = trust::tls(options.ca_file.as_deref()).map_err(InvalidOptions::CaFile)?;
        let http2 = options.http2_prior_knowledge;
        let count = if http2 { options.connections_h2 } else { 1 };
        // A dying connection over HTTP/2 must not keep its successor out.
        let connections_max = if http2 {
            2 * count
        } else {
            options.connections_max
        };
        let connector = Connector::new(connections_max, options.connect_timeout, http2, tls);
        Ok(Self {
            clients: (0..count)
                .map(|_| client(options, connector.clone()))
                .collect(),
            next: AtomicUsize::new(0),
            room: (!http2).then(|| Semaphore::new(connections_max)),
            timeout: options.timeout,
        })
    }

    /// Sends one request and reads its whole answer, of at most `body_max_bytes`.
    pub(super) async fn send(
        &self,
        request: Outgoing,
        body_max_bytes: usize,
    ) -> Result<Reply, Failure> {
        let deadline = Instant::now() + self.timeout;
        let _room = match &self.room {
            None => None,
            Some(room) => match timeout_at(deadline, room.acquire()).await {
                Ok(Ok(permit)) => Some(permit),
                _ => return Err(Failure::NotSent("no connection became free".into())),
            },
        };
        if let Err(gone) = request.body().may_go() {
            return Err(Failure::NotSent(gone.to_string()));
        }
        match timeout_at(deadline, self.exchange(request, body_max_bytes)).await {
            Ok(outcome) => outcome,
            Err(_) => Err(Failure::Lost(format!(
                "no whole answer within {} ms",
                self.timeout.as_millis()
            ))),
        }
    }

    async fn exchange(&self, request: Outgoing, body_max_bytes: usize) -> Result<Reply, Failure> {
        let turn = self.next.fetch_add(1, Ordering::Relaxed) % self.clients.len().max(1);
        let Some(client) = self.clients.get(turn) else {
            return Err(Failure::NotSent("there is no client".into()));
        };
        let response = client.request(request).await.map_err(|error| {
            let text = with_sources(&error);
            if error.is_connect() || is_not_permitted(&error) {
                Failure::NotSent(text)
            } else {
                Failure::Lost(text)
            }
        })?;
        let (head, body) = response.into_parts();
        let body = Limited::new(body, body_max_bytes)
            .collect()
            .await
            .map_err(|error| {
                Failure::Lost(format!("the answer broke off: {}", with_sources(&*error)))
            })?
            .to_bytes();
        Ok(Reply {
            status: head.status,
            headers: head.headers,
            body,
        })
    }
}

fn client(options: &Options, connector: Connector) -> Client<Connector, OutgoingBody> {
    Client::builder(TokioExecutor::new())
        .timer(TokioTimer::new())
        .pool_timer(TokioTimer::new())
        .pool_idle_timeout(IDLE)
        .pool_max_idle_per_host(options.connections_max)
        // On a pooled connection that closed before it took the request, and there alone, the request is handed back
        // unsent and goes out on another connection. What a connection once took is never sent again.
        .retry_canceled_requests(true)
        .http2_only(options.http2_prior_knowledge)
        .http2_initial_stream_window_size(STREAM_WINDOW_BYTES)
        .http2_initial_connection_window_size(CONNECTION_WINDOW_BYTES)
        // Until the peer has said how many streams it takes, one: more could be refused.
        .http2_initial_max_send_streams(1)
        .http2_keep_alive_interval(PING)
        .http2_keep_alive_timeout(PING)
        .build(connector)
}

/// Whether the right to send was gone when the connection asked for the bytes: all that it had of them it has dropped.
fn is_not_permitted(error: &(dyn Error + 'static)) -> bool {
    let mut sources = std::iter::successors(Some(error), |error| (*error).source());
    sources.any(|error| error.is::<NotPermitted>())
}

/// An error and all that it stands on, in one line.
fn with_sources(error: &(dyn Error + 'static)) -> String {
    let mut text = error.to_string();
    let mut source = error.source();
    while let Some(inner) = source {
        text.push_str(": ");
        text.push_str(&inner.to_string());
        source = inner.source();
    }
    text
}

#[cfg(test)]
mod tests {
    use std::sync::Arc;

    use almoner_actors::gateway::Permit;
    use almoner_actors::lease::Lease;
    use almoner_actors::ports::Clock;
    use hyper::{Method, Request, Uri};
    use secrecy::SecretString;
    use tokio::io::AsyncReadExt;
    use tokio::net::TcpListener;

    use super::*;
    use crate::clock::SystemClock;

    fn options(base_url: String, timeout: Duration) -> Options {
        Options {
            base_url,
            api_key: SecretString::default(),
            api_version: String::new(),
            timeout,
            connect_timeout: Duration::from_secs(10),
            connections_max: 1,
            http2_prior_knowledge: false,
            connections_h2: 1,
            ca_file: None,
        }
    }

    #[tokio::test]
    async fn what_found_no_free_connection_in_time_was_never_sent() {
        let options = options(String::new(), Duration::from_millis(20));
        let transport = Transport::new(&options).unwrap();
        let mut request = Request::new(OutgoingBody::default());
        *request.uri_mut() = Uri::from_static("http://127.0.0.1:1");
        let taken = transport.room.as_ref().unwrap().try_acquire().unwrap();
        let waited = transport.send(request.clone(), 1).await.unwrap_err();
        assert_eq!(waited, Failure::NotSent("no connection became free".into()));
        drop(taken);
        let refused = transport.send(request, 1).await.unwrap_err();
        assert_ne!(refused, waited);
    }

    /// What the peer received of a request whose shard was lost while it waited for its connection.
    async fn received_without_permission() -> Vec<u8> {
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let base_url = format!("http://{}", listener.local_addr().unwrap());
        let peer = async {
            let mut received = Vec::new();
            let (mut stream, _) = listener.accept().await.unwrap();
            stream.read_to_end(&mut received).await.unwrap();
            received
        };
        let lease = Lease::new(60_000);
        lease.lose();
        let permit = Permit {
            lease: Arc::new(lease),
            permitted_at_boot_ms: SystemClock.boot_ms(),
            send_deadline_ms: 60_000,
        };
        let body = OutgoingBody::new(Some(permit), "amount=100".into());
        let mut request = Request::new(body);
        *request.method_mut() = Method::POST;
        *request.uri_mut() = base_url.parse().unwrap();
        let transport = Transport::new(&options(base_url, Duration::from_secs(60))).unwrap();
        // As if it had been lost only after the connection had taken it.
        let (answer, received) = tokio::join!(transport.exchange(request, 1), peer);
        assert!(matches!(answer, Err(Failure::NotSent(_))), "{answer:?}");
        received
    }

    #[tokio::test]
    async fn what_has_lost_its_permission_is_held_back_and_was_never_sent() {
        assert_eq!(received_without_permission().await, b"");
    }
}
