//! The accept: one insert-if-absent of the state that the checks computed; if the id is known, what is recorded decides.

use almoner_domain::donation::{
    Event, Next, Pause, PendingKind, Progress, State, Transition, Verdict,
};
use almoner_domain::duplicate::Settled;

use super::active::Stage;
use super::{Ctx, User};
use crate::ports::{Accepted, Finish, FirstState, Pending, Recorded};
use crate::router::{Fate, Refused};
use crate::telemetry;

impl User {
    /// The first write of the id: one insert-if-absent of the state that the checks computed.
    pub(super) fn accept_as(&mut self, i: usize, verdict: Verdict, ctx: &Ctx) {
        let Some(donation) = self.active[i].donation.clone() else {
            return;
        };
        let now = self.shard.now();
        telemetry::step(State::Accepted, &Event::Judged(verdict));
        let judged = donation.on(
            Progress::new(),
            Event::Judged(verdict),
            now,
            &self.shard.world.settings.rules,
        );
        let Transition { progress, next } = match judged {
            Ok(transition) => transition,
            Err(illegal) => {
                return self
                    .shard
                    .world
                    .telemetry
                    .illegal(self.active[i].id, &illegal);
            }
        };
        self.active[i].progress = progress;
        let first = match next {
            Next::Send | Next::Stay | Next::Settled => FirstState::Charging,
            Next::Wait { pause, kind } => self.first_pending(i, &pause, kind),
            Next::Finish(ending) => {
                let sequence = self.active[i].progress.sequence + 1;
                FirstState::Finished(Box::new(Finish {
                    ending,
                    at_ms: now.wall_ms,
                    sequence,
                }))
            }
        };
        self.active[i].permitted_boot_ms = self.shard.world.clock.boot_ms();
        self.active[i].stage = Stage::Accepting(first);
        self.write(i, ctx);
    }

    fn first_pending(&mut self, i: usize, pause: &Pause, kind: PendingKind) -> FirstState {
        let due_ms = self.due_ms(pause);
        let told = self.told_pending(i, due_ms, kind);
        let progress = Box::new(self.active[i].progress.clone());
        FirstState::Pending {
            pending: Pending {
                version: 1,
                due_ms,
                kind,
            },
            progress,
            told,
        }
    }

    pub(super) fn accepted(&mut self, i: usize, accepted: Accepted, ctx: &Ctx) {
        let row = match accepted {
            Accepted::New(row) => row,
            Accepted::Known(recorded) => return self.known(i, recorded, ctx),
            Accepted::Fenced => return self.fenced(i, ctx),
        };
        let active = &mut self.active[i];
        let first = match std::mem::replace(&mut active.stage, Stage::Sending) {
            Stage::Accepting(first) => first,
            other => return active.stage = other,
        };
        active.is_accepted = true;
        active.row = row;
        match first {
            FirstState::Charging => self.send(i, ctx),
            FirstState::Pending { pending, told, .. } => {
                active.version = pending.version;
                self.leave(
                    i,
                    told,
                    Fate::Pending {
                        due_ms: pending.due_ms,
                        kind: pending.kind,
                    },
                    ctx,
                );
            }
            FirstState::Finished(finish) => {
                self.count_finish(i, &finish);
                self.leave_finished(i, &finish, None, ctx);
            }
        }
    }

    /// The id was known: what is recorded decides, and what was computed is dropped.
    fn known(&mut self, i: usize, recorded: Box<Recorded>, ctx: &Ctx) {
        self.active[i].in_flight = None;
        let Some(asked) = self.active[i].donation.clone() else {
            return;
        };
        let known = &recorded.donation.request;
        let Err(field) = asked.request.same_content(known) else {
            self.put_window(&recorded);
            return self.resume(i, recorded, ctx);
        };
        let id = self.active[i].id;
        if known.user_id == asked.request.user_id {
            self.put_window(&recorded);
        } else {
            self.slot.window.borrow_mut().settle(id, Settled::Gone); // it is counted at its own user
        }
        self.active.swap_remove(i);
        let refused = Refused::id_reused(id, asked.shard_offset, field);
        self.shard.tell(refused);
        self.give_turn_back(id, ctx);
    }
}
