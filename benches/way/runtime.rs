//! The runtime alone: actors and domain on their arbiters, with source, gateway, store and broker in memory.

use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::Duration;

use almoner::app::{Runtimes, settings_of, start_actors};
use almoner::clock::{RandomDice, SystemClock};
use almoner::config::Config;
use almoner_actors::intake::ShardIntake;
use almoner_actors::memory::MemoryStore;
use almoner_actors::ports::{
    AcceptWrite, Accepted, AdvanceWrite, Advanced, Claimed, Clock, Commit, CommitError, Cursor,
    Done, FinishWrite, Finished, Forward, Gateway, GatewayCall, Inexpressible, Intake, LogRange,
    MarkWrite, Marked, Outcomes, PublishError, RawRecord, Recorded, RowId, Source, Store,
    StoreError, TimestampType, Unfinished, WindowEntry,
};
use almoner_actors::telemetry::Telemetry;
use almoner_actors::watchers::Watchers;
use almoner_actors::world::{Credits, World};
use almoner_domain::answer::{Answer, Intent, IntentStatus};
use almoner_domain::campaign::{Campaign, CampaignChange};
use almoner_domain::dead_letter::DeadLetter;
use almoner_domain::ids::{CampaignId, DonationId, Shard};
use almoner_domain::outcome::Message;
use almoner_domain::request::DonationRequest;
use tokio::time::Instant;

use crate::stages::{Sample, Used};

/// A gateway that says yes at once.
struct Yes;

impl Gateway for Yes {
    fn freeze(&self, _: &DonationRequest) -> Result<u16, Inexpressible> {
        Ok(1)
    }

    fn call(&self, _: GatewayCall, done: Done<Answer>) {
        done.call(Answer::Intent(Intent {
            id: "pi_3OqXYZabcdefghijklmnopqr".into(),
            status: IntentStatus::Succeeded,
            created_s: 1_790_000_000,
            charge_id: Some("ch_3OqXYZabcdefghijklmnopqr".into()),
        }));
    }
}

/// A broker that acknowledges at once, and counts.
#[derive(Default)]
struct Acks(AtomicU64);

impl Outcomes for Acks {
    fn publish(&self, message: Message, done: Done<Result<(), PublishError>>) {
        std::hint::black_box(&message);
        self.0.fetch_add(1, Ordering::Relaxed);
        done.call(Ok(()));
    }

    fn dead_letter(&self, _: DeadLetter, done: Done<Result<(), PublishError>>) {
        done.call(Ok(()));
    }

    fn forward(&self, _: Forward, done: Done<Result<(), PublishError>>) {
        done.call(Ok(()));
    }
}

impl Source for Acks {
    fn commit(&self, _: Commit, done: Done<Result<(), CommitError>>) {
        done.call(Ok(()));
    }
}

/// Partitions of the requests topic.
const SHARDS: u32 = 16;
/// Some hundred thousand actors end within this.
const ENDED_WITHIN: Duration = Duration::from_secs(30);

/// What one run of the runtime alone measured.
pub struct Measured {
    /// Donations a second, from the first offered to the last acknowledged.
    pub per_s: f64,
    /// CPU of the whole process for each donation, in microseconds.
    pub cpu_us: f64,
    /// The same by stage, and the wakes: the main thread decodes and checks.
    pub stages: Used,
}

/// Runs `records` (key and value) through the actors, with a store in memory that keeps everything.
pub fn run(runtimes: &Runtimes, records: &[Record], config: &Config) -> Measured {
    let mut instance = Instance::start(runtimes, config, Arc::new(MemoryStore::new()));
    let began = Instant::now();
    let cpu_before_us = crate::cpu::process_us();
    let before = Sample::take();
    instance.feed(records);
    let elapsed = began.elapsed();
    let cpu_us = crate::cpu::process_us() - cpu_before_us;
    let count = records.len() as f64;
    let stages = before.since(count);
    Measured {
        per_s: count / elapsed.as_secs_f64(),
        cpu_us: cpu_us as f64 / count,
        stages,
    }
}

/// Runs `records` and keeps the users active; the store forgets everything, so that only the actors' memory grows.
pub fn run_and_keep(runtimes: &Runtimes, records: &[Record], config: &Config) -> impl Drop {
    let mut instance = Instance::start(runtimes, config, Arc::new(Forgetful));
    instance.feed(records);
    instance
}

/// A key and a value.
pub type Record = (Vec<u8>, Vec<u8>);

struct Instance {
    world: Arc<World>,
    /// Who holds the world while no shard is assigned.
    holders: usize,
    intake: ShardIntake,
    offsets: Vec<i64>,
}

