//! One instance: everything is made here, in the order in which it is needed, and stopped in the opposite one.

mod key_probe;
mod new_log;
mod read_on;
mod restore;
mod settings;
mod vitals;

use std::path::PathBuf;
use std::sync::Arc;
use std::sync::mpsc;
use std::time::Duration;

use actix_rt::{Arbiter, System, SystemRunner};
use almoner_actors::gateway::GatewayActor;
use almoner_actors::intake::ShardIntake;
use almoner_actors::ports::{Clock, Done, Gateway, Letters, Outcomes, Store, StoreError};
use almoner_actors::telemetry::Telemetry;
use almoner_actors::watchers::Watchers;
use almoner_actors::world::{Alarm, Credits, World};
use tokio::runtime::{Builder, Runtime};
use tokio::sync::mpsc::UnboundedReceiver;

pub(crate) use read_on::read_on_from;
pub use restore::RestoreError;
pub use settings::{StartFlags, settings_of};
pub use vitals::Vitals;

use restore::Restore;

use crate::clock::{RandomDice, SystemClock};
use crate::config::Config;
use crate::gateway::{self, StripeGateway};
use crate::io_thread::IoThread;
use crate::kafka::campaigns::CampaignsReader;
use crate::kafka::consumer::{Consumer, Prepared};
use crate::kafka::error::KafkaError;
use crate::kafka::options::{KafkaOptions, Topics};
use crate::kafka::outcomes::KafkaOutcomes;
use crate::kafka::topics::dangers::dangers;
use crate::kafka::topics::found::find;
use crate::kafka::topics::layout::Layout;
use crate::kafka::topics::{self, METADATA_WITHIN};
use crate::store::{OpenError, ReadError, ServiceStore};

/// How long the campaigns that the topic holds may take to be read.
const CAMPAIGNS_WITHIN: Duration = Duration::from_secs(600);
/// How long what was told may take to be acknowledged at the end.
const PUBLISH_WITHIN: Duration = Duration::from_secs(10);
/// Connections with HTTP/2 by prior knowledge: one alone would be a thread's worth.
const CONNECTIONS_H2: usize = 4;

