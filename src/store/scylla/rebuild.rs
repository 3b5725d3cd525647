//! The lists, made anew from the donations' rows: after a cluster lost what it had not written, which conditional writes
//! alone are safe from.

use almoner_actors::ports::StoreError;
use futures::{StreamExt, TryStreamExt, stream};
use scylla::response::PagingState;

use super::core::Core;
use super::pending::PendingKey;
use super::rows::DonationRow;
use super::slots::hour_of;

/// Donations whose rows are written at a time.
const AT_ONCE: usize = 32;

impl Core {
    /// Writes again what every donation is found by. What is there already is not changed, and a service that runs
    /// beside is not disturbed: a row that the donation has left meanwhile does not count. Says how many donations
    /// there are.
    pub(super) async fn rebuild(&self) -> Result<u64, StoreError> {
        let (mut count, mut after) = (0, Some(PagingState::start()));
        while let Some(page) = after {
            let (rows, next) = self.donation_page(page).await?;
            count += rows.len() as u64;
            stream::iter(rows)
                .map(|row| async move { self.list_again(&row).await })
                .buffer_unordered(AT_ONCE)
                .try_collect::<()>()
                .await?;
            after = next;
        }
        Ok(count)
    }

    async fn list_again(&self, row: &DonationRow) -> Result<(), StoreError> {
        let donation = row.donation()?;
        self.list(row.shard(), &donation).await?;
        if let Some(key) = PendingKey::of(row) {
            let hour = hour_of(key.due_ms);
            let bounds = self.bounds(key.shard).await?;
            if hour < bounds.pending_from_hour {
                self.set_pending_from(key.shard, hour, bounds).await?;
            }
            self.put_pending(&key).await?;
        }
        match row.finish()? {
            Some(finish) => self.put_entry(&donation, &finish).await,
            None => Ok(()),
        }
    }
}
