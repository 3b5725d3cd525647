//! The router of one shard: finds or starts the user of each request, keeps what is in flight and what is due, tells
//! the world what was decided, and says how far the shard's offsets are done. What must survive a crash of a user's
//! actor is kept here.

mod acquire;
mod answer;
mod flight;
mod quarantine;
mod slots;
mod tick;

use std::collections::{BTreeSet, VecDeque};
use std::rc::Rc;
use std::sync::Arc;

use actix::prelude::{Actor, Addr, AsyncContext, Context, Handler, Message, Supervised};
use almoner_domain::donation::{Donation, PendingKind};
use almoner_domain::ids::{CampaignId, DonationId, Shard, UserId};
use almoner_domain::outcome::{RejectionReason, Told};
use hashbrown::HashMap;

use self::acquire::Phase;
use self::flight::Flight;
use self::slots::Slots;
use self::tick::Ticking;
use crate::gateway::GatewayActor;
use crate::guard::Report;
use crate::intake::Incoming;
use crate::lease::Lease;
use crate::offsets::Offsets;
use crate::ports::{Done, LogRange};
use crate::shard::ShardContext;
use crate::world::World;

/// The router of one shard.
pub struct Router {
    world: Arc<World>,
    id: Shard,
    gateway: Addr<GatewayActor>,
    lease: Arc<Lease>,
    log: LogRange,
    /// Made when the actor starts, since it needs the router's own address.
    shard: Option<Rc<ShardContext>>,
    phase: Phase,
    log_generation: u32,
    offsets: Offsets,
    flights: HashMap<DonationId, Flight, foldhash::fast::FixedState>,
    /// Records whose answers are on their way to the broker, and that belong to no flight: rejections, dead letters,
    /// forwards.
    loose: u32,
    slots: Slots,
    pending: PendingSet,
    /// Records that are read but not yet begun, in order.
    inbox: VecDeque<Incoming>,
    /// The record that is being begun, and how often that was tried: it survives a crash.
    current: Option<(Incoming, u32)>,
    ticking: Ticking,
    drain: Option<Drain>,
    /// Actors of this shard that were quarantined since the start.
    quarantined: u32,
}

/// What the store drives on, by due time; and what each is, to bound and to show it.
#[derive(Default)]
struct PendingSet {
    by_due: BTreeSet<(i64, DonationId)>,
    known: HashMap<DonationId, PendingEntry, foldhash::fast::FixedState>,
    unknown: usize,
    is_full: bool,
}

struct PendingEntry {
    due_ms: i64,
    kind: PendingKind,
    user_id: UserId,
    /// Whether its latest event was acknowledged in this owner's time.
    is_acknowledged: bool,
}

struct Drain {
    deadline_boot_ms: i64,
    set_aside: bool,
    done: Option<Done<()>>,
}

/// Records in the order of their partition.
#[derive(Message)]
#[rtype(result = "()")]
pub struct Records(pub Vec<Incoming>);

/// The log ended at this offset, as of this moment of the wall clock.
#[derive(Message)]
#[rtype(result = "()")]
pub struct AtEnd {
    /// One past the last record.
    pub next_offset: i64,
    /// When the question was asked, wall clock.
    pub asked_wall_ms: i64,
}

/// A planned handover.
#[derive(Message)]
#[rtype(result = "()")]
pub struct HandOver {
    /// Called when all is drained and committed, or the deadline is over.
    pub done: Done<()>,
}

/// The partition was lost: drop everything.
#[derive(Message)]
#[rtype(result = "()")]
pub struct Lost;

/// A donation rests for a short while, in flight.
#[derive(Message)]
#[rtype(result = "()")]
pub struct Quiet {
    /// Which.
    pub id: DonationId,
    /// Until when, wall clock.
    pub due_ms: i64,
}

/// A donation is not at its user any more.
#[derive(Message)]
#[rtype(result = "()")]
pub struct Departed {
    /// Which.
    pub id: DonationId,
    /// The donation as recorded; none if it was dropped.
    pub donation: Option<Arc<Donation>>,
    /// The event to be told now, if there is a new one.
    pub told: Option<Told>,
    /// The event before it.
    pub told_before: Option<Told>,
    /// What became of it.
    pub fate: Fate,
}

/// What became of a donation that is no longer at its user.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Fate {
    /// It ended; its pending row, if it has one, goes when the outcome is acknowledged.
    Finished {
        /// Whether it has one.
        has_pending_row: bool,
    },
    /// The store drives it on.
    Pending {
        /// When it is looked at, wall clock.
        due_ms: i64,
        /// Why.
        kind: PendingKind,
    },
    /// Nothing durable came of it: whoever reads the record next begins anew.
    Dropped,
}

/// A request cannot be done: its records are answered with `request.rejected`.
#[derive(Message)]
#[rtype(result = "()")]
pub struct Refused {
    id: DonationId,
    reason: RejectionReason,
    field: Option<&'static str>,
}

/// What a guard says of a user's actor.
#[derive(Message)]
#[rtype(result = "()")]
pub struct UserReport {
    /// Whose.
    pub user_id: UserId,
    /// What.
    pub report: Report,
}

/// What a guard says of a campaign's actor.
#[derive(Message)]
#[rtype(result = "()")]
pub struct CampaignReport {
    /// Whose.
    pub campaign_id: CampaignId,
    /// What.
    pub report: Report,
}

impl Departed {
    /// Nothing durable came of it.
    #[must_use]
    pub fn dropped(id: DonationId) -> Self {
        Self {
            id,
            donation: None,
            told: None,
            told_before: None,
            fate: Fate::Dropped,
        }
    }
}

