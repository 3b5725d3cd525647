//! Reading for people and for the audit: by user, by campaign, sums, every donation. It works beside a running service
//! as well as without one.

use std::path::Path;

use almoner_actors::ports::{DayTotal, Recorded, RowId};
use almoner_domain::ids::{CampaignId, DonationId, UserId};
use almoner_domain::money::Currency;
use rusqlite::{Connection, Params, Row};

use super::projector::{SEGMENT_ROWS, projected_to};
use super::{folder, rows, schema};

/// Donations read at once by [`Books::each_donation`]: a read that lasts would keep the write-ahead log from shrinking.
const CHUNK_ROWS: i64 = 1000;

/// Why the books cannot be read.
#[derive(Debug, thiserror::Error)]
#[error("the books cannot be read: {0}")]
pub struct BooksError(#[from] rusqlite::Error);

/// Connections of one's own to the books of a data folder. Its calls block: keep them off the actors' threads.
pub struct Books {
    pub(super) main: Connection,
    /// The projection; none as long as there is none to be read.
    history: Option<Connection>,
    identity: Vec<u8>,
}

/// Some donations, the newest first.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct Page {
    /// The donations.
    pub donations: Vec<Recorded>,
    /// Where the next page begins, if there is more.
    pub next: Option<RowId>,
    /// Of all donations up to this row none is missing.
    pub complete_to: RowId,
}

/// A count and a sum in one currency.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct Total {
    /// The currency.
    pub currency: Currency,
    /// How many charges.
    pub count: u64,
    /// Their sum.
    pub amount_minor: i64,
}

/// What the books hold in all, by currency, counted in both ways.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct Totals {
    /// The sums of the movements.
    pub movements: Vec<Total>,
    /// The sums of the campaigns' days.
    pub campaign_days: Vec<Total>,
}

/// A campaign's day whose sum is not that of its movements.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct DayDifference {
    /// What the day says; count and sum are 0 where it is missing.
    pub recorded: DayTotal,
    /// How many movements there are.
    pub movements: u64,
    /// Their sum.
    pub amount_minor: i64,
}

/// A kind of name by which donations are found.
struct By {
    in_tail: &'static str,
    in_segment: &'static str,
    /// The last segment of all up to one.
    segment: &'static str,
}

const BY_USER: By = By {
    in_tail: "SELECT seq FROM donation WHERE seq > ?1 AND seq < ?2 AND user_id = ?3 ORDER BY seq DESC LIMIT ?4",
    in_segment: "SELECT seq FROM by_user WHERE segment = ?1 AND user_id = ?3 AND seq < ?2 ORDER BY seq DESC LIMIT ?4",
    segment: "SELECT max(segment) FROM by_user WHERE segment <= ?1",
};

const BY_CAMPAIGN: By = By {
    in_tail: "SELECT seq FROM donation WHERE seq > ?1 AND seq < ?2 AND campaign_id = ?3 ORDER BY seq DESC LIMIT ?4",
    in_segment: "SELECT seq FROM by_campaign WHERE segment = ?1 AND campaign_id = ?3 AND seq < ?2 \
                 ORDER BY seq DESC LIMIT ?4",
    segment: "SELECT max(segment) FROM by_campaign WHERE segment <= ?1",
};

impl Books {
    /// Opens the books in a data folder, for reading alone.
    ///
    /// # Errors
    /// Where there are none.
    pub fn open(folder: &Path) -> Result<Self, BooksError> {
        let main = schema::open_reader(&folder::database(folder))?;
        let identity = schema::identity(&main)?;
        // A projection that is missing, half made or broken costs time, not answers: its thread makes it anew.
        let history = schema::open_reader(&folder::projection(folder))
            .ok()
            .filter(|history| projected_to(history, &identity).is_ok());
        Ok(Self {
            main,
            history,
            identity,
        })
    }

    /// A user's donations, from the newest, or from before `before`.
    ///
    /// # Errors
    /// The engine's.
    pub fn by_user(
        &self,
        user_id: &UserId,
        before: Option<RowId>,
        count: usize,
    ) -> Result<Page, BooksError> {
        self.page(&BY_USER, user_id.as_str(), before, count)
    }

    /// A campaign's donations, from the newest, or from before `before`.
    ///
    /// # Errors
    /// The engine's.
    pub fn by_campaign(
        &self,
        campaign_id: &CampaignId,
        before: Option<RowId>,
        count: usize,
    ) -> Result<Page, BooksError> {
        self.page(&BY_CAMPAIGN, campaign_id.as_str(), before, count)
    }

    fn page(
        &self,
        by: &By,
        name: &str,
        before: Option<RowId>,
        count: usize,
    ) -> Result<Page, BooksError> {
        // The projection is asked first: what is projected later is then found in the tail.
        let projected = match &self.history {
            Some(history) => projected_to(history, &self.identity)?,
            None => 0,
        };
        let last = rows::scalar(&self.main, "SELECT max(seq) FROM donation", [])?;
        let last: i64 = last.flatten().unwrap_or(0);
        let end = last.saturating_add(1);
        let before = before.map_or(end, |row| row.0.min(end));
        let mut found = Vec::new();
        collect(
            &self.main,
            by.in_tail,
            (projected, before, name, count as i64),
            &mut found,
        )?;
        if let Some(history) = &self.history {
            let before = before.min(projected.saturating_add(1));
            let mut up_to = before / SEGMENT_ROWS;
            while found.len() < count
                && let Some(segment) =
                    rows::scalar::<Option<i64>>(history, by.segment, [up_to])?.flatten()
            {
                up_to = segment.saturating_sub(1);
                let room = (count - found.len()) as i64;
                collect(
                    history,
                    by.in_segment,
                    (segment, before, name, room),
                    &mut found,
                )?;
            }
        }
        let mut donations = Vec::with_capacity(found.len());
        for seq in &found {
            donations.extend(rows::by_row(&self.main, RowId(*seq))?.map(|recorded| *recorded));
        }
        Ok(Page {
            next: found
                .last()
                .filter(|_| found.len() >= count)
                .map(|seq| RowId(*seq)),
            donations,
            complete_to: RowId(last),
        })
    }

