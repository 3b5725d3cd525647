//! The bounded queue before the writer, and the pace at which it empties it: at once while there is little to do, in
//! batches worth their fsync under load.

use std::collections::VecDeque;
use std::sync::{Arc, Condvar, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use almoner_actors::ports::StoreError;
use tokio::time::Instant;

use super::ops::Op;

/// The most calls that wait.
const QUEUE_MAX: usize = 65_536;

/// The most accepts, and the most other calls, of one transaction.
const BATCH_MAX: usize = 1024;

/// A batch that held fewer calls than this says that there is little to do.
const LOAD_MIN: usize = 32;

/// Under load a batch begins when so many wait,
const PACED_MIN: usize = 512;

/// or so long after the last one began: an fsync and the pages that each batch writes anew are then shared by many.
const PACE: Duration = Duration::from_millis(8);

/// See the file's head.
#[derive(Default)]
pub(super) struct Inbox {
    state: Mutex<State>,
    wake: Condvar,
}

#[derive(Default)]
struct State {
    queue: VecDeque<Op>,
    /// The writer sleeps until so many wait; 0 while it is awake.
    wake_at: usize,
    refusing: Option<Arc<str>>,
    is_closed: bool,
}

/// When the last batch began, and how much it held.
#[derive(Clone, Copy)]
pub(super) struct LastBatch {
    pub(super) began: Instant,
    pub(super) held: usize,
}

impl Inbox {
    /// Hands a call to the writer, or says at once why not.
    pub(super) fn push(&self, op: Op) {
        let mut state = self.lock();
        let refusal = if state.is_closed {
            StoreError::Stopped
        } else if let Some(reason) = &state.refusing {
            StoreError::Poisoned(Arc::clone(reason))
        } else if state.queue.len() >= QUEUE_MAX {
            StoreError::Busy
        } else {
            state.queue.push_back(op);
            if state.wake_at > 0 && state.queue.len() >= state.wake_at {
                state.wake_at = 0;
                self.wake.notify_one();
            }
            return;
        };
        drop(state);
        op.fail(refusal);
    }

    /// Waits until a batch should begin and takes it into `batch`. False once the store is closed and nothing waits.
    pub(super) fn take(&self, last: LastBatch, batch: &mut Vec<Op>) -> bool {
        let mut state = self.lock();
        if last.held >= LOAD_MIN {
            state = self.pace(state, last.began + PACE);
        }
        while state.queue.is_empty() {
            if state.is_closed {
                return false;
            }
            state.wake_at = 1;
            state = self
                .wake
                .wait(state)
                .unwrap_or_else(PoisonError::into_inner);
        }
        let (mut accepts, mut others) = (0, 0);
        while let Some(op) = state.queue.front() {
            let count = if op.is_accept() {
                &mut accepts
            } else {
                &mut others
            };
            *count += 1;
            if *count > BATCH_MAX {
                break;
            }
            batch.extend(state.queue.pop_front());
        }
        true
    }

    fn pace<'s>(&self, mut state: MutexGuard<'s, State>, until: Instant) -> MutexGuard<'s, State> {
        while state.queue.len() < PACED_MIN && !state.is_closed {
            let left = until.saturating_duration_since(Instant::now());
            if left.is_zero() {
                break;
            }
            state.wake_at = PACED_MIN;
            state = self
                .wake
                .wait_timeout(state, left)
                .unwrap_or_else(PoisonError::into_inner)
                .0;
        }
        state.wake_at = 0;
        state
    }

    /// From now on every call is answered with [`StoreError::Poisoned`], those that wait included.
    pub(super) fn refuse(&self, reason: &Arc<str>) {
        let mut state = self.lock();
        state.refusing = Some(Arc::clone(reason));
        let waiting = std::mem::take(&mut state.queue);
        drop(state);
        for op in waiting {
            op.fail(StoreError::Poisoned(Arc::clone(reason)));
        }
    }

    /// Whether calls are taken.
    pub(super) fn is_usable(&self) -> bool {
        let state = self.lock();
        state.refusing.is_none() && !state.is_closed
    }

    /// Calls are taken again.
    pub(super) fn admit(&self) {
        self.lock().refusing = None;
    }

    /// Waits so long, or until the store is closed: whether it is.
    pub(super) fn wait_closed(&self, pause: Duration) -> bool {
        let state = self.lock();
        let waited = self
            .wake
            .wait_timeout_while(state, pause, |state| !state.is_closed);
        waited.unwrap_or_else(PoisonError::into_inner).0.is_closed
    }

    /// No more calls are taken; those that wait are done still.
    pub(super) fn close(&self) {
        self.lock().is_closed = true;
        self.wake.notify_all();
    }

    /// The writer is gone: whatever waits is answered with [`StoreError::Stopped`].
    pub(super) fn abandon(&self) {
        let mut state = self.lock();
        state.is_closed = true;
        let waiting = std::mem::take(&mut state.queue);
        drop(state);
        drop(waiting);
    }

    fn lock(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }
}
