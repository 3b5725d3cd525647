//! The store on ScyllaDB or Apache Cassandra, for any number of instances: the truth in rows that are changed by
//! conditional writes alone, and lists beside them that can be made anew from it.

mod books;
mod campaigns;
mod connect;
mod core;
mod days;
mod db;
mod donations;
mod lanes;
mod letters;
mod lists;
mod pending;
mod rebuild;
mod rows;
mod schema;
mod shards;
mod slots;
mod statements;
pub(crate) mod telemetry;

use std::future::Future;
use std::sync::{Arc, mpsc};

use almoner_actors::ports::{
    AcceptWrite, Accepted, AdvanceWrite, Advanced, Claimed, Cursor, DayTotal, Done, Dropped,
    FinishWrite, Finished, KeptLetter, Letters, MarkWrite, Marked, Recorded, Store, StoreError,
    Unfinished, WindowEntry,
};
use almoner_domain::campaign::{Campaign, CampaignChange};
use almoner_domain::ids::{CampaignId, DonationId, Shard, UserId};
use scylla::response::PagingState;
use tokio::runtime::Handle;

pub use self::connect::{OpenError, ScyllaOptions, Tls};
use self::core::Core;
use self::db::Db;
pub use self::db::RoundTrips;
use self::lanes::{Key, Lanes};
use self::statements::Statements;
use crate::store::sqlite::ShardMark;

/// The [`Store`] on CQL. Its calls run on the I/O runtime whose handle it was given.
pub struct ScyllaStore {
    core: Arc<Core>,
    lanes: Arc<Lanes>,
    io: Handle,
}

/// Makes the keyspace, if need be, and brings its schema to this release's version; says from which one, 0 for none.
/// Blocks; never call it on a runtime's thread.
///
/// # Errors
/// See [`OpenError`].
pub fn migrate(options: &ScyllaOptions, io: &Handle) -> Result<i32, OpenError> {
    io.block_on(async {
        let session = connect::connect(options).await?;
        schema::run(&session, &connect::new_keyspace(options)).await?;
        connect::use_keyspace(&session, &options.keyspace).await?;
        schema::migrate(&session).await
    })
}

/// The version of the schema that this release reads and writes.
#[must_use]
pub fn schema_version() -> i32 {
    schema::wanted()
}

impl ScyllaStore {
    /// Opens the store in a keyspace that was migrated. Blocks; never call it on a runtime's thread.
    ///
    /// # Errors
    /// See [`OpenError`]: each says what to do.
    pub fn open(options: &ScyllaOptions, io: Handle) -> Result<Self, OpenError> {
        let db = io.block_on(async {
            let session = connect::connect(options).await?;
            connect::use_keyspace(&session, &options.keyspace).await?;
            schema::check(&session).await?;
            let reading = connect::reading(options);
            let statements =
                Statements::prepare(&session, options.request_timeout, &reading).await?;
            Ok::<_, OpenError>(Db::new(session, statements, options.in_flight_max))
        })?;
        Ok(Self {
            core: Arc::new(Core::new(db)),
            lanes: Arc::new(Lanes::new(io.clone())),
            io,
        })
    }

    /// Whether the cluster answered when it was last asked.
    #[must_use]
    pub fn is_usable(&self) -> bool {
        self.core.db.is_usable()
    }

    /// How many requests were sent to the cluster.
    #[must_use]
    pub fn round_trips(&self) -> RoundTrips {
        self.core.db.round_trips()
    }

    /// Holds the store to the number of partitions that it was first used with. Blocks.
    ///
    /// # Errors
    /// [`OpenError::Partitions`] where it is another one now.
    pub fn hold_to_partitions(&self, now: u32) -> Result<(), OpenError> {
        let core = Arc::clone(&self.core);
        let recorded = self.wait(async move { core.partitions(now).await })?;
        if recorded == now {
            Ok(())
        } else {
            Err(OpenError::Partitions { recorded, now })
        }
    }

    /// The marks of the shards that were ever owned. Blocks.
    ///
    /// # Errors
    /// The store's.
    pub fn marks(&self) -> Result<Vec<ShardMark>, StoreError> {
        let core = Arc::clone(&self.core);
        self.wait(async move { core.marks().await })
    }

    /// An operator says that the log is another one: from now on sources are named with the next generation. Done is
    /// called with it once it is durable.
    pub fn raise_log_generation(&self, done: Done<Result<u32, StoreError>>) {
        let core = Arc::clone(&self.core);
        self.push(Key::Installation, done, async move {
            core.raise_log_generation().await
        });
    }

    /// The sums of all campaigns' days, made from the charges one by one. Blocks.
    ///
    /// # Errors
    /// The store's; a sum over 2^63 is one.
    pub fn campaign_days(&self) -> Result<Vec<DayTotal>, StoreError> {
        let core = Arc::clone(&self.core);
        self.wait(async move { core.day_totals().await })
    }

    /// Gives `each` every donation, each as it is at its own moment, in no order. Blocks.
    ///
    /// # Errors
    /// The store's.
    pub fn each_donation(&self, mut each: impl FnMut(Recorded)) -> Result<(), StoreError> {
        let mut after = Some(PagingState::start());
        while let Some(page) = after {
            let core = Arc::clone(&self.core);
            let (rows, next) = self.wait(async move { core.donation_page(page).await })?;
            for row in rows {
                each(*row.recorded()?);
            }
            after = next;
        }
        Ok(())
    }

    /// A user's donations that were recorded before this moment (milliseconds since 1970), the newest first. Blocks.
    ///
    /// # Errors
    /// The store's.
    pub fn by_user(
        &self,
        user_id: &UserId,
        before_ms: i64,
        count: usize,
    ) -> Result<Vec<Recorded>, StoreError> {
        let (core, user_id) = (Arc::clone(&self.core), user_id.clone());
        self.wait(async move { core.by_user(&user_id, before_ms, count).await })
    }

