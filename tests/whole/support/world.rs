//! What surrounds an instance and outlives it: broker, simulator, folder, configuration.

use std::path::PathBuf;
use std::process::{Command, Output};

use almoner::kafka::options::Topics;
use almoner::store::sqlite::Books;
use tempfile::TempDir;

use super::broker::Broker;
use super::follower::Follower;
use super::gateway::{API_KEY, GatewaySim};
use super::instance::Instance;
use super::keyspace::Keyspace;
use super::process::{Process, almoner};
use super::publisher::Publisher;

/// Partitions of requests and outcomes.
pub const PARTITIONS: u32 = 4;

/// The world of one story.
pub struct World {
    pub broker: Broker,
    pub gateway: GatewaySim,
    /// Where the books are, unless they are in the folder.
    pub keyspace: Option<Keyspace>,
    /// More lines of `[kafka]` in the configuration file.
    pub more_kafka: String,
    folder: TempDir,
}

impl World {
    /// A gateway with these arguments, and a broker with its topics.
    pub fn new(gateway_args: &[&str]) -> Self {
        Self::on(Broker::usual(PARTITIONS), gateway_args)
    }

    /// The same on this broker.
    pub fn on(broker: Broker, gateway_args: &[&str]) -> Self {
        Self::with(broker, None, gateway_args)
    }

    /// The same, with the books in this keyspace, which is made.
    pub fn of_cluster(broker: Broker, keyspace: Keyspace, gateway_args: &[&str]) -> Self {
        let mut world = Self::with(broker, Some(keyspace), gateway_args);
        world.more_kafka = format!(
            "layout.replication_factor = 1\nlayout.partitions = {}",
            world.broker.partitions()
        );
        let migrated = world.command("migrate").output().unwrap();
        let said = String::from_utf8_lossy(&migrated.stderr);
        assert!(migrated.status.success(), "{said}");
        world
    }

    fn with(broker: Broker, keyspace: Option<Keyspace>, gateway_args: &[&str]) -> Self {
        let folder = tempfile::tempdir().unwrap();
        let gateway = GatewaySim::start(&folder.path().join("gateway"), gateway_args);
        std::fs::write(folder.path().join("gateway_key"), API_KEY).unwrap();
        Self {
            broker,
            keyspace,
            more_kafka: String::new(),
            gateway,
            folder,
        }
    }

    /// Where the instance keeps its store.
    pub fn store(&self) -> PathBuf {
        self.folder.path().join("store")
    }

    /// Starts an instance; `env` overrides the configuration (`ALMONER__SECTION__KEY`), `args` follow `run`.
    pub fn start_with(&self, args: &[&str], env: &[(&str, &str)]) -> Instance {
        let mut command = self.command("run");
        Instance::start(command.args(args).envs(env.iter().copied()))
    }

    /// Starts an instance, and does not wait for it.
    pub fn spawn(&self, env: &[(&str, &str)]) -> Process {
        let mut command = self.command("run");
        Process::start("the instance", command.envs(env.iter().copied()))
    }

    /// Starts an instance.
    pub fn start(&self) -> Instance {
        self.start_with(&[], &[])
    }

    /// A command of the binary with this world's configuration.
    pub fn command(&self, name: &str) -> Command {
        let path = self.folder.path().join("almoner.toml");
        std::fs::write(&path, self.config()).unwrap();
        let mut command = almoner();
        command.arg(name).arg("--config").arg(path);
        command
    }

    pub fn publisher(&self) -> Publisher {
        Publisher::new(&self.broker.options())
    }

    pub fn follower(&self) -> Follower {
        Follower::start(&self.broker.options())
    }

    /// The store's books, also beside a running instance.
    pub fn books(&self) -> Books {
        Books::open(&self.store()).unwrap()
    }

    /// `almoner audit --json`.
    pub fn audit(&self) -> Output {
        self.command("audit").arg("--json").output().unwrap()
    }

    /// The audit has no findings.
    pub fn assert_audit_agrees(&self) {
        let output = self.audit();
        assert!(
            output.status.success(),
            "{}{}",
            String::from_utf8_lossy(&output.stdout),
            String::from_utf8_lossy(&output.stderr)
        );
    }

    fn store_config(&self) -> String {
        match &self.keyspace {
            None => format!("path = \"{}\"", self.store().display()),
            Some(Keyspace { server, name }) => format!(
                "kind = \"scylla\"\nscylla = {{ contact_points = \"{server}\", keyspace = \"{name}\", replication_factor = 1, request_timeout_ms = 10_000 }}"
            ),
        }
    }

    fn config(&self) -> String {
        let folder = self.folder.path().display();
        let Topics {
            requests,
            outcomes,
            dead_letters,
            campaigns,
        } = self.broker.topics();
        format!(
            r#"
[kafka]
bootstrap_servers = "{broker}"
group_id = "{group}"
topics = {{ requests = "{requests}", outcomes = "{outcomes}", dead_letters = "{dead_letters}", campaigns = "{campaigns}" }}
session_timeout_ms = 6000
client."heartbeat.interval.ms" = 500
{more_kafka}

[gateway]
base_url = "http://{gateway}"
api_key_file = "{folder}/gateway_key"
timeout_ms = 5000
requests_per_second_max = 0
endpoint_requests_per_second_max = 0
reconcile_bound_s = 6

[store]
{store}

[http]
listen = "127.0.0.1:0"

[admin]
listen = "127.0.0.1:0"

[donations]
unknown_campaigns = "accept"
campaign_ttl_s = 1

[log]
format = "json"
"#,
            broker = self.broker.bootstrap_servers(),
            group = self.broker.group_id(),
            gateway = self.gateway.addr(),
            more_kafka = self.more_kafka,
            store = self.store_config(),
        )
    }
}
