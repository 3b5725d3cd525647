//! The router of one shard: finds or starts the user of each request, keeps what is in flight and what is due, tells
//! the world what was decided, and says how far the shard's offsets are done. What must survive a crash of a user's
//! actor is kept here.

mod acquire;
mod anew;
mod answer;
mod flight;
mod handover;
mod pending;
mod quarantine;
mod slots;
mod tick;

use std::collections::{BTreeMap, BTreeSet, VecDeque};
use std::rc::Rc;
use std::sync::Arc;

use actix::prelude::{
    Actor, ActorContext, Addr, AsyncContext, Context, Handler, Message, Supervised,
};
use almoner_domain::donation::{Donation, PendingKind};
use almoner_domain::ids::{CampaignId, DonationId, Shard, UserId};
use almoner_domain::outcome::{RejectionReason, Told};
use hashbrown::HashMap;

use self::acquire::Phase;
use self::answer::{Loose, LoosePublished};
use self::flight::{Acknowledged, Flight, Published};
use self::handover::Drain;
use self::pending::PendingSet;
use self::slots::Slots;
use self::tick::Ticking;
use crate::completions::Look;
use crate::gateway::GatewayAddress;
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
    gateway: GatewayAddress,
    lease: Arc<Lease>,
    log: LogRange,
    /// Made when the actor starts, since it needs the router's own address.
    shard: Option<Rc<ShardContext>>,
    phase: Phase,
    /// The number of the takeover's present step: an answer to an earlier one is history.
    takeover: u64,
    log_generation: u32,
    offsets: Offsets,
    /// Boxed, since the table has room for more than it holds, and grows.
    flights: HashMap<DonationId, Box<Flight>, foldhash::fast::FixedState>,
    /// Publishes of flights so far.
    publishes: u64,
    /// Answers to records, by offset, that are on their way to the broker and belong to no flight: rejections, dead
    /// letters, forwards.
    loose: BTreeMap<i64, Loose>,
    /// Finished donations whose outcome was acknowledged, while their pending rows go.
    unacknowledged: BTreeSet<DonationId>,
    slots: Slots,
    pending: PendingSet,
    /// Answers that came but are not yet handled, in order: those behind one that crashes the router survive it.
    completed: VecDeque<Completed>,
    /// Records that are read but not yet begun, in order.
    inbox: VecDeque<Incoming>,
    /// The record that is being begun, and how often that was tried: it survives a crash.
    current: Option<(Incoming, u32)>,
    ticking: Ticking,
    drain: Option<Drain>,
    /// Actors of this shard that were quarantined of late, by hash, and when (boot clock).
    quarantined: VecDeque<(u64, i64)>,
    /// When the shard began anew of late (boot clock).
    began_anew: VecDeque<i64>,
}

/// What came of one of the router's calls: those that every donation makes.
pub(crate) enum Completed {
    Published(Published),
    Acknowledged(Acknowledged),
    Loose(LoosePublished),
}

/// Records in the order of their partition.
#[derive(Message)]
#[rtype(result = "()")]
pub struct Records(pub Vec<Incoming>);

/// The log ended where reading stands, as of this moment of the wall clock.
#[derive(Message)]
#[rtype(result = "()")]
pub struct AtEnd {
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

/// A write was refused, for the shard has another owner.
#[derive(Message)]
#[rtype(result = "()")]
pub struct Fenced;

/// After a crash, behind all that was queued before it.
#[derive(Message)]
#[rtype(result = "()")]
struct GoOn;

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
    /// The events before it, in sequence.
    pub told_before: Vec<Told>,
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
    /// The offset of the record that asked for it, in the shard's log.
    offset: i64,
    reason: RejectionReason,
    field: Option<&'static str>,
    /// Nothing else comes of it.
    is_end: bool,
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
            told_before: Vec::new(),
            fate: Fate::Dropped,
        }
    }
}

impl Refused {
    /// The id was used for another donation; `field` differs.
    #[must_use]
    pub fn id_reused(id: DonationId, offset: i64, field: &'static str) -> Self {
        Self {
            field: Some(field),
            ..Self::hold_answer(id, offset, RejectionReason::IdReused)
        }
    }

    /// An answer to a hold that cannot be.
    #[must_use]
    pub fn hold_answer(id: DonationId, offset: i64, reason: RejectionReason) -> Self {
        Self {
            id,
            offset,
            reason,
            field: None,
            is_end: true,
        }
    }

