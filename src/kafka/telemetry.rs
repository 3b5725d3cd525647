//! The names of Kafka's metrics, and the handles that hold them: no look-up per record.

use std::collections::HashMap;
use std::sync::{Mutex, PoisonError};

use almoner_actors::telemetry::Metric;
use metrics::{Counter, Gauge, counter, gauge};
use serde::Deserialize;

/// Every metric of Kafka's clients.
pub const METRICS: &[Metric] = &[
    Metric::gauge(
        LAG_RECORDS,
        &["partition"],
        "Records between the committed offset and the log's end",
    ),
    Metric::gauge(
        ASSIGNED_PARTITIONS,
        &[],
        "Partitions that this instance owns",
    ),
    Metric::gauge(
        STOPPED_PARTITIONS,
        &[],
        "Partitions that are not read, since the log lost requests of theirs",
    ),
    Metric::counter(
        REBALANCES,
        &[],
        "Changes of the group's assignment that reached this instance",
    ),
    Metric::counter(
        COMMITS,
        &["result"],
        "Commits of offsets: acknowledged, refused",
    ),
    Metric::counter(CLIENT_ERRORS, &[], "Errors that the Kafka clients reported"),
    Metric::counter(
        PUBLISHED,
        &["kind"],
        "Records acknowledged by the broker: outcome, dead_letter, forward",
    ),
    Metric::counter(
        PUBLISH_FAILURES,
        &["kind"],
        "Records not acknowledged by the broker: outcome, dead_letter, forward",
    ),
    Metric::counter(
        LETTERS_CUT,
        &[],
        "Cuts of dead letters that were larger than the broker takes",
    ),
    Metric::gauge(
        TROUBLE,
        &["doing"],
        "1 while this does not work: connect, requests, outcomes, dead_letters, forwards, campaigns",
    ),
    Metric::gauge(PRODUCER_QUEUE, &[], "Records that wait in the producer"),
    Metric::counter(
        CAMPAIGN_RECORDS,
        &["result"],
        "Records of the campaigns topic: stored, undecodable",
    ),
];

pub(super) const LAG_RECORDS: &str = "almoner_kafka_lag_records";
pub(super) const ASSIGNED_PARTITIONS: &str = "almoner_kafka_assigned_partitions";
pub(super) const STOPPED_PARTITIONS: &str = "almoner_kafka_stopped_partitions";
pub(super) const REBALANCES: &str = "almoner_kafka_rebalances_total";
pub(super) const COMMITS: &str = "almoner_kafka_commits_total";
pub(super) const CLIENT_ERRORS: &str = "almoner_kafka_client_errors_total";
pub(super) const PUBLISHED: &str = "almoner_kafka_published_total";
pub(super) const PUBLISH_FAILURES: &str = "almoner_kafka_publish_failures_total";
pub(super) const LETTERS_CUT: &str = "almoner_kafka_dead_letters_cut_total";
pub(super) const PRODUCER_QUEUE: &str = "almoner_kafka_producer_queue_records";
pub(super) const TROUBLE: &str = "almoner_kafka_trouble";
pub(super) const CAMPAIGN_RECORDS: &str = "almoner_kafka_campaign_records_total";

/// What librdkafka's statistics say that we show.
#[derive(Deserialize)]
struct Statistics {
    #[serde(default)]
    msg_cnt: u64,
    #[serde(default)]
    topics: HashMap<String, TopicStatistics>,
    #[serde(default)]
    brokers: HashMap<String, BrokerStatistics>,
}

#[derive(Deserialize)]
struct BrokerStatistics {
    state: String,
}

#[derive(Deserialize)]
struct TopicStatistics {
    #[serde(default)]
    partitions: HashMap<i32, PartitionStatistics>,
}

#[derive(Deserialize)]
struct PartitionStatistics {
    /// Counted from the committed offset; -1 while it is not known.
    consumer_lag: i64,
    /// Whether we read it: `none` if not.
    fetch_state: String,
}

/// The handles that librdkafka's statistics are shown through.
pub(super) struct ClientMetrics {
    errors: Counter,
    queue: Gauge,
    lag_by_partition: Mutex<HashMap<i32, Gauge>>,
}

impl ClientMetrics {
    pub(super) fn new() -> Self {
        Self {
            errors: counter!(CLIENT_ERRORS),
            queue: gauge!(PRODUCER_QUEUE),
            lag_by_partition: Mutex::default(),
        }
    }

    pub(super) fn error(&self) {
        self.errors.increment(1);
    }

    /// What waits in the producer.
    #[expect(clippy::cast_precision_loss, reason = "a gauge is an f64")]
    pub(super) fn producer(&self, statistics_json: &[u8]) {
        if let Ok(statistics) = serde_json::from_slice::<Statistics>(statistics_json) {
            self.queue.set(statistics.msg_cnt as f64);
        }
    }

    /// The lag of each partition of `topic` that is read; a partition that is not ours any more shows none. The answer is
    /// whether we are connected to a broker.
    #[expect(clippy::cast_precision_loss, reason = "a gauge is an f64")]
    pub(super) fn lag(&self, topic: &str, statistics_json: &[u8]) -> bool {
        let Ok(mut statistics) = serde_json::from_slice::<Statistics>(statistics_json) else {
            return false;
        };
        let partitions = statistics
            .topics
            .remove(topic)
            .map(|topic| topic.partitions)
            .unwrap_or_default();
        let mut gauges = self
            .lag_by_partition
            .lock()
            .unwrap_or_else(PoisonError::into_inner);
        for (partition, figures) in partitions {
            let is_read = partition >= 0 && figures.fetch_state != "none";
            let lag = if is_read {
                figures.consumer_lag.max(0)
            } else {
                0
            };
            if is_read || gauges.contains_key(&partition) {
                gauges
                    .entry(partition)
                    .or_insert_with(|| gauge!(LAG_RECORDS, "partition" => partition.to_string()))
                    .set(lag as f64);
            }
        }
        statistics
            .brokers
            .values()
            .any(|broker| broker.state == "UP")
    }
}
