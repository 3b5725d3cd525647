//! What the gateway charged beside what was told (`CHARGES.md` 5): what was told stands, and the surplus is refunded.
//! After "failed" or "cancelled" nothing stands that a charge could be a surplus to: it stays pending, for a person.

use super::step::Step;
use super::{Call, Event, Next, Pause, PendingKind, State, Transition};
use crate::answer::{Answer, Intent, IntentStatus};
use crate::retry::{self, Schedule};

/// How often a charge that was told not to be is looked at, until a person has dealt with it.
const REMIND_MS: i64 = 60 * 60_000;

impl Step<'_> {
    /// Another intent than the one that stands was charged too. Known ones are noted once.
    pub(super) fn note_surplus(&mut self, intent: &str) -> bool {
        let stands = self.progress.state != State::Failed
            && self.progress.state != State::Cancelled
            && self.progress.intent.as_deref() == Some(intent);
        let mut known = self.progress.surplus.iter().chain(&self.progress.reversed);
        if stands || known.any(|known| **known == *intent) {
            return false;
        }
        self.progress.surplus.push(intent.into());
        true
    }

    /// What happens after the end: nothing, unless there is a surplus, or the answer shows one.
    pub(super) fn after_the_end(self, event: Event) -> Transition {
        match event {
            Event::Answered { send, answer } => self.answered_after_the_end(send, &answer),
            Event::SetAside { due_ms, .. } => self.wait_with_surplus(Pause::Until { ms: due_ms }),
            _ => self.surplus_due(),
        }
    }

    fn answered_after_the_end(mut self, send: u16, answer: &Answer) -> Transition {
        let mut is_news = false;
        for intent in charged_intents(answer) {
            is_news |= self.note_surplus(&intent.id);
        }
        let is_open = self.progress.open && send == self.progress.send;
        if is_open {
            self.progress.open = false;
            return self.reversal_answered(answer);
        }
        if !is_news {
            return self.stay();
        }
        self.next_reversal()
    }

    /// The refund is sent, as often as it takes: a whole charge is refunded once, whatever its key still knows.
    fn surplus_due(mut self) -> Transition {
        if self.progress.state != State::Succeeded {
            let ms = self.now.wall_ms.saturating_add(REMIND_MS);
            return self.wait_with_surplus(Pause::Until { ms });
        }
        let progress = &mut self.progress;
        progress.send = progress.send.saturating_add(1);
        progress.open = true;
        progress.permitted_at_ms = self.now.wall_ms;
        Transition {
            progress: self.progress,
            next: Next::Send,
        }
    }

    fn reversal_answered(mut self, answer: &Answer) -> Transition {
        match answer {
            Answer::Refunded => {
                if let Call::Reverse { intent } = &self.progress.call {
                    self.progress.surplus.retain(|known| known != intent);
                    self.progress.reversed.push(intent.clone());
                }
                self.next_reversal()
            }
            Answer::RateLimited {
                retry_after_ms: Some(ms),
            } => self.wait_with_surplus(Pause::RetryAfter { ms: *ms }),
            Answer::Lost(_)
            | Answer::NotSent(_)
            | Answer::KeyInUse
            | Answer::ServerError { .. }
            | Answer::RateLimited {
                retry_after_ms: None,
            } => self.reverse_again(retry::ASK),
            Answer::Intent(_)
            | Answer::Listed(_)
            | Answer::Declined { .. }
            | Answer::Refused(_)
            | Answer::KeyMismatch
            | Answer::OurDefect { .. }
            | Answer::BadApiKey
            | Answer::Forbidden => self.reverse_again(retry::MENDING),
        }
    }

    fn reverse_again(mut self, schedule: Schedule) -> Transition {
        let n = self.progress.fruitless;
        self.progress.fruitless = n.saturating_add(1);
        self.wait_with_surplus(Pause::Backoff { schedule, n })
    }

    /// The next surplus, recorded before it is refunded; or there is none left.
    fn next_reversal(mut self) -> Transition {
        if !self.begin_reversal() {
            return Transition {
                progress: self.progress,
                next: Next::Settled,
            };
        }
        let ms = self.now.wall_ms;
        self.wait_with_surplus(Pause::Until { ms })
    }

    /// Turns to the refund of the first surplus, if there is one.
    pub(super) fn begin_reversal(&mut self) -> bool {
        let Some(intent) = self.progress.surplus.first().cloned() else {
            return false;
        };
        self.progress.call = Call::Reverse { intent };
        self.progress.open = false;
        self.progress.fruitless = 0;
        true
    }

    fn wait_with_surplus(self, pause: Pause) -> Transition {
        Transition {
            progress: self.progress,
            next: Next::Wait {
                pause,
                kind: PendingKind::Surplus,
            },
        }
    }
}

/// The intents that were charged, as the answer says.
fn charged_intents(answer: &Answer) -> impl Iterator<Item = &Intent> {
    let listed = match answer {
        Answer::Listed(intents) => intents.as_slice(),
        _ => &[],
    };
    let shown = listed.iter().chain(answer.intent());
    shown.filter(|intent| intent.status == IntentStatus::Succeeded)
}
