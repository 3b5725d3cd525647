//! What the router does by the clock, with one timer: due donations, the mark and the commit, the lease, passivation.

use std::collections::{BTreeSet, VecDeque};
use std::time::Duration;

use actix::prelude::{AsyncContext, Context, Handler, Message};
use almoner_domain::ids::DonationId;

use super::Router;
use super::acquire::Phase;
use super::flight::{Flight, Work};
use crate::ports::{Commit, CommitError, Cursor, Done, MarkWrite, Marked, StoreError};
use crate::user::{Overdue, STORE_PAUSE, Wake};
use crate::world::Alarm;

/// The timer's period.
pub(super) const EVERY: Duration = Duration::from_millis(100);

/// Pending donations that are read and taken on at a time, unknown ones and others each: after an outage they do not
/// come all at once.
const DUE_AT_ONCE_MAX: usize = 256;
/// How often users and campaigns that are not needed are let go.
const PASSIVATE_EVERY_MS: i64 = 10_000;
/// How often flights are looked at for having waited too long.
const OVERDUE_EVERY_MS: i64 = 1_000;
/// A campaign that was not used for this long is let go.
const CAMPAIGN_IDLE_MS: i64 = 120_000;

/// How much stream time passes between two of its samples.
const STREAM_SAMPLE_MS: i64 = 1_000;

#[derive(Default)]
pub(super) struct Ticking {
    /// Donations that rest for a short while, in flight, by due time (wall clock).
    pub(super) quiet: BTreeSet<(i64, DonationId)>,
    /// What is done again, and when (boot clock). A timer would not outlive a crash of the router.
    again: VecDeque<(i64, Again)>,
    passivated_at_ms: i64,
    overdue_at_ms: i64,
    /// The offset whose mark or commit is on its way.
    pub(super) committing: Option<i64>,
    pub(super) committed: i64,
    marked: i64,
    /// Stream time once the records up to these offsets were read: a sample a second.
    stream: VecDeque<(i64, i64)>,
}

/// What is done again after the store or the broker could not do it.
#[derive(Clone, Copy)]
pub(super) enum Again {
    Claim,
    ReadRecent(Cursor),
    ReadUnfinished(Cursor),
    Publish(DonationId),
    Loose(i64),
    Acknowledge(DonationId),
    LookAfter(DonationId),
}

/// The store's answer to a mark.
#[derive(Message)]
#[rtype(result = "()")]
struct MarkedAt {
    takeover: u64,
    next_offset: i64,
    result: Result<Marked, StoreError>,
}

/// The broker's answer to a commit.
#[derive(Message)]
#[rtype(result = "()")]
struct CommittedAt {
    next_offset: i64,
    sent_boot_ms: i64,
    result: Result<(), CommitError>,
}

impl Ticking {
    /// The records up to this offset were read, and stream time has come this far.
    pub(super) fn note_stream(&mut self, offset: i64, stream_ms: i64) {
        let last = self.stream.back();
        if last.is_none_or(|(_, last_ms)| stream_ms - last_ms >= STREAM_SAMPLE_MS) {
            self.stream.push_back((offset, stream_ms));
        }
    }

    /// How far stream time had come, at the least, when all below `low_water` was read. A new owner counts the window
    /// back from there, since the records from there on are read again.
    fn stream_at(&mut self, low_water: i64) -> Option<i64> {
        while (self.stream.get(1)).is_some_and(|(offset, _)| *offset < low_water) {
            self.stream.pop_front();
        }
        self.stream.front().map(|(_, stream_ms)| *stream_ms)
    }
}

impl Router {
    /// One timer after the other: a process that stood still for hours does not make up for what it missed.
    pub(super) fn tick(&mut self, ctx: &mut Context<Self>) {
        ctx.run_later(EVERY, Self::tick);
        let boot_ms = self.world.clock.boot_ms();
        self.do_again(boot_ms, ctx);
        if self.phase.is_ready() {
            self.wake_quiet();
            if self.drain.is_none() {
                self.wake_due();
            }
            self.look_for_overdue(boot_ms);
            self.passivate(boot_ms);
            self.mark_and_commit(boot_ms, ctx);
            self.show();
        }
        self.look_whether_gone(boot_ms);
        self.go_on_draining(boot_ms, ctx);
    }

