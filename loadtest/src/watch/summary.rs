//! What happened, in numbers.

use std::collections::BTreeMap;

use serde::Serialize;

use super::latency::LatencyMs;
use crate::planned::Kind;
use crate::verdict::Sums;

/// What happened so far. Every count counts once what came in several copies.
#[derive(Clone, PartialEq, Debug, Serialize)]
pub struct Summary {
    /// Requests that were sent.
    pub sent: Sent,
    /// Requests that were answered: by an outcome, a rejection or a dead letter of their own.
    pub requests_answered: u64,
    /// Of these, repeats that were answered with their donation's fate. Exact once all is resolved.
    pub repeats_answered: u64,
    /// Copies that said again what was said: outcomes come at least once.
    pub copies: u64,
    /// Donations by fate (an earlier run's among them); garbage is none.
    pub fates: BTreeMap<&'static str, u64>,
    /// Failed and cancelled donations by reason.
    pub reasons: BTreeMap<Box<str>, u64>,
    /// Rejected requests by reason, answers to questions among them.
    pub rejected: BTreeMap<Box<str>, u64>,
    /// Dead letters by reason.
    pub dead_letters: BTreeMap<Box<str>, u64>,
    /// Suspected doubles.
    pub held: Held,
    /// What succeeded, in minor units by currency.
    pub succeeded_minor: Sums,
    /// From being published to its end.
    pub latency_ms: LatencyMs,
    /// What is still to come.
    pub outstanding: Outstanding,
}

/// Requests that were sent, by why.
#[derive(Clone, PartialEq, Eq, Debug, Default, Serialize)]
pub struct Sent {
    /// New donations.
    pub firsts: u64,
    /// The same id again.
    pub repeats: u64,
    /// The same gift again under another id.
    pub double_clicks: u64,
    /// What cannot be done, garbage among it.
    pub bad: u64,
    /// Yes to a suspected double.
    pub confirms: u64,
    /// No to a suspected double.
    pub cancels: u64,
}

impl Sent {
    pub(super) fn count(&mut self, kind: Kind) {
        *match kind {
            Kind::First => &mut self.firsts,
            Kind::Repeat => &mut self.repeats,
            Kind::DoubleClick { .. } => &mut self.double_clicks,
            Kind::Bad(_) => &mut self.bad,
            Kind::Confirm => &mut self.confirms,
            Kind::Cancel => &mut self.cancels,
        } += 1;
    }

    /// All of them.
    #[must_use]
    pub fn total(&self) -> u64 {
        self.firsts + self.repeats + self.double_clicks + self.bad + self.confirms + self.cancels
    }
}

/// Suspected doubles, planned and by chance, and what became of them.
#[derive(Clone, PartialEq, Eq, Debug, Default, Serialize)]
pub struct Held {
    /// Users who were asked.
    pub asked: u64,
    /// Ended as any donation, since the user said yes.
    pub confirmed: u64,
    /// Dropped at the user's word.
    pub declined: u64,
    /// Dropped, since the user said nothing.
    pub unanswered: u64,
}

/// How a question about a suspected double ended.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(super) enum HoldEnded {
    Confirmed,
    Declined,
    Unanswered,
}

impl HoldEnded {
    pub(super) fn of(reason: &str) -> Self {
        match reason {
            "duplicate_declined" => Self::Declined,
            "duplicate_expired" => Self::Unanswered,
            _ => Self::Confirmed,
        }
    }
}

impl Held {
    pub(super) fn count(&mut self, ended: HoldEnded) {
        *match ended {
            HoldEnded::Confirmed => &mut self.confirmed,
            HoldEnded::Declined => &mut self.declined,
            HoldEnded::Unanswered => &mut self.unanswered,
        } += 1;
    }
}

/// What is still to come before all is resolved.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Default, Serialize)]
pub struct Outstanding {
    /// Donations without a fate.
    pub donations: u64,
    /// Requests without an answer.
    pub requests: u64,
    /// Garbage that is not among the dead letters.
    pub garbage: u64,
}
