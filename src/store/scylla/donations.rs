//! What each call writes of a donation, and under which condition.
//!
//! The donation's row is the truth, and every write of it is conditional: the first on there being none, each later one on
//! the revision that was read. What must be found by other keys is written before it, and what is not needed any more is
//! dropped after it, so that a crash in between leaves rows too many and none too few.

use almoner_actors::ports::{
    AcceptWrite, Accepted, AdvanceWrite, Advanced, FinishWrite, Finished, FirstState, Pending,
    Recorded, RowId, StoreError,
};
use almoner_domain::donation::{Donation, PendingKind, State};
use almoner_domain::ids::{DonationId, Shard};
use futures::try_join;

use super::core::Core;
use super::db::{Applied, random, unanswered};
use super::pending::PendingKey;
use super::rows::{Change, DonationRow, NewDonation, row_of};
use super::shards::TRIES;
use super::slots::Series;

impl Core {
    pub(super) async fn accept(&self, write: &AcceptWrite) -> Result<Accepted, StoreError> {
        if !self.owns(write.shard.0, write.epoch) {
            return Ok(Accepted::Fenced);
        }
        if let FirstState::Finished(finish) = &write.first
            && !matches!(finish.ending.state, State::Failed | State::Cancelled)
        {
            return Err(impossible(
                "a donation is accepted as finished only if it is refused",
            ));
        }
        let id = write.donation.request.id;
        let pending = match &write.first {
            FirstState::Pending { pending, .. } => Some(PendingKey {
                shard: write.shard,
                id,
                due_ms: pending.due_ms,
                revision: 1,
            }),
            _ => None,
        };
        try_join!(self.list(write.shard, &write.donation), async {
            match &pending {
                Some(key) => self.put_pending(key).await,
                None => Ok(()),
            }
        })?;
        let writer = random();
        let mut lost = unanswered("no answer");
        for _ in 0..TRIES {
            let values = NewDonation::new(write, writer)?;
            let applied = (self.db.conditional(&self.db.statements.accept, values)).await?;
            if let Applied::Yes = applied {
                return Ok(Accepted::New(row_of(id)));
            }
            if let Some(row) = self.settled_row(id).await? {
                if row.writer == writer {
                    return Ok(Accepted::New(row_of(id)));
                }
                if let Applied::No = applied {
                    self.drop_stray(pending, &row).await;
                }
                let is_newer = row.epoch.cast_unsigned() > write.epoch;
                if row.shard() == write.shard && is_newer {
                    self.disown(write.shard.0, write.epoch);
                    return Ok(Accepted::Fenced);
                }
                return Ok(Accepted::Known(row.recorded()?));
            }
            if let Applied::Unknown(error) = applied {
                lost = error;
            }
        }
        Err(lost)
    }

    /// What a donation is found by, as long as it is there.
    pub(super) async fn list(&self, shard: Shard, donation: &Donation) -> Result<(), StoreError> {
        let (id, user_id) = (donation.request.id.as_uuid(), &donation.request.user_id);
        let recorded_at_ms = donation.recorded_at_ms;
        let row = row_of(donation.request.id).0;
        let slot = Series::Arrivals.slot_of(recorded_at_ms);
        self.list_hour(shard, Series::Arrivals, slot.hour).await?;
        let shard = shard.0.cast_signed();
        let arrival = (shard, slot.hour, slot.slot, recorded_at_ms, row, id);
        let month = super::books::month_of(recorded_at_ms);
        let of_user = (user_id.as_str(), month, recorded_at_ms, row, id);
        let statements = &self.db.statements;
        try_join!(
            self.db.upsert(&statements.new_arrival, arrival),
            self.db.upsert(&statements.new_of_user, of_user),
        )?;
        Ok(())
    }

    pub(super) async fn advance(&self, write: &AdvanceWrite) -> Result<Advanced, StoreError> {
        if !self.owns(write.shard.0, write.epoch) {
            return Ok(Advanced::Fenced);
        }
        let writer = random();
        let mut lost = unanswered("no answer");
        for _ in 0..TRIES {
            let row = self.named(write.row, write.id).await?;
            if row.writer == writer {
                return Ok(Advanced::Done);
            }
            if row.shard() != write.shard {
                return Err(impossible("the donation belongs to another shard"));
            }
            if row.epoch.cast_unsigned() > write.epoch {
                self.disown(write.shard.0, write.epoch);
                return Ok(Advanced::Fenced);
            }
            let is_over = row.is_finished() && write.pending.kind != PendingKind::Surplus;
            if is_over || row.version() != write.seen_version {
                return Ok(Advanced::Lost(row.recorded()?));
            }
            if write
                .told
                .as_ref()
                .is_some_and(|it| row.has_told(it.sequence))
            {
                return Err(impossible("this event's sequence is taken"));
            }
            let mut change = Change::of(write.id, row.revision, writer);
            change.by_owner(write.epoch);
            let version = write.seen_version + 1;
            change
                .stages
                .set_pending(version, &write.pending, &write.progress)?;
            change.tell(write.told.as_ref())?;
            change.answered(write.answered_by.as_ref(), &row);
            change.add_sends(&write.sends)?;
            match self
                .change(change, &row, Some(write.pending.due_ms))
                .await?
            {
                Applied::Yes => return Ok(Advanced::Done),
                Applied::No => {}
                Applied::Unknown(error) => lost = error,
            }
        }
        Err(lost)
    }

