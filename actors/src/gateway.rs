//! The gateway actor: spends the instance's share of the gateway's budget, campaigns in turn, under a breaker. It
//! never decides about a donation; it sends what was permitted, once, and passes the answer on.

mod arrivals;

use std::collections::VecDeque;
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::Duration;

use actix::prelude::{
    Actor, Addr, ArbiterHandle, AsyncContext, Context, Handler, Message, SpawnHandle, Supervised,
};
use almoner_domain::answer::Answer;
use almoner_domain::donation::{Call, Donation};
use almoner_domain::ids::DonationId;
use tokio::time::Instant;

pub use self::arrivals::GatewayAddress;
use self::arrivals::{Arrival, Landed, Landings, Look, Receiver};
use crate::breaker::{Admit, Breaker, BreakerSignal};
use crate::budget::{Budget, Endpoint};
use crate::guard::{self, Policy, Report};
use crate::lanes::{Lane, Lanes};
use crate::lease::Lease;
use crate::ports::{Done, GatewayCall};
use crate::user::{Answered, Unsent, User};
use crate::world::{Alarm, World};

/// How often what waits behind an open breaker is looked at.
const BREAKER_LOOK: Duration = Duration::from_millis(250);

/// A key with less of its life left than this goes first: once it is dead, nothing can be proven by it.
const URGENT_MS: i64 = 6 * 3_600_000;

/// The gateway actor of an instance.
pub struct GatewayActor {
    world: Arc<World>,
    lanes: Lanes<Box<Charge>>,
    /// The one whose turn it is, while there is no budget for it.
    next: Option<Box<Charge>>,
    budget: Budget,
    breaker: Breaker,
    /// Calls on the wire: each gives itself back when it is answered or dropped, so that a crash here leaks none.
    in_flight: Arc<AtomicUsize>,
    arrivals: Receiver,
    /// What arrived but is not yet handled, in order: what is behind a charge that crashes the actor survives it.
    arrived: VecDeque<Arrival>,
    /// Made with the first call, since it needs the actor's address.
    landings: Option<Arc<Landings>>,
    /// The timer that goes on when there is budget again, or the breaker may let a probe through.
    timer: Option<SpawnHandle>,
}

/// One permitted send.
pub struct Charge {
    /// The donation.
    pub donation: Arc<Donation>,
    /// What to send.
    pub call: Call,
    /// The pinned intent.
    pub intent: Option<Box<str>>,
    /// For a list: the range of `created`, seconds since 1970.
    pub listed_s: (i64, i64),
    /// Whether no send before it can have moved money: live charges have their own lane, however often the gateway, or
    /// our own budget, had no room for them.
    pub is_live: bool,
    /// The right to send.
    pub permit: Permit,
    /// Who is told.
    pub reply: Reply,
}

/// Who is told of a send: of its answer, or, when it is dropped on the way, that it did not go out. So no crash and no
/// full stop of the gateway actor leaves a donation without an answer.
pub struct Reply {
    to: Option<Arc<Addr<User>>>,
    id: DonationId,
    send: u16,
}

/// The right to send: the shard is ours, and the write that permitted it is young. It is asked once more right before the
/// bytes go out, since an instance may freeze in between.
#[derive(Clone, Debug)]
pub struct Permit {
    /// The shard's lease.
    pub lease: Arc<Lease>,
    /// When the permitting write was acknowledged, boot clock.
    pub permitted_at_boot_ms: i64,
    /// How old the permission may be.
    pub send_deadline_ms: i64,
}

/// The share of the account's budget that this instance has changed: its owned partitions over all.
#[derive(Message)]
#[rtype(result = "()")]
pub struct Share {
    /// Partitions owned, as of whenever it is read: so no two changes can be heard in the wrong order.
    pub owned: Arc<AtomicUsize>,
    /// Partitions in all.
    pub all: u32,
}

