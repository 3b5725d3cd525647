//! Campaigns: every instance reads the whole compacted topic into the store, from its start and on. It is no member of any
//! group and commits nothing: a version that is known changes nothing.

mod decode;

use std::collections::BTreeSet;
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::mpsc::{Sender, channel};
use std::thread::{Builder, JoinHandle};
use std::time::Duration;

use almoner_actors::ports::{Done, Outcomes, PublishError, Store, StoreError};
use almoner_domain::campaign::CampaignChange;
use almoner_domain::dead_letter::DeadLetter;
use metrics::{Counter, counter};
use rdkafka::consumer::{BaseConsumer, Consumer};
use rdkafka::error::{KafkaError as ClientError, KafkaResult};
use rdkafka::message::BorrowedMessage;
use rdkafka::{Offset, TopicPartitionList};
use tokio::time::Instant;

use super::client_config::{Role, client_config};
use super::consumer::panic_text;
use super::context::PlainContext;
use super::error::KafkaError;
use super::options::KafkaOptions;
use super::repeats;
use super::telemetry::CAMPAIGN_RECORDS;
use super::topics::{self, METADATA_WITHIN};
use super::troubles::{Doing, Troubles, is_refusal};

/// How many records are read before what they say is waited for.
const BATCH_RECORDS: usize = 256;
/// How long a poll waits; also how long a stop does.
const POLL: Duration = Duration::from_millis(100);
/// How long to wait before the store or the producer is tried again.
const RETRY_AFTER: Duration = Duration::from_secs(1);

/// A running reader of the campaigns.
pub struct CampaignsReader {
    shared: Arc<Shared>,
    thread: Option<JoinHandle<()>>,
}

struct Shared {
    is_stopping: AtomicBool,
    is_caught_up: AtomicBool,
    troubles: Arc<Troubles>,
}

impl CampaignsReader {
    /// Begins to read. `caught_up` is called once all that the topic held at the start is durable in the store; dropped,
    /// if it never comes to that. What cannot be read becomes a dead letter.
    ///
    /// # Errors
    /// The broker cannot be reached, or has no such topic; or what is wrong with the options.
    pub fn start(
        options: &KafkaOptions,
        store: Arc<dyn Store>,
        outcomes: Arc<dyn Outcomes>,
        caught_up: Done<()>,
    ) -> Result<Self, KafkaError> {
        let client: BaseConsumer<PlainContext> =
            client_config(options, Role::Reader)?.create_with_context(PlainContext::new())?;
        let topic = &options.topics.campaigns;
        let partitions =
            topics::partition_count(&client, options, "campaigns", topic, METADATA_WITHIN)?;
        let mut list = TopicPartitionList::new();
        for partition in 0..partitions.cast_signed() {
            list.add_partition_offset(topic, partition, Offset::Beginning)?;
        }
        client.assign(&list)?;
        let shared = Arc::new(Shared {
            is_stopping: AtomicBool::new(false),
            is_caught_up: AtomicBool::new(false),
            troubles: Arc::new(Troubles::new(options)),
        });
        let mut reading = Reading {
            client,
            group: options.group_id.as_str().into(),
            store,
            outcomes,
            shared: Arc::clone(&shared),
            not_at_end: (0..partitions.cast_signed()).collect(),
            caught_up: Some(caught_up),
            ask_again_at: None,
            stored: counter!(CAMPAIGN_RECORDS, "result" => "stored"),
            undecodable: counter!(CAMPAIGN_RECORDS, "result" => "undecodable"),
        };
        let thread = Builder::new()
            .name("kafka-campaigns".to_owned())
            .spawn(move || {
                if let Err(panic) = catch_unwind(AssertUnwindSafe(|| reading.run())) {
                    let text = panic_text(panic.as_ref());
                    tracing::error!(target: "almoner::kafka", "campaigns are not read any more, a panic: {text}");
                }
            })
            .map_err(|error| KafkaError::Client(error.to_string()))?;
        Ok(Self {
            shared,
            thread: Some(thread),
        })
    }

    /// Whether all that the topic held at the start is durable in the store.
    #[must_use]
    pub fn caught_up(&self) -> bool {
        self.shared.is_caught_up.load(Ordering::Acquire)
    }

    /// What keeps it from reading.
    #[must_use]
    pub fn troubles(&self) -> Arc<Troubles> {
        Arc::clone(&self.shared.troubles)
    }

    /// Whether the topic is still being read: false after a panic, which was logged.
    #[must_use]
    pub fn is_running(&self) -> bool {
        self.thread
            .as_ref()
            .is_some_and(|thread| !thread.is_finished())
    }
}

impl Drop for CampaignsReader {
    fn drop(&mut self) {
        self.shared.is_stopping.store(true, Ordering::Release);
        if let Some(thread) = self.thread.take() {
            let _ = thread.join();
        }
    }
}

/// What a record asks for; kept until it is done.
enum Work {
    Store(CampaignChange),
    DeadLetter(Box<DeadLetter>),
}

