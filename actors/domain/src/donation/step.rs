//! One step of a donation: the checks' verdict, the hold's end, a due call; and the moves that every step is made of.

use super::progress::Failing;
use super::{
    Call, Donation, Next, Now, Pause, PendingKind, Progress, Rules, State, Transition, Verdict,
};
use crate::outcome::Reason;
use crate::retry::{self, Schedule};

/// One step on its way: what was, what time it is, what holds.
pub(super) struct Step<'a> {
    pub(super) donation: &'a Donation,
    pub(super) progress: Progress,
    pub(super) now: Now,
    pub(super) rules: &'a Rules,
}

impl Step<'_> {
    pub(super) fn judged(mut self, verdict: Verdict) -> Transition {
        match verdict {
            Verdict::Charge => self.due(),
            Verdict::Queue => {
                let n = self.progress.fruitless;
                self.progress.fruitless = n.saturating_add(1);
                let schedule = retry::ASK;
                self.wait(Pause::Backoff { schedule, n }, PendingKind::Queued)
            }
            Verdict::Hold { duplicate_of } => {
                self.progress.state = State::Held;
                self.progress.duplicate_of = Some(duplicate_of);
                self.progress.hold_lapses_at_ms = self
                    .donation
                    .recorded_at_ms
                    .saturating_add(self.rules.confirm_within_ms);
                self.hold()
            }
            Verdict::Refuse { reason } => self.finish_failed(reason.into()),
        }
    }

    /// Waits for the user. The hold's end is in stream time; the due time only wakes.
    fn hold(self) -> Transition {
        let left_ms = self
            .progress
            .hold_lapses_at_ms
            .saturating_sub(self.now.stream_ms);
        let ms = self.now.wall_ms.saturating_add(left_ms.max(0));
        self.wait(Pause::Until { ms }, PendingKind::Held)
    }

    pub(super) fn user_confirmed(mut self) -> Transition {
        self.progress.state = State::Accepted;
        self.wait(Pause::None, PendingKind::Queued)
    }

    pub(super) fn hold_lapsed(self) -> Transition {
        if self.now.stream_ms < self.progress.hold_lapses_at_ms {
            return self.hold();
        }
        self.cancelled(Reason::DuplicateExpired)
    }

    /// The call is sent, unless its time is over. Whether the last send went out, and whether its answer comes yet, is
    /// not asked: without an answer it counts as on its way.
    pub(super) fn due(mut self) -> Transition {
        self.supersede();
        if self.progress.failing.is_none() && self.is_too_old() && self.may_give_up() {
            return self.fail(Reason::Expired.into(), false);
        }
        self.replace_spent_call();
        let progress = &mut self.progress;
        if progress.send == 0 {
            progress.fruitless = 0; // it only queued
        }
        progress.send = progress.send.saturating_add(1);
        progress.open = true;
        progress.permitted_at_ms = self.now.wall_ms;
        if progress.call_began_at_ms == 0 {
            progress.call_began_at_ms = self.now.wall_ms;
        }
        if progress.call.moves_money() {
            progress.money_sent_at_ms = self.now.wall_ms;
        }
        if progress.state != State::Unknown {
            progress.state = State::Charging;
        }
        Transition {
            progress: self.progress,
            next: Next::Send,
        }
    }

    pub(super) fn set_aside(mut self, kind: PendingKind, due_ms: i64) -> Transition {
        let until = Pause::Until { ms: due_ms };
        let is_open = self.progress.open && self.progress.call.moves_money();
        let is_unknown = is_open || self.progress.state == State::Unknown;
        if is_unknown && kind == PendingKind::Quarantined {
            self.progress.state = State::Unknown;
            return self.wait(until, PendingKind::Unknown);
        }
        self.wait(until, kind)
    }

    /// An open send that could move money, and has no answer when the next one is made, is on its way.
    fn supersede(&mut self) {
        if self.progress.open && self.progress.call.moves_money() {
            self.lost();
        }
        self.progress.open = false;
    }

    /// Money may have moved by the send, if it was one that can.
    pub(super) fn lost(&mut self) {
        if self.progress.call.moves_money() {
            self.progress.state = State::Unknown;
            self.progress.unanswered = true;
        }
    }

    /// Whether the present call can be given up for age: reads and cancels go on, since they are what brings proof.
    fn may_give_up(&self) -> bool {
        match self.progress.call {
            Call::Charge | Call::CreateIntent { .. } => {
                self.progress.intent.is_none() && self.progress.nothing_can_have_moved()
            }
            Call::Confirm { .. } => true, // a cancel of the intent is its proof
            Call::Fetch
            | Call::Cancel { .. }
            | Call::List
            | Call::Discard { .. }
            | Call::Reverse { .. } => false,
        }
    }

    pub(super) fn is_too_old(&self) -> bool {
        self.now
            .stream_ms
            .saturating_sub(self.donation.recorded_at_ms)
            > self.rules.max_age_ms
    }

    /// Points 2 to 4: with an intent pinned none is created any more; and past its key's life a call is not resent,
    /// since the same key would execute anew.
    fn replace_spent_call(&mut self) {
        let creates = match self.progress.call {
            Call::Charge | Call::CreateIntent { .. } => true,
            Call::Fetch
            | Call::Confirm { .. }
            | Call::Cancel { .. }
            | Call::List
            | Call::Discard { .. }
            | Call::Reverse { .. } => false,
        };
        let needless = creates && self.progress.intent.is_some();
        let began_ms = self.progress.call_began_at_ms;
        let age_ms = self.now.wall_ms.saturating_sub(began_ms);
        let spent = began_ms != 0 && age_ms >= self.rules.key_usable_ms();
        if needless || spent {
            self.turn_to(self.other_way());
        }
    }

    /// How to go on where the present call, or its key, answers nothing any more.
    pub(super) fn other_way(&self) -> Call {
        let is_pinned = self.progress.intent.is_some();
        match &self.progress.call {
            Call::Charge if is_pinned => Call::Fetch,
            Call::CreateIntent { .. } if is_pinned => Call::List,
            Call::Charge | Call::List => Call::List,
            Call::Confirm { .. } | Call::Cancel { .. } | Call::Fetch => Call::Fetch,
            Call::CreateIntent { n } => Call::CreateIntent {
                n: n.saturating_add(1),
            },
            Call::Discard { .. } | Call::Reverse { .. } => Call::List,
        }
    }

    pub(super) fn turn_to_next_confirm(&mut self) {
        let n = self.progress.confirms.saturating_add(1);
        self.progress.confirms = n;
        self.turn_to(Call::Confirm { n });
    }

    /// Another call takes the place of the present one, whose lost sends stay lost.
    pub(super) fn turn_to(&mut self, call: Call) {
        self.supersede();
        self.progress.unanswered_before |= self.progress.unanswered;
        self.progress.unanswered = false;
        self.progress.in_use_since_ms = 0;
        self.progress.call_began_at_ms = 0;
        self.progress.call = call;
    }

    /// The next call follows at once.
    pub(super) fn follow(mut self, call: Call) -> Transition {
        self.turn_to(call);
        self.go_on(Pause::None)
    }

    /// The next call follows with the patience that the present one had come to.
    pub(super) fn turn_and_ask(mut self, call: Call) -> Transition {
        self.turn_to(call);
        self.again(retry::ASK)
    }

    /// The present call, once more.
    pub(super) fn again(mut self, schedule: Schedule) -> Transition {
        let n = self.progress.fruitless;
        self.progress.fruitless = n.saturating_add(1);
        self.go_on(Pause::Backoff { schedule, n })
    }

    /// Waits for the present call, and tells why in general: money may have moved, or it is just not done.
    pub(super) fn go_on(mut self, pause: Pause) -> Transition {
        let kind = if self.progress.state == State::Unknown {
            PendingKind::Unknown
        } else {
            self.progress.state = State::Retrying;
            PendingKind::Retrying
        };
        self.wait(pause, kind)
    }

    fn wait(self, pause: Pause, kind: PendingKind) -> Transition {
        Transition {
            progress: self.progress,
            next: Next::Wait { pause, kind },
        }
    }

    pub(super) fn stay(self) -> Transition {
        Transition {
            progress: self.progress,
            next: Next::Stay,
        }
    }
}

impl From<Reason> for Failing {
    fn from(reason: Reason) -> Self {
        Self {
            reason,
            decline_code: None,
        }
    }
}
