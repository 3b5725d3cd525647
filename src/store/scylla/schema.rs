//! The tables, and how they come to be: numbered files of CQL, each applied once, by one `almoner migrate` at a time.
//!
//! | table | partition | expected partition | written | read |
//! |---|---|---|---|---|
//! | `donation` | the donation's id | one row, 1–4 KB | conditionally alone (LWT) | local quorum; local serial where an answer follows |
//! | `shard` | the shard | one row | conditionally alone | local serial |
//! | `installation` | the value's name | one row | conditionally alone | local serial |
//! | `campaign` | the campaign | one row | conditionally alone | local quorum |
//! | `campaign_day` | campaign, currency, day | one row | conditionally, once | local quorum |
//! | `campaign_day_entry` | campaign, currency, day, bucket | 1/64 of a day's charges: 16,000 rows of a million | upsert, local quorum | local quorum |
//! | `shard_hour` | shard, series | 8,760 rows a year | upsert, local quorum | local quorum |
//! | `arrival` | shard, hour, minute | 60 s of a shard: 600 rows at 463/s on 48 shards | upsert, local quorum | local quorum |
//! | `pending` | shard, due hour, five minutes | what is due then: some thousand rows | upsert, then one delete, local quorum | local quorum |
//! | `donation_by_user` | user, month | the user's donations of a month | upsert, local quorum | local quorum |
//! | `kept_letter`, `kept_letter_part` | the letter's place | one row; parts of 256 KiB | upserts; the row conditionally, last | local quorum |
//! | `schema_version` | its one name | one row | conditionally alone | local serial |
//!
//! The truth is in `donation`, `shard`, `campaign` and `campaign_day`. The others can be made anew from it: each of their
//! rows names a donation and what it was then, and a row that the donation's own contradicts is not counted.

use std::time::Duration;

use scylla::client::session::Session;
use scylla::errors::{DbError, ExecutionError, RequestAttemptError};
use scylla::statement::unprepared::Statement;
use scylla::statement::{Consistency, SerialConsistency};
use scylla::value::Row;
use tokio::time::{Instant, sleep};

use super::OpenError;
use super::db::is_applied;
use super::shards::TRIES;

/// One file of CQL, for each of the two servers.
struct Step {
    scylla: &'static str,
    cassandra: &'static str,
}

/// What makes version n of the schema out of version n − 1; the first is version 1.
const STEPS: &[Step] = &[Step {
    scylla: include_str!("../../../config/schema/scylla/0001_donations.cql"),
    cassandra: include_str!("../../../config/schema/cassandra/0001_donations.cql"),
}];

/// The tables with conditional writes: the first such write to a table makes another one on the server, which takes a
/// moment, so that it is made here.
const WARM: &[&str] = &[
    "DELETE FROM donation WHERE id = 00000000-0000-0000-0000-000000000000 IF EXISTS",
    "DELETE FROM shard WHERE shard = -1 IF EXISTS",
    "DELETE FROM installation WHERE name = '-' IF EXISTS",
    "DELETE FROM campaign WHERE campaign_id = '-' IF EXISTS",
    "DELETE FROM campaign_day WHERE campaign_id = '-' AND currency = '-' AND day = 0 IF EXISTS",
    "DELETE FROM kept_letter WHERE topic = '-' AND partition = -1 AND record_offset = -1 AND sha256 = 0x00 IF EXISTS",
];

/// How long another `migrate` may take before this one gives up; also how long one that died keeps others waiting.
const LOCK_S: u64 = 120;
const LOCK_POLL: Duration = Duration::from_millis(500);

/// The version that this release reads and writes.
#[must_use]
pub(super) fn wanted() -> i32 {
    STEPS.len() as i32
}

/// Holds the keyspace in use to this release's version.
///
/// # Errors
/// [`OpenError::Older`] or [`OpenError::Newer`].
pub(super) async fn check(session: &Session) -> Result<(), OpenError> {
    match version(session).await? {
        found if found == wanted() => Ok(()),
        found if found < wanted() => Err(OpenError::Older {
            found,
            wanted: wanted(),
        }),
        found => Err(OpenError::Newer {
            found,
            wanted: wanted(),
        }),
    }
}

/// Brings the keyspace in use to this release's version, and says from which one. Done before, it changes nothing; done
/// twice at once, one waits for the other.
///
/// # Errors
/// The server's; that the schema is newer; that another one holds the lock for too long.
pub(super) async fn migrate(session: &Session) -> Result<i32, OpenError> {
    run(
        session,
        "CREATE TABLE IF NOT EXISTS schema_version (name text PRIMARY KEY, version int, holder bigint)",
    )
    .await?;
    let holder = super::db::random();
    lock(session, holder).await?;
    let migrated = apply(session).await;
    let unlock = format!("DELETE FROM schema_version WHERE name = 'lock' IF holder = {holder}");
    conditional(session, &unlock).await?;
    migrated
}

async fn apply(session: &Session) -> Result<i32, OpenError> {
    let found = version(session).await?;
    if found > wanted() {
        return Err(OpenError::Newer {
            found,
            wanted: wanted(),
        });
    }
    let is_scylla = is_scylla(session).await?;
    for (step, number) in STEPS.iter().zip(1..).filter(|(_, number)| *number > found) {
        let text = if is_scylla {
            step.scylla
        } else {
            step.cassandra
        };
        for statement in statements(text) {
            run(session, &statement).await?;
        }
        let record = match number {
            1 => "INSERT INTO schema_version (name, version) VALUES ('schema', 1) IF NOT EXISTS"
                .to_owned(),
            _ => format!(
                "UPDATE schema_version SET version = {number} WHERE name = 'schema' IF version = {}",
                number - 1
            ),
        };
        conditional(session, &record).await?;
    }
    for statement in WARM {
        conditional(session, statement).await?;
    }
    Ok(found)
}

