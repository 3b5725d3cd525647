//! The readers: threads with connections of their own, so that a read never waits for an fsync.

use std::fmt::Display;
use std::ops::ControlFlow;
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::path::Path;
use std::sync::mpsc::{Receiver, SyncSender, TrySendError, sync_channel};
use std::sync::{Arc, Mutex, PoisonError};
use std::thread::JoinHandle;

use almoner_actors::ports::{Cursor, Done, Recorded, RowId, StoreError, Unfinished};
use almoner_domain::campaign::Campaign;
use almoner_domain::ids::{CampaignId, DonationId, Shard};
use rusqlite::{Connection, Row};

use super::campaigns::Campaigns;
use super::recent::{RecentDone, RecentRead, Windows};
use super::rows::{self, donation_columns};
use super::schema;

/// How many readers there are.
const THREADS: usize = 2;

/// The most reads of one transaction.
const BATCH_MAX: usize = 64;

/// The most reads that wait.
const QUEUE_MAX: usize = 16_384;

/// The most entries of a page.
pub(super) const PAGE_ROWS: usize = 1000;

/// A page and the cursor of the next one.
pub(super) type Page<T> = (Vec<T>, Option<Cursor>);

/// One read, with its completion.
pub(super) enum Read {
    /// With the row, if its key is a recent one.
    Load(
        DonationId,
        Option<RowId>,
        Done<Result<Option<Box<Recorded>>, StoreError>>,
    ),
    Campaign(CampaignId, Done<Result<Option<Arc<Campaign>>, StoreError>>),
    Recent(RecentRead, RecentDone),
    Unfinished(UnfinishedRead, Done<Result<Page<Unfinished>, StoreError>>),
}

/// What to read of a shard's unfinished donations.
pub(super) struct UnfinishedRead {
    pub(super) shard: Shard,
    pub(super) after: Cursor,
    /// Donations without a pending row, as the writer knows them.
    pub(super) open: Vec<i64>,
}

impl Read {
    /// Whoever waits is told that this was not read.
    pub(super) fn fail(self, error: StoreError) {
        match self {
            Self::Load(_, _, done) => done.call(Err(error)),
            Self::Campaign(_, done) => done.call(Err(error)),
            Self::Recent(_, done) => done.call(Err(error)),
            Self::Unfinished(_, done) => done.call(Err(error)),
        }
    }
}

pub(super) fn failed(error: impl Display) -> StoreError {
    StoreError::Impossible(format!("the read failed: {error}").into())
}

/// See the file's head.
pub(super) struct Readers {
    queue: Option<SyncSender<Read>>,
    shared: Arc<Shared>,
    threads: Vec<JoinHandle<()>>,
}

/// What the threads share.
#[derive(Default)]
struct Shared {
    campaigns: Campaigns,
    windows: Windows,
}

impl Readers {
    pub(super) fn start(database: &Path) -> std::io::Result<Self> {
        let (queue, reads) = sync_channel(QUEUE_MAX);
        let reads = Arc::new(Mutex::new(reads));
        let shared = Arc::<Shared>::default();
        let threads = (0..THREADS).map(|_| {
            let (reads, database) = (Arc::clone(&reads), database.to_path_buf());
            let shared = Arc::clone(&shared);
            std::thread::Builder::new()
                .name("store-reader".into())
                .spawn(move || survive(|| serve(&reads, &database, &shared)))
        });
        Ok(Self {
            queue: Some(queue),
            shared: Arc::clone(&shared),
            threads: threads.collect::<Result<_, _>>()?,
        })
    }

    /// Campaigns that were read lately.
    pub(super) fn campaigns(&self) -> &Campaigns {
        &self.shared.campaigns
    }

    /// Hands on a read, or says at once why not.
    pub(super) fn push(&self, read: Read) {
        let refused = match &self.queue {
            Some(queue) => queue.try_send(read),
            None => Err(TrySendError::Disconnected(read)),
        };
        match refused {
            Ok(()) => {}
            Err(TrySendError::Full(read)) => read.fail(StoreError::Busy),
            Err(TrySendError::Disconnected(read)) => read.fail(StoreError::Stopped),
        }
    }
}

impl Drop for Readers {
    fn drop(&mut self) {
        self.queue = None;
        super::join(self.threads.drain(..));
    }
}

/// What a panic drops is answered so, and asked again; one donation that cannot be read stops no other.
fn survive(serve: impl Fn()) {
    while catch_unwind(AssertUnwindSafe(&serve)).is_err() {
        tracing::error!("a reading of the store panicked");
    }
}

fn serve(reads: &Mutex<Receiver<Read>>, database: &Path, shared: &Shared) {
    let mut connection = None;
    let mut batch = Vec::new();
    while take(reads, &mut batch) {
        if connection.is_none() {
            connection = match schema::open_reader(database) {
                Ok(opened) => Some(opened),
                Err(error) => {
                    for read in batch.drain(..) {
                        read.fail(failed(&error));
                    }
                    continue;
                }
            };
        }
        if let Some(connection) = &connection {
            answer(connection, shared, &mut batch);
        }
    }
}

