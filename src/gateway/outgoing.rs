//! A request's body that is not given out once the right to send it is gone. Its connection takes it right before the bytes
//! go out, after whatever held it up: a queue, a connection that was made for it, a process that was frozen.

use std::pin::Pin;
use std::task::{Context, Poll};

use almoner_actors::gateway::Permit;
use almoner_actors::ports::Clock;
use bytes::Bytes;
use hyper::body::{Body, Frame, SizeHint};

use crate::clock::SystemClock;

/// The right to send is gone: nothing was sent.
#[derive(Clone, Copy, PartialEq, Eq, Debug, thiserror::Error)]
#[error("the permission to send was too old when the bytes were to go out")]
pub(super) struct NotPermitted;

/// See the file's head.
#[derive(Clone, Debug, Default)]
pub(super) struct OutgoingBody {
    permit: Option<Permit>,
    bytes: Bytes,
    is_taken: bool,
}

impl OutgoingBody {
    pub(super) fn new(permit: Option<Permit>, bytes: Bytes) -> Self {
        Self {
            permit,
            bytes,
            is_taken: false,
        }
    }

    /// Whether it may be sent now. An empty one is never asked for by its connection: this is all that holds it back.
    pub(super) fn may_go(&self) -> Result<(), NotPermitted> {
        let now_boot_ms = SystemClock.boot_ms();
        let permit = self.permit.as_ref();
        match permit.is_none_or(|permit| permit.is_valid(now_boot_ms)) {
            true => Ok(()),
            false => Err(NotPermitted),
        }
    }
}

impl Body for OutgoingBody {
    type Data = Bytes;
    type Error = NotPermitted;

    fn poll_frame(
        mut self: Pin<&mut Self>,
        _: &mut Context<'_>,
    ) -> Poll<Option<Result<Frame<Bytes>, NotPermitted>>> {
        if self.is_taken {
            return Poll::Ready(None);
        }
        self.is_taken = true;
        if let Err(gone) = self.may_go() {
            return Poll::Ready(Some(Err(gone)));
        }
        let bytes = std::mem::take(&mut self.bytes);
        Poll::Ready((!bytes.is_empty()).then(|| Ok(Frame::data(bytes))))
    }

    fn is_end_stream(&self) -> bool {
        self.is_taken || self.bytes.is_empty()
    }

    fn size_hint(&self) -> SizeHint {
        SizeHint::with_exact(self.bytes.len() as u64)
    }
}
