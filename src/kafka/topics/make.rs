//! Makes the topics that are missing, as the configuration means them, and says how the others are.

use std::time::Duration;

use rdkafka::admin::{AdminClient, AdminOptions, NewTopic, TopicReplication};
use rdkafka::error::RDKafkaErrorCode;

use super::found::find;
use super::layout::{Layout, Wanted, differences};
use super::{KafkaError, KafkaOptions, PlainContext, Role, block_on, client_config};

/// How long the broker may take to make the topics.
const MAKE_WITHIN: Duration = Duration::from_secs(30);

/// What was done with a topic.
#[derive(Clone, PartialEq, Eq, Debug)]
pub enum Made {
    /// It is new.
    New {
        /// How many partitions it has.
        partitions: u32,
    },
    /// It was there, as it is meant to be.
    AsMeant,
    /// It was there, and is otherwise: in what. It stays as it is.
    Differs(Vec<String>),
}

/// Makes those of our topics that are missing; the others stay as they are, whatever that is. The answer is by topic, in
/// the order of the configuration. Doing it again, also at the same time, changes nothing. Blocks until it is done.
///
/// # Errors
/// The broker did not answer, or does not let us.
pub fn make(
    options: &KafkaOptions,
    layout: &Layout,
    within: Duration,
) -> Result<Vec<(String, Made)>, KafkaError> {
    let found = find(options, within)?;
    let mut all = Vec::new();
    for (role, topic) in options.topics.by_role() {
        let made = match found.iter().find(|it| it.role == role) {
            Some(found) => match differences(found, layout) {
                lines if lines.is_empty() => Made::AsMeant,
                lines => Made::Differs(lines),
            },
            None => make_one(options, layout, topic, &layout.wanted(role))?,
        };
        all.push((topic.to_owned(), made));
    }
    Ok(all)
}

fn make_one(
    options: &KafkaOptions,
    layout: &Layout,
    topic: &str,
    wanted: &Wanted,
) -> Result<Made, KafkaError> {
    let admin: AdminClient<PlainContext> =
        client_config(options, Role::Producer)?.create_with_context(PlainContext::new())?;
    // -1 is the broker's default.
    let replicas = layout.replication_factor.map_or(-1, i32::from);
    let partitions = i32::try_from(wanted.partitions).unwrap_or(i32::MAX);
    let new = NewTopic::new(topic, partitions, TopicReplication::Fixed(replicas));
    let new = wanted
        .settings
        .iter()
        .fold(new, |new, (name, value)| new.set(name, value));
    let settings = AdminOptions::new()
        .request_timeout(Some(MAKE_WITHIN))
        .operation_timeout(Some(MAKE_WITHIN));
    let answers = block_on(admin.create_topics([&new], &settings))??;
    match answers.into_iter().next() {
        Some(Ok(_)) => Ok(Made::New {
            partitions: wanted.partitions,
        }),
        // Somebody else was faster.
        Some(Err((_, RDKafkaErrorCode::TopicAlreadyExists))) => Ok(Made::AsMeant),
        Some(Err((_, code))) => Err(KafkaError::Refused {
            what: format!("to make the topic {topic:?}"),
            detail: code.to_string(),
        }),
        None => Err(KafkaError::Client(format!(
            "nothing was answered of the topic {topic:?}"
        ))),
    }
}
