//! The campaign actor: is it open, is the currency right, is it within its limits, how much of it is in flight. There
//! is one per campaign and shard, so that a viral campaign uses every core.

use std::rc::Rc;
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};

use actix::prelude::{Actor, Addr, Context, Handler, Message, Supervised};
use almoner_domain::campaign::Campaign as CampaignFacts;
use almoner_domain::donation::{Donation, Verdict};
use almoner_domain::ids::CampaignId;
use almoner_domain::outcome::Reason;

use crate::limiter::Limiter;
use crate::ports::{Done, StoreError};
use crate::shard::ShardContext;
use crate::user::{Checked, User};

/// How long a campaign takes nothing once its declines exceeded their limit.
const CARD_TESTING_PAUSE_MS: i64 = 60_000;

/// One campaign in one shard.
pub struct Campaign {
    shard: Rc<ShardContext>,
    id: CampaignId,
    known: Known,
    /// Checks that wait for the campaign to be read. The router's credits bound them.
    waiting: Vec<Check>,
    in_flight: Arc<AtomicUsize>,
    donations: Limiter,
    declines: Limiter,
    /// Too many cards were declined: it is taken for card testing until then (boot clock).
    blocked_until_ms: i64,
}

/// What is known of the campaign.
enum Known {
    /// Nothing yet, or what was known is too old: it is being read.
    Reading,
    /// Read at this moment (boot clock); none if nobody knows the campaign.
    As {
        facts: Option<Arc<CampaignFacts>>,
        read_ms: i64,
    },
}

/// May this donation be charged? Answered with [`Checked`].
#[derive(Message)]
#[rtype(result = "()")]
pub struct Check {
    /// The donation.
    pub donation: Arc<Donation>,
    /// Who asks.
    pub reply: Addr<User>,
}

/// One charge of the campaign in flight. It counts until it is dropped, however that comes: a crash of the actor that
/// held it gives it back too.
#[derive(Debug)]
pub struct InFlight(Arc<AtomicUsize>);

/// A card was declined, which counts against card testing.
#[derive(Message)]
#[rtype(result = "()")]
pub struct CardDeclined;

#[derive(Message)]
#[rtype(result = "()")]
struct Read(Result<Option<Arc<CampaignFacts>>, StoreError>);

impl InFlight {
    fn of(count: &Arc<AtomicUsize>) -> Self {
        count.fetch_add(1, Ordering::Relaxed);
        Self(Arc::clone(count))
    }
}

impl Drop for InFlight {
    fn drop(&mut self) {
        self.0.fetch_sub(1, Ordering::Relaxed);
    }
}

impl Campaign {
    /// A campaign of which nothing is known yet.
    #[must_use]
    pub fn new(shard: Rc<ShardContext>, id: CampaignId) -> Self {
        let settings = &shard.world.settings;
        let donations = Limiter::per_minute(settings.campaign_per_minute_max);
        let declines = Limiter::per_minute(settings.campaign_declines_per_minute_max);
        Self {
            shard,
            id,
            known: Known::Reading,
            waiting: Vec::new(),
            in_flight: Arc::default(),
            donations,
            declines,
            blocked_until_ms: i64::MIN,
        }
    }

    fn read(&mut self, ctx: &Context<Self>) {
        use actix::prelude::AsyncContext;
        self.known = Known::Reading;
        self.shard
            .world
            .store
            .campaign(self.id.clone(), Done::to(ctx.address().recipient(), Read));
    }

    fn is_stale(&self) -> bool {
        match self.known {
            Known::Reading => false,
            Known::As { read_ms, .. } => {
                self.shard.world.clock.boot_ms() - read_ms
                    > self.shard.world.settings.campaign_ttl_ms
            }
        }
    }

    /// The verdict, and the charge that it lets be in flight.
    fn judge(&mut self, donation: &Donation) -> (Verdict, Option<InFlight>) {
        let settings = &self.shard.world.settings;
        let refusal = match &self.known {
            Known::As {
                facts: Some(facts), ..
            } => facts.refuses(&donation.request),
            _ if settings.unknown_campaigns_accepted => None,
            _ => Some(Reason::CampaignNotFound),
        };
        if let Some(reason) = refusal {
            return (Verdict::Refuse { reason }, None);
        }
        // What only waits takes no part of the limit: it comes again.
        if self.in_flight.load(Ordering::Relaxed) >= settings.campaign_in_flight_max {
            return (Verdict::Queue, None);
        }
        let now_ms = self.shard.world.clock.boot_ms();
        if now_ms < self.blocked_until_ms || !self.donations.take(now_ms) {
            let reason = Reason::VelocityBlocked;
            return (Verdict::Refuse { reason }, None);
        }
        (Verdict::Charge, Some(InFlight::of(&self.in_flight)))
    }

    fn answer(&mut self, check: Check) {
        let (verdict, in_flight) = self.judge(&check.donation);
        check.reply.do_send(Checked {
            id: check.donation.request.id,
            verdict,
            in_flight,
        });
    }
}

impl Actor for Campaign {
    type Context = Context<Self>;

    fn started(&mut self, ctx: &mut Self::Context) {
        self.read(ctx);
    }
}

impl Supervised for Campaign {
    /// Who asked asks again; what is in flight still counts.
    fn restarting(&mut self, _: &mut Self::Context) {
        self.waiting.clear();
    }
}

impl Handler<Check> for Campaign {
    type Result = ();

    fn handle(&mut self, check: Check, ctx: &mut Self::Context) {
        if self.is_stale() {
            self.read(ctx);
        }
        match self.known {
            Known::Reading => self.waiting.push(check),
            Known::As { .. } => self.answer(check),
        }
    }
}

impl Handler<CardDeclined> for Campaign {
    type Result = ();

    fn handle(&mut self, _: CardDeclined, _: &mut Self::Context) {
        let now_ms = self.shard.world.clock.boot_ms();
        if !self.declines.take(now_ms) {
            self.blocked_until_ms = now_ms + CARD_TESTING_PAUSE_MS;
        }
    }
}

impl Handler<Read> for Campaign {
    type Result = ();

    fn handle(&mut self, Read(result): Read, ctx: &mut Self::Context) {
        use actix::prelude::AsyncContext;
        match result {
            Ok(facts) => {
                self.known = Known::As {
                    facts,
                    read_ms: self.shard.world.clock.boot_ms(),
                };
                for check in std::mem::take(&mut self.waiting) {
                    self.answer(check);
                }
            }
            Err(_) => {
                ctx.run_later(crate::user::STORE_PAUSE, |campaign, ctx| campaign.read(ctx));
            }
        }
    }
}
