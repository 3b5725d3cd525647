//! What happens next: `(progress, event) → (progress, next)`. Live running, takeover and recovery all call
//! [`Donation::on`]; `CHARGES.md` is its specification, and its point numbers stand beside the code.

use super::step::Step;
use super::{Donation, Ending, PendingKind, Progress, State};
use crate::answer::Answer;
use crate::ids::DonationId;
use crate::outcome::Reason;
use crate::retry::Schedule;

/// What the user's and the campaign's checks make of a new donation, from memory alone.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Verdict {
    /// Charge it now.
    Charge,
    /// Charge it later: its campaign, or its user, has too much in flight.
    Queue,
    /// Ask the user first.
    Hold {
        /// The donation that it looks like.
        duplicate_of: DonationId,
    },
    /// It will never be charged.
    Refuse {
        /// Why.
        reason: Reason,
    },
}

/// What can happen to a donation. To a finished one only an answer that shows a surplus, and what follows from that.
#[derive(Clone, PartialEq, Eq, Debug)]
pub enum Event {
    /// The checks were made: its first event, or the second look at a confirmed hold.
    Judged(Verdict),
    /// The due time has come and the user's turn is taken: its call is sent, if it still may.
    Due,
    /// The gateway answered one send.
    Answered {
        /// The send's number.
        send: u16,
        /// The answer.
        answer: Answer,
    },
    /// Another owner, or another life of this one, takes it on without knowing whether the last send went out.
    TakenOver,
    /// It is set aside without an answer: drained, queued or quarantined. An answer that comes yet still counts,
    /// until the next send.
    SetAside {
        /// Which of the three.
        kind: PendingKind,
        /// When it is looked at again, wall clock.
        due_ms: i64,
    },
    /// The user said: yes, charge it.
    UserConfirmed,
    /// The user said: no.
    UserDeclined,
    /// The hold's due time has come: it lapses if stream time has passed its end, else it is waited for again.
    HoldLapsed,
}

/// What time it is.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct Now {
    /// Wall clock, milliseconds since 1970: due times and key lives.
    pub wall_ms: i64,
    /// The shard's stream time, milliseconds since 1970: ages and holds.
    pub stream_ms: i64,
}

/// The figures of the protocol.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct Rules {
    /// 402s after which a donation fails.
    pub attempts_max: u8,
    /// How long the gateway remembers a key after its first use.
    pub key_lifetime_ms: i64,
    /// After this long since the last permitted send an empty list proves that no money moved.
    pub reconcile_bound_ms: i64,
    /// In stream time, since the record: then it fails, if it is proven that no money moved.
    pub max_age_ms: i64,
    /// How long a held donation waits for its user, in stream time.
    pub confirm_within_ms: i64,
}

impl Rules {
    /// How long a key is used: four hours less than it lives (a sixth, where it lives shorter than a day).
    #[must_use]
    pub fn key_usable_ms(&self) -> i64 {
        self.key_lifetime_ms - (self.key_lifetime_ms / 6).min(4 * 3_600_000)
    }
}

/// What is to be done. Each is durable before the next step, and each is done by the same code whoever drives.
#[derive(Clone, PartialEq, Eq, Debug)]
pub enum Next {
    /// Send `progress.call` as send `progress.send`. But for the very first send the permission is recorded first.
    Send,
    /// Record that `progress.call` is due after the pause.
    Wait {
        /// How long.
        pause: Pause,
        /// Why.
        kind: PendingKind,
    },
    /// Record the finish, then tell of it. A surplus in the progress is recorded with it, and refunded after that.
    Finish(Ending),
    /// After the end: no surplus is left, and what was told stands.
    Settled,
    /// Nothing is to be recorded or sent: the answer is history. The progress may have learned an intent's id from it.
    Stay,
}

/// How long to wait.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Pause {
    /// Not at all: the next call follows at once.
    None,
    /// The nth pause of the schedule, jittered.
    Backoff {
        /// How pauses grow.
        schedule: Schedule,
        /// From 0.
        n: u16,
    },
    /// As long as the gateway said, and jitter on top, so that not all come back at once.
    RetryAfter {
        /// Milliseconds.
        ms: u64,
    },
    /// Until this moment, wall clock; maybe a past one.
    Until {
        /// Milliseconds since 1970.
        ms: i64,
    },
}

/// The donation after an event, and what is to be done.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct Transition {
    /// How far it has come.
    pub progress: Progress,
    /// What is to be done.
    pub next: Next,
}

