//! The service on a real CQL server: one instance, the next one, and two at once. Left out where there is no server; the
//! tests of the store say how to run it.

use std::collections::BTreeMap;
use std::time::Duration;

use almoner::app::StartFlags;
use almoner::config::StoreKind;
use almoner::store::scylla::{self, ScyllaStore};
use almoner::store::scylla_options;
use almoner_domain::donation::State;
use almoner_domain::ids::DonationId;
use tokio::runtime::Runtime;
use tokio::time::Instant;

use crate::world::{PATIENCE, World, donate, id};

/// A world whose store is a keyspace of its own, dropped with it.
struct OnCassandra {
    world: World,
    store: ScyllaStore,
    io: Runtime,
    server: String,
}

impl OnCassandra {
    fn new(name: &str) -> Option<Self> {
        let server = std::env::var("ALMONER_CASSANDRA").ok()?;
        let mut world = World::new();
        world.config.store.kind = StoreKind::Scylla;
        let config = &mut world.config.store.scylla;
        config.contact_points.clone_from(&server);
        config.keyspace = format!("almoner_{name}_{}", std::process::id());
        config.replication_factor = 1;
        config.request_timeout_ms = 30_000;
        let io = Runtime::new().unwrap();
        let options = scylla_options(config);
        scylla::migrate(&options, io.handle()).unwrap();
        let store = ScyllaStore::open(&options, io.handle().clone()).unwrap();
        Some(Self {
            world,
            store,
            io,
            server,
        })
    }

    fn states(&self) -> BTreeMap<DonationId, State> {
        let mut states = BTreeMap::new();
        let each = self.store.each_donation(|recorded| {
            let finish = recorded.finish.as_ref();
            let state = finish.map_or(State::Charging, |it| it.ending.state);
            states.insert(recorded.donation.request.id, state);
        });
        each.unwrap();
        states
    }

    /// Waits until so many donations are finished; without any progress for long it fails.
    fn await_finished(&self, count: usize) {
        let (mut until, mut most) = (Instant::now() + PATIENCE, 0);
        loop {
            let states = self.states();
            let finished = states.values().filter(|it| it.is_terminal()).count();
            if finished == count {
                return;
            }
            if finished > most {
                (until, most) = (Instant::now() + PATIENCE, finished);
            }
            assert!(Instant::now() < until, "{finished} of {count} are finished");
            std::thread::sleep(Duration::from_millis(100));
        }
    }

    /// Each donation is charged once at the gateway, as the books say.
    fn check_money(&self, count: u32) {
        let mut charges: BTreeMap<String, u32> = BTreeMap::new();
        for intent in self.world.gateway.intents() {
            let donation = intent.donation_id;
            *charges.entry(donation.unwrap_or_default()).or_default() += 1;
        }
        assert!(charges.values().all(|it| *it == 1), "{charges:?}");
        assert_eq!(charges.len(), count as usize);
        let states = self.states();
        for n in 0..count {
            assert_eq!(states.get(&id(n)), Some(&State::Succeeded), "{n}");
        }
        let report = self.world.audit_of(&self.store);
        assert!(report.findings.kept.is_empty(), "{}", report.to_text());
        let days = self.store.campaign_days().unwrap();
        assert_eq!(
            days.iter().map(|it| it.count).sum::<u64>(),
            u64::from(count)
        );
    }

    /// Publishes new donations, and asks again for every fifth of those before.
    fn publish(&self, numbers: std::ops::Range<u32>) {
        let again = (0..numbers.start).step_by(5);
        let requests: Vec<_> = again
            .chain(numbers)
            .map(|n| donate(n, None, "pm_card_visa"))
            .collect();
        self.world.publish(&requests);
    }
}

impl Drop for OnCassandra {
    fn drop(&mut self) {
        let keyspace = &self.world.config.store.scylla.keyspace;
        let drop_it = format!("DROP KEYSPACE IF EXISTS {keyspace}");
        self.io.block_on(async {
            let session = ::scylla::client::session_builder::SessionBuilder::new();
            let session = session.known_node(&self.server).build().await.unwrap();
            session.query_unpaged(drop_it, ()).await.unwrap();
        });
    }
}

#[test]
fn an_instance_and_the_next_one_charge_each_donation_once() {
    let Some(on) = OnCassandra::new("one") else {
        return;
    };
    on.publish(0..200);
    let first = on.world.start(StartFlags::default());
    on.await_finished(200);
    on.publish(200..300);
    first.stop();
    let next = on.world.start(StartFlags::default());
    on.publish(300..400);
    on.await_finished(400);
    next.stop();
    on.check_money(400);
}

#[test]
fn two_instances_share_the_shards_and_charge_each_donation_once() {
    let Some(on) = OnCassandra::new("two") else {
        return;
    };
    let first = on.world.start(StartFlags::default());
    on.publish(0..200);
    let second = on.world.start(StartFlags::default());
    on.publish(200..400);
    on.await_finished(400);
    first.stop();
    on.publish(400..500);
    on.await_finished(500);
    second.stop();
    on.check_money(500);
}
