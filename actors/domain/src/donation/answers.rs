//! What an answer makes of a donation: the table of `CHARGES.md`, its column "next".

use super::progress::Failing;
use super::step::Step;
use super::{Call, Pause, State, Transition};
use crate::answer::{AUTHENTICATION_REQUIRED, Answer, Intent, IntentStatus, Refused};
use crate::outcome::Reason;
use crate::retry;

/// A key that stays in use for longer than this, while other calls pass, is taken for unknown.
const KEY_IN_USE_MAX_MS: i64 = 5 * 60_000;

impl Step<'_> {
    /// Point 7: an answer moves the donation only if its send is the open one, or if it says *charged*. Point 3: any
    /// answer that names an intent pins it.
    pub(super) fn answered(mut self, send: u16, answer: Answer) -> Transition {
        let is_open = self.progress.open && send == self.progress.send;
        let is_list = is_open && self.progress.call == Call::List;
        if let (Some(intent), false) = (charged_intent(&answer), is_list) {
            if self.progress.adopted && self.is_pinned(intent) && !is_open {
                return self.stay(); // known, and its surplus comes first
            }
            let intent = intent.clone();
            return self.charged(intent);
        }
        if let (None, Some(intent)) = (&self.progress.intent, answer.intent()) {
            self.progress.intent = Some(intent.id.clone());
            self.progress.fruitless = 0;
        }
        if !is_open {
            return self.stay();
        }
        self.progress.open = false;
        if !matches!(answer, Answer::KeyInUse) {
            self.progress.in_use_since_ms = 0;
        }
        self.answered_open(answer)
    }

    fn answered_open(mut self, answer: Answer) -> Transition {
        match answer {
            Answer::Intent(intent) => self.intent_seen(&intent),
            Answer::Listed(intents) if self.progress.call == Call::List => self.listed(&intents),
            Answer::Listed(_) | Answer::Refunded => self.no_answer(), // to something that was not asked
            Answer::Declined {
                ref code,
                ref decline_code,
                ref intent,
            } => {
                let is_soft = answer.is_soft_decline();
                let status = intent.as_ref().map(|intent| intent.status);
                self.declined(is_soft, code, decline_code.as_deref(), status)
            }
            Answer::Refused(refused) => self.refused(refused),
            Answer::KeyMismatch => self.ask_elsewhere(),
            Answer::OurDefect { .. } => self.not_understood(),
            Answer::Forbidden => self.again(retry::MENDING),
            Answer::BadApiKey => {
                self.not_executed();
                self.again(retry::MENDING)
            }
            Answer::KeyInUse => self.key_in_use(),
            Answer::RateLimited {
                retry_after_ms: Some(ms),
            } => {
                self.not_executed();
                self.go_on(Pause::RetryAfter { ms })
            }
            Answer::RateLimited {
                retry_after_ms: None,
            }
            | Answer::NotSent(_) => {
                self.not_executed();
                self.again(retry::ASK)
            }
            Answer::ServerError { replayed: true, .. } => {
                self.progress.key_burnt |= self.progress.call == Call::Charge;
                self.ask_elsewhere()
            }
            Answer::ServerError {
                replayed: false, ..
            } => {
                self.lost();
                self.again(retry::ASK)
            }
            Answer::Lost(_) => self.no_answer(),
        }
    }

    /// Point 2: the same key and bytes at once, then with backoff.
    fn no_answer(mut self) -> Transition {
        self.lost();
        if self.progress.fruitless == 0 {
            self.progress.fruitless = 1;
            return self.go_on(Pause::None);
        }
        self.again(retry::ASK)
    }

    /// The gateway did not execute this send; if none before it went unanswered, the key is as good as new.
    fn not_executed(&mut self) {
        if !self.progress.unanswered {
            self.progress.call_began_at_ms = 0;
        }
    }

    /// The key of the present call answers nothing any more.
    fn ask_elsewhere(mut self) -> Transition {
        self.lost();
        let call = self.other_way();
        self.turn_and_ask(call)
    }

    fn key_in_use(mut self) -> Transition {
        if self.progress.in_use_since_ms == 0 {
            self.progress.in_use_since_ms = self.now.wall_ms;
        }
        let since_ms = self
            .now
            .wall_ms
            .saturating_sub(self.progress.in_use_since_ms);
        if since_ms > KEY_IN_USE_MAX_MS {
            return self.ask_elsewhere();
        }
        self.progress.unanswered |= self.progress.call.moves_money(); // that other send
        self.again(retry::ASK)
    }

    /// The gateway did not take the request as we made it: for a person, unless it is the pinned intent's state that
    /// spoke against a cancel.
    fn not_understood(self) -> Transition {
        match self.progress.call {
            Call::Cancel { .. } => self.follow(Call::Fetch),
            Call::Discard { .. } => self.turn_and_ask(Call::List),
            Call::Charge
            | Call::Fetch
            | Call::Confirm { .. }
            | Call::List
            | Call::CreateIntent { .. }
            | Call::Reverse { .. } => self.again(retry::MENDING),
        }
    }

    pub(super) fn intent_seen(self, intent: &Intent) -> Transition {
        match self.progress.call {
            Call::CreateIntent { .. } => return self.follow(Call::List), // point 4: pin one, list once more
            Call::Discard { .. } => return self.discarded(intent.status),
            Call::Charge
            | Call::Fetch
            | Call::Confirm { .. }
            | Call::Cancel { .. }
            | Call::List
            | Call::Reverse { .. } => {}
        }
        if !self.is_pinned(intent) {
            return self.turn_and_ask(Call::List); // what another intent says is no proof for the pinned one
        }
        match intent.status {
            IntentStatus::Succeeded => self.charged(intent.clone()),
            IntentStatus::Processing => self.processing(),
            IntentStatus::RequiresAction => self.fail(Reason::AuthenticationRequired.into(), false),
            IntentStatus::Canceled => self.finish_failed(Reason::AttemptsExhausted.into()),
            IntentStatus::RequiresPaymentMethod | IntentStatus::RequiresConfirmation => {
                self.not_charged_yet()
            }
        }
    }

    fn processing(mut self) -> Transition {
        self.progress.state = State::Unknown;
        self.turn_and_ask(Call::Fetch)
    }

    /// The pinned intent moved no money: as the donation's history says.
    fn not_charged_yet(mut self) -> Transition {
        if let Some(failing) = self.progress.failing.clone() {
            return self.fail(failing, false);
        }
        let is_new = self.progress.confirms == 0 && self.progress.generation > 1;
        self.progress.state = State::Retrying;
        self.turn_to_next_confirm();
        if is_new {
            return self.go_on(Pause::None);
        }
        self.again(retry::SOFT_DECLINE)
    }

    /// A card's answer, and the key's own: whatever else was sent under that key gets it too.
    fn declined(
        mut self,
        is_soft: bool,
        code: &str,
        decline_code: Option<&str>,
        status: Option<IntentStatus>,
    ) -> Transition {
        if !self.progress.call.moves_money() {
            return self.not_understood(); // nobody asked a card
        }
        self.progress.unanswered = false;
        self.progress.attempts = self.progress.attempts.saturating_add(1);
        self.progress.fruitless = 0;
        let is_exhausted = is_soft && self.progress.attempts >= self.rules.attempts_max;
        let is_canceled = status == Some(IntentStatus::Canceled); // at its own limit
        if status == Some(IntentStatus::Processing) {
            return self.processing();
        }
        if is_soft && !is_exhausted && !is_canceled {
            return self.try_again_later();
        }
        let needs_user = [Some(code), decline_code].contains(&Some(AUTHENTICATION_REQUIRED));
        let failing = Failing {
            reason: match (is_soft, needs_user) {
                (true, _) => Reason::AttemptsExhausted,
                (false, true) => Reason::AuthenticationRequired,
                (false, false) => Reason::CardDeclined,
            },
            decline_code: Some(decline_code.unwrap_or(code).into()),
        };
        self.fail(failing, !is_soft || is_canceled)
    }

    fn try_again_later(mut self) -> Transition {
        self.progress.state = State::Retrying;
        if self.progress.intent.is_some() {
            self.turn_to_next_confirm();
        } else {
            self.progress.key_burnt = true;
            self.turn_to(Call::List);
        }
        let n = u16::from(self.progress.attempts).saturating_sub(1);
        let schedule = retry::SOFT_DECLINE;
        self.go_on(Pause::Backoff { schedule, n })
    }

    fn refused(mut self, refused: Refused) -> Transition {
        let reason = match refused {
            Refused::PaymentMethod => Reason::PaymentMethodInvalid,
            Refused::Amount => Reason::AmountOutOfBounds,
        };
        match self.progress.call {
            Call::Charge => {
                self.progress.key_burnt = true;
                self.fail(reason.into(), false)
            }
            Call::Confirm { .. } | Call::CreateIntent { .. } => self.fail(reason.into(), false),
            Call::Fetch
            | Call::Cancel { .. }
            | Call::List
            | Call::Discard { .. }
            | Call::Reverse { .. } => self.not_understood(),
        }
    }
}

/// The intent that was charged, if the answer says so.
fn charged_intent(answer: &Answer) -> Option<&Intent> {
    let is_charged = |intent: &&Intent| intent.status == IntentStatus::Succeeded;
    match answer {
        Answer::Intent(intent) => Some(intent).filter(is_charged),
        Answer::Declined { intent, .. } => intent.as_ref().filter(is_charged),
        Answer::Listed(intents) => intents.iter().find(is_charged),
        Answer::Refunded
        | Answer::Refused(_)
        | Answer::KeyMismatch
        | Answer::OurDefect { .. }
        | Answer::BadApiKey
        | Answer::Forbidden
        | Answer::KeyInUse
        | Answer::RateLimited { .. }
        | Answer::ServerError { .. }
        | Answer::NotSent(_)
        | Answer::Lost(_) => None,
    }
}
