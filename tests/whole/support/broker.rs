//! A broker that outlives the processes: librdkafka's mock cluster in this process, with our topics.

use std::collections::BTreeMap;
use std::time::Duration;

use almoner::kafka::broker::{LogMeter, Unread};
use almoner::kafka::options::{KafkaOptions, Topics};
use almoner::kafka::positions::Positions;
use almoner_domain::ids::Shard;
use rdkafka::ClientConfig;
use rdkafka::consumer::{BaseConsumer, Consumer};
use rdkafka::mocking::MockCluster;
use rdkafka::producer::DefaultProducerContext;

use super::wait::wait_until;

/// The group of instances, unless it is told otherwise.
pub const GROUP_ID: &str = "almoner";
/// How long it may take to answer one of our own questions.
const ANSWER_WITHIN: Duration = Duration::from_secs(180);
/// The only broker of the cluster.
const BROKER_ID: i32 = 1;

/// The broker. Its logs live in memory, and go with it.
pub struct Broker {
    cluster: MockCluster<'static, DefaultProducerContext>,
    partitions: u32,
}

impl Broker {
    /// Starts it with so many partitions of requests and outcomes.
    pub fn start(partitions: u32) -> Self {
        let cluster = MockCluster::new(1).unwrap();
        for (role, topic) in Topics::default().by_role() {
            let count = match role {
                "requests" | "outcomes" => i32::try_from(partitions).unwrap(),
                _ => 1,
            };
            cluster.create_topic(topic, count, 1).unwrap();
        }
        Self {
            cluster,
            partitions,
        }
    }

    pub fn bootstrap_servers(&self) -> String {
        self.cluster.bootstrap_servers()
    }

    pub fn partitions(&self) -> u32 {
        self.partitions
    }

    /// How one of our clients reaches it.
    pub fn options(&self) -> KafkaOptions {
        self.options_of(GROUP_ID)
    }

    /// Nobody reaches it any more; its logs stay.
    pub fn goes_away(&self) {
        self.cluster.broker_down(BROKER_ID).unwrap();
    }

    /// It is back.
    pub fn comes_back(&self) {
        self.cluster.broker_up(BROKER_ID).unwrap();
    }

    /// Each of its answers takes so much longer.
    pub fn answers_after(&self, delay: Duration) {
        let set = self.cluster.broker_round_trip_time(BROKER_ID, delay);
        set.unwrap();
    }

    /// How one of our clients reaches it as a member of this group.
    pub fn options_of(&self, group_id: &str) -> KafkaOptions {
        KafkaOptions::new(self.bootstrap_servers(), group_id)
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
        let topics = Topics::default();
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
        self.wait_committed_by(GROUP_ID);
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
