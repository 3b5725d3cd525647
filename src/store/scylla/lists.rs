//! The lists of a shard, read in pages: the window of doubles, and what is unfinished. Each row of a list names a donation;
//! whether it counts, and how it stands, is the donation's own row's to say.

use std::collections::HashSet;

use almoner_actors::ports::{Cursor, StoreError, Unfinished, WindowEntry};
use almoner_domain::donation::State;
use almoner_domain::duplicate::{Entry, Standing};
use almoner_domain::ids::{DonationId, Shard};
use futures::{StreamExt, TryStreamExt, stream};
use uuid::Uuid;

use super::core::Core;
use super::rows::DonationRow;
use super::slots::{Series, Slot, hour_of};

/// The most entries of a page, and the most rows of a list that are read at once.
const PAGE_ROWS: usize = 1000;

/// Requests that one reader has under way.
const READS_AT_ONCE: usize = 32;

/// Cursors below this are of donations without a pending row: their first number is this far below their time.
const OPEN_BASE: i64 = i64::MIN / 2;

/// Due times are not set so long before the stream time: hours below that need not be read again once they are empty.
const SETTLED_HOURS: i32 = 24;

/// A page and where the next one begins.
type Page<T> = (Vec<T>, Option<Cursor>);

/// Where a reader stands in a list: a time, the order among equals, a revision.
#[derive(Clone, Copy)]
struct Position(i64, i64, i32);

/// A row of a list: its time, its order among equals, its revision where it has one, its donation.
#[derive(Clone, Copy)]
struct Listed {
    at_ms: i64,
    row_id: i64,
    revision: i32,
    id: Uuid,
}

impl Core {
    pub(super) async fn recent(
        &self,
        shard: Shard,
        since_stream_ms: i64,
        after: Cursor,
    ) -> Result<Page<WindowEntry>, StoreError> {
        let after = if after == Cursor::default() {
            Cursor(since_stream_ms, i64::MIN)
        } else {
            after
        };
        let mut page = Vec::new();
        let next = self
            .walk(shard, Series::Arrivals, after, i32::MIN, |listed, row| {
                if row.recorded_at_ms != listed.at_ms {
                    return Ok(page.len());
                }
                let finish = row.finish()?;
                let standing = match finish.map(|it| it.ending.state) {
                    None => Standing::of_unfinished(row.pending()?.map(|it| it.0.kind)),
                    Some(State::Succeeded) => Standing::Counted,
                    Some(_) => return Ok(page.len()),
                };
                let donation = row.donation()?;
                page.push(WindowEntry {
                    user_id: donation.request.user_id.clone(),
                    entry: Entry::recorded(&donation, standing, row.is_answered()),
                });
                Ok(page.len())
            })
            .await?;
        Ok((page, next))
    }

    pub(super) async fn unfinished(
        &self,
        shard: Shard,
        after: Cursor,
    ) -> Result<Page<Unfinished>, StoreError> {
        let bounds = self.bounds(shard).await?;
        let mut page = Vec::new();
        let mut after = after;
        if after == Cursor::default() {
            after = Cursor(open_cursor(bounds.open_from_ms()), i64::MIN);
        }
        if after.0 < OPEN_BASE {
            let after = Cursor(after.0 - i64::MIN, after.1);
            let next = self
                .walk(shard, Series::Arrivals, after, i32::MIN, |listed, row| {
                    let is_open = !row.is_finished() && row.version() == 0;
                    if is_open && row.recorded_at_ms == listed.at_ms {
                        page.push(row.unfinished()?);
                    }
                    Ok(page.len())
                })
                .await?;
            if let Some(next) = next {
                return Ok((page, Some(Cursor(open_cursor(next.0), next.1))));
            }
        }
        let begins = after.0 < OPEN_BASE;
        let after = if begins {
            Cursor(OPEN_BASE, i64::MIN)
        } else {
            after
        };
        let mut first_hour = hour_of(bounds.stream_ms) - SETTLED_HOURS;
        let from_hour = bounds.pending_from_hour;
        let mut counted = HashSet::new();
        let next = self
            .walk(shard, Series::Pending, after, from_hour, |listed, row| {
                // Lists are read before the donations in them. What a former owner's answer has moved in between is listed
                // elsewhere now, perhaps where it was looked already: it counts here, and once.
                let is_listed =
                    row.due_ms() == Some(listed.at_ms) && row.revision == listed.revision;
                let has_moved = row.due_ms().is_some() && row.revision > listed.revision;
                if (is_listed || has_moved) && counted.insert(listed.id) {
                    first_hour = first_hour.min(hour_of(row.due_ms().unwrap_or(listed.at_ms)));
                    page.push(row.unfinished()?);
                }
                Ok(page.len())
            })
            .await?;
        if let Some(owned) = self.owned(shard.0).filter(|_| begins)
            && first_hour > owned.pending_from_hour
        {
            self.set_pending_from(shard, first_hour, owned).await?;
        }
        Ok((page, next))
    }

