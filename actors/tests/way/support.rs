//! An instance with everything in memory, on one thread, in virtual time.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Duration;

use almoner_actors::gateway::{GatewayActor, GatewayAddress};
use almoner_actors::intake::ShardIntake;
use almoner_actors::memory::{
    FixedDice, MemoryGateway, MemoryOutcomes, MemorySource, MemoryStore, Plan, TokioClock,
};
use almoner_actors::ports::{
    Admission, Clock, Done, GatewayCall, Intake, LogRange, RawRecord, Store, TimestampType,
};
use almoner_actors::telemetry::Telemetry;
use almoner_actors::watchers::Watchers;
use almoner_actors::world::{Alarm, Credits, Settings, World};
use almoner_domain::campaign::{Campaign, CampaignChange, Status};
use almoner_domain::donation::Rules;
use almoner_domain::ids::{CampaignId, DonationId, Shard, UserId};
use almoner_domain::money::{Currency, Money};
use almoner_domain::outcome::{OutcomeView, decode};
use almoner_domain::partition::Partitioner;
use almoner_domain::request::{self, DonationRequest, HoldAnswer, Request};
use tokio::sync::mpsc::UnboundedReceiver;

use crate::faults::{Fault, Faults, Faulty};

pub const START_MS: i64 = 1_790_000_000_000;
pub const SHARD: Shard = Shard(0);
pub const SUCCEEDED: &str = "donation.succeeded";
pub const ASKED: &str = "donation.needs_confirmation";

pub fn settings() -> Settings {
    Settings {
        rules: Rules {
            attempts_max: 5,
            key_lifetime_ms: 24 * 3_600_000,
            reconcile_bound_ms: 24 * 3_600_000,
            max_age_ms: 72 * 3_600_000,
            confirm_within_ms: 900_000,
        },
        requests: request::Rules::default(),
        partitioner: Partitioner::Murmur2Random,
        partitions: 1,
        group_id: "almoner".into(),
        duplicate_window_ms: 60_000,
        window_kept_ms: 60_000,
        in_flight_max: 4_096,
        user_waiting_max: 8,
        user_held_max: 3,
        campaign_in_flight_max: 1_024,
        campaign_per_minute_max: 0,
        user_per_minute_max: 0,
        campaign_declines_per_minute_max: 0,
        campaign_ttl_ms: 30_000,
        unknown_campaigns_accepted: false,
        quiet_ms: 2_000,
        in_flight_ms: 10_000,
        queue_patience_ms: 30_000,
        gateway_timeout_ms: 30_000,
        send_deadline_ms: 30_000,
        session_timeout_ms: 45_000,
        drain_timeout_ms: 25_000,
        pending_max: 100_000,
        unknown_max: 10_000,
        gateway_in_flight_max: 512,
        gateway_per_second_max: 0,
        gateway_endpoint_per_second_max: 0,
        needs_every_partition: true,
    }
}

/// Planned panics are not worth a word.
fn hush() {
    static HUSHED: std::sync::Once = std::sync::Once::new();
    HUSHED.call_once(|| {
        let usual = std::panic::take_hook();
        std::panic::set_hook(Box::new(move |info| {
            let words = info.payload_as_str().unwrap_or_default();
            if !words.starts_with("planned") {
                usual(info);
            }
        }));
    });
}

/// Runs a story in virtual time, all on this thread.
pub fn story(tell: impl AsyncFnOnce()) {
    hush();
    let paused = || {
        tokio::runtime::Builder::new_current_thread()
            .enable_time()
            .start_paused(true)
            .build()
            .unwrap()
    };
    actix::System::with_tokio_rt(paused).block_on(tell());
}

/// What outlives a crash of the instance.
#[derive(Clone)]
pub struct Durable {
    pub clock: Arc<dyn Clock>,
    pub store: Arc<MemoryStore>,
    pub gateway: Arc<MemoryGateway>,
    pub outcomes: Arc<MemoryOutcomes>,
    pub source: Arc<MemorySource>,
    pub faults: Faults,
}

