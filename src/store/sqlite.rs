//! The store in one SQLite database: rows appended by one writer with group commit, readers beside it, and a
//! projection for reading by user and by campaign.

mod backup;
mod batch;
mod books;
mod campaigns;
mod folder;
mod inbox;
mod keys;
mod known;
mod letters;
mod ops;
mod projector;
mod readers;
mod recent;
mod rows;
mod schema;
mod sighted;
mod statements;
mod tail;
pub(crate) mod telemetry;
mod writer;

use std::path::Path;
use std::sync::Arc;
use std::thread::JoinHandle;

use almoner_actors::ports::{
    AcceptWrite, Accepted, AdvanceWrite, Advanced, Claimed, Cursor, Done, FinishWrite, Finished,
    MarkWrite, Marked, Recorded, RowId, Store, StoreError, Unfinished, WindowEntry,
};
use almoner_domain::campaign::{Campaign, CampaignChange};
use almoner_domain::ids::{CampaignId, DonationId, Shard};
use rusqlite::ErrorCode;
use tokio::sync::watch;

pub use self::backup::{Backup, BackupError, back_up};
pub use self::books::{Books, BooksError, DayDifference, Page, Total, Totals};
use self::folder::{FileId, Folder};
use self::inbox::Inbox;
use self::keys::RecentKeys;
pub use self::letters::LetterLine;
use self::ops::{Call, Op};
use self::projector::Projector;
use self::readers::{Read, Readers, UnfinishedRead};
use self::recent::RecentRead;
pub use self::sighted::{ShardMark, Sighting};
use self::telemetry::Telemetry;
use self::writer::Writer;

/// Why a store cannot be opened.
#[derive(Debug, thiserror::Error)]
pub enum OpenError {
    /// The folder cannot be made or read.
    #[error("the data folder {folder} cannot be used: {error}; check [store] path and who owns it")]
    Folder {
        /// The folder.
        folder: Box<Path>,
        /// What the system said.
        error: std::io::Error,
    },
    /// Another process has it.
    #[error(
        "the data folder {folder} is in use by {}; stop that first, or name another folder",
        pid.map_or_else(|| "another process".into(), |pid| format!("process {pid}"))
    )]
    Locked {
        /// The folder.
        folder: Box<Path>,
        /// Who has it, if it said so.
        pid: Option<u32>,
    },
    /// A newer release wrote it.
    #[error(
        "a newer release has written this database: run that one, or restore a backup from before it"
    )]
    Newer,
    /// The database cannot be brought to this release's schema.
    #[error("the database cannot be migrated: {0}; restore a backup, or report this")]
    Migration(String),
    /// No write-ahead log here.
    #[error("the database does not do write-ahead logging but {mode}: use a local file system")]
    NotWal {
        /// What it does instead.
        mode: String,
    },
    /// No fsync at each commit.
    #[error("the database does not sync its commits: this build of SQLite cannot be used")]
    NotSynchronous,
    /// Somebody else reads for too long.
    #[error("the write-ahead log cannot be copied into the database: close whatever else reads it")]
    CheckpointBlocked,
    /// The database was replaced while it was open.
    #[error("another database was put in this one's place: put the right one back")]
    AnotherStore,
    /// The database was taken away while it was open.
    #[error("the database is not in its place any more: put it back")]
    Missing,
    /// The requests topic has another number of partitions than when the store was first used.
    #[error(
        "the requests topic has {now} partitions, and this store was made for {recorded}: a user's shard follows from \
         the number, so it is fixed; give the topic {recorded} partitions again, or begin with an empty folder"
    )]
    Partitions {
        /// As recorded.
        recorded: u32,
        /// As the broker says.
        now: u32,
    },
    /// Anything else that the engine says.
    #[error("the database cannot be used: {0}")]
    Sqlite(#[from] rusqlite::Error),
}

impl OpenError {
    /// Whether time alone does not cure it, as it does a full disk.
    fn is_lasting(&self) -> bool {
        match self {
            Self::Folder { .. } | Self::Locked { .. } | Self::CheckpointBlocked => false,
            Self::Sqlite(rusqlite::Error::SqliteFailure(failure, _)) => !matches!(
                failure.code,
                ErrorCode::SystemIoFailure
                    | ErrorCode::DiskFull
                    | ErrorCode::CannotOpen
                    | ErrorCode::DatabaseBusy
                    | ErrorCode::DatabaseLocked
                    | ErrorCode::FileLockingProtocolFailed
                    | ErrorCode::OutOfMemory
            ),
            _ => true,
        }
    }
}

/// The [`Store`] on SQLite. Dropping it does what waits, then closes it.
pub struct SqliteStore {
    inbox: Arc<Inbox>,
    readers: Arc<Readers>,
    recent: Arc<RecentKeys>,
    writer: Option<JoinHandle<()>>,
    lost: watch::Receiver<Option<Arc<str>>>,
    _projector: Projector,
    folder: Folder,
}

impl SqliteStore {
    /// Opens the store in this folder, which is made where there is none, and locks it against other processes.
    ///
    /// # Errors
    /// See [`OpenError`]: each says what to do.
    pub fn open(folder: &Path) -> Result<Self, OpenError> {
        let failed = |error| OpenError::Folder {
            folder: folder.into(),
            error,
        };
        let folder = Folder::lock(folder)?;
        let database = folder::database(folder.path());
        let connection = schema::open_writer(&database, true)?;
        let inbox = Arc::new(Inbox::default());
        let readers = Arc::new(Readers::start(&database).map_err(failed)?);
        // Before anybody can ask: the writer's thread reads them once more, in its own time.
        let recent = Arc::<RecentKeys>::default();
        recent.read(&connection)?;
        let identity = schema::identity(&connection)?;
        let projector = Projector::start(folder.path(), identity.clone()).map_err(failed)?;
        let (lose, lost) = watch::channel(None);
        let writer = Writer {
            identity,
            file: FileId::of(&database).map_err(failed)?,
            database,
            lost: lose,
            inbox: Arc::clone(&inbox),
            readers: Arc::clone(&readers),
            recent: Arc::clone(&recent),
            telemetry: Telemetry::new(),
        };
        let thread = std::thread::Builder::new()
            .name("store-writer".into())
            .spawn(move || writer.run(connection))
            .map_err(failed)?;
        Ok(Self {
            inbox,
            readers,
            recent,
            writer: Some(thread),
            lost,
            _projector: projector,
            folder,
        })
    }

