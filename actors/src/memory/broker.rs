//! A broker in memory: what was published, and what was committed.

use std::sync::{Mutex, MutexGuard, PoisonError};

use almoner_domain::dead_letter::DeadLetter;
use almoner_domain::outcome::Message;

use crate::ports::{Commit, CommitError, Done, Forward, Outcomes, PublishError, Source};

/// What was published so far, in order.
#[derive(Clone, Debug, Default)]
pub struct Published {
    /// Outcomes and rejections.
    pub messages: Vec<Message>,
    /// Dead letters.
    pub dead_letters: Vec<DeadLetter>,
    /// Misplaced records.
    pub forwards: Vec<Forward>,
}

/// [`Outcomes`] that keeps everything, or (for the benchmark) only counts.
#[derive(Debug, Default)]
pub struct MemoryOutcomes {
    published: Mutex<Published>,
    refusals_left: Mutex<u32>,
}

impl MemoryOutcomes {
    /// What was published so far.
    #[must_use]
    pub fn published(&self) -> Published {
        lock(&self.published).clone()
    }

    /// How many outcomes and rejections were published so far.
    #[must_use]
    pub fn count(&self) -> usize {
        lock(&self.published).messages.len()
    }

    /// The next so many publishes are not acknowledged.
    pub fn refuse_next(&self, publishes: u32) {
        *lock(&self.refusals_left) = publishes;
    }

    fn keep(&self, keep: impl FnOnce(&mut Published), done: Done<Result<(), PublishError>>) {
        let refused = {
            let mut left = lock(&self.refusals_left);
            let refused = *left > 0;
            *left = left.saturating_sub(1);
            refused
        };
        if refused {
            return done.call(Err(PublishError("refused by the test".into())));
        }
        keep(&mut lock(&self.published));
        done.call(Ok(()));
    }
}

impl Outcomes for MemoryOutcomes {
    fn publish(&self, message: Message, done: Done<Result<(), PublishError>>) {
        self.keep(|published| published.messages.push(message), done);
    }

    fn dead_letter(&self, letter: DeadLetter, done: Done<Result<(), PublishError>>) {
        self.keep(|published| published.dead_letters.push(letter), done);
    }

    fn forward(&self, forward: Forward, done: Done<Result<(), PublishError>>) {
        self.keep(|published| published.forwards.push(forward), done);
    }
}

/// [`Source`] that keeps what was committed.
#[derive(Debug, Default)]
pub struct MemorySource {
    commits: Mutex<Vec<Commit>>,
}

impl MemorySource {
    /// Every commit so far, in order.
    #[must_use]
    pub fn commits(&self) -> Vec<Commit> {
        lock(&self.commits).clone()
    }
}

impl Source for MemorySource {
    fn commit(&self, commit: Commit, done: Done<Result<(), CommitError>>) {
        lock(&self.commits).push(commit);
        done.call(Ok(()));
    }
}

fn lock<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}
