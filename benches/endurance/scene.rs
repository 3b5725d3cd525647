//! What surrounds the instance: people in this process, and the broker unless there is a real one; the simulator in its own;
//! a folder, a configuration.

use std::path::PathBuf;
use std::sync::atomic::{AtomicBool, AtomicU64};
use std::time::Duration;

use almoner::demo::{
    CLIENT_WAIT_MS, Follower, PARTITIONS, Publisher, Watching, judge, publish_campaigns,
};
use almoner::kafka::broker::EmbeddedBroker;
use almoner::kafka::options::KafkaOptions;
use almoner::kafka::positions::Positions;
use almoner::store::sqlite::Books;
use almoner_domain::ids::Shard;
use almoner_loadtest::{Answerer, Scenario, Traffic, Watch};
use tempfile::TempDir;

use crate::harness::{API_KEY, GatewaySim, Instance, almoner, wait_until};
use crate::pace::paced;
use crate::real_kafka;
use crate::recovery::BACKLOG;

/// Each has an actor in every shard, which is let go after two minutes without a donation: of so few, all are soon there.
const CAMPAIGNS: u64 = 1_000;
/// What a call to the gateway takes, in milliseconds.
const GATEWAY_MS: &str = "20";
/// How often it is looked.
pub const LOOK_EVERY: Duration = Duration::from_millis(20);

/// See the file's head.
pub struct Scene {
    pub gateway: GatewaySim,
    pub people: People,
    pub kafka: KafkaOptions,
    /// The one that runs.
    pub instance: Option<Instance>,
    _follower: Follower,
    /// None with a real one, where the instance is a fixed member of its group.
    broker: Option<EmbeddedBroker>,
    folder: TempDir,
}

/// Who gives.
pub struct People {
    pub watching: Watching,
    publisher: Publisher,
    traffic: Traffic,
}

impl People {
    /// Publishes the next so many messages, and waits until the broker has them.
    pub fn publish(&mut self, kafka: &KafkaOptions, count: u64, per_s: Option<f64>) {
        let (published, stop) = (AtomicU64::new(0), AtomicBool::new(false));
        let next = self.traffic.by_ref().take(count as usize);
        self.publisher
            .publish_all(kafka, paced(next, per_s), &published, &stop)
            .expect("published");
    }
}

/// Requests that were answered so far.
pub fn answered(watching: &Watching) -> u64 {
    watching.lock().summary().requests_answered
}

impl Scene {
    /// A scene for so many donations and the backlog of the recovery, with an instance that has its partitions.
    pub fn set(donations: u64) -> Self {
        let folder = tempfile::tempdir().expect("a temporary folder");
        let gateway = GatewaySim::start(
            &folder.path().join("gateway"),
            &["--latency-ms", GATEWAY_MS],
        );
        let (kafka, broker) = broker();
        let mut scenario = Scenario::bench(donations + BACKLOG, 1);
        scenario.campaigns.count = CAMPAIGNS;
        publish_campaigns(&kafka, scenario.campaigns()).expect("campaigns");
        let watching = Watching::new(Watch::new((donations + BACKLOG) as usize));
        let publisher = Publisher::new(&kafka, CLIENT_WAIT_MS, watching.clone()).expect("people");
        let answerer = Answerer::new(&scenario);
        let people = People {
            watching: watching.clone(),
            publisher: publisher.clone(),
            traffic: Traffic::new(&scenario).expect("traffic"),
        };
        let follower = Follower::start(&kafka, CLIENT_WAIT_MS, watching, answerer, publisher);
        let mut scene = Self {
            gateway,
            people,
            kafka,
            instance: None,
            _follower: follower.expect("a follower"),
            broker,
            folder,
        };
        scene.start(&[(
            "ALMONER__DONATIONS__DUPLICATE_WINDOW_S",
            &crate::WINDOW_S.to_string(),
        )]);
        scene
    }