    /// An answer to a hold that lapsed before; that it did is told next.
    #[must_use]
    pub fn too_late(id: DonationId, offset: i64) -> Self {
        Self {
            is_end: false,
            ..Self::hold_answer(id, offset, RejectionReason::TooLate)
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
        gateway: GatewayAddress,
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
            takeover: 0,
            log_generation: 1,
            offsets: Offsets::starting_at(log.committed.unwrap_or(log.low)),
            flights: HashMap::default(),
            publishes: 0,
            loose: BTreeMap::new(),
            unacknowledged: BTreeSet::new(),
            slots: Slots::default(),
            pending: PendingSet::default(),
            completed: VecDeque::new(),
            inbox: VecDeque::new(),
            current: None,
            ticking: Ticking::default(),
            drain: None,
            quarantined: VecDeque::new(),
            began_anew: VecDeque::new(),
        }
    }

    /// Begins what was read, record by record.
    fn begin_inbox(&mut self) {
        if !self.phase.is_ready() || self.drain.is_some() {
            return;
        }
        while let Some(incoming) = self.inbox.pop_front() {
            self.begin(incoming, 0);
        }
    }

    /// Handles the answers that came, one by one.
    fn complete(&mut self) {
        let Some(shard) = &self.shard else { return };
        shard.completions.take(&mut self.completed);
        while let Some(completed) = self.completed.pop_front() {
            match completed {
                Completed::Published(published) => self.published(published),
                Completed::Acknowledged(acknowledged) => self.acknowledged(&acknowledged),
                Completed::Loose(published) => self.loose_published(published),
            }
        }
    }

    /// The router's own address, for completions.
    fn address(&self, ctx: &Context<Self>) -> Arc<Addr<Self>> {
        match &self.shard {
            Some(shard) => Arc::clone(&shard.router),
            None => Arc::new(ctx.address()),
        }
    }

    fn is_drained(&self) -> bool {
        self.flights.is_empty() && self.loose.is_empty()
    }

    /// Another owner has the shard: it is let go. Mostly the broker says so too, soon; if it does not, a late claim of
    /// somebody's took the shard from its owner, and only another assignment cures that.
    fn fenced(&mut self) {
        if !matches!(self.phase, Phase::Gone { .. }) {
            tracing::warn!(shard = %self.id, "the shard has another owner: nothing more is done for it here");
            self.let_go();
        }
    }
}

impl Actor for Router {
    type Context = Context<Self>;

    fn started(&mut self, ctx: &mut Self::Context) {
        if self.shard.is_none() {
            self.shard = Some(ShardContext::new(
                Arc::clone(&self.world),
                self.id,
                Arc::new(ctx.address()),
                self.gateway.clone(),
                Arc::clone(&self.lease),
            ));
            self.claim(ctx);
        }
        ctx.run_later(tick::EVERY, Self::tick);
    }
}

impl Supervised for Router {
    /// Flights, offsets and windows are as they were: only the message that was being handled is lost, and what was to
    /// be done again later.
    fn restarting(&mut self, ctx: &mut Self::Context) {
        self.world.telemetry.actor_restarted("router");
        self.retry_current();
        ctx.address().do_send(GoOn);
    }
}

impl Handler<GoOn> for Router {
    type Result = ();

    /// Whatever could have been lost is done again: each step takes a repeat for what it is.
    fn handle(&mut self, _: GoOn, ctx: &mut Self::Context) {
        self.forget_steps();
        self.complete();
        match self.phase {
            Phase::Claiming | Phase::Reading => self.claim(ctx),
            Phase::Refused | Phase::Gone { .. } => {}
            Phase::Ready => {
                self.send_flights_again(|_| true);
                self.publish_flights_again();
                self.publish_all_loose_again();
                let ids: Vec<DonationId> = self.unacknowledged.iter().copied().collect();
                for id in ids {
                    self.acknowledge(id);
                }
                self.begin_inbox();
            }
        }
    }
}

impl Handler<Look> for Router {
    type Result = ();

    fn handle(&mut self, _: Look, _: &mut Self::Context) {
        self.complete();
    }
}

impl Handler<Records> for Router {
    type Result = ();

    fn handle(&mut self, Records(records): Records, _: &mut Self::Context) {
        let is_closed = matches!(self.phase, Phase::Refused | Phase::Gone { .. });
        if is_closed || self.drain.is_some() {
            self.world.credits.give_back(records.len());
            return;
        }
        self.inbox.extend(records);
        self.begin_inbox();
    }
}

impl Handler<AtEnd> for Router {
    type Result = ();

    fn handle(&mut self, at_end: AtEnd, _: &mut Self::Context) {
        const BEHIND_MS: i64 = 30_000;
        if let Some(shard) = &self.shard
            && self.inbox.is_empty()
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
        self.let_go();
        ctx.stop();
    }
}

impl Handler<Fenced> for Router {
    type Result = ();

    fn handle(&mut self, _: Fenced, _: &mut Self::Context) {
        self.fenced();
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

    fn handle(&mut self, departed: Departed, _: &mut Self::Context) {
        self.departed(departed);
    }
}

impl Handler<Refused> for Router {
    type Result = ();

    fn handle(&mut self, refused: Refused, _: &mut Self::Context) {
        self.refused(&refused);
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
