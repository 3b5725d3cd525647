//! Rows → what was recorded. Every reader uses the same query, so that all of them see a donation in the same way.

use std::fmt::Display;
use std::sync::Arc;

use almoner_actors::ports::{Finish, Pending, Recorded, RowId};
use almoner_domain::campaign::Campaign;
use almoner_domain::donation::{Donation, Ending, Progress, Trace};
use almoner_domain::ids::{CampaignId, DonationId, Place, Shard, UserId};
use almoner_domain::money::{Currency, Money};
use almoner_domain::outcome::Told;
use almoner_domain::request::DonationRequest;
use rusqlite::types::{FromSql, Type, ValueRef};
use rusqlite::{Connection, OptionalExtension, Params, Row};
use serde::Serialize;
use serde::de::DeserializeOwned;

use crate::store::codes::Code;

/// The columns of a donation, in the order in which [`donation`] reads them: the first 19.
macro_rules! donation_columns {
    () => {
        "d.seq, d.shard, d.recorded_at_ms, d.id, d.user_id, d.campaign_id, d.amount_minor, d.currency, \
         d.payment_method, d.gateway_customer, d.body_version, d.accepted_at_ms, d.topic, d.\"partition\", \
         d.\"offset\", d.traceparent, d.correlation_id, d.information, d.shard_offset"
    };
}
pub(super) use donation_columns;

/// All that is recorded, but for the events; what follows `WHERE` is the caller's.
macro_rules! recorded {
    ($where:literal) => {
        concat!(
            "SELECT ",
            donation_columns!(),
            ", p.version, p.due_ms, p.kind, p.progress, \
             h.topic, h.\"partition\", h.\"offset\", \
             EXISTS (SELECT 1 FROM event WHERE event.seq = d.seq), \
             f.state, f.reason, f.decline_code, f.intent_id, f.charge_id, f.created_s, f.at_ms, f.attempts, \
             f.event_n \
             FROM donation d LEFT JOIN pending p ON p.seq = d.seq LEFT JOIN finish f ON f.seq = d.seq \
             LEFT JOIN hold_answer h ON h.seq = d.seq WHERE ",
            $where
        )
    };
}

/// The recorded donation whose key is in its table.
pub(super) fn by_key(
    connection: &Connection,
    id: DonationId,
) -> rusqlite::Result<Option<Box<Recorded>>> {
    one(
        connection,
        recorded!("d.seq = (SELECT seq FROM donation_key WHERE id = ?1)"),
        [&id.0[..]],
    )
}

/// The recorded donation with this id, which costs some milliseconds where its key is not in the table yet.
pub(super) fn by_id(
    connection: &Connection,
    id: DonationId,
) -> rusqlite::Result<Option<Box<Recorded>>> {
    one(
        connection,
        recorded!(
            "d.seq = coalesce((SELECT seq FROM donation_key WHERE id = ?1), \
             (SELECT n.seq FROM donation n WHERE n.seq >= (SELECT keyed_below FROM store) AND n.id = ?1))"
        ),
        [&id.0[..]],
    )
}

/// The recorded donation of this row.
pub(super) fn by_row(
    connection: &Connection,
    row: RowId,
) -> rusqlite::Result<Option<Box<Recorded>>> {
    one(connection, recorded!("d.seq = ?1"), [row.0])
}

/// Up to `count` recorded donations after this row.
pub(super) fn after_row(
    connection: &Connection,
    row: RowId,
    count: i64,
) -> rusqlite::Result<Vec<Recorded>> {
    let mut statement =
        connection.prepare_cached(recorded!("d.seq > ?1 ORDER BY d.seq LIMIT ?2"))?;
    let rows = statement.query_map([row.0, count], |row| read(connection, row))?;
    rows.collect()
}

fn one(
    connection: &Connection,
    sql: &str,
    params: impl Params,
) -> rusqlite::Result<Option<Box<Recorded>>> {
    connection
        .prepare_cached(sql)?
        .query_row(params, |row| read(connection, row).map(Box::new))
        .optional()
}

