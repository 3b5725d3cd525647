//! How a router takes its shard over: it raises the epoch, checks that log and store belong together, fills the
//! windows, finds what is unfinished, and only then begins what was read meanwhile.

use actix::prelude::{Context, Handler, Message};
use almoner_domain::donation::PendingKind;
use almoner_domain::duplicate::{Entry, Standing};
use almoner_domain::ids::UserId;

use super::Router;
use super::pending::PendingEntry;
use super::tick::Again;
use crate::ports::{Claimed, Cursor, Done, StoreError, Unfinished, WindowEntry};
use crate::world::Alarm;

/// How far the takeover has come.
pub(super) enum Phase {
    /// The epoch is being raised.
    Claiming,
    /// Windows and unfinished donations are being read.
    Reading,
    /// Requests are begun.
    Ready,
    /// Log and store do not belong together: nothing is begun until a person has decided.
    Refused,
    /// It is another owner's since then (boot clock): nothing is done here any more.
    Gone { since_ms: i64, is_raised: bool },
}

impl Phase {
    pub(super) fn is_ready(&self) -> bool {
        matches!(self, Self::Ready)
    }
}

#[derive(Message)]
#[rtype(result = "()")]
struct ClaimedShard {
    step: u64,
    result: Result<Claimed, StoreError>,
}

#[derive(Message)]
#[rtype(result = "()")]
struct RecentPage {
    step: u64,
    after: Cursor,
    page: Result<(Vec<WindowEntry>, Option<Cursor>), StoreError>,
}

#[derive(Message)]
#[rtype(result = "()")]
struct UnfinishedPage {
    step: u64,
    after: Cursor,
    page: Result<(Vec<Unfinished>, Option<Cursor>), StoreError>,
}

impl Router {
    /// The takeover's next step. An answer to an earlier one, as of before a crash, is not taken for this one's.
    fn step(&mut self) -> u64 {
        self.takeover += 1;
        self.takeover
    }

    pub(super) fn claim(&mut self, ctx: &Context<Self>) {
        self.phase = Phase::Claiming;
        let step = self.step();
        let done = Done::to(self.address(ctx), move |result| ClaimedShard {
            step,
            result,
        });
        self.world.store.claim(self.id, done);
    }

    pub(super) fn read_recent(&mut self, after: Cursor, ctx: &Context<Self>) {
        let Some(shard) = &self.shard else { return };
        let since_ms = shard.stream_ms.get() - self.world.settings.duplicate_window_ms;
        let step = self.step();
        let done = Done::to(self.address(ctx), move |page| RecentPage {
            step,
            after,
            page,
        });
        self.world.store.recent(self.id, since_ms, after, done);
    }

    pub(super) fn read_unfinished(&mut self, after: Cursor, ctx: &Context<Self>) {
        let step = self.step();
        let done = Done::to(self.address(ctx), move |page| UnfinishedPage {
            step,
            after,
            page,
        });
        self.world.store.unfinished(self.id, after, done);
    }

    /// Whether what the broker and the store say of this shard can be the same history.
    fn find_contradiction(&self, claimed: &Claimed) -> Option<Alarm> {
        let (shard, marked) = (self.id, claimed.next_offset.unwrap_or(0));
        let committed = self.log.committed.unwrap_or(0);
        if let Some(position) = self.log.committed
            && self.log.low > position
        {
            return Some(Alarm::RequestsLost {
                shard,
                from: position,
                to: self.log.low,
            });
        }
        if self.log.high < marked.max(committed) {
            return Some(Alarm::AnotherLog {
                shard,
                marked: marked.max(committed),
                high: self.log.high,
            });
        }
        if committed > marked {
            return Some(Alarm::OlderStore {
                shard,
                marked,
                committed,
            });
        }
        None
    }

    fn begin_reading(&mut self, claimed: &Claimed, ctx: &mut Context<Self>) {
        let Some(shard) = &self.shard else { return };
        tracing::debug!(shard = %self.id, "shard claimed");
        shard.epoch.set(claimed.epoch);
        shard
            .stream_ms
            .set(shard.stream_ms.get().max(claimed.stream_ms));
        self.log_generation = claimed.log_generation;
        self.phase = Phase::Reading;
        self.read_recent(Cursor::default(), ctx);
    }

