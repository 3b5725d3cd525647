//! What the writer knows without reading: the next row, which donations are open without a pending row, and below which
//! row nothing of a stretch of stream time is. It is written down every few thousand donations, so that a start reads
//! only what came after.

use std::collections::BTreeMap;

use almoner_domain::ids::{DonationId, Shard};
use foldhash::fast::FixedState;
use hashbrown::HashMap;
use rusqlite::{Connection, OptionalExtension, Row};
use serde::{Deserialize, Serialize};

use super::rows;

/// After so many donations the tail is written down (or twice as many as are open, if that is more).
const SNAPSHOT_DONATIONS: i64 = 8192;

/// Stream time between two checkpoints, at least.
const CHECKPOINT_MS: i64 = 1000;

/// Checkpoints of a shard, at most; beyond, the older half is thinned.
const CHECKPOINTS_MAX: usize = 64;

/// An accepted donation with neither a finish nor a pending row.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(super) struct Open {
    pub(super) shard: Shard,
    pub(super) id: DonationId,
}

/// See the file's head.
#[derive(Default, Debug)]
pub(super) struct Tail {
    next_seq: i64,
    written_next_seq: i64,
    open: HashMap<i64, Open, FixedState>,
    streams: BTreeMap<Shard, Stream>,
}

/// How stream time and rows go together in one shard.
#[derive(Clone, PartialEq, Eq, Debug, Serialize, Deserialize)]
struct Stream {
    /// The latest stream time of a donation.
    latest_ms: i64,
    /// Ascending.
    checkpoints: Vec<Checkpoint>,
}

/// All donations of the shard in rows below `below_seq` were recorded at `latest_ms` or before.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Serialize, Deserialize)]
struct Checkpoint {
    below_seq: i64,
    latest_ms: i64,
}

/// The tail as it is written down.
#[derive(Serialize, Deserialize)]
struct Snapshot {
    open: Vec<i64>,
    streams: Vec<(u32, Stream)>,
}

impl Tail {
    /// Reads what was written down, and the rows after it. What cannot be read is found again in the rows.
    pub(super) fn load(connection: &Connection) -> rusqlite::Result<Self> {
        // One that is ahead of the rows is another store's: by it, donations in between would be forgotten.
        let stored: Option<(i64, Vec<u8>)> = connection
            .query_row(
                "SELECT next_seq, state FROM tail \
                 WHERE next_seq <= 1 + coalesce((SELECT max(seq) FROM donation), 0)",
                [],
                |row| Ok((row.get(0)?, row.get(1)?)),
            )
            .optional()?;
        let stored = stored.and_then(|(next_seq, state)| {
            Some((next_seq, rmp_serde::from_slice::<Snapshot>(&state).ok()?))
        });
        let mut tail = Self {
            next_seq: 1,
            ..Self::default()
        };
        if let Some((next_seq, snapshot)) = stored {
            tail.next_seq = next_seq;
            tail.streams = snapshot
                .streams
                .into_iter()
                .map(|(shard, stream)| (Shard(shard), stream))
                .collect();
            for seq in snapshot.open {
                tail.read_rows(connection, "d.seq = ?1", seq)?;
            }
        }
        tail.written_next_seq = tail.next_seq;
        tail.read_rows(connection, "d.seq >= ?1", tail.next_seq)?;
        Ok(tail)
    }

    fn read_rows(
        &mut self,
        connection: &Connection,
        which: &'static str,
        seq: i64,
    ) -> rusqlite::Result<()> {
        let mut statement = connection.prepare_cached(&format!(
            "SELECT d.seq, d.shard, d.id, d.recorded_at_ms, \
             EXISTS (SELECT 1 FROM finish f WHERE f.seq = d.seq) \
             OR EXISTS (SELECT 1 FROM pending p WHERE p.seq = d.seq) \
             FROM donation d WHERE {which} ORDER BY d.seq"
        ))?;
        let mut rows = statement.query([seq])?;
        while let Some(row) = rows.next()? {
            self.read_row(row)?;
        }
        Ok(())
    }

    fn read_row(&mut self, row: &Row<'_>) -> rusqlite::Result<()> {
        let seq: i64 = rows::counter(row, 0)?;
        let open = Open {
            shard: Shard(row.get(1)?),
            id: DonationId(row.get(2)?),
        };
        if seq >= self.next_seq {
            self.next_seq = seq + 1;
            self.note_stream(open.shard, row.get(3)?, seq);
        }
        if !row.get::<_, bool>(4)? {
            self.open.insert(seq, open);
        }
        Ok(())
    }

    /// The row of the next donation.
    pub(super) fn next_seq(&self) -> i64 {
        self.next_seq
    }

    /// The next donation took the next row; it is open, unless it was finished or pending from the first.
    pub(super) fn accepted(&mut self, open: Open, recorded_at_ms: i64, is_open: bool) {
        let seq = self.next_seq;
        self.next_seq += 1;
        self.note_stream(open.shard, recorded_at_ms, seq);
        if is_open {
            self.open.insert(seq, open);
        }
    }

