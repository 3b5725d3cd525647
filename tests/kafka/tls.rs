//! TLS to the broker, where it is built in (`cargo test --features kafka-tls --test kafka tls`). The mock cluster
//! stands behind a TLS listener that is named in its place.

use std::net::SocketAddr;
use std::path::Path;
use std::sync::LazyLock;
use std::time::Duration;

use almoner::kafka::options::KafkaOptions;
use almoner::kafka::topics;
use tokio::runtime::Runtime;

use crate::cluster::{Mock, mock};
use crate::support::PATIENCE;
use crate::tls_front::TlsFront;

static RUNTIME: LazyLock<Runtime> = LazyLock::new(|| Runtime::new().unwrap());

/// For what is refused at once, but tried again until then.
const REFUSED_WITHIN: Duration = Duration::from_secs(3);

fn behind_tls(name: &str) -> (Mock, TlsFront, KafkaOptions) {
    let (cluster, mut options) = mock();
    let behind: SocketAddr = cluster.bootstrap_servers().parse().unwrap();
    let front = TlsFront::start(RUNTIME.handle(), behind, name, &[]);
    options.bootstrap_servers = front.addr.to_string();
    set(&mut options, "security.protocol", "ssl");
    trust(&mut options, &front.ca_file());
    (cluster, front, options)
}

fn set(options: &mut KafkaOptions, key: &str, value: &str) {
    options.client.insert(key.to_owned(), value.to_owned());
}

fn trust(options: &mut KafkaOptions, ca_file: &Path) {
    set(options, "ssl.ca.location", ca_file.to_str().unwrap());
}

/// The topics are not found, for this reason.
fn check_refused(options: &KafkaOptions, why: &str) {
    let error = topics::check(options, REFUSED_WITHIN).unwrap_err();
    assert!(error.to_string().contains(why), "{error}");
}

#[test]
fn the_topics_are_found_over_tls() {
    let (_cluster, front, options) = behind_tls("127.0.0.1");
    topics::check(&options, PATIENCE).unwrap();
    assert!(!front.chosen().is_empty());
}

#[test]
fn an_authority_that_is_not_ours_is_refused_and_said() {
    let (_cluster, _front, mut options) = behind_tls("127.0.0.1");
    let (_, other, _) = behind_tls("127.0.0.1");
    trust(&mut options, &other.ca_file());
    check_refused(&options, "certificate verify failed");
}

#[test]
fn another_name_is_refused_and_said() {
    let (_cluster, _front, mut options) = behind_tls("kafka.example");
    check_refused(&options, "certificate verify failed");
    // It is the name alone that is wrong.
    set(
        &mut options,
        "ssl.endpoint.identification.algorithm",
        "none",
    );
    topics::check(&options, PATIENCE).unwrap();
}

#[test]
fn a_listener_that_speaks_no_tls_is_said() {
    let (cluster, _front, mut options) = behind_tls("127.0.0.1");
    options.bootstrap_servers = cluster.bootstrap_servers();
    check_refused(&options, "SSL_HANDSHAKE");
}

#[test]
fn what_needs_cryptography_is_taken() {
    for (key, value) in [
        ("sasl.mechanism", "SCRAM-SHA-256"),
        ("sasl.mechanism", "SCRAM-SHA-512"),
        ("sasl.mechanism", "PLAIN"),
    ] {
        let mut options = KafkaOptions::new("127.0.0.1:1", "almoner");
        set(&mut options, "security.protocol", "sasl_ssl");
        set(&mut options, "sasl.username", "almoner");
        set(&mut options, "sasl.password", "hunter2");
        set(&mut options, key, value);
        let error = topics::check(&options, REFUSED_WITHIN)
            .unwrap_err()
            .to_string();
        assert!(error.contains("no Kafka broker answered"), "{error}");
        assert!(!error.contains("hunter2"), "{error}");
    }
}
