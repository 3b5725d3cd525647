//! Donations to write, and a store to write them to whose calls wait for their answers.

use std::any::Any;
use std::path::Path;
use std::sync::Arc;
use std::sync::mpsc::{Receiver, channel};
use std::time::Duration;

use almoner::store::sqlite::{Books, SqliteStore};
use almoner_actors::memory::MemoryStore;
use almoner_actors::ports::{
    AcceptWrite, Accepted, AdvanceWrite, Advanced, Claimed, Cursor, DayTotal, Done, Dropped,
    Finish, FinishWrite, Finished, FirstState, KeptLetter, Letters, MarkWrite, Marked, Pending,
    Recorded, RowId, Store, StoreError, Unfinished, WindowEntry,
};
use almoner_domain::campaign::{Campaign, CampaignChange, Status};
use almoner_domain::donation::{Donation, Ending, PendingKind, Progress, State};
use almoner_domain::ids::{CampaignId, DonationId, Place, Shard, UserId};
use almoner_domain::money::{Currency, Money};
use almoner_domain::outcome::{Reason, Told, What};
use almoner_domain::request::DonationRequest;
use smallvec::SmallVec;

/// The start of the tests' time: 2023-11-14 22:13:20 UTC.
pub const START_MS: i64 = 1_700_000_000_000;

/// How long a call may take before the test fails.
const DEADLINE: Duration = Duration::from_secs(180);

/// A store with its place, and how to read its sums.
pub struct Engine {
    pub store: Arc<dyn Store>,
    pub keeper: Arc<dyn Letters>,
    pub letters: Box<dyn Fn() -> Vec<KeptLetter>>,
    pub sums: Box<dyn Fn() -> Vec<DayTotal>>,
    /// The folder or keyspace that goes with it.
    pub _place: Option<Box<dyn Any>>,
}

pub fn memory() -> Engine {
    let store = Arc::new(MemoryStore::new());
    let (read, kept) = (Arc::clone(&store), Arc::clone(&store));
    Engine {
        keeper: Arc::clone(&store) as Arc<dyn Letters>,
        letters: Box::new(move || kept.letters()),
        store,
        sums: Box::new(move || read.campaign_days()),
        _place: None,
    }
}

pub fn sqlite() -> Engine {
    let folder = tempfile::tempdir().unwrap();
    let mut engine = sqlite_at(folder.path());
    engine._place = Some(Box::new(folder));
    engine
}

/// A SQLite store in a folder that stays.
pub fn sqlite_at(folder: &Path) -> Engine {
    let store = Arc::new(SqliteStore::open(folder).unwrap());
    let (read, kept) = (Arc::clone(&store), Arc::clone(&store));
    Engine {
        keeper: Arc::clone(&store) as Arc<dyn Letters>,
        letters: Box::new(move || letters(&kept.books().unwrap())),
        store,
        sums: Box::new(move || {
            let books = read.books().unwrap();
            assert_eq!(books.day_differences().unwrap(), []);
            books.campaign_days(None).unwrap()
        }),
        _place: None,
    }
}

/// All kept letters, the oldest first.
fn letters(books: &Books) -> Vec<KeptLetter> {
    let mut lines = Vec::new();
    books.each_letter(|line| lines.push(line)).unwrap();
    let mut places: Vec<_> = lines.iter().map(|line| line.place.clone()).collect();
    places.dedup();
    let letters: Vec<_> = places
        .iter()
        .flat_map(|place| books.letters_at(place).unwrap())
        .collect();
    assert_eq!(lines.len(), letters.len());
    for (line, letter) in lines.iter().zip(&letters) {
        let bytes = letter.value.as_ref().map_or(0, |value| value.len() as u64);
        assert_eq!((line.value_bytes, &line.headers), (bytes, &letter.headers));
    }
    letters
}

/// A completion, and where its answer comes out.
pub fn answer<T: Dropped + Send + 'static>() -> (Done<T>, Receiver<T>) {
    let (sender, receiver) = channel();
    let done = Done::new(move |answer| {
        sender.send(answer).ok();
    });
    (done, receiver)
}

