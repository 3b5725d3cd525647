//! Who publishes: as fast as the broker has room.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::time::Duration;

use almoner_domain::campaign::Campaign;
use almoner_loadtest::Planned;
use rdkafka::ClientConfig;
use rdkafka::error::{KafkaError as ClientError, RDKafkaErrorCode};
use rdkafka::producer::DefaultProducerContext;
use rdkafka::producer::{BaseRecord, Producer, ThreadedProducer};

use super::Watching;
use super::stage::{CLIENT_WAIT_MS, PARTITIONS};
use crate::kafka::broker::LogMeter;
use crate::kafka::options::KafkaOptions;

/// The broker is asked for room once for so many records.
const METER_EVERY: u64 = 4_000;
/// What a record takes beside its key and value, at most.
const RECORD_OVERHEAD_BYTES: u64 = 70;
/// How long publishing pauses when the client's queue is full.
const PAUSE: Duration = Duration::from_millis(5);
/// How long it pauses when the broker has no room, since asking costs the broker too.
const ROOM_PAUSE: Duration = Duration::from_millis(100);
/// How long what was handed over may take to be acknowledged.
const FLUSH_WITHIN: Duration = Duration::from_secs(30);

/// A front end's producer.
#[derive(Clone)]
pub struct Publisher {
    producer: Arc<ThreadedProducer<DefaultProducerContext>>,
    topic: Arc<str>,
    watching: Watching,
}

impl Publisher {
    /// A producer for the requests topic, which lets a batch wait for `wait_ms`.
    ///
    /// # Errors
    /// What the client says.
    pub fn new(kafka: &KafkaOptions, wait_ms: u32, watching: Watching) -> Result<Self, String> {
        let producer = Arc::new(producer(kafka, wait_ms)?);
        Ok(Self {
            producer,
            topic: kafka.topics.requests.as_str().into(),
            watching,
        })
    }

    /// Publishes one message; waits while the client's queue is full.
    ///
    /// # Errors
    /// What the client says.
    pub fn publish(&self, planned: &Planned) -> Result<(), String> {
        let now_us = self.watching.now_us();
        self.watching.lock().asked(planned, now_us);
        send(
            &self.producer,
            &self.topic,
            planned.key.as_bytes(),
            &planned.value,
        )
    }

    /// Publishes all of `traffic`, and never more than the broker can keep; stops early at `stop`. Counts in
    /// `published`.
    ///
    /// # Errors
    /// What the client says; or that the broker has lost records.
    pub fn publish_all(
        &self,
        kafka: &KafkaOptions,
        traffic: impl Iterator<Item = Planned>,
        published: &AtomicU64,
        stop: &AtomicBool,
    ) -> Result<(), String> {
        let meter =
            LogMeter::new(kafka, &self.topic, PARTITIONS).map_err(|error| error.to_string())?;
        let mut bytes = 0;
        for (number, planned) in (0_u64..).zip(traffic) {
            while number.is_multiple_of(METER_EVERY) && !has_room(&meter, bytes, number)? {
                if stop.load(Ordering::Relaxed) {
                    return Ok(());
                }
                std::thread::sleep(ROOM_PAUSE);
            }
            if stop.load(Ordering::Relaxed) {
                return Ok(());
            }
            self.publish(&planned)?;
            bytes += record_bytes(&planned);
            published.fetch_add(1, Ordering::Relaxed);
        }
        self.producer
            .flush(FLUSH_WITHIN)
            .map_err(|error| error.to_string())
    }
}

fn record_bytes(planned: &Planned) -> u64 {
    (planned.key.len() + planned.value.len()) as u64 + RECORD_OVERHEAD_BYTES
}

/// Whether the next records fit, if they are like the `number` before them, which took `bytes`.
fn has_room(meter: &LogMeter, bytes: u64, number: u64) -> Result<bool, String> {
    let Some(mean_bytes) = bytes.checked_div(number) else {
        return Ok(true);
    };
    let unread = meter.uncommitted().map_err(|error| error.to_string())?;
    // In the worst case all of the next go to the fullest partition; a quarter of them is far more than ever do.
    Ok(LogMeter::has_room(
        unread,
        METER_EVERY / 4,
        mean_bytes + mean_bytes / 4,
    ))
}

/// Publishes campaigns and waits for their acknowledgement.
///
/// # Errors
/// What the client says.
pub fn publish_campaigns(
    kafka: &KafkaOptions,
    campaigns: impl Iterator<Item = Campaign>,
) -> Result<(), String> {
    let producer = producer(kafka, CLIENT_WAIT_MS)?;
    for campaign in campaigns {
        send(
            &producer,
            &kafka.topics.campaigns,
            campaign.campaign_id.as_str().as_bytes(),
            &campaign.encode(),
        )?;
    }
    producer
        .flush(FLUSH_WITHIN)
        .map_err(|error| error.to_string())
}

fn producer(
    kafka: &KafkaOptions,
    wait_ms: u32,
) -> Result<ThreadedProducer<DefaultProducerContext>, String> {
    let mut config = ClientConfig::new();
    config
        .set("bootstrap.servers", &kafka.bootstrap_servers)
        .set("partitioner", kafka.partitioner.as_str())
        .set("linger.ms", wait_ms.to_string())
        .set("enable.idempotence", "true");
    config.create().map_err(|error| error.to_string())
}

fn send(
    producer: &ThreadedProducer<DefaultProducerContext>,
    topic: &str,
    key: &[u8],
    value: &[u8],
) -> Result<(), String> {
    let mut record = BaseRecord::to(topic).key(key).payload(value);
    loop {
        match producer.send(record) {
            Ok(()) => return Ok(()),
            Err((ClientError::MessageProduction(RDKafkaErrorCode::QueueFull), unsent)) => {
                record = unsent;
                std::thread::sleep(PAUSE);
            }
            Err((error, _)) => return Err(error.to_string()),
        }
    }
}
