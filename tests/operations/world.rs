//! A broker, a gateway and a data folder that outlive the instances which run on them.

use std::path::{Path, PathBuf};
use std::time::Duration;

use almoner::app::{App, Runtimes, StartFlags, gateway_options, kafka_options};
use almoner::audit::{AuditReport, AuditedBooks, compare};
use almoner::config::{Config, UnknownCampaigns};
use almoner::kafka::broker::EmbeddedBroker;
use almoner::kafka::positions::Positions;
use almoner::simulator::{self, Clock, Running, Simulator};
use almoner::store::sqlite::Books;
use almoner_actors::world::Alarm;
use almoner_domain::donation::State;
use almoner_domain::ids::{CampaignId, DonationId, UserId};
use almoner_domain::money::{Currency, Money};
use almoner_domain::request::{self, DonationRequest, HoldAnswer, Request};
use rdkafka::ClientConfig;
use rdkafka::producer::{BaseRecord, Producer, ThreadedProducer};
use tempfile::TempDir;
use tokio::time::Instant;

/// Without any progress for so long, a wait has failed.
pub const PATIENCE: Duration = Duration::from_secs(180);
pub const PARTITIONS: u16 = 2;

/// What outlives an instance.
pub struct World {
    pub config: Config,
    pub gateway: Running,
    pub gateway_clock: Clock,
    pub folder: TempDir,
    broker: EmbeddedBroker,
    io: tokio::runtime::Runtime,
}

/// A running instance. Its store is another one's only once its threads have ended.
pub struct Instance {
    app: App,
    runtimes: Runtimes,
}

impl Instance {
    pub fn stop(self) {
        self.app.stop();
        drop(self.runtimes);
    }
}

impl World {
    pub fn new() -> Self {
        let io = tokio::runtime::Runtime::new().unwrap();
        let folder = tempfile::tempdir().unwrap();
        let mut config = Config::default();
        let broker = start_broker(&mut config);
        let gateway_clock = Clock::manual(jiff::Timestamp::now().as_millisecond());
        let options = simulator::Options {
            clock: gateway_clock.clone(),
            ..simulator::Options::default()
        };
        config.gateway.api_key = options.api_key.as_str().into();
        let gateway = Simulator::open(options)
            .unwrap()
            .serve(io.handle())
            .unwrap();
        config.gateway.base_url = format!("http://{}", gateway.addr());
        config.gateway.requests_per_second_max = 0;
        config.gateway.endpoint_requests_per_second_max = 0;
        config.kafka.session_timeout_ms = 6_000;
        config.store.path = folder.path().join("store");
        config.donations.unknown_campaigns = UnknownCampaigns::Accept;
        config.donations.confirm_within_s = 3_600;
        Self {
            config,
            gateway,
            gateway_clock,
            folder,
            broker,
            io,
        }
    }

    /// The topics are made anew: their logs begin at nothing.
    pub fn make_topics_anew(&mut self) {
        self.broker = start_broker(&mut self.config);
    }

    pub fn start(&self, flags: StartFlags) -> Instance {
        let runtimes = Runtimes::start().unwrap();
        let app = App::start(&self.config, flags, &runtimes).unwrap();
        Instance { app, runtimes }
    }

    /// The first alarm of an instance that is started so.
    pub fn alarm(&self, flags: StartFlags) -> Alarm {
        let mut instance = self.start(flags);
        let alarm = self.io.block_on(async {
            let alarm = tokio::time::timeout(PATIENCE, instance.app.alarms.recv());
            alarm.await.expect("no alarm").unwrap()
        });
        instance.stop();
        alarm
    }

    /// Runs an instance until so many donations are recorded, and none of them is unfinished but `held` that are held.
    pub fn run(&self, flags: StartFlags, donations: usize, held: usize) {
        let instance = self.start(flags);
        let until = Instant::now() + PATIENCE;
        loop {
            let states = self.states();
            let open = states.iter().filter(|it| !it.1.is_terminal()).count();
            let asked = states.iter().filter(|it| it.1 == State::Held).count();
            if states.len() == donations && (open, asked) == (held, held) {
                break;
            }
            assert!(Instant::now() < until, "not finished: {states:?}");
            std::thread::sleep(Duration::from_millis(20));
        }
        instance.stop();
    }