    /// Goes through a list from after a position on, until `each` says that the page is full; each time it is given a row
    /// and its donation's. Where the next page begins, if this was not all.
    async fn walk(
        &self,
        shard: Shard,
        series: Series,
        after: Cursor,
        from_hour: i32,
        mut each: impl FnMut(Listed, DonationRow) -> Result<usize, StoreError>,
    ) -> Result<Option<Cursor>, StoreError> {
        let first = series.slot_of(after.0);
        let from_hour = from_hour.max(hour_of(after.0));
        let after = Position(after.0, after.1, i32::MAX);
        let hours = self.hours(shard, series, from_hour).await?;
        let slots = hours
            .into_iter()
            .flat_map(|hour| (0..series.slots()).map(move |slot| Slot { hour, slot }))
            .filter(|slot| *slot >= first);
        // Most slots are empty: some are asked for at once, each from its beginning.
        let mut found = stream::iter(slots)
            .map(|slot| async move {
                let rows = self.listed(shard, series, slot, after).await?;
                Ok::<_, StoreError>((slot, rows))
            })
            .buffered(READS_AT_ONCE);
        while let Some((slot, mut rows)) = found.try_next().await? {
            while let Some(last) = rows.last().copied() {
                let is_full = rows.len() == PAGE_ROWS;
                let donations = self.donations(shard, rows);
                let mut donations = std::pin::pin!(donations);
                while let Some((listed, row)) = donations.try_next().await? {
                    let Some(row) = row else { continue };
                    if each(listed, row)? >= PAGE_ROWS {
                        return Ok(Some(Cursor(listed.at_ms, listed.row_id)));
                    }
                }
                if !is_full {
                    break;
                }
                let after = Position(last.at_ms, last.row_id, last.revision);
                rows = self.listed(shard, series, slot, after).await?;
            }
        }
        Ok(None)
    }

    /// The donations of these rows, in their order; none where there is none in this shard.
    fn donations(
        &self,
        shard: Shard,
        rows: Vec<Listed>,
    ) -> impl stream::Stream<Item = Result<(Listed, Option<DonationRow>), StoreError>> {
        stream::iter(rows)
            .map(move |listed| async move {
                let row = self.row(DonationId(listed.id.into_bytes())).await?;
                Ok((listed, row.filter(|row| row.shard() == shard)))
            })
            .buffered(READS_AT_ONCE)
    }

    /// Some rows of a slot after a position, in order.
    async fn listed(
        &self,
        shard: Shard,
        series: Series,
        slot: Slot,
        after: Position,
    ) -> Result<Vec<Listed>, StoreError> {
        let (shard, hour, slot, at_ms, row_id) = (
            shard.0.cast_signed(),
            slot.hour,
            slot.slot,
            after.0,
            after.1,
        );
        let statements = &self.db.statements;
        match series {
            Series::Arrivals => {
                let values = (shard, hour, slot, at_ms, row_id, PAGE_ROWS as i32);
                let rows = self
                    .db
                    .read::<(i64, i64, Uuid)>(&statements.arrivals, values);
                let listed = |(at_ms, row_id, id)| Listed {
                    at_ms,
                    row_id,
                    revision: 0,
                    id,
                };
                Ok(rows.await?.into_iter().map(listed).collect())
            }
            Series::Pending => {
                let rows_max = PAGE_ROWS as i32;
                let values = (shard, hour, slot, at_ms, row_id, after.2, rows_max);
                let rows = (self.db).read::<(i64, i64, i32, Uuid)>(&statements.pendings, values);
                let listed = |(at_ms, row_id, revision, id)| Listed {
                    at_ms,
                    row_id,
                    revision,
                    id,
                };
                Ok(rows.await?.into_iter().map(listed).collect())
            }
        }
    }
}

/// The first number of the cursor behind a donation without a pending row.
fn open_cursor(recorded_at_ms: i64) -> i64 {
    i64::MIN.saturating_add(recorded_at_ms.max(0))
}
