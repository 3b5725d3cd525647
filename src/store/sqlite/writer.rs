//! The one writer: a thread that takes what waits, commits it as one transaction with one fsync, and answers. When a
//! write or an fsync fails it answers so, takes nothing more, and opens the database again; until that fails too often
//! for a reason that time does not cure.

use std::io::ErrorKind;
use std::path::PathBuf;
use std::sync::Arc;
use std::time::Duration;

use almoner_actors::guard::{Crashes, Policy};
use almoner_actors::ports::StoreError;
use rusqlite::{Connection, ErrorCode};
use tokio::sync::watch;
use tokio::time::Instant;

use super::OpenError;
use super::batch::Batch;
use super::folder::FileId;
use super::inbox::{Inbox, LastBatch};
use super::keys::RecentKeys;
use super::known::Known;
use super::ops::Op;
use super::readers::{PAGE_ROWS, Read, Readers};
use super::schema;
use super::statements::Statements;
use super::telemetry::Telemetry;

/// Between two tries to open the database again: it doubles from the first to the second.
const REOPEN_MS: (u64, u64) = (50, 5_000);

/// See the file's head.
pub(super) struct Writer {
    pub(super) database: PathBuf,
    /// Which store this is: another one in its place is not opened.
    pub(super) identity: Vec<u8>,
    pub(super) file: FileId,
    pub(super) inbox: Arc<Inbox>,
    pub(super) readers: Arc<Readers>,
    pub(super) recent: Arc<RecentKeys>,
    pub(super) telemetry: Telemetry,
    /// Told why once the store is beyond opening again.
    pub(super) lost: watch::Sender<Option<Arc<str>>>,
}

/// Why a connection is given up.
enum End {
    Closed,
    Failed(rusqlite::Error),
}

impl Writer {
    /// Serves the inbox until it is closed, or the store is lost.
    pub(super) fn run(self, connection: Connection) {
        let _abandon = Abandon {
            inbox: Arc::clone(&self.inbox),
            lost: self.lost.clone(),
        };
        if let Err(error) = self.keep_open(connection) {
            self.lost.send_replace(Some(error.to_string().into()));
        }
    }

    fn keep_open(&self, mut connection: Connection) -> Result<(), OpenError> {
        let (mut pause_ms, mut crashes) = (REOPEN_MS.0, Crashes::default());
        loop {
            let mut has_committed = false;
            let End::Failed(error) = self.serve(&connection, &mut has_committed) else {
                return Ok(());
            };
            let reason: Arc<str> = error.to_string().into();
            tracing::error!(%reason, "the store is poisoned: it takes nothing until it is open again");
            self.telemetry.poisoned(true);
            self.inbox.refuse(&reason);
            drop(connection);
            if has_committed {
                pause_ms = REOPEN_MS.0;
            }
            bear(error.into(), &mut crashes)?;
            let Some(reopened) = self.reopen(&mut pause_ms, &mut crashes)? else {
                return Ok(());
            };
            connection = reopened;
            self.readers.campaigns().forget_all();
            self.telemetry.poisoned(false);
            self.inbox.admit();
            tracing::info!("the store is open again");
        }
    }

    /// Opens the database until that succeeds; none once the store is closed.
    fn reopen(
        &self,
        pause_ms: &mut u64,
        crashes: &mut Crashes,
    ) -> Result<Option<Connection>, OpenError> {
        loop {
            if self.inbox.wait_closed(Duration::from_millis(*pause_ms)) {
                return Ok(None);
            }
            *pause_ms = (*pause_ms * 2).min(REOPEN_MS.1);
            match self.open_same() {
                Ok(connection) => return Ok(Some(connection)),
                Err(error) => {
                    tracing::warn!(%error, "the store cannot be opened again yet");
                    bear(error, crashes)?;
                }
            }
        }
    }

