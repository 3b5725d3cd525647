//! A broker inside the process, for the demo and for tests: librdkafka's mock cluster, a real TCP listener whose logs live
//! in memory alone. It drops a partition's oldest records silently above 5 MiB or 100,000 batches, whether they were read
//! or not; [`LogMeter`] says how far that is, and fails loudly once it has happened.

use std::sync::mpsc::{Sender, channel};
use std::thread::{Builder, JoinHandle};
use std::time::Duration;

use rdkafka::consumer::BaseConsumer;
use rdkafka::mocking::MockCluster;

use super::client_config::{Role, client_config};
use super::context::PlainContext;
use super::error::KafkaError;
use super::offsets;
use super::options::KafkaOptions;

/// What the mock cluster keeps of one partition, in bytes: more drops the oldest records.
pub const PARTITION_BYTES_MAX: u64 = 5 * 1024 * 1024;
/// What the mock cluster keeps of one partition, in batches; in the worst case each record is one.
pub const PARTITION_BATCHES_MAX: u64 = 100_000;
/// How long the broker may take to say where its logs begin.
const ANSWER_WITHIN: Duration = Duration::from_secs(5);

/// A running broker. Dropped, it is gone with all that it held.
pub struct EmbeddedBroker {
    bootstrap_servers: String,
    stop: Option<Sender<()>>,
    thread: Option<JoinHandle<()>>,
}

impl EmbeddedBroker {
    /// Starts a broker with these topics and their numbers of partitions, on a port of its own choice.
    ///
    /// # Errors
    /// The cluster or its thread could not be made.
    pub fn start(topics: &[(&str, u16)]) -> Result<Self, KafkaError> {
        let topics: Vec<(String, u16)> = topics
            .iter()
            .map(|(name, count)| ((*name).to_owned(), *count))
            .collect();
        let (stop, stopped) = channel::<()>();
        let (started, start) = channel();
        // The cluster stays on the thread that made it; the thread waits until it is dropped.
        let thread = Builder::new()
            .name("embedded-broker".to_owned())
            .spawn(move || {
                let cluster = make_cluster(&topics);
                let address = cluster
                    .as_ref()
                    .map(MockCluster::bootstrap_servers)
                    .map_err(Clone::clone);
                if started.send(address).is_ok() {
                    let _ = stopped.recv();
                }
            })
            .map_err(|error| KafkaError::Client(error.to_string()))?;
        let bootstrap_servers = start.recv().map_err(|_| {
            KafkaError::Client("the embedded broker ended at its start".to_owned())
        })??;
        Ok(Self {
            bootstrap_servers,
            stop: Some(stop),
            thread: Some(thread),
        })
    }

    /// Where it listens.
    #[must_use]
    pub fn bootstrap_servers(&self) -> &str {
        &self.bootstrap_servers
    }
}

impl Drop for EmbeddedBroker {
    fn drop(&mut self) {
        drop(self.stop.take());
        if let Some(thread) = self.thread.take() {
            let _ = thread.join();
        }
    }
}

type Cluster = MockCluster<'static, rdkafka::producer::DefaultProducerContext>;

fn make_cluster(topics: &[(String, u16)]) -> Result<Cluster, KafkaError> {
    let cluster = MockCluster::new(1)?;
    for (name, partitions) in topics {
        cluster.create_topic(name, i32::from(*partitions), 1)?;
    }
    Ok(cluster)
}

/// The embedded broker dropped records that nobody had read: what was published is lost.
#[derive(Clone, PartialEq, Eq, Debug, thiserror::Error)]
pub enum MeterError {
    /// A log begins above what was read of it.
    #[error(
        "the embedded broker lost records: partition {partition} of {topic} begins at offset {low}, and was read up to \
         {read}: publish more slowly, or to more partitions"
    )]
    Lost {
        /// The topic.
        topic: String,
        /// The partition.
        partition: u32,
        /// Where its log begins.
        low: i64,
        /// What was read.
        read: i64,
    },
    /// It cannot be told.
    #[error("the embedded broker does not say where its logs begin: {0}")]
    Unanswered(String),
}

