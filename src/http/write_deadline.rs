//! A stream on which a peer that does not read is given up: what was begun to be written must be out in time.

use std::future::Future;
use std::io::{self, ErrorKind, IoSlice};
use std::pin::Pin;
use std::task::{Context, Poll, ready};
use std::time::Duration;

use tokio::io::{AsyncRead, AsyncWrite, ReadBuf};
use tokio::time::{Sleep, sleep};

/// A stream whose writes fail once one answer has not been taken by the peer within the limit. The limit counts from
/// the first write that had to wait to the flush that ends the answer, so that a trickle is no progress.
pub(super) struct WriteDeadline<S> {
    stream: S,
    limit: Duration,
    /// Runs while a write waits.
    waiting: Option<Pin<Box<Sleep>>>,
}

impl<S> WriteDeadline<S> {
    pub(super) fn new(stream: S, limit: Duration) -> Self {
        Self {
            stream,
            limit,
            waiting: None,
        }
    }

    /// What became of a write, or that the time is over.
    fn within<T>(
        &mut self,
        context: &mut Context<'_>,
        written: Poll<io::Result<T>>,
    ) -> Poll<io::Result<T>> {
        if written.is_pending() {
            let limit = self.limit;
            let waiting = self.waiting.get_or_insert_with(|| Box::pin(sleep(limit)));
            ready!(waiting.as_mut().poll(context));
            return Poll::Ready(Err(ErrorKind::TimedOut.into()));
        }
        written
    }
}

impl<S: AsyncRead + Unpin> AsyncRead for WriteDeadline<S> {
    fn poll_read(
        self: Pin<&mut Self>,
        context: &mut Context<'_>,
        buffer: &mut ReadBuf<'_>,
    ) -> Poll<io::Result<()>> {
        Pin::new(&mut self.get_mut().stream).poll_read(context, buffer)
    }
}

impl<S: AsyncWrite + Unpin> AsyncWrite for WriteDeadline<S> {
    fn poll_write(
        self: Pin<&mut Self>,
        context: &mut Context<'_>,
        bytes: &[u8],
    ) -> Poll<io::Result<usize>> {
        let this = self.get_mut();
        let written = Pin::new(&mut this.stream).poll_write(context, bytes);
        this.within(context, written)
    }

    fn poll_write_vectored(
        self: Pin<&mut Self>,
        context: &mut Context<'_>,
        slices: &[IoSlice<'_>],
    ) -> Poll<io::Result<usize>> {
        let this = self.get_mut();
        let written = Pin::new(&mut this.stream).poll_write_vectored(context, slices);
        this.within(context, written)
    }

    fn is_write_vectored(&self) -> bool {
        self.stream.is_write_vectored()
    }

    fn poll_flush(self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<io::Result<()>> {
        let this = self.get_mut();
        let flushed = Pin::new(&mut this.stream).poll_flush(context);
        if flushed.is_ready() {
            this.waiting = None;
        }
        this.within(context, flushed)
    }

    fn poll_shutdown(self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<io::Result<()>> {
        Pin::new(&mut self.get_mut().stream).poll_shutdown(context)
    }
}

#[cfg(test)]
mod tests {
    use tokio::io::{AsyncReadExt, AsyncWriteExt, duplex};

    use super::*;

    /// Writes 64 bytes through a pipe of 8 whose other end takes a byte after each of these pauses.
    fn check(limit: Duration, pause: Duration, expected: Result<(), ErrorKind>) {
        let runtime = tokio::runtime::Builder::new_current_thread()
            .enable_time()
            .build()
            .unwrap();
        let written = runtime.block_on(async {
            let (near, mut far) = duplex(8);
            let mut near = WriteDeadline::new(near, limit);
            let reads = async {
                loop {
                    sleep(pause).await;
                    far.read_u8().await.unwrap();
                }
            };
            let writes = async {
                near.write_all(&[7; 64]).await?;
                near.flush().await
            };
            tokio::select! { written = writes => written, () = reads => Ok(()) }
        });
        assert_eq!(written.map_err(|error| error.kind()), expected);
    }

    #[test]
    fn a_peer_that_reads_is_waited_for() {
        check(Duration::from_secs(3600), Duration::ZERO, Ok(()));
    }

    #[test]
    fn a_peer_that_does_not_read_is_given_up() {
        let never = Duration::from_secs(3600);
        check(Duration::from_millis(50), never, Err(ErrorKind::TimedOut));
    }

    #[test]
    fn a_peer_that_reads_in_a_trickle_is_given_up() {
        let trickle = Duration::from_millis(10);
        check(Duration::from_millis(50), trickle, Err(ErrorKind::TimedOut));
    }
}
