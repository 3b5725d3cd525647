//! What the actors of one shard share. They all live on one arbiter, so this needs no locks.

use std::cell::{Cell, RefCell};
use std::rc::Rc;
use std::sync::Arc;

use actix::prelude::{Addr, Handler, Message};
use almoner_domain::donation::Now;
use almoner_domain::ids::{CampaignId, Shard};
use hashbrown::HashMap;

use crate::campaign::{Admission, Campaign};
use crate::completions::Completions;
use crate::gateway::GatewayAddress;
use crate::guard::{self, Policy, Report};
use crate::lease::Lease;
use crate::router::{CampaignReport, Router};
use crate::world::World;

/// One shard, as its user and campaign actors see it.
pub struct ShardContext {
    /// The instance.
    pub world: Arc<World>,
    /// Which shard this is.
    pub shard: Shard,
    /// Its router.
    pub router: Arc<Addr<Router>>,
    /// The answers to the router's calls.
    pub(crate) completions: Arc<Completions>,
    /// The instance's gateway actor.
    pub gateway: GatewayAddress,
    /// The right to send.
    pub lease: Arc<Lease>,
    /// The epoch under which this owner writes.
    pub epoch: Cell<u64>,
    /// Stream time: the highest record timestamp read, milliseconds since 1970. It never goes back.
    pub stream_ms: Cell<i64>,
    /// Nothing new is begun any more.
    pub draining: Cell<bool>,
    campaigns: RefCell<HashMap<CampaignId, CampaignSlot, foldhash::fast::FixedState>>,
}

/// A campaign whose actor runs, as the users of the shard see it.
pub(crate) struct RunningCampaign {
    pub(crate) address: Addr<Campaign>,
    pub(crate) admission: Rc<Admission>,
}

/// A campaign's actor. Times are of the boot clock.
enum CampaignSlot {
    Running {
        campaign: Rc<RunningCampaign>,
        last_used_ms: i64,
    },
    Quarantined {
        until_ms: i64,
    },
}

impl ShardContext {
    /// A shard that nothing is known of yet.
    #[must_use]
    pub fn new(
        world: Arc<World>,
        shard: Shard,
        router: Arc<Addr<Router>>,
        gateway: GatewayAddress,
        lease: Arc<Lease>,
    ) -> Rc<Self> {
        Rc::new(Self {
            world,
            shard,
            completions: Completions::of(Arc::clone(&router)),
            router,
            gateway,
            lease,
            epoch: Cell::new(0),
            stream_ms: Cell::new(0),
            draining: Cell::new(false),
            campaigns: RefCell::default(),
        })
    }

    /// The same shard for actors that begin anew, with a lease of their own: whatever those of before still do is
    /// recorded, but not told.
    #[must_use]
    pub(crate) fn anew(&self) -> Rc<Self> {
        let anew = Self {
            world: Arc::clone(&self.world),
            shard: self.shard,
            router: Arc::clone(&self.router),
            completions: Arc::clone(&self.completions),
            gateway: self.gateway.clone(),
            lease: Arc::new(self.lease.pass_on()),
            epoch: self.epoch.clone(),
            stream_ms: self.stream_ms.clone(),
            draining: Cell::new(false),
            campaigns: RefCell::default(),
        };
        self.draining.set(true);
        self.let_campaigns_go();
        Rc::new(anew)
    }

    /// Tells the router, unless the shard began anew since.
    pub(crate) fn tell<M>(&self, message: M)
    where
        M: Message<Result = ()> + Send + 'static,
        Router: Handler<M>,
    {
        if !self.lease.is_retired() {
            self.router.do_send(message);
        }
    }

    /// Wall clock and stream time.
    #[must_use]
    pub fn now(&self) -> Now {
        Now {
            wall_ms: self.world.clock.wall_ms(),
            stream_ms: self.stream_ms.get(),
        }
    }

    /// The campaign, its actor started if it does not run; none while it is quarantined.
    pub(crate) fn campaign(
        self: &Rc<Self>,
        id: &CampaignId,
        now_ms: i64,
    ) -> Option<Rc<RunningCampaign>> {
        let mut campaigns = self.campaigns.borrow_mut();
        match campaigns.get_mut(id) {
            Some(CampaignSlot::Running {
                campaign,
                last_used_ms,
            }) => {
                *last_used_ms = now_ms;
                return Some(Rc::clone(campaign));
            }
            Some(CampaignSlot::Quarantined { until_ms }) if now_ms < *until_ms => return None,
            Some(CampaignSlot::Quarantined { .. }) | None => {}
        }
        let campaign = Rc::new(self.start_campaign(id.clone()));
        let slot = CampaignSlot::Running {
            campaign: Rc::clone(&campaign),
            last_used_ms: now_ms,
        };
        campaigns.insert(id.clone(), slot);
        Some(campaign)
    }

    fn start_campaign(self: &Rc<Self>, id: CampaignId) -> RunningCampaign {
        let (shard, name) = (Rc::clone(self), id.clone());
        let report = move |report: Report| {
            shard.tell(CampaignReport {
                campaign_id: name.clone(),
                report,
            })
        };
        self.world.telemetry.campaign_started();
        let admission = Rc::new(Admission::new(&self.world.settings));
        let actor = Campaign::new(Rc::clone(self), id, Rc::clone(&admission));
        RunningCampaign {
            address: guard::start(actor, &Policy::ENTITY, report),
            admission,
        }
    }

    /// The shard is let go: its campaigns' actors stop once nobody else has their addresses.
    pub(crate) fn let_campaigns_go(&self) {
        self.campaigns.borrow_mut().clear();
    }

    /// The campaign's actor is gone: until then (boot clock) it is not started again.
    pub fn quarantine_campaign(&self, id: &CampaignId, until_ms: i64) {
        let slot = CampaignSlot::Quarantined { until_ms };
        self.campaigns.borrow_mut().insert(id.clone(), slot);
    }

    /// Lets go of campaigns that were not used for `idle_ms`. One of which a donation is in flight is in use, and stays:
    /// it alone knows what counts against its limits.
    pub fn passivate_campaigns(&self, now_ms: i64, idle_ms: i64) -> usize {
        let mut campaigns = self.campaigns.borrow_mut();
        let before = campaigns.len();
        campaigns.retain(|_, slot| match slot {
            CampaignSlot::Running {
                campaign,
                last_used_ms,
            } => {
                if Rc::strong_count(campaign) > 1 {
                    *last_used_ms = now_ms;
                }
                now_ms - *last_used_ms <= idle_ms
            }
            CampaignSlot::Quarantined { until_ms } => now_ms < *until_ms,
        });
        before - campaigns.len()
    }
}
