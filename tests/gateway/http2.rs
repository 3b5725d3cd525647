//! HTTP/2 with prior knowledge: few connections, as many streams as the server takes, and the same care.

#![allow(clippy::unwrap_used)]

use std::convert::Infallible;
use std::net::SocketAddr;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Arc, Mutex};
use std::time::Duration;

use almoner::gateway::Options;
use almoner_domain::donation::Call;
use bytes::Bytes;
use http_body_util::{BodyExt, Full};
use hyper::service::service_fn;
use hyper::{Request, Response, body::Incoming, server::conn::http2};
use hyper_util::rt::{TokioExecutor, TokioIo};
use tokio::net::TcpListener;

use crate::server::{Peer, Server};
use crate::support::{RUNTIME, ask, call, gateway, intent, options, start, wait};

const STREAMS_MAX: u32 = 3;

/// What a server saw.
#[derive(Default)]
struct Counts {
    connections: AtomicUsize,
    most_streams: AtomicUsize,
    keys: Mutex<Vec<String>>,
}

fn http2(base_url: &str) -> Options {
    Options {
        http2_prior_knowledge: true,
        connections_h2: 2,
        timeout: Duration::from_secs(30),
        ..options(base_url)
    }
}

/// A server that takes three streams a connection and lets each last a while.
fn serve() -> (SocketAddr, Arc<Counts>) {
    let counts = Arc::new(Counts::default());
    let listener = RUNTIME.block_on(TcpListener::bind("127.0.0.1:0")).unwrap();
    let addr = listener.local_addr().unwrap();
    let shared = Arc::clone(&counts);
    RUNTIME.spawn(async move {
        loop {
            let (stream, _) = listener.accept().await.unwrap();
            shared.connections.fetch_add(1, Ordering::SeqCst);
            let counts = Arc::clone(&shared);
            let streams = Arc::new(AtomicUsize::new(0));
            let service = service_fn(move |request| {
                answer(request, Arc::clone(&counts), Arc::clone(&streams))
            });
            let connection = http2::Builder::new(TokioExecutor::new())
                .max_concurrent_streams(STREAMS_MAX)
                .serve_connection(TokioIo::new(stream), service);
            RUNTIME.spawn(connection);
        }
    });
    (addr, counts)
}

async fn answer(
    request: Request<Incoming>,
    counts: Arc<Counts>,
    streams: Arc<AtomicUsize>,
) -> Result<Response<Full<Bytes>>, Infallible> {
    let open = streams.fetch_add(1, Ordering::SeqCst) + 1;
    counts.most_streams.fetch_max(open, Ordering::SeqCst);
    let key = request.headers()["idempotency-key"]
        .to_str()
        .unwrap()
        .to_owned();
    counts.keys.lock().unwrap().push(key);
    let _ = request.into_body().collect().await;
    for _ in 0..20 {
        tokio::task::yield_now().await; // others get the chance to be one too many
    }
    streams.fetch_sub(1, Ordering::SeqCst);
    Ok(Response::builder()
        .header("content-type", "application/json")
        .body(Full::from(intent(1, "succeeded")))
        .unwrap())
}

#[test]
fn many_calls_share_few_connections_within_the_servers_limit() {
    let (addr, counts) = serve();
    let gateway = gateway(&http2(&format!("http://{addr}")));
    let calls: Vec<_> = (1..=200)
        .map(|n| start(&gateway, call(1, Call::Confirm { n })))
        .collect();
    for answers in &calls {
        let answer = wait(answers);
        assert_eq!(answer.class(), "succeeded", "{answer:?}");
    }
    let mut keys = counts.keys.lock().unwrap().clone();
    keys.sort_unstable();
    keys.dedup();
    assert_eq!(keys.len(), 200);
    assert_eq!(counts.keys.lock().unwrap().len(), 200);
    // A client that loses the race for its own first connection opens one in vain.
    let connections = counts.connections.load(Ordering::SeqCst);
    assert!((2..=4).contains(&connections), "{connections} connections");
    let most = counts.most_streams.load(Ordering::SeqCst);
    assert!(most <= STREAMS_MAX as usize, "{most} streams at once");
}

#[test]
fn what_was_never_connected_was_never_sent() {
    let addr = std::net::TcpListener::bind("127.0.0.1:0")
        .unwrap()
        .local_addr()
        .unwrap();
    let answer = ask(
        &gateway(&http2(&format!("http://{addr}"))),
        call(1, Call::Charge),
    );
    assert_eq!(answer.class(), "not_sent", "{answer:?}");
}

#[test]
fn a_server_that_breaks_off_or_never_answers_leaves_it_unknown() {
    let breaking = Server::start(Peer::await_unread);
    let silent = Server::start(Peer::wait_for_end);
    for server in [breaking, silent] {
        let options = Options {
            timeout: Duration::from_millis(400),
            ..http2(&server.url())
        };
        let answer = ask(&gateway(&options), call(1, Call::Charge));
        assert_eq!(answer.class(), "lost", "{answer:?}");
    }
}
