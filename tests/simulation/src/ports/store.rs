//! The store as one process sees it.

use std::sync::Arc;

use almoner_actors::ports::{
    AcceptWrite, Accepted, AdvanceWrite, Advanced, Claimed, Clock, Cursor, Done, FinishWrite,
    Finished, MarkWrite, Marked, Recorded, Store, StoreError, Unfinished, WindowEntry,
};
use almoner_domain::campaign::{Campaign, CampaignChange};
use almoner_domain::ids::{CampaignId, DonationId, Shard};

use super::{Port, of};
use crate::chance::hash;

impl Store for Port {
    fn accept(&self, write: AcceptWrite, done: Done<Result<Accepted, StoreError>>) {
        let what = of(write.donation.request.id);
        self.store("accept", what, done, |rows, done| rows.accept(write, done));
    }

    fn advance(&self, write: AdvanceWrite, done: Done<Result<Advanced, StoreError>>) {
        let (id, kind, state) = (write.id, write.pending.kind, write.progress.state);
        let told = write.told.as_ref().map(|told| told.sequence);
        let due_ms = write.pending.due_ms - self.clock.wall_ms();
        self.outside
            .diary
            .note(|| format!("{id} to be recorded: {state:?}, pending as {kind:?}, due in {due_ms} ms, event {told:?}"));
        self.store("advance", of(id), done, |rows, done| {
            rows.advance(write, done)
        });
    }

    fn finish(&self, write: FinishWrite, done: Done<Result<Finished, StoreError>>) {
        let (id, state) = (write.donation.request.id, write.finish.ending.state);
        self.outside
            .diary
            .note(|| format!("{id} to be recorded: {state:?}"));
        self.store("finish", of(id), done, |rows, done| {
            rows.finish(write, done)
        });
    }

    fn acknowledged(&self, id: DonationId, done: Done<Result<(), StoreError>>) {
        self.store("acknowledged", of(id), done, move |rows, done| {
            rows.acknowledged(id, done)
        });
    }

    fn load(&self, id: DonationId, done: Done<Result<Option<Box<Recorded>>, StoreError>>) {
        self.store("load", of(id), done, move |rows, done| rows.load(id, done));
    }

    fn claim(&self, shard: Shard, done: Done<Result<Claimed, StoreError>>) {
        self.store("claim", shard.0.into(), done, move |rows, done| {
            rows.claim(shard, done)
        });
    }

    fn mark(&self, mark: MarkWrite, done: Done<Result<Marked, StoreError>>) {
        let what = u64::from(mark.shard.0) << 32 | mark.next_offset.unsigned_abs();
        self.store("mark", what, done, move |rows, done| rows.mark(mark, done));
    }

    fn recent(
        &self,
        shard: Shard,
        since_stream_ms: i64,
        after: Cursor,
        done: Done<Result<(Vec<WindowEntry>, Option<Cursor>), StoreError>>,
    ) {
        self.store("recent", shard.0.into(), done, move |rows, done| {
            rows.recent(shard, since_stream_ms, after, done);
        });
    }

    fn unfinished(
        &self,
        shard: Shard,
        after: Cursor,
        done: Done<Result<(Vec<Unfinished>, Option<Cursor>), StoreError>>,
    ) {
        self.store("unfinished", shard.0.into(), done, move |rows, done| {
            rows.unfinished(shard, after, done);
        });
    }

    fn campaign(&self, id: CampaignId, done: Done<Result<Option<Arc<Campaign>>, StoreError>>) {
        let what = hash(id.as_str().as_bytes());
        self.store("campaign", what, done, |rows, done| rows.campaign(id, done));
    }

    fn put_campaign(&self, change: CampaignChange, done: Done<Result<(), StoreError>>) {
        self.outside.disk.rows.put_campaign(change, done);
    }
}