    /// The kept dead letters, the oldest first. Blocks.
    ///
    /// # Errors
    /// The store's.
    pub fn letters(&self) -> Result<Vec<KeptLetter>, StoreError> {
        let core = Arc::clone(&self.core);
        self.wait(async move { core.letters().await })
    }

    /// All that is recorded of a donation. Blocks.
    ///
    /// # Errors
    /// The store's.
    pub fn donation(&self, id: DonationId) -> Result<Option<Box<Recorded>>, StoreError> {
        let core = Arc::clone(&self.core);
        self.wait(async move { core.load(id).await })
    }

    /// Makes anew what donations are found by: after the cluster lost what it had not written yet. It can be repeated, and
    /// done beside a running service. Says how many donations there are. Blocks.
    ///
    /// # Errors
    /// The store's.
    pub fn rebuild(&self) -> Result<u64, StoreError> {
        let core = Arc::clone(&self.core);
        self.wait(async move { core.rebuild().await })
    }

    /// Does the work on the I/O runtime, and waits for it with this thread, whatever runs on it.
    fn wait<T: Send + 'static>(
        &self,
        work: impl Future<Output = Result<T, StoreError>> + Send + 'static,
    ) -> Result<T, StoreError> {
        let (sender, answer) = mpsc::channel();
        self.io.spawn(async move {
            // The receiver waits below.
            let _ = sender.send(work.await);
        });
        answer.recv().unwrap_or(Err(StoreError::Stopped))
    }

    fn push<T>(
        &self,
        key: Key,
        done: Done<Result<T, StoreError>>,
        work: impl Future<Output = Result<T, StoreError>> + Send + 'static,
    ) where
        T: Send + 'static,
        Result<T, StoreError>: Dropped,
    {
        self.lanes.push(key, done, work);
    }

    /// Reads once all that was called before is done, so that one's own writes are seen.
    fn read<T>(
        &self,
        done: Done<Result<T, StoreError>>,
        read: impl Future<Output = Result<T, StoreError>> + Send + 'static,
    ) where
        T: Send + 'static,
        Result<T, StoreError>: Dropped,
    {
        let lanes = Arc::clone(&self.lanes);
        let before = lanes.next();
        self.io.spawn(async move {
            lanes.settled_before(before).await;
            done.call(read.await);
        });
    }
}

impl Store for ScyllaStore {
    fn accept(&self, write: AcceptWrite, done: Done<Result<Accepted, StoreError>>) {
        let core = Arc::clone(&self.core);
        let key = Key::Donation(write.donation.request.id);
        self.push(key, done, async move { core.accept(&write).await });
    }

    fn advance(&self, write: AdvanceWrite, done: Done<Result<Advanced, StoreError>>) {
        let core = Arc::clone(&self.core);
        let key = Key::Donation(write.id);
        self.push(key, done, async move { core.advance(&write).await });
    }

    fn finish(&self, write: FinishWrite, done: Done<Result<Finished, StoreError>>) {
        let core = Arc::clone(&self.core);
        let key = Key::Donation(write.donation.request.id);
        self.push(key, done, async move { core.finish(&write).await });
    }

    fn acknowledged(&self, id: DonationId, done: Done<Result<(), StoreError>>) {
        let core = Arc::clone(&self.core);
        let work = async move { core.acknowledged(id).await };
        self.push(Key::Donation(id), done, work);
    }

    fn load(&self, id: DonationId, done: Done<Result<Option<Box<Recorded>>, StoreError>>) {
        let core = Arc::clone(&self.core);
        self.push(Key::Donation(id), done, async move { core.load(id).await });
    }

    fn claim(&self, shard: Shard, done: Done<Result<Claimed, StoreError>>) {
        let core = Arc::clone(&self.core);
        self.push(
            Key::Shard(shard),
            done,
            async move { core.claim(shard).await },
        );
    }

    fn mark(&self, mark: MarkWrite, done: Done<Result<Marked, StoreError>>) {
        let core = Arc::clone(&self.core);
        let work = async move { core.mark(mark).await };
        self.push(Key::Shard(mark.shard), done, work);
    }

    fn recent(
        &self,
        shard: Shard,
        since_stream_ms: i64,
        after: Cursor,
        done: Done<Result<(Vec<WindowEntry>, Option<Cursor>), StoreError>>,
    ) {
        let core = Arc::clone(&self.core);
        self.read(done, async move {
            core.recent(shard, since_stream_ms, after).await
        });
    }

    fn unfinished(
        &self,
        shard: Shard,
        after: Cursor,
        done: Done<Result<(Vec<Unfinished>, Option<Cursor>), StoreError>>,
    ) {
        let core = Arc::clone(&self.core);
        self.read(done, async move { core.unfinished(shard, after).await });
    }

    fn campaign(&self, id: CampaignId, done: Done<Result<Option<Arc<Campaign>>, StoreError>>) {
        let core = Arc::clone(&self.core);
        self.push(Key::Campaign(id.clone()), done, async move {
            Ok(core.campaign(&id).await?.map(Arc::new))
        });
    }

    fn put_campaign(&self, change: CampaignChange, done: Done<Result<(), StoreError>>) {
        let core = Arc::clone(&self.core);
        let key = Key::Campaign(change.campaign_id().clone());
        self.push(key, done, async move { core.put_campaign(&change).await });
    }
}

impl Letters for ScyllaStore {
    fn keep_letter(&self, letter: KeptLetter, done: Done<Result<(), StoreError>>) {
        let core = Arc::clone(&self.core);
        self.push(Key::Installation, done, async move {
            core.keep_letter(&letter).await
        });
    }
}
