//! What is recorded takes the place of what was known here: another owner, or this one before a crash, has brought the
//! donation that far.

use std::sync::Arc;

use almoner_domain::answer::Answer;
use almoner_domain::donation::{Ending, Event, Progress, State};
use almoner_domain::duplicate::{Entry, Settled, Standing};

use super::active::Stage;
use super::{Ctx, User};
use crate::ports::Recorded;
use crate::router::Fate;

impl User {
    /// Goes on from what the store says: republishes what is told, or takes over what is unfinished.
    pub(super) fn resume(&mut self, i: usize, recorded: Box<Recorded>, ctx: &Ctx) {
        self.put_recorded(i, &recorded);
        let Recorded {
            pending,
            finish,
            told,
            ..
        } = *recorded;
        if let Some(finish) = finish {
            return self.leave_finished(i, &finish, pending.as_ref(), ctx);
        }
        let id = self.active[i].id;
        match pending {
            Some((pending, _)) if !told.is_empty() => {
                self.leave(
                    i,
                    None,
                    Fate::Pending {
                        due_ms: pending.due_ms,
                        kind: pending.kind,
                    },
                    ctx,
                );
            }
            _ => {
                self.active[i].stage = Stage::Waiting;
                self.take_turn(id, ctx);
            }
        }
    }

    /// Takes over what the store recorded of the donation.
    pub(super) fn put_recorded(&mut self, i: usize, recorded: &Recorded) {
        let active = &mut self.active[i];
        active.is_accepted = true;
        active.row = recorded.row;
        active.donation = Some(Arc::clone(&recorded.donation));
        active.told = recorded.told.clone();
        active.answered_by = recorded.answered_by.clone();
        active.sends.clear();
        (active.version, active.progress) = match &recorded.pending {
            Some((pending, progress)) => (pending.version, progress.clone()),
            None => (0, Progress::first_sent(recorded.donation.accepted_at_ms)),
        };
        if let Some(finish) = &recorded.finish {
            let progress = std::mem::take(&mut active.progress);
            active.progress = progress.ended(&finish.ending);
            active.told.push(finish.told());
        }
    }

    /// Somebody else has brought it further meanwhile, or to its end. That it was charged is a fact still; what else was
    /// to be made of an answer is the business of whoever drives it.
    pub(super) fn finish_anew(
        &mut self,
        i: usize,
        ending: Ending,
        recorded: Box<Recorded>,
        ctx: &Ctx,
    ) {
        let Some(intent) = ending.charged_intent() else {
            return self.resume(i, recorded, ctx);
        };
        self.put_recorded(i, &recorded);
        let answer = Answer::Intent(intent);
        if !self.apply_news(i, Event::Answered { send: 0, answer }, ctx) {
            self.resume(i, recorded, ctx);
        }
    }

    /// The window's entry of a known donation is as old as the donation.
    pub(super) fn put_window(&self, recorded: &Recorded) {
        let mut window = self.slot.window.borrow_mut();
        let donation = &recorded.donation;
        let is_held = recorded
            .pending
            .as_ref()
            .is_some_and(|(_, progress)| progress.state == State::Held);
        let standing = match recorded.finish.as_ref().map(|finish| finish.ending.state) {
            Some(State::Succeeded) => Standing::Counted,
            Some(_) => {
                window.settle(donation.request.id, Settled::Gone);
                return;
            }
            None if is_held => Standing::Held,
            None => Standing::Open,
        };
        let is_answered = recorded.answered_by.is_some();
        window.insert(Entry::recorded(donation, standing, is_answered));
    }
}
