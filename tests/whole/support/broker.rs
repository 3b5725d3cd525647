//! A broker that outlives the processes, with our topics: librdkafka's mock cluster in this process, or the real one.

use std::collections::BTreeMap;
use std::sync::{RwLockReadGuard, RwLockWriteGuard};
use std::time::Duration;

use almoner::kafka::broker::{LogMeter, Unread};
use almoner::kafka::options::{KafkaOptions, Topics};
use almoner::kafka::positions::Positions;
use almoner_domain::ids::Shard;
use rdkafka::ClientConfig;
use rdkafka::consumer::{BaseConsumer, Consumer};
use rdkafka::mocking::MockCluster;
use rdkafka::producer::DefaultProducerContext;

use tempfile::TempDir;

use super::wait::wait_until;
use crate::real_kafka;

/// How long it may take to answer one of our own questions.
const ANSWER_WITHIN: Duration = Duration::from_secs(180);
/// The only broker of the cluster.
const BROKER_ID: i32 = 1;

/// The broker. The mock cluster's logs live in memory, and go with it.
pub struct Broker {
    kind: Kind,
    /// How a member of the instances' usual group reaches it.
    options: KafkaOptions,
    partitions: u32,
}

enum Kind {
    Mock(MockCluster<'static, DefaultProducerContext>),
    /// Nobody kills it meanwhile.
    Shared(#[expect(dead_code, reason = "held, and not looked at")] RwLockReadGuard<'static, ()>),
    /// Nobody else uses it meanwhile.
    Alone(#[expect(dead_code, reason = "held, and not looked at")] RwLockWriteGuard<'static, ()>),
    /// Nobody else knows it.
    Own(OwnKafka),
}

/// A real broker of one test's own, on a small disk. Dropped, it is gone.
pub struct OwnKafka(TempDir);

impl OwnKafka {
    pub fn sh(&self, args: &[&str]) -> String {
        let env = [
            ("ALMONER_KAFKA_DATA", self.0.path().to_str().unwrap()),
            ("ALMONER_KAFKA_PORT", "19392"),
            ("ALMONER_KAFKA_HEAP", "256m"),
            ("ALMONER_KAFKA_DISK_MIB", "48"),
        ];
        real_kafka::kafka_sh_with(&env, args)
    }
}

impl Drop for OwnKafka {
    fn drop(&mut self) {
        self.sh(&["forget"]);
    }
}

impl Broker {
    /// Starts a mock cluster with so many partitions of requests and outcomes.
    pub fn start(partitions: u32) -> Self {
        let cluster = MockCluster::new(1).unwrap();
        let options = KafkaOptions::new(cluster.bootstrap_servers(), "almoner");
        for (role, topic) in Topics::default().by_role() {
            let count = partitions_of(role, partitions).into();
            cluster.create_topic(topic, count, 1).unwrap();
        }
        Self {
            kind: Kind::Mock(cluster),
            options,
            partitions,
        }
    }

    /// The real broker where there is one, else a mock cluster.
    pub fn usual(partitions: u32) -> Self {
        match real_kafka::address() {
            Some(_) => Self::real(partitions).unwrap(),
            None => Self::start(partitions),
        }
    }

    /// The real broker, if there is one, with topics of its own.
    pub fn real(partitions: u32) -> Option<Self> {
        let address = real_kafka::address_or_say()?;
        let kind = Kind::Shared(real_kafka::in_use());
        Some(Self::on(&address, kind, partitions))
    }

    /// The same, for who takes it away from everybody.
    pub fn real_alone(partitions: u32) -> Option<Self> {
        let address = real_kafka::address_or_say()?;
        let kind = Kind::Alone(real_kafka::alone());
        Some(Self::on(&address, kind, partitions))
    }

    /// A real broker on a small disk of its own, where there is a real one at all.
    pub fn on_small_disk(partitions: u32) -> Option<Self> {
        real_kafka::address_or_say()?;
        let kafka = OwnKafka(tempfile::tempdir().unwrap());
        let address = kafka.sh(&["start"]);
        Some(Self::on(&address, Kind::Own(kafka), partitions))
    }

    /// Fills its disk.
    pub fn fills_its_disk(&self) {
        self.own().sh(&["fill"]);
    }

    /// Makes room again, and starts it, should it have ended.
    pub fn has_room_again(&self) {
        self.own().sh(&["free"]);
        self.own().sh(&["start"]);
    }

    fn own(&self) -> &OwnKafka {
        match &self.kind {
            Kind::Own(kafka) => kafka,
            _ => panic!("it has no disk of its own"),
        }
    }

    fn on(address: &str, kind: Kind, partitions: u32) -> Self {
        let options = real_kafka::own_options(address);
        real_kafka::make_topics(&options, |role| partitions_of(role, partitions));
        Self {
            kind,
            options,
            partitions,
        }
    }

    pub fn bootstrap_servers(&self) -> String {
        self.options.bootstrap_servers.clone()
    }

    /// The group of instances, unless they are told otherwise.
    pub fn group_id(&self) -> &str {
        &self.options.group_id
    }

    pub fn topics(&self) -> &Topics {
        &self.options.topics
    }

    pub fn partitions(&self) -> u32 {
        self.partitions
    }

    /// How one of our clients reaches it.
    pub fn options(&self) -> KafkaOptions {
        self.options.clone()
    }

    /// Nobody reaches it any more; its logs stay. The real one is killed.
    pub fn goes_away(&self) {
        match &self.kind {
            Kind::Mock(cluster) => cluster.broker_down(BROKER_ID).unwrap(),
            Kind::Shared(_) | Kind::Own(_) => panic!("it is not to be killed"),
            Kind::Alone(_) => drop(real_kafka::kafka_sh(&["kill"])),
        }
    }

    /// It is back.
    pub fn comes_back(&self) {
        match &self.kind {
            Kind::Mock(cluster) => cluster.broker_up(BROKER_ID).unwrap(),
            Kind::Alone(_) => drop(real_kafka::kafka_sh(&["start"])),
            Kind::Shared(_) | Kind::Own(_) => panic!("it was not killed"),
        }
    }

    /// Each of the mock cluster's answers takes so much longer.
    pub fn answers_after(&self, delay: Duration) {
        let Kind::Mock(cluster) = &self.kind else {
            panic!("a real broker is as fast as it is");
        };
        cluster.broker_round_trip_time(BROKER_ID, delay).unwrap();
    }

    /// How one of our clients reaches it as a member of this group.
    pub fn options_of(&self, group_id: &str) -> KafkaOptions {
        KafkaOptions {
            group_id: group_id.to_owned(),
            ..self.options()
        }
    }

    /// Where a group stands in the requests, by partition.
    pub fn committed(&self, group_id: &str) -> BTreeMap<u32, i64> {
        let positions = self.positions(group_id).read().unwrap();
        let committed = positions.iter().map(|it| Some((it.shard.0, it.committed?)));
        committed.flatten().collect()
    }

    /// Another group goes on where this one stands, as this one does once the broker has noticed that its member is
    /// dead: that takes a session, and the rounds of a test are shorter.
    pub fn hand_over(&self, from_group_id: &str, to_group_id: &str) {
        let committed = self.committed(from_group_id);
        let starts: Vec<_> = committed.iter().map(|(of, to)| (Shard(*of), *to)).collect();
        self.positions(to_group_id).move_to(&starts).unwrap();
    }

    /// Where outcomes and dead letters end, by topic and partition.
    pub fn ends_of_answers(&self) -> Vec<(String, i32, i64)> {
        let topics = self.topics();
        let client = self.client();
        let count = i32::try_from(self.partitions).unwrap();
        let outcomes = (0..count).map(|partition| (topics.outcomes.clone(), partition));
        outcomes
            .chain([(topics.dead_letters.clone(), 0)])
            .map(|(topic, partition)| {
                let marks = client.fetch_watermarks(&topic, partition, ANSWER_WITHIN);
                (topic, partition, marks.unwrap().1)
            })
            .collect()
    }

    fn positions(&self, group_id: &str) -> Positions {
        Positions::new(&self.options_of(group_id), self.partitions).unwrap()
    }

    fn client(&self) -> BaseConsumer {
        ClientConfig::new()
            .set("bootstrap.servers", self.bootstrap_servers())
            .create()
            .unwrap()
    }

    /// What of the requests the group has not committed.
    pub fn uncommitted(&self) -> Unread {
        let (options, count) = (self.options(), u16::try_from(self.partitions).unwrap());
        let meter = LogMeter::new(&options, &options.topics.requests, count).unwrap();
        meter.uncommitted().unwrap()
    }

    /// Waits until every request that was published is committed.
    pub fn wait_committed(&self) {
        self.wait_committed_by(self.group_id());
    }

    /// The same, by this group.
    pub fn wait_committed_by(&self, group_id: &str) {
        let (options, count) = (
            self.options_of(group_id),
            u16::try_from(self.partitions).unwrap(),
        );
        let meter = LogMeter::new(&options, &options.topics.requests, count).unwrap();
        let left = std::cell::Cell::new(0);
        wait_until(
            "every request to be committed",
            || left.get(),
            || {
                left.set(meter.uncommitted().unwrap().records);
                (left.get() == 0).then_some(())
            },
        );
    }
}

/// How many partitions a topic gets.
fn partitions_of(role: &str, partitions: u32) -> u16 {
    match role {
        "requests" | "outcomes" => u16::try_from(partitions).unwrap(),
        _ => 1,
    }
}