/// Waits for a read and takes what waits with it. False once nobody can ask any more.
fn take(reads: &Mutex<Receiver<Read>>, batch: &mut Vec<Read>) -> bool {
    let reads = reads.lock().unwrap_or_else(PoisonError::into_inner);
    let Ok(first) = reads.recv() else {
        return false;
    };
    batch.push(first);
    batch.extend(reads.try_iter().take(BATCH_MAX - 1));
    true
}

/// Answers the reads: in one transaction, since at the beginning of each the pages that a reader has cached are thrown away
/// if the writer has committed. Windows come after it: with them those are answered that are asked for meanwhile.
fn answer(connection: &Connection, shared: &Shared, batch: &mut Vec<Read>) {
    // Asked for first: what the transaction sees is at least as new.
    let as_of = shared.campaigns.as_of();
    // Where it cannot begin, each read stands alone, and says what the matter is.
    let together = (batch.len() > 1).then(|| connection.unchecked_transaction());
    let mut windows = Vec::new();
    for read in batch.drain(..) {
        match read {
            Read::Load(id, row, done) => done.call(load(connection, id, row).map_err(failed)),
            Read::Campaign(id, done) => {
                let found = rows::campaign(connection, &id).map(|found| found.map(Arc::new));
                if let Ok(Some(campaign)) = &found {
                    shared.campaigns.keep(campaign, as_of);
                }
                done.call(found.map_err(failed));
            }
            Read::Recent(read, done) => windows.push((read, done)),
            Read::Unfinished(read, done) => {
                done.call(unfinished(connection, &read).map_err(failed));
            }
        }
    }
    drop(together);
    shared.windows.answer(connection, windows);
}

fn load(
    connection: &Connection,
    id: DonationId,
    row: Option<RowId>,
) -> rusqlite::Result<Option<Box<Recorded>>> {
    let found = match row {
        Some(row) => rows::by_row(connection, row),
        None => rows::by_key(connection, id),
    };
    // A row that was undone may have become another donation's.
    found.map(|it| it.filter(|it| it.donation.request.id == id))
}

/// Those without a pending row come first, their cursor's first number is the least there is; then by due time.
fn unfinished(
    connection: &Connection,
    read: &UnfinishedRead,
) -> rusqlite::Result<Page<Unfinished>> {
    let mut page = Vec::new();
    if let ControlFlow::Break(cursor) = add_open(connection, read, &mut page)? {
        return Ok((page, Some(cursor)));
    }
    let mut statement = connection.prepare_cached(concat!(
        "SELECT ",
        donation_columns!(),
        ", p.due_ms, p.kind, h.seq FROM pending p JOIN donation d ON d.seq = p.seq \
         LEFT JOIN hold_answer h ON h.seq = d.seq \
         WHERE p.shard = ?1 AND p.due_ms >= ?2 AND (p.due_ms > ?2 OR p.seq > ?3) \
         ORDER BY p.due_ms, p.seq LIMIT ?4"
    ))?;
    let begins = read.after == Cursor::default() || read.after.0 == i64::MIN;
    let after = if begins {
        Cursor(i64::MIN, 0)
    } else {
        read.after
    };
    let room = (PAGE_ROWS - page.len()) as i64;
    let mut last = after;
    let mut found = statement.query((read.shard.0, after.0, after.1, room))?;
    while let Some(row) = found.next()? {
        last = Cursor(row.get(19)?, row.get(0)?);
        page.push(Unfinished {
            kind: Some(rows::code(row, 20)?),
            is_answered: row.get::<_, Option<i64>>(21)?.is_some(),
            ..unfinished_row(row, last.0)?
        });
    }
    let next = (page.len() == PAGE_ROWS).then_some(last);
    Ok((page, next))
}

fn add_open(
    connection: &Connection,
    read: &UnfinishedRead,
    page: &mut Vec<Unfinished>,
) -> rusqlite::Result<ControlFlow<Cursor>> {
    let mut statement = connection.prepare_cached(concat!(
        "SELECT ",
        donation_columns!(),
        " FROM donation d WHERE d.seq = ?1 \
         AND NOT EXISTS (SELECT 1 FROM finish f WHERE f.seq = d.seq) \
         AND NOT EXISTS (SELECT 1 FROM pending p WHERE p.seq = d.seq)"
    ))?;
    for seq in &read.open {
        let mut found = statement.query([seq])?;
        if let Some(row) = found.next()? {
            page.push(unfinished_row(row, row.get(11)?)?);
        }
    }
    Ok(match read.open.last() {
        Some(last) if read.open.len() == PAGE_ROWS => ControlFlow::Break(Cursor(i64::MIN, *last)),
        _ => ControlFlow::Continue(()),
    })
}

/// Without a pending row.
fn unfinished_row(row: &Row<'_>, due_ms: i64) -> rusqlite::Result<Unfinished> {
    let donation = Arc::new(rows::donation(row)?);
    Ok(Unfinished {
        id: donation.request.id,
        user_id: donation.request.user_id.clone(),
        due_ms,
        kind: None,
        donation,
        is_answered: false,
    })
}