    fn put_recent(&mut self, entries: Vec<WindowEntry>) {
        for WindowEntry { user_id, entry } in entries {
            self.put_window(&user_id, entry);
        }
    }

    fn put_window(&mut self, user_id: &UserId, entry: Entry) {
        let slot = self.slots.slot(user_id);
        slot.window.borrow_mut().insert(entry);
    }

    fn put_unfinished(&mut self, page: Vec<Unfinished>) {
        for Unfinished {
            id,
            user_id,
            due_ms,
            kind,
            donation,
            is_answered,
        } in page
        {
            let standing = Standing::of_unfinished(kind);
            self.put_window(&user_id, Entry::recorded(&donation, standing, is_answered));
            let kind = kind.unwrap_or(PendingKind::Drained);
            let entry = PendingEntry {
                due_ms,
                kind,
                user_id,
                is_acknowledged: false,
            };
            // Only a shard that begins anew has flights by now.
            match self.flights.get_mut(&id) {
                Some(flight) => flight.was_pending = Some(entry),
                None => self.pending.put(id, entry),
            }
        }
    }

    /// Nothing is begun, and nothing more is taken in.
    fn refuse_shard(&mut self, alarm: Alarm) {
        self.lease.lose();
        self.phase = Phase::Refused;
        self.world
            .credits
            .give_back(std::mem::take(&mut self.inbox).len());
        self.world.raise(alarm);
    }

    fn ready(&mut self) {
        self.phase = Phase::Ready;
        if let Some(shard) = &self.shard {
            let before = self.offsets.low_water() - 1;
            self.ticking.note_stream(before, shard.stream_ms.get());
        }
        let (pending, waiting) = (self.pending.known.len(), self.inbox.len());
        tracing::info!(shard = %self.id, pending, waiting, "shard taken over");
        self.send_flights_again(|_| true);
        self.begin_inbox();
    }
}

impl Handler<ClaimedShard> for Router {
    type Result = ();

    fn handle(&mut self, ClaimedShard { step, result }: ClaimedShard, ctx: &mut Self::Context) {
        if step != self.takeover || !matches!(self.phase, Phase::Claiming) {
            return;
        }
        let claimed = match result {
            Ok(claimed) => claimed,
            Err(error) => {
                tracing::warn!(shard = %self.id, %error, "the shard could not be claimed yet");
                return self.again_later(Again::Claim);
            }
        };
        match self.find_contradiction(&claimed) {
            Some(alarm) => self.refuse_shard(alarm),
            None => self.begin_reading(&claimed, ctx),
        }
    }
}

impl Handler<RecentPage> for Router {
    type Result = ();

    fn handle(&mut self, recent: RecentPage, ctx: &mut Self::Context) {
        let RecentPage { step, after, page } = recent;
        if step != self.takeover || !matches!(self.phase, Phase::Reading) {
            return;
        }
        match page {
            Ok((entries, next)) => {
                self.put_recent(entries);
                match next {
                    Some(next) => self.read_recent(next, ctx),
                    None => {
                        tracing::debug!(shard = %self.id, users = self.slots.len(), "windows filled");
                        self.read_unfinished(Cursor::default(), ctx);
                    }
                }
            }
            Err(_) => self.again_later(Again::ReadRecent(after)),
        }
    }
}

impl Handler<UnfinishedPage> for Router {
    type Result = ();

    fn handle(&mut self, unfinished: UnfinishedPage, ctx: &mut Self::Context) {
        let UnfinishedPage { step, after, page } = unfinished;
        if step != self.takeover || !matches!(self.phase, Phase::Reading) {
            return;
        }
        match page {
            Ok((entries, next)) => {
                self.put_unfinished(entries);
                match next {
                    Some(next) => self.read_unfinished(next, ctx),
                    None => self.ready(),
                }
            }
            Err(_) => self.again_later(Again::ReadUnfinished(after)),
        }
    }
}
