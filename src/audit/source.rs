//! The books as an audit reads them, of whichever store. Its calls block.

use std::collections::BTreeMap;

use almoner_actors::ports::{DayTotal, Recorded};
use almoner_domain::ids::{CampaignId, DonationId};
use almoner_domain::money::Currency;

use crate::store::ReadError;
use crate::store::scylla::ScyllaStore;
use crate::store::sqlite::{Books, DayDifference, Total, Totals};

/// See the file's head.
pub trait AuditedBooks {
    /// What the books hold in all.
    ///
    /// # Errors
    /// The store's.
    fn totals(&self) -> Result<Totals, ReadError>;

    /// Every campaign's day whose sum is not that of its movements.
    ///
    /// # Errors
    /// The store's.
    fn day_differences(&self) -> Result<Vec<DayDifference>, ReadError>;

    /// Gives `each` every donation, each as it is at its own moment.
    ///
    /// # Errors
    /// The store's.
    fn each_donation(&self, each: &mut dyn FnMut(Recorded)) -> Result<(), ReadError>;

    /// The donation with this id, as it is now.
    ///
    /// # Errors
    /// The store's.
    fn donation(&self, id: DonationId) -> Result<Option<Box<Recorded>>, ReadError>;
}

impl AuditedBooks for Books {
    fn totals(&self) -> Result<Totals, ReadError> {
        Ok(self.totals()?)
    }

    fn day_differences(&self) -> Result<Vec<DayDifference>, ReadError> {
        Ok(self.day_differences()?)
    }

    fn each_donation(&self, each: &mut dyn FnMut(Recorded)) -> Result<(), ReadError> {
        Ok(self.each_donation(each)?)
    }

    fn donation(&self, id: DonationId) -> Result<Option<Box<Recorded>>, ReadError> {
        Ok(self.donation(id)?)
    }
}

/// A campaign's day in one currency.
type Day = (CampaignId, Currency, i32);

/// Count and sum.
type Sum = (u64, i64);

/// No sums are kept here: a movement is a donation that succeeded, and a day's sum is made from its entries. Whether those
/// are all there is what the differences say.
impl AuditedBooks for ScyllaStore {
    fn totals(&self) -> Result<Totals, ReadError> {
        let mut totals = BTreeMap::<Currency, Sum>::new();
        for ((_, currency, _), sum) in moved(self)? {
            add(totals.entry(currency).or_default(), sum);
        }
        let total = |(currency, (count, amount_minor))| Total {
            currency,
            count,
            amount_minor,
        };
        let movements: Vec<_> = totals.into_iter().map(total).collect();
        Ok(Totals {
            campaign_days: movements.clone(),
            movements,
        })
    }

    fn day_differences(&self) -> Result<Vec<DayDifference>, ReadError> {
        // The days second: what succeeds meanwhile is in them, and no difference.
        let moved = moved(self)?;
        let days = self.campaign_days()?.into_iter();
        let days: BTreeMap<Day, Sum> = days
            .map(|it| {
                let sum = (it.count, it.amount_minor);
                ((it.campaign_id, it.currency, it.day), sum)
            })
            .collect();
        let short = moved
            .into_iter()
            .filter_map(|(key, (movements, amount_minor))| {
                let (count, recorded_minor) = days.get(&key).copied().unwrap_or_default();
                let (campaign_id, currency, day) = key;
                let recorded = DayTotal {
                    campaign_id,
                    currency,
                    day,
                    count,
                    amount_minor: recorded_minor,
                };
                (count < movements).then_some(DayDifference {
                    recorded,
                    movements,
                    amount_minor,
                })
            });
        Ok(short.collect())
    }

    fn each_donation(&self, each: &mut dyn FnMut(Recorded)) -> Result<(), ReadError> {
        Ok(self.each_donation(each)?)
    }

    fn donation(&self, id: DonationId) -> Result<Option<Box<Recorded>>, ReadError> {
        Ok(self.donation(id)?)
    }
}

/// The movements of each campaign's day.
fn moved(store: &ScyllaStore) -> Result<BTreeMap<Day, Sum>, ReadError> {
    let mut days = BTreeMap::<Day, Sum>::new();
    store.each_donation(|recorded| {
        if let Some(day) = recorded.finish.as_ref().and_then(|it| it.day()) {
            let request = &recorded.donation.request;
            let amount = request.amount;
            let key = (request.campaign_id.clone(), amount.currency(), day);
            add(
                days.entry(key).or_default(),
                (1, amount.amount_minor().cast_signed()),
            );
        }
    })?;
    Ok(days)
}

fn add(sum: &mut Sum, more: Sum) {
    sum.0 += more.0;
    sum.1 = sum.1.saturating_add(more.1);
}
