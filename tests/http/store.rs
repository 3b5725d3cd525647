//! Donations in every state, in a store in memory, and who asks for them.

use std::sync::Arc;

use almoner::http::Donations;
use almoner_actors::memory::MemoryStore;
use almoner_actors::ports::{
    AcceptWrite, Accepted, Done, Dropped, Finish, FinishWrite, FirstState, Pending, Recorded,
    Store, StoreError,
};
use almoner_actors::watchers::Watchers;
use almoner_domain::donation::{Donation, Ending, PendingKind, Progress, State};
use almoner_domain::ids::{CampaignId, DonationId, Place, Shard, UserId};
use almoner_domain::money::{Currency, Money};
use almoner_domain::outcome::Reason;
use almoner_domain::request::{DonationRequest, Information};
use tokio::sync::{oneshot, watch};

const SHARD: Shard = Shard(0);

pub type Loaded = Result<Option<Box<Recorded>>, StoreError>;

/// A store that counts how often it was read.
pub struct Books {
    pub store: MemoryStore,
    pub watchers: Watchers,
    /// In place of the store's answer.
    says: Option<StoreError>,
    loads: watch::Sender<usize>,
}

impl Donations for Books {
    fn load(&self, id: DonationId, done: Done<Loaded>) {
        match &self.says {
            Some(error) => done.call(Err(error.clone())),
            None => self.store.load(id, done),
        }
        self.loads.send_modify(|loads| *loads += 1);
    }

    fn watchers(&self) -> &Watchers {
        &self.watchers
    }
}

impl Books {
    pub fn new(store: MemoryStore) -> Self {
        Self {
            store,
            watchers: Watchers::default(),
            says: None,
            loads: watch::channel(0).0,
        }
    }

    /// The same, but every read fails so.
    pub fn saying(mut self, error: StoreError) -> Self {
        self.says = Some(error);
        self
    }

    /// Empty books that a shard may write to.
    pub async fn open() -> Self {
        let books = Self::new(MemoryStore::new());
        answer(|done| books.store.claim(SHARD, done)).await.unwrap();
        books
    }

    pub fn loads(&self) -> usize {
        *self.loads.borrow()
    }

    /// Ends once the store was read so often.
    pub async fn loaded(&self, loads: usize) {
        let mut counted = self.loads.subscribe();
        crate::within(counted.wait_for(|it| *it >= loads))
            .await
            .unwrap();
    }

    /// Accepts a donation in this state.
    pub async fn accept(&self, n: u8, first: FirstState) {
        let write = AcceptWrite {
            donation: Arc::new(donation(n)),
            shard: SHARD,
            epoch: 1,
            first,
        };
        let accepted = answer(|done| self.store.accept(write, done)).await.unwrap();
        assert!(matches!(accepted, Accepted::New(_)), "{accepted:?}");
    }

    /// Finishes it, as another instance does: nobody here is told.
    pub async fn finish(&self, n: u8, finish: Finish) {
        let recorded = answer(|done| self.store.load(id(n), done))
            .await
            .unwrap()
            .unwrap();
        let write = FinishWrite {
            donation: Arc::clone(&recorded.donation),
            row: recorded.row,
            finish,
            seen_version: recorded.pending.map_or(0, |(pending, _)| pending.version),
            surplus: None,
            sends: [].into_iter().collect(),
            answered_by: None,
        };
        answer(|done| self.store.finish(write, done)).await.unwrap();
    }
}

async fn answer<T: Dropped + Send + 'static>(call: impl FnOnce(Done<T>)) -> T {
    let (sender, receiver) = oneshot::channel();
    call(Done::new(move |answer| drop(sender.send(answer))));
    receiver.await.unwrap()
}

pub fn id(n: u8) -> DonationId {
    DonationId([n; 16])
}

pub fn path(n: u8) -> String {
    format!("/v1/donations/{}", id(n))
}

fn donation(n: u8) -> Donation {
    Donation {
        request: DonationRequest {
            id: id(n),
            user_id: UserId::parse("user-1").unwrap(),
            campaign_id: CampaignId::parse("camp-1").unwrap(),
            amount: Money::new(2500, Currency::from_code("EUR").unwrap()).unwrap(),
            payment_method: "pm_secret".into(),
            gateway_customer: Some("cus_secret".into()),
            information: Some(Box::new(Information {
                receipt_email: Some("secret@example.org".into()),
                metadata: vec![("order".into(), "77".into())],
                ..Information::default()
            })),
        },
        place: Place {
            topic: "donations.requests".into(),
            partition: 0,
            offset: i64::from(n),
        },
        shard_offset: i64::from(n),
        recorded_at_ms: 1_000,
        accepted_at_ms: 1_001,
        body_version: 1,
        trace: None,
    }
}

pub fn pending(kind: PendingKind, progress: Progress) -> FirstState {
    FirstState::Pending {
        pending: Pending {
            version: 1,
            due_ms: 5_000,
            kind,
        },
        progress: Box::new(progress),
        told: None,
    }
}

pub fn held() -> FirstState {
    let progress = Progress {
        state: State::Held,
        duplicate_of: Some(id(9)),
        hold_lapses_at_ms: 86_400_000,
        ..Progress::new()
    };
    pending(PendingKind::Held, progress)
}

pub fn succeeded() -> Finish {
    Finish {
        ending: Ending {
            state: State::Succeeded,
            reason: None,
            decline_code: None,
            intent_id: Some("pi_1".into()),
            charge_id: Some("ch_1".into()),
            created_s: Some(2),
            attempts: 1,
        },
        at_ms: 2_000,
        sequence: 1,
    }
}

pub fn unpaid(state: State, reason: Reason, decline_code: Option<&str>) -> Finish {
    Finish {
        ending: Ending {
            state,
            reason: Some(reason),
            decline_code: decline_code.map(Into::into),
            intent_id: None,
            charge_id: None,
            created_s: None,
            attempts: u8::from(decline_code.is_some()),
        },
        at_ms: 2_000,
        sequence: 1,
    }
}
