//! The broker: it keeps its log and the committed offsets, and knows whose each partition is. What was published goes to
//! the judge.

use std::collections::BTreeMap;
use std::sync::Mutex;
use std::sync::atomic::{AtomicU32, Ordering};

use almoner_actors::ports::{Commit, CommitError, Forward, LogRange, OwnedHeader};

use crate::diary::lock;

/// One record of the requests topic.
#[derive(Clone, Debug)]
pub struct Record {
    /// When the broker appended it: wall clock, milliseconds since 1970.
    pub at_ms: i64,
    /// Its key.
    pub key: Vec<u8>,
    /// Its value.
    pub value: Vec<u8>,
    /// Its headers.
    pub headers: Vec<OwnedHeader>,
}

#[derive(Default)]
struct Partition {
    log: Vec<Record>,
    /// What is below is dropped.
    low: i64,
    committed: Option<i64>,
    owner: Option<u64>,
    /// Counts assignments.
    generation: u64,
    is_leaderless: bool,
    /// When each process last sent a commit that was acknowledged, or was assigned the partition: boot clock.
    proven_at_ms: BTreeMap<u64, i64>,
}

/// All partitions of the requests topic.
pub struct Broker {
    partitions: Mutex<Vec<Partition>>,
    /// How many partitions there were at most.
    most: AtomicU32,
}

impl Broker {
    /// A broker with so many partitions, all empty.
    #[must_use]
    pub fn new(partitions: u32) -> Self {
        let most = AtomicU32::new(partitions);
        let partitions = (0..partitions).map(|_| Partition::default()).collect();
        Self {
            partitions: Mutex::new(partitions),
            most,
        }
    }

    /// Appends a record and says at which offset.
    pub fn append(&self, partition: u32, record: Record) -> i64 {
        let log = &mut lock(&self.partitions)[partition as usize].log;
        log.push(record);
        log.len() as i64 - 1
    }

    /// A misplaced record goes to its partition.
    pub fn forward(&self, forward: Forward, at_ms: i64) -> i64 {
        let record = Record {
            at_ms,
            key: forward.key.map(Vec::from).unwrap_or_default(),
            value: forward.value.map(Vec::from).unwrap_or_default(),
            headers: forward.headers,
        };
        self.append(forward.to.0, record)
    }

    /// The record at this offset.
    #[must_use]
    pub fn record(&self, partition: u32, offset: i64) -> Option<Record> {
        let at = usize::try_from(offset).ok()?;
        let partitions = lock(&self.partitions);
        let partition = partitions.get(partition as usize)?;
        partition
            .log
            .get(at)
            .filter(|_| offset >= partition.low)
            .cloned()
    }

    /// When the broker appended the record at this offset, dropped or not.
    #[must_use]
    pub fn appended_at_ms(&self, partition: u32, offset: i64) -> Option<i64> {
        let at = usize::try_from(offset).ok()?;
        let partitions = lock(&self.partitions);
        partitions[partition as usize]
            .log
            .get(at)
            .map(|record| record.at_ms)
    }

    /// Retention drops all that the partition has, if nobody reads it and somebody has. Says whether it did.
    pub fn drop_log(&self, partition: u32) -> bool {
        let partition = &mut lock(&self.partitions)[partition as usize];
        let is_stopped = partition.owner.is_none() && partition.committed.is_some();
        if is_stopped {
            partition.low = partition.log.len() as i64;
        }
        is_stopped
    }

    /// A person says that reading goes on where the log begins.
    pub fn accept_loss(&self, partition: u32) {
        let partition = &mut lock(&self.partitions)[partition as usize];
        partition.committed = partition.committed.max(Some(partition.low));
    }

    /// Whether the partition has a leader from now on.
    pub fn lead(&self, partition: u32, is_leaderless: bool) {
        if let Some(partition) = lock(&self.partitions).get_mut(partition as usize) {
            partition.is_leaderless = is_leaderless;
        }
    }

