//! The writes of a donation that was accepted, and its reads: each can be done again, and each answer finds the stage that
//! asked.

use std::sync::Arc;

use actix::prelude::{Addr, AsyncContext};
use almoner_domain::donation::{Event, PendingKind, Verdict};
use almoner_domain::ids::DonationId;
use almoner_domain::outcome::{Reason, Told};

use super::active::{Active, Load, Stage, Then};
use super::{Ctx, STORE_PAUSE, Stored, StoredWhat, User};
use crate::ports::{
    AcceptWrite, AdvanceWrite, Advanced, Done, Dropped, Finish, FinishWrite, Finished, Pending,
    Recorded,
};
use crate::router::{Fate, Quiet};

impl User {
    pub(super) fn advance(
        &mut self,
        i: usize,
        due_ms: i64,
        kind: PendingKind,
        told: Option<Told>,
        then: Then,
        ctx: &Ctx,
    ) {
        let active = &mut self.active[i];
        let write = AdvanceWrite {
            id: active.id,
            row: active.row,
            shard: self.shard.shard,
            epoch: self.shard.epoch.get(),
            seen_version: active.version,
            pending: Pending {
                version: active.version + 1,
                due_ms,
                kind,
            },
            progress: Box::new(active.progress.clone()),
            sends: std::mem::take(&mut active.sends),
            told,
            answered_by: active.answered_by.clone(),
        };
        active.stage = Stage::Advancing(Box::new(write), then);
        self.write(i, ctx);
    }

    pub(super) fn finish(&mut self, i: usize, finish: Finish, ctx: &Ctx) {
        let active = &mut self.active[i];
        let Some(donation) = active.donation.clone() else {
            return;
        };
        let write = FinishWrite {
            donation,
            row: active.row,
            finish,
            seen_version: active.version,
            surplus: (active.progress.has_surplus()).then(|| Box::new(active.progress.clone())),
            sends: std::mem::take(&mut active.sends),
            answered_by: active.answered_by.clone(),
        };
        active.stage = Stage::Finishing(Box::new(write));
        self.write(i, ctx);
    }

    /// Hands the stage's write or read to the store.
    pub(super) fn write(&mut self, i: usize, ctx: &Ctx) {
        self.calls = self.calls.wrapping_add(1);
        let call = self.calls;
        self.active[i].call = call;
        let Active {
            id,
            ref stage,
            ref donation,
            ..
        } = *self.active[i];
        let store = &self.shard.world.store;
        let reply_to = self.address(ctx);
        match (stage, donation) {
            (Stage::Accepting(first), Some(donation)) => {
                let write = AcceptWrite {
                    donation: Arc::clone(donation),
                    shard: self.shard.shard,
                    epoch: self.shard.epoch.get(),
                    first: first.clone(),
                };
                store.accept(write, stored(reply_to, id, call, StoredWhat::Accept));
            }
            (Stage::Advancing(write, _), _) => {
                let done = stored(reply_to, id, call, StoredWhat::Advance);
                store.advance((**write).clone(), done);
            }
            (Stage::Finishing(write), _) => {
                let done = stored(reply_to, id, call, StoredWhat::Finish);
                store.finish((**write).clone(), done);
            }
            (Stage::Loading(_), _) => {
                store.load(id, stored(reply_to, id, call, StoredWhat::Load));
            }
            _ => {}
        }
    }

    /// The store is being opened again: whether the write is durable is not known, and doing it again is harmless.
    pub(super) fn store_again_later(&self, i: usize, ctx: &mut Ctx) {
        let (id, call) = (self.active[i].id, self.active[i].call);
        ctx.run_later(STORE_PAUSE, move |user, ctx| {
            if let Some(i) = user.find(id).filter(|i| user.active[*i].call == call) {
                user.write(i, ctx);
            }
        });
    }

    pub(super) fn advanced(&mut self, i: usize, advanced: Advanced, ctx: &Ctx) {
        let (write, then) = match std::mem::replace(&mut self.active[i].stage, Stage::Sending) {
            Stage::Advancing(write, then) => (write, then),
            other => return self.active[i].stage = other,
        };
        match advanced {
            Advanced::Done => {}
            // Our own write, done again after the store was opened again, finds itself.
            Advanced::Lost(recorded) if is_own(&write, &recorded) => {}
            Advanced::Lost(recorded) => return self.resume(i, recorded, ctx),
            Advanced::Fenced => return self.fenced(i, ctx),
        }
        self.active[i].version = write.pending.version;
        if !matches!(then, Then::Leave { .. }) {
            self.active[i].told.extend(write.told);
        }
        let id = self.active[i].id;
        match then {
            Then::Send => self.send(i, ctx),
            Then::Rest { due_ms } => {
                self.active[i].stage = Stage::Resting;
                self.active[i].in_flight = None;
                self.give_turn_back(id, ctx);
                self.shard.tell(Quiet { id, due_ms });
            }
            Then::Leave { due_ms, kind, told } => {
                self.leave(i, told, Fate::Pending { due_ms, kind }, ctx)
            }
            Then::Settle => {
                let told = self.active[i].told.pop(); // the finish's
                let fate = Fate::Finished {
                    has_pending_row: true,
                };
                self.leave(i, told, fate, ctx);
            }
            Then::Queue if self.is_let_in() => self.take_on(i, ctx),
            Then::Queue => {
                let reason = Reason::VelocityBlocked;
                self.apply(i, Event::Judged(Verdict::Refuse { reason }), ctx);
            }
        }
    }

    pub(super) fn finished(&mut self, i: usize, finished: Finished, ctx: &Ctx) {
        let write = match std::mem::replace(&mut self.active[i].stage, Stage::Sending) {
            Stage::Finishing(write) => write,
            other => return self.active[i].stage = other,
        };
        match finished {
            Finished::Done => {
                self.count_finish(i, &write.finish);
                self.finish_durable(i, *write, ctx);
            }
            Finished::Already(recorded) => {
                self.finish_anew(i, write.finish.ending, recorded, ctx);
            }
        }
    }

    fn finish_durable(&mut self, i: usize, write: FinishWrite, ctx: &Ctx) {
        let FinishWrite {
            finish,
            surplus,
            seen_version,
            ..
        } = write;
        let pending = Pending {
            version: seen_version + 1,
            due_ms: finish.at_ms,
            kind: PendingKind::Surplus,
        };
        match surplus {
            Some(progress) => self.leave_finished(i, &finish, Some(&(pending, *progress)), ctx),
            None => self.leave_as(
                i,
                &finish,
                Fate::Finished {
                    has_pending_row: seen_version > 0,
                },
                ctx,
            ),
        }
    }

    pub(super) fn begin_load(&mut self, id: DonationId, load: Load, ctx: &Ctx) {
        let now_ms = self.shard.world.clock.wall_ms();
        self.active
            .push(Box::new(Active::unread(id, Stage::Loading(load), now_ms)));
        self.write(self.active.len() - 1, ctx);
    }
}

/// The store's answer to the user's write or read of this number.
fn stored<T: Dropped + 'static>(
    reply_to: Arc<Addr<User>>,
    id: DonationId,
    call: u32,
    what: fn(T) -> StoredWhat,
) -> Done<T> {
    Done::to(reply_to, move |result| {
        let what = what(result);
        Stored { id, call, what }
    })
}

/// Whether what is recorded is just what this write wanted to record.
fn is_own(write: &AdvanceWrite, recorded: &Recorded) -> bool {
    recorded.finish.is_none()
        && recorded
            .pending
            .as_ref()
            .is_some_and(|(pending, progress)| {
                pending.version == write.pending.version && *progress == *write.progress
            })
}