fn read(connection: &Connection, row: &Row<'_>) -> rusqlite::Result<Recorded> {
    let id = RowId(row.get(0)?);
    let has_events: bool = row.get(26)?;
    Ok(Recorded {
        row: id,
        donation: Arc::new(donation(row)?),
        shard: Shard(row.get(1)?),
        pending: pending(row)?,
        finish: finish(row)?,
        told: if has_events {
            told(connection, id)?
        } else {
            Vec::new()
        },
        answered_by: optional_place(row, 23)?,
    })
}

/// The donation in a row that begins with `donation_columns!()`.
pub(super) fn donation(row: &Row<'_>) -> rusqlite::Result<Donation> {
    let currency = parsed(row, 7, Currency::from_code)?;
    let amount_minor = u64::try_from(row.get::<_, i64>(6)?).unwrap_or(0);
    let traceparent: Option<Box<str>> = row.get(15)?;
    let correlation_id: Option<Box<str>> = row.get(16)?;
    let trace = (traceparent.is_some() || correlation_id.is_some()).then(|| {
        Arc::new(Trace {
            traceparent,
            correlation_id,
        })
    });
    let place = place(row, 12)?;
    let shard_offset: Option<i64> = row.get(18)?;
    Ok(Donation {
        request: DonationRequest {
            id: DonationId(row.get(3)?),
            user_id: parsed(row, 4, UserId::parse)?,
            campaign_id: parsed(row, 5, CampaignId::parse)?,
            amount: Money::new(amount_minor, currency)
                .ok_or_else(|| unreadable(6, "not an amount"))?,
            payment_method: row.get(8)?,
            gateway_customer: row.get(9)?,
            information: optional_blob(row, 17)?,
        },
        shard_offset: shard_offset.unwrap_or(place.offset),
        place,
        recorded_at_ms: row.get(2)?,
        accepted_at_ms: row.get(11)?,
        body_version: row.get(10)?,
        trace,
    })
}

fn pending(row: &Row<'_>) -> rusqlite::Result<Option<(Pending, Progress)>> {
    if row.get_ref(19)?.data_type() == Type::Null {
        return Ok(None);
    }
    let pending = Pending {
        version: counter(row, 19)?,
        due_ms: row.get(20)?,
        kind: code(row, 21)?,
    };
    Ok(Some((pending, blob(row.get_ref(22)?.as_blob()?, 22)?)))
}

fn finish(row: &Row<'_>) -> rusqlite::Result<Option<Finish>> {
    if row.get_ref(27)?.data_type() == Type::Null {
        return Ok(None);
    }
    Ok(Some(Finish {
        ending: Ending {
            state: code(row, 27)?,
            reason: optional_code(row, 28)?,
            decline_code: row.get(29)?,
            intent_id: row.get(30)?,
            charge_id: row.get(31)?,
            created_s: row.get(32)?,
            attempts: row.get(34)?,
        },
        at_ms: row.get(33)?,
        sequence: row.get(35)?,
    }))
}

/// The place in three columns: topic, partition, offset.
pub(super) fn place(row: &Row<'_>, first: usize) -> rusqlite::Result<Place> {
    let offset = row.get(first + 2)?;
    if offset < 0 {
        // No consumer could read an outcome that names it.
        return Err(unreadable(first + 2, "not an offset"));
    }
    Ok(Place {
        topic: row.get(first)?,
        partition: row.get(first + 1)?,
        offset,
    })
}

fn optional_place(row: &Row<'_>, first: usize) -> rusqlite::Result<Option<Place>> {
    match row.get_ref(first)? {
        ValueRef::Null => Ok(None),
        _ => place(row, first).map(Some),
    }
}

fn told(connection: &Connection, row: RowId) -> rusqlite::Result<Vec<Told>> {
    let mut statement =
        connection.prepare_cached("SELECT told FROM event WHERE seq = ?1 ORDER BY n")?;
    let rows = statement.query_map([row.0], |row| blob(row.get_ref(0)?.as_blob()?, 0))?;
    rows.collect()
}