    /// Another file is not touched: opening it would copy this one's write-ahead log into it.
    fn open_same(&self) -> Result<Connection, OpenError> {
        match FileId::of(&self.database) {
            Ok(file) if file == self.file => {}
            Ok(_) => return Err(OpenError::AnotherStore),
            Err(error) if error.kind() == ErrorKind::NotFound => return Err(OpenError::Missing),
            Err(error) => {
                return Err(OpenError::Folder {
                    folder: self.database.as_path().into(),
                    error,
                });
            }
        }
        let connection = schema::open_writer(&self.database, false)?;
        if schema::identity(&connection)? == self.identity {
            Ok(connection)
        } else {
            Err(OpenError::AnotherStore)
        }
    }

    fn serve(&self, connection: &Connection, has_committed: &mut bool) -> End {
        let prepared = Statements::prepare(connection).and_then(|statements| {
            Ok((
                statements,
                Known::load(connection, Arc::clone(&self.recent))?,
            ))
        });
        let (mut statements, mut known) = match prepared {
            Ok(prepared) => prepared,
            Err(error) => return End::Failed(error),
        };
        let mut ops = Vec::new();
        let mut last = LastBatch {
            began: Instant::now(),
            held: 0,
        };
        while self.inbox.take(last, &mut ops) {
            last = LastBatch {
                began: Instant::now(),
                held: ops.len(),
            };
            let committed = commit(connection, &mut statements, &mut known, &mut ops);
            if let Err(error) = committed {
                let reason: Arc<str> = error.to_string().into();
                for op in ops.drain(..) {
                    op.fail(StoreError::Poisoned(Arc::clone(&reason)));
                }
                return End::Failed(error);
            }
            *has_committed |= ops.iter().any(Op::writes);
            self.telemetry.committed(ops.len(), last.began.elapsed());
            for op in ops.drain(..) {
                match op {
                    Op::Locate(Some(read)) => self.readers.push(located(read, &known)),
                    Op::PutCampaign(call) => {
                        self.readers.campaigns().forget(call.write.campaign_id());
                        Op::PutCampaign(call).reply();
                    }
                    op => op.reply(),
                }
            }
        }
        let _ = known.tail.write(connection, true); // what it saves the next start is all that it is for
        End::Closed
    }
}

/// Tells a read where to begin.
fn located(mut read: Read, known: &Known) -> Read {
    match &mut read {
        Read::Recent(recent, _) => {
            let first = known
                .tail
                .first_seq_since(recent.shard, recent.since_stream_ms);
            recent.after_seq = recent.after_seq.max(first.saturating_sub(1));
        }
        Read::Unfinished(unfinished, _) => {
            let after = unfinished.after;
            if after.0 == i64::MIN || after == Default::default() {
                unfinished.open = known.tail.open_of(unfinished.shard, after.1, PAGE_ROWS);
            }
        }
        Read::Load(..) | Read::Campaign(..) => {}
    }
    read
}

/// Makes a batch durable. A call that the engine refuses is undone and answered alone; any other error is the batch's.
fn commit<'c>(
    connection: &'c Connection,
    statements: &mut Statements<'c>,
    known: &mut Known,
    ops: &mut [Op],
) -> rusqlite::Result<()> {
    if !ops.iter().any(Op::writes) {
        return Ok(());
    }
    let mut batch = Batch {
        connection,
        statements,
        known,
        days: Default::default(),
    };
    connection.execute_batch("BEGIN IMMEDIATE")?;
    match apply_together(&mut batch, ops) {
        Ok(()) => {}
        Err(error) if is_of_one_call(&error) => {
            connection.execute_batch("ROLLBACK; BEGIN IMMEDIATE")?;
            batch.days.clear();
            *batch.known = Known::load(connection, batch.known.keys.recent())?;
            apply_apart(&mut batch, ops)?;
        }
        Err(error) => return Err(error),
    }
    let known = batch.known;
    known.tail.write(connection, false)?;
    known
        .keys
        .fold(connection, batch.statements, known.tail.next_seq())?;
    connection.execute_batch("COMMIT")?;
    known.keys.committed();
    Ok(())
}

