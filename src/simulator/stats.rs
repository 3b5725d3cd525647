//! What the simulator has counted.

use std::sync::atomic::{AtomicU64, Ordering};

/// The endpoints, as they are counted.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Endpoint {
    CreateIntent,
    FetchIntent,
    ListIntents,
    SearchIntents,
    ConfirmIntent,
    CancelIntent,
    CreateRefund,
    FetchRefund,
    ListRefunds,
    FetchCharge,
    CreateMethod,
    FetchMethod,
    Unknown,
}

const ENDPOINTS: [&str; 13] = [
    "create_intent",
    "fetch_intent",
    "list_intents",
    "search_intents",
    "confirm_intent",
    "cancel_intent",
    "create_refund",
    "fetch_refund",
    "list_refunds",
    "fetch_charge",
    "create_method",
    "fetch_method",
    "unknown",
];

/// The faults, as they are counted.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum FaultKind {
    RateLimited,
    ErrorBefore,
    ErrorAfter,
    RolledForward,
    AnswerLost,
    AnswerCut,
    BodySlow,
    ResetBefore,
    LateExecution,
}

const FAULTS: [&str; 9] = [
    "rate_limited",
    "error_before",
    "error_after",
    "error_rolled_forward",
    "answer_lost",
    "answer_cut",
    "body_slow",
    "reset_before",
    "late_execution",
];

/// The counters.
#[derive(Default)]
pub(crate) struct Counters {
    requests: [AtomicU64; 13],
    faults: [AtomicU64; 9],
    replays: AtomicU64,
}

/// What was counted since the start.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Stats {
    /// Requests by endpoint; those that were answered 401, 429 or 400 included.
    pub requests: Vec<(&'static str, u64)>,
    /// Faults that were injected, by kind.
    pub faults: Vec<(&'static str, u64)>,
    /// Answers that were repeated from a key.
    pub replays: u64,
    /// Payment intents, those of earlier runs in the same folder included.
    pub intents: u64,
    /// Idempotency keys held.
    pub keys: u64,
}

impl Counters {
    pub(crate) fn request(&self, endpoint: Endpoint) {
        self.requests[endpoint as usize].fetch_add(1, Ordering::Relaxed);
    }

    pub(crate) fn fault(&self, kind: FaultKind) {
        self.faults[kind as usize].fetch_add(1, Ordering::Relaxed);
    }

    pub(crate) fn replay(&self) {
        self.replays.fetch_add(1, Ordering::Relaxed);
    }

    pub(crate) fn snapshot(&self, intents: u64, keys: u64) -> Stats {
        let named = |names: &[&'static str], counts: &[AtomicU64]| {
            let count = |count: &AtomicU64| count.load(Ordering::Relaxed);
            names
                .iter()
                .copied()
                .zip(counts.iter().map(count))
                .collect()
        };
        Stats {
            requests: named(&ENDPOINTS, &self.requests),
            faults: named(&FAULTS, &self.faults),
            replays: self.replays.load(Ordering::Relaxed),
            intents,
            keys,
        }
    }
}

impl Stats {
    /// How many faults of this kind were injected.
    pub fn fault(&self, kind: &str) -> u64 {
        count_of(&self.faults, kind)
    }

    /// How many requests this endpoint had.
    pub fn request(&self, endpoint: &str) -> u64 {
        count_of(&self.requests, endpoint)
    }
}

fn count_of(counts: &[(&str, u64)], name: &str) -> u64 {
    counts
        .iter()
        .find(|(known, _)| *known == name)
        .map_or(0, |(_, count)| *count)
}
