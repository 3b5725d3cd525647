//! Idempotency keys: one execution a key, its answer repeated for as long as the key lives.

use std::collections::HashMap;
use std::sync::{Mutex, MutexGuard, PoisonError};

use super::answer::Answer;
use super::mix;

const SHARDS: usize = 64;

/// What a request finds under its key.
#[derive(Debug)]
pub(crate) enum Claim {
    /// The key is ours: execute, then `finish`.
    Fresh,
    /// It was executed: repeat this.
    Replay(Answer),
    /// Another request with it is being executed.
    InUse,
    /// It belongs to a request with other parameters.
    Reused,
}

/// All keys.
pub(crate) struct Keys {
    shards: Vec<Mutex<Shard>>,
    lifetime_ms: i64,
}

#[derive(Default)]
struct Shard {
    entries: HashMap<Box<str>, Entry, foldhash::fast::FixedState>,
    /// Expired keys are swept out when so many are held.
    sweep_at: usize,
}

struct Entry {
    fingerprint: u64,
    first_used_ms: i64,
    /// None while it is being executed.
    answer: Option<Answer>,
}

impl Keys {
    pub(crate) fn new(lifetime_ms: i64) -> Self {
        let shards = (0..SHARDS).map(|_| Mutex::default()).collect();
        Self {
            shards,
            lifetime_ms,
        }
    }

    /// Looks the key up and, if it is free or past its life, takes it.
    pub(crate) fn claim(&self, key: &str, fingerprint: u64, now_ms: i64) -> Claim {
        let mut shard = self.shard(key);
        if let Some(entry) = shard.entries.get(key) {
            let expired = now_ms - entry.first_used_ms >= self.lifetime_ms;
            match &entry.answer {
                Some(_) if expired => {}
                _ if entry.fingerprint != fingerprint => return Claim::Reused,
                Some(answer) => return Claim::Replay(answer.clone()),
                None => return Claim::InUse,
            }
        }
        shard.sweep(now_ms - self.lifetime_ms);
        let entry = Entry {
            fingerprint,
            first_used_ms: now_ms,
            answer: None,
        };
        shard.entries.insert(key.into(), entry);
        Claim::Fresh
    }

    /// Stores the answer of a key that was claimed.
    pub(crate) fn finish(&self, key: &str, answer: &Answer) {
        if let Some(entry) = self.shard(key).entries.get_mut(key) {
            entry.answer = Some(answer.clone());
        }
    }

    /// Puts back what the journal recorded.
    pub(crate) fn restore(
        &self,
        key: Box<str>,
        fingerprint: u64,
        first_used_ms: i64,
        answer: Answer,
    ) {
        let entry = Entry {
            fingerprint,
            first_used_ms,
            answer: Some(answer),
        };
        self.shard(&key).entries.insert(key, entry);
    }

    /// How many are held, expired ones that were not swept yet included.
    pub(crate) fn len(&self) -> usize {
        let held = |shard: &Mutex<Shard>| locked(shard).entries.len();
        self.shards.iter().map(held).sum()
    }

    fn shard(&self, key: &str) -> MutexGuard<'_, Shard> {
        let hash = mix::hash(0, key.as_bytes());
        locked(&self.shards[(hash % SHARDS as u64) as usize])
    }
}

impl Shard {
    fn sweep(&mut self, used_before_ms: i64) {
        if self.entries.len() >= self.sweep_at {
            self.entries
                .retain(|_, entry| entry.answer.is_none() || entry.first_used_ms > used_before_ms);
            self.sweep_at = (2 * self.entries.len()).max(1024);
        }
    }
}

fn locked(shard: &Mutex<Shard>) -> MutexGuard<'_, Shard> {
    shard.lock().unwrap_or_else(PoisonError::into_inner)
}
