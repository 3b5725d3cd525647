//! The runtime alone: actors and domain on their arbiters, with source, gateway, store and broker in memory.

use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::Duration;

use almoner::app::settings_of;
use almoner::clock::{RandomDice, SystemClock};
use almoner_actors::memory::MemoryStore;
use almoner_actors::ports::{
    Clock, Commit, CommitError, Done, Forward, Gateway, GatewayCall, Inexpressible, Intake,
    LogRange, Outcomes, PublishError, RawRecord, Source, Store, TimestampType,
};
use almoner_actors::telemetry::Telemetry;
use almoner_actors::watchers::Watchers;
use almoner_actors::world::{Credits, World};
use almoner_domain::answer::{Answer, Intent, IntentStatus};
use almoner_domain::dead_letter::DeadLetter;
use almoner_domain::ids::Shard;
use almoner_domain::outcome::Message;
use almoner_domain::request::DonationRequest;
use tokio::time::Instant;

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

/// What one run of the runtime alone measured.
pub struct Measured {
    /// Donations a second, from the first offered to the last acknowledged.
    pub per_s: f64,
    /// CPU of the whole process for each donation, in microseconds.
    pub cpu_us: f64,
}

/// Runs `records` (key and value) through the actors.
pub fn run(
    runtimes: &almoner::app::Runtimes,
    records: &[(Vec<u8>, Vec<u8>)],
    config: &almoner::config::Config,
) -> Measured {
    let broker = Arc::new(Acks::default());
    let settings = settings_of(config, SHARDS, almoner::app::StartFlags::default());
    let partitioner = settings.partitioner;
    let (alarms, _alarmed) = tokio::sync::mpsc::unbounded_channel();
    let world = Arc::new(World {
        store: Arc::new(MemoryStore::new()) as Arc<dyn Store>,
        gateway: Arc::new(Yes),
        outcomes: Arc::clone(&broker) as Arc<dyn Outcomes>,
        source: Arc::clone(&broker) as Arc<dyn Source>,
        clock: Arc::new(SystemClock),
        dice: Arc::new(RandomDice),
        credits: Credits::new(settings.in_flight_max),
        settings,
        watchers: Watchers::default(),
        telemetry: Telemetry::new(),
        alarms,
    });
    let mut intake = almoner::app::start_actors(&world, runtimes, "donations.requests".into());
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
    let mut offsets = vec![0_i64; SHARDS as usize];
    let began = Instant::now();
    let cpu_before = crate::cpu::process_us();
    for (key, value) in records {
        let shard = partitioner.partition(key, SHARDS);
        let record = RawRecord {
            topic: "donations.requests",
            shard: Shard(shard),
            offset: offsets[shard as usize],
            timestamp_ms: SystemClock.wall_ms(),
            timestamp_type: TimestampType::LogAppendTime,
            key: Some(key),
            value: Some(value),
            headers: Vec::new(),
        };
        while !intake.has_credit() {
            intake.flush();
            std::thread::sleep(Duration::from_micros(100));
        }
        intake.offer(&record);
        offsets[shard as usize] += 1;
    }
    intake.flush();
    while world.credits.in_flight() > 0 {
        std::thread::sleep(Duration::from_micros(200));
    }
    let elapsed = began.elapsed();
    let cpu = crate::cpu::process_us() - cpu_before;
    let count = records.len() as f64;
    let all: Vec<Shard> = (0..SHARDS).map(Shard).collect();
    intake.lost(&all);
    Measured {
        per_s: count / elapsed.as_secs_f64(),
        cpu_us: cpu as f64 / count,
    }
}
