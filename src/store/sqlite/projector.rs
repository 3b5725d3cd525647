//! The projection for reading by user and by campaign: a file of its own, filled by a thread in sorted batches, and
//! built again whenever it is not this store's.

use std::path::{Path, PathBuf};
use std::sync::mpsc::{Receiver, RecvTimeoutError, Sender, channel};
use std::thread::JoinHandle;
use std::time::Duration;

use rusqlite::{Connection, ErrorCode, OptionalExtension};

use super::{folder, schema};

/// Rows of one segment: within a segment rows are sorted by user (or campaign), so that inserts stay near each other
/// however many rows there are, and a reader looks into one segment after the other.
pub(super) const SEGMENT_ROWS: i64 = 100_000;

/// Between two looks for new rows.
const PAUSE: Duration = Duration::from_secs(1);

/// The same after a look that found [`LOAD_ROWS`]: each batch writes nearly every page of its segment, so that one of
/// many rows is as cheap as one of a few.
const LOAD_PAUSE: Duration = Duration::from_secs(4);

const LOAD_ROWS: i64 = 5_000;

/// The most donations of one transaction.
const BATCH_ROWS: i64 = 50_000;

/// Holds a whole segment, so that no page is written twice in a transaction.
const CACHE_KIB: i64 = 16_000;

/// Pages in the write-ahead log after which they are copied into the file: several batches.
const CHECKPOINT_PAGES: i64 = 8_000;

const SCHEMA: &str = "
    CREATE TABLE IF NOT EXISTS projected (only INTEGER PRIMARY KEY CHECK (only = 1), identity BLOB, seq INTEGER);
    CREATE TABLE IF NOT EXISTS by_user (
        segment INTEGER, user_id TEXT, seq INTEGER, PRIMARY KEY (segment, user_id, seq)) WITHOUT ROWID;
    CREATE TABLE IF NOT EXISTS by_campaign (
        segment INTEGER, campaign_id TEXT, seq INTEGER, PRIMARY KEY (segment, campaign_id, seq)) WITHOUT ROWID;
";

/// The projector's thread; dropped, it stops after the batch in hand.
pub(super) struct Projector {
    stop: Option<Sender<()>>,
    thread: Option<JoinHandle<()>>,
}

impl Projector {
    pub(super) fn start(folder: &Path, identity: Vec<u8>) -> std::io::Result<Self> {
        let (stop, stopped) = channel();
        let folder = folder.to_path_buf();
        let thread = std::thread::Builder::new()
            .name("store-projector".into())
            .spawn(move || run(&folder, &identity, &stopped))?;
        Ok(Self {
            stop: Some(stop),
            thread: Some(thread),
        })
    }
}

impl Drop for Projector {
    fn drop(&mut self) {
        self.stop = None;
        super::join(self.thread.take());
    }
}

fn run(folder: &Path, identity: &[u8], stopped: &Receiver<()>) {
    let mut projection = None;
    loop {
        let step = match &mut projection {
            None => open(folder, identity).map(|opened| {
                projection = Some(opened);
                BATCH_ROWS
            }),
            Some((main, history)) => project(main, history),
        };
        let pause = match step {
            Ok(BATCH_ROWS) => Duration::ZERO,
            Ok(LOAD_ROWS..) => LOAD_PAUSE,
            Ok(_) => PAUSE,
            Err(error) => {
                tracing::warn!(%error, "the projection by user and campaign stands still");
                projection = None;
                if is_broken(&error) {
                    remove(folder);
                }
                PAUSE
            }
        };
        if stopped.recv_timeout(pause) != Err(RecvTimeoutError::Timeout) {
            return;
        }
    }
}

