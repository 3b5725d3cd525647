//! What the actors need of the world, as ports with completions. A call never blocks and never fails by itself: the
//! [`Done`] it was given is called exactly once, from any thread; a port that dies with a call in hand still answers,
//! since dropping a [`Done`] says so.

mod done;
mod intake;
mod letters;
mod store;

use std::sync::Arc;

use almoner_domain::answer::Answer;
use almoner_domain::dead_letter::DeadLetter;
use almoner_domain::donation::{Call, Donation};
use almoner_domain::ids::Shard;
use almoner_domain::outcome::{Message, Reason};
use almoner_domain::request::DonationRequest;

use crate::gateway::Permit;

pub use done::{Done, Dropped};
pub use intake::{Admission, Header, Intake, LogRange, RawRecord, TimestampType};
pub use letters::{KeptLetter, Letters};
pub use store::{
    AcceptWrite, Accepted, AdvanceWrite, Advanced, Claimed, Cursor, DayTotal, Finish, FinishWrite,
    Finished, FirstState, MarkWrite, Marked, Pending, Recorded, RowId, SendRow, Store, StoreError,
    Unfinished, WindowEntry,
};

/// One request to the payment gateway.
#[derive(Clone, Debug)]
pub struct GatewayCall {
    /// The donation; its frozen body is rebuilt from it.
    pub donation: Arc<Donation>,
    /// What to send.
    pub call: Call,
    /// The pinned intent, for the calls that need one.
    pub intent: Option<Box<str>>,
    /// For [`Call::List`]: the range of `created`, in seconds since 1970, both ends included.
    pub listed_s: (i64, i64),
    /// Where it is needed, the right to send: whoever sends asks it again right before the bytes go out, and answers
    /// [`Answer::NotSent`] where it is gone.
    pub permit: Option<Permit>,
}

/// The gateway or its adapter cannot express this: it is refused before anything is sent.
#[derive(Clone, Copy, PartialEq, Eq, Debug, thiserror::Error)]
pub enum Inexpressible {
    /// It has no such currency.
    #[error("the gateway cannot express this currency")]
    Currency,
    /// It has the currency, but not so much of it, or not to that precision.
    #[error("the gateway cannot express this amount")]
    Amount,
}

impl Inexpressible {
    /// What the user is told.
    #[must_use]
    pub fn reason(self) -> Reason {
        match self {
            Self::Currency => Reason::CurrencyMismatch,
            Self::Amount => Reason::AmountOutOfBounds,
        }
    }
}

/// The payment gateway.
pub trait Gateway: Send + Sync {
    /// Freezes the body of the donation's charge: which version of the body it has. From the version and the request
    /// the very bytes are rebuilt for as long as the product lives.
    ///
    /// # Errors
    /// [`Inexpressible`] where the gateway has no such currency, or no such amount of it.
    fn freeze(&self, request: &DonationRequest) -> Result<u16, Inexpressible>;

    /// Sends one request and answers what came of it; it never retries by itself. Every send of one call has the same
    /// key and the same bytes. Dropped, it is [`Answer::Lost`].
    fn call(&self, call: GatewayCall, done: Done<Answer>);
}

/// Why something was not published. It is kept and published again.
#[derive(Clone, PartialEq, Eq, Debug, thiserror::Error)]
#[error("not acknowledged by the broker: {0}")]
pub struct PublishError(pub Box<str>);

/// One header of a record to be sent: a name and maybe a value.
pub type OwnedHeader = (Box<str>, Option<Box<[u8]>>);

/// A record that belongs to another shard, as it came.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct Forward {
    /// Where it belongs.
    pub to: Shard,
    /// Its key.
    pub key: Option<Box<[u8]>>,
    /// Its value.
    pub value: Option<Box<[u8]>>,
    /// Its headers, with `almoner-forwarded: topic/partition/offset`.
    pub headers: Vec<OwnedHeader>,
}

/// Where outcomes, dead letters and misplaced records go.
pub trait Outcomes: Send + Sync {
    /// Calls `done` once the broker acknowledged the message; publishing it again only makes another copy.
    fn publish(&self, message: Message, done: Done<Result<(), PublishError>>);

    /// Calls `done` once the broker acknowledged the letter. A letter that is larger than the broker takes is cut, with
    /// its length and SHA-256 in headers, after the whole one was kept ([`Letters`]).
    fn dead_letter(&self, letter: DeadLetter, done: Done<Result<(), PublishError>>);

    /// Calls `done` once the broker acknowledged the record on its right partition.
    fn forward(&self, forward: Forward, done: Done<Result<(), PublishError>>);
}

/// How far a shard has been done: what is to be committed.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct Commit {
    /// The partition.
    pub shard: Shard,
    /// The offset to go on from: all below it have their fate.
    pub next_offset: i64,
}

/// Why an offset was not committed. The next one covers it.
#[derive(Clone, PartialEq, Eq, Debug, thiserror::Error)]
pub enum CommitError {
    /// The partition is not ours any more: whatever was in flight there is its new owner's.
    #[error("the partition is not ours any more")]
    NotOurs,
    /// It may have been committed or not.
    #[error("not acknowledged by the broker: {0}")]
    Failed(Box<str>),
}

/// Where records come from: the side that the actors call. The other side is [`Intake`], which the source calls.
pub trait Source: Send + Sync {
    /// Calls `done` once the offset is durable at the broker; an acknowledged commit also proves that the partition
    /// was still ours when it was sent.
    fn commit(&self, commit: Commit, done: Done<Result<(), CommitError>>);
}

/// What time it is.
pub trait Clock: Send + Sync {
    /// Wall clock, milliseconds since 1970. It may jump.
    fn wall_ms(&self) -> i64;

    /// A clock that never jumps and goes on while the machine sleeps (`CLOCK_BOOTTIME`), in milliseconds: leases and
    /// deadlines are counted on it.
    fn boot_ms(&self) -> i64;
}

/// Chance.
pub trait Dice: Send + Sync {
    /// A number in `[0, 1)`.
    fn roll(&self) -> f64;
}

impl Dropped for Answer {
    fn dropped() -> Self {
        Self::Lost("the call was dropped".into())
    }
}

impl Dropped for Result<(), PublishError> {
    fn dropped() -> Self {
        Err(PublishError("the producer stopped".into()))
    }
}

impl Dropped for Result<(), CommitError> {
    fn dropped() -> Self {
        Err(CommitError::Failed("the consumer stopped".into()))
    }
}
