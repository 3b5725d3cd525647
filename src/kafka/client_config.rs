//! librdkafka's settings, made of our options: what the promise rests on is ours, and what contradicts it is refused by
//! name; all else is the user's.

mod refusals;

use rdkafka::ClientConfig;

use super::error::KafkaError;
use super::options::KafkaOptions;
pub(crate) use refusals::missing_feature;
use refusals::{MEMBER, PRODUCER, Required, refuse_contradiction, refuse_without_feature};

/// What a client is for.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(super) enum Role {
    /// Reads requests as a member of the group.
    Member,
    /// Reads a topic, or asks about topics, without becoming a member.
    Reader,
    /// Publishes.
    Producer,
}

/// The settings of a client.
///
/// # Errors
/// The first of the user's settings that cannot be, by its name.
pub(super) fn client_config(
    options: &KafkaOptions,
    role: Role,
) -> Result<ClientConfig, KafkaError> {
    for (key, value) in &options.client {
        refuse_contradiction(key, value)?;
        refuse_without_feature(key, value, &options.client)?;
    }
    let mut config = ClientConfig::new();
    set_defaults(&mut config, options, role);
    for (key, value) in &options.client {
        config.set(key, value);
    }
    set_ours(&mut config, options, role);
    config.create_native_config()?;
    Ok(config)
}

/// What a user may change.
fn set_defaults(config: &mut ClientConfig, options: &KafkaOptions, role: Role) {
    config.set("client.id", "almoner");
    match role {
        Role::Member => {
            // After an empty fetch librdkafka waits this long: 1000 by default, a sixteenth of the throughput.
            config.set("fetch.queue.backoff.ms", "10");
            config.set("queued.max.messages.kbytes", "32768");
            config.set("statistics.interval.ms", "2000");
            let heartbeat_ms = (options.session_timeout_ms / 15).max(300);
            config.set("heartbeat.interval.ms", heartbeat_ms.to_string());
        }
        Role::Reader => {
            config.set("fetch.queue.backoff.ms", "10");
            config.set("queued.max.messages.kbytes", "16384");
        }
        Role::Producer => {
            // A batch is made for each partition: at 10,000 outcomes a second over 48 of them, 5 ms would be one record.
            config.set("linger.ms", "20");
            config.set("compression.type", "lz4");
            config.set("message.timeout.ms", "20000");
            config.set("queue.buffering.max.kbytes", "65536");
            config.set("statistics.interval.ms", "2000");
        }
    }
}