fn apply_together(batch: &mut Batch<'_, '_>, ops: &mut [Op]) -> rusqlite::Result<()> {
    for op in ops {
        batch.apply(op)?;
    }
    batch.flush_days()
}

/// The same with a savepoint for each call, so that one that fails takes no other with it.
fn apply_apart(batch: &mut Batch<'_, '_>, ops: &mut [Op]) -> rusqlite::Result<()> {
    for op in ops {
        batch.connection.execute_batch("SAVEPOINT one")?;
        match batch.apply(op).and_then(|()| batch.flush_days()) {
            Ok(()) => batch.connection.execute_batch("RELEASE one")?,
            Err(error) if is_of_one_call(&error) => {
                batch
                    .connection
                    .execute_batch("ROLLBACK TO one; RELEASE one")?;
                batch.days.clear();
                *batch.known = Known::load(batch.connection, batch.known.keys.recent())?;
                op.set_error(StoreError::Impossible(error.to_string().into()));
            }
            Err(error) => return Err(error),
        }
    }
    Ok(())
}

/// Whether an error is about the values of one call, rather than about the database.
fn is_of_one_call(error: &rusqlite::Error) -> bool {
    match error {
        rusqlite::Error::SqliteFailure(failure, _) => matches!(
            failure.code,
            ErrorCode::ConstraintViolation
                | ErrorCode::TooBig
                | ErrorCode::TypeMismatch
                | ErrorCode::ParameterOutOfRange
        ),
        _ => true,
    }
}

/// Counts what time does not cure. Too much of that is the end.
fn bear(error: OpenError, crashes: &mut Crashes) -> Result<(), OpenError> {
    let is_borne = !error.is_lasting() || crashes.note(&Policy::SERVICE, Instant::now()).is_some();
    if is_borne { Ok(()) } else { Err(error) }
}

/// However the writer ends, nobody waits for it for ever.
struct Abandon {
    inbox: Arc<Inbox>,
    lost: watch::Sender<Option<Arc<str>>>,
}

impl Drop for Abandon {
    fn drop(&mut self) {
        self.inbox.abandon();
        if std::thread::panicking() {
            self.lost.send_replace(Some("its writer panicked".into()));
        }
    }
}

#[cfg(test)]
mod tests {
    use almoner_actors::ports::Done;
    use almoner_domain::campaign::{Campaign, CampaignChange, Status as CampaignStatus};
    use almoner_domain::ids::CampaignId;
    use almoner_domain::money::Currency;

    use super::super::ops::Call;
    use super::*;

    fn campaign(n: usize) -> Op {
        let campaign = Campaign {
            campaign_id: CampaignId::parse(&format!("campaign-{n}")).unwrap(),
            version: 1,
            status: CampaignStatus::Open,
            currency: Currency::from_code("EUR").unwrap(),
            creator_account: "acct_1".into(),
            amount_minor_min: None,
            amount_minor_max: None,
            title: "x".repeat(3000).into(),
        };
        let write = CampaignChange::Described(campaign);
        Op::PutCampaign(Box::new(Call::new(write, Done::new(|_| {}))))
    }

    #[test]
    fn a_full_disk_is_the_databases_error_not_one_calls() {
        let folder = tempfile::tempdir().unwrap();
        let connection = schema::open_writer(&folder.path().join("db"), true).unwrap();
        connection
            .pragma_update_and_check(None, "max_page_count", 60, |_| Ok(()))
            .unwrap();
        let mut statements = Statements::prepare(&connection).unwrap();
        let mut known = Known::load(&connection, Arc::default()).unwrap();
        let full = (0..200).find_map(|n| {
            commit(&connection, &mut statements, &mut known, &mut [campaign(n)]).err()
        });
        let full = full.expect("the database grew beyond its limit");
        assert_eq!(full.sqlite_error_code(), Some(ErrorCode::DiskFull));
        assert!(!is_of_one_call(&full));
    }
}
