//! Who follows: reads every outcome and dead letter, and says what users answer when they are asked.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::thread::JoinHandle;
use std::time::Duration;

use almoner_domain::outcome;
use almoner_loadtest::{Answerer, DeadLetterCopy};
use rdkafka::consumer::{BaseConsumer, Consumer};
use rdkafka::message::{BorrowedMessage, Headers, Message};
use rdkafka::{ClientConfig, Offset, TopicPartitionList};

use super::{Publisher, Watching};
use crate::kafka::options::KafkaOptions;

const POLL: Duration = Duration::from_millis(50);

/// A reader of the outcomes and dead letters topics, on a thread of its own.
pub struct Follower {
    stop: Arc<AtomicBool>,
    thread: Option<JoinHandle<()>>,
}

struct Reading {
    client: BaseConsumer,
    dead_letters: String,
    watching: Watching,
    answerer: Answerer,
    publisher: Publisher,
}

impl Follower {
    /// Begins at the topics' start; a fetch of nothing waits for `wait_ms`.
    ///
    /// # Errors
    /// What the client says.
    pub fn start(
        kafka: &KafkaOptions,
        wait_ms: u32,
        watching: Watching,
        answerer: Answerer,
        publisher: Publisher,
    ) -> Result<Self, String> {
        let client = client(kafka, wait_ms).map_err(|error| error.to_string())?;
        let dead_letters = kafka.topics.dead_letters.clone();
        let mut reading = Reading {
            client,
            dead_letters,
            watching,
            answerer,
            publisher,
        };
        let stop = Arc::new(AtomicBool::new(false));
        let stopped = Arc::clone(&stop);
        let thread = std::thread::Builder::new()
            .name("follower".into())
            .spawn(move || {
                while !stopped.load(Ordering::Relaxed) {
                    reading.step();
                }
            })
            .map_err(|error| error.to_string())?;
        Ok(Self {
            stop,
            thread: Some(thread),
        })
    }
}

impl Drop for Follower {
    fn drop(&mut self) {
        self.stop.store(true, Ordering::Relaxed);
        if let Some(thread) = self.thread.take() {
            // A follower that panicked leaves the watch unresolved, which is seen.
            let _ = thread.join();
        }
    }
}

impl Reading {
    fn step(&mut self) {
        let Some(Ok(record)) = self.client.poll(POLL) else {
            return;
        };
        if record.topic() == self.dead_letters {
            return read_dead_letter(&self.watching, &record);
        }
        let now_us = self.watching.now_us();
        let value = record.payload().unwrap_or_default();
        let answer = match outcome::decode(value) {
            Ok(outcome) => {
                self.watching.lock().outcome(&outcome, now_us);
                self.answerer.answer(&outcome)
            }
            Err(fault) => {
                self.watching.lock().unreadable_outcome(&fault);
                None
            }
        };
        if let Some(answer) = answer
            && let Err(error) = self.publisher.publish(&answer)
        {
            tracing::error!(%error, "an answer could not be published");
        }
    }
}

fn read_dead_letter(watching: &Watching, record: &BorrowedMessage<'_>) {
    let headers = record
        .headers()
        .into_iter()
        .flat_map(|headers| headers.iter());
    let headers = headers.map(|header| (header.key, header.value));
    match DeadLetterCopy::read(record.key(), record.payload(), headers) {
        Ok(letter) => watching.lock().dead_letter(&letter),
        Err(fault) => tracing::error!(%fault, "a record among the dead letters is none"),
    }
}

fn client(kafka: &KafkaOptions, wait_ms: u32) -> Result<BaseConsumer, rdkafka::error::KafkaError> {
    let client: BaseConsumer = ClientConfig::new()
        .set("bootstrap.servers", &kafka.bootstrap_servers)
        .set("group.id", "almoner-demo-follower")
        .set("enable.auto.commit", "false")
        .set("fetch.queue.backoff.ms", "10")
        .set("fetch.wait.max.ms", wait_ms.to_string())
        .create()?;
    let mut list = TopicPartitionList::new();
    for topic in [&kafka.topics.outcomes, &kafka.topics.dead_letters] {
        let metadata = client.fetch_metadata(Some(topic), Duration::from_secs(10))?;
        for partition in metadata
            .topics()
            .iter()
            .flat_map(|topic| topic.partitions())
        {
            list.add_partition_offset(topic, partition.id(), Offset::Beginning)?;
        }
    }
    client.assign(&list)?;
    Ok(client)
}
