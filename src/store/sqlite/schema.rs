//! Opening the database: pragmas that are checked, not hoped for, and migrations.

use std::path::Path;
use std::time::Duration;

use rusqlite::{Connection, OpenFlags};
use rusqlite_migration::{Error as MigrationError, M, MigrationDefinitionError, Migrations};

use super::OpenError;

/// How long a connection waits for another one's lock: readers for a checkpoint, the writer for a person's shell.
const BUSY: Duration = Duration::from_secs(5);

/// Pages in the write-ahead log after which the writer copies them into the database: 32 MB.
const CHECKPOINT_PAGES: i64 = 8000;

/// The writer's page cache. What it writes to is near the end of each table; a larger one costs at each commit that has
/// split a page, since SQLite then looks through all of it.
const WRITER_CACHE_KIB: i64 = 16_000;

/// A reader's page cache: whatever the writer commits empties it.
const READER_CACHE_KIB: i64 = 4_000;

/// Opens the writer's connection and makes sure that nothing in the write-ahead log is left that only looks durable:
/// after a failed fsync the page cache shows what the disk may not have.
///
/// # Errors
/// Where the file is not to be had, is newer than this release, or does not do write-ahead logging here.
pub(super) fn open_writer(path: &Path, create: bool) -> Result<Connection, OpenError> {
    let mut flags = OpenFlags::SQLITE_OPEN_READ_WRITE | OpenFlags::SQLITE_OPEN_NO_MUTEX;
    if create {
        flags |= OpenFlags::SQLITE_OPEN_CREATE;
    }
    let mut connection = Connection::open_with_flags(path, flags)?;
    connection.busy_timeout(BUSY)?;
    connection.set_prepared_statement_cache_capacity(64);
    let mode: String =
        connection.pragma_update_and_check(None, "journal_mode", "WAL", |row| row.get(0))?;
    if !mode.eq_ignore_ascii_case("wal") {
        return Err(OpenError::NotWal { mode });
    }
    connection.pragma_update(None, "synchronous", "FULL")?;
    connection.pragma_update_and_check(None, "wal_autocheckpoint", CHECKPOINT_PAGES, |_| Ok(()))?;
    connection.pragma_update(None, "cache_size", -WRITER_CACHE_KIB)?;
    connection.pragma_update(None, "temp_store", "MEMORY")?;
    let synchronous: i64 = connection.pragma_query_value(None, "synchronous", |row| row.get(0))?;
    if synchronous != 2 {
        return Err(OpenError::NotSynchronous);
    }
    migrate(&mut connection)?;
    checkpoint(&connection)?;
    Ok(connection)
}

/// Opens a connection that only reads.
///
/// # Errors
/// Where the file is not to be had.
pub(super) fn open_reader(path: &Path) -> rusqlite::Result<Connection> {
    let flags = OpenFlags::SQLITE_OPEN_READ_ONLY | OpenFlags::SQLITE_OPEN_NO_MUTEX;
    let connection = Connection::open_with_flags(path, flags)?;
    connection.busy_timeout(BUSY)?;
    connection.pragma_update(None, "query_only", true)?;
    connection.pragma_update(None, "cache_size", -READER_CACHE_KIB)?;
    Ok(connection)
}

fn migrate(connection: &mut Connection) -> Result<(), OpenError> {
    let migrations = Migrations::new(vec![
        M::up(include_str!("schema.sql")),
        M::up(include_str!("sighted.sql")),
        M::up(include_str!("dead_letter.sql")),
        M::up(include_str!("keyed.sql")),
        M::up(include_str!("shard_offset.sql")),
        M::up(include_str!("send_epoch.sql")),
    ]);
    migrations
        .to_latest(connection)
        .map_err(|error| match error {
            MigrationError::MigrationDefinition(MigrationDefinitionError::DatabaseTooFarAhead) => {
                OpenError::Newer
            }
            MigrationError::RusqliteError { err, .. } => OpenError::Sqlite(err),
            other => OpenError::Migration(other.to_string()),
        })
}

/// Copies the whole write-ahead log into the database and syncs that.
fn checkpoint(connection: &Connection) -> Result<(), OpenError> {
    let busy: i64 =
        connection.query_row("PRAGMA wal_checkpoint(TRUNCATE)", [], |row| row.get(0))?;
    if busy == 0 {
        Ok(())
    } else {
        Err(OpenError::CheckpointBlocked)
    }
}

/// Which store this is.
pub(super) fn identity(connection: &Connection) -> rusqlite::Result<Vec<u8>> {
    connection.query_row("SELECT identity FROM store", [], |row| row.get(0))
}