    /// Whether nothing is read or written there now.
    #[must_use]
    pub fn is_leaderless(&self, partition: u32) -> bool {
        let partitions = lock(&self.partitions);
        let partition = partitions.get(partition as usize);
        partition.is_some_and(|it| it.is_leaderless)
    }

    /// The group's last commits are gone: it reads on so many records earlier, if it still can.
    pub fn forget_commits(&self, partition: u32, records: i64) {
        let partition = &mut lock(&self.partitions)[partition as usize];
        let low = partition.low;
        partition.committed = partition
            .committed
            .map(|committed| (committed - records).max(low).min(committed));
    }

    /// The group reads on from here, whatever was committed.
    pub fn move_to(&self, partition: u32, next_offset: i64) {
        lock(&self.partitions)[partition as usize].committed = Some(next_offset);
    }

    /// How many partitions there are.
    #[must_use]
    pub fn count(&self) -> u32 {
        lock(&self.partitions).len() as u32
    }

    /// How many there were at most.
    #[must_use]
    pub fn most(&self) -> u32 {
        self.most.load(Ordering::Relaxed)
    }

    /// There is one more, which is empty.
    pub fn add_partition(&self) -> u32 {
        let mut partitions = lock(&self.partitions);
        partitions.push(Partition::default());
        let count = partitions.len() as u32;
        self.most.fetch_max(count, Ordering::Relaxed);
        count - 1
    }

    /// The last one is no more; what was written to it is handed out.
    pub fn remove_partition(&self) -> Vec<Record> {
        let last = lock(&self.partitions).pop();
        last.map(|partition| partition.log).unwrap_or_default()
    }

    /// The log as who is assigned it finds it.
    #[must_use]
    pub fn log(&self, partition: u32) -> LogRange {
        let partition = &lock(&self.partitions)[partition as usize];
        LogRange {
            committed: partition.committed,
            low: partition.low,
            high: partition.log.len() as i64,
        }
    }

    /// Whether all records of all partitions are committed.
    #[must_use]
    pub fn is_all_committed(&self) -> bool {
        let partitions = lock(&self.partitions);
        partitions
            .iter()
            .all(|it| it.committed.unwrap_or(0) == it.log.len() as i64)
    }

    /// The partition is this process's from now on; says the assignment's generation.
    pub fn assign(&self, partition: u32, process: Option<u64>, now_ms: i64) -> u64 {
        let partition = &mut lock(&self.partitions)[partition as usize];
        partition.owner = process;
        partition.generation += 1;
        if let Some(process) = process {
            partition.proven_at_ms.insert(process, now_ms);
        }
        partition.generation
    }

    /// Whose the partition is.
    #[must_use]
    pub fn owner(&self, partition: u32) -> Option<u64> {
        lock(&self.partitions).get(partition as usize)?.owner
    }

    /// The present assignment of the partition.
    #[must_use]
    pub fn generation(&self, partition: u32) -> u64 {
        lock(&self.partitions)[partition as usize].generation
    }

    /// When the process last had proof that the partition is its own: boot clock.
    #[must_use]
    pub fn proven_at_ms(&self, partition: u32, process: u64) -> Option<i64> {
        lock(&self.partitions)[partition as usize]
            .proven_at_ms
            .get(&process)
            .copied()
    }

    /// Commits for who owned the partition under `generation`, and says what was committed before.
    ///
    /// # Errors
    /// [`CommitError::NotOurs`] where it is another's by now.
    pub fn commit(
        &self,
        commit: Commit,
        process: u64,
        generation: u64,
        sent_at_ms: i64,
    ) -> Result<i64, CommitError> {
        let partition = &mut lock(&self.partitions)[commit.shard.0 as usize];
        if partition.owner != Some(process) || partition.generation != generation {
            return Err(CommitError::NotOurs);
        }
        let before = partition.committed.replace(commit.next_offset).unwrap_or(0);
        let proven = partition.proven_at_ms.entry(process).or_insert(sent_at_ms);
        *proven = sent_at_ms.max(*proven);
        Ok(before)
    }
}
