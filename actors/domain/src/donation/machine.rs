//! What happens next: `(progress, event) → (progress, next)`. Live running, takeover and recovery all call
//! [`Donation::on`]; `CHARGES.md` is its specification, and its point numbers stand beside the code.

use super::progress::Failing;
use super::{Call, Donation, Ending, PendingKind, Progress, State};
use crate::answer::{AUTHENTICATION_REQUIRED, Answer, Intent, IntentStatus, MoneyMoved, Refused};
use crate::ids::DonationId;
use crate::outcome::Reason;
use crate::retry::{self, Schedule};

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

/// What can happen to an unfinished donation.
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
    /// It is set aside without an answer: drained, queued or quarantined.
    SetAside {
        /// Which.
        kind: PendingKind,
        /// When it is looked at again, wall clock.
        due_ms: i64,
    },
    /// The user said: yes, charge it.
    UserConfirmed,
    /// The user said: no.
    UserDeclined,
    /// The user said nothing in time.
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

/// A key that stays in use for longer than this, while other calls pass, is taken for unknown.
const KEY_IN_USE_MAX_MS: i64 = 5 * 60_000;

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
    /// Record the finish, then tell of it.
    Finish(Ending),
    /// Nothing: the answer is history.
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
    /// Until this moment, wall clock.
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
#[error("a {} donation cannot take the event {event}", state.as_str())]
pub struct IllegalTransition {
    /// The state.
    pub state: State,
    /// The event's name.
    pub event: &'static str,
}

impl Event {
    fn name(&self) -> &'static str {
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
        let step = Step {
            donation: self,
            progress,
            now,
            rules,
        };
        match (step.progress.state, event) {
            (State::Accepted, Event::Judged(verdict)) => Ok(step.judged(verdict)),
            (State::Accepted | State::Charging | State::Retrying | State::Unknown, Event::Due) => {
                Ok(step.due())
            }
            (
                State::Charging | State::Unknown | State::Retrying,
                Event::Answered { send, answer },
            ) => Ok(step.answered(send, answer)),
            (
                State::Accepted | State::Charging | State::Retrying | State::Unknown,
                Event::TakenOver,
            ) => Ok(step.taken_over()),
            (
                State::Accepted | State::Charging | State::Retrying | State::Unknown,
                Event::SetAside { kind, due_ms },
            ) => Ok(step.set_aside(kind, due_ms)),
            (State::Held, Event::UserConfirmed) => Ok(step.user_confirmed()),
            (State::Held, Event::UserDeclined) => Ok(step.cancelled(Reason::DuplicateDeclined)),
            (State::Held, Event::HoldLapsed) => Ok(step.cancelled(Reason::DuplicateExpired)),
            (state, event) => Err(IllegalTransition {
                state,
                event: event.name(),
            }),
        }
    }
}

/// One step on its way: what was, what time it is, what holds.
struct Step<'a> {
    donation: &'a Donation,
    progress: Progress,
    now: Now,
    rules: &'a Rules,
}