/// How much of a topic has not been read yet. Whoever publishes to the embedded broker asks [`LogMeter::has_room`] first.
pub struct LogMeter {
    client: BaseConsumer<PlainContext>,
    topic: String,
    partitions: Vec<i32>,
}

/// What of a topic has not been read yet.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Default)]
pub struct Unread {
    /// In the fullest partition.
    pub partition_records_max: u64,
    /// In all partitions.
    pub records: u64,
}

impl LogMeter {
    /// A meter of a topic of so many partitions.
    ///
    /// # Errors
    /// What is wrong with the options.
    pub fn new(options: &KafkaOptions, topic: &str, partitions: u16) -> Result<Self, KafkaError> {
        let client =
            client_config(options, Role::Reader)?.create_with_context(PlainContext::new())?;
        Ok(Self {
            client,
            topic: topic.to_owned(),
            partitions: (0..i32::from(partitions)).collect(),
        })
    }

    /// What the group has not committed yet. Blocks while the broker answers.
    ///
    /// # Errors
    /// [`MeterError`]: above all, that it is too late.
    pub fn uncommitted(&self) -> Result<Unread, MeterError> {
        let committed =
            offsets::committed(&self.client, &self.topic, &self.partitions, ANSWER_WITHIN)
                .map_err(|error| MeterError::Unanswered(error.to_string()))?;
        let read: Vec<_> = committed
            .iter()
            .map(|(partition, offset)| (*partition, offset.unwrap_or(0)))
            .collect();
        self.unread(&read)
    }

    /// What was not read yet by somebody who has come to these offsets, by partition; an absent one counts as 0. Blocks
    /// while the broker answers.
    ///
    /// # Errors
    /// [`MeterError`]: above all, that it is too late.
    pub fn unread(&self, read: &[(i32, i64)]) -> Result<Unread, MeterError> {
        let unanswered =
            |error: rdkafka::error::KafkaError| MeterError::Unanswered(error.to_string());
        let highs = offsets::highs(&self.client, &self.topic, &self.partitions, ANSWER_WITHIN)
            .map_err(unanswered)?;
        // Asked last: what was dropped while we asked is seen.
        let lows = offsets::lows(&self.client, &self.topic, &self.partitions, ANSWER_WITHIN)
            .map_err(unanswered)?;
        let of = |list: &[(i32, i64)], partition: i32| {
            list.iter()
                .find(|(of, _)| *of == partition)
                .map_or(0, |(_, offset)| *offset)
        };
        let mut unread = Unread::default();
        for (partition, low) in lows {
            let read = of(read, partition);
            if low > read {
                let (topic, partition) = (self.topic.clone(), partition.cast_unsigned());
                return Err(MeterError::Lost {
                    topic,
                    partition,
                    low,
                    read,
                });
            }
            let records = u64::try_from(of(&highs, partition) - read).unwrap_or(0);
            unread.partition_records_max = unread.partition_records_max.max(records);
            unread.records += records;
        }
        Ok(unread)
    }

    /// Whether a partition that holds `unread` can take `more` records of `record_bytes` each (with key and headers) and
    /// stay below half of what the broker keeps.
    #[must_use]
    pub fn has_room(unread: Unread, more: u64, record_bytes: u64) -> bool {
        let records = unread.partition_records_max.saturating_add(more);
        records <= PARTITION_BATCHES_MAX / 2
            && records.saturating_mul(record_bytes) <= PARTITION_BYTES_MAX / 2
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn room_ends_at_half_of_what_the_broker_keeps() {
        let check = |held: u64, more: u64, record_bytes: u64, expected: bool| {
            let unread = Unread {
                partition_records_max: held,
                records: held,
            };
            assert_eq!(
                LogMeter::has_room(unread, more, record_bytes),
                expected,
                "{held} + {more} of {record_bytes}"
            );
        };
        check(0, 50_000, 1, true);
        check(0, 50_001, 1, false);
        check(10_000, 3_107, 200, true);
        check(10_000, 3_108, 200, false);
        check(u64::MAX, 1, u64::MAX, false);
    }
}
