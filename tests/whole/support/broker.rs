//! A broker that outlives the processes: librdkafka's mock cluster in this process, with our topics.

use std::time::Duration;

use almoner::kafka::broker::{LogMeter, Unread};
use almoner::kafka::options::{KafkaOptions, Topics};
use rdkafka::mocking::MockCluster;
use rdkafka::producer::DefaultProducerContext;

use super::wait::wait_until;

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
        KafkaOptions::new(self.bootstrap_servers(), "almoner")
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

    /// What of the requests the group has not committed.
    pub fn uncommitted(&self) -> Unread {
        let (options, count) = (self.options(), u16::try_from(self.partitions).unwrap());
        let meter = LogMeter::new(&options, &options.topics.requests, count).unwrap();
        meter.uncommitted().unwrap()
    }

    /// Waits until every request that was published is committed.
    pub fn wait_committed(&self) {
        let (options, count) = (self.options(), u16::try_from(self.partitions).unwrap());
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
