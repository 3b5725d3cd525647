//! A cluster, an intake that records what it is told, and waits that end by progress.

use std::collections::BTreeMap;
use std::sync::atomic::{AtomicI64, AtomicU64, Ordering};
use std::sync::mpsc::{Receiver, channel};
use std::sync::{Arc, Condvar, Mutex};
use std::time::Duration;

use almoner::kafka::consumer::{Consumer, Prepared};
use almoner::kafka::options::KafkaOptions;
use almoner_actors::ports::{
    Admission, Clock, Commit, CommitError, Done, Dropped, Intake, LogRange, RawRecord, Source,
};
use almoner_domain::ids::Shard;
use rdkafka::ClientConfig;
use rdkafka::producer::{BaseRecord, Producer, ThreadedProducer};
use tokio::time::Instant;

pub use crate::cluster::{cluster, mock, real};

/// Without any progress for so long, a wait has failed.
pub const PATIENCE: Duration = Duration::from_secs(180);
pub const PARTITIONS: i32 = 4;

/// Publishes `count` records of `value_bytes` to a partition; each value begins with its number.
pub fn produce(options: &KafkaOptions, partition: i32, count: usize, value_bytes: usize) {
    let producer: ThreadedProducer<_> = ClientConfig::new()
        .set("bootstrap.servers", &options.bootstrap_servers)
        .set("linger.ms", "5")
        .create()
        .unwrap();
    for number in 0..count {
        let mut value = format!("{partition}/{number}/").into_bytes();
        value.resize(value_bytes.max(value.len()), b'.');
        let record = || {
            BaseRecord::<[u8], [u8]>::to(&options.topics.requests)
                .partition(partition)
                .key(b"user")
                .payload(&value)
        };
        while producer.send(record()).is_err() {
            producer.poll(Duration::from_millis(1));
        }
    }
    producer.flush(PATIENCE).unwrap();
}

/// A completion, and where its result comes out.
pub fn done<T: Dropped + Send + 'static>() -> (Done<T>, Receiver<T>) {
    let (sender, results) = channel();
    (Done::new(move |result| drop(sender.send(result))), results)
}

/// Commits, and waits for the answer. While the group rebalances a broker may refuse for now: it is asked again, as the
/// router asks again at its next tick.
pub fn commit(source: &dyn Source, shard: u32, next_offset: i64) -> Result<(), CommitError> {
    let deadline = Instant::now() + PATIENCE;
    loop {
        match commit_once(source, shard, next_offset) {
            Err(CommitError::Failed(why))
                if why.contains("RebalanceInProgress") && Instant::now() < deadline =>
            {
                std::thread::sleep(Duration::from_millis(50));
            }
            answer => return answer,
        }
    }
}

/// Commits, and waits for the first answer.
pub fn commit_once(source: &dyn Source, shard: u32, next_offset: i64) -> Result<(), CommitError> {
    let (done, result) = done();
    source.commit(
        Commit {
            shard: Shard(shard),
            next_offset,
        },
        done,
    );
    result
        .recv_timeout(PATIENCE)
        .expect("a commit was not answered")
}

/// A clock of the test's own: each look at it is one millisecond later.
pub struct CountingClock(AtomicI64);

impl Default for CountingClock {
    fn default() -> Self {
        Self(AtomicI64::new(1_000_000))
    }
}

impl Clock for CountingClock {
    fn wall_ms(&self) -> i64 {
        self.0.fetch_add(1, Ordering::Relaxed)
    }

    fn boot_ms(&self) -> i64 {
        self.wall_ms()
    }
}

/// What an intake was told.
#[derive(Default)]
pub struct Told {
    pub assigned: BTreeMap<u32, LogRange>,
    /// The offsets that were taken, by shard.
    pub taken: BTreeMap<u32, Vec<i64>>,
    pub flushes: usize,
    pub ends: BTreeMap<u32, (i64, i64)>,
    pub revoked: Vec<u32>,
    /// Drains that are not through: calling them ends them.
    pub drains: Vec<Done<()>>,
    pub lost: Vec<u32>,
    pub fatal: Option<String>,
    pub last_values: BTreeMap<u32, Vec<u8>>,
    /// Grows with each thing that is told.
    progress: u64,
}

impl Told {
    pub fn taken_count(&self) -> usize {
        self.taken.values().map(Vec::len).sum()
    }

    pub fn shards(&self) -> Vec<u32> {
        self.assigned.keys().copied().collect()
    }
}

/// Shared by an intake and its test.
pub struct Recorder {
    told: Mutex<Told>,
    changed: Condvar,
    credit: AtomicI64,
    /// Whether drains are through at once.
    drains_at_once: bool,
    panics_at_offset: Option<i64>,
    /// Each so many-th offer is refused, although there seemed to be credit.
    refuses_every: Option<u64>,
    offers: AtomicU64,
}

impl Recorder {
    pub fn new() -> Self {
        Self {
            told: Mutex::default(),
            changed: Condvar::new(),
            credit: AtomicI64::new(i64::MAX / 2),
            drains_at_once: true,
            panics_at_offset: None,
            refuses_every: None,
            offers: AtomicU64::new(0),
        }
    }

    pub fn with_credit(self, credit: i64) -> Self {
        self.credit.store(credit, Ordering::SeqCst);
        self
    }

    /// Drains are through when the test says so.
    pub fn draining_slowly(mut self) -> Self {
        self.drains_at_once = false;
        self
    }

    pub fn panicking_at(mut self, offset: i64) -> Self {
        self.panics_at_offset = Some(offset);
        self
    }

