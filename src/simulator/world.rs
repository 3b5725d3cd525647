//! The simulator's state: intents, refunds and keys, and the one way in which events reach both memory and journal.

use std::collections::{BTreeMap, BTreeSet};
use std::path::Path;
use std::sync::atomic::{AtomicI64, AtomicU64, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use super::answer::{Answer, ApiError};
use super::clock::Clock;
use super::event::{Event, RefundTerms};
use super::ids::{IntentId, RefundId};
use super::intents::{Events, Intent};
use super::journal::{Journal, JournalError, Record};
use super::keys::Keys;

const SHARDS: u64 = 64;

/// Everything that there is.
pub(crate) struct World {
    pub(crate) clock: Clock,
    pub(crate) journal: Journal,
    pub(crate) keys: Keys,
    pub(crate) confirms_max: u8,
    pub(crate) tag: u32,
    /// Intent n is number n / SHARDS of shard n % SHARDS.
    shards: Vec<Mutex<Vec<Option<Box<Intent>>>>>,
    intents: AtomicU64,
    refunds: Mutex<BTreeMap<u64, Arc<RefundTerms>>>,
    methods: AtomicU64,
    due: Mutex<BTreeSet<(i64, u64)>>,
    next_due_ms: AtomicI64,
}

/// A request that is executed: the key it came with, and what goes wrong with it.
pub(crate) struct Execution<'a> {
    pub(crate) key: Option<ClaimedKey<'a>>,
    pub(crate) mishap: Mishap,
}

/// A key that this execution has claimed.
#[derive(Clone, Copy)]
pub(crate) struct ClaimedKey<'a> {
    pub(crate) key: &'a str,
    pub(crate) fingerprint: u64,
    pub(crate) first_used_ms: i64,
}

/// What goes wrong with an execution.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Mishap {
    None,
    /// 500, and nothing was done.
    ErrorBefore,
    /// 500, and it was done.
    ErrorAfter,
    /// 500, and a charge is done so much later.
    RolledForward {
        delay_ms: i64,
    },
}

impl World {
    /// Opens the world that the journal in this folder tells of, or an empty one in memory.
    pub(crate) fn open(
        data: Option<&Path>,
        clock: Clock,
        new_tag: u32,
        key_lifetime_ms: i64,
        confirms_max: u8,
    ) -> Result<Self, JournalError> {
        // Methods are not recorded, and yet no run may give out another's numbers.
        let methods = AtomicU64::new(u64::try_from(clock.now_ms()).unwrap_or(0) << 20);
        let mut world = Self {
            clock,
            journal: Journal::in_memory(),
            keys: Keys::new(key_lifetime_ms),
            confirms_max,
            tag: new_tag,
            shards: (0..SHARDS).map(|_| Mutex::default()).collect(),
            intents: AtomicU64::new(0),
            refunds: Mutex::default(),
            methods,
            due: Mutex::default(),
            next_due_ms: AtomicI64::new(i64::MAX),
        };
        if let Some(folder) = data {
            let (journal, tag) = Journal::open(folder, new_tag, |record| world.replay(record))?;
            world.journal = journal;
            world.tag = tag;
        }
        Ok(world)
    }

    /// Takes up again what the journal recorded.
    fn replay(&self, record: Record) {
        for event in record.events {
            match &event {
                Event::Created {
                    intent,
                    terms,
                    visible_from_ms,
                } => {
                    self.insert(Intent::new(*intent, terms.clone(), *visible_from_ms));
                    self.intents.fetch_max(intent.n + 1, Ordering::SeqCst);
                }
                Event::Refunded { refund, terms } => self.put_refund(*refund, terms.clone()),
                _ => {}
            }
            match event {
                Event::KeyStored {
                    key,
                    fingerprint,
                    first_used_ms,
                    answer,
                } => {
                    self.keys.restore(key, fingerprint, first_used_ms, answer);
                }
                event => {
                    if let Some(intent) = event.intent() {
                        self.replay_on(intent, &event, record.at_ms);
                    }
                }
            }
        }
    }

