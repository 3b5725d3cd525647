//! The donation: what was accepted, how far it has come, and the one function that says what happens next.

use std::sync::Arc;

use serde::{Deserialize, Serialize};

use crate::ids::Place;
use crate::request::DonationRequest;

/// A donation as it was first read: decoded once, shared by everything that handles it, and never changed.
#[derive(Clone, PartialEq, Eq, Debug, Serialize, Deserialize)]
pub struct Donation {
    /// What was asked for.
    pub request: DonationRequest,
    /// Where the request stands: where it stood first, if it was forwarded to its shard.
    pub place: Place,
    /// Its offset in its shard's own log, which orders the shard's donations: the place's, unless it was forwarded.
    pub shard_offset: i64,
    /// The record's timestamp, milliseconds since 1970: stream time. Ages, holds and the window are judged by it.
    pub recorded_at_ms: i64,
    /// When it arrived here, wall clock, milliseconds since 1970: key lives are counted from it.
    pub accepted_at_ms: i64,
    /// Which version of the adapter's frozen body its charge has: from it and the fields above, which never change,
    /// the very bytes are rebuilt.
    pub body_version: u16,
    /// Headers that outcomes carry on.
    pub trace: Option<Arc<Trace>>,
}

/// The trace headers of a request, as they came.
#[derive(Clone, PartialEq, Eq, Debug, Default, Serialize, Deserialize)]
pub struct Trace {
    /// `traceparent` (W3C).
    pub traceparent: Option<Box<str>>,
    /// `correlation-id`.
    pub correlation_id: Option<Box<str>>,
}

/// What is told of a donation: the states of the design's diagram that exist by now.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Debug, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum State {
    /// Durable; nothing was sent.
    Accepted,
    /// The user was asked about a suspected double.
    Held,
    /// A charge is on its way.
    Charging,
    /// No money moved; another try is due.
    Retrying,
    /// Money may have moved; the gateway is asked until it is known.
    Unknown,
    /// Charged.
    Succeeded,
    /// Not charged, and never will be.
    Failed,
    /// Dropped at the user's word, or for want of it.
    Cancelled,
}

/// Why the store, not Kafka, must drive a donation on.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Debug, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum PendingKind {
    /// The user was asked.
    Held,
    /// Another try is due.
    Retrying,
    /// Money may have moved.
    Unknown,
    /// It waits for its turn.
    Queued,
    /// A shutdown or a handover left it.
    Drained,
    /// Its actor crashed too often.
    Quarantined,
    /// The gateway charged it beside what was told. It is not told itself: what was told stands.
    Surplus,
}

mod answers;
mod machine;
mod progress;
mod proof;
mod step;
mod surplus;

pub use machine::{Event, IllegalTransition, Next, Now, Pause, Rules, Transition, Verdict};
pub use progress::{Call, Ending, Failing, Progress};

impl State {
    /// Whether nothing follows any more (a surplus aside, which is refunded beside it).
    #[must_use]
    pub fn is_terminal(self) -> bool {
        matches!(self, Self::Succeeded | Self::Failed | Self::Cancelled)
    }

    /// The state as it stands on the wire.
    #[must_use]
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Accepted => "accepted",
            Self::Held => "held",
            Self::Charging => "charging",
            Self::Retrying => "retrying",
            Self::Unknown => "unknown",
            Self::Succeeded => "succeeded",
            Self::Failed => "failed",
            Self::Cancelled => "cancelled",
        }
    }
}

impl PendingKind {
    /// Every kind, for tables and metrics.
    pub const ALL: [Self; 7] = [
        Self::Held,
        Self::Retrying,
        Self::Unknown,
        Self::Queued,
        Self::Drained,
        Self::Quarantined,
        Self::Surplus,
    ];

    /// The kind as it stands on the wire, in the store and in metrics.
    #[must_use]
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Held => "held",
            Self::Retrying => "retrying",
            Self::Unknown => "unknown",
            Self::Queued => "queued",
            Self::Drained => "drained",
            Self::Quarantined => "quarantined",
            Self::Surplus => "surplus",
        }
    }
}