    /// The sums of a campaign's days, or of all campaigns'.
    ///
    /// # Errors
    /// The engine's.
    pub fn campaign_days(
        &self,
        campaign_id: Option<&CampaignId>,
    ) -> Result<Vec<DayTotal>, BooksError> {
        let mut statement = self.main.prepare_cached(
            "SELECT campaign_id, currency, day, count, amount_minor FROM campaign_day \
             WHERE ?1 IS NULL OR campaign_id = ?1 ORDER BY campaign_id, currency, day",
        )?;
        let days = statement.query_map([campaign_id.map(CampaignId::as_str)], day_total)?;
        Ok(days.collect::<rusqlite::Result<_>>()?)
    }

    /// What the books hold in all.
    ///
    /// # Errors
    /// The engine's; a sum over 2^63 is one.
    pub fn totals(&self) -> Result<Totals, BooksError> {
        let read = self.main.unchecked_transaction()?; // both sums are of one moment
        Ok(Totals {
            movements: totals(
                &read,
                "SELECT currency, count(*), sum(amount_minor) FROM finish WHERE debit IS NOT NULL \
                 GROUP BY currency ORDER BY currency",
            )?,
            campaign_days: totals(
                &read,
                "SELECT currency, sum(count), sum(amount_minor) FROM campaign_day \
                 GROUP BY currency ORDER BY currency",
            )?,
        })
    }

    /// Every campaign's day whose sum, computed anew from the movements, is another one than recorded.
    ///
    /// # Errors
    /// The engine's.
    pub fn day_differences(&self) -> Result<Vec<DayDifference>, BooksError> {
        let mut statement = self.main.prepare_cached(
            "WITH moved AS (SELECT campaign_id, f.currency, f.day, count(*) AS count, \
               sum(f.amount_minor) AS amount_minor FROM finish f JOIN donation USING (seq) \
               WHERE f.debit IS NOT NULL GROUP BY 1, 2, 3) \
             SELECT campaign_id, currency, day, coalesce(r.count, 0), coalesce(r.amount_minor, 0), \
               coalesce(m.count, 0), coalesce(m.amount_minor, 0) \
             FROM campaign_day r FULL JOIN moved m USING (campaign_id, currency, day) \
             WHERE r.count IS NOT m.count OR r.amount_minor IS NOT m.amount_minor ORDER BY 1, 2, 3",
        )?;
        let differences = statement.query_map([], |row| {
            Ok(DayDifference {
                recorded: day_total(row)?,
                movements: row.get::<_, i64>(5)?.cast_unsigned(),
                amount_minor: row.get(6)?,
            })
        })?;
        Ok(differences.collect::<rusqlite::Result<_>>()?)
    }

    /// The donation with this id, as it is now.
    ///
    /// # Errors
    /// The engine's.
    pub fn donation(&self, id: DonationId) -> Result<Option<Box<Recorded>>, BooksError> {
        Ok(rows::by_id(&self.main, id)?)
    }

    /// Calls `each` with every donation in the order of acceptance, each as it is at its own moment.
    ///
    /// # Errors
    /// The engine's.
    pub fn each_donation(&self, mut each: impl FnMut(Recorded)) -> Result<(), BooksError> {
        let mut after = RowId(0);
        loop {
            let chunk = rows::after_row(&self.main, after, CHUNK_ROWS)?;
            let Some(last) = chunk.last() else {
                return Ok(());
            };
            after = last.row;
            chunk.into_iter().for_each(&mut each);
        }
    }
}

fn collect(
    connection: &Connection,
    sql: &str,
    params: impl Params,
    found: &mut Vec<i64>,
) -> rusqlite::Result<()> {
    let mut statement = connection.prepare_cached(sql)?;
    for seq in statement.query_map(params, |row| row.get(0))? {
        found.push(seq?);
    }
    Ok(())
}

fn day_total(row: &Row<'_>) -> rusqlite::Result<DayTotal> {
    Ok(DayTotal {
        campaign_id: rows::parsed(row, 0, CampaignId::parse)?,
        currency: rows::parsed(row, 1, Currency::from_code)?,
        day: row.get(2)?,
        count: row.get::<_, i64>(3)?.cast_unsigned(),
        amount_minor: row.get(4)?,
    })
}

fn totals(connection: &Connection, sql: &str) -> rusqlite::Result<Vec<Total>> {
    let mut statement = connection.prepare_cached(sql)?;
    let totals = statement.query_map([], |row| {
        Ok(Total {
            currency: rows::parsed(row, 0, Currency::from_code)?,
            count: row.get::<_, i64>(1)?.cast_unsigned(),
            amount_minor: row.get(2)?,
        })
    })?;
    totals.collect()
}
