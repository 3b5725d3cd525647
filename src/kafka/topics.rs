//! The topics: asked for once at the start, so that what is missing is said by name. How they are meant to be is in
//! [`layout`], how they are in [`found`], what of it is dangerous in [`dangers`]; what makes them is in [`make`].

pub mod dangers;
pub mod found;
pub mod layout;
pub mod make;
#[cfg(test)]
mod samples;

use std::time::Duration;

use rdkafka::consumer::{BaseConsumer, Consumer};
use rdkafka::error::{KafkaError as ClientError, RDKafkaErrorCode};
use rdkafka::types::RDKafkaRespErr;
use tokio::time::Instant;

use super::client_config::{Role, client_config};
use super::context::{ClientFailure, PlainContext};
use super::error::KafkaError;
use super::options::KafkaOptions;

/// How long the broker may take to say what topics it has: what to give [`check`] where there is no hurry.
pub const METADATA_WITHIN: Duration = Duration::from_secs(10);

/// What the broker says of our topics.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct TopicFacts {
    /// How many partitions the requests have: the number of shards.
    pub request_partitions: u32,
}

/// Asks the broker for our topics; none is created by asking.
///
/// # Errors
/// [`KafkaError::Unreachable`] if nobody answered within `timeout`, [`KafkaError::TopicMissing`],
/// [`KafkaError::Refused`], or what is wrong with the options.
pub fn check(options: &KafkaOptions, timeout: Duration) -> Result<TopicFacts, KafkaError> {
    let client: BaseConsumer<PlainContext> =
        client_config(options, Role::Reader)?.create_with_context(PlainContext::new())?;
    let mut facts = TopicFacts {
        request_partitions: 0,
    };
    for (role, topic) in options.topics.by_role() {
        let partitions = wait_for_topic(&client, options, role, topic, timeout)?;
        if role == "requests" {
            facts.request_partitions = partitions;
        }
    }
    Ok(facts)
}

/// A topic that was just made is not known to every broker at once.
fn wait_for_topic(
    client: &BaseConsumer<PlainContext>,
    options: &KafkaOptions,
    role: &'static str,
    topic: &str,
    timeout: Duration,
) -> Result<u32, KafkaError> {
    let until = Instant::now() + MISSING_FOR.min(timeout);
    loop {
        match partition_count(client, options, role, topic, timeout) {
            Err(KafkaError::TopicMissing { .. }) if Instant::now() < until => {
                std::thread::sleep(MISSING_FOR / 10)
            }
            other => return other,
        }
    }
}

/// For how long a topic may be missing before we believe it.
const MISSING_FOR: Duration = Duration::from_secs(2);

/// How many partitions a topic has.
pub(super) fn partition_count(
    client: &BaseConsumer<PlainContext>,
    options: &KafkaOptions,
    role: &'static str,
    topic: &str,
    timeout: Duration,
) -> Result<u32, KafkaError> {
    let metadata = client
        .fetch_metadata(Some(topic), timeout)
        .map_err(|error| unanswered(client, options, topic, &error, timeout))?;
    let missing = || KafkaError::TopicMissing {
        topic: topic.to_owned(),
        role,
    };
    let found = metadata
        .topics()
        .iter()
        .find(|found| found.name() == topic)
        .ok_or_else(missing)?;
    match found.error() {
        None if found.partitions().is_empty() => Err(missing()),
        None => Ok(u32::try_from(found.partitions().len()).unwrap_or(u32::MAX)),
        Some(
            RDKafkaRespErr::RD_KAFKA_RESP_ERR_UNKNOWN_TOPIC_OR_PART
            | RDKafkaRespErr::RD_KAFKA_RESP_ERR__UNKNOWN_TOPIC,
        ) => Err(missing()),
        Some(error) => Err(KafkaError::Refused {
            what: format!("the topic {topic:?}"),
            detail: RDKafkaErrorCode::from(error).to_string(),
        }),
    }
}

fn unanswered(
    client: &BaseConsumer<PlainContext>,
    options: &KafkaOptions,
    topic: &str,
    error: &ClientError,
    timeout: Duration,
) -> KafkaError {
    // Why the connection failed is among the client's events, which only a poll serves.
    for _ in 0..EVENTS_MAX {
        let _ = client.poll(Duration::ZERO);
    }
    let own = ClientFailure {
        code: error.rdkafka_error_code(),
        reason: error.to_string(),
    };
    // A connection that was refused is a call that timed out, and an event that says why.
    let last = client.context().last_error();
    let is_refused = is_refusal(&own) || last.as_ref().is_some_and(is_refusal);
    let detail = last.unwrap_or(own).reason;
    if is_refused {
        return KafkaError::Refused {
            what: format!("to describe the topic {topic:?}"),
            detail,
        };
    }
    KafkaError::Unreachable {
        bootstrap_servers: options.bootstrap_servers.clone(),
        waited_ms: u64::try_from(timeout.as_millis()).unwrap_or(u64::MAX),
        detail,
    }
}

/// Whether it was a broker that said no.
fn is_refusal(failure: &ClientFailure) -> bool {
    matches!(
        failure.code,
        Some(
            RDKafkaErrorCode::TopicAuthorizationFailed
                | RDKafkaErrorCode::ClusterAuthorizationFailed
                | RDKafkaErrorCode::Authentication
                | RDKafkaErrorCode::SaslAuthenticationFailed
        )
    )
}

/// How many waiting events of a client are looked through for the reason of a failure.
const EVENTS_MAX: usize = 100;

/// What an admin client answers.
fn block_on<F: Future>(answer: F) -> Result<F::Output, KafkaError> {
    let runtime = tokio::runtime::Builder::new_current_thread().build();
    let runtime = runtime.map_err(|error| KafkaError::Client(error.to_string()))?;
    Ok(runtime.block_on(answer))
}
