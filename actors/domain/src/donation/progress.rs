//! How far a donation has come: all that the next step needs to know of the ones before.

use serde::{Deserialize, Serialize};

use super::{PendingKind, State};
use crate::answer::{Intent, IntentStatus};
use crate::ids::DonationId;
use crate::keys;
use crate::outcome::{Reason, Told, What};

/// How far an unfinished donation has come. It is what the store keeps with a pending donation, whole.
#[derive(Clone, PartialEq, Eq, Debug, Serialize, Deserialize)]
pub struct Progress {
    /// What is told of it.
    pub state: State,
    /// 402s so far.
    pub attempts: u8,
    /// 1; 2 once it was proven that the first key never made an intent.
    pub generation: u8,
    /// The pinned intent: the only one that is fetched, confirmed or cancelled from then on.
    pub intent: Option<Box<str>>,
    /// The call that is on the wire, or that is sent when the due time has come.
    pub call: Call,
    /// The number of the latest permitted send: 0 before the first. An answer to any other send is history.
    pub send: u16,
    /// The latest permitted send is the open one: nothing was made of an answer to it yet.
    pub open: bool,
    /// When the latest send was permitted, wall clock.
    pub permitted_at_ms: i64,
    /// When the latest send that can move money was permitted, wall clock: proofs count from here.
    pub money_sent_at_ms: i64,
    /// When the present call was first sent, wall clock: its key's life is counted from here. 0 before, and while it
    /// is known that the gateway never executed it.
    pub call_began_at_ms: i64,
    /// Sends in a row that brought nothing forward; the backoff's exponent.
    pub fruitless: u16,
    /// A send of the present call went without an answer, and its key has given none since.
    pub unanswered: bool,
    /// A send of an earlier call went without an answer, for good: the gateway may execute it yet.
    pub unanswered_before: bool,
    /// Since when the present key is answered "in use", wall clock; 0 if it is not.
    pub in_use_since_ms: i64,
    /// Confirms so far; the next one's `n` less one.
    pub confirms: u16,
    /// Cancels of the pinned intent so far.
    pub cancels: u16,
    /// Cancels of surplus intents so far.
    pub discards: u16,
    /// The charge key gave its own answer, and it names no intent: it answers nothing else any more.
    pub key_burnt: bool,
    /// The pinned intent took the place of another one since it was seen succeeded: what is left is to cancel that one.
    pub adopted: bool,
    /// Intents that were charged beside the one that stands, or after it was told that none was: not refunded yet.
    pub surplus: Vec<Box<str>>,
    /// Intents that were a surplus, and are refunded.
    pub reversed: Vec<Box<str>>,
    /// What it fails with once it is proven that no money moved.
    pub failing: Option<Failing>,
    /// The sequence of its latest event.
    pub sequence: u32,
    /// The kinds of pending that were told, a bit each.
    pub told_kinds: u8,
    /// The donation that a held one looks like.
    pub duplicate_of: Option<DonationId>,
    /// When the hold lapses, in stream time.
    pub hold_lapses_at_ms: i64,
}

/// Why a donation is on its way to `failed`.
#[derive(Clone, PartialEq, Eq, Debug, Serialize, Deserialize)]
pub struct Failing {
    /// The reason.
    pub reason: Reason,
    /// The card network's reason, if there is one.
    pub decline_code: Option<Box<str>>,
}

/// One kind of request to the gateway.
#[derive(Clone, PartialEq, Eq, Debug, Serialize, Deserialize)]
pub enum Call {
    /// Call 1: create and confirm, under the charge key, with the frozen body.
    Charge,
    /// Read the pinned intent.
    Fetch,
    /// Confirm the pinned intent, for the nth time.
    Confirm {
        /// From 1.
        n: u16,
    },
    /// Cancel the pinned intent, for the nth time.
    Cancel {
        /// From 1.
        n: u16,
    },
    /// Read the consistent list and look for the donation's intents.
    List,
    /// Create the intent of generation 2, unconfirmed, for the nth time.
    CreateIntent {
        /// From 1.
        n: u16,
    },
    /// Cancel an intent of ours that is not the pinned one.
    Discard {
        /// The surplus intent.
        intent: Box<str>,
        /// From 1.
        n: u16,
    },
    /// Refund all that an intent charged that does not stand for the donation.
    Reverse {
        /// The surplus intent.
        intent: Box<str>,
    },
}

impl Call {
    /// The idempotency key of the call, where it has one: reads have none.
    #[must_use]
    pub fn key(&self, id: DonationId) -> Option<String> {
        match self {
            Self::Charge => Some(keys::charge(id)),
            Self::Confirm { n } => Some(keys::confirm(id, *n)),
            Self::Cancel { n } => Some(keys::cancel(id, *n)),
            Self::Discard { intent, n } => Some(keys::discard(id, intent, *n)),
            Self::Reverse { intent } => Some(keys::reversal(id, intent)),
            Self::CreateIntent { n } => Some(keys::intent(id, *n)),
            Self::Fetch | Self::List => None,
        }
    }

    /// Whether a send of this call can charge the user.
    #[must_use]
    pub fn moves_money(&self) -> bool {
        matches!(self, Self::Charge | Self::Confirm { .. })
    }

    /// A short name for logs, metrics and the row of the send; the label `call`.
    #[must_use]
    pub fn name(&self) -> &'static str {
        match self {
            Self::Charge => "charge",
            Self::Fetch => "fetch",
            Self::Confirm { .. } => "confirm",
            Self::Cancel { .. } => "cancel",
            Self::List => "list",
            Self::CreateIntent { .. } => "create_intent",
            Self::Discard { .. } => "discard",
            Self::Reverse { .. } => "reverse",
        }
    }
}