    fn replay_on(&self, id: IntentId, event: &Event, at_ms: i64) {
        let mut shard = self.shard(id.n);
        if let Some(intent) = found(&mut shard, id) {
            intent.apply(event, at_ms);
            self.remember_due(intent);
        }
    }

    /// The next intent's id.
    pub(crate) fn next_intent(&self) -> IntentId {
        let n = self.intents.fetch_add(1, Ordering::SeqCst);
        IntentId { tag: self.tag, n }
    }

    /// The next payment method's number.
    pub(crate) fn next_method(&self) -> u64 {
        self.methods.fetch_add(1, Ordering::SeqCst)
    }

    /// How many intents there are.
    pub(crate) fn intents(&self) -> u64 {
        self.intents.load(Ordering::SeqCst)
    }

    /// Puts a new intent in, with what its request has done to it, and records that.
    pub(crate) fn create(
        &self,
        mut intent: Intent,
        visible_from_ms: Option<i64>,
        events: Events,
        answer: impl FnOnce(&Intent) -> Answer,
        now_ms: i64,
        execution: &Execution<'_>,
    ) -> Answer {
        let created = Event::Created {
            intent: intent.id,
            terms: intent.terms.clone(),
            visible_from_ms,
        };
        let mut all = Events::new();
        all.push(created);
        for event in events {
            intent.apply(&event, now_ms);
            all.push(event);
        }
        let answer = answer(&intent);
        self.remember_due(&intent);
        let n = intent.id.n;
        let mut shard = self.shard(n);
        put(&mut shard, intent);
        self.commit(all, answer, now_ms, execution)
    }

    /// Lets a request change an intent that can be seen: events for the intent, or an error.
    pub(crate) fn change(
        &self,
        id: IntentId,
        now_ms: i64,
        execution: &Execution<'_>,
        decide: impl FnOnce(&mut Intent) -> Result<Events, ApiError>,
        answer: impl FnOnce(&Intent) -> Answer,
    ) -> Option<Answer> {
        let mut shard = self.shard(id.n);
        let intent = found(&mut shard, id).filter(|it| it.visible_from_ms <= now_ms)?;
        self.settle(intent, now_ms);
        let (events, answer) = match decide(intent) {
            Err(error) => (Events::new(), error.into()),
            Ok(events) => {
                for event in &events {
                    intent.apply(event, now_ms);
                }
                self.remember_due(intent);
                let answer = answer(intent);
                (events, answer)
            }
        };
        Some(self.commit(events, answer, now_ms, execution))
    }

    /// Looks at an intent, if it can be seen.
    pub(crate) fn look<T>(
        &self,
        id: IntentId,
        now_ms: i64,
        look: impl FnOnce(&Intent) -> T,
    ) -> Option<T> {
        let mut shard = self.shard(id.n);
        let intent = found(&mut shard, id).filter(|it| it.visible_from_ms <= now_ms)?;
        self.settle(intent, now_ms);
        Some(look(intent))
    }

    /// Records what an execution did, with its key, and gives the answer to be sent. Called under the lock of the
    /// intent that it concerns, so that the journal has an intent's events in the order in which they happened.
    pub(crate) fn commit(
        &self,
        mut events: Events,
        answer: Answer,
        now_ms: i64,
        execution: &Execution<'_>,
    ) -> Answer {
        let answer = match execution.mishap {
            Mishap::None => answer,
            Mishap::ErrorBefore | Mishap::ErrorAfter | Mishap::RolledForward { .. } => {
                ApiError::internal().into()
            }
        };
        if let Some(claimed) = execution.key {
            events.push(Event::KeyStored {
                key: claimed.key.into(),
                fingerprint: claimed.fingerprint,
                first_used_ms: claimed.first_used_ms,
                answer: answer.clone(),
            });
        }
        self.journal.append(now_ms, &events);
        answer
    }

    /// Puts a new refund in. Its event is recorded under the lock of its intent, which the caller holds.
    pub(crate) fn add_refund(&self, terms: Arc<RefundTerms>) -> RefundId {
        let mut refunds = locked(&self.refunds);
        let n = refunds.last_key_value().map_or(0, |(n, _)| n + 1);
        refunds.insert(n, terms);
        RefundId { tag: self.tag, n }
    }

