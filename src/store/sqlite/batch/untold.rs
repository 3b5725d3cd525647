//! Donations that finished and may not have been told, and whose records the log has lost: they are told from here.

use std::ops::Range;

use almoner_actors::ports::{Pending, RowId};
use almoner_domain::donation::{PendingKind, Progress};
use almoner_domain::ids::Shard;
use rusqlite::params;

use super::super::rows;
use super::Batch;

impl Batch<'_, '_> {
    /// Gives each finished donation of these records a pending row, if it has none: its outbox. Says how many.
    pub(super) fn tell_lost(&mut self, shard: Shard, lost: &Range<i64>) -> rusqlite::Result<u64> {
        let seqs = self.untold(shard, lost)?;
        let mut told = 0;
        for seq in seqs {
            let Some(recorded) = rows::by_row(self.connection, RowId(seq))? else {
                continue;
            };
            let Some(finish) = recorded.finish else {
                continue;
            };
            let progress = Progress::first_sent(recorded.donation.accepted_at_ms);
            let progress = progress.ended(&finish.ending);
            let pending = Pending {
                version: 1,
                due_ms: finish.at_ms,
                kind: PendingKind::Drained,
            };
            self.put_pending(seq, shard, 1, &pending, &progress)?;
            told += 1;
        }
        Ok(told)
    }

    /// The finished donations of these records that have no pending row. An operator waits: the whole table is read.
    fn untold(&self, shard: Shard, lost: &Range<i64>) -> rusqlite::Result<Vec<i64>> {
        let mut statement = self.connection.prepare(
            "SELECT d.seq FROM donation d JOIN finish f ON f.seq = d.seq \
             WHERE d.shard = ?1 AND coalesce(d.shard_offset, d.\"offset\") >= ?2 AND coalesce(d.shard_offset, d.\"offset\") < ?3 \
             AND NOT EXISTS (SELECT 1 FROM pending p WHERE p.seq = d.seq)",
        )?;
        let seqs = statement.query_map(params![shard.0, lost.start, lost.end], |row| row.get(0))?;
        seqs.collect()
    }
}