impl Instance {
    fn start(runtimes: &Runtimes, config: &Config, store: Arc<dyn Store>) -> Self {
        let broker = Arc::new(Acks::default());
        let settings = settings_of(config, SHARDS);
        let (alarms, _) = tokio::sync::mpsc::unbounded_channel();
        let world = Arc::new(World {
            store,
            gateway: Arc::new(Yes),
            outcomes: Arc::clone(&broker) as Arc<dyn Outcomes>,
            source: broker,
            clock: Arc::new(SystemClock),
            dice: Arc::new(RandomDice),
            credits: Credits::new(settings.in_flight_max),
            settings,
            watchers: Watchers::default(),
            telemetry: Telemetry::new(),
            alarms,
        });
        let mut intake = start_actors(&world, runtimes, "donations.requests".into());
        let holders = Arc::strong_count(&world);
        for shard in 0..SHARDS {
            intake.assigned(
                Shard(shard),
                LogRange {
                    committed: None,
                    low: 0,
                    high: 0,
                },
            );
        }
        Self {
            world,
            holders,
            intake,
            offsets: vec![0; SHARDS as usize],
        }
    }

    /// Offers all, as a consumer does, and waits until each has its fate.
    fn feed(&mut self, records: &[Record]) {
        for (key, value) in records {
            let shard = self.world.settings.partitioner.partition(key, SHARDS);
            let offset = &mut self.offsets[shard as usize];
            let record = RawRecord {
                topic: "donations.requests",
                shard: Shard(shard),
                offset: *offset,
                timestamp_ms: SystemClock.wall_ms(),
                timestamp_type: TimestampType::LogAppendTime,
                key: Some(key),
                value: Some(value),
                headers: Vec::new(),
            };
            *offset += 1;
            while !self.intake.has_credit() {
                self.intake.flush();
                std::thread::sleep(Duration::from_micros(100));
            }
            self.intake.offer(&record);
        }
        self.intake.flush();
        while self.world.credits.in_flight() > 0 {
            std::thread::sleep(Duration::from_micros(200));
        }
    }
}

impl Drop for Instance {
    /// Waits until the shards' actors have ended: else the next round would pay for it.
    fn drop(&mut self) {
        let all: Vec<Shard> = (0..SHARDS).map(Shard).collect();
        self.intake.lost(&all);
        let deadline = Instant::now() + ENDED_WITHIN;
        while Arc::strong_count(&self.world) > self.holders && Instant::now() < deadline {
            std::thread::sleep(Duration::from_millis(1));
        }
    }
}

/// A store that says yes to everything and keeps nothing.
struct Forgetful;

impl Store for Forgetful {
    fn accept(&self, _: AcceptWrite, done: Done<Result<Accepted, StoreError>>) {
        done.call(Ok(Accepted::New(RowId(1))));
    }
    fn advance(&self, _: AdvanceWrite, done: Done<Result<Advanced, StoreError>>) {
        done.call(Ok(Advanced::Done));
    }
    fn finish(&self, _: FinishWrite, done: Done<Result<Finished, StoreError>>) {
        done.call(Ok(Finished::Done));
    }
    fn acknowledged(&self, _: DonationId, done: Done<Result<(), StoreError>>) {
        done.call(Ok(()));
    }
    fn load(&self, _: DonationId, done: Done<Result<Option<Box<Recorded>>, StoreError>>) {
        done.call(Ok(None));
    }
    fn claim(&self, _: Shard, done: Done<Result<Claimed, StoreError>>) {
        done.call(Ok(Claimed {
            epoch: 1,
            log_generation: 1,
            ..Claimed::default()
        }));
    }
    fn mark(&self, _: MarkWrite, done: Done<Result<Marked, StoreError>>) {
        done.call(Ok(Marked::Done));
    }
    fn recent(
        &self,
        _: Shard,
        _: i64,
        _: Cursor,
        done: Done<Result<(Vec<WindowEntry>, Option<Cursor>), StoreError>>,
    ) {
        done.call(Ok((Vec::new(), None)));
    }
    fn unfinished(
        &self,
        _: Shard,
        _: Cursor,
        done: Done<Result<(Vec<Unfinished>, Option<Cursor>), StoreError>>,
    ) {
        done.call(Ok((Vec::new(), None)));
    }
    fn campaign(&self, _: CampaignId, done: Done<Result<Option<Arc<Campaign>>, StoreError>>) {
        done.call(Ok(None));
    }
    fn put_campaign(&self, _: CampaignChange, done: Done<Result<(), StoreError>>) {
        done.call(Ok(()));
    }
}
