//! What the router does by the clock, with one timer: due donations, the mark and the commit, the lease, passivation,
//! and the end of a drain.

use std::collections::BTreeSet;
use std::time::Duration;

use actix::prelude::{ActorContext, AsyncContext, Context, Handler, Message};
use almoner_domain::ids::DonationId;

use super::flight::{Flight, Work};
use super::{Drain, PendingEntry, PendingSet, Router};
use crate::ports::{Commit, CommitError, Done, MarkWrite, Marked, StoreError};
use crate::user::{Due, Overdue};

/// The timer's period.
pub(super) const EVERY: Duration = Duration::from_millis(100);

/// Pending donations that are read and taken on at a time: after an outage they do not come all at once.
const DUE_AT_ONCE_MAX: usize = 256;
/// How often users and campaigns that are not needed are let go.
const PASSIVATE_EVERY_MS: i64 = 10_000;
/// How often flights are looked at for having waited too long.
const OVERDUE_EVERY_MS: i64 = 1_000;
/// A campaign that was not used for this long is let go.
const CAMPAIGN_IDLE_MS: i64 = 120_000;
/// How long after the drain's deadline the handover waits for what was set aside to be acknowledged.
const SET_ASIDE_GRACE_MS: i64 = 5_000;

#[derive(Default)]
pub(super) struct Ticking {
    /// Donations that rest for a short while, in flight, by due time (wall clock).
    pub(super) quiet: BTreeSet<(i64, DonationId)>,
    passivated_at_ms: i64,
    overdue_at_ms: i64,
    /// The mark or commit on its way: its offset, and when its commit was sent (boot clock).
    committing: Option<(i64, i64)>,
    committed: i64,
    marked: i64,
    /// Due flights taken on and not yet ended.
    pub(super) next_offset_seen: i64,
}

/// The store's answer to a mark.
#[derive(Message)]
#[rtype(result = "()")]
struct MarkedAt(Result<Marked, StoreError>);

/// The broker's answer to a commit.
#[derive(Message)]
#[rtype(result = "()")]
struct CommittedAt(Result<(), CommitError>);

impl PendingSet {
    pub(super) fn put(&mut self, id: DonationId, entry: PendingEntry) {
        self.take(id);
        self.by_due.insert((entry.due_ms, id));
        self.unknown += usize::from(entry.kind == almoner_domain::donation::PendingKind::Unknown);
        self.known.insert(id, entry);
    }

    pub(super) fn take(&mut self, id: DonationId) -> Option<PendingEntry> {
        let entry = self.known.remove(&id)?;
        self.by_due.remove(&(entry.due_ms, id));
        self.unknown -= usize::from(entry.kind == almoner_domain::donation::PendingKind::Unknown);
        Some(entry)
    }

    fn first_due(&self, now_ms: i64) -> Option<DonationId> {
        self.by_due
            .first()
            .filter(|(due_ms, _)| *due_ms <= now_ms)
            .map(|(_, id)| *id)
    }
}

impl Router {
    pub(super) fn tick(&mut self, ctx: &mut Context<Self>) {
        let boot_ms = self.world.clock.boot_ms();
        if self.phase.is_ready() {
            self.wake_quiet();
            if self.drain.is_none() {
                self.wake_due(ctx);
            }
            self.look_for_overdue(boot_ms);
            self.passivate(boot_ms);
            self.mark_and_commit(boot_ms, ctx);
            self.show();
        }
        self.go_on_draining(boot_ms, ctx);
    }

    /// Donations that rested for a short while go on at their users.
    fn wake_quiet(&mut self) {
        let now_ms = self.world.clock.wall_ms();
        while let Some((due_ms, id)) = self
            .ticking
            .quiet
            .first()
            .copied()
            .filter(|(due_ms, _)| *due_ms <= now_ms)
        {
            self.ticking.quiet.remove(&(due_ms, id));
            if let Some(flight) = self.flights.get(&id)
                && let Some(user) = self.slots.running(flight.work.user_id())
            {
                user.do_send(Due { id });
            }
        }
    }

