//! The real Kafka that `tests/services/kafka.sh` runs: one broker for all tests, topics and a group for each of them.
//! `ALMONER_KAFKA` says where it is; without it nothing is tested on it, which is said once.

use std::io::Write;
use std::process::Command;
use std::sync::{Once, PoisonError, RwLock, RwLockReadGuard, RwLockWriteGuard};

use almoner::kafka::options::{KafkaOptions, Topics};
use rdkafka::ClientConfig;
use rdkafka::admin::{
    AdminClient, AdminOptions, AlterConfig, NewTopic, ResourceSpecifier, TopicReplication,
};
use rdkafka::client::DefaultClientContext;

/// Held by who uses the broker, and alone by who kills it.
static IN_USE: RwLock<()> = RwLock::new(());

/// Where the broker is.
pub fn address() -> Option<String> {
    std::env::var("ALMONER_KAFKA").ok()
}

/// The same, for a test that means nothing elsewhere: that it is left out is said, once for all of them.
pub fn address_or_say() -> Option<String> {
    static SAID: Once = Once::new();
    let address = address();
    if address.is_none() {
        // Past the capture of what a test prints: a test that was left out has passed.
        SAID.call_once(|| {
            let _ = writeln!(
                std::io::stderr(),
                "left out: every test in real::*, since ALMONER_KAFKA names no real broker; tests/run.sh kafka runs them"
            );
        });
    }
    address
}

/// Holds off whoever wants the broker for itself.
pub fn in_use() -> RwLockReadGuard<'static, ()> {
    IN_USE.read().unwrap_or_else(PoisonError::into_inner)
}

/// Has the broker to itself, to kill it.
pub fn alone() -> RwLockWriteGuard<'static, ()> {
    IN_USE.write().unwrap_or_else(PoisonError::into_inner)
}

/// A name that nobody else has.
pub fn own_name() -> String {
    format!("t{:016x}", rand::random::<u64>())
}

/// Options with topics and a group of one's own; the topics are not made.
pub fn own_options(address: &str) -> KafkaOptions {
    let name = own_name();
    let mut options = KafkaOptions::new(address, &name);
    let Topics {
        requests,
        outcomes,
        dead_letters,
        campaigns,
    } = Topics::default();
    let own = |topic: &str| format!("{name}.{topic}");
    options.topics = Topics {
        requests: own(&requests),
        outcomes: own(&outcomes),
        dead_letters: own(&dead_letters),
        campaigns: own(&campaigns),
    };
    options
}

/// Makes the topics of the options, each with so many partitions.
pub fn make_topics(options: &KafkaOptions, partitions: impl Fn(&str) -> u16) {
    let topics = options.topics.by_role().map(|(role, name)| {
        let count = i32::from(partitions(role));
        let topic = NewTopic::new(name, count, TopicReplication::Fixed(1))
            .set("message.timestamp.type", "LogAppendTime");
        match role {
            // Larger than what we write: what is too large for the dead letters comes from somewhere.
            "requests" => topic.set("max.message.bytes", "16777216"),
            _ => topic,
        }
    });
    let admin = admin(&options.bootstrap_servers);
    let answers = block_on(admin.create_topics(&topics, &AdminOptions::new()));
    answers
        .unwrap()
        .into_iter()
        .for_each(|answer| drop(answer.unwrap()));
}

/// An admin client that may do everything.
pub fn admin(address: &str) -> AdminClient<DefaultClientContext> {
    ClientConfig::new()
        .set("bootstrap.servers", address)
        .create()
        .unwrap()
}

/// Gives the topic these settings alone.
pub fn alter(options: &KafkaOptions, topic: &str, settings: &[(&str, &str)]) {
    let admin = admin(&options.bootstrap_servers);
    let mut change = AlterConfig::new(ResourceSpecifier::Topic(topic));
    for (name, value) in settings {
        change = change.set(name, value);
    }
    let answers = block_on(admin.alter_configs([&change], &AdminOptions::new()));
    answers.unwrap().remove(0).unwrap();
}

/// What an admin client answers.
pub fn block_on<F: Future>(answer: F) -> F::Output {
    let runtime = tokio::runtime::Builder::new_current_thread()
        .enable_all()
        .build();
    runtime.unwrap().block_on(answer)
}

/// `tests/services/kafka.sh` with these arguments; what it printed.
pub fn kafka_sh(args: &[&str]) -> String {
    kafka_sh_with(&[], args)
}

/// The same for another broker, which these variables tell from the one of all tests.
pub fn kafka_sh_with(env: &[(&str, &str)], args: &[&str]) -> String {
    let script = concat!(env!("CARGO_MANIFEST_DIR"), "/tests/services/kafka.sh");
    let mut command = Command::new(script);
    let output = command.args(args).envs(env.iter().copied()).output();
    let output = output.unwrap();
    let said = String::from_utf8_lossy(&output.stderr);
    assert!(output.status.success(), "kafka.sh {args:?}: {said}");
    String::from_utf8_lossy(&output.stdout).trim().to_owned()
}