impl Durable {
    pub fn new(planner: impl FnMut(&GatewayCall) -> Plan + Send + 'static) -> Self {
        let clock: Arc<dyn Clock> = Arc::new(TokioClock::starting_at(START_MS));
        let durable = Self {
            gateway: Arc::new(MemoryGateway::planned(Arc::clone(&clock), planner)),
            clock,
            store: Arc::default(),
            outcomes: Arc::default(),
            source: Arc::default(),
            faults: Faults::default(),
        };
        durable.put_campaign("camp", Status::Open);
        durable.put_campaign("shut", Status::Closed);
        durable
    }

    pub fn put_campaign(&self, id: &str, status: Status) {
        let described = CampaignChange::Described(campaign(id, status));
        self.store.put_campaign(described, Done::new(|_| {}));
    }
}

impl Durable {
    fn port<P>(&self, inner: &Arc<P>, alive: &Arc<AtomicBool>) -> Arc<Faulty<P>> {
        Arc::new(Faulty {
            inner: Arc::clone(inner),
            faults: self.faults.clone(),
            alive: Arc::clone(alive),
        })
    }

    /// The planner is told the call's number, from 1.
    pub fn counted(mut planner: impl FnMut(u32, &GatewayCall) -> Plan + Send + 'static) -> Self {
        let mut calls = 0;
        Self::new(move |call| {
            calls += 1;
            planner(calls, call)
        })
    }

    /// The first calls go like this, and the rest succeed.
    pub fn at_first(calls: u32, plan: Plan) -> Self {
        Self::counted(move |n, _| {
            if n <= calls {
                plan.clone()
            } else {
                Plan::Execute
            }
        })
    }

    /// Everything succeeds.
    pub fn plain() -> Self {
        Self::new(|_| Plan::Execute)
    }

    /// The broker takes no commit that goes back, nor one of a former owner's.
    pub fn committed(&self) -> Option<i64> {
        let commits = self.source.commits();
        commits.iter().map(|commit| commit.next_offset).max()
    }

    /// The log as a new owner finds it.
    pub fn log(&self, high: i64) -> LogRange {
        let committed = self.committed();
        let low = 0;
        LogRange {
            committed,
            low,
            high,
        }
    }
}

fn campaign(id: &str, status: Status) -> Campaign {
    Campaign {
        campaign_id: CampaignId::parse(id).unwrap(),
        version: 1,
        status,
        currency: Currency::from_code("EUR").unwrap(),
        creator_account: "acct_1".into(),
        amount_minor_min: None,
        amount_minor_max: Some(1_000_000),
        title: "".into(),
    }
}

/// One running instance.
pub struct Instance {
    pub durable: Durable,
    pub world: Arc<World>,
    pub intake: ShardIntake,
    /// What a person would be told of.
    pub alarms: UnboundedReceiver<Alarm>,
    pub next_offset: i64,
    alive: Arc<AtomicBool>,
    _gateway: GatewayAddress,
}

impl Instance {
    /// One whose gateway has answered late: Ann's donation is told as pending, and is being read to be taken on.
    pub async fn reading_a_late_answer() -> Self {
        let durable = Durable::at_first(9, Plan::Hang);
        let mut instance = Self::start(&durable);
        instance.donate(1, "ann", 500);
        instance.until_committed(1).await;
        durable.faults.first("load", 1, Fault::DelayMs(1_000));
        durable.gateway.let_go();
        instance.pass(Duration::from_millis(10)).await;
        instance
    }

    pub fn start(durable: &Durable) -> Self {
        Self::start_with(
            durable,
            settings(),
            LogRange {
                committed: None,
                low: 0,
                high: 0,
            },
        )
    }