    fn wake_due(&mut self, ctx: &Context<Self>) {
        let now_ms = self.world.clock.wall_ms();
        let boot_ms = self.world.clock.boot_ms();
        let mut room = DUE_AT_ONCE_MAX.saturating_sub(self.due_flights());
        while room > 0
            && let Some(id) = self.pending.first_due(now_ms)
        {
            room -= 1;
            let Some(entry) = self.pending.take(id) else {
                break;
            };
            let flight =
                Flight::new(Work::Due(entry.user_id.clone()), boot_ms).after(entry.is_acknowledged);
            self.launch(id, flight, ctx);
        }
    }

    fn due_flights(&self) -> usize {
        self.flights
            .values()
            .filter(|flight| matches!(flight.work, Work::Due(_)))
            .count()
    }

    fn look_for_overdue(&mut self, boot_ms: i64) {
        if boot_ms - self.ticking.overdue_at_ms < OVERDUE_EVERY_MS {
            return;
        }
        self.ticking.overdue_at_ms = boot_ms;
        let patience_ms = self.world.settings.queue_patience_ms;
        for (id, flight) in &mut self.flights {
            if flight.is_at_user()
                && !flight.is_overdue
                && boot_ms - flight.since_boot_ms > patience_ms
            {
                flight.is_overdue = true;
                if let Some(user) = self.slots.running(flight.work.user_id()) {
                    user.do_send(Overdue { id: *id });
                }
            }
        }
    }

    fn passivate(&mut self, boot_ms: i64) {
        let Some(shard) = &self.shard else { return };
        if boot_ms - self.ticking.passivated_at_ms < PASSIVATE_EVERY_MS {
            return;
        }
        self.ticking.passivated_at_ms = boot_ms;
        let window_ms = self.world.settings.duplicate_window_ms;
        let users = self
            .slots
            .passivate(shard.stream_ms.get(), window_ms, boot_ms);
        let campaigns = shard.passivate_campaigns(boot_ms - CAMPAIGN_IDLE_MS);
        self.world.telemetry.actors_passivated("user", users);
        self.world
            .telemetry
            .actors_passivated("campaign", campaigns);
    }

    /// At `pending_max` or `unknown_max` nothing more is taken in: Kafka is the queue.
    pub(super) fn bound_pending(&mut self) {
        let settings = &self.world.settings;
        let is_full = self.pending.known.len() >= settings.pending_max
            || self.pending.unknown >= settings.unknown_max;
        if is_full != self.pending.is_full {
            self.pending.is_full = is_full;
            self.world.credits.shard_full(is_full);
        }
    }

    fn show(&mut self) {
        self.bound_pending();
        let shard = self.id;
        self.world.telemetry.shard(
            shard,
            self.slots.len(),
            self.flights.len(),
            self.pending.known.len(),
        );
        self.world.telemetry.unknown(shard, self.pending.unknown);
    }

    // ---- the mark in the store, then the commit at the broker, which renews the lease

    fn mark_and_commit(&mut self, boot_ms: i64, ctx: &Context<Self>) {
        let low_water = self.offsets.low_water();
        let is_new = low_water > self.ticking.committed;
        if self.ticking.committing.is_some() || !(is_new || self.lease.needs_renewal(boot_ms)) {
            return;
        }
        self.ticking.committing = Some((low_water, boot_ms));
        if low_water > self.ticking.marked {
            self.mark(low_water, ctx);
        } else {
            self.commit(ctx);
        }
    }

    fn mark(&mut self, next_offset: i64, ctx: &Context<Self>) {
        let Some(shard) = &self.shard else { return };
        let mark = MarkWrite {
            shard: self.id,
            epoch: shard.epoch.get(),
            next_offset,
            stream_ms: shard.stream_ms.get(),
        };
        self.world
            .store
            .mark(mark, Done::to(ctx.address().recipient(), MarkedAt));
    }

