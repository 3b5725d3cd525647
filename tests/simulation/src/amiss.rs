//! A store that does some things otherwise.

use std::sync::Arc;

use almoner_actors::ports::{
    AcceptWrite, Accepted, AdvanceWrite, Advanced, Claimed, Cursor, Done, FinishWrite, Finished,
    MarkWrite, Marked, Recorded, Store, StoreError, Unfinished, WindowEntry,
};
use almoner_domain::campaign::{Campaign, CampaignChange};
use almoner_domain::ids::{CampaignId, DonationId, Shard};

use crate::ports::{Port, Ports};

/// What is wrong with the store. What a field leaves alone is as it should be.
#[derive(Clone, Copy)]
pub struct Wrong {
    /// How an accept is done.
    pub accept: fn(&Amiss, AcceptWrite, Done<Result<Accepted, StoreError>>),
    /// How a change is done.
    pub advance: fn(&Amiss, AdvanceWrite, Done<Result<Advanced, StoreError>>),
    /// How a finish is done.
    pub finish: fn(&Amiss, FinishWrite, Done<Result<Finished, StoreError>>),
    /// How a mark is done.
    pub mark: fn(&Amiss, MarkWrite, Done<Result<Marked, StoreError>>),
    /// How a donation that is read looks.
    pub read: fn(Recorded) -> Recorded,
    /// No window is found.
    pub is_window_lost: bool,
    /// Nothing unfinished is found.
    pub is_pending_forgotten: bool,
}

/// Nothing is.
pub const RIGHT: Wrong = Wrong {
    accept: |it, write, done| it.inner.accept(write, done),
    advance: |it, write, done| it.inner.advance(write, done),
    finish: |it, write, done| it.inner.finish(write, done),
    mark: |it, write, done| it.inner.mark(write, done),
    read: |recorded| recorded,
    is_window_lost: false,
    is_pending_forgotten: false,
};

/// A store with which something is wrong.
pub struct Amiss {
    /// The store as it should be.
    pub inner: Arc<dyn Store>,
    /// Of this process.
    pub port: Arc<Port>,
    wrong: Wrong,
}

/// The ports, with that store.
pub fn amiss(ports: Ports, port: &Arc<Port>, wrong: Wrong) -> Ports {
    let store = Arc::new(Amiss {
        inner: ports.store,
        port: Arc::clone(port),
        wrong,
    });
    Ports { store, ..ports }
}

impl Amiss {
    /// Tries one epoch after the other until one is the shard's.
    pub fn unfenced(
        &self,
        write: AdvanceWrite,
        ahead: u64,
        done: Done<Result<Advanced, StoreError>>,
    ) {
        const EPOCHS_AHEAD_MAX: u64 = 50;
        let again = AdvanceWrite {
            epoch: write.epoch + 1,
            ..write.clone()
        };
        let next = Self {
            inner: Arc::clone(&self.inner),
            port: Arc::clone(&self.port),
            wrong: self.wrong,
        };
        self.inner.advance(
            write,
            Done::new(move |advanced| match advanced {
                Ok(Advanced::Fenced) if ahead < EPOCHS_AHEAD_MAX => {
                    next.unfenced(again, ahead + 1, done)
                }
                other => done.call(other),
            }),
        );
    }
}

impl Store for Amiss {
    fn accept(&self, write: AcceptWrite, done: Done<Result<Accepted, StoreError>>) {
        (self.wrong.accept)(self, write, done);
    }

    fn advance(&self, write: AdvanceWrite, done: Done<Result<Advanced, StoreError>>) {
        (self.wrong.advance)(self, write, done);
    }

    fn finish(&self, write: FinishWrite, done: Done<Result<Finished, StoreError>>) {
        (self.wrong.finish)(self, write, done);
    }

    fn acknowledged(&self, id: DonationId, done: Done<Result<(), StoreError>>) {
        self.inner.acknowledged(id, done);
    }

    fn load(&self, id: DonationId, done: Done<Result<Option<Box<Recorded>>, StoreError>>) {
        let read = self.wrong.read;
        let heard = move |loaded: Result<Option<Box<Recorded>>, StoreError>| {
            done.call(loaded.map(|found| found.map(|recorded| Box::new(read(*recorded)))));
        };
        self.inner.load(id, Done::new(heard));
    }

    fn claim(&self, shard: Shard, done: Done<Result<Claimed, StoreError>>) {
        self.inner.claim(shard, done);
    }

    fn mark(&self, mark: MarkWrite, done: Done<Result<Marked, StoreError>>) {
        (self.wrong.mark)(self, mark, done);
    }

    fn recent(
        &self,
        shard: Shard,
        since_stream_ms: i64,
        after: Cursor,
        done: Done<Result<(Vec<WindowEntry>, Option<Cursor>), StoreError>>,
    ) {
        if self.wrong.is_window_lost {
            return done.call(Ok((Vec::new(), None)));
        }
        self.inner.recent(shard, since_stream_ms, after, done);
    }

    fn unfinished(
        &self,
        shard: Shard,
        after: Cursor,
        done: Done<Result<(Vec<Unfinished>, Option<Cursor>), StoreError>>,
    ) {
        if self.wrong.is_pending_forgotten {
            return done.call(Ok((Vec::new(), None)));
        }
        self.inner.unfinished(shard, after, done);
    }

    fn campaign(&self, id: CampaignId, done: Done<Result<Option<Arc<Campaign>>, StoreError>>) {
        self.inner.campaign(id, done);
    }

    fn put_campaign(&self, change: CampaignChange, done: Done<Result<(), StoreError>>) {
        self.inner.put_campaign(change, done);
    }
}