impl Reply {
    /// The user is told of this send.
    #[must_use]
    pub fn new(to: Arc<Addr<User>>, id: DonationId, send: u16) -> Self {
        let to = Some(to);
        Self { to, id, send }
    }

    fn answered(mut self, answer: Answer) {
        if let Some(user) = self.to.take() {
            let (id, send) = (self.id, self.send);
            user.do_send(Answered { id, send, answer });
        }
    }
}

impl Permit {
    /// Whether it may be sent now: the shard is still ours, and the permission is not too old.
    #[must_use]
    pub fn is_valid(&self, now_boot_ms: i64) -> bool {
        now_boot_ms - self.permitted_at_boot_ms < self.send_deadline_ms
            && self.lease.is_valid(now_boot_ms)
    }
}

impl Drop for Reply {
    fn drop(&mut self) {
        if let Some(user) = self.to.take() {
            let (id, send) = (self.id, self.send);
            user.do_send(Unsent { id, send });
        }
    }
}

/// One call on the wire.
struct OnTheWire(Arc<AtomicUsize>);

impl OnTheWire {
    fn of(count: &Arc<AtomicUsize>) -> Self {
        count.fetch_add(1, Ordering::Relaxed);
        Self(Arc::clone(count))
    }
}

impl Drop for OnTheWire {
    fn drop(&mut self) {
        self.0.fetch_sub(1, Ordering::Relaxed);
    }
}

impl GatewayActor {
    /// Starts the gateway actor under its guard. When it is beyond restarting, the process is to end.
    #[must_use]
    pub fn start_in(arbiter: &ArbiterHandle, world: Arc<World>) -> GatewayAddress {
        let alarmed = Arc::clone(&world);
        let report = move |report| {
            if let Report::Quarantined { panic } = report {
                alarmed.raise(Alarm::Escalated {
                    what: format!("the gateway actor keeps crashing: {panic}"),
                });
            }
        };
        let arrivals = Receiver::new();
        let sender = arrivals.sender();
        let make = move || Self::new(world, arrivals);
        sender(guard::start_in(arbiter, make, &Policy::SERVICE, report))
    }

    /// A gateway actor with nothing in flight.
    #[must_use]
    fn new(world: Arc<World>, arrivals: Receiver) -> Self {
        let settings = &world.settings;
        let (account_max, endpoint_max) = (
            settings.gateway_per_second_max,
            settings.gateway_endpoint_per_second_max,
        );
        let budget = Budget::new(account_max, endpoint_max, Instant::now());
        Self {
            world,
            lanes: Lanes::new(),
            next: None,
            budget,
            breaker: Breaker::new(),
            in_flight: Arc::default(),
            arrivals,
            arrived: VecDeque::new(),
            landings: None,
            timer: None,
        }
    }

    /// Sends as much as budget, breaker and the bound on calls in flight allow.
    fn pump(&mut self, now_boot_ms: i64, ctx: &mut Context<Self>) {
        let is_open = self.breaker.is_open(now_boot_ms);
        self.world.credits.gateway_usable(!is_open);
        if is_open {
            return self.pump_later(BREAKER_LOOK, ctx);
        }
        while self.has_room() {
            let now = Instant::now();
            let Some(charge) = self.next.take().or_else(|| self.pop(now, ctx)) else {
                return;
            };
            if !self.try_send(*charge, now, now_boot_ms, ctx) {
                return;
            }
        }
    }

    fn has_room(&self) -> bool {
        self.in_flight.load(Ordering::Relaxed) < self.world.settings.gateway_in_flight_max
    }

    /// Whether a charge that comes now need not wait: nothing else does, and its endpoint has budget.
    fn is_free_for(&mut self, charge: &Charge, now: Instant, now_boot_ms: i64) -> bool {
        self.next.is_none()
            && self.lanes.is_empty()
            && self.has_room()
            && !self.breaker.is_open(now_boot_ms)
            && self
                .budget
                .pass_endpoint(endpoint(&charge.call), now)
                .is_ok()
    }