/// What a user may not change.
fn set_ours(config: &mut ClientConfig, options: &KafkaOptions, role: Role) {
    config.set("bootstrap.servers", &options.bootstrap_servers);
    let required = match role {
        Role::Member => MEMBER,
        // Member's settings too: a reader commits nothing, skips nothing and reads nothing that was aborted.
        Role::Reader => MEMBER,
        Role::Producer => PRODUCER,
    };
    for Required { keys, values, .. } in required {
        if let (Some(key), Some(value)) = (keys.first(), values.first())
            && *value != "not set"
        {
            config.set(*key, *value);
        }
    }
    match role {
        Role::Member => {
            config.set("group.id", &options.group_id);
            if let Some(id) = &options.group_instance_id {
                config.set("group.instance.id", id);
            }
            config.set("session.timeout.ms", options.session_timeout_ms.to_string());
            // Exceeding it throws us out of the group, so it lies well above the longest that a handover may take.
            let max_poll_ms = (u64::from(options.drain_timeout_ms) + 60_000).max(300_000);
            config.set("max.poll.interval.ms", max_poll_ms.to_string());
        }
        Role::Reader => {
            // Named so that committed offsets can be asked for; it never joins.
            config.set("group.id", &options.group_id);
            config.set("enable.partition.eof", "true");
        }
        Role::Producer => {
            config.set("partitioner", options.partitioner.as_str());
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn options(client: &[(&str, &str)]) -> KafkaOptions {
        let mut options = KafkaOptions::new("localhost:9092", "almoner");
        options.client = client
            .iter()
            .map(|(key, value)| ((*key).to_owned(), (*value).to_owned()))
            .collect();
        options
    }

    fn check(client: &[(&str, &str)], expected: Result<(), &str>) {
        for role in [Role::Member, Role::Reader, Role::Producer] {
            let result = client_config(&options(client), role)
                .map(drop)
                .map_err(|error| error.to_string());
            match (expected, result) {
                (Ok(()), Ok(())) => {}
                (Err(part), Err(error)) if error.contains(part) => {}
                (_, result) => panic!("{client:?} as {role:?}: {result:?}, expected {expected:?}"),
            }
        }
    }

    #[test]
    fn what_contradicts_the_promise_is_refused_by_name() {
        check(
            &[("enable.auto.commit", "true")],
            Err("kafka.client.enable.auto.commit"),
        );
        check(
            &[("enable.auto.offset.store", "true")],
            Err("kafka.client.enable.auto.offset.store"),
        );
        check(
            &[("partition.assignment.strategy", "range")],
            Err("kafka.client.partition.assignment.strategy"),
        );
        check(
            &[("auto.offset.reset", "latest")],
            Err("kafka.client.auto.offset.reset"),
        );
        check(
            &[("isolation.level", "read_uncommitted")],
            Err("kafka.client.isolation.level"),
        );
        check(
            &[("enable.idempotence", "false")],
            Err("kafka.client.enable.idempotence"),
        );
        check(&[("acks", "1")], Err("kafka.client.acks"));
        check(
            &[("request.required.acks", "0")],
            Err("kafka.client.request.required.acks"),
        );
        check(
            &[("transactional.id", "x")],
            Err("kafka.client.transactional.id"),
        );
    }

    #[test]
    fn what_agrees_is_let_through() {
        check(
            &[
                ("enable.auto.commit", "false"),
                ("acks", "all"),
                ("enable.idempotence", "true"),
            ],
            Ok(()),
        );
        check(&[("request.required.acks", "-1")], Ok(()));
        check(
            &[
                ("fetch.min.bytes", "1000"),
                ("linger.ms", "20"),
                ("client.id", "mine"),
            ],
            Ok(()),
        );
    }

    #[test]
    fn what_has_its_own_key_names_it() {
        check(
            &[("bootstrap.servers", "x:1")],
            Err("kafka.bootstrap_servers"),
        );
        check(&[("group.id", "x")], Err("kafka.group_id"));
        check(&[("partitioner", "random")], Err("kafka.partitioner"));
    }

    #[test]
    fn what_librdkafka_does_not_know_is_named() {
        check(&[("no.such.thing", "1")], Err("kafka.client.no.such.thing"));
        check(&[("linger.ms", "soon")], Err("kafka.client.linger.ms"));
    }

    #[cfg(not(feature = "kafka-tls"))]
    #[test]
    fn without_the_feature_tls_says_which_one() {
        check(&[("security.protocol", "SSL")], Err("--features kafka-tls"));
        check(
            &[
                ("security.protocol", "sasl_ssl"),
                ("sasl.mechanism", "PLAIN"),
            ],
            Err("--features kafka-tls"),
        );
        check(
            &[("sasl.mechanism", "SCRAM-SHA-512")],
            Err("--features kafka-tls"),
        );
        check(
            &[("ssl.key.password", "hunter2")],
            Err("--features kafka-tls"),
        );
        check(
            &[("security.protocol", "SASL_PLAINTEXT")],
            Err("--features kafka-kerberos"),
        );
        check(
            &[("sasl.mechanism", "GSSAPI")],
            Err("--features kafka-kerberos"),
        );
    }

    #[test]
    fn plain_passwords_need_no_feature() {
        let plain = [
            ("sasl.mechanism", "PLAIN"),
            ("sasl.password", "hunter2"),
            ("sasl.username", "almoner"),
            ("security.protocol", "SASL_PLAINTEXT"),
        ];
        check(&plain, Ok(()));
    }

    #[test]
    fn no_error_shows_a_secret() {
        let error = client_config(
            &options(&[("ssl.key.password", "hunter2"), ("linger.ms", "soon")]),
            Role::Producer,
        );
        assert!(!format!("{error:?}").contains("hunter2"));
    }
}
