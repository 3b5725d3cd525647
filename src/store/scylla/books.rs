//! Reading for people and for the audit: by user, by campaign, sums, every donation. Beside a running service as well as
//! without one.

use almoner_actors::ports::{Recorded, StoreError};
use almoner_domain::ids::{DonationId, UserId};
use futures::{StreamExt, TryStreamExt, stream};
use scylla::response::PagingState;
use uuid::Uuid;

use super::core::Core;
use super::rows::DonationRow;

/// A user's donations are listed by stretches of 30 days.
const MONTH_MS: i64 = 30 * 86_400_000;

/// How far back a user's donations are looked for.
const MONTHS_MAX: i32 = 120;

/// Requests that one reader has under way.
const READS_AT_ONCE: usize = 12;

/// The stretch of 30 days, counted from 1970.
pub(super) fn month_of(recorded_at_ms: i64) -> i32 {
    recorded_at_ms.div_euclid(MONTH_MS) as i32
}

impl Core {
    /// A user's donations that were recorded before this moment, the newest first.
    pub(super) async fn by_user(
        &self,
        user_id: &UserId,
        before_ms: i64,
        count: usize,
    ) -> Result<Vec<Recorded>, StoreError> {
        let last = month_of(before_ms);
        let months = (last - MONTHS_MAX..=last).rev();
        let mut months = stream::iter(months)
            .map(|month| self.of_user(user_id, month, before_ms, count))
            .buffered(READS_AT_ONCE);
        let mut found = Vec::new();
        while let Some(month) = months.try_next().await? {
            for (recorded_at_ms, _, id) in month {
                let row = self.row(DonationId(id.into_bytes())).await?;
                if let Some(row) = row.filter(|row| row.recorded_at_ms == recorded_at_ms) {
                    found.push(*row.recorded()?);
                }
                if found.len() >= count {
                    return Ok(found);
                }
            }
        }
        Ok(found)
    }

    async fn of_user(
        &self,
        user_id: &UserId,
        month: i32,
        before_ms: i64,
        count: usize,
    ) -> Result<Vec<(i64, i64, Uuid)>, StoreError> {
        let count_max = i32::try_from(count).unwrap_or(i32::MAX);
        let values = (user_id.as_str(), month, before_ms, i64::MIN, count_max);
        self.db.read(&self.db.statements.of_user, values).await
    }

    /// Some of all donations, in no order, from after a page on; and where the next page begins.
    pub(super) async fn donation_page(
        &self,
        after: PagingState,
    ) -> Result<(Vec<DonationRow>, Option<PagingState>), StoreError> {
        let every_donation = &self.db.statements.every_donation;
        self.db.read_page(every_donation, after).await
    }
}
