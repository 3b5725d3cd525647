//! The names of Kafka's metrics, and the handles that hold them: no look-up per record.

use std::collections::HashMap;
use std::sync::{Mutex, PoisonError};

use metrics::{Counter, Gauge, counter, gauge};
use serde::Deserialize;

/// Each metric with what it says.
pub const METRICS: &[(&str, &str)] = &[
    (
        LAG_RECORDS,
        "records of a partition between the committed offset and the log's end",
    ),
    (ASSIGNED_PARTITIONS, "partitions that this instance owns"),
    (
        STOPPED_PARTITIONS,
        "partitions that are not read, since the log lost requests of theirs",
    ),
    (
        REBALANCES,
        "changes of the group's assignment that reached this instance",
    ),
    (COMMITS, "commits by result: acknowledged, refused"),
    (CLIENT_ERRORS, "errors that the Kafka clients reported"),
    (PUBLISHED, "records acknowledged by the broker, by kind"),
    (
        PUBLISH_FAILURES,
        "records not acknowledged by the broker, by kind",
    ),
    (
        LETTERS_CUT,
        "dead letters that were cut, being larger than the broker takes",
    ),
    (PRODUCER_QUEUE, "records that wait in the producer"),
    (
        CAMPAIGN_RECORDS,
        "records of the campaigns topic by result: stored, undecodable",
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
pub(super) const CAMPAIGN_RECORDS: &str = "almoner_kafka_campaign_records_total";

/// What librdkafka's statistics say that we show.
#[derive(Deserialize)]
struct Statistics {
    #[serde(default)]
    msg_cnt: u64,
    #[serde(default)]
    topics: HashMap<String, TopicStatistics>,
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

    /// The lag of each partition of `topic` that is read; a partition that is not ours any more shows none.
    #[expect(clippy::cast_precision_loss, reason = "a gauge is an f64")]
    pub(super) fn lag(&self, topic: &str, statistics_json: &[u8]) {
        let Ok(mut statistics) = serde_json::from_slice::<Statistics>(statistics_json) else {
            return;
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
    }
}
