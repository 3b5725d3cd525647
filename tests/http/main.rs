//! Both listeners over real sockets, as operators, their tools and front ends use them.
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic)]

mod admin;
mod donations;
mod exposition;
mod listener;
mod store;

use std::future::Future;
use std::net::SocketAddr;
use std::sync::{LazyLock, OnceLock};
use std::time::Duration;

use almoner::http::ConnectionLimits;
use almoner::metrics::Metrics;
use serde_json::Value;
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::TcpStream;
use tokio::runtime::Runtime;

/// For what only a defect could make long.
const PATIENCE: Duration = Duration::from_secs(180);

/// Any free port.
const ANYWHERE: SocketAddr =
    SocketAddr::new(std::net::IpAddr::V4(std::net::Ipv4Addr::LOCALHOST), 0);

const LIMITS: ConnectionLimits = ConnectionLimits::ADMIN;

/// The process's recorder: one for all tests, on a runtime that outlives them.
fn metrics() -> Metrics {
    static RUNTIME: LazyLock<Runtime> = LazyLock::new(|| Runtime::new().unwrap());
    static METRICS: OnceLock<Metrics> = OnceLock::new();
    METRICS
        .get_or_init(|| Metrics::install(RUNTIME.handle()).unwrap())
        .clone()
}

async fn within<T>(future: impl Future<Output = T>) -> T {
    tokio::time::timeout(PATIENCE, future)
        .await
        .expect("it takes far too long")
}

/// An answer as a client reads it.
#[derive(Debug)]
struct Answer {
    status: u16,
    head: String,
    body: String,
}

impl Answer {
    fn json(&self) -> Value {
        assert_eq!(
            self.header("content-type"),
            Some("application/json"),
            "{self:?}"
        );
        serde_json::from_str(&self.body).unwrap()
    }

    fn header(&self, name: &str) -> Option<&str> {
        self.head.lines().find_map(|line| {
            let (key, value) = line.split_once(": ")?;
            key.eq_ignore_ascii_case(name).then_some(value)
        })
    }

    /// The code of an error, whose message is a sentence.
    fn error_code(&self) -> String {
        let error = &self.json()["error"];
        assert!(
            error["message"].as_str().unwrap().ends_with('.'),
            "{self:?}"
        );
        error["code"].as_str().unwrap().to_owned()
    }
}

/// Asks on a connection of its own.
async fn ask(address: SocketAddr, method: &str, path: &str) -> Answer {
    let mut stream = TcpStream::connect(address).await.unwrap();
    let request = format!("{method} {path} HTTP/1.1\r\nhost: test\r\nconnection: close\r\n\r\n");
    stream.write_all(request.as_bytes()).await.unwrap();
    let mut text = String::new();
    within(stream.read_to_string(&mut text)).await.unwrap();
    let (head, body) = text
        .split_once("\r\n\r\n")
        .unwrap_or_else(|| panic!("no answer but {text:?}"));
    Answer {
        status: head.split(' ').nth(1).unwrap().parse().unwrap(),
        head: head.to_owned(),
        body: body.to_owned(),
    }
}

async fn get(address: SocketAddr, path: &str) -> Answer {
    ask(address, "GET", path).await
}