impl Step<'_> {
    fn judged(mut self, verdict: Verdict) -> Transition {
        match verdict {
            Verdict::Charge => self.due(),
            Verdict::Queue => self.wait(
                Pause::Backoff {
                    schedule: retry::ASK,
                    n: 0,
                },
                PendingKind::Queued,
            ),
            Verdict::Hold { duplicate_of } => {
                self.progress.state = State::Held;
                self.progress.duplicate_of = Some(duplicate_of);
                self.progress.hold_lapses_at_ms = self
                    .now
                    .stream_ms
                    .saturating_add(self.rules.confirm_within_ms);
                let lapses = self
                    .now
                    .wall_ms
                    .saturating_add(self.rules.confirm_within_ms);
                self.wait(Pause::Until { ms: lapses }, PendingKind::Held)
            }
            Verdict::Refuse { reason } => self.finish_failed(Failing {
                reason,
                decline_code: None,
            }),
        }
    }

    fn user_confirmed(mut self) -> Transition {
        self.progress.state = State::Accepted;
        self.wait(Pause::None, PendingKind::Queued)
    }

    fn cancelled(mut self, reason: Reason) -> Transition {
        self.progress.state = State::Cancelled;
        let ending = Ending {
            reason: Some(reason),
            ..self.ending(State::Cancelled)
        };
        Transition {
            progress: self.progress,
            next: Next::Finish(ending),
        }
    }

    /// The call is sent, unless its time is over.
    fn due(mut self) -> Transition {
        if self.is_too_old() && self.progress.failing.is_none() && self.nothing_can_have_moved() {
            return self.fail(
                Failing {
                    reason: Reason::Expired,
                    decline_code: None,
                },
                false,
            );
        }
        self.replace_spent_call();
        let progress = &mut self.progress;
        progress.send += 1;
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

    /// Whether the last send went out is not known: where it could move money, it may have.
    fn taken_over(mut self) -> Transition {
        let sent = self.progress.send > 0 && self.progress.call_began_at_ms != 0;
        if sent && self.progress.call.moves_money() {
            self.progress.unanswered = true;
            self.progress.state = State::Unknown;
        }
        self.due()
    }

    fn set_aside(mut self, kind: PendingKind, due_ms: i64) -> Transition {
        let open = self.progress.state == State::Charging && self.progress.call.moves_money();
        if open {
            self.progress.unanswered = true;
        }
        self.wait(Pause::Until { ms: due_ms }, kind)
    }

    /// Points 2 and 4: past its key's life a call is not resent, since the same key would execute anew.
    fn replace_spent_call(&mut self) {
        let progress = &self.progress;
        let first_use = match progress.call {
            Call::Charge => self.donation.accepted_at_ms,
            _ => progress.call_began_at_ms,
        };
        let sent_before = progress.call_began_at_ms != 0;
        if !sent_before || self.now.wall_ms.saturating_sub(first_use) < self.rules.key_usable_ms() {
            return;
        }
        match self.progress.call.clone() {
            Call::Charge => self.turn_to(Call::List),
            Call::Confirm { .. } | Call::Cancel { .. } => self.turn_to(Call::Fetch),
            Call::CreateIntent { n } => self.turn_to(Call::CreateIntent { n: n + 1 }),
            Call::Discard { intent, n } => self.turn_to(Call::Discard { intent, n: n + 1 }),
            Call::Fetch | Call::List => {}
        }
    }

    /// Point 7: an answer moves the donation only if its send is the open one, or if it says *charged*.
    fn answered(mut self, send: u16, answer: Answer) -> Transition {
        let is_open = send == self.progress.send;
        if let (MoneyMoved::Charged, Some(intent)) = (answer.money(), answer.intent()) {
            return self.succeeded(intent.clone());
        }
        if !is_open {
            return self.stay();
        }
        if self.progress.intent.is_none() {
            self.progress.intent = answer.intent().map(|intent| intent.id.clone());
        }
        match answer {
            Answer::Intent(intent) => self.intent_seen(&intent),
            Answer::Listed(intents) => self.listed(intents),
            Answer::Declined {
                ref code,
                ref decline_code,
                ..
            } => {
                let decline_code = decline_code.clone().or_else(|| Some(code.clone()));
                let is_authentication = &**code == AUTHENTICATION_REQUIRED
                    || decline_code.as_deref() == Some(AUTHENTICATION_REQUIRED);
                self.declined(answer.is_soft_decline(), is_authentication, decline_code)
            }
            Answer::Refused(refused) => self.refused(refused),
            Answer::KeyMismatch => {
                self.progress.state = State::Unknown;
                self.progress.unanswered |= self.progress.call.moves_money();
                self.ask_elsewhere()
            }
            Answer::OurDefect { .. } if matches!(self.progress.call, Call::Cancel { .. }) => {
                self.follow(Call::Fetch)
            }
            Answer::OurDefect { .. } if matches!(self.progress.call, Call::Discard { .. }) => {
                self.follow(Call::List)
            }
            Answer::OurDefect { .. } | Answer::BadApiKey | Answer::Forbidden => {
                self.again(retry::MENDING)
            }
            Answer::KeyInUse => {
                let since = self
                    .now
                    .wall_ms
                    .saturating_sub(self.progress.call_began_at_ms);
                if since > KEY_IN_USE_MAX_MS && self.progress.call.moves_money() {
                    self.progress.state = State::Unknown;
                    self.progress.unanswered = true;
                    return self.ask_elsewhere();
                }
                self.again(retry::ASK)
            }
            Answer::RateLimited {
                retry_after_ms: Some(ms),
            } => self.again_after(Pause::RetryAfter { ms }),
            Answer::RateLimited {
                retry_after_ms: None,
            }
            | Answer::NotSent(_) => self.again(retry::ASK),
            Answer::ServerError { replayed: true, .. } => {
                self.lost();
                self.progress.key_burnt |= self.progress.call == Call::Charge;
                self.ask_elsewhere()
            }
            Answer::ServerError {
                replayed: false, ..
            }
            | Answer::Lost(_) => {
                self.lost();
                self.again(retry::ASK)
            }
        }
    }

    fn lost(&mut self) {
        if self.progress.call.moves_money() {
            self.progress.state = State::Unknown;
            self.progress.unanswered = true;
        }
    }

    /// The key of the present call answers nothing any more: ask in another way.
    fn ask_elsewhere(mut self) -> Transition {
        match self.progress.call.clone() {
            Call::Charge => self.turn_to(Call::List),
            Call::Confirm { .. } | Call::Cancel { .. } => self.turn_to(Call::Fetch),
            Call::CreateIntent { n } => self.turn_to(Call::CreateIntent { n: n + 1 }),
            Call::Discard { intent, n } => self.turn_to(Call::Discard { intent, n: n + 1 }),
            Call::Fetch | Call::List => {}
        }
        self.again(retry::ASK)
    }

    fn intent_seen(mut self, intent: &Intent) -> Transition {
        if matches!(self.progress.call, Call::Discard { .. }) {
            return self.follow(Call::List);
        }
        match intent.status {
            IntentStatus::Succeeded => self.succeeded(intent.clone()),
            IntentStatus::Processing => {
                self.progress.state = State::Unknown;
                self.turn_to(Call::Fetch);
                self.again(retry::ASK)
            }
            IntentStatus::RequiresAction => self.fail(
                Failing {
                    reason: Reason::AuthenticationRequired,
                    decline_code: None,
                },
                false,
            ),
            IntentStatus::Canceled => {
                let failing = self.progress.failing.clone();
                self.finish_failed(failing.unwrap_or(Failing {
                    reason: Reason::AttemptsExhausted,
                    decline_code: None,
                }))
            }
            IntentStatus::RequiresPaymentMethod | IntentStatus::RequiresConfirmation => {
                self.not_charged_yet()
            }
        }
    }

    /// The pinned intent moved no money: as the donation's history says.
    fn not_charged_yet(mut self) -> Transition {
        if matches!(self.progress.call, Call::CreateIntent { .. }) {
            return self.follow(Call::List); // point 4: pin one, list once more
        }
        if let Some(failing) = self.progress.failing.clone() {
            return self.fail(failing, false);
        }
        let first_confirm = self.progress.confirms == 0 && self.progress.generation > 1;
        self.progress.state = State::Retrying;
        let n = self.progress.fruitless;
        self.turn_to_next_confirm();
        let pause = if first_confirm {
            Pause::None
        } else {
            Pause::Backoff {
                schedule: retry::SOFT_DECLINE,
                n,
            }
        };
        self.progress.fruitless = n + 1;
        self.wait(pause, PendingKind::Retrying)
    }

    fn declined(
        mut self,
        soft: bool,
        authentication: bool,
        decline_code: Option<Box<str>>,
    ) -> Transition {
        self.progress.unanswered = false; // the key's own answer (point 6)
        self.progress.attempts = self.progress.attempts.saturating_add(1);
        let exhausted = self.progress.attempts >= self.rules.attempts_max;
        if !soft {
            let reason = if authentication {
                Reason::AuthenticationRequired
            } else {
                Reason::CardDeclined
            };
            return self.fail(
                Failing {
                    reason,
                    decline_code,
                },
                true,
            );
        }
        if exhausted {
            return self.fail(
                Failing {
                    reason: Reason::AttemptsExhausted,
                    decline_code,
                },
                false,
            );
        }
        self.progress.state = State::Retrying;
        let n = u16::from(self.progress.attempts) - 1;
        if self.progress.intent.is_none() {
            self.progress.key_burnt = true; // a stored 402: the key's own answer
            self.turn_to(Call::List);
        } else {
            self.turn_to_next_confirm();
        }
        self.wait(
            Pause::Backoff {
                schedule: retry::SOFT_DECLINE,
                n,
            },
            PendingKind::Retrying,
        )
    }

    fn refused(mut self, refused: Refused) -> Transition {
        let reason = match refused {
            Refused::PaymentMethod => Reason::PaymentMethodInvalid,
            Refused::Amount => Reason::AmountOutOfBounds,
        };
        let failing = Failing {
            reason,
            decline_code: None,
        };
        match self.progress.call {
            // Another send of the key may be open: unknown, until the list proves otherwise.
            Call::Charge if self.progress.unanswered => {
                self.turn_to(Call::List);
                self.again(retry::ASK)
            }
            Call::Charge | Call::CreateIntent { .. } => self.finish_failed(failing),
            _ => self.fail(failing, false),
        }
    }

    /// Points 4 and 5: what the consistent list shows of this donation.
    fn listed(mut self, intents: Vec<Intent>) -> Transition {
        let find = |status: fn(IntentStatus) -> bool, not: Option<&str>| {
            intents
                .iter()
                .find(|intent| status(intent.status) && Some(&*intent.id) != not)
                .cloned()
        };
        let succeeded = |status| status == IntentStatus::Succeeded;
        let alive = |status| status != IntentStatus::Canceled;
        let Some(pinned) = self.progress.intent.clone() else {
            let found = find(succeeded, None)
                .or_else(|| find(alive, None))
                .or_else(|| intents.first().cloned());
            return match found {
                Some(intent) => {
                    self.progress.intent = Some(intent.id.clone());
                    self.intent_seen(&intent)
                }
                None => self.nothing_listed(),
            };
        };
        if let Some(first) = find(succeeded, Some(&pinned)) {
            // Generation 1 turned up succeeded: adopt it, cancel what was never confirmed.
            self.progress.intent = Some(first.id);
            return self.follow(Call::Discard {
                intent: pinned,
                n: 1,
            });
        }
        if let Some(other) = find(alive, Some(&pinned)) {
            return self.follow(Call::Discard {
                intent: other.id,
                n: 1,
            });
        }
        match intents.iter().find(|intent| intent.id == pinned) {
            Some(intent) => self.intent_seen(intent),
            None => self.follow(Call::Fetch),
        }
    }

    /// Point 4: absence is proven only when no send can make an intent any more, and enough time has passed.
    fn nothing_listed(mut self) -> Transition {
        let now = self.now.wall_ms;
        let key_dead = now
            >= self
                .donation
                .accepted_at_ms
                .saturating_add(self.rules.key_lifetime_ms);
        let settled = now
            >= self
                .progress
                .money_sent_at_ms
                .saturating_add(self.rules.reconcile_bound_ms);
        if !((self.progress.key_burnt || key_dead) && settled) {
            return self.again(retry::ASK);
        }
        self.progress.unanswered = false;
        self.progress.unanswered_before = false;
        if self.is_too_old() {
            return self.finish_failed(Failing {
                reason: Reason::Expired,
                decline_code: None,
            });
        }
        self.progress.generation = 2;
        self.follow(Call::CreateIntent { n: 1 })
    }

    /// Point 6: with a pinned intent `failed` needs `canceled` first, or a hard 402 with no send open.
    fn fail(mut self, failing: Failing, proven: bool) -> Transition {
        let proven = proven && !self.progress.unanswered_before;
        if self.progress.intent.is_none() || proven {
            return self.finish_failed(failing);
        }
        self.progress.failing = Some(failing);
        self.progress.cancels += 1;
        let n = self.progress.cancels;
        let pause = match n {
            1 => Pause::None,
            _ => Pause::Backoff {
                schedule: retry::ASK,
                n,
            },
        };
        self.turn_to(Call::Cancel { n });
        let kind = self.kind();
        self.wait(pause, kind)
    }

    fn succeeded(mut self, intent: Intent) -> Transition {
        self.progress.state = State::Succeeded;
        let ending = Ending {
            reason: None,
            intent_id: Some(intent.id),
            charge_id: intent.charge_id,
            created_s: Some(intent.created_s),
            ..self.ending(State::Succeeded)
        };
        Transition {
            progress: self.progress,
            next: Next::Finish(ending),
        }
    }

    fn finish_failed(mut self, failing: Failing) -> Transition {
        self.progress.state = State::Failed;
        let ending = Ending {
            reason: Some(failing.reason),
            decline_code: failing.decline_code,
            ..self.ending(State::Failed)
        };
        Transition {
            progress: self.progress,
            next: Next::Finish(ending),
        }
    }

    fn ending(&self, state: State) -> Ending {
        Ending {
            state,
            reason: None,
            decline_code: None,
            intent_id: self.progress.intent.clone(),
            charge_id: None,
            created_s: None,
            attempts: self.progress.attempts,
        }
    }

    fn turn_to_next_confirm(&mut self) {
        self.progress.confirms += 1;
        self.turn_to(Call::Confirm {
            n: self.progress.confirms,
        });
    }

    /// Another call takes the place of the present one, whose lost sends stay lost.
    fn turn_to(&mut self, call: Call) {
        self.progress.unanswered_before |= self.progress.unanswered;
        self.progress.unanswered = false;
        self.progress.call = call;
        self.progress.call_began_at_ms = 0;
        self.progress.fruitless = 0;
    }

    /// The next call follows at once.
    fn follow(mut self, call: Call) -> Transition {
        self.turn_to(call);
        let kind = self.kind();
        self.wait(Pause::None, kind)
    }

    /// The present call, once more.
    fn again(self, schedule: Schedule) -> Transition {
        let n = self.progress.fruitless;
        self.again_after(Pause::Backoff { schedule, n })
    }

    fn again_after(mut self, pause: Pause) -> Transition {
        self.progress.fruitless = self.progress.fruitless.saturating_add(1);
        if self.progress.state == State::Charging {
            self.progress.state = State::Retrying;
        }
        let kind = self.kind();
        self.wait(pause, kind)
    }

    fn kind(&self) -> PendingKind {
        if self.progress.state == State::Unknown {
            PendingKind::Unknown
        } else {
            PendingKind::Retrying
        }
    }

    fn wait(mut self, pause: Pause, kind: PendingKind) -> Transition {
        if self.progress.state == State::Charging && kind == PendingKind::Retrying {
            self.progress.state = State::Retrying;
        }
        Transition {
            progress: self.progress,
            next: Next::Wait { pause, kind },
        }
    }

    fn stay(self) -> Transition {
        Transition {
            progress: self.progress,
            next: Next::Stay,
        }
    }

    fn is_too_old(&self) -> bool {
        self.now
            .stream_ms
            .saturating_sub(self.donation.recorded_at_ms)
            > self.rules.max_age_ms
    }

    fn nothing_can_have_moved(&self) -> bool {
        self.progress.state != State::Unknown
            && !self.progress.unanswered
            && !self.progress.unanswered_before
    }
}
