//! What is checked of `[kafka]`.

use rdkafka::ClientConfig;
use rdkafka::error::KafkaError;

use super::Check;
use crate::config::client_options::is_secret;
use crate::config::kafka::{Kafka, Layout, Topics};
use crate::config::secret::REDACTED;
use crate::kafka::client_config::missing_feature;

pub(super) fn check(kafka: &Kafka, check: &mut Check<'_>) {
    if let Some(server) = kafka
        .bootstrap_servers
        .split(',')
        .map(str::trim)
        .find(|server| !is_server(server))
    {
        let message = format!("\"{server}\" is no broker; write host:port, separated by commas");
        check.wrong(&["kafka.bootstrap_servers"], message);
    }
    if kafka.instance_id.as_deref().is_some_and(|id| !is_name(id)) {
        check.wrong(
            &["kafka.instance_id"],
            format!("cannot be a name; write {NAME}"),
        );
    }
    topics(&kafka.topics, check);
    layout(&kafka.layout, check);
    for (name, value) in kafka.client.expose() {
        let key = format!("kafka.client.{name}");
        let names = kafka.client.expose().map(|(name, _)| name);
        let missing = missing_feature(name, value, names).map(|feature| {
            format!("this build cannot do it; build Almoner with `--features {feature}`")
        });
        if let Some(message) = missing.or_else(|| client_option(name, value)) {
            check.wrong(&[&key], message);
        }
    }
}

/// A host and a port; an IPv6 address in brackets.
pub(super) fn is_server(text: &str) -> bool {
    let Some((host, port)) = text.rsplit_once(':') else {
        return false;
    };
    let in_brackets = host.starts_with('[') && host.ends_with(']');
    !host.is_empty()
        && (in_brackets || !host.contains([':', '/', ' ']))
        && port.parse::<u16>().is_ok_and(|port| port > 0)
}

const NAME: &str = "at most 249 of a-z, A-Z, 0-9, '.', '_' and '-'";

/// What Kafka takes as the name of a topic or of a group's member.
fn is_name(text: &str) -> bool {
    let fits = |c: char| c.is_ascii_alphanumeric() || ['.', '_', '-'].contains(&c);
    (1..=249).contains(&text.len()) && text.chars().all(fits) && text != "." && text != ".."
}

fn topics(topics: &Topics, check: &mut Check<'_>) {
    let all = [
        ("kafka.topics.requests", &topics.requests),
        ("kafka.topics.outcomes", &topics.outcomes),
        ("kafka.topics.dead_letters", &topics.dead_letters),
        ("kafka.topics.campaigns", &topics.campaigns),
    ];
    for (index, (key, topic)) in all.into_iter().enumerate() {
        if !is_name(topic) {
            check.wrong(
                &[key],
                format!("\"{topic}\" cannot be a topic; write {NAME}"),
            );
        }
        if let Some((other, _)) = all[..index].iter().find(|(_, earlier)| *earlier == topic) {
            check.wrong(
                &[key, other],
                format!("\"{topic}\" is also {other}; write another topic"),
            );
        }
    }
}

fn layout(layout: &Layout, check: &mut Check<'_>) {
    if layout.retention_s < layout.outage_s {
        let message = format!(
            "{} is below kafka.layout.outage_s = {}: requests would leave the log unread; write at least that",
            layout.retention_s, layout.outage_s
        );
        let keys = ["kafka.layout.retention_s", "kafka.layout.outage_s"];
        check.wrong(&keys, message);
    }
    if layout.replication_factor > 0 && layout.min_insync_replicas > layout.replication_factor {
        let message = format!(
            "{} is above kafka.layout.replication_factor = {}: nothing could be written; write at most that",
            layout.min_insync_replicas, layout.replication_factor
        );
        let keys = [
            "kafka.layout.min_insync_replicas",
            "kafka.layout.replication_factor",
        ];
        check.wrong(&keys, message);
    }
}

/// Options that have a key of their own here, and those that the runtime's promises stand on.
const OWN: [(&str, &str); 12] = [
    ("bootstrap.servers", "set kafka.bootstrap_servers instead"),
    (
        "metadata.broker.list",
        "set kafka.bootstrap_servers instead",
    ),
    ("group.id", "set kafka.group_id instead"),
    ("group.instance.id", "set kafka.instance_id instead"),
    ("session.timeout.ms", "set kafka.session_timeout_ms instead"),
    ("partitioner", "set kafka.partitioner instead"),
    ("enable.auto.commit", LEAVE_OUT),
    ("enable.auto.offset.store", LEAVE_OUT),
    ("auto.offset.reset", LEAVE_OUT),
    ("partition.assignment.strategy", LEAVE_OUT),
    ("acks", LEAVE_OUT),
    ("request.required.acks", LEAVE_OUT),
];

const LEAVE_OUT: &str = "leave it out: the runtime sets it, so that no donation is lost";

/// What is wrong with an option for librdkafka, in librdkafka's words where they are.
fn client_option(name: &str, value: &str) -> Option<String> {
    if let Some((_, say)) = OWN.iter().find(|(own, _)| *own == name) {
        return Some((*say).to_owned());
    }
    if is_secret(name) && value == REDACTED {
        return Some(
            "is what stands here in place of a secret; write the secret itself".to_owned(),
        );
    }
    let refused = ClientConfig::new()
        .set(name, value)
        .create_native_config()
        .err()?;
    let why = match refused {
        KafkaError::ClientConfig(.., why, _, _) => why,
        other => other.to_string(),
    };
    if is_secret(name) {
        return Some("librdkafka does not take it; see its CONFIGURATION.md".to_owned());
    }
    Some(format!("librdkafka says: {why}"))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn servers_are_hosts_with_ports() {
        for good in ["127.0.0.1:9092", "broker-1.example:9092", "[::1]:9092"] {
            assert!(is_server(good), "{good}");
        }
        for bad in [
            "",
            "broker",
            "broker:",
            ":9092",
            "broker:0",
            "broker:70000",
            "http://broker:9092",
            "::1:9092",
        ] {
            assert!(!is_server(bad), "{bad}");
        }
    }

    #[test]
    fn names_are_kafkas() {
        assert!(is_name("donations.dead-letters_2"));
        for bad in ["", ".", "..", "a b", "ü", &"x".repeat(250)] {
            assert!(!is_name(bad), "{bad}");
        }
    }

    #[test]
    fn secrets_are_not_quoted_when_librdkafka_refuses_them() {
        let message = client_option("no.such.password", "hunter2").unwrap();
        assert!(!message.contains("hunter2"), "{message}");
    }
}
