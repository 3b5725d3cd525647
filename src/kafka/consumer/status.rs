//! What can be seen of the consumer from outside: whether it lives, what it owns, what it does not read and why.

use std::sync::atomic::{AtomicBool, AtomicU64, AtomicUsize, Ordering};
use std::sync::{Mutex, PoisonError};

use almoner_domain::ids::Shard;
use metrics::{Gauge, gauge};

use crate::kafka::options::KafkaOptions;
use crate::kafka::telemetry::{ASSIGNED_PARTITIONS, STOPPED_PARTITIONS};
use crate::kafka::troubles::Troubles;

/// A partition that is not read: the log does not hold what comes next. It is read again once an operator has accepted
/// the loss and the consumer has started anew.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct StoppedPartition {
    /// The partition.
    pub shard: Shard,
    /// The offset that comes next.
    pub next_offset: i64,
    /// The log's first offset: above `next_offset`, the requests in between are lost.
    pub low: i64,
    /// One past the log's last offset: below `next_offset`, this is another log.
    pub high: i64,
}

/// Shared with the consumer's thread.
pub struct ConsumerStatus {
    beats: AtomicU64,
    is_joined: AtomicBool,
    assigned: AtomicUsize,
    stopped: Mutex<Vec<StoppedPartition>>,
    troubles: Troubles,
    assigned_gauge: Gauge,
    stopped_gauge: Gauge,
}

impl ConsumerStatus {
    pub(super) fn new(options: &KafkaOptions) -> Self {
        Self {
            troubles: Troubles::new(options),
            beats: AtomicU64::new(0),
            is_joined: AtomicBool::new(false),
            assigned: AtomicUsize::new(0),
            stopped: Mutex::default(),
            assigned_gauge: gauge!(ASSIGNED_PARTITIONS),
            stopped_gauge: gauge!(STOPPED_PARTITIONS),
        }
    }

    /// Counts the rounds of the consumer's loop: if it stands still for long, so does the consumer.
    pub fn beats(&self) -> u64 {
        self.beats.load(Ordering::Relaxed)
    }

    /// Whether the group has ever given us an assignment, be it an empty one.
    pub fn is_joined(&self) -> bool {
        self.is_joined.load(Ordering::Acquire)
    }

    /// How many partitions are ours.
    pub fn assigned(&self) -> usize {
        self.assigned.load(Ordering::Acquire)
    }

    /// The partitions that are ours and not read.
    pub fn stopped(&self) -> Vec<StoppedPartition> {
        self.stopped
            .lock()
            .unwrap_or_else(PoisonError::into_inner)
            .clone()
    }

    /// What keeps it from reading or committing.
    pub fn troubles(&self) -> &Troubles {
        &self.troubles
    }

    pub(super) fn beat(&self) {
        self.beats.fetch_add(1, Ordering::Relaxed);
    }

    pub(super) fn set_joined(&self) {
        self.is_joined.store(true, Ordering::Release);
    }

    #[expect(clippy::cast_precision_loss, reason = "a gauge is an f64")]
    pub(super) fn set_assigned(&self, partitions: usize) {
        self.assigned.store(partitions, Ordering::Release);
        self.assigned_gauge.set(partitions as f64);
    }

    pub(super) fn add_stopped(&self, partition: StoppedPartition) {
        self.change_stopped(|stopped| stopped.push(partition));
    }

    pub(super) fn remove_stopped(&self, shard: Shard) {
        self.change_stopped(|stopped| stopped.retain(|partition| partition.shard != shard));
    }

    #[expect(clippy::cast_precision_loss, reason = "a gauge is an f64")]
    fn change_stopped(&self, change: impl FnOnce(&mut Vec<StoppedPartition>)) {
        let mut stopped = self.stopped.lock().unwrap_or_else(PoisonError::into_inner);
        change(&mut stopped);
        self.stopped_gauge.set(stopped.len() as f64);
    }
}
