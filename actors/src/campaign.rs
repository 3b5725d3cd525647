//! The campaign actor: is it open, is the currency right, is it within its limits, how much of it is in flight. There
//! is one per campaign and shard, so that a viral campaign uses every core.

use std::rc::Rc;
use std::sync::Arc;

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
    in_flight: usize,
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

/// A donation that was counted is not in flight any more.
#[derive(Message)]
#[rtype(result = "()")]
pub struct Settled {
    /// Its card was declined, which counts against card testing.
    pub declined: bool,
}

#[derive(Message)]
#[rtype(result = "()")]
struct Read(Result<Option<Arc<CampaignFacts>>, StoreError>);

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
            in_flight: 0,
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

    fn judge(&mut self, donation: &Donation) -> Verdict {
        let settings = &self.shard.world.settings;
        let refusal = match &self.known {
            Known::As {
                facts: Some(facts), ..
            } => facts.refuses(&donation.request),
            _ if settings.unknown_campaigns_accepted => None,
            _ => Some(Reason::CampaignNotFound),
        };
        let now_ms = self.shard.world.clock.boot_ms();
        match refusal {
            Some(reason) => Verdict::Refuse { reason },
            None if now_ms < self.blocked_until_ms || !self.donations.take(now_ms) => {
                Verdict::Refuse {
                    reason: Reason::VelocityBlocked,
                }
            }
            None if self.in_flight >= settings.campaign_in_flight_max => Verdict::Queue,
            None => {
                self.in_flight += 1;
                Verdict::Charge
            }
        }
    }

    fn answer(&mut self, check: Check) {
        let verdict = self.judge(&check.donation);
        check.reply.do_send(Checked {
            id: check.donation.request.id,
            verdict,
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
    /// What was in flight is unknown now; who asked asks again.
    fn restarting(&mut self, _: &mut Self::Context) {
        self.waiting.clear();
        self.in_flight = 0;
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

impl Handler<Settled> for Campaign {
    type Result = ();

    fn handle(&mut self, settled: Settled, _: &mut Self::Context) {
        self.in_flight = self.in_flight.saturating_sub(1);
        let now_ms = self.shard.world.clock.boot_ms();
        if settled.declined && !self.declines.take(now_ms) {
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
