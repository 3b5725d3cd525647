//! Which of the user's settings cannot be: those that would break the promise, those that have a key of their own, and
//! those that this build cannot do.

use std::collections::BTreeMap;

use crate::kafka::error::KafkaError;

/// A setting that is not the user's to choose.
pub(super) struct Required {
    pub(super) keys: &'static [&'static str],
    pub(super) values: &'static [&'static str],
    why: &'static str,
}

/// What a reader of requests cannot do without.
pub(super) const MEMBER: &[Required] = &[
    Required {
        keys: &["enable.auto.commit"],
        values: &["false"],
        why: "since an offset is committed only once its request has its fate",
    },
    Required {
        keys: &["enable.auto.offset.store"],
        values: &["false"],
        why: "since an offset is committed only once its request has its fate",
    },
    Required {
        keys: &["partition.assignment.strategy"],
        values: &["cooperative-sticky"],
        why: "since a handover drains the partitions that move and no others",
    },
    Required {
        keys: &["group.protocol"],
        values: &["classic"],
        why: "since the lease on a partition lasts for the member's session timeout",
    },
    Required {
        keys: &["auto.offset.reset"],
        values: &["error"],
        why: "since requests that the log has lost are reported, never skipped",
    },
    Required {
        keys: &["isolation.level"],
        values: &["read_committed"],
        why: "since a request whose transaction was aborted was never made",
    },
];

/// What a producer cannot do without.
pub(super) const PRODUCER: &[Required] = &[
    Required {
        keys: &["enable.idempotence"],
        values: &["true"],
        why: "since outcomes keep their order and are not doubled by the client's own retries",
    },
    Required {
        keys: &["acks", "request.required.acks"],
        values: &["all", "-1"],
        why: "since an offset is committed only once its outcome is safe",
    },
    Required {
        keys: &["delivery.report.only.error"],
        values: &["false"],
        why: "since each outcome waits for its acknowledgement",
    },
    Required {
        keys: &["transactional.id"],
        values: &["not set"],
        why: "since outcomes are at least once, each acknowledged by itself",
    },
];

/// librdkafka's settings that our configuration has keys of its own for.
const OWN_KEYS: &[(&str, &str)] = &[
    ("bootstrap.servers", "kafka.bootstrap_servers"),
    ("metadata.broker.list", "kafka.bootstrap_servers"),
    ("group.id", "kafka.group_id"),
    ("group.instance.id", "kafka.instance_id"),
    ("session.timeout.ms", "kafka.session_timeout_ms"),
    ("max.poll.interval.ms", "shutdown.drain_timeout_ms"),
    ("partitioner", "kafka.partitioner"),
];

/// Refuses a setting of the user's that is not the user's to choose.
pub(super) fn refuse_contradiction(key: &str, value: &str) -> Result<(), KafkaError> {
    if let Some((_, instead)) = OWN_KEYS.iter().find(|(own, _)| *own == key) {
        return Err(KafkaError::HasItsOwnKey {
            key: key.to_owned(),
            instead,
        });
    }
    let required = MEMBER
        .iter()
        .chain(PRODUCER)
        .find(|required| required.keys.contains(&key));
    match required {
        Some(required) if !required.values.contains(&value) => Err(KafkaError::Contradicts {
            key: key.to_owned(),
            theirs: value.to_owned(),
            ours: required
                .values
                .first()
                .copied()
                .unwrap_or_default()
                .to_owned(),
            why: required.why,
        }),
        _ => Ok(()),
    }
}

const TLS: bool = cfg!(feature = "kafka-tls");
const GSSAPI: bool = cfg!(feature = "kafka-kerberos");

/// Whether this build has what the setting needs. librdkafka would say "not available at build time" at best.
pub(super) fn refuse_without_feature(
    key: &str,
    value: &str,
    all: &BTreeMap<String, String>,
) -> Result<(), KafkaError> {
    let keys = all.keys().map(String::as_str);
    let Some(feature) = missing_feature(key, value, keys) else {
        return Ok(());
    };
    // Only of these two it is sure that they hold no secret.
    let may_be_shown = key == "security.protocol" || names_mechanism(key);
    Err(KafkaError::FeatureMissing {
        key: key.to_owned(),
        value: if may_be_shown { value } else { "…" }.to_owned(),
        feature,
    })
}

/// The Cargo feature that a setting needs and this build lacks. If none of all the `keys` that are set names the mechanism,
/// SASL means Kerberos.
pub(crate) fn missing_feature<'k>(
    key: &str,
    value: &str,
    mut keys: impl Iterator<Item = &'k str>,
) -> Option<&'static str> {
    let lower = value.to_ascii_lowercase();
    let (needs_tls, needs_gssapi) = match key {
        "security.protocol" => (
            lower.ends_with("ssl"),
            lower.starts_with("sasl") && !keys.any(names_mechanism),
        ),
        // PLAIN is always there; the others need OpenSSL.
        _ if names_mechanism(key) => (
            lower.starts_with("scram-") || lower == "oauthbearer",
            lower == "gssapi",
        ),
        _ => (key.starts_with("ssl."), key.starts_with("sasl.kerberos.")),
    };
    match (needs_tls && !TLS, needs_gssapi && !GSSAPI) {
        (_, true) => Some("kafka-kerberos"),
        (true, false) => Some("kafka-tls"),
        (false, false) => None,
    }
}

/// Whether the setting names SASL's mechanism: librdkafka knows both spellings.
fn names_mechanism(key: &str) -> bool {
    matches!(key, "sasl.mechanism" | "sasl.mechanisms")
}
