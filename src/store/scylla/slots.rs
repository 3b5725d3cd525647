//! Where a shard's donations are listed: by the hour in which they arrived or are due, and in each hour by slots, so that
//! no partition grows large. A row of `shard_hour` says that an hour has something.

use almoner_actors::ports::StoreError;
use almoner_domain::ids::Shard;

use super::core::Core;

const HOUR_MS: i64 = 3_600_000;

/// The lists of a shard.
#[derive(Clone, Copy, PartialEq, Eq, Hash, Debug)]
pub(super) enum Series {
    /// By stream time, each donation once: a peak of a hundred times the mean still gives a minute 60,000 rows.
    Arrivals,
    /// By due time, while a donation is pending.
    Pending,
}

impl Series {
    fn code(self) -> i32 {
        match self {
            Self::Arrivals => 1,
            Self::Pending => 2,
        }
    }

    /// How many slots an hour has.
    pub(super) fn slots(self) -> i32 {
        match self {
            Self::Arrivals => 60,
            Self::Pending => 12,
        }
    }

    /// Where this time belongs.
    pub(super) fn slot_of(self, at_ms: i64) -> Slot {
        let in_hour_ms = at_ms.rem_euclid(HOUR_MS);
        Slot {
            hour: hour_of(at_ms),
            slot: (in_hour_ms * i64::from(self.slots()) / HOUR_MS) as i32,
        }
    }
}

/// A partition of a list.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Debug)]
pub(super) struct Slot {
    pub(super) hour: i32,
    pub(super) slot: i32,
}

/// Hours since 1970.
pub(super) fn hour_of(at_ms: i64) -> i32 {
    let hour = at_ms.div_euclid(HOUR_MS);
    hour.clamp(i32::MIN.into(), i32::MAX.into()) as i32
}

impl Core {
    /// Sees to it that the hour is listed before anything in it is.
    pub(super) async fn list_hour(
        &self,
        shard: Shard,
        series: Series,
        hour: i32,
    ) -> Result<(), StoreError> {
        if self.has_hour(shard.0, series, hour) {
            return Ok(());
        }
        let values = (shard.0.cast_signed(), series.code(), hour);
        let new_hour = &self.db.statements.new_hour;
        self.db.upsert(new_hour, values).await?;
        self.remember_hour(shard.0, series, hour);
        Ok(())
    }

    /// The hours that have something, from this one on.
    pub(super) async fn hours(
        &self,
        shard: Shard,
        series: Series,
        from_hour: i32,
    ) -> Result<Vec<i32>, StoreError> {
        let values = (shard.0.cast_signed(), series.code(), from_hour);
        let hours = self.db.read::<(i32,)>(&self.db.statements.hours, values);
        Ok(hours.await?.into_iter().map(|row| row.0).collect())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn check(series: Series, at_ms: i64, hour: i32, slot: i32) {
        assert_eq!(series.slot_of(at_ms), Slot { hour, slot }, "{at_ms}");
    }

    #[test]
    fn every_time_has_its_slot() {
        check(Series::Arrivals, 0, 0, 0);
        check(Series::Arrivals, HOUR_MS - 1, 0, 59);
        check(Series::Arrivals, HOUR_MS + 60_000, 1, 1);
        check(Series::Pending, HOUR_MS - 1, 0, 11);
        check(Series::Pending, -1, -1, 11);
        check(Series::Pending, i64::MAX, i32::MAX, 2);
    }
}