    /// Sends it, unless budget or breaker forbid: then it is the next one. Says whether another may be tried.
    fn try_send(
        &mut self,
        charge: Charge,
        now: Instant,
        now_boot_ms: i64,
        ctx: &mut Context<Self>,
    ) -> bool {
        if !charge.permit.is_valid(now_boot_ms) {
            return true; // dropped, its reply says so; it must not cost what others could be sent by
        }
        let wait = match self.budget.try_take(endpoint(&charge.call), now) {
            Err(wait) => wait,
            Ok(()) => match self.breaker.admit(now_boot_ms) {
                Admit::No { .. } => BREAKER_LOOK,
                Admit::Yes | Admit::Probe => {
                    self.send(charge, now_boot_ms, ctx);
                    return true;
                }
            },
        };
        self.next = Some(Box::new(charge));
        self.pump_later(wait, ctx);
        false
    }

    /// The next one of an endpoint that has budget; if there is none, it is looked for again when one has.
    fn pop(&mut self, now: Instant, ctx: &mut Context<Self>) -> Option<Box<Charge>> {
        if self.lanes.is_empty() {
            return None;
        }
        let budget = &mut self.budget;
        let waits = Endpoint::ALL.map(|endpoint| budget.pass_endpoint(endpoint, now).err());
        let next = self.lanes.pop(|it| waits[it as usize].is_none());
        if next.is_none()
            && let Some(wait) = waits.into_iter().flatten().min()
        {
            self.pump_later(wait, ctx);
        }
        next
    }

    fn pump_later(&mut self, pause: Duration, ctx: &mut Context<Self>) {
        if self.timer.is_none() {
            self.timer = Some(ctx.run_later(pause, |gateway, ctx| {
                gateway.timer = None;
                gateway.pump(gateway.world.clock.boot_ms(), ctx);
            }));
        }
    }

    fn landings(&mut self, ctx: &Context<Self>) -> Arc<Landings> {
        let arrivals = &self.arrivals;
        let make = || Arc::new(arrivals.landings(&ctx.address()));
        Arc::clone(self.landings.get_or_insert_with(make))
    }

    fn send(&mut self, charge: Charge, now_boot_ms: i64, ctx: &Context<Self>) {
        let Charge {
            donation,
            call,
            intent,
            listed_s,
            permit,
            reply,
            ..
        } = charge;
        // A list waits for the next reading with all others: it holds no connection meanwhile.
        let on_the_wire = (call != Call::List).then(|| OnTheWire::of(&self.in_flight));
        let landings = self.landings(ctx);
        let who = Who {
            user: hash(donation.request.user_id.as_str()),
            campaign: campaign_hash(&donation),
        };
        let name = call.name();
        let is_refund = matches!(call, Call::Reverse { .. });
        let done = Done::new(move |answer: Answer| {
            let signal = if is_refund {
                BreakerSignal::of_refund(&answer)
            } else {
                BreakerSignal::of(&answer, who.user, who.campaign)
            };
            drop(on_the_wire);
            landings.push(Landed {
                call: name,
                signal,
                sent_at_boot_ms: now_boot_ms,
            });
            reply.answered(answer);
        });
        self.world.gateway.call(
            GatewayCall {
                donation,
                call,
                intent,
                listed_s,
                permit: Some(permit),
            },
            done,
        );
    }
}

impl GatewayActor {
    /// Sends it at once, or lets it wait in its lane.
    fn charge(&mut self, charge: Charge, now: Instant, now_boot_ms: i64, ctx: &mut Context<Self>) {
        if self.is_free_for(&charge, now, now_boot_ms) {
            self.try_send(charge, now, now_boot_ms, ctx);
            return;
        }
        let age_ms = self.world.clock.wall_ms() - charge.donation.accepted_at_ms;
        let urgent = self.world.settings.rules.key_usable_ms() - age_ms
            < URGENT_MS.min(self.world.settings.rules.key_usable_ms() / 3);
        self.lanes.push(
            lane(&charge),
            endpoint(&charge.call),
            campaign_hash(&charge.donation),
            urgent,
            Box::new(charge),
        );
    }

