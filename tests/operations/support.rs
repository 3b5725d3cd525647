//! A broker and a gateway in this process, and the binary as a process of its own.

use std::io::{BufRead, BufReader, Read, Write};
use std::net::{SocketAddr, TcpStream};
use std::process::{Child, ChildStderr, Command, Stdio};
use std::sync::{Arc, LazyLock, Mutex};
use std::thread;
use std::time::Duration;

use almoner::kafka::broker::EmbeddedBroker;
use almoner::kafka::options::Topics;
use almoner::simulator::{self, Running, Simulator};
use rdkafka::ClientConfig;
use rdkafka::producer::{BaseRecord, DefaultProducerContext, Producer, ThreadedProducer};
use serde_json::Value;
use tempfile::TempDir;
use tokio::runtime::Runtime;
use tokio::time::Instant;

/// For what only a defect could make long.
pub const PATIENCE: Duration = Duration::from_secs(180);
/// How often it is looked whether it is so.
pub const LOOK_EVERY: Duration = Duration::from_millis(50);
const KEY: &str = "sk_test_almoner";

static RUNTIME: LazyLock<Runtime> = LazyLock::new(|| Runtime::new().unwrap());

/// What an instance needs around it.
pub struct Surroundings {
    pub broker: EmbeddedBroker,
    pub folder: TempDir,
}

impl Surroundings {
    pub fn new() -> Self {
        let topics = Topics::default();
        let counts = topics.by_role().map(|(_, topic)| (topic, 2));
        Self {
            broker: EmbeddedBroker::start(&counts).unwrap(),
            folder: tempfile::tempdir().unwrap(),
        }
    }

    /// The binary with this command, knowing nothing but these surroundings.
    pub fn command(&self, args: &[&str]) -> Command {
        let mut command = Command::new(env!("CARGO_BIN_EXE_almoner"));
        command
            .args(args)
            .env_clear()
            .env("ALMONER__GATEWAY__API_KEY", KEY)
            .env("ALMONER__STORE__PATH", self.folder.path().join("store"))
            .env(
                "ALMONER__KAFKA__BOOTSTRAP_SERVERS",
                self.broker.bootstrap_servers(),
            )
            .env("ALMONER__DONATIONS__UNKNOWN_CAMPAIGNS", "accept")
            .env("ALMONER__HTTP__LISTEN", "127.0.0.1:0")
            .env("ALMONER__ADMIN__LISTEN", "127.0.0.1:0")
            .env("ALMONER__LOG__FORMAT", "json");
        command
    }

    /// A running service with this gateway.
    pub fn run(&self, gateway: SocketAddr, env: &[(&str, &str)]) -> Instance {
        let mut command = self.command(&["run"]);
        command
            .env("ALMONER__GATEWAY__BASE_URL", format!("http://{gateway}"))
            .envs(env.iter().copied());
        Instance::start(command)
    }

    /// Publishes these values, and waits until the broker has them.
    pub fn publish(&self, key: &str, values: &[Vec<u8>]) {
        let producer: ThreadedProducer<DefaultProducerContext> = ClientConfig::new()
            .set("bootstrap.servers", self.broker.bootstrap_servers())
            .set("message.max.bytes", "10000000")
            .create()
            .unwrap();
        for value in values {
            let topics = Topics::default();
            let record = BaseRecord::to(&topics.requests).key(key).payload(value);
            assert!(producer.send(record).is_ok());
        }
        producer.flush(PATIENCE).unwrap();
    }
}

/// A gateway at this address; port 0 takes a free one.
pub fn gateway(listen: SocketAddr) -> Running {
    let options = simulator::Options {
        listen,
        api_key: KEY.to_owned(),
        ..simulator::Options::default()
    };
    Simulator::open(options)
        .unwrap()
        .serve(RUNTIME.handle())
        .unwrap()
}

pub const ANYWHERE: SocketAddr =
    SocketAddr::new(std::net::IpAddr::V4(std::net::Ipv4Addr::LOCALHOST), 0);

/// A process of the service. Dropped, it is killed.
pub struct Instance {
    child: Child,
    admin: SocketAddr,
    log: Arc<Mutex<Vec<Value>>>,
}

impl Instance {
    fn start(mut command: Command) -> Self {
        let mut child = command.stderr(Stdio::piped()).spawn().unwrap();
        let log = Arc::new(Mutex::new(Vec::new()));
        let (stderr, kept) = (child.stderr.take().unwrap(), Arc::clone(&log));
        thread::spawn(move || keep(stderr, &kept));
        let mut instance = Self {
            child,
            admin: ANYWHERE,
            log,
        };
        let said = instance.await_line("almoner runs");
        instance.admin = said["admin"].as_str().unwrap().parse().unwrap();
        instance
    }

    /// The first line of the log whose message has this in it.
    pub fn await_line(&mut self, part: &str) -> Value {
        let mut found = None;
        wait_for(part, || {
            let ended = self.child.try_wait().unwrap();
            assert!(ended.is_none(), "it ended: {:?}", self.lines(""));
            found = self.lines(part).into_iter().next();
            found.is_some()
        });
        found.unwrap()
    }

    /// The lines of the log so far whose messages have this in them.
    pub fn lines(&self, part: &str) -> Vec<Value> {
        let log = self.log.lock().unwrap();
        let has = |line: &&Value| line["message"].as_str().is_some_and(|it| it.contains(part));
        log.iter().filter(has).cloned().collect()
    }

    /// Where it is asked.
    pub fn admin(&self) -> SocketAddr {
        self.admin
    }

    /// Status and body of a page of the admin listener.
    pub fn get(&self, path: &str) -> (u16, String) {
        let mut stream = TcpStream::connect(self.admin).unwrap();
        let request = format!("GET {path} HTTP/1.1\r\nhost: test\r\nconnection: close\r\n\r\n");
        stream.write_all(request.as_bytes()).unwrap();
        let mut text = String::new();
        stream.read_to_string(&mut text).unwrap();
        let (head, body) = text.split_once("\r\n\r\n").unwrap();
        (
            head.split(' ').nth(1).unwrap().parse().unwrap(),
            body.to_owned(),
        )
    }

    /// Whether it is ready, and what it says of the gateway's key.
    pub fn ready(&self) -> (bool, String) {
        let (status, body) = self.get("/readyz");
        let report: Value = serde_json::from_str(&body).unwrap();
        let checks = report["checks"].as_array().unwrap();
        let key = checks
            .iter()
            .find(|it| it["name"] == "gateway_key_accepted")
            .unwrap();
        (status == 200, key["detail"].as_str().unwrap().to_owned())
    }
}

impl Drop for Instance {
    fn drop(&mut self) {
        // One that has ended by itself is as good.
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

fn keep(stderr: ChildStderr, log: &Mutex<Vec<Value>>) {
    for line in BufReader::new(stderr).lines().map_while(Result::ok) {
        let line = serde_json::from_str(&line).unwrap_or(Value::String(line));
        log.lock().unwrap().push(line);
    }
}

/// Waits until it is so.
pub fn wait_for(what: &str, mut is_so: impl FnMut() -> bool) {
    let until = Instant::now() + PATIENCE;
    while !is_so() {
        assert!(Instant::now() < until, "waited in vain for: {what}");
        thread::sleep(LOOK_EVERY);
    }
}
