//! Who owns a shard, and how far it is done: one row each, changed by conditional writes alone.

use almoner_actors::ports::{Claimed, MarkWrite, Marked, StoreError};
use almoner_domain::ids::Shard;
use scylla::DeserializeRow;

use super::core::Core;
use super::db::{Applied, random, unanswered};
use crate::store::sqlite::ShardMark;

/// Names of what is kept once for all.
const LOG_GENERATIONS_RAISED: &str = "log_generations_raised";
const PARTITIONS: &str = "partitions";

/// How often a write is tried that meets others, or whose answer is lost.
pub(super) const TRIES: usize = 8;

/// A shard that is owned here.
#[derive(Clone, Copy, Debug)]
pub(super) struct OwnedShard {
    pub(super) epoch: u64,
    next_offset: Option<i64>,
    pub(super) stream_ms: i64,
    /// No pending row is due in an earlier hour.
    pub(super) pending_from_hour: i32,
}

#[derive(DeserializeRow, Debug)]
struct ShardRow {
    shard: i32,
    epoch: i64,
    writer: Option<i64>,
    next_offset: Option<i64>,
    stream_ms: i64,
    pending_from_hour: Option<i32>,
}

impl ShardRow {
    fn owned(&self) -> OwnedShard {
        OwnedShard {
            epoch: self.epoch.cast_unsigned(),
            next_offset: self.next_offset,
            stream_ms: self.stream_ms,
            pending_from_hour: self.pending_from_hour.unwrap_or(i32::MIN),
        }
    }
}

impl Core {
    /// Raises the shard's epoch. An answer that was lost may have raised it too: then it is raised twice, which harms
    /// nobody.
    pub(super) async fn claim(&self, shard: Shard) -> Result<Claimed, StoreError> {
        let statements = &self.db.statements;
        let (number, writer) = (shard.0.cast_signed(), random());
        for _ in 0..TRIES {
            let row = (self.db)
                .read_one::<ShardRow>(&statements.shard_serial, (number,))
                .await?;
            let epoch = row.as_ref().map_or(0, |row| row.epoch) + 1;
            let applied = match &row {
                Some(row) if row.writer == Some(writer) => Applied::Yes,
                Some(row) => {
                    let values = (epoch, writer, number, row.epoch);
                    self.db.conditional(&statements.claim, values).await?
                }
                None => {
                    let values = (number, epoch, writer);
                    self.db.conditional(&statements.new_shard, values).await?
                }
            };
            if let Applied::Yes = applied {
                let is_read_back = row.as_ref().is_some_and(|row| row.writer == Some(writer));
                let mut owned = row.map_or(OwnedShard::NEW, |row| row.owned());
                if !is_read_back {
                    owned.epoch = epoch.cast_unsigned();
                }
                self.own(shard.0, owned);
                return Ok(Claimed {
                    epoch: owned.epoch,
                    next_offset: owned.next_offset,
                    stream_ms: owned.stream_ms,
                    log_generation: self.log_generation().await?,
                });
            }
        }
        Err(unanswered(
            "the shard's row is changed by others all the time",
        ))
    }

    pub(super) async fn mark(&self, mark: MarkWrite) -> Result<Marked, StoreError> {
        let MarkWrite { shard, epoch, .. } = mark;
        let Some(mut owned) = self.owned(shard.0).filter(|it| it.epoch == epoch) else {
            return Ok(Marked::Fenced);
        };
        owned.next_offset = owned.next_offset.max(Some(mark.next_offset));
        owned.stream_ms = owned.stream_ms.max(mark.stream_ms);
        let values = (
            owned.next_offset,
            owned.stream_ms,
            shard.0.cast_signed(),
            epoch.cast_signed(),
        );
        let is_done = self.owner_writes(&self.db.statements.mark, values).await?;
        if is_done {
            self.own(shard.0, owned);
            Ok(Marked::Done)
        } else {
            self.disown(shard.0, epoch);
            Ok(Marked::Fenced)
        }
    }

    /// Readers of what is pending begin with this hour.
    pub(super) async fn set_pending_from(
        &self,
        shard: Shard,
        hour: i32,
        owned: OwnedShard,
    ) -> Result<(), StoreError> {
        let values = (hour, shard.0.cast_signed(), owned.epoch.cast_signed());
        let pending_from = &self.db.statements.pending_from;
        if self.owner_writes(pending_from, values).await?
            && let Some(mut owned) = self.owned(shard.0)
        {
            owned.pending_from_hour = hour;
            self.own(shard.0, owned);
        }
        Ok(())
    }

