//! Ports that fail as a story plans it: they panic on their caller's stack, refuse, lose an answer, or take long. And
//! they die with their instance: what a dead process is answered is heard by nobody.

use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use almoner_actors::memory::{MemoryGateway, MemoryOutcomes, MemorySource, MemoryStore};
use almoner_actors::ports::{
    AcceptWrite, Accepted, AdvanceWrite, Advanced, Claimed, Commit, CommitError, Cursor, Done,
    Dropped, FinishWrite, Finished, Forward, Gateway, GatewayCall, Inexpressible, MarkWrite,
    Marked, Outcomes, PublishError, Recorded, Source, Store, StoreError, Unfinished, WindowEntry,
};
use almoner_domain::answer::Answer;
use almoner_domain::campaign::{Campaign, CampaignChange};
use almoner_domain::dead_letter::DeadLetter;
use almoner_domain::ids::{CampaignId, DonationId, Shard};
use almoner_domain::outcome::Message;
use almoner_domain::request::DonationRequest;

/// Every call of store, source and outcomes whose answer a donation waits for.
pub const WAITED_FOR: [&str; 12] = [
    "claim",
    "recent",
    "unfinished",
    "campaign",
    "accept",
    "advance",
    "finish",
    "load",
    "acknowledged",
    "mark",
    "commit",
    "publish",
];

/// What happens to one call of a port.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Fault {
    None,
    /// On the caller's stack, with nothing done.
    Panic,
    /// Nothing is done, and the caller is told.
    Refuse,
    /// It is done, and the caller is told that it may not be.
    LoseAnswer,
    /// It is done later.
    DelayMs(u64),
    /// It is done, and answered later.
    AnswerAfterMs(u64),
}

/// One call of a port: its name, and the donation where it has one.
#[derive(Clone, Copy, Debug)]
pub struct Touch {
    pub port: &'static str,
    pub id: Option<DonationId>,
}

type Plan = Box<dyn FnMut(Touch) -> Fault + Send>;

/// The plan of all ports.
#[derive(Clone, Default)]
pub struct Faults {
    plan: Arc<Mutex<Option<Plan>>>,
}

impl Faults {
    pub fn plan(&self, plan: impl FnMut(Touch) -> Fault + Send + 'static) {
        *lock(&self.plan) = Some(Box::new(plan));
    }

    /// The first so many calls of this port fail like this.
    pub fn first(&self, port: &'static str, mut times: u32, fault: Fault) {
        self.plan(move |touch| {
            let hits = touch.port == port && times > 0;
            times -= u32::from(hits);
            if hits { fault } else { Fault::None }
        });
    }

    pub fn stop(&self) {
        *lock(&self.plan) = None;
    }

    fn of(&self, port: &'static str, id: Option<DonationId>) -> Fault {
        let mut plan = lock(&self.plan);
        (plan.as_mut()).map_or(Fault::None, |plan| plan(Touch { port, id }))
    }
}

fn lock<T>(mutex: &Mutex<T>) -> std::sync::MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}

/// A port of one instance.
pub struct Faulty<P> {
    pub inner: Arc<P>,
    pub faults: Faults,
    pub alive: Arc<AtomicBool>,
}

impl<P: Send + Sync + 'static> Faulty<P> {
    fn run<T: Dropped + Send + 'static>(
        &self,
        port: &'static str,
        id: Option<DonationId>,
        refused: T,
        done: Done<T>,
        call: impl FnOnce(&P, Done<T>) + Send + 'static,
    ) {
        let done = self.unless_dead(done);
        if !self.alive.load(Ordering::Relaxed) {
            return drop(done);
        }
        match self.faults.of(port, id) {
            Fault::None => call(&self.inner, done),
            Fault::Panic => panic!("planned: {port}"),
            Fault::Refuse => done.call(refused),
            Fault::LoseAnswer => call(&self.inner, Done::new(move |_| done.call(refused))),
            Fault::DelayMs(ms) => {
                let inner = Arc::clone(&self.inner);
                actix::spawn(async move {
                    tokio::time::sleep(Duration::from_millis(ms)).await;
                    call(&inner, done);
                });
            }
            Fault::AnswerAfterMs(ms) => {
                let (sender, receiver) = tokio::sync::oneshot::channel();
                call(
                    &self.inner,
                    Done::new(move |answer| drop(sender.send(answer))),
                );
                actix::spawn(async move {
                    tokio::time::sleep(Duration::from_millis(ms)).await;
                    if let Ok(answer) = receiver.await {
                        done.call(answer);
                    }
                });
            }
        }
    }

    /// Nobody hears what a dead process is answered.
    fn unless_dead<T: Dropped + Send + 'static>(&self, done: Done<T>) -> Done<T> {
        let alive = Arc::clone(&self.alive);
        Done::new(move |answer| {
            if alive.load(Ordering::Relaxed) {
                done.call(answer);
            } else {
                std::mem::forget(done);
            }
        })
    }
}

