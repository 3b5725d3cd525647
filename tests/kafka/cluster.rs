//! Which broker a test has: the real one, or the mock cluster.

use std::sync::RwLockReadGuard;

use almoner::kafka::options::{KafkaOptions, Topics};
use rdkafka::mocking::MockCluster;
use rdkafka::producer::DefaultProducerContext;

use crate::real_kafka;
use crate::support::PARTITIONS;

pub type Mock = MockCluster<'static, DefaultProducerContext>;

/// A cluster, for as long as it is used.
pub enum Cluster {
    Mock(#[expect(dead_code, reason = "it is there as long as this is")] Mock),
    Real(#[expect(dead_code, reason = "nobody kills it as long as this is")] InUse),
}

type InUse = RwLockReadGuard<'static, ()>;

/// A cluster with our topics, and options for it: the real one where there is one, else the mock.
pub fn cluster() -> (Cluster, KafkaOptions) {
    match real_kafka::address() {
        Some(address) => {
            let (in_use, options) = real_cluster(&address);
            (Cluster::Real(in_use), options)
        }
        None => {
            let (mock, options) = mock();
            (Cluster::Mock(mock), options)
        }
    }
}

/// The mock cluster: for what only it can be told to do.
pub fn mock() -> (Mock, KafkaOptions) {
    let cluster = MockCluster::new(1).unwrap();
    for (_, topic) in Topics::default().by_role() {
        cluster.create_topic(topic, PARTITIONS, 1).unwrap();
    }
    let options = KafkaOptions::new(cluster.bootstrap_servers(), "almoner");
    (cluster, with_short_session(options))
}

/// The real cluster, or none: for what the mock only pretends.
pub fn real() -> Option<(InUse, KafkaOptions)> {
    real_kafka::address_or_say().map(|address| real_cluster(&address))
}

fn real_cluster(address: &str) -> (InUse, KafkaOptions) {
    let in_use = real_kafka::in_use();
    let options = real_kafka::own_options(address);
    real_kafka::make_topics(&options, |_| u16::try_from(PARTITIONS).unwrap());
    (in_use, with_short_session(options))
}

fn with_short_session(mut options: KafkaOptions) -> KafkaOptions {
    options.session_timeout_ms = 6_000;
    options
        .client
        .insert("heartbeat.interval.ms".to_owned(), "300".to_owned());
    options
}