/// How a donation ended.
#[derive(Clone, PartialEq, Eq, Debug, Serialize, Deserialize)]
pub struct Ending {
    /// Succeeded, failed or cancelled.
    pub state: State,
    /// Why, unless it succeeded.
    pub reason: Option<Reason>,
    /// The card network's reason of a decline.
    pub decline_code: Option<Box<str>>,
    /// The gateway's intent, where one was pinned.
    pub intent_id: Option<Box<str>>,
    /// The gateway's charge, where money moved.
    pub charge_id: Option<Box<str>>,
    /// When the gateway created the intent, in seconds since 1970, where money moved: the charge's day in the books.
    pub created_s: Option<i64>,
    /// 402s in all.
    pub attempts: u8,
}

impl Ending {
    /// The intent that was charged, as the answer showed it.
    #[must_use]
    pub fn charged_intent(&self) -> Option<Intent> {
        let id = self.intent_id.clone()?;
        (self.state == State::Succeeded).then(|| Intent {
            id,
            status: IntentStatus::Succeeded,
            created_s: self.created_s.unwrap_or(0),
            charge_id: self.charge_id.clone(),
        })
    }

    /// The event that tells of this ending.
    #[must_use]
    pub fn told(&self, sequence: u32, occurred_at_ms: i64) -> Told {
        let what = match (self.state, self.reason) {
            (State::Succeeded, _) => What::Succeeded {
                gateway_charge_id: self
                    .charge_id
                    .clone()
                    .or_else(|| self.intent_id.clone())
                    .unwrap_or_default(),
            },
            (State::Cancelled, Some(reason)) => What::Cancelled { reason },
            (_, reason) => What::Failed {
                reason: reason.unwrap_or(Reason::Expired),
                decline_code: self.decline_code.clone(),
            },
        };
        Told {
            sequence,
            occurred_at_ms,
            status: self.state,
            attempts: self.attempts,
            what,
        }
    }
}

impl Progress {
    /// A donation of which nothing has happened yet but that it is to be charged.
    #[must_use]
    pub fn new() -> Self {
        Self {
            state: State::Accepted,
            attempts: 0,
            generation: 1,
            intent: None,
            call: Call::Charge,
            send: 0,
            open: false,
            permitted_at_ms: 0,
            money_sent_at_ms: 0,
            call_began_at_ms: 0,
            fruitless: 0,
            unanswered: false,
            unanswered_before: false,
            in_use_since_ms: 0,
            confirms: 0,
            cancels: 0,
            discards: 0,
            key_burnt: false,
            adopted: false,
            surplus: Vec::new(),
            reversed: Vec::new(),
            failing: None,
            sequence: 0,
            told_kinds: 0,
            duplicate_of: None,
            hold_lapses_at_ms: 0,
        }
    }

    /// A donation whose accepting write also permitted its first send, at this moment (wall clock): what a takeover
    /// begins from where nothing else is recorded.
    #[must_use]
    pub fn first_sent(permitted_at_ms: i64) -> Self {
        Self {
            state: State::Charging,
            send: 1,
            open: true,
            permitted_at_ms,
            money_sent_at_ms: permitted_at_ms,
            call_began_at_ms: permitted_at_ms,
            ..Self::new()
        }
    }

    /// A restored store does not remember all: the gateway's list shows this intent of the donation. Charged, it is
    /// fetched, and recorded by its answer. Else its key is dead, and what was told of it is not known here: a failed
    /// donation stays failed, so it is cancelled.
    #[must_use]
    pub fn sighted(self, intent: &str, is_charged: bool) -> Self {
        if self.state.is_terminal() || (self.intent.is_some() && !is_charged) {
            return self; // nothing but that intent is sent for it
        }
        let expired = Failing {
            reason: Reason::Expired,
            decline_code: None,
        };
        Self {
            state: State::Unknown,
            intent: Some(intent.into()),
            call: Call::Fetch,
            open: false,
            call_began_at_ms: 0,
            fruitless: 0,
            unanswered: false,
            in_use_since_ms: 0,
            failing: (!is_charged).then_some(expired),
            ..self
        }
    }

    /// The progress of a donation that ended so: what an answer that comes yet is held against.
    #[must_use]
    pub fn ended(self, ending: &Ending) -> Self {
        if self.state.is_terminal() {
            return self;
        }
        Self {
            state: ending.state,
            intent: ending.intent_id.clone(),
            open: false,
            ..self
        }
    }

    /// Whether the gateway charged it beside what was told, and that was not refunded yet.
    #[must_use]
    pub fn has_surplus(&self) -> bool {
        !self.surplus.is_empty()
    }

    /// Whether no send can have moved money, and none can yet.
    pub(super) fn nothing_can_have_moved(&self) -> bool {
        let open = self.open && self.call.moves_money();
        self.state != State::Unknown && !open && !self.unanswered && !self.unanswered_before
    }

    /// Whether this kind of pending was told before: it is told once per kind, not per retry.
    #[must_use]
    pub fn was_told(&self, kind: PendingKind) -> bool {
        self.told_kinds & bit(kind) != 0
    }

    /// Notes that the kind is told now, as the next event in sequence.
    #[must_use = "what is told is recorded with the progress, in one write"]
    pub fn tell(&mut self, kind: PendingKind, occurred_at_ms: i64, what: What) -> Told {
        self.told_kinds |= bit(kind);
        self.sequence = self.sequence.saturating_add(1);
        Told {
            sequence: self.sequence,
            occurred_at_ms,
            status: self.state,
            attempts: self.attempts,
            what,
        }
    }
}

impl Default for Progress {
    fn default() -> Self {
        Self::new()
    }
}

fn bit(kind: PendingKind) -> u8 {
    1 << kind as u8
}
