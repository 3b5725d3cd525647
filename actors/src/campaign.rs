//! The campaign actor: is it open, is the currency right, is it within its limits, how much of it is in flight. There
//! is one per campaign and shard, so that a viral campaign uses every core. The actor keeps what is known up to date;
//! while it is, users judge by it themselves (they live on the same arbiter), and no message is sent.

use std::cell::{Cell, RefCell};
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
use crate::world::Settings;

/// How long a campaign takes nothing once its declines exceeded their limit.
const CARD_TESTING_PAUSE_MS: i64 = 60_000;

/// The actor of one campaign in one shard: it reads what is known of the campaign, and counts declines.
pub struct Campaign {
    shard: Rc<ShardContext>,
    id: CampaignId,
    admission: Rc<Admission>,
    /// Checks that wait for the campaign to be read. The router's credits bound them.
    waiting: Vec<Check>,
    declines: Limiter,
}

/// What decides whether a donation of the campaign may be charged.
pub(crate) struct Admission {
    known: RefCell<Known>,
    in_flight: Arc<AtomicUsize>,
    donations: RefCell<Limiter>,
    /// Too many cards were declined: it is taken for card testing until then (boot clock).
    blocked_until_ms: Cell<i64>,
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
    pub reply: Arc<Addr<User>>,
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
    /// The actor that keeps `admission` up to date.
    #[must_use]
    pub(crate) fn new(shard: Rc<ShardContext>, id: CampaignId, admission: Rc<Admission>) -> Self {
        let declines_max = shard.world.settings.campaign_declines_per_minute_max;
        Self {
            shard,
            id,
            admission,
            waiting: Vec::new(),
            declines: Limiter::per_minute(declines_max),
        }
    }

    fn is_reading(&self) -> bool {
        matches!(*self.admission.known.borrow(), Known::Reading)
    }

    fn read(&mut self, ctx: &Context<Self>) {
        use actix::prelude::AsyncContext;
        self.admission.known.replace(Known::Reading);
        let done = Done::to(Arc::new(ctx.address()), Read);
        self.shard.world.store.campaign(self.id.clone(), done);
    }

    /// Answers all whose campaign is known by now.
    fn answer_waiting(&mut self) {
        let now_ms = self.shard.world.clock.boot_ms();
        let settings = &self.shard.world.settings;
        for check in std::mem::take(&mut self.waiting) {
            match self.admission.judge(&check.donation, settings, now_ms) {
                Some((verdict, in_flight)) => check.reply.do_send(Checked {
                    id: check.donation.request.id,
                    verdict,
                    in_flight,
                }),
                None => self.waiting.push(check),
            }
        }
    }
}

impl Admission {
    /// Of a campaign of which nothing is known yet.
    #[must_use]
    pub(crate) fn new(settings: &Settings) -> Self {
        let donations = Limiter::per_minute(settings.campaign_per_minute_max);
        Self {
            known: RefCell::new(Known::Reading),
            in_flight: Arc::default(),
            donations: RefCell::new(donations),
            blocked_until_ms: Cell::new(i64::MIN),
        }
    }

    /// The verdict, and the charge that it lets be in flight; none while nothing is known that is young enough: then
    /// the actor is to be asked.
    pub(crate) fn judge(
        &self,
        donation: &Donation,
        settings: &Settings,
        now_boot_ms: i64,
    ) -> Option<(Verdict, Option<InFlight>)> {
        match &*self.known.borrow() {
            Known::As { facts, read_ms } if now_boot_ms - read_ms <= settings.campaign_ttl_ms => {
                Some(self.judge_by(facts.as_deref(), donation, settings, now_boot_ms))
            }
            Known::As { .. } | Known::Reading => None,
        }
    }

    fn judge_by(
        &self,
        facts: Option<&CampaignFacts>,
        donation: &Donation,
        settings: &Settings,
        now_boot_ms: i64,
    ) -> (Verdict, Option<InFlight>) {
        let refusal = match facts {
            Some(facts) => facts.refuses(&donation.request),
            None if settings.unknown_campaigns_accepted => None,
            None => Some(Reason::CampaignNotFound),
        };
        if let Some(reason) = refusal {
            return (Verdict::Refuse { reason }, None);
        }
        // What only waits takes no part of the limit: it comes again.
        if self.in_flight.load(Ordering::Relaxed) >= settings.campaign_in_flight_max {
            return (Verdict::Queue, None);
        }
        let is_blocked = now_boot_ms < self.blocked_until_ms.get();
        if is_blocked || !self.donations.borrow_mut().take(|| now_boot_ms) {
            let reason = Reason::VelocityBlocked;
            return (Verdict::Refuse { reason }, None);
        }
        (Verdict::Charge, Some(InFlight::of(&self.in_flight)))
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
        self.waiting.push(check);
        self.answer_waiting();
        // What is known is too old.
        if !self.waiting.is_empty() && !self.is_reading() {
            self.read(ctx);
        }
    }
}

impl Handler<CardDeclined> for Campaign {
    type Result = ();

    fn handle(&mut self, _: CardDeclined, _: &mut Self::Context) {
        let now_ms = self.shard.world.clock.boot_ms();
        if !self.declines.take(|| now_ms) {
            self.admission
                .blocked_until_ms
                .set(now_ms + CARD_TESTING_PAUSE_MS);
        }
    }
}

impl Handler<Read> for Campaign {
    type Result = ();

    fn handle(&mut self, Read(result): Read, ctx: &mut Self::Context) {
        use actix::prelude::AsyncContext;
        match result {
            Ok(facts) => {
                self.admission.known.replace(Known::As {
                    facts,
                    read_ms: self.shard.world.clock.boot_ms(),
                });
                self.answer_waiting();
            }
            Err(_) => {
                ctx.run_later(crate::user::STORE_PAUSE, |campaign, ctx| campaign.read(ctx));
            }
        }
    }
}