    fn landed(&mut self, landed: &Landed, now: Instant, now_boot_ms: i64) {
        let took_ms = now_boot_ms - landed.sent_at_boot_ms;
        self.world.telemetry.gateway_ms(landed.call, took_ms);
        match landed.signal {
            BreakerSignal::Busy => self.budget.on_rate_limited(now),
            BreakerSignal::Works => {
                self.world.credits.accept_key();
                self.budget.on_success(now);
            }
            _ => {}
        }
        self.breaker.answered(landed.signal, now_boot_ms);
    }
}

/// Whom an answer concerns, as hashes.
#[derive(Clone, Copy)]
struct Who {
    user: u64,
    campaign: u64,
}

fn endpoint(call: &Call) -> Endpoint {
    match call {
        Call::Charge | Call::CreateIntent { .. } => Endpoint::Create,
        Call::Confirm { .. } => Endpoint::Confirm,
        Call::Cancel { .. } | Call::Discard { .. } => Endpoint::Cancel,
        Call::Fetch | Call::List => Endpoint::Read,
        Call::Reverse { .. } => Endpoint::Refund,
    }
}

fn lane(charge: &Charge) -> Lane {
    match charge.call {
        Call::Charge | Call::CreateIntent { .. } if charge.is_live => Lane::Live,
        Call::Charge | Call::Fetch | Call::List => Lane::Ask,
        Call::Confirm { .. } | Call::CreateIntent { .. } => Lane::Retry,
        Call::Cancel { .. } | Call::Discard { .. } => Lane::Retry,
        Call::Reverse { .. } => Lane::Background,
    }
}

fn campaign_hash(donation: &Donation) -> u64 {
    hash(donation.request.campaign_id.as_str())
}

fn hash(text: &str) -> u64 {
    use std::hash::{BuildHasher, Hasher};
    let mut hasher = foldhash::fast::FixedState::default().build_hasher();
    hasher.write(text.as_bytes());
    hasher.finish()
}

impl Actor for GatewayActor {
    type Context = Context<Self>;
}

impl Supervised for GatewayActor {
    /// What waited in the lanes is still there; what is on the wire still comes back.
    fn restarting(&mut self, ctx: &mut Self::Context) {
        self.world.telemetry.actor_restarted("gateway");
        self.timer = None;
        self.pump_later(BREAKER_LOOK, ctx);
        ctx.address().do_send(Look); // what arrived meanwhile woke nobody
    }
}

impl Handler<Look> for GatewayActor {
    type Result = ();

    fn handle(&mut self, _: Look, ctx: &mut Self::Context) {
        self.arrivals.take(&mut self.arrived);
        let (now, now_boot_ms) = (Instant::now(), self.world.clock.boot_ms());
        while let Some(arrival) = self.arrived.pop_front() {
            match arrival {
                Arrival::Charge(charge) => self.charge(charge, now, now_boot_ms, ctx),
                Arrival::Landed(landed) => self.landed(&landed, now, now_boot_ms),
            }
        }
        let is_closed = !self.breaker.is_open(now_boot_ms);
        self.world.telemetry.gateway(
            self.in_flight.load(Ordering::Relaxed),
            self.lanes.len(),
            is_closed,
        );
        self.pump(now_boot_ms, ctx);
    }
}

impl Handler<Share> for GatewayActor {
    type Result = ();

    fn handle(&mut self, Share { owned, all }: Share, ctx: &mut Self::Context) {
        let owned = u32::try_from(owned.load(Ordering::Acquire)).unwrap_or(u32::MAX);
        self.budget.set_share(owned, all);
        self.pump(self.world.clock.boot_ms(), ctx);
    }
}
