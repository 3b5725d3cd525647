//! Who reads every outcome and every dead letter, from the topics' start.

use std::collections::{HashMap, HashSet};
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::thread::JoinHandle;
use std::time::Duration;

use almoner::kafka::options::KafkaOptions;
use almoner_domain::ids::DonationId;
use almoner_domain::outcome::{self, OutcomeView};
use almoner_loadtest::DeadLetterCopy;
use rdkafka::consumer::{BaseConsumer, Consumer};
use rdkafka::message::{BorrowedMessage, Headers, Message};
use rdkafka::{ClientConfig, Offset, TopicPartitionList};

use super::broker::Broker;
use super::publisher::Place;
use super::wait::wait_until;

const POLL: Duration = Duration::from_millis(50);
/// Donations settle in one of these.
const LAST: [&str; 3] = [
    "donation.succeeded",
    "donation.failed",
    "donation.cancelled",
];

/// A record of the outcomes topic.
#[derive(Clone, Debug)]
pub struct Told {
    pub key: Vec<u8>,
    pub value: Vec<u8>,
}

impl Told {
    pub fn view(&self) -> OutcomeView<'_> {
        outcome::decode(&self.value).unwrap()
    }

    /// The request that this copy answers.
    pub fn place(&self) -> Place {
        let source = self.view().source.unwrap();
        Place {
            partition: source.partition,
            offset: source.offset,
        }
    }
}

/// A record of the dead letters topic.
#[derive(Clone, Debug)]
pub struct Letter {
    pub key: Option<Vec<u8>>,
    pub value: Option<Vec<u8>>,
    pub headers: Vec<(String, Option<Vec<u8>>)>,
}

impl Letter {
    pub fn copy(&self) -> DeadLetterCopy<'_> {
        let headers = self.headers.iter();
        let headers = headers.map(|(name, value)| (name.as_str(), value.as_deref()));
        DeadLetterCopy::read(self.key.as_deref(), self.value.as_deref(), headers).unwrap()
    }

    /// Where it came from.
    pub fn place(&self) -> Place {
        let copy = self.copy();
        Place {
            partition: copy.partition,
            offset: copy.offset,
        }
    }

    /// The last header of this name.
    pub fn header(&self, name: &str) -> Option<&[u8]> {
        let found = self.headers.iter().rfind(|(of, _)| of == name)?;
        found.1.as_deref()
    }

    /// The sentence about it.
    pub fn detail(&self) -> String {
        let detail = self.header("kafka_dlt-exception-message").unwrap();
        String::from_utf8(detail.to_vec()).unwrap()
    }
}

/// All that was read.
#[derive(Default)]
pub struct Seen {
    pub outcomes: Vec<Told>,
    pub dead_letters: Vec<Letter>,
    /// The requests that something answers.
    answered: HashSet<Place>,
    /// How each donation ended.
    ends: HashMap<DonationId, &'static str>,
    /// The donations that their users were asked about.
    questions: HashSet<DonationId>,
    /// All below was read, by topic and partition.
    read_to: HashMap<(String, i32), i64>,
}

impl Seen {
    /// What was told of a donation, rejections left out.
    pub fn of(&self, id: DonationId) -> impl Iterator<Item = OutcomeView<'_>> {
        let views = self.outcomes.iter().map(Told::view);
        views.filter(move |view| view.donation_id == id && !view.is_rejection())
    }

    /// How a donation ended, if it has: the type of its final outcome.
    pub fn end_of(&self, id: DonationId) -> Option<&'static str> {
        self.ends.get(&id).copied()
    }

    /// Whether the user was asked about it.
    pub fn is_question(&self, id: DonationId) -> bool {
        self.questions.contains(&id)
    }

    /// Whether something answers the request at this place.
    pub fn is_answered(&self, place: Place) -> bool {
        self.answered.contains(&place)
    }

    fn put_outcome(&mut self, told: Told) {
        let view = told.view();
        let last = LAST.into_iter().find(|last| *last == view.event_type);
        if let Some(last) = last {
            self.ends.entry(view.donation_id).or_insert(last);
        }
        if view.event_type == "donation.needs_confirmation" {
            self.questions.insert(view.donation_id);
        }
        self.answered.insert(told.place());
        self.outcomes.push(told);
    }

    fn put_dead_letter(&mut self, letter: Letter) {
        self.answered.insert(letter.place());
        self.dead_letters.push(letter);
    }

    /// How many there are.
    pub fn count(&self) -> u64 {
        (self.outcomes.len() + self.dead_letters.len()) as u64
    }
}

