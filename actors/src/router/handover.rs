//! The end of a shard's time here: planned, after a drain, or at once.

use actix::prelude::{ActorContext, Context};

use super::Router;
use super::acquire::Phase;
use super::slots::Slots;
use super::tick::Ticking;
use crate::offsets::Offsets;
use crate::ports::Done;

/// How long after the drain's deadline the handover waits for what was set aside to be acknowledged.
const SET_ASIDE_GRACE_MS: i64 = 5_000;

pub(super) struct Drain {
    pub(super) deadline_boot_ms: i64,
    pub(super) done: Option<Done<()>>,
}

impl Router {
    pub(super) fn hand_over(&mut self, done: Done<()>, ctx: &mut Context<Self>) {
        let deadline_boot_ms = self.world.clock.boot_ms() + self.world.settings.drain_timeout_ms;
        self.drain = Some(Drain {
            deadline_boot_ms,
            done: Some(done),
        });
        if let Some(shard) = &self.shard {
            shard.draining.set(true);
        }
        self.world.credits.give_back(self.inbox.len());
        self.inbox.clear();
        self.slots.drain();
        self.go_on_draining(self.world.clock.boot_ms(), ctx);
    }

    pub(super) fn go_on_draining(&mut self, boot_ms: i64, ctx: &mut Context<Self>) {
        let is_ready = self.phase.is_ready();
        let is_committed =
            self.ticking.committing.is_none() && self.offsets.low_water() <= self.ticking.committed;
        let is_through = !is_ready || (self.is_drained() && is_committed);
        let Some(drain) = &self.drain else { return };
        if is_through || boot_ms > drain.deadline_boot_ms + SET_ASIDE_GRACE_MS {
            self.let_go();
            return ctx.stop();
        }
        // Each time, since what was between two steps could not be set aside before.
        if boot_ms > drain.deadline_boot_ms {
            self.slots.set_aside();
        }
    }

    /// Nothing of this shard is done here any more, and nothing of it counts. What is in flight at users, on the wire
    /// or in the store comes to its end there: facts are recorded, but not told.
    pub(super) fn let_go(&mut self) {
        self.lease.lose();
        if let Some(shard) = &self.shard {
            shard.draining.set(true);
            shard.let_campaigns_go();
        }
        if let Some(done) = self.drain.as_mut().and_then(|drain| drain.done.take()) {
            done.call(());
        }
        let next = self.offsets.low_water();
        let offsets = std::mem::replace(&mut self.offsets, Offsets::starting_at(next));
        let inbox = std::mem::take(&mut self.inbox);
        self.world
            .credits
            .give_back(offsets.in_flight() + inbox.len());
        self.flights.clear();
        self.loose.clear();
        self.unacknowledged.clear();
        self.slots = Slots::default();
        self.ticking = Ticking::default();
        if std::mem::take(&mut self.pending).is_full {
            self.world.credits.shard_full(false);
        }
        self.world.telemetry.shard(self.id, 0, 0, 0);
        self.world.telemetry.unknown(self.id, 0);
        self.world.telemetry.surplus(self.id, 0);
        self.phase = Phase::Gone {
            since_ms: self.world.clock.boot_ms(),
            is_raised: false,
        };
    }
}