/// Opens both files; a projection of another store, or one that is ahead of this store, begins again.
fn open(folder: &Path, identity: &[u8]) -> rusqlite::Result<(Connection, Connection)> {
    let main = schema::open_reader(&folder::database(folder))?;
    let path: PathBuf = folder::projection(folder);
    let history = Connection::open(&path)?;
    history.pragma_update_and_check(None, "journal_mode", "WAL", |_| Ok(()))?;
    history.pragma_update(None, "synchronous", "NORMAL")?;
    history.pragma_update(None, "cache_size", -CACHE_KIB)?;
    history.pragma_update_and_check(None, "wal_autocheckpoint", CHECKPOINT_PAGES, |_| Ok(()))?;
    history.execute_batch(SCHEMA)?;
    let stored: Option<(Vec<u8>, i64)> = history
        .query_row("SELECT identity, seq FROM projected", [], |row| {
            Ok((row.get(0)?, row.get(1)?))
        })
        .optional()?;
    let last: Option<i64> =
        main.query_row("SELECT max(seq) FROM donation", [], |row| row.get(0))?;
    let fits = stored.is_some_and(|(of, seq)| of == identity && seq <= last.unwrap_or(0));
    if !fits {
        history.execute_batch("BEGIN; DELETE FROM by_user; DELETE FROM by_campaign")?;
        history.execute(
            "INSERT OR REPLACE INTO projected VALUES (1, ?1, 0)",
            [identity],
        )?;
        history.execute_batch("COMMIT")?;
    }
    Ok((main, history))
}

/// Whether the file must be made anew (the main file, only read here, would say the same: then nothing is lost).
fn is_broken(error: &rusqlite::Error) -> bool {
    matches!(
        error.sqlite_error_code(),
        Some(ErrorCode::DatabaseCorrupt | ErrorCode::NotADatabase)
    )
}

fn remove(folder: &Path) {
    let path = folder::projection(folder);
    for suffix in ["", "-wal", "-shm"] {
        let mut file = path.clone().into_os_string();
        file.push(suffix);
        match std::fs::remove_file(&file) {
            Err(error) if error.kind() != std::io::ErrorKind::NotFound => {
                tracing::warn!(%error, ?file, "the broken projection cannot be removed");
            }
            _ => {}
        }
    }
}

/// Projects the next rows, and says how many.
fn project(main: &Connection, history: &mut Connection) -> rusqlite::Result<i64> {
    let from: i64 = history.query_row("SELECT seq FROM projected", [], |row| row.get(0))?;
    let mut users: Vec<Entry> = Vec::new();
    let mut campaigns: Vec<Entry> = Vec::new();
    let mut statement = main.prepare_cached(
        "SELECT seq, user_id, campaign_id FROM donation WHERE seq > ?1 ORDER BY seq LIMIT ?2",
    )?;
    let mut rows = statement.query([from, BATCH_ROWS])?;
    while let Some(row) = rows.next()? {
        let seq: i64 = row.get(0)?;
        users.push((seq / SEGMENT_ROWS, row.get(1)?, seq));
        campaigns.push((seq / SEGMENT_ROWS, row.get(2)?, seq));
    }
    drop(rows);
    let Some(last) = users.last().map(|entry| entry.2) else {
        return Ok(0);
    };
    let transaction = history.transaction()?;
    insert(
        &transaction,
        "INSERT INTO by_user VALUES (?1, ?2, ?3)",
        &mut users,
    )?;
    insert(
        &transaction,
        "INSERT INTO by_campaign VALUES (?1, ?2, ?3)",
        &mut campaigns,
    )?;
    transaction.execute("UPDATE projected SET seq = ?1", [last])?;
    transaction.commit()?;
    Ok(users.len() as i64)
}

/// Segment, user or campaign, row.
type Entry = (i64, Box<str>, i64);

fn insert(history: &Connection, sql: &str, entries: &mut [Entry]) -> rusqlite::Result<()> {
    let mut statement = history.prepare_cached(sql)?;
    entries.sort_unstable();
    for (segment, name, seq) in entries {
        statement.execute((*segment, &**name, *seq))?;
    }
    Ok(())
}

/// Up to which row the projection of this store is complete.
pub(super) fn projected_to(history: &Connection, identity: &[u8]) -> rusqlite::Result<i64> {
    let found = history
        .prepare_cached("SELECT seq FROM projected WHERE identity = ?1")?
        .query_row([identity], |row| row.get(0))
        .optional()?;
    Ok(found.unwrap_or(0))
}