    pub fn refusing_every(mut self, nth: u64) -> Self {
        self.refuses_every = Some(nth);
        self
    }

    pub fn give_credit(&self, credit: i64) {
        self.credit.fetch_add(credit, Ordering::SeqCst);
    }

    pub fn look<T>(&self, at: impl FnOnce(&mut Told) -> T) -> T {
        at(&mut self.told.lock().unwrap_or_else(|told| told.into_inner()))
    }

    /// Waits until it is so, as long as something goes on.
    pub fn wait<T>(&self, what: &str, mut until: impl FnMut(&mut Told) -> Option<T>) -> T {
        let mut told = self.told.lock().unwrap_or_else(|told| told.into_inner());
        let mut seen = told.progress;
        let mut deadline = Instant::now() + PATIENCE;
        loop {
            if let Some(found) = until(&mut told) {
                return found;
            }
            if told.progress != seen {
                seen = told.progress;
                deadline = Instant::now() + PATIENCE;
            }
            assert!(
                Instant::now() < deadline,
                "waited for {what}: assigned {:?}, taken {:?}, revoked {:?}, lost {:?}, fatal {:?}",
                told.shards(),
                told.taken
                    .iter()
                    .map(|(shard, offsets)| (shard, offsets.len()))
                    .collect::<Vec<_>>(),
                told.revoked,
                told.lost,
                told.fatal
            );
            told = self
                .changed
                .wait_timeout(told, Duration::from_millis(100))
                .unwrap()
                .0;
        }
    }

    pub fn wait_taken(&self, count: usize) {
        self.wait(&format!("{count} records"), |told| {
            (told.taken_count() >= count).then_some(())
        });
    }

    fn note(&self, change: impl FnOnce(&mut Told)) {
        self.look(|told| {
            change(told);
            told.progress += 1;
        });
        self.changed.notify_all();
    }
}

/// An intake that takes what it has credit for.
struct RecordingIntake(Arc<Recorder>);

impl Intake for RecordingIntake {
    fn assigned(&mut self, shard: Shard, log: LogRange) {
        self.0.note(|told| {
            assert!(
                told.assigned.insert(shard.0, log).is_none(),
                "assigned twice"
            );
        });
    }

    fn has_credit(&self) -> bool {
        self.0.credit.load(Ordering::SeqCst) > 0
    }

    fn offer(&mut self, record: &RawRecord<'_>) -> Admission {
        assert_ne!(Some(record.offset), self.0.panics_at_offset, "told to");
        let offer = self.0.offers.fetch_add(1, Ordering::SeqCst) + 1;
        if self
            .0
            .refuses_every
            .is_some_and(|nth| offer.is_multiple_of(nth))
        {
            return Admission::NoCredit;
        }
        if self.0.credit.fetch_sub(1, Ordering::SeqCst) <= 0 {
            self.0.credit.fetch_add(1, Ordering::SeqCst);
            return Admission::NoCredit;
        }
        self.0.note(|told| {
            assert!(
                told.assigned.contains_key(&record.shard.0),
                "offered, but not assigned"
            );
            told.taken
                .entry(record.shard.0)
                .or_default()
                .push(record.offset);
            told.last_values
                .insert(record.shard.0, record.value.unwrap_or_default().to_vec());
        });
        Admission::Taken
    }

    fn flush(&mut self) {
        self.0.look(|told| told.flushes += 1);
    }

    fn at_end(&mut self, shard: Shard, next_offset: i64, asked_wall_ms: i64) {
        // Told again and again: no progress.
        self.0
            .look(|told| told.ends.insert(shard.0, (next_offset, asked_wall_ms)));
        self.0.changed.notify_all();
    }

    fn revoke(&mut self, shards: &[Shard], done: Done<()>) {
        let at_once = self.0.drains_at_once;
        let mut done = Some(done);
        self.0.note(|told| {
            for shard in shards {
                assert!(
                    told.assigned.remove(&shard.0).is_some(),
                    "revoked, but not assigned"
                );
                told.revoked.push(shard.0);
            }
            if !at_once {
                told.drains.extend(done.take());
            }
        });
        if let Some(done) = done {
            done.call(());
        }
    }

    fn lost(&mut self, shards: &[Shard]) {
        self.0.note(|told| {
            for shard in shards {
                told.assigned.remove(&shard.0);
                told.lost.push(shard.0);
            }
        });
    }

    fn fatal(&mut self, reason: String) {
        self.0.note(|told| told.fatal = Some(reason));
    }
}

/// A member of the group, and what its intake is told.
pub struct Member {
    pub consumer: Consumer,
    pub source: Arc<dyn Source>,
    pub intake: Arc<Recorder>,
}

impl Member {
    pub fn join(options: &KafkaOptions, intake: Recorder) -> Self {
        let intake = Arc::new(intake);
        let prepared = Prepared::new(options).unwrap();
        let source = prepared.source();
        let consumer = prepared
            .start(
                Box::new(RecordingIntake(Arc::clone(&intake))),
                Arc::new(CountingClock::default()),
            )
            .unwrap();
        Self {
            consumer,
            source,
            intake,
        }
    }

    pub fn wait_assigned(&self, count: usize) -> Vec<u32> {
        self.intake.wait(&format!("{count} partitions"), |told| {
            (told.assigned.len() == count).then(|| told.shards())
        })
    }
}

/// Whether the offsets follow each other from `first` on, `count` of them.
pub fn assert_run(offsets: Option<&Vec<i64>>, first: i64, count: usize) {
    let expected: Vec<i64> = (first..).take(count).collect();
    assert_eq!(offsets.cloned().unwrap_or_default(), expected);
}
