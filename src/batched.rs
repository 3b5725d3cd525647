//! A stream whose small writes go out together: for HTTP/2, where each frame with a body is flushed by itself, though
//! more frames wait behind it. A system call a frame is most of what a call over HTTP/2 costs.

use std::io::{self, IoSlice};
use std::pin::Pin;
use std::task::{Context, Poll, ready};

use bytes::{Buf, BytesMut};
use hyper::rt::{Read, ReadBufCursor, Write};

/// Beyond this, what waits is written before more is taken.
const WAITING_BYTES_MAX: usize = 64 * 1024;

/// A stream that writes when it is flushed and nothing was added since the flush before. A flush that comes earlier asks
/// for the task to be polled again, behind all tasks that are ready now; so nothing waits for long, and what those tasks
/// send goes out with it. It is for connections that flush whenever they are polled, as those of HTTP/2 do.
pub(crate) struct Batched<S> {
    stream: S,
    batches: bool,
    waiting: BytesMut,
    /// Whether something was added since the last flush.
    is_growing: bool,
}

impl<S: Write + Unpin> Batched<S> {
    /// One that writes as said if it `batches`; else it is the stream as it is.
    pub(crate) fn new(stream: S, batches: bool) -> Self {
        Self {
            stream,
            batches,
            waiting: BytesMut::new(),
            is_growing: false,
        }
    }

    /// The stream that is written to.
    pub(crate) fn get_ref(&self) -> &S {
        &self.stream
    }

    /// Room for more, made by writing where there is none.
    fn poll_room(&mut self, context: &mut Context<'_>) -> Poll<io::Result<()>> {
        if self.waiting.len() >= WAITING_BYTES_MAX {
            ready!(self.poll_write_out(context))?;
        }
        self.is_growing = true;
        Poll::Ready(Ok(()))
    }

    fn poll_write_out(&mut self, context: &mut Context<'_>) -> Poll<io::Result<()>> {
        while !self.waiting.is_empty() {
            let written = ready!(Pin::new(&mut self.stream).poll_write(context, &self.waiting))?;
            if written == 0 {
                return Poll::Ready(Err(io::ErrorKind::WriteZero.into()));
            }
            self.waiting.advance(written);
        }
        Poll::Ready(Ok(()))
    }
}

impl<S: Write + Unpin> Write for Batched<S> {
    fn poll_write(
        mut self: Pin<&mut Self>,
        context: &mut Context<'_>,
        bytes: &[u8],
    ) -> Poll<io::Result<usize>> {
        if !self.batches {
            return Pin::new(&mut self.stream).poll_write(context, bytes);
        }
        ready!(self.poll_room(context))?;
        self.waiting.extend_from_slice(bytes);
        Poll::Ready(Ok(bytes.len()))
    }

