//! What was read from the store is put to use: a due donation goes on, a hold is answered, a late answer is recorded.

use actix::prelude::Context;
use almoner_domain::answer::{Answer, MoneyMoved};
use almoner_domain::donation::{Event, PendingKind, State};
use almoner_domain::outcome::RejectionReason;

use super::active::{Load, Stage, Then};
use super::{AnswerHold, User};
use crate::ports::Recorded;
use crate::router::{Fate, Refused};
use crate::telemetry;

impl User {
    pub(super) fn loaded(
        &mut self,
        i: usize,
        recorded: Option<Box<Recorded>>,
        ctx: &Context<Self>,
    ) {
        let id = self.active[i].id;
        let load = match std::mem::replace(&mut self.active[i].stage, Stage::Waiting) {
            Stage::Loading(load) => load,
            other => return self.active[i].stage = other,
        };
        match (load, recorded) {
            (Load::HoldAnswer(answer), None) => {
                self.refuse(i, &answer, RejectionReason::NotFound, ctx);
            }
            (Load::Due, None) => self.drop_active(id, ctx),
            (Load::LateAnswer { .. }, None) => {
                self.active.swap_remove(i);
            }
            (Load::Due, Some(recorded)) => self.due_loaded(i, recorded, ctx),
            (Load::HoldAnswer(answer), Some(recorded)) => {
                self.hold_answered(i, &answer, recorded, ctx)
            }
            (Load::LateAnswer { send, answer }, Some(recorded)) => {
                self.late_answer_loaded(i, send, *answer, &recorded, ctx);
            }
        }
    }

    /// What a late answer says is history, unless it says that the user was charged.
    fn late_answer_loaded(
        &mut self,
        i: usize,
        send: u16,
        answer: Answer,
        recorded: &Recorded,
        ctx: &Context<Self>,
    ) {
        self.put_recorded(i, recorded);
        if answer.money() == MoneyMoved::Charged {
            self.active[i].note_answer(send, &answer, self.shard.epoch.get());
            if self.apply_news(i, Event::Answered { send, answer }, ctx) {
                return;
            }
        }
        self.active.swap_remove(i);
    }

    fn due_loaded(&mut self, i: usize, recorded: Box<Recorded>, ctx: &Context<Self>) {
        self.put_window(&recorded);
        let pending = recorded.pending.as_ref();
        let has_surplus = pending.is_some_and(|(_, progress)| progress.has_surplus());
        if recorded.finish.is_some() && !has_surplus {
            return self.resume(i, recorded, ctx);
        }
        self.put_recorded(i, &recorded);
        if self.active[i].progress.state != State::Held {
            return self.take_on(i, ctx);
        }
        let lapses_ms = self.active[i].progress.hold_lapses_at_ms;
        let stream_ms = self.shard.stream_ms.get();
        if stream_ms > lapses_ms {
            return self.apply(i, Event::HoldLapsed, ctx);
        }
        // Due only wakes: whether a hold has lapsed is judged in stream time.
        let due_ms =
            self.shard.world.clock.wall_ms() + (lapses_ms - stream_ms).clamp(1_000, 30_000);
        self.leave(
            i,
            None,
            Fate::Pending {
                due_ms,
                kind: PendingKind::Held,
            },
            ctx,
        );
    }

    fn hold_answered(
        &mut self,
        i: usize,
        answer: &AnswerHold,
        recorded: Box<Recorded>,
        ctx: &Context<Self>,
    ) {
        if recorded.donation.request.user_id != answer.hold.user_id {
            return self.refuse(i, answer, RejectionReason::WrongUser, ctx);
        }
        self.put_window(&recorded);
        if recorded.answered_by.as_ref() == Some(&answer.place) {
            return self.resume(i, recorded, ctx); // the winning record, read again
        }
        let was_answered = recorded.answered_by.is_some();
        let was_held = recorded.told.iter().any(|told| told.status == State::Held);
        self.put_recorded(i, &recorded);
        if recorded.finish.is_some() || self.active[i].progress.state != State::Held {
            let reason = if was_answered {
                RejectionReason::AlreadyAnswered
            } else if was_held {
                RejectionReason::TooLate // it lapsed, and nobody had answered
            } else {
                RejectionReason::NotHeld
            };
            return self.refuse(i, answer, reason, ctx);
        }
        if answer.recorded_at_ms > self.active[i].progress.hold_lapses_at_ms {
            let refused = Refused::too_late(self.active[i].id, answer.offset);
            self.shard.tell(refused);
            return self.apply(i, Event::HoldLapsed, ctx);
        }
        self.active[i].answered_by = Some(answer.place.clone());
        if answer.confirmed {
            self.confirm_hold(i, ctx)
        } else {
            self.apply(i, Event::UserDeclined, ctx)
        }
    }

    /// It goes back to the queue: limits and the campaign's checks apply again, the check for doubles does not.
    fn confirm_hold(&mut self, i: usize, ctx: &Context<Self>) {
        let Some(donation) = self.active[i].donation.clone() else {
            return;
        };
        let now = self.shard.now();
        let progress = self.active[i].progress.clone();
        telemetry::step(progress.state, &Event::UserConfirmed);
        match donation.on(
            progress,
            Event::UserConfirmed,
            now,
            &self.shard.world.settings.rules,
        ) {
            Ok(transition) => {
                self.active[i].progress = transition.progress;
                self.slot.window.borrow_mut().confirm(donation.request.id);
                self.advance(i, now.wall_ms, PendingKind::Queued, None, Then::Queue, ctx);
            }
            Err(illegal) => self
                .shard
                .world
                .telemetry
                .illegal(self.active[i].id, &illegal),
        }
    }

    fn refuse(
        &mut self,
        i: usize,
        answer: &AnswerHold,
        reason: RejectionReason,
        ctx: &Context<Self>,
    ) {
        let id = self.active.swap_remove(i).id;
        let refused = Refused::hold_answer(id, answer.offset, reason);
        self.shard.tell(refused);
        self.give_turn_back(id, ctx);
    }
}
