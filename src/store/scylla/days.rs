//! Campaigns' days: each charge has its entry before the donation's row says that it succeeded, so a day is never short;
//! an entry counts if the donation's row agrees, so a day is never over. No total is kept that could go astray.

use almoner_actors::ports::{DayTotal, Finish, StoreError};
use almoner_domain::donation::Donation;
use almoner_domain::ids::{CampaignId, DonationId};
use almoner_domain::money::Currency;
use futures::{StreamExt, TryStreamExt, stream};
use uuid::Uuid;

use super::core::Core;
use super::db::{Applied, unanswered, unreadable};
use super::rows::row_of;
use super::shards::TRIES;

/// Into how many partitions a new day is divided: a million charges of one campaign make 16,000 rows each. A day keeps what
/// it began with.
const BUCKETS: i32 = 64;

/// Requests that one reader has under way.
const READS_AT_ONCE: usize = 32;

/// A campaign's day in one currency.
#[derive(Clone, PartialEq, Eq, Hash, Debug)]
pub(super) struct DayKey {
    campaign_id: CampaignId,
    currency: Currency,
    day: i32,
}

impl Core {
    /// Makes the entry of a charge durable, if the finish is one. Repeated, it changes nothing.
    pub(super) async fn put_entry(
        &self,
        donation: &Donation,
        finish: &Finish,
    ) -> Result<(), StoreError> {
        let Some(day) = finish.day() else {
            return Ok(());
        };
        let request = &donation.request;
        let key = DayKey {
            campaign_id: request.campaign_id.clone(),
            currency: request.amount.currency(),
            day,
        };
        let buckets = self.fixed_buckets(&key).await?;
        let values = (
            key.campaign_id.as_str(),
            key.currency.code(),
            key.day,
            bucket_of(request.id, buckets),
            request.id.as_uuid(),
            request.amount.amount_minor().cast_signed(),
        );
        self.db.upsert(&self.db.statements.new_entry, values).await
    }

    /// In how many buckets the day is kept: fixed by whoever is first.
    async fn fixed_buckets(&self, key: &DayKey) -> Result<i32, StoreError> {
        if let Some(buckets) = self.buckets(key) {
            return Ok(buckets);
        }
        let (campaign, currency) = (key.campaign_id.as_str(), key.currency.code());
        let statements = &self.db.statements;
        for _ in 0..TRIES {
            let found = (self.db)
                .read_one::<(i32,)>(&statements.campaign_day, (campaign, currency, key.day))
                .await?;
            if let Some((buckets,)) = found {
                self.remember_buckets(key.clone(), buckets);
                return Ok(buckets);
            }
            let values = (campaign, currency, key.day, BUCKETS);
            let new_day = &statements.new_campaign_day;
            if let Applied::Yes = self.db.conditional(new_day, values).await? {
                self.remember_buckets(key.clone(), BUCKETS);
                return Ok(BUCKETS);
            }
        }
        Err(unanswered("the campaign's day cannot be begun"))
    }

    /// The sums of all campaigns' days, made from the charges one by one.
    pub(super) async fn day_totals(&self) -> Result<Vec<DayTotal>, StoreError> {
        let mut days = Vec::new();
        let every_day = &self.db.statements.every_campaign_day;
        self.db
            .each(every_day, (), |row: (String, String, i32, i32)| {
                let key = DayKey {
                    campaign_id: CampaignId::parse(&row.0)
                        .ok_or_else(|| unreadable("not a campaign's id"))?,
                    currency: Currency::from_code(&row.1)
                        .ok_or_else(|| unreadable("not a currency"))?,
                    day: row.2,
                };
                days.push((key, row.3));
                Ok(())
            })
            .await?;
        let totals = stream::iter(days)
            .map(|(key, buckets)| self.day_total(key, buckets))
            .buffer_unordered(4);
        let totals: Vec<_> = totals.try_collect().await?;
        let mut totals: Vec<_> = totals.into_iter().filter(|it| it.count > 0).collect();
        totals.sort();
        Ok(totals)
    }

    async fn day_total(&self, key: DayKey, buckets: i32) -> Result<DayTotal, StoreError> {
        let key = &key;
        let sums = stream::iter(0..buckets).map(|bucket| self.bucket_sum(key, bucket));
        let sums = sums.buffer_unordered(READS_AT_ONCE);
        let (count, sum) = sums
            .try_fold((0u64, 0i128), |total, it| {
                std::future::ready(Ok((total.0 + it.0, total.1 + it.1)))
            })
            .await?;
        Ok(DayTotal {
            campaign_id: key.campaign_id.clone(),
            currency: key.currency,
            day: key.day,
            count,
            amount_minor: i64::try_from(sum)
                .map_err(|_| unreadable("the sum of a campaign's day is over 2^63"))?,
        })
    }

    async fn bucket_sum(&self, key: &DayKey, bucket: i32) -> Result<(u64, i128), StoreError> {
        let values = (
            key.campaign_id.as_str(),
            key.currency.code(),
            key.day,
            bucket,
        );
        let entries = self.db.read::<(Uuid,)>(&self.db.statements.entries, values);
        let counted = stream::iter(entries.await?)
            .map(|(id,)| async move {
                let Some(row) = self.row(DonationId(id.into_bytes())).await? else {
                    return Ok(None);
                };
                let counts = row.finish()?.and_then(|it| it.day()) == Some(key.day);
                Ok::<_, StoreError>(counts.then_some(row.amount_minor))
            })
            .buffer_unordered(READS_AT_ONCE);
        let amounts: Vec<_> = counted.try_collect().await?;
        let amounts = amounts.into_iter().flatten();
        Ok(amounts.fold((0, 0), |sum, it| (sum.0 + 1, sum.1 + i128::from(it))))
    }
}

fn bucket_of(id: DonationId, buckets: i32) -> i32 {
    (row_of(id).0 % i64::from(buckets.max(1))) as i32
}
