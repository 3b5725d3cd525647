//! The store in memory: the same promises but durability. Completions are called at once, or when a test says so.

mod tables;

use std::collections::VecDeque;
use std::ops::Range;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use almoner_domain::campaign::{Campaign, CampaignChange};
use almoner_domain::ids::{CampaignId, DonationId, Shard};

use self::tables::Tables;
use crate::ports::{
    AcceptWrite, Accepted, AdvanceWrite, Advanced, Claimed, Cursor, DayTotal, Done, FinishWrite,
    Finished, KeptLetter, Letters, MarkWrite, Marked, Recorded, SendRow, Store, StoreError,
    Unfinished, WindowEntry,
};
use crate::restore::{ShardMark, Sighting};

/// A call that waits to be done: it is told whether to answer.
type Waiting = Box<dyn FnOnce(&MemoryStore, bool) + Send>;

/// A [`Store`] in memory. Its order is the order of the calls, and nothing in it depends on chance.
#[derive(Default)]
pub struct MemoryStore {
    state: Mutex<State>,
    /// What waits, if completions are called later.
    later: Option<Mutex<VecDeque<Waiting>>>,
}

#[derive(Default)]
struct State {
    tables: Tables,
    poisoned: Option<Arc<str>>,
}

impl MemoryStore {
    /// A store that does each call at once, and calls its completion on the caller's thread.
    #[must_use]
    pub fn new() -> Self {
        Self::default()
    }

    /// A store that does nothing until [`MemoryStore::pump`] is called.
    #[must_use]
    pub fn pumped() -> Self {
        Self {
            later: Some(Mutex::default()),
            ..Self::default()
        }
    }

    /// Does up to `calls_max` of the calls that wait, in order, and says how many.
    pub fn pump(&self, calls_max: usize) -> usize {
        self.take_waiting(calls_max, true)
    }

    /// How many calls wait.
    #[must_use]
    pub fn waiting(&self) -> usize {
        self.later.as_ref().map_or(0, |later| lock(later).len())
    }

    /// What a crash does to the calls that wait: the first `durable` of them are done, none of those is answered by
    /// anything but [`StoreError::Stopped`], and the rest is lost.
    pub fn crash(&self, durable: usize) {
        self.take_waiting(durable, false);
        if let Some(later) = &self.later {
            let lost = std::mem::take(&mut *lock(later));
            drop(lost);
        }
    }

    fn take_waiting(&self, calls_max: usize, answer: bool) -> usize {
        let Some(later) = &self.later else {
            return 0;
        };
        let mut count = 0;
        while count < calls_max {
            let Some(call) = lock(later).pop_front() else {
                break;
            };
            call(self, answer);
            count += 1;
        }
        count
    }

    /// From now on every call answers [`StoreError::Poisoned`] with this reason; `None` opens the store again.
    pub fn poison(&self, reason: Option<&str>) {
        lock(&self.state).poisoned = reason.map(Into::into);
    }

    /// Everything that is recorded of every donation, in the order of acceptance.
    #[must_use]
    pub fn all(&self) -> Vec<Recorded> {
        lock(&self.state).tables.all()
    }

    /// Whether anything that is recorded is so.
    #[must_use]
    pub fn any(&self, is_so: impl FnMut(&Recorded) -> bool) -> bool {
        lock(&self.state).tables.any(is_so)
    }

    /// All that is recorded of one donation, as it is durable now.
    #[must_use]
    pub fn recorded(&self, id: DonationId) -> Option<Box<Recorded>> {
        lock(&self.state).tables.load(id)
    }

    /// How many donations there are.
    #[must_use]
    pub fn len(&self) -> usize {
        lock(&self.state).tables.len()
    }

    /// Whether there is no donation.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.len() == 0
    }

    /// The recorded sends of a donation, by their numbers.
    #[must_use]
    pub fn sends(&self, id: DonationId) -> Vec<SendRow> {
        lock(&self.state).tables.sends(id)
    }

    /// The days of all campaigns, sorted.
    #[must_use]
    pub fn campaign_days(&self) -> Vec<DayTotal> {
        lock(&self.state).tables.campaign_days()
    }

    /// The dead letters that were kept, the oldest first.
    #[must_use]
    pub fn letters(&self) -> Vec<KeptLetter> {
        lock(&self.state).tables.letters.clone()
    }

    /// A copy of all that it knows: a backup.
    #[must_use]
    pub fn copy(&self) -> Self {
        let state = State {
            tables: lock(&self.state).tables.clone(),
            poisoned: None,
        };
        Self {
            state: Mutex::new(state),
            later: None,
        }
    }

    /// It knows from now on what the backup knows, and nothing else.
    pub fn restore(&self, backup: &Self) {
        let tables = lock(&backup.state).tables.clone();
        lock(&self.state).tables = tables;
    }

    /// How far each shard that was ever owned is done.
    #[must_use]
    pub fn marks(&self) -> Vec<ShardMark> {
        lock(&self.state).tables.marks()
    }

    /// Brings in what the gateway's list shows, as an engine does: a donation that is unfinished goes on from it, one that is
    /// not known begins with it, a finished one stays as it is.
    pub fn put_sightings(&self, sightings: Vec<Sighting>) {
        lock(&self.state).tables.put_sightings(sightings);
    }

    /// The log has lost these records of the shard: those that are finished and have no pending row get one, as in an engine.
    pub fn tell_lost(&self, shard: Shard, lost: Range<i64>) {
        lock(&self.state).tables.tell_lost(shard, &lost);
    }

    /// An operator says that the log is another one.
    pub fn raise_log_generation(&self) {
        lock(&self.state).tables.raise_log_generation();
    }

    fn run<T: Send + 'static>(
        &self,
        done: Done<Result<T, StoreError>>,
        call: impl FnOnce(&mut Tables) -> Result<T, StoreError> + Send + 'static,
    ) {
        let Some(later) = &self.later else {
            let result = self.apply(call);
            return done.call(result);
        };
        lock(later).push_back(Box::new(move |store, answer| {
            let result = store.apply(call);
            if answer {
                done.call(result);
            }
        }));
    }

    fn apply<T>(
        &self,
        call: impl FnOnce(&mut Tables) -> Result<T, StoreError>,
    ) -> Result<T, StoreError> {
        let mut state = lock(&self.state);
        match &state.poisoned {
            Some(reason) => Err(StoreError::Poisoned(Arc::clone(reason))),
            None => call(&mut state.tables),
        }
    }
}