/// Why an instance did not start.
#[derive(Debug, thiserror::Error)]
pub enum StartError {
    /// The store.
    #[error(transparent)]
    Store(#[from] OpenError),
    /// The broker.
    #[error(transparent)]
    Kafka(#[from] KafkaError),
    /// The gateway's options.
    #[error(transparent)]
    Gateway(#[from] gateway::InvalidOptions),
    /// The machine gave no thread.
    #[error("a runtime could not be made: {0}")]
    Runtime(#[from] std::io::Error),
    /// The campaigns topic was not read to its end.
    #[error(
        "the campaigns topic was not read to its end within {0:?}: without it donations would be refused wrongly"
    )]
    Campaigns(Duration),
    /// A store that is older than the log could not be brought up to what the gateway knows.
    #[error(
        "the restored store could not be brought up to what the gateway has charged since: {0}"
    )]
    Restore(#[from] RestoreError),
    /// The store could not begin another log.
    #[error("the store could not take the log for a new one: {0}")]
    NewLog(#[from] StoreError),
    /// The store did not say how far it knows the log.
    #[error(transparent)]
    Marks(#[from] ReadError),
}

/// The runtimes of a process: one for all I/O but the gateway's, and an arbiter for each core, whose actors' I/O runs on
/// the former.
pub struct Runtimes {
    /// All I/O but the gateway's.
    pub io: &'static Runtime,
    /// The calls of the gateway.
    pub gateway: IoThread,
    arbiters: Vec<Arbiter>,
    /// Arbiters belong to a system; it does nothing by itself.
    _system: SystemRunner,
}

impl Runtimes {
    /// Starts them. A process does so once, so the I/O runtime lives as long as the process.
    ///
    /// # Errors
    /// The machine gave no thread.
    pub fn start() -> Result<Self, std::io::Error> {
        let cores = std::thread::available_parallelism().map_or(2, usize::from);
        let io = Builder::new_multi_thread()
            .worker_threads(cores)
            .thread_name("io")
            .enable_all()
            .build()?;
        let io: &'static Runtime = Box::leak(Box::new(io));
        let system = System::with_tokio_rt(move || io);
        let arbiter = |_| Arbiter::try_with_tokio_rt(move || Ok(io));
        let arbiters = (0..cores).map(arbiter).collect::<Result<_, _>>()?;
        Ok(Self {
            io,
            gateway: IoThread::start("gateway")?,
            arbiters,
            _system: system,
        })
    }

    /// The arbiters' handles.
    #[must_use]
    pub fn arbiters(&self) -> Vec<actix_rt::ArbiterHandle> {
        self.arbiters.iter().map(Arbiter::handle).collect()
    }
}

impl Drop for Runtimes {
    fn drop(&mut self) {
        for arbiter in self.arbiters.drain(..) {
            arbiter.stop();
            // An arbiter that panicked has nothing left to end.
            let _ = arbiter.join();
        }
    }
}

/// A running instance.
pub struct App {
    /// What the actors share.
    pub world: Arc<World>,
    /// The store, for whoever reads beside the actors.
    pub store: Arc<ServiceStore>,
    /// What a person must know of.
    pub alarms: UnboundedReceiver<Alarm>,
    gateway: Arc<StripeGateway>,
    consumer: Consumer,
    campaigns: CampaignsReader,
    outcomes: Arc<KafkaOutcomes>,
}

impl App {
    /// Starts an instance: store, gateway, producer, campaigns, then the actors and, last, the consumer.
    ///
    /// # Errors
    /// The first thing that could not be started; what was started before is stopped.
    pub fn start(
        config: &Config,
        flags: StartFlags,
        runtimes: &Runtimes,
    ) -> Result<Self, StartError> {
        let clock: Arc<dyn Clock> = Arc::new(SystemClock);
        let store = Arc::new(ServiceStore::open(&config.store, runtimes.io.handle())?);
        tracing::debug!("the store is open");
        let gateway_options = gateway_options(config);
        let io = runtimes.gateway.handle().clone();
        let gateway = Arc::new(StripeGateway::new(&gateway_options, io)?);
        let kafka = kafka_options(config);
        let partitions = topics::check(&kafka, METADATA_WITHIN)?.request_partitions;
        store.hold_to_partitions(partitions)?;
        if flags.new_log {
            new_log::begin(&store, &kafka, partitions)?;
        }
        let settings = settings_of(config, partitions);
        if flags.after_restore {
            let restore = Restore {
                store: &store,
                gateway: &gateway_options,
                kafka: &kafka,
                partitions,
                rules: &settings.rules,
                now_ms: clock.wall_ms(),
            };
            restore.catch_up(runtimes.io)?;
        }
        let letters = Arc::clone(&store) as Arc<dyn Letters>;
        let outcomes = Arc::new(KafkaOutcomes::start(&kafka, letters)?);
        tracing::debug!("the topics are checked");
        say_dangers(runtimes, &kafka, topic_layout(config));
        let campaigns = read_campaigns(&kafka, &store, &outcomes)?;
        let prepared = Prepared::new(&kafka)?;

        let (alarm, alarms) = tokio::sync::mpsc::unbounded_channel();
        let world = Arc::new(World {
            store: Arc::clone(&store) as Arc<dyn Store>,
            gateway: Arc::clone(&gateway) as Arc<dyn Gateway>,
            outcomes: Arc::clone(&outcomes) as Arc<dyn Outcomes>,
            source: prepared.source(),
            clock: Arc::clone(&clock),
            dice: Arc::new(RandomDice),
            credits: Credits::new(settings.in_flight_max),
            settings,
            watchers: Watchers::default(),
            telemetry: Telemetry::new(),
            alarms: alarm,
        });
        let intake = start_actors(&world, runtimes, kafka.topics.requests.as_str().into());
        tracing::debug!("the campaigns are read, and the group is joined");
        let consumer = prepared.start(Box::new(intake), clock)?;
        Ok(Self {
            world,
            store,
            alarms,
            gateway,
            consumer,
            campaigns,
            outcomes,
        })
    }

    /// Whether every partition of the requests is ours.
    #[must_use]
    pub fn is_assigned(&self) -> bool {
        self.consumer.status().assigned() == self.world.settings.partitions as usize
    }

    /// Drains and stops: no more is read, what is in flight is finished or made pending, what was decided is told and
    /// committed, the group is left. Blocks; never call it on a runtime's thread.
    pub fn stop(self) {
        self.consumer.stop();
        drop(self.campaigns);
        self.outcomes.stop(PUBLISH_WITHIN);
    }
}

/// Starts the gateway actor, and the intake that starts a router for each shard.
#[must_use]
pub fn start_actors(world: &Arc<World>, runtimes: &Runtimes, topic: Arc<str>) -> ShardIntake {
    let arbiters = runtimes.arbiters();
    let gateway = GatewayActor::start_in(&arbiters[0], Arc::clone(world));
    ShardIntake::new(Arc::clone(world), arbiters, gateway, topic)
}

/// Says what is dangerous in the topics' settings, beside the start, which does not wait for it.
fn say_dangers(runtimes: &Runtimes, kafka: &KafkaOptions, layout: Layout) {
    let kafka = kafka.clone();
    runtimes
        .io
        .spawn_blocking(move || match find(&kafka, METADATA_WITHIN) {
            Ok(found) => {
                for danger in dangers(&found, &layout) {
                    tracing::warn!("{danger}");
                }
            }
            Err(error @ KafkaError::SettingsUnsaid) => tracing::info!("{error}"),
            Err(error) => tracing::warn!("the topics' settings could not be checked: {error}"),
        });
}

/// Campaigns are known before the first donation is judged.
fn read_campaigns(
    kafka: &KafkaOptions,
    store: &Arc<ServiceStore>,
    outcomes: &Arc<KafkaOutcomes>,
) -> Result<CampaignsReader, StartError> {
    let (sender, caught_up) = mpsc::channel();
    let done = Done::new(move |()| {
        // Whoever stopped waiting has said so.
        let _ = sender.send(());
    });
    let (store, outcomes) = (
        Arc::clone(store) as Arc<dyn Store>,
        Arc::clone(outcomes) as Arc<dyn Outcomes>,
    );
    let reader = CampaignsReader::start(kafka, store, outcomes, done)?;
    match caught_up.recv_timeout(CAMPAIGNS_WITHIN) {
        Ok(()) if reader.caught_up() => Ok(reader),
        _ => Err(StartError::Campaigns(CAMPAIGNS_WITHIN)),
    }
}

/// What the configuration says of how the topics are meant to be.
#[must_use]
pub fn topic_layout(config: &Config) -> Layout {
    let layout = &config.kafka.layout;
    let some = |count: u16| Some(count).filter(|count| *count > 0);
    Layout {
        partitions: layout.partitions,
        replication_factor: some(layout.replication_factor),
        min_insync_replicas: some(layout.min_insync_replicas),
        retention: Duration::from_secs(layout.retention_s),
        dead_letters_retention: Duration::from_secs(layout.dead_letters_retention_s),
        outage_max: Duration::from_secs(layout.outage_s),
    }
}

/// The gateway's part of the configuration, as its client takes it.
#[must_use]
pub fn gateway_options(config: &Config) -> gateway::Options {
    let gateway = &config.gateway;
    gateway::Options {
        base_url: gateway.base_url.clone(),
        api_key: gateway.api_key.to_secret_string(),
        api_version: gateway.api_version.clone(),
        timeout: Duration::from_millis(gateway.timeout_ms.into()),
        connect_timeout: Duration::from_millis(gateway.connect_timeout_ms.into()),
        connections_max: gateway.connections_max as usize,
        http2_prior_knowledge: gateway.http2_prior_knowledge,
        connections_h2: CONNECTIONS_H2,
        ca_file: gateway.ca_file.clone().map(PathBuf::from),
    }
}

/// Kafka's part of the configuration, as its clients take it.
#[must_use]
pub fn kafka_options(config: &Config) -> KafkaOptions {
    let kafka = &config.kafka;
    let client = kafka
        .client
        .expose()
        .map(|(name, value)| (name.to_owned(), value.to_owned()));
    KafkaOptions {
        bootstrap_servers: kafka.bootstrap_servers.clone(),
        group_id: kafka.group_id.clone(),
        group_instance_id: kafka.instance_id.clone(),
        topics: Topics {
            requests: kafka.topics.requests.clone(),
            outcomes: kafka.topics.outcomes.clone(),
            dead_letters: kafka.topics.dead_letters.clone(),
            campaigns: kafka.topics.campaigns.clone(),
        },
        partitioner: kafka.partitioner.in_domain(),
        session_timeout_ms: kafka.session_timeout_ms,
        drain_timeout_ms: config.shutdown.drain_timeout_ms,
        client: client.collect(),
    }
}