    /// Whether this donation is open without a pending row.
    pub(super) fn is_open(&self, seq: i64, id: DonationId) -> bool {
        self.open.get(&seq).is_some_and(|open| open.id == id)
    }

    /// It is finished or pending.
    pub(super) fn settled(&mut self, seq: i64) {
        self.open.remove(&seq);
    }

    /// Up to `count` open rows of the shard after `seq`, ascending.
    pub(super) fn open_of(&self, shard: Shard, seq: i64, count: usize) -> Vec<i64> {
        let of_shard = self
            .open
            .iter()
            .filter(|(at, open)| **at > seq && open.shard == shard);
        let mut found: Vec<i64> = of_shard.map(|(at, _)| *at).collect();
        found.sort_unstable();
        found.truncate(count);
        found
    }

    /// A row below which no donation of the shard was recorded at or after this stream time.
    pub(super) fn first_seq_since(&self, shard: Shard, since_ms: i64) -> i64 {
        let Some(stream) = self.streams.get(&shard) else {
            return self.next_seq;
        };
        if stream.latest_ms < since_ms {
            return self.next_seq;
        }
        let before = stream
            .checkpoints
            .partition_point(|it| it.latest_ms < since_ms);
        before
            .checked_sub(1)
            .map_or(0, |last| stream.checkpoints[last].below_seq)
    }

    fn note_stream(&mut self, shard: Shard, recorded_at_ms: i64, seq: i64) {
        let stream = self.streams.entry(shard).or_insert_with(|| Stream {
            latest_ms: i64::MIN,
            checkpoints: Vec::new(),
        });
        let last_ms = stream
            .checkpoints
            .last()
            .map_or(i64::MIN, |it| it.latest_ms);
        if stream.latest_ms == i64::MIN || recorded_at_ms.saturating_sub(last_ms) > CHECKPOINT_MS {
            stream.checkpoints.push(Checkpoint {
                below_seq: seq,
                latest_ms: stream.latest_ms,
            });
        }
        stream.latest_ms = stream.latest_ms.max(recorded_at_ms);
        if stream.checkpoints.len() > CHECKPOINTS_MAX {
            let mut place = 0;
            stream.checkpoints.retain(|_| {
                place += 1;
                place > CHECKPOINTS_MAX / 2 || place % 2 == 1
            });
        }
    }

    /// Writes the tail down if it is time, or if `now`.
    pub(super) fn write(&mut self, connection: &Connection, now: bool) -> rusqlite::Result<()> {
        let grown = self.next_seq - self.written_next_seq;
        let open = i64::try_from(self.open.len()).unwrap_or(i64::MAX);
        if grown == 0 || (!now && grown < SNAPSHOT_DONATIONS.max(open.saturating_mul(2))) {
            return Ok(());
        }
        let streams = self.streams.iter();
        let state = rows::to_blob(&Snapshot {
            open: self.open.keys().copied().collect(),
            streams: streams.map(|(shard, it)| (shard.0, it.clone())).collect(),
        })?;
        connection
            .prepare_cached(
                "INSERT OR REPLACE INTO tail (only, next_seq, state) VALUES (1, ?1, ?2)",
            )?
            .execute((self.next_seq, state))?;
        self.written_next_seq = self.next_seq;
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    proptest! {
        #![proptest_config(ProptestConfig { failure_persistence: None, ..ProptestConfig::default() })]

        #[test]
        fn nothing_of_a_window_is_below_its_first_row(
            steps in prop::collection::vec((0..3u32, -1500..4000i64), 1..800),
            since in 0..400_000i64,
        ) {
            let mut tail = Tail { next_seq: 1, ..Tail::default() };
            let (mut now_ms, mut rows) = (0, Vec::new());
            for (shard, step_ms) in steps {
                now_ms += step_ms;
                let shard = Shard(shard);
                rows.push((tail.next_seq(), shard, now_ms));
                tail.accepted(Open { shard, id: DonationId([0; 16]) }, now_ms, false);
            }
            for (seq, shard, recorded_at_ms) in rows {
                if recorded_at_ms >= since {
                    prop_assert!(seq >= tail.first_seq_since(shard, since));
                }
            }
            for stream in tail.streams.values() {
                prop_assert!(stream.checkpoints.len() <= CHECKPOINTS_MAX);
            }
        }
    }

    #[test]
    fn a_window_begins_near_its_first_row() {
        let mut tail = Tail {
            next_seq: 1,
            ..Tail::default()
        };
        let open = Open {
            shard: Shard(0),
            id: DonationId([0; 16]),
        };
        for ms in 0..100_000 {
            tail.accepted(open, ms, false);
        }
        let first = tail.first_seq_since(Shard(0), 90_001);
        assert!((88_000..=90_002).contains(&first), "{first}");
        assert_eq!(tail.first_seq_since(Shard(0), 100_000), tail.next_seq());
        assert_eq!(tail.first_seq_since(Shard(1), 0), tail.next_seq());
    }
}
