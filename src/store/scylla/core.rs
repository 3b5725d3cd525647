//! What the store's calls share: the session, the shards that are owned here, and what was written once and need not be
//! written again.

use std::sync::{Mutex, MutexGuard, PoisonError};

use foldhash::fast::FixedState;
use hashbrown::{HashMap, HashSet};

use super::days::DayKey;
use super::db::Db;
use super::shards::OwnedShard;
use super::slots::Series;

/// A table whose content does not depend on chance.
type Table<K, V> = HashMap<K, V, FixedState>;

/// The most entries of a memory: beyond that it is forgotten, which costs a request each.
const REMEMBERED_MAX: usize = 100_000;

/// See the file's head.
pub(super) struct Core {
    pub(super) db: Db,
    memory: Mutex<Memory>,
}

#[derive(Default)]
struct Memory {
    shards: Table<u32, OwnedShard>,
    /// Hours that have their row.
    hours: HashSet<(u32, Series, i32), FixedState>,
    /// In how many buckets a campaign's day is kept.
    buckets: Table<DayKey, i32>,
}

impl Core {
    pub(super) fn new(db: Db) -> Self {
        Self {
            db,
            memory: Mutex::default(),
        }
    }

    /// What is known of a shard that is owned here.
    pub(super) fn owned(&self, shard: u32) -> Option<OwnedShard> {
        self.memory().shards.get(&shard).copied()
    }

    /// Whether the shard is owned here, in this epoch.
    pub(super) fn owns(&self, shard: u32, epoch: u64) -> bool {
        self.owned(shard).is_some_and(|it| it.epoch == epoch)
    }

    pub(super) fn own(&self, shard: u32, owned: OwnedShard) {
        self.memory().shards.insert(shard, owned);
    }

    /// Another instance has it: what this one still has in hand of that epoch is refused from now on.
    pub(super) fn disown(&self, shard: u32, epoch: u64) {
        let mut memory = self.memory();
        if memory
            .shards
            .get(&shard)
            .is_some_and(|it| it.epoch == epoch)
        {
            memory.shards.remove(&shard);
        }
    }

    pub(super) fn has_hour(&self, shard: u32, series: Series, hour: i32) -> bool {
        self.memory().hours.contains(&(shard, series, hour))
    }

    pub(super) fn remember_hour(&self, shard: u32, series: Series, hour: i32) {
        let mut memory = self.memory();
        if memory.hours.len() >= REMEMBERED_MAX {
            memory.hours.clear();
        }
        memory.hours.insert((shard, series, hour));
    }

    pub(super) fn buckets(&self, day: &DayKey) -> Option<i32> {
        self.memory().buckets.get(day).copied()
    }

    pub(super) fn remember_buckets(&self, day: DayKey, buckets: i32) {
        let mut memory = self.memory();
        if memory.buckets.len() >= REMEMBERED_MAX {
            memory.buckets.clear();
        }
        memory.buckets.insert(day, buckets);
    }

    fn memory(&self) -> MutexGuard<'_, Memory> {
        self.memory.lock().unwrap_or_else(PoisonError::into_inner)
    }
}
