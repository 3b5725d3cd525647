//! How fast a store accepts and finishes donations, and what that costs: `cargo bench --bench store -- [DONATIONS]`.
//!
//! Ids come up to two seconds late and a tenth of them is random, as in real life: in order they would hide what a
//! B-tree costs. For each store, and for SQLite for each tenth of the donations, it prints the rate (as fast as it goes,
//! with 4,096 donations in hand) and the CPU time a donation, of the whole process.
#![allow(clippy::unwrap_used, clippy::expect_used, missing_docs)]

#[path = "support/threads.rs"]
#[allow(dead_code, reason = "others need more of it")]
mod threads;

use std::sync::Arc;
use std::sync::mpsc::{Receiver, Sender, channel};

use almoner::store::sqlite::SqliteStore;
use almoner_actors::memory::MemoryStore;
use almoner_actors::ports::{
    AcceptWrite, Accepted, Done, Finish, FinishWrite, Finished, FirstState, RowId, Store,
};
use almoner_domain::donation::{Donation, Ending, State};
use almoner_domain::ids::{CampaignId, DonationId, Place, Shard, UserId};
use almoner_domain::money::{Currency, Money};
use almoner_domain::request::DonationRequest;
use smallvec::SmallVec;
use tokio::time::Instant;

/// Donations in hand at once.
const IN_HAND: u64 = 4096;

/// Donations of a millisecond, in the time of their ids.
const PER_MS: u64 = 35;

/// Whose CPU time is shown: all, the writer's, the projector's.
const THREADS: [&str; 3] = ["", "store-writer", "store-projecto"];

/// The start of the ids' time, milliseconds since 1970.
const START_MS: u64 = 1_700_000_000_000;

fn main() {
    let asked = std::env::args().skip(1).find_map(|it| it.parse().ok());
    let count: u64 = asked.unwrap_or(300_000);
    let make = Makings::new();
    let given: Vec<_> = (0..count.min(1_000_000))
        .map(|n| make.donation(n))
        .collect();
    measure("memory", &MemoryStore::new(), given.into_iter());
    let folder = tempfile::tempdir().unwrap();
    let store = SqliteStore::open(folder.path()).unwrap();
    for part in 0..10 {
        let numbers = count * part / 10..count * (part + 1) / 10;
        let name = format!("sqlite, from {:>8}", numbers.start);
        let given: Vec<_> = numbers.map(|n| make.donation(n)).collect();
        measure(&name, &store, given.into_iter());
    }
    let books = store.books().unwrap();
    assert_eq!(books.totals().unwrap().campaign_days[0].count, count);
    drop(store);
    let opened = Instant::now();
    drop(SqliteStore::open(folder.path()).unwrap());
    println!("opened and closed again in {:?}", opened.elapsed());
}

/// What a donation's next step is.
enum Next {
    Finish(Arc<Donation>, RowId),
    Over,
}

fn measure(name: &str, store: &dyn Store, mut given: impl ExactSizeIterator<Item = Arc<Donation>>) {
    let count = given.len() as f64;
    let (next, nexts) = channel();
    let epoch = claim(store);
    let began = Instant::now();
    let cpu_began = THREADS.map(cpu_us);
    let mut in_hand = 0;
    loop {
        while in_hand < IN_HAND {
            let Some(donation) = given.next() else {
                break;
            };
            accept(store, epoch, donation, &next);
            in_hand += 1;
        }
        if in_hand == 0 {
            break;
        }
        in_hand -= take(store, &nexts, &next);
    }
    let took = began.elapsed().as_secs_f64();
    let cpu = [0, 1, 2].map(|i| (cpu_us(THREADS[i]) - cpu_began[i]) as f64 / count);
    println!(
        "{name:>24}: {:>9.0} donations/s; µs CPU a donation: {:.2} in all, writer {:.2}, projector {:.2}",
        count / took,
        cpu[0],
        cpu[1],
        cpu[2]
    );
}

/// Takes what has happened, and says how many donations are over.
fn take(store: &dyn Store, nexts: &Receiver<Next>, next: &Sender<Next>) -> u64 {
    let mut over = 0;
    let first = nexts.recv().unwrap();
    for happened in std::iter::once(first).chain(nexts.try_iter()) {
        match happened {
            Next::Finish(donation, row) => finish(store, donation, row, next),
            Next::Over => over += 1,
        }
    }
    over
}

