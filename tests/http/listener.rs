//! What both listeners do with their clients: slow ones, idle ones, too many; and an address that cannot be had.

use std::net::SocketAddr;
use std::sync::Arc;
use std::time::Duration;

use almoner::http::{ConnectionLimits, ListenError, Server, WaitLimits, serve_api};
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::TcpStream;
use tokio::runtime::Handle;

use crate::store::{Books, path};
use crate::{ANYWHERE, LIMITS, get, within};

const SOON: Duration = Duration::from_millis(50);

/// The head's limit alone is short.
const QUICK_HEADS: ConnectionLimits = ConnectionLimits {
    head_timeout: SOON,
    ..LIMITS
};

async fn serve_at(
    address: SocketAddr,
    limits: ConnectionLimits,
) -> (Arc<Books>, Result<Server, ListenError>) {
    let books = Arc::new(Books::open().await);
    let asked = Arc::clone(&books) as _;
    let server = serve_api(
        &Handle::current(),
        address,
        limits,
        WaitLimits::default(),
        asked,
    );
    (books, server)
}

async fn serve(limits: ConnectionLimits) -> (Arc<Books>, Server) {
    let (books, server) = serve_at(ANYWHERE, limits).await;
    (books, server.unwrap())
}

/// A whole request that keeps its connection.
fn request() -> String {
    format!("GET {} HTTP/1.1\r\nhost: test\r\n\r\n", path(1))
}

/// Asks on a connection and reads the answer, a 404; or says that the connection was closed.
async fn try_ask_on(stream: &mut TcpStream) -> bool {
    let mut seen = Vec::new();
    if stream.write_all(request().as_bytes()).await.is_err() {
        return false;
    }
    while !seen.ends_with(b"}}") {
        if !matches!(within(stream.read_buf(&mut seen)).await, Ok(1..)) {
            return false;
        }
    }
    assert!(seen.starts_with(b"HTTP/1.1 404"), "{seen:?}");
    true
}

async fn ask_on(stream: &mut TcpStream) {
    assert!(try_ask_on(stream).await, "closed in the middle");
}

/// The other side closes, having said no more.
async fn check_closed(stream: &mut TcpStream) {
    let mut rest = Vec::new();
    // A reset closes too.
    let _ = within(stream.read_to_end(&mut rest)).await;
    assert_eq!(String::from_utf8(rest).unwrap(), "");
}

#[tokio::test]
async fn a_client_that_says_nothing_is_let_go() {
    let (_, server) = serve(QUICK_HEADS).await;
    let mut silent = TcpStream::connect(server.address()).await.unwrap();
    check_closed(&mut silent).await;
}

#[tokio::test]
async fn a_client_that_says_little_at_a_time_is_let_go() {
    let (_, server) = serve(QUICK_HEADS).await;
    let (mut reads, mut writes) = TcpStream::connect(server.address())
        .await
        .unwrap()
        .into_split();
    let trickle = Handle::current().spawn(async move {
        writes.write_all(b"GET / HTTP/1.1\r\nx: ").await.unwrap();
        while writes.write_all(b"x").await.is_ok() {
            tokio::time::sleep(Duration::from_millis(5)).await;
        }
    });
    let _ = within(reads.read_to_end(&mut Vec::new())).await;
    within(trickle).await.unwrap();
}

#[tokio::test]
async fn a_client_that_idles_is_let_go() {
    let (_, server) = serve(QUICK_HEADS).await;
    // On a busy machine the head itself may be too late.
    let mut idle = loop {
        let mut stream = TcpStream::connect(server.address()).await.unwrap();
        if try_ask_on(&mut stream).await {
            break stream;
        }
    };
    check_closed(&mut idle).await;
}

#[tokio::test]
async fn a_client_that_does_not_read_is_let_go() {
    let (_, server) = serve(ConnectionLimits {
        write_timeout: SOON,
        ..LIMITS
    })
    .await;
    let mut deaf = TcpStream::connect(server.address()).await.unwrap();
    let many = request().repeat(1000);
    within(async { while deaf.write_all(many.as_bytes()).await.is_ok() {} }).await;
}

#[tokio::test]
async fn a_head_without_end_is_refused() {
    let (books, server) = serve(LIMITS).await;
    let mut endless = TcpStream::connect(server.address()).await.unwrap();
    endless.write_all(b"GET / HTTP/1.1\r\n").await.unwrap();
    within(async { while endless.write_all(b"x: 0123456789\r\n").await.is_ok() {} }).await;
    assert_eq!(books.loads(), 0);
}

#[tokio::test]
async fn connections_beyond_the_limit_wait_for_their_turn() {
    let (books, server) = serve(ConnectionLimits {
        connections_max: 1,
        ..LIMITS
    })
    .await;
    let mut first = TcpStream::connect(server.address()).await.unwrap();
    ask_on(&mut first).await;
    let mut second = TcpStream::connect(server.address()).await.unwrap();
    second.write_all(request().as_bytes()).await.unwrap();
    for _ in 0..20 {
        ask_on(&mut first).await;
    }
    assert_eq!(books.loads(), 21, "the second was served beside the first");
    drop(first);
    books.loaded(22).await;
}

#[tokio::test]
async fn idle_connections_do_not_hold_up_a_stop() {
    let (_, server) = serve(LIMITS).await;
    let mut idle = TcpStream::connect(server.address()).await.unwrap();
    ask_on(&mut idle).await;
    let mut silent = TcpStream::connect(server.address()).await.unwrap();
    assert!(within(server.stop(Duration::from_secs(3600))).await);
    check_closed(&mut idle).await;
    check_closed(&mut silent).await;
}

#[tokio::test]
async fn a_server_that_is_dropped_listens_no_more() {
    let (_, server) = serve(LIMITS).await;
    let address = server.address();
    drop(server);
    within(async { while TcpStream::connect(address).await.is_ok() {} }).await;
}

#[tokio::test]
async fn a_port_in_use_is_named_with_its_key() {
    let (_, server) = serve(LIMITS).await;
    let address = server.address();
    let refused = serve_at(address, LIMITS).await.1.unwrap_err();
    assert!(
        matches!(refused, ListenError::InUse { key: "http.listen", address: at } if at == address)
    );
    let said = format!(
        "http.listen = \"{address}\" is in use; stop what listens there, or write another port"
    );
    assert_eq!(refused.to_string(), said);
    // It goes on for those who have it.
    assert_eq!(get(address, "/").await.status, 404);
}

#[tokio::test]
async fn an_address_of_another_machine_is_refused() {
    // RFC 5737: nobody's.
    let elsewhere: SocketAddr = "192.0.2.1:8080".parse().unwrap();
    let refused = serve_at(elsewhere, LIMITS).await.1.unwrap_err();
    assert!(
        matches!(
            refused,
            ListenError::Refused {
                key: "http.listen",
                ..
            }
        ),
        "{refused:?}"
    );
}