impl Refused {
    /// The id was used for another donation; `field` differs.
    #[must_use]
    pub fn id_reused(id: DonationId, field: &'static str) -> Self {
        Self {
            id,
            reason: RejectionReason::IdReused,
            field: Some(field),
        }
    }

    /// An answer to a hold that cannot be.
    #[must_use]
    pub fn hold_answer(id: DonationId, reason: RejectionReason) -> Self {
        Self {
            id,
            reason,
            field: None,
        }
    }
}

impl Router {
    /// A router that has yet to claim its shard.
    #[must_use]
    pub fn new(
        world: Arc<World>,
        id: Shard,
        log: LogRange,
        gateway: Addr<GatewayActor>,
        lease: Arc<Lease>,
    ) -> Self {
        Self {
            world,
            id,
            gateway,
            lease,
            log,
            shard: None,
            phase: Phase::Claiming,
            log_generation: 1,
            offsets: Offsets::starting_at(log.committed.unwrap_or(log.low)),
            flights: HashMap::default(),
            loose: 0,
            slots: Slots::default(),
            pending: PendingSet::default(),
            inbox: VecDeque::new(),
            current: None,
            ticking: Ticking::default(),
            drain: None,
            quarantined: 0,
        }
    }

    /// Begins what was read, record by record.
    fn begin_inbox(&mut self, ctx: &mut Context<Self>) {
        if !matches!(self.phase, Phase::Ready) || self.drain.is_some() {
            return;
        }
        while let Some(incoming) = self.inbox.pop_front() {
            self.begin(incoming, 0, ctx);
        }
    }

    fn is_drained(&self) -> bool {
        self.flights.is_empty() && self.loose == 0
    }
}

impl Actor for Router {
    type Context = Context<Self>;

    fn started(&mut self, ctx: &mut Self::Context) {
        if self.shard.is_none() {
            self.shard = Some(ShardContext::new(
                Arc::clone(&self.world),
                self.id,
                ctx.address(),
                self.gateway.clone(),
                Arc::clone(&self.lease),
            ));
            self.claim(ctx);
        }
        ctx.run_interval(tick::EVERY, Self::tick);
    }
}

impl Supervised for Router {
    /// Flights, offsets and windows are as they were: only the message that was being handled is lost, so everything
    /// in flight is sent to its user again, who knows what it has.
    fn restarting(&mut self, ctx: &mut Self::Context) {
        self.world.telemetry.actor_restarted("router");
        self.retry_current(ctx);
        self.send_flights_again(|_| true);
    }
}

impl Handler<Records> for Router {
    type Result = ();

    fn handle(&mut self, Records(records): Records, ctx: &mut Self::Context) {
        if self.drain.is_some() {
            self.world.credits.give_back(records.len());
            return;
        }
        self.inbox.extend(records);
        self.begin_inbox(ctx);
    }
}

impl Handler<AtEnd> for Router {
    type Result = ();

    fn handle(&mut self, at_end: AtEnd, _: &mut Self::Context) {
        const BEHIND_MS: i64 = 30_000;
        if let Some(shard) = &self.shard
            && self.inbox.is_empty()
            && at_end.next_offset <= self.ticking.next_offset_seen.max(self.offsets.low_water())
        {
            shard
                .stream_ms
                .set(shard.stream_ms.get().max(at_end.asked_wall_ms - BEHIND_MS));
        }
    }
}

impl Handler<HandOver> for Router {
    type Result = ();

    fn handle(&mut self, HandOver { done }: HandOver, ctx: &mut Self::Context) {
        self.hand_over(done, ctx);
    }
}

impl Handler<Lost> for Router {
    type Result = ();

    fn handle(&mut self, _: Lost, ctx: &mut Self::Context) {
        self.lease.lose();
        self.let_go(ctx);
    }
}

impl Handler<Quiet> for Router {
    type Result = ();

    fn handle(&mut self, Quiet { id, due_ms }: Quiet, _: &mut Self::Context) {
        self.ticking.quiet.insert((due_ms, id));
    }
}

impl Handler<Departed> for Router {
    type Result = ();

    fn handle(&mut self, departed: Departed, ctx: &mut Self::Context) {
        self.departed(departed, ctx);
    }
}

impl Handler<Refused> for Router {
    type Result = ();

    fn handle(&mut self, refused: Refused, ctx: &mut Self::Context) {
        self.refused(&refused, ctx);
    }
}

impl Handler<UserReport> for Router {
    type Result = ();

    fn handle(&mut self, UserReport { user_id, report }: UserReport, ctx: &mut Self::Context) {
        match report {
            Report::Restarted { .. } => {
                self.world.telemetry.actor_restarted("user");
                self.send_flights_again(|work| *work.user_id() == user_id);
            }
            Report::Quarantined { panic } => self.quarantine_user(&user_id, &panic, ctx),
            Report::Stopped => {}
        }
    }
}

impl Handler<CampaignReport> for Router {
    type Result = ();

    fn handle(
        &mut self,
        CampaignReport {
            campaign_id,
            report,
        }: CampaignReport,
        ctx: &mut Self::Context,
    ) {
        match report {
            Report::Restarted { .. } => {
                self.world.telemetry.actor_restarted("campaign");
                self.slots.ask_again();
            }
            Report::Quarantined { panic } => self.quarantine_campaign(&campaign_id, &panic, ctx),
            Report::Stopped => {}
        }
    }
}
