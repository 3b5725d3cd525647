//! The windows of doubles, read for all shards that ask together: their rows lie between each other's, so that one pass
//! serves them all. A start asks for every shard's. While one reader passes, who asks waits for its next pass.

use std::sync::{Mutex, MutexGuard, PoisonError};

use almoner_actors::ports::{Cursor, Done, StoreError, WindowEntry};
use almoner_domain::donation::{PendingKind, State};
use almoner_domain::duplicate::{Entry, Read, Standing};
use almoner_domain::ids::{DonationId, Shard, UserId};
use almoner_domain::money::{Currency, Money};
use rusqlite::{Connection, Row};

use super::readers::{Page, failed};
use super::rows::{optional_code, parsed, unreadable};
use crate::store::codes::Code;

/// The most entries of a page: they are small, and each page is a round through router and writer.
const PAGE_ROWS: usize = 4000;

/// What to read of a shard's window.
pub(super) struct RecentRead {
    pub(super) shard: Shard,
    pub(super) since_stream_ms: i64,
    /// Rows up to this one are not looked at.
    pub(super) after_seq: i64,
}

pub(super) type RecentDone = Done<Result<Page<WindowEntry>, StoreError>>;

impl RecentRead {
    fn asks_for(&self, shard: Shard, seq: i64, recorded_at_ms: i64) -> bool {
        self.shard == shard && self.after_seq < seq && self.since_stream_ms <= recorded_at_ms
    }
}

/// See the file's head.
#[derive(Default)]
pub(super) struct Windows(Mutex<Waiting>);

#[derive(Default)]
struct Waiting {
    asked: Vec<(RecentRead, RecentDone)>,
    is_passing: bool,
}

impl Windows {
    /// Answers these reads, and those that come meanwhile; or leaves them to the reader that passes already.
    pub(super) fn answer(&self, connection: &Connection, reads: Vec<(RecentRead, RecentDone)>) {
        self.lock().asked.extend(reads);
        while let Some(pass) = self.begin() {
            pass.answer(connection);
        }
    }

    /// The next pass, if there is something to read and nobody passes.
    fn begin(&self) -> Option<Pass<'_>> {
        let mut state = self.lock();
        if state.is_passing || state.asked.is_empty() {
            return None;
        }
        state.is_passing = true;
        let asked = std::mem::take(&mut state.asked);
        Some(Pass {
            windows: self,
            asked,
        })
    }

    fn lock(&self) -> MutexGuard<'_, Waiting> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// One pass. It is over when it is dropped, also by a panic.
struct Pass<'w> {
    windows: &'w Windows,
    asked: Vec<(RecentRead, RecentDone)>,
}

impl Pass<'_> {
    fn answer(mut self, connection: &Connection) {
        answer(connection, std::mem::take(&mut self.asked));
    }
}

impl Drop for Pass<'_> {
    fn drop(&mut self) {
        self.windows.lock().is_passing = false;
    }
}

/// Answers all with the rows of one pass, which ends where the first page is full.
fn answer(connection: &Connection, asked: Vec<(RecentRead, RecentDone)>) {
    let (reads, dones): (Vec<_>, Vec<_>) = asked.into_iter().unzip();
    match pages(connection, &reads) {
        Ok(pages) => (dones.into_iter().zip(pages)).for_each(|(done, page)| done.call(Ok(page))),
        Err(error) => (dones.into_iter()).for_each(|done| done.call(Err(failed(&error)))),
    }
}

fn pages(
    connection: &Connection,
    reads: &[RecentRead],
) -> rusqlite::Result<Vec<Page<WindowEntry>>> {
    let mut pages: Vec<Vec<WindowEntry>> = reads.iter().map(|_| Vec::new()).collect();
    let mut statement = connection.prepare_cached(
        "SELECT d.seq, d.shard, d.recorded_at_ms, d.id, d.user_id, d.campaign_id, d.amount_minor, d.currency, \
         coalesce(d.shard_offset, d.\"offset\"), f.state, CASE WHEN f.state IS NULL THEN (SELECT kind FROM pending p WHERE p.seq = d.seq) END, \
         EXISTS (SELECT 1 FROM hold_answer h WHERE h.seq = d.seq) \
         FROM donation d LEFT JOIN finish f ON f.seq = d.seq \
         WHERE d.seq > ?1 AND d.recorded_at_ms >= ?2 AND (f.state IS NULL OR f.state = ?3) ORDER BY d.seq",
    )?;
    let after_seq = reads.iter().map(|it| it.after_seq).min();
    let since_ms = reads.iter().map(|it| it.since_stream_ms).min();
    let mut rows = statement.query((after_seq, since_ms, State::Succeeded.code()))?;
    let mut ended_at = None;
    while ended_at.is_none()
        && let Some(row) = rows.next()?
    {
        let (seq, shard, recorded_at_ms) = (row.get(0)?, Shard(row.get(1)?), row.get(2)?);
        for (read, page) in reads.iter().zip(&mut pages) {
            if read.asks_for(shard, seq, recorded_at_ms) {
                page.push(entry(row, recorded_at_ms)?);
                if page.len() == PAGE_ROWS {
                    ended_at = Some(seq);
                }
            }
        }
    }
    let cursor = |read: &RecentRead| ended_at.map(|seq| Cursor(seq.max(read.after_seq), 0));
    let cursors = reads.iter().map(cursor);
    Ok(pages.into_iter().zip(cursors).collect())
}

fn entry(row: &Row<'_>, recorded_at_ms: i64) -> rusqlite::Result<WindowEntry> {
    let state: Option<State> = optional_code(row, 9)?;
    let kind: Option<PendingKind> = optional_code(row, 10)?;
    let standing = match state {
        Some(_) => Standing::Counted,
        None => Standing::of_unfinished(kind),
    };
    let currency = parsed(row, 7, Currency::from_code)?;
    let amount_minor = u64::try_from(row.get::<_, i64>(6)?).unwrap_or(0);
    let amount =
        Money::new(amount_minor, currency).ok_or_else(|| unreadable(6, "not an amount"))?;
    let read = Read {
        at_ms: recorded_at_ms,
        offset: row.get(8)?,
    };
    let campaign_id = row.get_ref(5)?.as_str()?;
    let entry = Entry::of(DonationId(row.get(3)?), campaign_id, amount, read, standing);
    Ok(WindowEntry {
        user_id: parsed(row, 4, UserId::parse)?,
        entry: entry.confirmed_if(row.get(11)?),
    })
}