    pub fn states(&self) -> Vec<(DonationId, State)> {
        let mut states = Vec::new();
        let Ok(books) = Books::open(&self.config.store.path) else {
            return states;
        };
        let each = books.each_donation(|recorded| {
            let state = match (&recorded.finish, &recorded.pending) {
                (Some(finish), _) => finish.ending.state,
                (None, Some((_, progress))) => progress.state,
                (None, None) => State::Charging,
            };
            states.push((recorded.donation.request.id, state));
        });
        each.unwrap();
        states
    }

    pub fn audit(&self) -> AuditReport {
        self.audit_of(&Books::open(&self.config.store.path).unwrap())
    }

    pub fn audit_of(&self, books: &dyn AuditedBooks) -> AuditReport {
        let gateway = gateway_options(&self.config);
        let comparing = compare(books, &gateway, None, 0);
        self.io.block_on(comparing).unwrap()
    }

    pub fn publish(&self, requests: &[Request]) {
        let producer: ThreadedProducer<_> = ClientConfig::new()
            .set("bootstrap.servers", &self.config.kafka.bootstrap_servers)
            .set(
                "partitioner",
                kafka_options(&self.config).partitioner.as_str(),
            )
            .create()
            .unwrap();
        for request in requests {
            let (key, value) = (request.user_id().to_string(), request::encode(request));
            let record = BaseRecord::to(&self.config.kafka.topics.requests);
            producer.send(record.key(&key).payload(&value)).unwrap();
        }
        producer.flush(PATIENCE).unwrap();
    }

    /// Publishes what nobody can read, more than the broker keeps: each log of the requests drops its beginning.
    pub fn overflow(&self) {
        let producer: ThreadedProducer<_> = ClientConfig::new()
            .set("bootstrap.servers", &self.config.kafka.bootstrap_servers)
            .create()
            .unwrap();
        let value = vec![b'.'; 100_000];
        for n in 0..80 * i32::from(PARTITIONS) {
            let record = || {
                BaseRecord::<[u8], [u8]>::to(&self.config.kafka.topics.requests)
                    .partition(n % i32::from(PARTITIONS))
                    .key(b"user")
                    .payload(&value)
            };
            while producer.send(record()).is_err() {
                producer.poll(Duration::from_millis(1));
            }
        }
        producer.flush(PATIENCE).unwrap();
    }

    /// Where the group stands in the logs of the requests.
    pub fn positions(&self) -> Positions {
        Positions::new(&kafka_options(&self.config), PARTITIONS.into()).unwrap()
    }

    pub fn store(&self) -> &Path {
        &self.config.store.path
    }

    /// Another place in the world's folder.
    pub fn place(&self, name: &str) -> PathBuf {
        self.folder.path().join(name)
    }
}

/// The configuration is told where it is.
fn start_broker(config: &mut Config) -> EmbeddedBroker {
    let topics = &config.kafka.topics;
    let broker = EmbeddedBroker::start(&[
        (&topics.requests, PARTITIONS),
        (&topics.outcomes, PARTITIONS),
        (&topics.dead_letters, PARTITIONS),
        (&topics.campaigns, PARTITIONS),
    ])
    .unwrap();
    broker
        .bootstrap_servers()
        .clone_into(&mut config.kafka.bootstrap_servers);
    broker
}

pub fn id(n: u32) -> DonationId {
    DonationId(u128::from(n).to_be_bytes())
}

/// A user of its own for each, unless one is named.
pub fn donate(n: u32, user: Option<&str>, payment_method: &str) -> Request {
    let own = format!("user-{n}");
    Request::Donate(DonationRequest {
        id: id(n),
        user_id: UserId::parse(user.unwrap_or(&own)).unwrap(),
        campaign_id: CampaignId::parse("wells").unwrap(),
        amount: Money::new(1_250, Currency::from_code("EUR").unwrap()).unwrap(),
        payment_method: payment_method.into(),
        gateway_customer: None,
        information: None,
    })
}

pub fn confirm(n: u32, user: &str) -> Request {
    Request::Confirm(HoldAnswer {
        id: id(n),
        user_id: UserId::parse(user).unwrap(),
    })
}
