//! The body of an answer: whole, cut in the middle, or in two halves with a pause between.

use std::io;
use std::pin::Pin;
use std::task::{Context, Poll, ready};
use std::time::Duration;

use bytes::Bytes;
use hyper::body::{Body, Frame, SizeHint};
use tokio::time::Sleep;

/// An answer's body.
pub(crate) struct AnswerBody {
    first: Option<Bytes>,
    rest: Rest,
}

enum Rest {
    Nothing,
    /// So many bytes that were announced never come.
    Cut(u64),
    Slow(Bytes, Pin<Box<Sleep>>),
}

impl AnswerBody {
    pub(crate) fn whole(body: Bytes) -> Self {
        Self {
            first: Some(body),
            rest: Rest::Nothing,
        }
    }

    /// Half of it, and then the connection breaks.
    pub(crate) fn cut(mut body: Bytes) -> Self {
        let never_sent = body.split_off(body.len() / 2);
        Self {
            first: Some(body),
            rest: Rest::Cut(never_sent.len() as u64),
        }
    }

    /// Half of it, and after a pause the other half.
    pub(crate) fn slow(mut body: Bytes, pause: Duration) -> Self {
        let second = body.split_off(body.len() / 2);
        let pause = Box::pin(tokio::time::sleep(pause));
        Self {
            first: Some(body),
            rest: Rest::Slow(second, pause),
        }
    }
}

impl Body for AnswerBody {
    type Data = Bytes;
    type Error = io::Error;

    fn poll_frame(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
    ) -> Poll<Option<Result<Frame<Bytes>, io::Error>>> {
        if let Some(first) = self.first.take() {
            return Poll::Ready(Some(Ok(Frame::data(first))));
        }
        if let Rest::Slow(_, pause) = &mut self.rest {
            ready!(pause.as_mut().poll(cx));
        }
        Poll::Ready(match std::mem::replace(&mut self.rest, Rest::Nothing) {
            Rest::Nothing => None,
            Rest::Cut(_) => Some(Err(io::Error::from(io::ErrorKind::ConnectionAborted))),
            Rest::Slow(second, _) => Some(Ok(Frame::data(second))),
        })
    }

    fn is_end_stream(&self) -> bool {
        self.first.is_none() && matches!(self.rest, Rest::Nothing)
    }

    fn size_hint(&self) -> SizeHint {
        let first = self.first.as_ref().map_or(0, Bytes::len) as u64;
        SizeHint::with_exact(
            first
                + match &self.rest {
                    Rest::Nothing => 0,
                    Rest::Cut(bytes) => *bytes,
                    Rest::Slow(second, _) => second.len() as u64,
                },
        )
    }
}