    /// Starts an instance, and waits until it says that it runs.
    pub fn start(&mut self, env: &[(&str, &str)]) {
        let config = self.folder.path().join("almoner.toml");
        std::fs::write(&config, self.config()).expect("a configuration");
        std::fs::write(self.folder.path().join("gateway_key"), API_KEY).expect("a key");
        let mut command = almoner();
        command.arg("run").arg("--config").arg(config);
        command.env("ALMONER__KAFKA__GROUP_ID", &self.kafka.group_id);
        if self.broker.is_none() {
            command.env("ALMONER__KAFKA__INSTANCE_ID", "endurance");
        }
        for (role, topic) in self.kafka.topics.by_role() {
            let key = format!("ALMONER__KAFKA__TOPICS__{}", role.to_uppercase());
            command.env(key, topic);
        }
        self.instance = Some(Instance::start(command.envs(env.iter().copied())));
    }

    pub fn instance(&mut self) -> &mut Instance {
        self.instance.as_mut().expect("an instance")
    }

    /// Where the group has no fixed member: another one goes on where it stands, since the broker would keep the membership
    /// of a process that was killed until its session is over.
    pub fn change_group(&mut self) {
        if self.broker.is_none() {
            return;
        }
        let partitions = u32::from(PARTITIONS);
        let old = Positions::new(&self.kafka, partitions).expect("positions");
        let positions = old.read().expect("positions").into_iter();
        let starts: Vec<(Shard, i64)> = positions
            .filter_map(|it| Some((it.shard, it.committed?)))
            .collect();
        self.kafka.group_id.push_str("-again");
        let new = Positions::new(&self.kafka, partitions).expect("positions");
        new.move_to(&starts).expect("the new group's positions");
    }

    /// Stops the instance once everything has its fate: gateway, ledger and outcomes agree.
    pub fn assert_money_is_right(&mut self) {
        self.people.publish(&self.kafka, u64::MAX, None);
        let watching = &self.people.watching;
        watching.lock().all_asked();
        let is_resolved = || watching.lock().is_resolved().then_some(());
        wait_until("every request's fate", || answered(watching), is_resolved);
        self.instance.take().expect("an instance").stop();
        let books = Books::open(&self.store()).expect("books");
        let watch = watching.lock();
        let verdict = judge(&watch, &self.gateway.intents(), &books).expect("books");
        assert!(verdict.ok, "the money is wrong: {:?}", verdict.findings);
    }

    pub fn store(&self) -> PathBuf {
        self.folder.path().join("store")
    }

    fn config(&self) -> String {
        let folder = self.folder.path().display();
        format!(
            r#"
[kafka]
bootstrap_servers = "{broker}"
session_timeout_ms = 10000
client."fetch.wait.max.ms" = {CLIENT_WAIT_MS}

[gateway]
base_url = "http://{gateway}"
api_key_file = "{folder}/gateway_key"
timeout_ms = 5000
requests_per_second_max = 0
endpoint_requests_per_second_max = 0
http2_prior_knowledge = true
in_flight_max = 2048
connections_max = 2048

[store]
path = "{folder}/store"

[http]
listen = "127.0.0.1:0"

[admin]
listen = "127.0.0.1:0"

[log]
format = "json"
"#,
            broker = self.kafka.bootstrap_servers,
            gateway = self.gateway.addr(),
        )
    }
}

/// How many partitions a topic has.
fn partitions(role: &str) -> u16 {
    match role {
        "requests" | "outcomes" => PARTITIONS,
        "campaigns" => 4,
        _ => 1,
    }
}

/// The broker that `ALMONER_KAFKA` names; without one, one in this process, which knows no fixed members of groups.
fn broker() -> (KafkaOptions, Option<EmbeddedBroker>) {
    if let Some(address) = real_kafka::address() {
        let kafka = real_kafka::own_options(&address);
        real_kafka::make_topics(&kafka, partitions);
        return (kafka, None);
    }
    let mut kafka = KafkaOptions::new("", "almoner");
    let topics = kafka.topics.clone();
    let topics = topics
        .by_role()
        .map(|(role, name)| (name, partitions(role)));
    let broker = EmbeddedBroker::start(&topics).expect("a broker");
    broker
        .bootstrap_servers()
        .clone_into(&mut kafka.bootstrap_servers);
    (kafka, Some(broker))
}