/// The campaign, if it is known.
pub(super) fn campaign(
    connection: &Connection,
    id: &CampaignId,
) -> rusqlite::Result<Option<Campaign>> {
    let mut statement = connection.prepare_cached(
        "SELECT version, status, currency, creator_account, amount_minor_min, amount_minor_max, title \
         FROM campaign WHERE campaign_id = ?1",
    )?;
    let read = |row: &Row<'_>| {
        Ok(Campaign {
            campaign_id: id.clone(),
            version: row.get::<_, i64>(0)?.cast_unsigned(),
            status: code(row, 1)?,
            currency: parsed(row, 2, Currency::from_code)?,
            creator_account: row.get(3)?,
            amount_minor_min: row.get::<_, Option<i64>>(4)?.map(i64::cast_unsigned),
            amount_minor_max: row.get::<_, Option<i64>>(5)?.map(i64::cast_unsigned),
            title: row.get(6)?,
        })
    };
    statement.query_row([id.as_str()], read).optional()
}

/// The value of a code in a column.
pub(super) fn code<T: Code>(row: &Row<'_>, column: usize) -> rusqlite::Result<T> {
    optional_code(row, column)?.ok_or_else(|| unreadable(column, "no value"))
}

/// The value of a code in a column that may be null.
pub(super) fn optional_code<T: Code>(row: &Row<'_>, column: usize) -> rusqlite::Result<Option<T>> {
    let Some(code) = row.get::<_, Option<i64>>(column)? else {
        return Ok(None);
    };
    match T::of(code) {
        Some(value) => Ok(Some(value)),
        None => Err(unreadable(column, "a code of a newer release")),
    }
}

/// A number that is counted on from. Beyond half of what its type holds, nobody has counted: it is damaged.
pub(super) fn counter<T: TryFrom<i64>>(row: &Row<'_>, column: usize) -> rusqlite::Result<T> {
    let count: i64 = row.get(column)?;
    let has_room = count >= 0
        && count
            .checked_mul(2)
            .is_some_and(|it| T::try_from(it).is_ok());
    let count = if has_room {
        T::try_from(count).ok()
    } else {
        None
    };
    count.ok_or_else(|| unreadable(column, "no number that anything was counted to"))
}

/// The value that a column's text spells.
pub(super) fn parsed<T>(
    row: &Row<'_>,
    column: usize,
    parse: impl FnOnce(&str) -> Option<T>,
) -> rusqlite::Result<T> {
    let text = row.get_ref(column)?.as_str()?;
    parse(text).ok_or_else(|| unreadable(column, "not what its name says"))
}

fn optional_blob<T: DeserializeOwned>(row: &Row<'_>, column: usize) -> rusqlite::Result<Option<T>> {
    match row.get_ref(column)?.as_blob_or_null()? {
        Some(bytes) => blob(bytes, column).map(Some),
        None => Ok(None),
    }
}

/// MessagePack, named maps → a value.
pub(super) fn blob<T: DeserializeOwned>(bytes: &[u8], column: usize) -> rusqlite::Result<T> {
    rmp_serde::from_slice(bytes).map_err(|error| unreadable(column, error))
}

/// A value → MessagePack, named maps.
pub(super) fn to_blob(value: &impl Serialize) -> rusqlite::Result<Vec<u8>> {
    rmp_serde::to_vec_named(value)
        .map_err(|error| rusqlite::Error::ToSqlConversionFailure(Box::new(error)))
}

pub(super) fn unreadable(column: usize, why: impl Display) -> rusqlite::Error {
    rusqlite::Error::FromSqlConversionFailure(column, Type::Null, why.to_string().into())
}

/// The one column of one row, if there is one.
pub(super) fn scalar<T: FromSql>(
    connection: &Connection,
    sql: &str,
    params: impl Params,
) -> rusqlite::Result<Option<T>> {
    connection
        .prepare_cached(sql)?
        .query_row(params, |row| row.get(0))
        .optional()
}
