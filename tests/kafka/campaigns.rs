//! Campaigns are read from the start and followed; what cannot be read goes to the dead letters.

use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Arc, Condvar, Mutex};

use almoner::kafka::campaigns::CampaignsReader;
use almoner::kafka::options::KafkaOptions;
use almoner_actors::ports::*;
use almoner_domain::campaign::{Campaign, CampaignChange, Status};
use almoner_domain::dead_letter::DeadLetter;
use almoner_domain::ids::{CampaignId, DonationId, Shard};
use almoner_domain::money::Currency;
use almoner_domain::outcome::Message;
use rdkafka::ClientConfig;
use rdkafka::producer::{BaseRecord, Producer, ThreadedProducer};
use tokio::time::Instant;

use crate::support::{PATIENCE, cluster, done};

fn campaign(id: &str, version: u64) -> Vec<u8> {
    Campaign {
        campaign_id: CampaignId::parse(id).unwrap(),
        version,
        status: Status::Open,
        currency: Currency::from_code("EUR").unwrap(),
        creator_account: "acct_1".into(),
        amount_minor_min: Some(100),
        amount_minor_max: None,
        title: "A well".into(),
    }
    .encode()
}

fn publish(options: &KafkaOptions, records: &[(&str, Option<Vec<u8>>)]) {
    let producer: ThreadedProducer<_> = ClientConfig::new()
        .set("bootstrap.servers", &options.bootstrap_servers)
        .create()
        .unwrap();
    for (key, value) in records {
        let mut record = BaseRecord::<str, [u8]>::to(&options.topics.campaigns).key(key);
        record.payload = value.as_deref();
        producer.send(record).map_err(|(error, _)| error).unwrap();
    }
    producer.flush(PATIENCE).unwrap();
}

#[test]
fn campaigns_are_read_from_the_start_and_followed() {
    let (_cluster, options) = cluster();
    let many: Vec<_> = (0..1_000)
        .map(|number| (format!("c{number}"), campaign(&format!("c{number}"), 1)))
        .collect();
    publish(
        &options,
        &many
            .iter()
            .map(|(key, value)| (key.as_str(), Some(value.clone())))
            .collect::<Vec<_>>(),
    );
    publish(
        &options,
        &[
            ("c1", None),
            ("c2", Some(b"not a campaign".to_vec())),
            ("no key!", None),
        ],
    );

    let world = Arc::new(World {
        failures_left: AtomicUsize::new(2),
        ..World::default()
    });
    let (caught_up, is_caught_up) = done();
    let reader = CampaignsReader::start(&options, world.clone(), world.clone(), caught_up).unwrap();
    is_caught_up
        .recv_timeout(PATIENCE)
        .expect("it never caught up");
    assert!(reader.caught_up() && reader.is_running());
    world.look(|seen| {
        for number in 0..1_000 {
            let name = format!("c{number}");
            let change = seen.last(&name);
            if number == 1 {
                assert_eq!(
                    change,
                    Some(&CampaignChange::Closed(CampaignId::parse("c1").unwrap()))
                );
            } else {
                assert!(
                    matches!(
                        change,
                        Some(CampaignChange::Described(Campaign { version: 1, .. }))
                    ),
                    "{name}: {change:?}"
                );
            }
        }
        assert_eq!(
            world.failures_left.load(Ordering::SeqCst),
            0,
            "the store's failures were not retried"
        );
        // Retried with their batch, letters may be doubled.
        let mut places: Vec<_> = seen
            .letters
            .iter()
            .map(|letter| (letter.partition, letter.offset))
            .collect();
        places.sort_unstable();
        places.dedup();
        assert_eq!(places.len(), 2);
    });

    publish(&options, &[("c7", Some(campaign("c7", 2)))]);
    world.wait("the change", |seen| {
        matches!(
            seen.last("c7"),
            Some(CampaignChange::Described(Campaign { version: 2, .. }))
        )
    });
}

#[derive(Default)]
struct Seen {
    changes: Vec<CampaignChange>,
    letters: Vec<DeadLetter>,
}

impl Seen {
    fn last(&self, id: &str) -> Option<&CampaignChange> {
        self.changes.iter().rev().find(|change| match change {
            CampaignChange::Described(campaign) => campaign.campaign_id.as_str() == id,
            CampaignChange::Closed(closed) => closed.as_str() == id,
        })
    }
}

/// A store and a producer that only know campaigns and dead letters.
#[derive(Default)]
struct World {
    seen: Mutex<Seen>,
    changed: Condvar,
    /// So many changes fail before one is stored.
    failures_left: AtomicUsize,
}

impl World {
    fn look<T>(&self, at: impl FnOnce(&Seen) -> T) -> T {
        at(&self.seen.lock().unwrap())
    }

    fn wait(&self, what: &str, until: impl Fn(&Seen) -> bool) {
        let deadline = Instant::now() + PATIENCE;
        let mut seen = self.seen.lock().unwrap();
        while !until(&seen) {
            assert!(Instant::now() < deadline, "waited for {what}");
            seen = self.changed.wait_timeout(seen, PATIENCE).unwrap().0;
        }
    }
}

impl Store for World {
    fn put_campaign(&self, change: CampaignChange, done: Done<Result<(), StoreError>>) {
        let fails = self
            .failures_left
            .fetch_update(Ordering::SeqCst, Ordering::SeqCst, |left| {
                left.checked_sub(1)
            });
        if fails.is_ok() {
            return done.call(Err(StoreError::Poisoned("told to".into())));
        }
        self.seen.lock().unwrap().changes.push(change);
        self.changed.notify_all();
        done.call(Ok(()));
    }

    fn accept(&self, _: AcceptWrite, _: Done<Result<Accepted, StoreError>>) {}
    fn advance(&self, _: AdvanceWrite, _: Done<Result<Advanced, StoreError>>) {}
    fn finish(&self, _: FinishWrite, _: Done<Result<Finished, StoreError>>) {}
    fn acknowledged(&self, _: DonationId, _: Done<Result<(), StoreError>>) {}
    fn load(&self, _: DonationId, _: Done<Result<Option<Box<Recorded>>, StoreError>>) {}
    fn claim(&self, _: Shard, _: Done<Result<Claimed, StoreError>>) {}
    fn mark(&self, _: MarkWrite, _: Done<Result<Marked, StoreError>>) {}
    fn recent(
        &self,
        _: Shard,
        _: i64,
        _: Cursor,
        _: Done<Result<(Vec<WindowEntry>, Option<Cursor>), StoreError>>,
    ) {
    }
    fn unfinished(
        &self,
        _: Shard,
        _: Cursor,
        _: Done<Result<(Vec<Unfinished>, Option<Cursor>), StoreError>>,
    ) {
    }
    fn campaign(&self, _: CampaignId, _: Done<Result<Option<Arc<Campaign>>, StoreError>>) {}
}

impl Outcomes for World {
    fn dead_letter(&self, letter: DeadLetter, done: Done<Result<(), PublishError>>) {
        self.seen.lock().unwrap().letters.push(letter);
        done.call(Ok(()));
    }

    fn publish(&self, _: Message, _: Done<Result<(), PublishError>>) {}
    fn forward(&self, _: Forward, _: Done<Result<(), PublishError>>) {}
}