    fn commit(&mut self, ctx: &Context<Self>) {
        let Some((next_offset, sent_ms)) = &mut self.ticking.committing else {
            return;
        };
        *sent_ms = self.world.clock.boot_ms();
        let commit = Commit {
            shard: self.id,
            next_offset: *next_offset,
        };
        self.world
            .source
            .commit(commit, Done::to(ctx.address().recipient(), CommittedAt));
    }

    // ---- the handover

    pub(super) fn hand_over(&mut self, done: Done<()>, ctx: &mut Context<Self>) {
        let deadline_boot_ms = self.world.clock.boot_ms() + self.world.settings.drain_timeout_ms;
        self.drain = Some(Drain {
            deadline_boot_ms,
            set_aside: false,
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

    fn go_on_draining(&mut self, boot_ms: i64, ctx: &mut Context<Self>) {
        let is_drained = self.is_drained() || !self.phase.is_ready();
        let is_committed =
            self.ticking.committing.is_none() && self.offsets.low_water() <= self.ticking.committed;
        let Some(drain) = &mut self.drain else { return };
        let is_late = boot_ms > drain.deadline_boot_ms;
        if (is_drained && (is_committed || !self.phase.is_ready()))
            || boot_ms > drain.deadline_boot_ms + SET_ASIDE_GRACE_MS
        {
            if let Some(done) = drain.done.take() {
                done.call(());
            }
            return self.let_go(ctx);
        }
        if is_late && !drain.set_aside {
            drain.set_aside = true;
            self.slots.set_aside();
        }
    }

    /// Nothing of this shard is done here any more.
    pub(super) fn let_go(&mut self, ctx: &mut Context<Self>) {
        self.lease.lose();
        if let Some(shard) = &self.shard {
            shard.draining.set(true);
        }
        if let Some(done) = self.drain.as_mut().and_then(|drain| drain.done.take()) {
            done.call(());
        }
        let waiting: usize = self
            .flights
            .values()
            .map(|flight| flight.tickets.len() + flight.after.len())
            .sum();
        self.world
            .credits
            .give_back(waiting + self.loose as usize + self.inbox.len());
        self.flights.clear();
        self.inbox.clear();
        self.loose = 0;
        if std::mem::take(&mut self.pending.is_full) {
            self.world.credits.shard_full(false);
        }
        self.world.telemetry.shard(self.id, 0, 0, 0);
        self.world.telemetry.unknown(self.id, 0);
        ctx.stop();
    }
}

impl Handler<MarkedAt> for Router {
    type Result = ();

    fn handle(&mut self, MarkedAt(result): MarkedAt, ctx: &mut Self::Context) {
        match result {
            Ok(Marked::Done) => {
                self.ticking.marked = self
                    .ticking
                    .committing
                    .map_or(self.ticking.marked, |(offset, _)| offset);
                self.commit(ctx);
            }
            // Another owner has the shard: facts may still be recorded, but nothing is sent or committed.
            Ok(Marked::Fenced) => {
                self.lease.lose();
                self.let_go(ctx);
            }
            Err(_) => self.ticking.committing = None,
        }
    }
}

impl Handler<CommittedAt> for Router {
    type Result = ();

    fn handle(&mut self, CommittedAt(result): CommittedAt, _: &mut Self::Context) {
        let Some((next_offset, sent_ms)) = self.ticking.committing.take() else {
            return;
        };
        match result {
            Ok(()) => {
                self.ticking.committed = self.ticking.committed.max(next_offset);
                self.lease.renewed(sent_ms);
            }
            Err(CommitError::NotOurs) => self.lease.lose(),
            Err(CommitError::Failed(why)) => {
                tracing::debug!(shard = %self.id, %why, "commit not acknowledged")
            }
        }
    }
}