/// Calls that wait for their answers.
impl Engine {
    pub fn call<T: Send + 'static>(
        &self,
        call: impl FnOnce(&dyn Store, Done<Result<T, StoreError>>),
    ) -> Result<T, StoreError> {
        let (done, receiver) = answer();
        call(&*self.store, done);
        receiver.recv_timeout(DEADLINE).expect("the store answers")
    }

    pub fn keep_letter(&self, letter: KeptLetter) {
        let (done, receiver) = answer();
        self.keeper.keep_letter(letter, done);
        receiver
            .recv_timeout(DEADLINE)
            .expect("the store answers")
            .unwrap();
    }

    pub fn letters(&self) -> Vec<KeptLetter> {
        (self.letters)()
    }

    pub fn accept(&self, write: AcceptWrite) -> Accepted {
        self.call(|store, done| store.accept(write, done)).unwrap()
    }

    /// Accepts a new donation to be charged at once.
    pub fn new_row(&self, donation: &Arc<Donation>) -> RowId {
        row_of(self.accept(charging(donation)))
    }

    pub fn advance(&self, write: AdvanceWrite) -> Advanced {
        self.call(|store, done| store.advance(write, done)).unwrap()
    }

    pub fn finish(&self, write: FinishWrite) -> Finished {
        self.call(|store, done| store.finish(write, done)).unwrap()
    }

    pub fn acknowledged(&self, id: DonationId) {
        self.call(|store, done| store.acknowledged(id, done))
            .unwrap();
    }

    pub fn load(&self, id: DonationId) -> Option<Box<Recorded>> {
        self.call(|store, done| store.load(id, done)).unwrap()
    }

    pub fn claim(&self, shard: u32) -> Claimed {
        self.call(|store, done| store.claim(Shard(shard), done))
            .unwrap()
    }

    pub fn mark(&self, mark: MarkWrite) -> Marked {
        self.call(|store, done| store.mark(mark, done)).unwrap()
    }

    pub fn put_campaign(&self, change: CampaignChange) {
        self.call(|store, done| store.put_campaign(change, done))
            .unwrap();
    }

    pub fn campaign(&self, id: &str) -> Option<Arc<Campaign>> {
        let id = CampaignId::parse(id).unwrap();
        self.call(|store, done| store.campaign(id, done)).unwrap()
    }

    /// All pages of the shard's unfinished donations.
    pub fn unfinished(&self, shard: u32) -> Vec<Unfinished> {
        pages(|after| {
            self.call(|store, done| store.unfinished(Shard(shard), after, done))
                .unwrap()
        })
    }

    /// All pages of the shard's window.
    pub fn recent(&self, shard: u32, since_stream_ms: i64) -> Vec<WindowEntry> {
        pages(|after| {
            self.call(|store, done| store.recent(Shard(shard), since_stream_ms, after, done))
                .unwrap()
        })
    }
}

impl Engine {
    /// The sums of the campaigns' days; in SQLite compared with the movements.
    pub fn campaign_days(&self) -> Vec<DayTotal> {
        (self.sums)()
    }
}

fn pages<T>(mut page: impl FnMut(Cursor) -> (Vec<T>, Option<Cursor>)) -> Vec<T> {
    let mut all = Vec::new();
    let mut after = Cursor::default();
    loop {
        let (found, next) = page(after);
        all.extend(found);
        match next {
            Some(next) => after = next,
            None => return all,
        }
    }
}

pub fn row_of(accepted: Accepted) -> RowId {
    match accepted {
        Accepted::New(row) => row,
        other => panic!("not new: {other:?}"),
    }
}

/// The donation with this number: the higher ones came later.
pub fn donation(n: u64) -> Arc<Donation> {
    donation_of(n, "river-trees", 1250)
}

pub fn donation_of(n: u64, campaign: &str, amount_minor: u64) -> Arc<Donation> {
    let at_ms = START_MS + i64::try_from(n).unwrap();
    Arc::new(Donation {
        request: DonationRequest {
            id: id(n),
            user_id: UserId::parse(&format!("user-{}", n % 97)).unwrap(),
            campaign_id: CampaignId::parse(campaign).unwrap(),
            amount: Money::new(amount_minor, currency("EUR")).unwrap(),
            payment_method: "pm_1".into(),
            gateway_customer: None,
            information: None,
        },
        place: place(n),
        shard_offset: place(n).offset,
        recorded_at_ms: at_ms,
        accepted_at_ms: at_ms + 3,
        body_version: 1,
        trace: None,
    })
}

pub fn currency(code: &str) -> Currency {
    Currency::from_code(code).unwrap()
}