    pub fn start_with(durable: &Durable, settings: Settings, log: LogRange) -> Self {
        let alive = Arc::new(AtomicBool::new(true));
        let (sender, alarms) = tokio::sync::mpsc::unbounded_channel();
        let world = Arc::new(World {
            store: durable.port(&durable.store, &alive),
            gateway: durable.port(&durable.gateway, &alive),
            outcomes: durable.port(&durable.outcomes, &alive),
            source: durable.port(&durable.source, &alive),
            clock: durable.clock.clone(),
            dice: Arc::new(FixedDice(0.5)),
            credits: Credits::new(settings.in_flight_max),
            settings,
            watchers: Watchers::default(),
            telemetry: Telemetry::new(),
            alarms: sender,
        });
        let gateway = GatewayActor::start_in(&actix::Arbiter::current(), Arc::clone(&world));
        let arbiters = vec![actix::Arbiter::current()];
        let mut intake = ShardIntake::new(
            Arc::clone(&world),
            arbiters,
            gateway.clone(),
            "donations.requests".into(),
        );
        intake.assigned(SHARD, log);
        let next_offset = log.committed.unwrap_or(log.low);
        Self {
            durable: durable.clone(),
            world,
            intake,
            alarms,
            next_offset,
            alive,
            _gateway: gateway,
        }
    }

    /// Publishes a request and says at which offset.
    pub fn publish(&mut self, request: &Request) -> i64 {
        let offset = self.next_offset;
        self.next_offset += 1;
        self.publish_at(
            offset,
            request.user_id().as_str().as_bytes(),
            &request::encode(request),
        );
        offset
    }

    pub fn donate(&mut self, n: u32, user: &str, amount_minor: u64) -> i64 {
        self.publish(&Request::Donate(donate(n, user, amount_minor)))
    }

    pub fn confirm(&mut self, n: u32, user: &str) -> i64 {
        self.publish(&Request::Confirm(hold_answer(n, user)))
    }

    pub fn cancel(&mut self, n: u32, user: &str) -> i64 {
        self.publish(&Request::Cancel(hold_answer(n, user)))
    }

    pub fn publish_at(&mut self, offset: i64, key: &[u8], value: &[u8]) {
        let now_ms = self.durable.clock.wall_ms();
        assert_eq!(self.offer(offset, now_ms, key, value), Admission::Taken);
        self.intake.flush();
    }

    pub fn offer(&mut self, offset: i64, timestamp_ms: i64, key: &[u8], value: &[u8]) -> Admission {
        let record = RawRecord {
            topic: "donations.requests",
            shard: SHARD,
            offset,
            timestamp_ms,
            timestamp_type: TimestampType::LogAppendTime,
            key: Some(key),
            value: Some(value),
            headers: Vec::new(),
        };
        self.intake.offer(&record)
    }

    /// One request after another, each with its record's time, in one batch.
    pub fn backlog(&mut self, requests: &[(i64, Request)]) {
        for (timestamp_ms, request) in requests {
            let (key, value) = (request.user_id().to_string(), request::encode(request));
            let taken = self.offer(self.next_offset, *timestamp_ms, key.as_bytes(), &value);
            assert_eq!(taken, Admission::Taken);
            self.next_offset += 1;
        }
        self.intake.flush();
    }

    pub fn outcomes(&self) -> Vec<Seen> {
        self.durable
            .outcomes
            .published()
            .messages
            .iter()
            .map(|message| Seen::of(&message.value))
            .collect()
    }

    /// The types of one donation's events, in the order in which they were published.
    pub fn events_of(&self, id: DonationId) -> Vec<String> {
        let id = id.to_string();
        self.outcomes()
            .into_iter()
            .filter(|seen| seen.donation_id == id)
            .map(|seen| seen.what())
            .collect()
    }

    pub fn committed(&self) -> i64 {
        self.durable.committed().unwrap_or(0)
    }

    /// Goes on, in virtual time, until it is so; fails after an hour of it.
    pub async fn until(&self, what: &str, is_so: impl Fn(&Self) -> bool) {
        for _ in 0..36_000 {
            if is_so(self) {
                return;
            }
            tokio::time::sleep(Duration::from_millis(100)).await;
        }
        let outcomes = self.outcomes();
        let last = &outcomes[outcomes.len().saturating_sub(10)..];
        panic!("not within an hour: {what}; the last outcomes: {last:#?}");
    }