/// An event that cannot happen in this state: a defect of the caller, or a fact that contradicts a proof. It changes
/// nothing; it is counted and shown.
#[derive(Clone, PartialEq, Eq, Debug, thiserror::Error)]
#[error("a donation that is {} cannot take the event \"{event}\"", state.as_str())]
pub struct IllegalTransition {
    /// The state.
    pub state: State,
    /// The event's name.
    pub event: &'static str,
}

impl Event {
    /// A short name, for logs.
    #[must_use]
    pub fn name(&self) -> &'static str {
        match self {
            Self::Judged(_) => "judged",
            Self::Due => "due",
            Self::Answered { .. } => "answered",
            Self::TakenOver => "taken over",
            Self::SetAside { .. } => "set aside",
            Self::UserConfirmed => "user confirmed",
            Self::UserDeclined => "user declined",
            Self::HoldLapsed => "hold lapsed",
        }
    }

    /// Whether a donation that has come as far as `progress` can take this event.
    fn is_legal(&self, progress: &Progress) -> bool {
        match self {
            // The question is put once: the double check does not apply to a confirmed hold.
            Self::Judged(Verdict::Hold { .. }) => {
                progress.state == State::Accepted && progress.duplicate_of.is_none()
            }
            Self::Judged(Verdict::Charge | Verdict::Queue | Verdict::Refuse { .. }) => {
                progress.state == State::Accepted
            }
            Self::Due | Self::TakenOver => is_driven(progress),
            Self::SetAside { kind, .. } => is_driven(progress) && sets_aside(*kind),
            Self::Answered { .. } => !matches!(progress.state, State::Accepted | State::Held),
            Self::UserConfirmed | Self::UserDeclined | Self::HoldLapsed => {
                progress.state == State::Held
            }
        }
    }
}

/// Whether we, not the user, bring a donation forward that has come so far.
fn is_driven(progress: &Progress) -> bool {
    match progress.state {
        State::Accepted | State::Charging | State::Retrying | State::Unknown => true,
        State::Held => false,
        State::Succeeded | State::Failed | State::Cancelled => progress.has_surplus(),
    }
}

fn sets_aside(kind: PendingKind) -> bool {
    match kind {
        PendingKind::Queued | PendingKind::Drained | PendingKind::Quarantined => true,
        PendingKind::Held | PendingKind::Retrying | PendingKind::Unknown | PendingKind::Surplus => {
            false
        }
    }
}

impl Donation {
    /// What `event` makes of a donation that has come as far as `progress`.
    ///
    /// # Errors
    /// [`IllegalTransition`], with nothing changed.
    pub fn on(
        &self,
        progress: Progress,
        event: Event,
        now: Now,
        rules: &Rules,
    ) -> Result<Transition, IllegalTransition> {
        if !event.is_legal(&progress) {
            return Err(IllegalTransition {
                state: progress.state,
                event: event.name(),
            });
        }
        let step = Step {
            donation: self,
            progress,
            now,
            rules,
        };
        if step.progress.state.is_terminal() {
            return Ok(step.after_the_end(event));
        }
        Ok(match event {
            Event::Judged(verdict) => step.judged(verdict),
            Event::Due | Event::TakenOver => step.due(),
            Event::Answered { send, answer } => step.answered(send, answer),
            Event::SetAside { kind, due_ms } => step.set_aside(kind, due_ms),
            Event::UserConfirmed => step.user_confirmed(),
            Event::UserDeclined => step.cancelled(Reason::DuplicateDeclined),
            Event::HoldLapsed => step.hold_lapsed(),
        })
    }

    /// The range of `created` in which the list is read ([`Call::List`](super::Call::List)), in seconds since 1970,
    /// both ends included: from five minutes before the donation was asked for (a store that was restored accepts it
    /// anew, long after its first sends) to ten minutes after its last permitted send must have left.
    #[must_use]
    pub fn listed_s(&self, progress: &Progress, send_deadline_ms: i64) -> (i64, i64) {
        const BEFORE_MS: i64 = 5 * 60_000;
        const AFTER_MS: i64 = 10 * 60_000;
        let last_ms = progress.permitted_at_ms.max(self.accepted_at_ms);
        let until_ms = last_ms
            .saturating_add(send_deadline_ms)
            .saturating_add(AFTER_MS);
        let asked_ms = self.recorded_at_ms.min(self.accepted_at_ms);
        (
            asked_ms.saturating_sub(BEFORE_MS).div_euclid(1_000),
            until_ms.div_euclid(1_000),
        )
    }
}