fn claim(store: &dyn Store) -> u64 {
    let (claimed, claims) = channel();
    store.claim(
        Shard(0),
        Done::new(move |answer| claimed.send(answer).unwrap()),
    );
    claims.recv().unwrap().unwrap().epoch
}

fn accept(store: &dyn Store, epoch: u64, donation: Arc<Donation>, next: &Sender<Next>) {
    let next = next.clone();
    let write = AcceptWrite {
        donation: Arc::clone(&donation),
        shard: Shard(0),
        epoch,
        first: FirstState::Charging,
    };
    let done = Done::new(move |answer| {
        if let Ok(Accepted::New(row)) = answer {
            next.send(Next::Finish(donation, row)).unwrap();
        }
    });
    store.accept(write, done);
}

fn finish(store: &dyn Store, donation: Arc<Donation>, row: RowId, next: &Sender<Next>) {
    let next = next.clone();
    let created_s = donation.accepted_at_ms / 1000;
    let finish = Finish {
        ending: Ending {
            state: State::Succeeded,
            reason: None,
            decline_code: None,
            intent_id: Some("pi_3MtwBwLkdIwHu7ix28a3tqPa".into()),
            charge_id: Some("ch_3MtwBwLkdIwHu7ix28a3tqPa".into()),
            created_s: Some(created_s),
            attempts: 0,
        },
        at_ms: donation.accepted_at_ms,
        sequence: 1,
    };
    let write = FinishWrite {
        donation,
        row,
        finish,
        seen_version: 0,
        surplus: None,
        sends: SmallVec::new(),
        answered_by: None,
    };
    let done = Done::new(move |answer| {
        if answer == Ok(Finished::Done) {
            next.send(Next::Over).unwrap();
        }
    });
    store.finish(write, done);
}

/// What donations share.
struct Makings {
    topic: Arc<str>,
    users: Vec<UserId>,
    campaigns: Vec<CampaignId>,
    currency: Currency,
}

impl Makings {
    fn new() -> Self {
        let user = |n: u32| UserId::parse(&format!("user-{n:08}")).unwrap();
        let campaign = |n: u32| CampaignId::parse(&format!("campaign-{n:06}")).unwrap();
        Self {
            topic: "donations.requests".into(),
            users: (0..100_000).map(user).collect(),
            campaigns: (0..1_000).map(campaign).collect(),
            currency: Currency::from_code("EUR").unwrap(),
        }
    }

    fn donation(&self, n: u64) -> Arc<Donation> {
        let mixed = mix(n);
        let now_ms = START_MS + n / PER_MS;
        Arc::new(Donation {
            request: DonationRequest {
                id: id(n, now_ms, mixed),
                user_id: self.users[(mixed % 100_000) as usize].clone(),
                campaign_id: self.campaigns[(mixed >> 20) as usize % 1000].clone(),
                amount: Money::new(100 + mixed % 10_000, self.currency).unwrap(),
                payment_method: "pm_1MtwBwLkdIwHu7ix28a3tqPa".into(),
                gateway_customer: Some("cus_NffrFeUfNV2Hib".into()),
                information: None,
            },
            place: Place {
                topic: Arc::clone(&self.topic),
                partition: 0,
                offset: n as i64,
            },
            shard_offset: n as i64,
            recorded_at_ms: now_ms as i64,
            accepted_at_ms: now_ms as i64,
            body_version: 1,
            trace: None,
        })
    }
}

/// A UUIDv7 made up to two seconds ago, or for every tenth a random one.
fn id(n: u64, now_ms: u64, mixed: u64) -> DonationId {
    let mut bytes = [0; 16];
    bytes[8..].copy_from_slice(&mix(mixed).to_be_bytes());
    if n % 10 == 3 {
        bytes[..8].copy_from_slice(&mix(!mixed).to_be_bytes());
    } else {
        let made_ms = now_ms - mixed % 2000;
        bytes[..8].copy_from_slice(&((made_ms << 16) | (mixed >> 52)).to_be_bytes());
    }
    DonationId(bytes)
}

/// splitmix64.
fn mix(n: u64) -> u64 {
    let n = n.wrapping_add(0x9e37_79b9_7f4a_7c15);
    let n = (n ^ (n >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
    let n = (n ^ (n >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
    n ^ (n >> 31)
}

/// User and system time of this process' threads whose names begin so, in microseconds.
fn cpu_us(name: &str) -> u64 {
    let ours = threads::of("self").filter(|thread| thread.name.starts_with(name));
    ours.map(|thread| thread.ns / 1000).sum()
}
