//! How a donation leaves its user: told as it stands, or dropped. The router tells the world.

use almoner_domain::donation::{Progress, State};
use almoner_domain::duplicate::Settled;
use almoner_domain::ids::DonationId;
use almoner_domain::outcome::Told;

use super::{Ctx, User};
use crate::campaign::CardDeclined;
use crate::ports::{Finish, Pending};
use crate::router::{Departed, Fate, Fenced};

impl User {
    /// Another owner has the shard, or its actors began anew: whatever follows is theirs. What was in flight here is
    /// dropped.
    pub(super) fn fenced(&mut self, i: usize, ctx: &Ctx) {
        if !self.shard.lease.is_retired() {
            self.shard.lease.lose();
        }
        self.shard.tell(Fenced);
        self.drop_active(self.active[i].id, ctx);
    }

    /// It is no longer in flight here, and nothing came of it.
    pub(super) fn drop_active(&mut self, id: DonationId, ctx: &Ctx) {
        self.active.retain(|active| active.id != id);
        self.shard.tell(Departed::dropped(id));
        self.give_turn_back(id, ctx);
    }

    /// Once per finish, not per repeat.
    pub(super) fn count_finish(&self, i: usize, finish: &Finish) {
        self.shard.world.telemetry.finished(&finish.ending);
        let is_declined = finish.ending.attempts > 0 && finish.ending.state == State::Failed;
        if let Some(campaign) = self.active[i].campaign.as_ref().filter(|_| is_declined) {
            campaign.address.do_send(CardDeclined);
        }
    }

    /// It is told as it ended. A surplus is worked off after that; without one, a pending row is only the outbox.
    pub(super) fn leave_finished(
        &mut self,
        i: usize,
        finish: &Finish,
        pending: Option<&(Pending, Progress)>,
        ctx: &Ctx,
    ) {
        let fate = match pending {
            Some((Pending { due_ms, kind, .. }, progress)) if progress.has_surplus() => {
                Fate::Pending {
                    due_ms: *due_ms,
                    kind: *kind,
                }
            }
            _ => Fate::Finished {
                has_pending_row: pending.is_some(),
            },
        };
        self.leave_as(i, finish, fate, ctx);
    }

    pub(super) fn leave_as(&mut self, i: usize, finish: &Finish, fate: Fate, ctx: &Ctx) {
        let settled = if finish.ending.state == State::Succeeded {
            Settled::Counted
        } else {
            Settled::Gone
        };
        let id = self.active[i].id;
        self.slot.window.borrow_mut().settle(id, settled);
        let before = &mut self.active[i].told;
        before.retain(|told| told.sequence < finish.sequence);
        self.leave(i, Some(finish.told()), fate, ctx);
    }

    /// It is no longer in flight here: the router tells the world.
    pub(super) fn leave(&mut self, i: usize, told: Option<Told>, fate: Fate, ctx: &Ctx) {
        let active = self.active.swap_remove(i);
        if let Some(donation) = active.donation {
            self.shard.tell(Departed {
                id: active.id,
                donation: Some(donation),
                told,
                told_before: active.told,
                fate,
            });
        }
        self.give_turn_back(active.id, ctx);
    }
}
