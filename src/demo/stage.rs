//! The stage: broker, simulator and instance, made and taken down in order.

use std::path::PathBuf;

use almoner_loadtest::Scenario;

use crate::app::{App, Runtimes, StartError, StartFlags, kafka_options};
use crate::config::{Config, UnknownCampaigns};
use crate::io_thread::IoThread;
use crate::kafka::broker::EmbeddedBroker;
use crate::kafka::error::KafkaError;
use crate::kafka::options::KafkaOptions;
use crate::simulator::{self, Profile, Running, Simulator};

use super::publish::publish_campaigns;

/// Partitions of requests and outcomes: the broker keeps 5 MiB of each.
pub const PARTITIONS: u16 = 16;
/// What is cheap: see [`StageOptions::client_wait_ms`].
pub const CLIENT_WAIT_MS: u32 = 25;
/// Partitions of what is little.
const FEW_PARTITIONS: u16 = 4;
/// The simulator carries out what came late within this; an empty list proves absence a second later.
const RECONCILE_BOUND_S: u32 = 5;

/// What is to be staged.
#[derive(Clone, Debug)]
pub struct StageOptions {
    /// Where store and journal are.
    pub data: PathBuf,
    /// What goes wrong at the gateway.
    pub faults: Profile,
    /// Decides which requests it goes wrong for.
    pub seed: u64,
    /// How long the gateway takes at least.
    pub gateway_latency_ms: u32,
    /// Whether the gateway is spoken to by HTTP/2.
    pub http2: bool,
    /// Calls to the gateway at once.
    pub gateway_in_flight_max: u32,
    /// How long a fetch of nothing waits, since the embedded broker does not end the wait when something comes. Whoever
    /// publishes and follows is to wait as long: the more, the fuller the batches.
    pub client_wait_ms: u32,
}

/// Why the stage could not be set.
#[derive(Debug, thiserror::Error)]
pub enum StageError {
    /// The instance.
    #[error(transparent)]
    App(#[from] StartError),
    /// The broker.
    #[error(transparent)]
    Kafka(#[from] KafkaError),
    /// The simulator.
    #[error(transparent)]
    Simulator(#[from] simulator::OpenError),
    /// The simulator's thread.
    #[error("the gateway simulator has no thread: {0}")]
    Thread(#[from] std::io::Error),
    /// The simulator's address.
    #[error(transparent)]
    Listen(#[from] simulator::ListenError),
    /// The campaigns.
    #[error("the campaigns could not be published: {0}")]
    Campaigns(String),
}

/// A running stage.
pub struct Stage {
    /// The instance.
    pub app: App,
    /// The gateway.
    pub gateway: Running,
    /// What the gateway runs on.
    _outside: IoThread,
    /// How the broker is reached.
    pub kafka: KafkaOptions,
    /// Dropped last: the others talk to it until then.
    _broker: EmbeddedBroker,
}

impl Stage {
    /// Starts broker, simulator and instance, and publishes the scenario's campaigns.
    ///
    /// # Errors
    /// The first thing that could not be started.
    pub fn set(
        options: &StageOptions,
        scenario: &Scenario,
        runtimes: &Runtimes,
    ) -> Result<Self, StageError> {
        let mut config = config(options);
        let topics = config.kafka.topics.clone();
        let broker = EmbeddedBroker::start(&[
            (&topics.requests, PARTITIONS),
            (&topics.outcomes, PARTITIONS),
            (&topics.dead_letters, FEW_PARTITIONS),
            (&topics.campaigns, FEW_PARTITIONS),
        ])?;
        broker
            .bootstrap_servers()
            .clone_into(&mut config.kafka.bootstrap_servers);
        let outside = IoThread::start("simulator")?;
        let gateway = Simulator::open(simulator::Options {
            data: Some(options.data.join("gateway")),
            profile: options.faults.clone(),
            seed: options.seed,
            latency_ms: options.gateway_latency_ms,
            reconcile_bound_ms: RECONCILE_BOUND_S * 1_000,
            ..simulator::Options::default()
        })?
        .serve(outside.handle())?;
        config.gateway.base_url = format!("http://{}", gateway.addr());
        let kafka = kafka_options(&config);
        publish_campaigns(&kafka, scenario.campaigns()).map_err(StageError::Campaigns)?;
        // The broker's log is a new one each time.
        let flags = StartFlags {
            new_log: true,
            ..StartFlags::default()
        };
        let app = App::start(&config, flags, runtimes)?;
        Ok(Self {
            app,
            gateway,
            _outside: outside,
            kafka,
            _broker: broker,
        })
    }
}

/// The usual configuration, but for a gateway without limits and a store in the given folder.
fn config(options: &StageOptions) -> Config {
    let mut config = Config::default();
    config.store.path = options.data.join("store");
    config.gateway.api_key = simulator::Options::default().api_key.as_str().into();
    config.gateway.requests_per_second_max = 0;
    config.gateway.endpoint_requests_per_second_max = 0;
    config.gateway.in_flight_max = options.gateway_in_flight_max;
    config.gateway.connections_max = options.gateway_in_flight_max;
    config.gateway.http2_prior_knowledge = options.http2;
    config.gateway.timeout_ms = 5_000;
    config.gateway.reconcile_bound_s = u64::from(RECONCILE_BOUND_S) + 1;
    config.donations.unknown_campaigns = UnknownCampaigns::Reject;
    config.donations.confirm_within_s = 60;
    config.kafka.session_timeout_ms = 10_000;
    config.kafka.layout.partitions = PARTITIONS.into();
    let wait_ms = options.client_wait_ms.to_string();
    config.kafka.client.set("fetch.wait.max.ms", &wait_ms);
    config
}