pub fn place(n: u64) -> Place {
    Place {
        topic: "donations.requests".into(),
        partition: 0,
        offset: i64::try_from(n).unwrap(),
    }
}

/// A time-ordered id, and a random one for every tenth.
pub fn id(n: u64) -> DonationId {
    let mixed = (n ^ (n >> 31)).wrapping_mul(0x9e37_79b9_7f4a_7c15);
    let mut bytes = [0; 16];
    bytes[..8].copy_from_slice(&n.to_be_bytes());
    bytes[8..].copy_from_slice(&mixed.to_be_bytes());
    if n % 10 == 9 {
        bytes.rotate_left(8);
    }
    DonationId(bytes)
}

/// Shard 0 in its first epoch.
pub fn accept_write(donation: &Arc<Donation>, first: FirstState) -> AcceptWrite {
    AcceptWrite {
        donation: Arc::clone(donation),
        shard: Shard(0),
        epoch: 1,
        first,
    }
}

pub fn charging(donation: &Arc<Donation>) -> AcceptWrite {
    accept_write(donation, FirstState::Charging)
}

pub fn pending(version: u32, due_ms: i64, kind: PendingKind) -> Pending {
    Pending {
        version,
        due_ms,
        kind,
    }
}

/// Held, with the question as its first event.
pub fn held(donation: &Arc<Donation>, due_ms: i64) -> AcceptWrite {
    accept_write(
        donation,
        FirstState::Pending {
            pending: pending(1, due_ms, PendingKind::Held),
            progress: Box::new(Progress {
                state: State::Held,
                duplicate_of: Some(id(7)),
                ..Progress::new()
            }),
            told: Some(question(1)),
        },
    )
}

pub fn question(sequence: u32) -> Told {
    Told {
        sequence,
        occurred_at_ms: START_MS,
        status: State::Held,
        attempts: 0,
        what: What::NeedsConfirmation {
            duplicate_of: id(7),
            expires_at_ms: START_MS + 1,
        },
    }
}

pub fn told_pending(sequence: u32, kind: PendingKind) -> Told {
    Told {
        sequence,
        occurred_at_ms: START_MS,
        status: State::Unknown,
        attempts: 2,
        what: What::Pending {
            kind,
            retry_at_ms: START_MS + 9,
        },
    }
}

/// A change to this kind of pending, due at this time, of what had this version.
pub fn advance_write(
    donation: &Donation,
    row: RowId,
    seen_version: u32,
    due_ms: i64,
    kind: PendingKind,
) -> AdvanceWrite {
    AdvanceWrite {
        id: donation.request.id,
        row,
        shard: Shard(0),
        epoch: 1,
        seen_version,
        pending: pending(seen_version + 1, due_ms, kind),
        progress: Box::new(Progress {
            state: State::Unknown,
            send: 3,
            intent: Some("pi_9".into()),
            ..Progress::new()
        }),
        sends: SmallVec::new(),
        told: None,
        answered_by: None,
    }
}

pub fn finish_write(donation: &Arc<Donation>, row: RowId, finish: Finish) -> FinishWrite {
    FinishWrite {
        donation: Arc::clone(donation),
        row,
        finish,
        seen_version: 0,
        surplus: None,
        sends: SmallVec::new(),
        answered_by: None,
    }
}

/// Charged at this second.
pub fn charged(created_s: i64) -> Finish {
    Finish {
        ending: Ending {
            state: State::Succeeded,
            reason: None,
            decline_code: None,
            intent_id: Some("pi_1".into()),
            charge_id: Some("ch_1".into()),
            created_s: Some(created_s),
            attempts: 0,
        },
        at_ms: START_MS + 500,
        sequence: 1,
    }
}

pub fn failed(reason: Reason) -> Finish {
    Finish {
        ending: Ending {
            state: State::Failed,
            reason: Some(reason),
            decline_code: Some("do_not_honor".into()),
            intent_id: None,
            charge_id: None,
            created_s: None,
            attempts: 1,
        },
        at_ms: START_MS + 500,
        sequence: 1,
    }
}

pub fn campaign(id: &str, version: u64) -> Campaign {
    Campaign {
        campaign_id: CampaignId::parse(id).unwrap(),
        version,
        status: Status::Open,
        currency: currency("EUR"),
        creator_account: "acct_1".into(),
        amount_minor_min: Some(100),
        amount_minor_max: None,
        title: format!("Trees, version {version}").into(),
    }
}