    fn put_refund(&self, id: RefundId, terms: Arc<RefundTerms>) {
        locked(&self.refunds).insert(id.n, terms);
    }

    /// All refunds so far, by number.
    pub(crate) fn refunds(&self) -> Vec<(u64, Arc<RefundTerms>)> {
        locked(&self.refunds)
            .iter()
            .map(|(n, terms)| (*n, terms.clone()))
            .collect()
    }

    pub(crate) fn refund(&self, id: RefundId) -> Option<Arc<RefundTerms>> {
        let found = locked(&self.refunds).get(&id.n).cloned();
        found.filter(|_| id.tag == self.tag)
    }

    /// Looks at an intent that an answer names, without letting time pass for it.
    pub(crate) fn peek<T>(&self, id: IntentId, look: impl FnOnce(&Intent) -> T) -> Option<T> {
        let mut shard = self.shard(id.n);
        found(&mut shard, id).map(|intent| look(intent))
    }

    /// Lets happen what is due by now.
    pub(crate) fn settle_due(&self, now_ms: i64) {
        if self.next_due_ms.load(Ordering::SeqCst) > now_ms {
            return;
        }
        let due: Vec<u64> = {
            let mut due = locked(&self.due);
            let later = due.split_off(&(now_ms + 1, 0));
            let now = std::mem::replace(&mut *due, later);
            let next_ms = due.first().map_or(i64::MAX, |(at_ms, _)| *at_ms);
            self.next_due_ms.store(next_ms, Ordering::SeqCst);
            now.into_iter().map(|(_, n)| n).collect()
        };
        for n in due {
            let mut shard = self.shard(n);
            let id = IntentId { tag: self.tag, n };
            if let Some(intent) = found(&mut shard, id) {
                self.settle(intent, now_ms);
            }
        }
    }

    /// How many intents have something ahead of them that will happen by itself.
    pub(crate) fn still_to_come(&self, now_ms: i64) -> usize {
        self.settle_due(now_ms);
        locked(&self.due).len()
    }

    /// Visits every intent, in order, whether it can be seen or not.
    pub(crate) fn for_each(&self, mut visit: impl FnMut(&Intent)) {
        for n in 0..self.intents() {
            let mut shard = self.shard(n);
            if let Some(intent) = found(&mut shard, IntentId { tag: self.tag, n }) {
                visit(intent);
            }
        }
    }

    fn settle(&self, intent: &mut Intent, now_ms: i64) {
        // What a deferred confirm leads to can be due at once.
        while let Some(at_ms) = intent
            .due
            .as_ref()
            .map(|due| due.at_ms)
            .filter(|at_ms| *at_ms <= now_ms)
        {
            let events = intent.settle(at_ms, self.confirms_max);
            for event in &events {
                intent.apply(event, at_ms);
            }
            self.journal.append(at_ms, &events);
            self.remember_due(intent);
        }
    }

    fn remember_due(&self, intent: &Intent) {
        if let Some(due) = &intent.due {
            locked(&self.due).insert((due.at_ms, intent.id.n));
            self.next_due_ms.fetch_min(due.at_ms, Ordering::SeqCst);
        }
    }

    fn insert(&self, intent: Intent) {
        let mut shard = self.shard(intent.id.n);
        put(&mut shard, intent);
    }

    fn shard(&self, n: u64) -> MutexGuard<'_, Vec<Option<Box<Intent>>>> {
        locked(&self.shards[(n % SHARDS) as usize])
    }
}

fn put(shard: &mut Vec<Option<Box<Intent>>>, intent: Intent) {
    let place = (intent.id.n / SHARDS) as usize;
    if shard.len() <= place {
        shard.resize(place + 1, None);
    }
    shard[place] = Some(Box::new(intent));
}

fn found(shard: &mut [Option<Box<Intent>>], id: IntentId) -> Option<&mut Intent> {
    let intent = shard.get_mut((id.n / SHARDS) as usize)?.as_deref_mut();
    intent.filter(|intent| intent.id == id)
}

fn locked<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}