    /// The store or the broker could not do it; it is done again in a while.
    pub(super) fn again_later(&mut self, what: Again) {
        let pause_ms = i64::try_from(STORE_PAUSE.as_millis()).unwrap_or(i64::MAX);
        let at_ms = self.world.clock.boot_ms().saturating_add(pause_ms);
        self.ticking.again.push_back((at_ms, what));
    }

    fn do_again(&mut self, boot_ms: i64, ctx: &Context<Self>) {
        while let Some((_, what)) = (self.ticking.again.front()).filter(|(at, _)| *at <= boot_ms) {
            let what = *what;
            self.ticking.again.pop_front();
            match what {
                Again::Claim => self.claim(ctx),
                Again::ReadRecent(after) => self.read_recent(after, ctx),
                Again::ReadUnfinished(after) => self.read_unfinished(after, ctx),
                Again::Publish(id) => self.publish_next(id),
                Again::Loose(offset) => self.publish_loose_again(offset),
                Again::Acknowledge(id) => self.acknowledge(id),
                Again::LookAfter(id) => self.look_after_quarantined(id, ctx),
            }
        }
    }

    /// After a crash: answers that were on their way, and what was to be done again, begin anew.
    pub(super) fn forget_steps(&mut self) {
        self.ticking.again.clear();
        self.ticking.committing = None;
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
                && let Some(user) = flight.slot.address()
            {
                user.do_send(Wake { id });
            }
        }
    }

    /// What is due goes on at its user. Unknown ones have room of their own: a long queue does not keep them from asking.
    fn wake_due(&mut self) {
        let now_ms = self.world.clock.wall_ms();
        for is_unknown in [true, false] {
            if self.pending.first_due(is_unknown, now_ms).is_none() {
                continue; // mostly, and then the flights need not be counted
            }
            let mut room = DUE_AT_ONCE_MAX.saturating_sub(self.due_flights(is_unknown));
            while room > 0
                && let Some(id) = self.pending.first_due(is_unknown, now_ms)
                && let Some(entry) = self.pending.known.get(&id)
            {
                room -= 1;
                let work = Work::Due(entry.user_id.clone());
                self.launch(id, work);
            }
        }
    }

    fn due_flights(&self, is_unknown: bool) -> usize {
        let is_due = |flight: &Flight| {
            matches!(flight.work, Work::Due(_)) && flight.was_unknown() == is_unknown
        };
        self.flights.values().filter(|it| is_due(it)).count()
    }

    fn look_for_overdue(&mut self, boot_ms: i64) {
        if boot_ms - self.ticking.overdue_at_ms < OVERDUE_EVERY_MS {
            return;
        }
        self.ticking.overdue_at_ms = boot_ms;
        let patience_ms = self.world.settings.queue_patience_ms;
        for (id, flight) in &mut self.flights {
            if flight.is_at_user() && boot_ms - flight.looked_at_boot_ms > patience_ms {
                flight.looked_at_boot_ms = boot_ms;
                if let Some(user) = flight.slot.address() {
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
        let window_ms = self.world.settings.window_kept_ms;
        let users = self
            .slots
            .passivate(shard.stream_ms.get(), window_ms, boot_ms);
        let campaigns = shard.passivate_campaigns(boot_ms, CAMPAIGN_IDLE_MS);
        self.world.telemetry.actors_passivated("user", users);
        self.world
            .telemetry
            .actors_passivated("campaign", campaigns);
    }

    /// At `pending_max` or `unknown_max` nothing more is taken in: Kafka is the queue.
    pub(super) fn bound_pending(&mut self) {
        let settings = &self.world.settings;
        let is_full = self.pending.driven() >= settings.pending_max
            || self.pending.unknown() >= settings.unknown_max;
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
        self.world.telemetry.unknown(shard, self.pending.unknown());
        self.world.telemetry.surplus(shard, self.pending.surplus);
    }

    // ---- the mark in the store, then the commit at the broker, which renews the lease

    fn mark_and_commit(&mut self, boot_ms: i64, ctx: &Context<Self>) {
        let low_water = self.offsets.low_water();
        let is_new = low_water > self.ticking.committed;
        if self.ticking.committing.is_some() || !(is_new || self.lease.needs_renewal(boot_ms)) {
            return;
        }
        self.ticking.committing = Some(low_water);
        if low_water > self.ticking.marked {
            self.mark(low_water, ctx);
        } else {
            self.commit(low_water, ctx);
        }
    }

    fn mark(&mut self, next_offset: i64, ctx: &Context<Self>) {
        let Some(shard) = &self.shard else { return };
        let now_ms = shard.stream_ms.get();
        let stream_ms = match self.offsets.in_flight() {
            0 => now_ms,
            _ => self.ticking.stream_at(next_offset).unwrap_or(now_ms),
        };
        let mark = MarkWrite {
            shard: self.id,
            epoch: shard.epoch.get(),
            next_offset,
            stream_ms,
        };
        let takeover = self.takeover;
        let done = Done::to(self.address(ctx), move |result| MarkedAt {
            takeover,
            next_offset,
            result,
        });
        self.world.store.mark(mark, done);
    }

    fn commit(&self, next_offset: i64, ctx: &Context<Self>) {
        let sent_boot_ms = self.world.clock.boot_ms();
        let commit = Commit {
            shard: self.id,
            next_offset,
        };
        let done = Done::to(self.address(ctx), move |result| CommittedAt {
            next_offset,
            sent_boot_ms,
            result,
        });
        self.world.source.commit(commit, done);
    }

    /// Who was fenced is told by the broker too that the shard is another's. If that does not come, the broker takes
    /// this instance for the owner, and nobody drives the shard.
    fn look_whether_gone(&mut self, boot_ms: i64) {
        let patience_ms = 2 * self.world.settings.session_timeout_ms;
        if let Phase::Gone {
            since_ms,
            is_raised,
        } = &mut self.phase
            && !*is_raised
            && boot_ms - *since_ms > patience_ms
        {
            *is_raised = true;
            self.world.raise(Alarm::Escalated {
                what: format!(
                    "the store has given shard {} to another owner, but the broker has not: a restart claims it again",
                    self.id
                ),
            });
        }
    }
}

impl Handler<MarkedAt> for Router {
    type Result = ();

    fn handle(&mut self, marked: MarkedAt, ctx: &mut Self::Context) {
        if !self.phase.is_ready() || marked.takeover != self.takeover {
            return;
        }
        match marked.result {
            Ok(Marked::Done) => {
                self.ticking.marked = self.ticking.marked.max(marked.next_offset);
                self.commit(marked.next_offset, ctx);
            }
            // Facts may still be recorded, but nothing is sent or committed.
            Ok(Marked::Fenced) => self.fenced(),
            Err(_) => self.ticking.committing = None,
        }
    }
}

impl Handler<CommittedAt> for Router {
    type Result = ();

    fn handle(&mut self, committed: CommittedAt, _: &mut Self::Context) {
        if !self.phase.is_ready() {
            return;
        }
        self.ticking.committing = None;
        match committed.result {
            Ok(()) => {
                self.ticking.committed = self.ticking.committed.max(committed.next_offset);
                self.lease.renewed(committed.sent_boot_ms);
            }
            // It may be of a generation that has just passed: the next acknowledgement decides, or the lease lapses.
            Err(CommitError::NotOurs) => self.lease.doubt(),
            Err(CommitError::Failed(why)) => {
                tracing::debug!(shard = %self.id, %why, "commit not acknowledged")
            }
        }
    }
}