fn lock<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}

impl Store for MemoryStore {
    fn accept(&self, write: AcceptWrite, done: Done<Result<Accepted, StoreError>>) {
        self.run(done, |tables| tables.accept(write));
    }

    fn advance(&self, write: AdvanceWrite, done: Done<Result<Advanced, StoreError>>) {
        self.run(done, |tables| tables.advance(write));
    }

    fn finish(&self, write: FinishWrite, done: Done<Result<Finished, StoreError>>) {
        self.run(done, |tables| tables.finish(write));
    }

    fn acknowledged(&self, id: DonationId, done: Done<Result<(), StoreError>>) {
        self.run(done, move |tables| tables.acknowledged(id));
    }

    fn load(&self, id: DonationId, done: Done<Result<Option<Box<Recorded>>, StoreError>>) {
        self.run(done, move |tables| Ok(tables.load(id)));
    }

    fn claim(&self, shard: Shard, done: Done<Result<Claimed, StoreError>>) {
        self.run(done, move |tables| Ok(tables.claim(shard)));
    }

    fn mark(&self, mark: MarkWrite, done: Done<Result<Marked, StoreError>>) {
        self.run(done, move |tables| Ok(tables.mark(mark)));
    }

    fn recent(
        &self,
        shard: Shard,
        since_stream_ms: i64,
        after: Cursor,
        done: Done<Result<(Vec<WindowEntry>, Option<Cursor>), StoreError>>,
    ) {
        self.run(done, move |tables| {
            Ok(tables.recent(shard, since_stream_ms, after))
        });
    }

    fn unfinished(
        &self,
        shard: Shard,
        after: Cursor,
        done: Done<Result<(Vec<Unfinished>, Option<Cursor>), StoreError>>,
    ) {
        self.run(done, move |tables| Ok(tables.unfinished(shard, after)));
    }

    fn campaign(&self, id: CampaignId, done: Done<Result<Option<Arc<Campaign>>, StoreError>>) {
        self.run(done, move |tables| Ok(tables.campaign(&id)));
    }

    fn put_campaign(&self, change: CampaignChange, done: Done<Result<(), StoreError>>) {
        self.run(done, |tables| {
            tables.put_campaign(change);
            Ok(())
        });
    }
}

impl Letters for MemoryStore {
    fn keep_letter(&self, letter: KeptLetter, done: Done<Result<(), StoreError>>) {
        self.run(done, |tables| {
            tables.keep_letter(letter);
            Ok(())
        });
    }
}

#[cfg(test)]
mod tests {
    use std::sync::mpsc::{Receiver, channel};

    use super::*;

    fn claim(store: &MemoryStore) -> Receiver<Result<Claimed, StoreError>> {
        let (sender, claimed) = channel();
        let done = Done::new(move |answer| sender.send(answer).unwrap());
        store.claim(Shard(0), done);
        claimed
    }

    fn epoch(claimed: &Receiver<Result<Claimed, StoreError>>) -> Result<u64, StoreError> {
        claimed.try_recv().unwrap().map(|claimed| claimed.epoch)
    }

    #[test]
    fn a_pumped_store_does_nothing_by_itself() {
        let store = MemoryStore::pumped();
        let claims = [claim(&store), claim(&store), claim(&store)];
        assert_eq!(store.waiting(), 3);
        assert!(claims[0].try_recv().is_err());
        assert_eq!(store.pump(2), 2);
        assert_eq!((epoch(&claims[0]), epoch(&claims[1])), (Ok(1), Ok(2)));
        assert!(claims[2].try_recv().is_err());
        assert_eq!((store.pump(usize::MAX), epoch(&claims[2])), (1, Ok(3)));
    }

    #[test]
    fn a_crash_answers_nothing_and_loses_what_was_not_durable() {
        let store = MemoryStore::pumped();
        let claims = [claim(&store), claim(&store), claim(&store)];
        store.crash(2);
        for claimed in &claims {
            assert_eq!(epoch(claimed), Err(StoreError::Stopped));
        }
        let after = claim(&store);
        store.pump(1);
        assert_eq!(epoch(&after), Ok(3));
    }

    #[test]
    fn a_poisoned_store_takes_nothing_until_it_is_open_again() {
        let store = MemoryStore::new();
        store.poison(Some("disk"));
        assert_eq!(
            epoch(&claim(&store)),
            Err(StoreError::Poisoned("disk".into()))
        );
        store.poison(None);
        assert_eq!(epoch(&claim(&store)), Ok(1));
    }
}
