//! A shard that begins anew inside the process, as a new owner would: where too many of its actors fail at once, it may
//! be what they were built from. Its records stay in flight here; all else is read from the store again.

use std::rc::Rc;
use std::sync::Arc;

use actix::prelude::Context;

use super::Router;
use crate::world::Alarm;

/// Beyond so many times within [`WINDOW_MS`] it is not the shard either: the process ends, and its successor goes on from
/// what is durable.
const TIMES_MAX: usize = 3;
/// How long it counts, boot clock.
const WINDOW_MS: i64 = 600_000;

impl Router {
    pub(super) fn begin_anew(&mut self, boot_ms: i64, ctx: &Context<Self>) {
        // One that drains ends anyhow, and one that is not ready has begun just now.
        if !self.phase.is_ready() || self.drain.is_some() {
            return;
        }
        self.began_anew.retain(|at_ms| boot_ms - at_ms < WINDOW_MS);
        if self.began_anew.len() >= TIMES_MAX {
            return self.world.raise(Alarm::Escalated {
                what: format!(
                    "too many actors of shard {} fail still, after it began anew {TIMES_MAX} times",
                    self.id
                ),
            });
        }
        self.began_anew.push_back(boot_ms);
        tracing::error!(shard = %self.id, "too many of its actors were quarantined within a minute: the shard begins anew");
        self.world.telemetry.actor_restarted("shard");
        self.leave_former_actors(boot_ms);
        self.forget_steps();
        // Log and store were held against each other when the shard came; since then the mark has moved, up to here.
        self.log.high = self.log.high.max(self.offsets.low_water());
        self.claim(ctx);
    }

    /// Users and campaigns are new ones from now on, of whom only the store knows anything. What those were handling who
    /// are quarantined is set aside as it would have been.
    fn leave_former_actors(&mut self, boot_ms: i64) {
        let Some(former) = self.shard.take() else {
            return;
        };
        let shard = former.anew();
        self.lease = Arc::clone(&shard.lease);
        self.shard = Some(shard);
        let former = std::mem::take(&mut self.slots);
        for flight in self.flights.values_mut() {
            let slot = self.slots.slot(&flight.slot.user_id);
            flight.move_to(Rc::clone(slot), boot_ms);
        }
        drop(former); // which lets its actors end
        self.ticking.quiet.clear();
        if std::mem::take(&mut self.pending).is_full {
            self.world.credits.shard_full(false);
        }
    }
}