/// One at a time. A lock whose holder died goes by itself.
async fn lock(session: &Session, holder: i64) -> Result<(), OpenError> {
    let lock = format!(
        "INSERT INTO schema_version (name, holder) VALUES ('lock', {holder}) IF NOT EXISTS USING TTL {LOCK_S}"
    );
    let until = Instant::now() + Duration::from_secs(LOCK_S + 10);
    while !conditional(session, &lock).await? && !is_held_by(session, holder).await? {
        if Instant::now() > until {
            return Err(OpenError::Locked);
        }
        sleep(LOCK_POLL).await;
    }
    Ok(())
}

/// Whether the lock is ours after all: the answer that said so may be lost.
async fn is_held_by(session: &Session, holder: i64) -> Result<bool, OpenError> {
    let held = rows::<(Option<i64>,)>(
        session,
        "SELECT holder FROM schema_version WHERE name = 'lock'",
    );
    Ok(held.await?.first().and_then(|row| row.0) == Some(holder))
}

/// 0 where nothing was ever migrated.
async fn version(session: &Session) -> Result<i32, OpenError> {
    let keyspace = session.get_keyspace().unwrap_or_default();
    let found = rows::<(String,)>(
        session,
        &format!(
            "SELECT table_name FROM system_schema.tables WHERE keyspace_name = '{keyspace}' \
             AND table_name = 'schema_version'"
        ),
    )
    .await?;
    if found.is_empty() {
        return Ok(0);
    }
    let found = rows::<(i32,)>(
        session,
        "SELECT version FROM schema_version WHERE name = 'schema'",
    )
    .await?;
    Ok(found.first().map_or(0, |row| row.0))
}

/// ScyllaDB takes options that Cassandra refuses, and the other way round.
async fn is_scylla(session: &Session) -> Result<bool, OpenError> {
    let found = rows::<(String,)>(
        session,
        "SELECT table_name FROM system_schema.tables WHERE keyspace_name = 'system' \
         AND table_name = 'scylla_local'",
    )
    .await?;
    Ok(!found.is_empty())
}

/// The statements of a file, without its comments.
fn statements(text: &str) -> Vec<String> {
    let lines: Vec<_> = text
        .lines()
        .filter(|line| !line.trim_start().starts_with("--"))
        .collect();
    let statements = lines.join("\n");
    let statements = statements.split(';').map(str::trim);
    statements
        .filter(|it| !it.is_empty())
        .map(str::to_owned)
        .collect()
}

pub(super) async fn run(session: &Session, text: &str) -> Result<(), ExecutionError> {
    let mut statement = Statement::new(text);
    // Making a table takes about a second, and more on a busy server.
    statement.set_request_timeout(Some(Duration::from_secs(60)));
    session.query_unpaged(statement, ()).await?;
    Ok(())
}

/// A conditional write. All of them here can be repeated: a busy server that gave up on one gets it again.
async fn conditional(session: &Session, text: &str) -> Result<bool, OpenError> {
    let mut tries = TRIES;
    let result = loop {
        let mut statement = Statement::new(text);
        statement.set_serial_consistency(Some(SerialConsistency::LocalSerial));
        statement.set_request_timeout(Some(Duration::from_secs(60)));
        match session.query_unpaged(statement, ()).await {
            Ok(result) => break result,
            Err(ExecutionError::LastAttemptError(RequestAttemptError::DbError(
                DbError::WriteTimeout { .. } | DbError::ReadTimeout { .. },
                _,
            ))) if tries > 1 => tries -= 1,
            Err(error) => return Err(error.into()),
        }
    };
    is_applied(result).map_err(|error| OpenError::Server(error.to_string()))
}

async fn rows<R>(session: &Session, text: &str) -> Result<Vec<R>, OpenError>
where
    R: for<'f, 'm> scylla::deserialize::row::DeserializeRow<'f, 'm>,
{
    let mut statement = Statement::new(text);
    let is_ours = !text.contains("system_schema");
    statement.set_consistency(if is_ours {
        Consistency::LocalSerial
    } else {
        Consistency::LocalOne
    });
    let result = session.query_unpaged(statement, ()).await?;
    let unreadable = |error: &dyn std::fmt::Display| OpenError::Server(error.to_string());
    let rows = result
        .into_rows_result()
        .map_err(|error| unreadable(&error))?;
    let rows = rows.rows::<R>().map_err(|error| unreadable(&error))?;
    rows.map(|row| row.map_err(|error| unreadable(&error)))
        .collect()
}

/// A row of any columns.
pub(super) type AnyRow = Row;

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn both_servers_get_the_same_tables() {
        for step in STEPS {
            let [scylla, cassandra] = [step.scylla, step.cassandra].map(statements);
            assert!(scylla.len() > 5);
            let plain = |text: &String| {
                text.replace("IncrementalCompactionStrategy", "UnifiedCompactionStrategy")
            };
            assert_eq!(scylla.iter().map(plain).collect::<Vec<_>>(), cassandra);
            assert!(cassandra.iter().all(|it| it.contains("IF NOT EXISTS")));
        }
    }
}
