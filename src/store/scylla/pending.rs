//! The rows by which pending donations are found: written before the donation's own row, dropped after it has moved on.
//! Each key is written once and dropped once, since it has the revision in it; a row that the donation's own contradicts
//! is not counted.

use almoner_actors::ports::StoreError;
use almoner_domain::ids::{DonationId, Shard};

use super::core::Core;
use super::rows::{DonationRow, row_of};
use super::slots::{Series, hour_of};

/// One such row.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(super) struct PendingKey {
    pub(super) shard: Shard,
    pub(super) id: DonationId,
    pub(super) due_ms: i64,
    /// The donation's revision that it belongs to.
    pub(super) revision: i32,
}

impl PendingKey {
    /// The one that belongs to the donation as it is.
    pub(super) fn of(row: &DonationRow) -> Option<Self> {
        Some(Self {
            shard: row.shard(),
            id: row.id(),
            due_ms: row.due_ms()?,
            revision: row.revision,
        })
    }

    fn values(&self) -> (i32, i32, i32, i64, i64, i32) {
        let slot = Series::Pending.slot_of(self.due_ms);
        (
            self.shard.0.cast_signed(),
            slot.hour,
            slot.slot,
            self.due_ms,
            row_of(self.id).0,
            self.revision,
        )
    }
}

impl Core {
    pub(super) async fn put_pending(&self, key: &PendingKey) -> Result<(), StoreError> {
        let hour = hour_of(key.due_ms);
        if let Some(owned) = self.owned(key.shard.0)
            && hour < owned.pending_from_hour
        {
            self.set_pending_from(key.shard, hour, owned).await?;
        }
        self.list_hour(key.shard, Series::Pending, hour).await?;
        let (shard, hour, slot, due_ms, row_id, revision) = key.values();
        let id = key.id.as_uuid();
        let values = (shard, hour, slot, due_ms, row_id, revision, id);
        let new_pending = &self.db.statements.new_pending;
        self.db.upsert(new_pending, values).await
    }

    /// Drops the row. Where that fails it stays, and is not counted.
    pub(super) async fn drop_pending(&self, key: Option<PendingKey>) {
        if let Some(key) = key {
            let drop_pending = &self.db.statements.drop_pending;
            if let Err(error) = self.db.upsert(drop_pending, key.values()).await {
                tracing::debug!(%error, "a pending row that is not needed any more stays");
            }
        }
    }
}