struct Reading {
    client: BaseConsumer<PlainContext>,
    group: Box<str>,
    store: Arc<dyn Store>,
    outcomes: Arc<dyn Outcomes>,
    shared: Arc<Shared>,
    /// The partitions whose end was not reached yet.
    not_at_end: BTreeSet<i32>,
    caught_up: Option<Done<()>>,
    ask_again_at: Option<Instant>,
    stored: Counter,
    undecodable: Counter,
}

impl Reading {
    fn run(&mut self) {
        while !self.is_stopping() {
            self.ask_again();
            let batch = self.read_batch();
            if !self.do_until_done(&batch) {
                return;
            }
            if self.not_at_end.is_empty()
                && let Some(caught_up) = self.caught_up.take()
            {
                self.shared.is_caught_up.store(true, Ordering::Release);
                caught_up.call(());
            }
        }
    }

    fn is_stopping(&self) -> bool {
        self.shared.is_stopping.load(Ordering::Acquire)
    }

    fn read_batch(&mut self) -> Vec<Work> {
        let mut batch = Vec::new();
        let mut timeout = POLL;
        while batch.len() < BATCH_RECORDS {
            match self.client.poll(timeout) {
                None => break,
                Some(Ok(record)) => {
                    batch.push(self.understand(&record));
                    self.shared.troubles.end(Doing::Campaigns);
                }
                Some(Err(ClientError::PartitionEOF(partition))) => {
                    self.not_at_end.remove(&partition);
                    self.shared.troubles.end(Doing::Campaigns);
                }
                // The context has logged and counted it; the client goes on by itself.
                Some(Err(error)) => {
                    self.note(&error);
                    break;
                }
            }
            timeout = Duration::ZERO;
        }
        batch
    }

    /// A client that was refused goes on without a word once it is not any more. So it is made to say again how it stands:
    /// a partition's end is told anew after an assignment.
    fn note(&mut self, error: &ClientError) {
        let Some(code) = error.rdkafka_error_code().filter(|code| is_refusal(*code)) else {
            return;
        };
        let troubles = &self.shared.troubles;
        troubles.begin(Doing::Campaigns, code, &code.to_string());
        self.ask_again_at = Some(Instant::now() + RETRY_AFTER);
    }

    fn ask_again(&mut self) {
        if self.ask_again_at.is_none_or(|at| Instant::now() < at) {
            return;
        }
        self.ask_again_at = None;
        if let Err(error) = self.client.position().and_then(|mut positions| {
            start_where_unread(&mut positions)?;
            self.client.assign(&positions)
        }) {
            repeats::warn(
                "campaigns",
                format!("campaigns cannot be read on yet: {error}"),
            );
            self.ask_again_at = Some(Instant::now() + RETRY_AFTER);
        }
    }

    fn understand(&self, record: &BorrowedMessage<'_>) -> Work {
        match decode::decode(record, &self.group) {
            Ok(change) => {
                self.stored.increment(1);
                Work::Store(change)
            }
            Err(letter) => {
                self.undecodable.increment(1);
                tracing::warn!(
                    target: "almoner::kafka",
                    "campaign at {}/{}/{} is not readable ({}): it is a dead letter",
                    letter.topic, letter.partition, letter.offset, letter.detail
                );
                Work::DeadLetter(letter)
            }
        }
    }

    /// Does the batch in order, and all of it again until all of it is durable: done twice, nothing changes. False if
    /// stopped before.
    fn do_until_done(&self, batch: &[Work]) -> bool {
        while !batch.is_empty() {
            let (sender, results) = channel();
            for work in batch {
                self.begin(work, sender.clone());
            }
            drop(sender);
            match results.iter().find_map(Result::err) {
                None => return true,
                Some(reason) => {
                    repeats::warn("campaigns", format!("campaigns are tried again: {reason}"));
                }
            }
            if self.is_stopping() {
                return false;
            }
            std::thread::sleep(RETRY_AFTER);
        }
        true
    }

    fn begin(&self, work: &Work, results: Sender<Result<(), String>>) {
        // Nobody listens any more only if another one of the batch failed.
        match work {
            Work::Store(change) => {
                let tell = move |result: Result<(), StoreError>| {
                    let _ = results.send(result.map_err(|error| error.to_string()));
                };
                self.store.put_campaign(change.clone(), Done::new(tell));
            }
            Work::DeadLetter(letter) => {
                let tell = move |result: Result<(), PublishError>| {
                    let _ = results.send(result.map_err(|error| error.to_string()));
                };
                self.outcomes
                    .dead_letter((**letter).clone(), Done::new(tell));
            }
        }
    }
}

/// Of what nothing was read yet, the beginning comes next.
fn start_where_unread(positions: &mut TopicPartitionList) -> KafkaResult<()> {
    let places = positions.elements();
    let unread = places
        .iter()
        .filter(|it| !matches!(it.offset(), Offset::Offset(_)));
    let unread: Vec<_> = unread
        .map(|it| (it.topic().to_owned(), it.partition()))
        .collect();
    for (topic, partition) in unread {
        positions.set_partition_offset(&topic, partition, Offset::Beginning)?;
    }
    Ok(())
}