    pub(super) async fn finish(&self, write: &FinishWrite) -> Result<Finished, StoreError> {
        if !write.finish.ending.state.is_terminal() {
            return Err(impossible("a finish needs a terminal state"));
        }
        let id = write.donation.request.id;
        if write.row != row_of(id) {
            return Err(impossible("no such donation"));
        }
        let writer = random();
        let is_plain = write.seen_version == 0 && write.surplus.is_none();
        if is_plain && write.answered_by.is_none() && self.finish_unseen(write, writer).await? {
            return Ok(Finished::Done);
        }
        let mut lost = unanswered("no answer");
        for _ in 0..TRIES {
            let row = self.named(write.row, id).await?;
            if row.writer == writer {
                return Ok(Finished::Done);
            }
            if row.is_finished() || row.version() != write.seen_version {
                return Ok(Finished::Already(row.recorded()?));
            }
            self.put_entry(&write.donation, &write.finish).await?;
            let mut change = Change::of(id, row.revision, writer);
            change.stages.set_finish(&write.finish);
            let due_ms = self.keep_outbox(write, &mut change)?;
            change.answered(write.answered_by.as_ref(), &row);
            change.add_sends(&write.sends)?;
            match self.change(change, &row, due_ms).await? {
                Applied::Yes => return Ok(Finished::Done),
                Applied::No => {}
                Applied::Unknown(error) => lost = error,
            }
        }
        Err(lost)
    }

    /// The way of most donations: accepted to be charged, and nothing happened since, so that nothing need be read.
    /// Whether that was so.
    async fn finish_unseen(&self, write: &FinishWrite, writer: i64) -> Result<bool, StoreError> {
        self.put_entry(&write.donation, &write.finish).await?;
        let mut change = Change::of(write.donation.request.id, 0, writer);
        change.stages.set_finish(&write.finish);
        change.add_sends(&write.sends)?;
        let applied = self.db.conditional(&self.db.statements.change, change);
        Ok(matches!(applied.await?, Applied::Yes))
    }

    /// The pending row, if there is one or must be, is due at once.
    fn keep_outbox(
        &self,
        write: &FinishWrite,
        change: &mut Change,
    ) -> Result<Option<i64>, StoreError> {
        let (version, due_ms) = (write.seen_version + 1, write.finish.at_ms);
        if let Some(progress) = &write.surplus {
            let pending = Pending {
                version,
                due_ms,
                kind: PendingKind::Surplus,
            };
            change.stages.set_pending(version, &pending, progress)?;
        } else if write.seen_version > 0 {
            change.stages.move_pending(version, due_ms);
        } else {
            return Ok(None);
        }
        Ok(Some(due_ms))
    }

    pub(super) async fn acknowledged(&self, id: DonationId) -> Result<(), StoreError> {
        let writer = random();
        let mut lost = unanswered("no answer");
        for _ in 0..TRIES {
            let Some(row) = self.settled_row(id).await? else {
                return Ok(());
            };
            if row.writer == writer {
                return Ok(());
            }
            if !row.is_finished() {
                return Err(impossible("the donation is not finished"));
            }
            let pending = row.pending()?;
            if pending.is_none_or(|(_, progress)| progress.has_surplus()) {
                return Ok(());
            }
            let mut change = Change::of(id, row.revision, writer);
            change.stages.drop_pending();
            match self.change(change, &row, None).await? {
                Applied::Yes => return Ok(()),
                Applied::No => {}
                Applied::Unknown(error) => lost = error,
            }
        }
        Err(lost)
    }

    pub(super) async fn load(&self, id: DonationId) -> Result<Option<Box<Recorded>>, StoreError> {
        let row = self.row(id).await?;
        row.map(|row| row.recorded()).transpose()
    }

    /// Writes a change of the row that was read, with its pending row before and the last one's end after.
    async fn change(
        &self,
        change: Change,
        row: &DonationRow,
        due_ms: Option<i64>,
    ) -> Result<Applied, StoreError> {
        let pending = due_ms.map(|due_ms| PendingKey {
            shard: row.shard(),
            id: row.id(),
            due_ms,
            revision: change.revision(),
        });
        if let Some(key) = &pending {
            self.put_pending(key).await?;
        }
        let applied = self.db.conditional(&self.db.statements.change, change);
        let applied = applied.await?;
        match applied {
            Applied::Yes => self.drop_pending(PendingKey::of(row)).await,
            Applied::No => {
                if let Some(row) = self.settled_row(row.id()).await? {
                    self.drop_stray(pending, &row).await;
                }
            }
            // It may be applied in a moment: then it needs its pending row.
            Applied::Unknown(_) => {}
        }
        Ok(applied)
    }

    /// Drops a pending row of a write that was not applied, unless it is the very one of the write that was.
    async fn drop_stray(&self, stray: Option<PendingKey>, row: &DonationRow) {
        if stray != PendingKey::of(row) {
            self.drop_pending(stray).await;
        }
    }

    /// The donation in this row, if it is the one that the caller means.
    async fn named(&self, row: RowId, id: DonationId) -> Result<DonationRow, StoreError> {
        let found = if row == row_of(id) {
            self.settled_row(id).await?
        } else {
            None
        };
        found.ok_or_else(|| impossible("no such donation"))
    }

    /// The donation's row as it was acknowledged.
    pub(super) async fn row(&self, id: DonationId) -> Result<Option<DonationRow>, StoreError> {
        let donation = &self.db.statements.donation;
        self.db.read_one(donation, (id.as_uuid(),)).await
    }

    /// The donation's row, after whatever write of it is under way.
    async fn settled_row(&self, id: DonationId) -> Result<Option<DonationRow>, StoreError> {
        let donation = &self.db.statements.donation_serial;
        self.db.read_one(donation, (id.as_uuid(),)).await
    }
}

fn impossible(why: &str) -> StoreError {
    StoreError::Impossible(why.into())
}