/// A reader on a thread of its own.
pub struct Follower {
    seen: Arc<Mutex<Seen>>,
    stop: Arc<AtomicBool>,
    thread: Option<JoinHandle<()>>,
}

impl Follower {
    pub fn start(options: &KafkaOptions) -> Self {
        let client = client(options);
        let dead_letters = options.topics.dead_letters.clone();
        let (seen, stop) = (
            Arc::<Mutex<Seen>>::default(),
            Arc::new(AtomicBool::new(false)),
        );
        let (to, stopped) = (Arc::clone(&seen), Arc::clone(&stop));
        let thread = std::thread::spawn(move || {
            while !stopped.load(Ordering::Relaxed) {
                // What the client cannot read now (the broker is away) it reads later.
                let Some(Ok(record)) = client.poll(POLL) else {
                    continue;
                };
                let mut seen = to.lock().unwrap_or_else(PoisonError::into_inner);
                if record.topic() == dead_letters {
                    seen.put_dead_letter(letter(&record));
                } else {
                    seen.put_outcome(Told {
                        key: record.key().unwrap_or_default().to_vec(),
                        value: record.payload().unwrap_or_default().to_vec(),
                    });
                }
                let read = (record.topic().to_owned(), record.partition());
                seen.read_to.insert(read, record.offset() + 1);
            }
        });
        Self {
            seen,
            stop,
            thread: Some(thread),
        }
    }

    /// All that was read so far.
    pub fn seen(&self) -> MutexGuard<'_, Seen> {
        self.seen.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// How many outcomes and dead letters were read.
    pub fn count(&self) -> u64 {
        self.seen().count()
    }

    /// Waits until all is read that the topics hold now.
    pub fn catch_up(&self, broker: &Broker) {
        for (topic, partition, end) in broker.ends_of_answers() {
            let read = (topic, partition);
            self.wait("the end of the topics", |seen| {
                let read_to = seen.read_to.get(&read).copied().unwrap_or(0);
                (read_to >= end).then_some(())
            });
        }
    }

    /// Waits until it is so, as long as something is read.
    pub fn wait<T>(&self, what: &str, mut until: impl FnMut(&Seen) -> Option<T>) -> T {
        wait_until(what, || self.seen().count(), || until(&self.seen()))
    }

    /// Waits until each of these donations has ended.
    pub fn wait_ended(&self, ids: &[DonationId]) {
        let mut open = ids.to_vec();
        self.wait("every donation's end", |seen| {
            open.retain(|id| seen.end_of(*id).is_none());
            open.is_empty().then_some(())
        });
    }

    /// Waits until each of these requests is answered.
    pub fn wait_answered(&self, places: &[Place]) {
        let mut open = places.to_vec();
        self.wait("every request's answer", |seen| {
            open.retain(|place| !seen.is_answered(*place));
            open.is_empty().then_some(())
        });
    }
}

impl Drop for Follower {
    fn drop(&mut self) {
        self.stop.store(true, Ordering::Relaxed);
        if let Some(thread) = self.thread.take() {
            let _ = thread.join();
        }
    }
}

fn letter(record: &BorrowedMessage<'_>) -> Letter {
    let headers = record.headers().into_iter().flat_map(Headers::iter);
    Letter {
        key: record.key().map(Vec::from),
        value: record.payload().map(Vec::from),
        headers: headers
            .map(|header| (header.key.to_owned(), header.value.map(Vec::from)))
            .collect(),
    }
}

fn client(options: &KafkaOptions) -> BaseConsumer {
    let client: BaseConsumer = ClientConfig::new()
        .set("bootstrap.servers", &options.bootstrap_servers)
        .set("group.id", "front-end")
        .set("enable.auto.commit", "false")
        .set("fetch.queue.backoff.ms", "10")
        // What it has asked a broker that then went away is asked again soon.
        .set("socket.timeout.ms", "5000")
        .create()
        .unwrap();
    let mut list = TopicPartitionList::new();
    for topic in [&options.topics.outcomes, &options.topics.dead_letters] {
        let metadata = client
            .fetch_metadata(Some(topic), Duration::from_secs(30))
            .unwrap();
        let topics = metadata.topics().iter();
        for partition in topics.flat_map(|topic| topic.partitions()) {
            list.add_partition_offset(topic, partition.id(), Offset::Beginning)
                .unwrap();
        }
    }
    client.assign(&list).unwrap();
    client
}