    fn poll_flush(mut self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<io::Result<()>> {
        if std::mem::take(&mut self.is_growing) {
            context.waker().wake_by_ref();
            return Poll::Ready(Ok(()));
        }
        ready!(self.poll_write_out(context))?;
        Pin::new(&mut self.stream).poll_flush(context)
    }

    fn poll_shutdown(mut self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<io::Result<()>> {
        ready!(self.poll_write_out(context))?;
        Pin::new(&mut self.stream).poll_shutdown(context)
    }

    fn is_write_vectored(&self) -> bool {
        self.batches || self.stream.is_write_vectored()
    }

    fn poll_write_vectored(
        mut self: Pin<&mut Self>,
        context: &mut Context<'_>,
        slices: &[IoSlice<'_>],
    ) -> Poll<io::Result<usize>> {
        if !self.batches {
            return Pin::new(&mut self.stream).poll_write_vectored(context, slices);
        }
        ready!(self.poll_room(context))?;
        let before = self.waiting.len();
        for slice in slices {
            self.waiting.extend_from_slice(slice);
        }
        Poll::Ready(Ok(self.waiting.len() - before))
    }
}

impl<S: Read + Unpin> Read for Batched<S> {
    fn poll_read(
        mut self: Pin<&mut Self>,
        context: &mut Context<'_>,
        buffer: ReadBufCursor<'_>,
    ) -> Poll<io::Result<()>> {
        Pin::new(&mut self.stream).poll_read(context, buffer)
    }
}

#[cfg(test)]
mod tests {
    use std::sync::Arc;
    use std::sync::atomic::{AtomicUsize, Ordering};
    use std::task::Wake;

    use super::*;

    /// Takes every write, unless it is stuck.
    #[derive(Default)]
    struct Peer {
        writes: Vec<Vec<u8>>,
        is_stuck: bool,
        is_shut: bool,
    }

    impl Write for Peer {
        fn poll_write(
            mut self: Pin<&mut Self>,
            _: &mut Context<'_>,
            bytes: &[u8],
        ) -> Poll<io::Result<usize>> {
            if self.is_stuck {
                return Poll::Pending;
            }
            self.writes.push(bytes.to_vec());
            Poll::Ready(Ok(bytes.len()))
        }

        fn poll_flush(self: Pin<&mut Self>, _: &mut Context<'_>) -> Poll<io::Result<()>> {
            Poll::Ready(Ok(()))
        }

        fn poll_shutdown(mut self: Pin<&mut Self>, _: &mut Context<'_>) -> Poll<io::Result<()>> {
            self.is_shut = true;
            Poll::Ready(Ok(()))
        }
    }

    #[derive(Default)]
    struct Wakes(AtomicUsize);

    impl Wake for Wakes {
        fn wake(self: Arc<Self>) {
            self.0.fetch_add(1, Ordering::SeqCst);
        }
    }

    enum Step {
        Write(&'static str),
        Flush,
        Shutdown,
        Stick,
        Free,
    }
    use Step::{Flush, Free, Shutdown, Stick, Write as Put};

    /// After each of the steps, what the peer has got so far, a write in brackets, with a `*` for each wake.
    fn check(batches: bool, steps: &[Step], expected: &str) {
        let wakes = Arc::new(Wakes::default());
        let waker = Arc::clone(&wakes).into();
        let mut context = Context::from_waker(&waker);
        let mut stream = Batched::new(Peer::default(), batches);
        for step in steps {
            let pinned = Pin::new(&mut stream);
            let _pending_or_ready = match step {
                Put(text) => pinned
                    .poll_write_vectored(&mut context, &[IoSlice::new(text.as_bytes())])
                    .map_ok(|written| assert_eq!(written, text.len())),
                Flush => pinned.poll_flush(&mut context),
                Shutdown => pinned.poll_shutdown(&mut context),
                Stick | Free => {
                    stream.stream.is_stuck = matches!(step, Stick);
                    Poll::Pending
                }
            };
        }
        let mut got: String = stream
            .get_ref()
            .writes
            .iter()
            .map(|write| format!("[{}]", String::from_utf8_lossy(write)))
            .collect();
        got.push_str(&"*".repeat(wakes.0.load(Ordering::SeqCst)));
        if stream.get_ref().is_shut {
            got.push('.');
        }
        assert_eq!(got, expected);
    }

    #[test]
    fn frames_that_are_flushed_one_by_one_go_out_together() {
        let frames = [Put("a"), Flush, Put("b"), Flush, Put("c"), Flush, Flush];
        check(true, &frames, "[abc]***");
    }

    #[test]
    fn who_was_not_written_is_polled_again() {
        check(true, &[Put("a"), Flush], "*");
        check(true, &[Put("a"), Flush, Put("b"), Flush], "**");
        check(true, &[Put("a"), Flush, Put("b"), Flush, Flush], "[ab]**");
    }

    #[test]
    fn an_end_leaves_nothing_behind() {
        check(true, &[Put("a"), Shutdown], "[a].");
        check(true, &[Put("a"), Flush, Shutdown], "[a]*.");
    }

    #[test]
    fn what_the_peer_does_not_take_waits() {
        let stuck = [Put("a"), Flush, Stick, Flush, Shutdown, Put("b"), Flush];
        check(true, &stuck, "**");
        check(true, &[Stick, Put("a"), Flush, Flush, Free, Flush], "[a]*");
    }

    #[test]
    fn much_is_written_before_more_is_taken() {
        let much = "x".repeat(WAITING_BYTES_MAX).leak();
        let expected = format!("[{much}]");
        check(true, &[Put(much), Put("y")], &expected);
    }

    #[test]
    fn a_stream_that_does_not_batch_is_left_alone() {
        check(false, &[Put("a"), Put("b"), Flush], "[a][b]");
    }
}
