//! Proof that money moved, or that none did (`CHARGES.md` 4 to 6): the list, the second generation, the endings.

use super::progress::Failing;
use super::step::Step;
use super::{Call, Ending, Next, Pause, State, Transition};
use crate::answer::{Intent, IntentStatus};
use crate::outcome::Reason;
use crate::retry;

impl Step<'_> {
    /// Points 4 and 5: what the consistent list shows of this donation.
    pub(super) fn listed(mut self, intents: &[Intent]) -> Transition {
        if let Some(charged) = self.charged_among(intents) {
            let others = || intents.iter().filter(|intent| intent.id != charged.id);
            let alive = others().find(|other| is_alive(other));
            let unlisted = self.progress.intent.as_ref().filter(|pinned| {
                let is_listed = |intent: &Intent| intent.id == **pinned;
                !intents.iter().any(is_listed)
            });
            return match (alive, unlisted.cloned()) {
                (Some(alive), _) => self.adopt(charged, alive.id.clone()),
                (None, Some(pinned)) => self.charged_unlisted(charged, others(), pinned),
                (None, None) => self.charged_beside(charged, others()),
            };
        }
        if self.progress.intent.is_none() {
            let alive = intents.iter().find(|intent| is_alive(intent));
            let Some(found) = alive.or_else(|| intents.first()) else {
                return self.nothing_listed();
            };
            self.progress.intent = Some(found.id.clone());
            self.progress.fruitless = 0;
        }
        let surplus = |intent: &&Intent| is_alive(intent) && !self.is_pinned(intent);
        if let Some(surplus) = intents.iter().find(surplus) {
            return self.discard(surplus.id.clone());
        }
        match intents.iter().find(|intent| self.is_pinned(intent)) {
            Some(pinned) => self.intent_seen(pinned),
            None => self.follow(Call::Fetch), // it lies outside the list's range
        }
    }

    /// The charged intent among these, the pinned one first.
    fn charged_among<'a>(&self, intents: &'a [Intent]) -> Option<&'a Intent> {
        let charged = || {
            intents
                .iter()
                .filter(|intent| intent.status == IntentStatus::Succeeded)
        };
        charged()
            .find(|intent| self.is_pinned(intent))
            .or_else(|| charged().next())
    }

    pub(super) fn is_pinned(&self, intent: &Intent) -> bool {
        self.progress.intent.as_ref() == Some(&intent.id)
    }

    /// Point 4: absence is proven only when no send can make an intent any more, and enough time has passed. The list
    /// may be as old as its send.
    fn nothing_listed(mut self) -> Transition {
        let listed_ms = self.progress.permitted_at_ms;
        let sent_ms = self.progress.money_sent_at_ms;
        let is_key_dead = listed_ms >= sent_ms.saturating_add(self.rules.key_lifetime_ms);
        let is_settled = listed_ms >= sent_ms.saturating_add(self.rules.reconcile_bound_ms);
        if !((self.progress.key_burnt || is_key_dead) && is_settled) {
            return self.again(retry::ASK);
        }
        self.progress.unanswered_before = false;
        self.progress.state = State::Retrying;
        self.progress.fruitless = 0;
        if let Some(failing) = self.progress.failing.clone() {
            return self.finish_failed(failing);
        }
        if self.is_too_old() {
            return self.finish_failed(Reason::Expired.into());
        }
        self.progress.generation = 2;
        self.follow(Call::CreateIntent { n: 1 })
    }

    /// What came of the cancel of a surplus intent; the list says what is left.
    pub(super) fn discarded(mut self, status: IntentStatus) -> Transition {
        if status == IntentStatus::Canceled {
            self.progress.fruitless = 0;
            return self.follow(Call::List);
        }
        if status == IntentStatus::Processing {
            self.progress.state = State::Unknown;
        }
        self.turn_and_ask(Call::List)
    }

    /// Cancels a surplus intent, under a key of its own, since the last one's answer stands.
    fn discard(mut self, intent: Box<str>) -> Transition {
        let n = self.progress.discards.saturating_add(1);
        self.progress.discards = n;
        let call = Call::Discard { intent, n };
        match self.progress.fruitless {
            0 => self.follow(call),
            _ => self.turn_and_ask(call),
        }
    }

    /// The user was charged by this intent. Point 5: where another one is pinned, this one is adopted and that one
    /// cancelled before it can charge too; where that one was seen charged, it is the surplus. The second generation
    /// looks once more whether the first has turned up.
    pub(super) fn charged(mut self, intent: Intent) -> Transition {
        match self.progress.intent.clone() {
            Some(other) if other != intent.id && !self.progress.adopted => {
                self.adopt(&intent, other)
            }
            Some(other) if other != intent.id => {
                self.progress.surplus.push(other);
                self.succeeded(intent)
            }
            Some(_) if self.progress.generation > 1 && !self.progress.adopted => {
                self.is_charged();
                self.follow(Call::List)
            }
            Some(_) | None => self.succeeded(intent),
        }
    }

    /// The pinned intent lies outside the list's range: what was seen of it counts.
    fn charged_unlisted<'a>(
        mut self,
        charged: &Intent,
        others: impl Iterator<Item = &'a Intent>,
        pinned: Box<str>,
    ) -> Transition {
        if !self.progress.adopted {
            return self.adopt(charged, pinned);
        }
        self.progress.surplus.push(pinned);
        self.charged_beside(charged, others)
    }

    /// The list shows all: this intent stands, what else was charged is the surplus.
    fn charged_beside<'a>(
        mut self,
        charged: &Intent,
        others: impl Iterator<Item = &'a Intent>,
    ) -> Transition {
        self.progress.intent = Some(charged.id.clone());
        for other in others.filter(|other| other.status == IntentStatus::Succeeded) {
            self.note_surplus(&other.id);
        }
        self.succeeded(charged.clone())
    }

    /// The pinned intent was seen charged: what is left is to look for others.
    fn is_charged(&mut self) {
        if !self.progress.adopted {
            self.progress.fruitless = 0;
        }
        self.progress.adopted = true;
        self.progress.failing = None;
        self.progress.state = State::Unknown;
    }

    fn adopt(mut self, charged: &Intent, surplus: Box<str>) -> Transition {
        self.is_charged();
        self.progress.intent = Some(charged.id.clone());
        self.discard(surplus)
    }

    /// Point 6: with a pinned intent `failed` needs `canceled` first, or proof by the one answer of the one send; and
    /// without one, that no send is open. The first reason stays.
    pub(super) fn fail(mut self, failing: Failing, is_proof: bool) -> Transition {
        let is_open = self.progress.unanswered || self.progress.unanswered_before;
        let is_pinned = self.progress.intent.is_some();
        if !is_open && (is_proof || !is_pinned) {
            return self.finish_failed(failing);
        }
        self.progress.failing.get_or_insert(failing);
        if !is_pinned {
            self.progress.state = State::Unknown;
            return self.turn_and_ask(Call::List);
        }
        let n = self.progress.cancels.saturating_add(1);
        self.progress.cancels = n;
        self.turn_to(Call::Cancel { n });
        self.go_on(match n {
            1 => Pause::None,
            _ => Pause::Backoff {
                schedule: retry::ASK,
                n,
            },
        })
    }

    fn succeeded(mut self, intent: Intent) -> Transition {
        self.progress.intent = Some(intent.id.clone());
        let ending = Ending {
            intent_id: Some(intent.id),
            charge_id: intent.charge_id,
            created_s: Some(intent.created_s),
            ..self.ending(State::Succeeded)
        };
        self.finish(ending)
    }

    pub(super) fn cancelled(self, reason: Reason) -> Transition {
        let ending = Ending {
            reason: Some(reason),
            ..self.ending(State::Cancelled)
        };
        self.finish(ending)
    }

    /// It is proven that no money moved and none will. What it was on its way to fail with comes first.
    pub(super) fn finish_failed(mut self, failing: Failing) -> Transition {
        let failing = self.progress.failing.take().unwrap_or(failing);
        let ending = Ending {
            reason: Some(failing.reason),
            decline_code: failing.decline_code,
            ..self.ending(State::Failed)
        };
        self.finish(ending)
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

    fn finish(mut self, ending: Ending) -> Transition {
        self.progress.state = ending.state;
        self.progress.open = false;
        self.begin_reversal();
        Transition {
            progress: self.progress,
            next: Next::Finish(ending),
        }
    }
}

/// Whether the intent may charge yet, or be charging.
fn is_alive(intent: &Intent) -> bool {
    match intent.status {
        IntentStatus::Processing
        | IntentStatus::RequiresAction
        | IntentStatus::RequiresPaymentMethod
        | IntentStatus::RequiresConfirmation => true,
        IntentStatus::Succeeded | IntentStatus::Canceled => false,
    }
}
