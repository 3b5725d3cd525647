//! One process: the real actors on ports of the simulation, and a consumer that reads what it believes to own.

use std::collections::BTreeMap;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex};

use almoner_actors::gateway::{GatewayActor, GatewayAddress};
use almoner_actors::intake::ShardIntake;
use almoner_actors::ports::{Admission, Done, Intake, RawRecord, TimestampType};
use almoner_actors::telemetry::Telemetry;
use almoner_actors::watchers::Watchers;
use almoner_actors::world::{Alarm, Credits, World};
use almoner_domain::ids::Shard;
use tokio::sync::mpsc::UnboundedReceiver;

use crate::amiss::amiss;
use crate::chance::Chance;
use crate::diary::lock;
use crate::judge::I10;
use crate::life::{Life, ProcessClock, ProcessDice};
use crate::outside::Outside;
use crate::ports::{Generations, Port};

/// The requests topic.
pub const TOPIC: &str = "donations.requests";

/// One running process.
pub struct Process {
    /// Its life.
    pub life: Arc<Life>,
    /// What its actors share.
    pub world: Arc<World>,
    /// What a person would be told of.
    pub alarms: UnboundedReceiver<Alarm>,
    outside: Arc<Outside>,
    intake: ShardIntake,
    generations: Generations,
    /// Where it reads on in each of its partitions.
    reading: BTreeMap<u32, i64>,
    _gateway: GatewayAddress,
}

impl Process {
    /// Starts a process that owns nothing yet.
    #[must_use]
    pub fn start(outside: &Arc<Outside>, number: u64, skew_ms: i64) -> Self {
        let life = Life::new(number);
        let clock = Arc::new(ProcessClock {
            clock: Arc::clone(&outside.clock),
            life: Arc::clone(&life),
            skew_ms,
        });
        let generations = Generations::default();
        let port = Arc::new(Port {
            outside: Arc::clone(outside),
            life: Arc::clone(&life),
            clock: Arc::clone(&clock),
            generations: Arc::clone(&generations),
        });
        let mut ports = port.ports();
        if let Some(defect) = outside.defect {
            ports = amiss((defect.ports)(ports, &port), &port, defect.store);
        }
        let (sender, alarms) = tokio::sync::mpsc::unbounded_channel();
        let world = Arc::new(World {
            store: ports.store,
            gateway: ports.gateway,
            outcomes: ports.outcomes,
            source: ports.source,
            clock,
            dice: Arc::new(ProcessDice(Mutex::new(Chance::new(number)))),
            credits: Credits::new(outside.settings.in_flight_max),
            settings: outside.settings.clone(),
            watchers: Watchers::default(),
            telemetry: Telemetry::new(),
            alarms: sender,
        });
        let arbiter = actix::Arbiter::current();
        let gateway = GatewayActor::start_in(&arbiter, Arc::clone(&world));
        let intake = ShardIntake::new(
            Arc::clone(&world),
            vec![arbiter],
            gateway.clone(),
            TOPIC.into(),
        );
        let (outside, reading) = (Arc::clone(outside), BTreeMap::new());
        Self {
            life,
            world,
            alarms,
            outside,
            intake,
            generations,
            reading,
            _gateway: gateway,
        }
    }

    /// The partition is its own from now on.
    pub fn assigned(&mut self, partition: u32, generation: u64) {
        let log = self.outside.broker.log(partition);
        let now_ms = self.outside.clock.boot_ms();
        lock(&self.generations).insert(partition, (generation, now_ms));
        self.reading
            .insert(partition, log.committed.unwrap_or(log.low));
        self.intake.assigned(Shard(partition), log);
    }

    /// Whether it believes to own the partition, under this assignment.
    #[must_use]
    pub fn believes(&self, partition: u32, generation: u64) -> bool {
        self.reading.contains_key(&partition)
            && lock(&self.generations)
                .get(&partition)
                .is_some_and(|it| it.0 == generation)
    }

    /// It hears that the partition is another's.
    pub fn lost(&mut self, partition: u32) {
        self.reading.remove(&partition);
        self.intake.lost(&[Shard(partition)]);
    }

    /// A planned handover begins; the flag is raised once the partition may go.
    pub fn revoke(&mut self, partition: u32) -> Arc<AtomicBool> {
        self.reading.remove(&partition);
        let flag = Arc::new(AtomicBool::new(false));
        let raised = Arc::clone(&flag);
        let done = Done::new(move |()| raised.store(true, Ordering::Relaxed));
        self.intake.revoke(&[Shard(partition)], done);
        flag
    }

    /// It reads what it takes, unless it is suspended.
    pub fn feed(&mut self) {
        if self.life.is_suspended() {
            return;
        }
        let partitions: Vec<u32> = self.reading.keys().copied().collect();
        for partition in partitions {
            self.feed_from(partition);
        }
        let (in_flight, most) = (
            self.world.credits.in_flight(),
            self.outside.settings.in_flight_max,
        );
        if in_flight > most {
            self.outside
                .judge
                .find(I10, format!("{in_flight} are in flight, and {most} may be"));
        }
    }

    /// It fetches the last records once more.
    pub fn fetch_again(&mut self, partition: u32, records: i64) {
        if let Some(next) = self.reading.get_mut(&partition) {
            *next = (*next - records).max(self.outside.broker.log(partition).low);
        }
    }

    fn feed_from(&mut self, partition: u32) {
        if self.outside.broker.is_leaderless(partition) {
            return;
        }
        while let Some(&offset) = self.reading.get(&partition)
            && self.intake.has_credit()
            && let Some(mut record) = self.outside.broker.record(partition, offset)
        {
            if let Some(defect) = self.outside.defect {
                (defect.read)(&mut record, self.world.clock.wall_ms());
            }
            let headers = record
                .headers
                .iter()
                .map(|(name, value)| (&**name, value.as_deref()))
                .collect();
            let raw = RawRecord {
                topic: TOPIC,
                shard: Shard(partition),
                offset,
                timestamp_ms: record.at_ms,
                timestamp_type: TimestampType::LogAppendTime,
                key: Some(&record.key),
                value: Some(&record.value),
                headers,
            };
            if self.intake.offer(&raw) != Admission::Taken {
                break;
            }
            self.reading.insert(partition, offset + 1);
        }
        self.intake.flush();
        if let Some(&offset) = self.reading.get(&partition)
            && self.outside.broker.record(partition, offset).is_none()
        {
            self.intake
                .at_end(Shard(partition), offset, self.world.clock.wall_ms());
        }
    }

    /// The process dies: nothing in memory is left, and nobody hears what it is answered. Of what the store had not
    /// committed yet, the first `durable` operations are durable nevertheless.
    pub fn die(mut self, durable: usize) {
        self.life.die();
        self.outside.disk.crash(self.life.number, durable);
        let all: Vec<Shard> = self
            .reading
            .keys()
            .map(|partition| Shard(*partition))
            .collect();
        self.intake.lost(&all);
    }
}
