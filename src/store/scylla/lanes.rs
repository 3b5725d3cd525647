//! The order of calls: what is called for one key is done one after another, as it was called; different keys go side by
//! side. A conditional write that meets another one costs the server several rounds, so callers of one key wait here.

use std::collections::{BTreeSet, VecDeque};
use std::future::Future;
use std::panic::AssertUnwindSafe;
use std::pin::Pin;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use almoner_actors::ports::{Done, Dropped, StoreError};
use almoner_domain::ids::{CampaignId, DonationId, Shard};
use foldhash::fast::RandomState;
use futures::FutureExt;
use hashbrown::HashMap;
use tokio::runtime::Handle;
use tokio::sync::Notify;

/// The most calls that are in hand or wait.
const CALLS_MAX: usize = 65_536;

/// What is done one after another.
#[derive(Clone, PartialEq, Eq, Hash, Debug)]
pub(super) enum Key {
    Donation(DonationId),
    Shard(Shard),
    Campaign(CampaignId),
    /// What belongs to nothing else.
    Installation,
}

type Work = Pin<Box<dyn Future<Output = ()> + Send>>;

/// A call, by its number.
struct Call(u64, Work);

/// See the file's head.
pub(super) struct Lanes {
    io: Handle,
    state: Mutex<State>,
    finished: Notify,
}

#[derive(Default)]
struct State {
    /// What waits behind the call that is under way for the key.
    waiting: HashMap<Key, VecDeque<Call>, RandomState>,
    /// The numbers of the calls that are not finished.
    unfinished: BTreeSet<u64>,
    next: u64,
}

impl Lanes {
    pub(super) fn new(io: Handle) -> Self {
        Self {
            io,
            state: Mutex::default(),
            finished: Notify::new(),
        }
    }

    /// Does the work once all that was called for the key before is done, on the I/O runtime, and completes with what
    /// came of it.
    pub(super) fn push<T>(
        self: &Arc<Self>,
        key: Key,
        done: Done<Result<T, StoreError>>,
        work: impl Future<Output = Result<T, StoreError>> + Send + 'static,
    ) where
        T: Send + 'static,
        Result<T, StoreError>: Dropped,
    {
        let mut state = self.lock();
        if state.unfinished.len() >= CALLS_MAX {
            drop(state);
            return done.call(Err(StoreError::Busy));
        }
        let number = state.next;
        state.next += 1;
        state.unfinished.insert(number);
        // A completion that is dropped by a panic still answers.
        let work = async move { done.call(work.await) };
        let call = Call(number, Box::pin(work));
        if let Some(queue) = state.waiting.get_mut(&key) {
            queue.push_back(call);
            return;
        }
        state.waiting.insert(key.clone(), VecDeque::new());
        drop(state);
        let lanes = Arc::clone(self);
        self.io.spawn(async move { lanes.run(key, call).await });
    }

    /// The number of the next call.
    pub(super) fn next(&self) -> u64 {
        self.lock().next
    }

    /// Waits until all calls below this number are done.
    pub(super) async fn settled_before(&self, number: u64) {
        loop {
            let finished = self.finished.notified();
            let mut finished = std::pin::pin!(finished);
            finished.as_mut().enable();
            if self
                .lock()
                .unfinished
                .first()
                .is_none_or(|it| *it >= number)
            {
                return;
            }
            finished.await;
        }
    }

    async fn run(&self, key: Key, first: Call) {
        let mut next = Some(first);
        while let Some(Call(number, work)) = next {
            if AssertUnwindSafe(work).catch_unwind().await.is_err() {
                tracing::error!("a call of the store panicked");
            }
            next = self.finish(number, &key);
            self.finished.notify_waiters();
        }
    }

    /// The next call for the key.
    fn finish(&self, number: u64, key: &Key) -> Option<Call> {
        let mut state = self.lock();
        state.unfinished.remove(&number);
        let next = state.waiting.get_mut(key).and_then(VecDeque::pop_front);
        if next.is_none() {
            state.waiting.remove(key);
        }
        next
    }

    fn lock(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

#[cfg(test)]
mod tests {
    use std::sync::mpsc::channel;

    use super::*;

    fn runtime() -> tokio::runtime::Runtime {
        tokio::runtime::Builder::new_multi_thread()
            .worker_threads(2)
            .build()
            .unwrap()
    }

    #[test]
    fn calls_of_one_key_are_done_in_their_order() {
        let runtime = runtime();
        let lanes = Arc::new(Lanes::new(runtime.handle().clone()));
        let (sender, answers) = channel();
        for n in 0..1000 {
            let sender = sender.clone();
            let done = Done::new(move |it: Result<(), StoreError>| sender.send((n, it)).unwrap());
            lanes.push(Key::Shard(Shard(1)), done, async {
                tokio::task::yield_now().await;
                Ok(())
            });
        }
        drop(sender);
        runtime.block_on(lanes.settled_before(lanes.next()));
        let answers: Vec<_> = answers.iter().collect();
        assert!(answers.iter().map(|it| it.0).eq(0..1000));
    }

    #[test]
    fn a_call_that_panics_is_answered_and_stops_no_other() {
        let runtime = runtime();
        let lanes = Arc::new(Lanes::new(runtime.handle().clone()));
        let (sender, answers) = channel();
        for n in 0..2 {
            let sender = sender.clone();
            let done = Done::new(move |it: Result<(), StoreError>| sender.send(it).unwrap());
            lanes.push(Key::Installation, done, async move {
                assert!(n > 0, "the first one panics");
                Ok(())
            });
        }
        drop(sender);
        let answers: Vec<_> = answers.iter().collect();
        assert_eq!(answers, [Err(StoreError::Stopped), Ok(())]);
        runtime.block_on(lanes.settled_before(lanes.next()));
    }
}
