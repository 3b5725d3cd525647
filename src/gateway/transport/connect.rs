//! How a connection is made: DNS, TCP and TLS within one timeout, and never more connections than allowed.

use std::future::Future;
use std::io;
use std::pin::Pin;
use std::sync::Arc;
use std::task::{Context, Poll};
use std::time::Duration;

use hyper::Uri;
use hyper::rt::{Read, ReadBufCursor, Write};
use hyper_rustls::{HttpsConnector, HttpsConnectorBuilder, MaybeHttpsStream};
use hyper_util::client::legacy::connect::{Connected, Connection, HttpConnector};
use hyper_util::rt::TokioIo;
use rustls::ClientConfig;
use tokio::net::TcpStream;
use tokio::sync::{OwnedSemaphorePermit, Semaphore};
use tokio::time::timeout;
use tower::{BoxError, Service};

use crate::batched::Batched;

/// The kernel probes a silent connection after this long.
const KEEPALIVE: Duration = Duration::from_secs(30);

/// Makes connections.
#[derive(Clone)]
pub(super) struct Connector {
    https: HttpsConnector<HttpConnector>,
    room: Arc<Semaphore>,
    timeout: Duration,
    http2_only: bool,
}

/// A connection that counts until it is dropped.
pub(super) struct Counted {
    stream: Batched<MaybeHttpsStream<TokioIo<TcpStream>>>,
    _room: OwnedSemaphorePermit,
}

impl Connector {
    /// At most `connections_max` at once; over TLS the peer chooses HTTP/2 or HTTP/1.1, unless it must be HTTP/2.
    pub(super) fn new(
        connections_max: usize,
        timeout: Duration,
        http2_only: bool,
        tls: ClientConfig,
    ) -> Self {
        let mut tcp = HttpConnector::new();
        tcp.enforce_http(false);
        tcp.set_nodelay(true);
        tcp.set_keepalive(Some(KEEPALIVE));
        tcp.set_connect_timeout(Some(timeout)); // shared among a name's addresses
        let tls = HttpsConnectorBuilder::new()
            .with_tls_config(tls)
            .https_or_http();
        let https = if http2_only {
            tls.enable_http2().wrap_connector(tcp)
        } else {
            tls.enable_all_versions().wrap_connector(tcp)
        };
        Self {
            https,
            room: Arc::new(Semaphore::new(connections_max)),
            timeout,
            http2_only,
        }
    }
}

impl Service<Uri> for Connector {
    type Response = Counted;
    type Error = BoxError;
    type Future = Pin<Box<dyn Future<Output = Result<Counted, BoxError>> + Send>>;

    fn poll_ready(&mut self, context: &mut Context<'_>) -> Poll<Result<(), BoxError>> {
        self.https.poll_ready(context)
    }

    fn call(&mut self, uri: Uri) -> Self::Future {
        let room = Arc::clone(&self.room);
        let mut https = self.https.clone();
        let (limit, http2_only) = (self.timeout, self.http2_only);
        Box::pin(async move {
            let connecting = async {
                let room = room.acquire_owned().await?;
                let stream = https.call(uri).await?;
                let speaks_http2 = http2_only || stream.connected().is_negotiated_h2();
                Ok(Counted {
                    stream: Batched::new(stream, speaks_http2),
                    _room: room,
                })
            };
            match timeout(limit, connecting).await {
                Ok(connected) => connected,
                Err(_) => Err(format!("not connected within {} ms", limit.as_millis()).into()),
            }
        })
    }
}

impl Connection for Counted {
    fn connected(&self) -> Connected {
        self.stream.get_ref().connected()
    }
}

impl Read for Counted {
    fn poll_read(
        self: Pin<&mut Self>,
        context: &mut Context<'_>,
        buffer: ReadBufCursor<'_>,
    ) -> Poll<io::Result<()>> {
        Pin::new(&mut self.get_mut().stream).poll_read(context, buffer)
    }
}

impl Write for Counted {
    fn poll_write(
        self: Pin<&mut Self>,
        context: &mut Context<'_>,
        bytes: &[u8],
    ) -> Poll<io::Result<usize>> {
        Pin::new(&mut self.get_mut().stream).poll_write(context, bytes)
    }

    fn poll_flush(self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<io::Result<()>> {
        Pin::new(&mut self.get_mut().stream).poll_flush(context)
    }

    fn poll_shutdown(self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<io::Result<()>> {
        Pin::new(&mut self.get_mut().stream).poll_shutdown(context)
    }

    fn is_write_vectored(&self) -> bool {
        self.stream.is_write_vectored()
    }

    fn poll_write_vectored(
        self: Pin<&mut Self>,
        context: &mut Context<'_>,
        slices: &[io::IoSlice<'_>],
    ) -> Poll<io::Result<usize>> {
        Pin::new(&mut self.get_mut().stream).poll_write_vectored(context, slices)
    }
}

#[cfg(test)]
mod tests {
    use tokio::net::TcpListener;

    use super::*;
    use crate::gateway::transport::trust;

    #[tokio::test]
    async fn a_connection_counts_until_it_is_dropped() {
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let address = format!("http://{}", listener.local_addr().unwrap());
        let uri: Uri = address.parse().unwrap();
        let mut patient =
            Connector::new(1, Duration::from_secs(30), false, trust::tls(None).unwrap());
        let mut hasty = Connector {
            timeout: Duration::from_millis(20),
            ..patient.clone()
        };
        let first = patient.call(uri.clone()).await.unwrap();
        assert!(hasty.call(uri.clone()).await.is_err());
        drop(first);
        assert!(patient.call(uri).await.is_ok());
    }
}