    /// A write of the shard's owner, which may be repeated. False if the owner is another one.
    async fn owner_writes(
        &self,
        statement: &scylla::statement::prepared::PreparedStatement,
        values: impl scylla::serialize::row::SerializeRow + Copy,
    ) -> Result<bool, StoreError> {
        let mut lost = unanswered("no answer");
        for _ in 0..TRIES {
            match self.db.conditional(statement, values).await? {
                Applied::Yes => return Ok(true),
                Applied::No => return Ok(false),
                Applied::Unknown(error) => lost = error,
            }
        }
        Err(lost)
    }

    /// Where readers of what is pending begin, and from when on a donation can be open without a pending row: what was
    /// read before the mark's stream time is done or pending.
    pub(super) async fn bounds(&self, shard: Shard) -> Result<OwnedShard, StoreError> {
        let shard_serial = &self.db.statements.shard_serial;
        let row = self
            .db
            .read_one::<ShardRow>(shard_serial, (shard.0.cast_signed(),));
        Ok(row.await?.map_or(OwnedShard::NEW, |row| row.owned()))
    }

    /// The marks of the shards that were ever owned.
    pub(super) async fn marks(&self) -> Result<Vec<ShardMark>, StoreError> {
        let every_shard = &self.db.statements.every_shard;
        let rows = self.db.read::<ShardRow>(every_shard, ()).await?;
        let mut marks: Vec<_> = rows
            .iter()
            .map(|row| ShardMark {
                shard: Shard(row.shard.cast_unsigned()),
                next_offset: row.next_offset,
                stream_ms: row.stream_ms,
            })
            .collect();
        marks.sort_by_key(|mark| mark.shard);
        Ok(marks)
    }

    /// What was done of the log says nothing of the next one.
    pub(super) async fn raise_log_generation(&self) -> Result<u32, StoreError> {
        let raised = self.raise(LOG_GENERATIONS_RAISED).await?;
        for mark in self.marks().await? {
            let shard = mark.shard.0.cast_signed();
            let forget_offset = &self.db.statements.forget_offset;
            self.owner_writes(forget_offset, (shard,)).await?;
            if let Some(mut owned) = self.owned(mark.shard.0) {
                owned.next_offset = None;
                self.own(mark.shard.0, owned);
            }
        }
        Ok(1 + raised as u32)
    }

    async fn log_generation(&self) -> Result<u32, StoreError> {
        Ok(1 + self.value(LOG_GENERATIONS_RAISED).await?.unwrap_or(0) as u32)
    }

    /// The number of partitions that the store was first used with: this one, if it is the first.
    pub(super) async fn partitions(&self, now: u32) -> Result<u32, StoreError> {
        for _ in 0..TRIES {
            if let Some(recorded) = self.value(PARTITIONS).await? {
                return Ok(recorded as u32);
            }
            let values = (PARTITIONS, i64::from(now));
            let new_value = &self.db.statements.new_value;
            self.db.conditional(new_value, values).await?;
        }
        Err(unanswered("the number of partitions cannot be recorded"))
    }

    async fn raise(&self, name: &str) -> Result<i64, StoreError> {
        let statements = &self.db.statements;
        for _ in 0..TRIES {
            let seen = self.value(name).await?;
            let raised = seen.unwrap_or(0) + 1;
            let applied = match seen {
                None => (self.db.conditional(&statements.new_value, (name, raised))).await?,
                Some(seen) => {
                    let values = (raised, name, seen);
                    self.db
                        .conditional(&statements.change_value, values)
                        .await?
                }
            };
            if let Applied::Yes = applied {
                return Ok(raised);
            }
        }
        Err(unanswered(
            "the installation's row is changed by others all the time",
        ))
    }

    async fn value(&self, name: &str) -> Result<Option<i64>, StoreError> {
        let value_serial = &self.db.statements.value_serial;
        let row = self.db.read_one::<(i64,)>(value_serial, (name,)).await?;
        Ok(row.map(|row| row.0))
    }
}

impl OwnedShard {
    /// Nobody has had it.
    const NEW: Self = Self {
        epoch: 1,
        next_offset: None,
        stream_ms: 0,
        pending_from_hour: i32::MIN,
    };

    /// From when on a donation can be open without a pending row. What was read before the mark's stream time is done or
    /// pending; the hour is for what a clock of the broker's may have been set back.
    pub(super) fn open_from_ms(&self) -> i64 {
        self.stream_ms - 3_600_000
    }
}
