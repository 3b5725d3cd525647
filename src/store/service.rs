//! The store that the configuration names, whichever engine it is.

use std::ops::Range;
use std::sync::Arc;
use std::time::Duration;

use almoner_actors::ports::{
    AcceptWrite, Accepted, AdvanceWrite, Advanced, Claimed, Cursor, Done, FinishWrite, Finished,
    KeptLetter, Letters, MarkWrite, Marked, Recorded, Store, StoreError, Unfinished, WindowEntry,
};
use almoner_domain::campaign::{Campaign, CampaignChange};
use almoner_domain::ids::{CampaignId, DonationId, Shard};
use tokio::runtime::Handle;

use super::scylla::{self, ScyllaOptions, ScyllaStore, Tls};
use super::sqlite::{self, Books, BooksError, ShardMark, Sighting, SqliteStore};
use crate::config::{self, Retries, StoreKind};

/// See the file's head.
pub enum ServiceStore {
    /// One instance.
    Sqlite(SqliteStore),
    /// Any number of instances.
    Scylla(ScyllaStore),
}

/// Why the store cannot be opened.
#[derive(Debug, thiserror::Error)]
pub enum OpenError {
    /// SQLite's reasons.
    #[error(transparent)]
    Sqlite(#[from] sqlite::OpenError),
    /// ScyllaDB's reasons.
    #[error(transparent)]
    Scylla(#[from] scylla::OpenError),
}

/// Why the store cannot be read beside the actors.
#[derive(Debug, thiserror::Error)]
pub enum ReadError {
    /// SQLite's reasons.
    #[error(transparent)]
    Sqlite(#[from] BooksError),
    /// ScyllaDB's reasons.
    #[error("the store cannot be read: {0}")]
    Scylla(#[from] StoreError),
}

/// The configuration's words for ScyllaDB, as the store takes them.
#[must_use]
pub fn scylla_options(config: &config::Scylla) -> ScyllaOptions {
    let contact_points = config.contact_points.split(',');
    let ca_file = config.ca_file.as_ref().map(Into::into);
    let username = config.username.clone();
    ScyllaOptions {
        contact_points: contact_points.map(|it| it.trim().to_owned()).collect(),
        local_datacenter: config.local_datacenter.clone(),
        keyspace: config.keyspace.clone(),
        replication_factor: config.replication_factor,
        credentials: username.map(|it| (it, config.password.to_secret_string())),
        tls: config.tls.then_some(Tls { ca_file }),
        request_timeout: Duration::from_millis(config.request_timeout_ms.into()),
        retries: config.retries == Retries::Careful,
        speculative_after: (config.speculative_read_after_ms > 0)
            .then(|| Duration::from_millis(config.speculative_read_after_ms.into())),
        in_flight_max: config.in_flight_max as usize,
    }
}

impl ServiceStore {
    /// Opens it. Blocks; never call it on a runtime's thread.
    ///
    /// # Errors
    /// See [`OpenError`]: each says what to do.
    pub fn open(config: &config::Store, io: &Handle) -> Result<Self, OpenError> {
        Ok(match config.kind {
            StoreKind::Sqlite => Self::Sqlite(SqliteStore::open(&config.path)?),
            StoreKind::Scylla => {
                let options = scylla_options(&config.scylla);
                Self::Scylla(ScyllaStore::open(&options, io.clone())?)
            }
        })
    }

    fn port(&self) -> &dyn Store {
        match self {
            Self::Sqlite(store) => store,
            Self::Scylla(store) => store,
        }
    }

    /// Whether it takes writes, as far as is known.
    #[must_use]
    pub fn is_usable(&self) -> bool {
        match self {
            Self::Sqlite(store) => store.is_usable(),
            Self::Scylla(store) => store.is_usable(),
        }
    }

    /// Ends when the store is lost for good, and says why. A cluster never is: it may answer again.
    pub async fn lost(&self) -> Arc<str> {
        match self {
            Self::Sqlite(store) => store.lost().await,
            Self::Scylla(_) => std::future::pending().await,
        }
    }

    /// Holds the store to the number of partitions that it was first used with. Blocks.
    ///
    /// # Errors
    /// That it is another one now, or the store's.
    pub fn hold_to_partitions(&self, now: u32) -> Result<(), OpenError> {
        match self {
            Self::Sqlite(store) => Ok(store.hold_to_partitions(now)?),
            Self::Scylla(store) => Ok(store.hold_to_partitions(now)?),
        }
    }

    /// The marks of the shards that were ever owned. Blocks.
    ///
    /// # Errors
    /// The store's.
    pub fn marks(&self) -> Result<Vec<ShardMark>, ReadError> {
        match self {
            Self::Sqlite(store) => Ok(store.marks()?),
            Self::Scylla(store) => Ok(store.marks()?),
        }
    }

    /// The books, for reading: of SQLite alone.
    ///
    /// # Errors
    /// The store's, or that it is another one.
    pub fn books(&self) -> Result<Books, ReadError> {
        match self {
            Self::Sqlite(store) => Ok(store.books()?),
            Self::Scylla(_) => {
                let why = "a cluster's books are not read in this version";
                Err(StoreError::Impossible(why.into()).into())
            }
        }
    }

    /// An operator says that the log is another one: from now on sources are named with the next generation.
    pub fn raise_log_generation(&self, done: Done<Result<u32, StoreError>>) {
        match self {
            Self::Sqlite(store) => store.raise_log_generation(done),
            Self::Scylla(store) => store.raise_log_generation(done),
        }
    }

    /// What was finished and not told of requests that the log has lost is told by the next owner: in SQLite alone. Done
    /// is called with how many there are.
    pub fn tell_lost(&self, shard: Shard, lost: Range<i64>, done: Done<Result<u64, StoreError>>) {
        match self {
            Self::Sqlite(store) => store.tell_lost(shard, lost, done),
            Self::Scylla(_) => {
                tracing::warn!(%shard, "what was finished of the lost requests is not told: ask for it by id");
                done.call(Ok(0));
            }
        }
    }

    /// Brings in what the gateway's list shows: in SQLite alone.
    pub fn put_sightings(&self, sightings: Vec<Sighting>, done: Done<Result<(), StoreError>>) {
        match self {
            Self::Sqlite(store) => store.put_sightings(sightings, done),
            Self::Scylla(_) => done.call(Err(StoreError::Impossible(
                "--after-restore is for SQLite; restore a cluster to a moment after the last commit".into(),
            ))),
        }
    }
}

impl Store for ServiceStore {
    fn accept(&self, write: AcceptWrite, done: Done<Result<Accepted, StoreError>>) {
        self.port().accept(write, done);
    }

    fn advance(&self, write: AdvanceWrite, done: Done<Result<Advanced, StoreError>>) {
        self.port().advance(write, done);
    }

    fn finish(&self, write: FinishWrite, done: Done<Result<Finished, StoreError>>) {
        self.port().finish(write, done);
    }

    fn acknowledged(&self, id: DonationId, done: Done<Result<(), StoreError>>) {
        self.port().acknowledged(id, done);
    }

    fn load(&self, id: DonationId, done: Done<Result<Option<Box<Recorded>>, StoreError>>) {
        self.port().load(id, done);
    }

    fn claim(&self, shard: Shard, done: Done<Result<Claimed, StoreError>>) {
        self.port().claim(shard, done);
    }

    fn mark(&self, mark: MarkWrite, done: Done<Result<Marked, StoreError>>) {
        self.port().mark(mark, done);
    }

    fn recent(
        &self,
        shard: Shard,
        since_stream_ms: i64,
        after: Cursor,
        done: Done<Result<(Vec<WindowEntry>, Option<Cursor>), StoreError>>,
    ) {
        self.port().recent(shard, since_stream_ms, after, done);
    }

    fn unfinished(
        &self,
        shard: Shard,
        after: Cursor,
        done: Done<Result<(Vec<Unfinished>, Option<Cursor>), StoreError>>,
    ) {
        self.port().unfinished(shard, after, done);
    }

    fn campaign(&self, id: CampaignId, done: Done<Result<Option<Arc<Campaign>>, StoreError>>) {
        self.port().campaign(id, done);
    }

    fn put_campaign(&self, change: CampaignChange, done: Done<Result<(), StoreError>>) {
        self.port().put_campaign(change, done);
    }
}

impl Letters for ServiceStore {
    fn keep_letter(&self, letter: KeptLetter, done: Done<Result<(), StoreError>>) {
        match self {
            Self::Sqlite(store) => store.keep_letter(letter, done),
            Self::Scylla(store) => store.keep_letter(letter, done),
        }
    }
}