    /// The books of this store, for reading: connections of their own.
    ///
    /// # Errors
    /// The engine's.
    pub fn books(&self) -> Result<Books, BooksError> {
        Books::open(self.folder.path())
    }

    /// Holds the store to the number of partitions that it was first used with.
    ///
    /// # Errors
    /// [`OpenError::Partitions`] where it is another one now.
    pub fn hold_to_partitions(&self, now: u32) -> Result<(), OpenError> {
        let connection = rusqlite::Connection::open(folder::database(self.folder.path()))?;
        connection.busy_timeout(std::time::Duration::from_secs(5))?;
        connection.execute(
            "UPDATE store SET partitions = ?1 WHERE partitions IS NULL",
            [now],
        )?;
        let recorded =
            connection.query_row("SELECT partitions FROM store", [], |row| row.get(0))?;
        if recorded == now {
            Ok(())
        } else {
            Err(OpenError::Partitions { recorded, now })
        }
    }

    /// Whether it takes writes: not while it is being opened again after a failed one.
    #[must_use]
    pub fn is_usable(&self) -> bool {
        self.inbox.is_usable()
    }

    /// Ends when the store is beyond opening again, and says why.
    pub async fn lost(&self) -> Arc<str> {
        let mut lost = self.lost.clone();
        if let Ok(why) = lost.wait_for(Option::is_some).await
            && let Some(why) = &*why
        {
            return Arc::clone(why);
        }
        std::future::pending().await // it was closed as it should
    }

    /// An operator says that the log is another one: from now on sources are named with the next generation. Done is
    /// called with it once it is durable.
    pub fn raise_log_generation(&self, done: Done<Result<u32, StoreError>>) {
        self.inbox.push(Op::RaiseLogGeneration(Call::new((), done)));
    }
}

impl Drop for SqliteStore {
    fn drop(&mut self) {
        self.inbox.close();
        join(self.writer.take());
    }
}

/// Waits for threads to end; one that drops its own handle goes on alone.
fn join(threads: impl IntoIterator<Item = JoinHandle<()>>) {
    for thread in threads {
        if thread.thread().id() != std::thread::current().id() && thread.join().is_err() {
            tracing::error!("a thread of the store panicked");
        }
    }
}

impl Store for SqliteStore {
    fn accept(&self, write: AcceptWrite, done: Done<Result<Accepted, StoreError>>) {
        self.inbox.push(Op::Accept(Call::new(write, done)));
    }

    fn advance(&self, write: AdvanceWrite, done: Done<Result<Advanced, StoreError>>) {
        self.inbox
            .push(Op::Advance(Box::new(Call::new(write, done))));
    }

    fn finish(&self, write: FinishWrite, done: Done<Result<Finished, StoreError>>) {
        self.inbox.push(Op::Finish(Call::new(write, done)));
    }

    fn acknowledged(&self, id: DonationId, done: Done<Result<(), StoreError>>) {
        self.inbox.push(Op::Acknowledged(Call::new(id, done)));
    }

    fn load(&self, id: DonationId, done: Done<Result<Option<Box<Recorded>>, StoreError>>) {
        // Looked up before the read begins: then what is not here is in the table.
        let row = self.recent.row(id).map(RowId);
        self.readers.push(Read::Load(id, row, done));
    }

    fn claim(&self, shard: Shard, done: Done<Result<Claimed, StoreError>>) {
        self.inbox.push(Op::Claim(Call::new(shard, done)));
    }

    fn mark(&self, mark: MarkWrite, done: Done<Result<Marked, StoreError>>) {
        self.inbox.push(Op::Mark(Call::new(mark, done)));
    }

    fn recent(
        &self,
        shard: Shard,
        since_stream_ms: i64,
        after: Cursor,
        done: Done<Result<(Vec<WindowEntry>, Option<Cursor>), StoreError>>,
    ) {
        let read = RecentRead {
            shard,
            since_stream_ms,
            after_seq: after.0,
        };
        let read = Read::Recent(read, done);
        self.inbox.push(Op::Locate(Some(read)));
    }

    fn unfinished(
        &self,
        shard: Shard,
        after: Cursor,
        done: Done<Result<(Vec<Unfinished>, Option<Cursor>), StoreError>>,
    ) {
        let read = UnfinishedRead {
            shard,
            after,
            open: Vec::new(),
        };
        let read = Read::Unfinished(read, done);
        self.inbox.push(Op::Locate(Some(read)));
    }

    fn campaign(&self, id: CampaignId, done: Done<Result<Option<Arc<Campaign>>, StoreError>>) {
        match self.readers.campaigns().get(&id) {
            Some(campaign) => done.call(Ok(Some(campaign))),
            None => self.readers.push(Read::Campaign(id, done)),
        }
    }

    fn put_campaign(&self, change: CampaignChange, done: Done<Result<(), StoreError>>) {
        self.inbox
            .push(Op::PutCampaign(Box::new(Call::new(change, done))));
    }
}