    /// Until so many calls have reached the gateway.
    pub async fn until_calls(&self, calls: u64) {
        self.until("on the wire", |it| it.durable.gateway.calls() == calls)
            .await;
    }

    /// Goes on for so long.
    pub async fn pass(&self, time: Duration) {
        tokio::time::sleep(time).await;
    }

    /// The log has ended where reading stands.
    pub fn at_end(&mut self) {
        let now_ms = self.world.clock.wall_ms();
        self.intake.at_end(SHARD, self.next_offset, now_ms);
    }

    /// Until the last event of the donation is this one.
    pub async fn until_last(&self, n: u32, event: &str) {
        self.until(event, |it| {
            it.events_of(id(n)).last().is_some_and(|last| last == event)
        })
        .await;
    }

    pub async fn until_committed(&self, next_offset: i64) {
        let what = format!("committed {next_offset}");
        self.until(&what, |it| it.committed() == next_offset).await;
    }

    /// All is done: nothing is in flight, nothing unfinished, no event without its predecessor.
    pub async fn settled(&self) {
        self.until_committed(self.next_offset).await;
        assert_eq!(self.world.credits.in_flight(), 0);
        self.until_all_finished().await;
    }

    pub async fn until_all_finished(&self) {
        self.until("nothing is unfinished", |it| {
            let all = it.durable.store.all();
            all.iter()
                .all(|it| it.finish.is_some() && it.pending.is_none())
        })
        .await;
    }

    /// A planned handover, through to its end.
    pub async fn hand_over(mut self) -> Durable {
        self.drain().await;
        assert_eq!(self.world.credits.in_flight(), 0);
        self.durable
    }

    /// Drains the shard; fails if that takes longer than a minute.
    pub async fn drain(&mut self) {
        let (done, drained) = tokio::sync::oneshot::channel();
        self.intake.revoke(
            &[SHARD],
            Done::new(move |()| done.send(()).unwrap_or_default()),
        );
        let within = Duration::from_secs(60);
        tokio::time::timeout(within, drained)
            .await
            .unwrap()
            .unwrap();
    }

    /// The process dies: nothing in memory is left, and what is on the wire is answered to nobody.
    pub fn die(mut self) -> Durable {
        self.alive.store(false, Ordering::Relaxed);
        self.intake.lost(&[SHARD]);
        self.durable
    }

    /// The shard is taken away; what is on the wire goes on.
    pub fn lose(mut self) -> Durable {
        self.intake.lost(&[SHARD]);
        assert_eq!(self.alarms.try_recv().ok(), None);
        self.durable
    }
}

/// What a test looks at of an outcome.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct Seen {
    pub donation_id: String,
    pub event_type: String,
    pub reason: Option<String>,
    pub sequence: Option<u32>,
    pub offset: i64,
}

impl Seen {
    fn of(value: &[u8]) -> Self {
        let view: OutcomeView<'_> = decode(value).unwrap();
        Self {
            donation_id: view.donation_id.to_string(),
            event_type: view.event_type.to_string(),
            reason: view.reason.map(|reason| reason.to_string()),
            sequence: view.sequence,
            offset: view.source.as_ref().map_or(-1, |source| source.offset),
        }
    }

    pub fn what(&self) -> String {
        match &self.reason {
            Some(reason) => format!("{} {reason}", self.event_type),
            None => self.event_type.clone(),
        }
    }
}

pub fn id(n: u32) -> DonationId {
    DonationId(u128::from(n).to_be_bytes())
}

pub fn donate(n: u32, user: &str, amount_minor: u64) -> DonationRequest {
    DonationRequest {
        id: id(n),
        user_id: UserId::parse(user).unwrap(),
        campaign_id: CampaignId::parse("camp").unwrap(),
        amount: Money::new(amount_minor, Currency::from_code("EUR").unwrap()).unwrap(),
        payment_method: "pm_card_visa".into(),
        gateway_customer: None,
        information: None,
    }
}

pub fn hold_answer(n: u32, user: &str) -> HoldAnswer {
    HoldAnswer {
        id: id(n),
        user_id: UserId::parse(user).unwrap(),
    }
}