fn poisoned<T>() -> Result<T, StoreError> {
    Err(StoreError::Poisoned("planned".into()))
}

fn unacknowledged() -> Result<(), PublishError> {
    Err(PublishError("planned".into()))
}

impl Store for Faulty<MemoryStore> {
    fn accept(&self, write: AcceptWrite, done: Done<Result<Accepted, StoreError>>) {
        let id = Some(write.donation.request.id);
        self.run("accept", id, poisoned(), done, |it, done| {
            it.accept(write, done)
        });
    }

    fn advance(&self, write: AdvanceWrite, done: Done<Result<Advanced, StoreError>>) {
        let id = Some(write.id);
        self.run("advance", id, poisoned(), done, |it, done| {
            it.advance(write, done)
        });
    }

    fn finish(&self, write: FinishWrite, done: Done<Result<Finished, StoreError>>) {
        let id = Some(write.donation.request.id);
        self.run("finish", id, poisoned(), done, |it, done| {
            it.finish(write, done)
        });
    }

    fn acknowledged(&self, id: DonationId, done: Done<Result<(), StoreError>>) {
        self.run(
            "acknowledged",
            Some(id),
            poisoned(),
            done,
            move |it, done| it.acknowledged(id, done),
        );
    }

    fn load(&self, id: DonationId, done: Done<Result<Option<Box<Recorded>>, StoreError>>) {
        self.run("load", Some(id), poisoned(), done, move |it, done| {
            it.load(id, done)
        });
    }

    fn claim(&self, shard: Shard, done: Done<Result<Claimed, StoreError>>) {
        self.run("claim", None, poisoned(), done, move |it, done| {
            it.claim(shard, done)
        });
    }

    fn mark(&self, mark: MarkWrite, done: Done<Result<Marked, StoreError>>) {
        self.run("mark", None, poisoned(), done, move |it, done| {
            it.mark(mark, done)
        });
    }

    fn recent(
        &self,
        shard: Shard,
        since_stream_ms: i64,
        after: Cursor,
        done: Done<Result<(Vec<WindowEntry>, Option<Cursor>), StoreError>>,
    ) {
        self.run("recent", None, poisoned(), done, move |it, done| {
            it.recent(shard, since_stream_ms, after, done);
        });
    }

    fn unfinished(
        &self,
        shard: Shard,
        after: Cursor,
        done: Done<Result<(Vec<Unfinished>, Option<Cursor>), StoreError>>,
    ) {
        self.run("unfinished", None, poisoned(), done, move |it, done| {
            it.unfinished(shard, after, done);
        });
    }

    fn campaign(&self, id: CampaignId, done: Done<Result<Option<Arc<Campaign>>, StoreError>>) {
        self.run("campaign", None, poisoned(), done, |it, done| {
            it.campaign(id, done)
        });
    }

    fn put_campaign(&self, change: CampaignChange, done: Done<Result<(), StoreError>>) {
        self.inner.put_campaign(change, done);
    }
}

impl Outcomes for Faulty<MemoryOutcomes> {
    fn publish(&self, message: Message, done: Done<Result<(), PublishError>>) {
        self.run("publish", None, unacknowledged(), done, |it, done| {
            it.publish(message, done)
        });
    }

    fn dead_letter(&self, letter: DeadLetter, done: Done<Result<(), PublishError>>) {
        self.run("dead_letter", None, unacknowledged(), done, |it, done| {
            it.dead_letter(letter, done)
        });
    }

    fn forward(&self, forward: Forward, done: Done<Result<(), PublishError>>) {
        self.run("forward", None, unacknowledged(), done, |it, done| {
            it.forward(forward, done)
        });
    }
}

impl Gateway for Faulty<MemoryGateway> {
    fn freeze(&self, request: &DonationRequest) -> Result<u16, Inexpressible> {
        self.inner.freeze(request)
    }

    fn call(&self, call: GatewayCall, done: Done<Answer>) {
        let id = Some(call.donation.request.id);
        let lost = Answer::Lost("planned".into());
        self.run("gateway", id, lost, done, |it, done| it.call(call, done));
    }
}

impl Source for Faulty<MemorySource> {
    fn commit(&self, commit: Commit, done: Done<Result<(), CommitError>>) {
        let failed = Err(CommitError::Failed("planned".into()));
        self.run("commit", None, failed, done, move |it, done| {
            it.commit(commit, done)
        });
    }
}
