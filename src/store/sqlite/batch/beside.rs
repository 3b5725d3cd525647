//! The rows beside a donation's: its pending row, its events, its sends, the user's answer.

use almoner_actors::ports::{Pending, SendRow};
use almoner_domain::donation::Progress;
use almoner_domain::ids::{Place, Shard};
use almoner_domain::outcome::Told;
use rusqlite::params;

use super::super::rows;
use super::Batch;
use crate::store::codes::Code;

impl Batch<'_, '_> {
    pub(super) fn put_pending(
        &mut self,
        seq: i64,
        shard: Shard,
        version: u32,
        pending: &Pending,
        progress: &Progress,
    ) -> rusqlite::Result<()> {
        self.connection
            .prepare_cached(
                "INSERT INTO pending (seq, shard, due_ms, version, kind, progress) \
                 VALUES (?1, ?2, ?3, ?4, ?5, ?6) ON CONFLICT (seq) DO UPDATE SET \
                 due_ms = excluded.due_ms, version = excluded.version, kind = excluded.kind, \
                 progress = excluded.progress",
            )?
            .execute(params![
                seq,
                shard.0,
                pending.due_ms,
                version,
                pending.kind.code(),
                rows::to_blob(progress)?,
            ])?;
        Ok(())
    }

    pub(super) fn add_history(
        &mut self,
        seq: i64,
        told: Option<&Told>,
        answered_by: Option<&Place>,
        sends: &[SendRow],
    ) -> rusqlite::Result<()> {
        if let Some(told) = told {
            self.connection
                .prepare_cached("INSERT INTO event (seq, n, told) VALUES (?1, ?2, ?3)")?
                .execute((seq, told.sequence, rows::to_blob(told)?))?;
        }
        if let Some(place) = answered_by {
            self.connection
                .prepare_cached(
                    "INSERT INTO hold_answer (seq, topic, \"partition\", \"offset\") \
                     VALUES (?1, ?2, ?3, ?4) ON CONFLICT (seq) DO NOTHING",
                )?
                .execute((seq, &place.topic, place.partition, place.offset))?;
        }
        for send in sends {
            self.connection
                .prepare_cached(
                    "INSERT OR REPLACE INTO send (seq, n, call, key, at_ms, answer, epoch) \
                     VALUES (?1, ?2, ?3, ?4, ?5, ?6, ?7)",
                )?
                .execute((
                    seq,
                    send.send,
                    send.call,
                    &send.key,
                    send.at_ms,
                    send.answer,
                    send.epoch.cast_signed(),
                ))?;
        }
        Ok(())
    }
}
