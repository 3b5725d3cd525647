//! How the topics are, as the broker says.

use std::collections::BTreeMap;
use std::time::Duration;

use rdkafka::admin::{AdminClient, AdminOptions, ConfigResource, ResourceSpecifier};
use rdkafka::consumer::{BaseConsumer, Consumer};
use rdkafka::error::{KafkaError as ClientError, RDKafkaErrorCode};

use super::{
    KafkaError, KafkaOptions, MISSING_FOR, PlainContext, Role, block_on, client_config, unanswered,
};

/// How a topic is.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct Found {
    /// What it is to us, as the configuration calls it.
    pub role: &'static str,
    /// Its name.
    pub topic: String,
    /// How many partitions it has.
    pub partitions: u32,
    /// Copies of each partition.
    pub replicas: u16,
    /// Its settings, by the broker's names; empty if it does not say.
    pub settings: BTreeMap<String, String>,
}

impl Found {
    pub(super) fn setting(&self, name: &str) -> Option<&str> {
        self.settings.get(name).map(String::as_str)
    }

    pub(super) fn number(&self, name: &str) -> Option<i64> {
        self.setting(name)?.parse().ok()
    }
}

/// Asks the broker how those of our topics are that there are. Blocks while it answers.
///
/// # Errors
/// It did not answer, does not let us ask, or knows no such question.
pub fn find(options: &KafkaOptions, within: Duration) -> Result<Vec<Found>, KafkaError> {
    let mut found = find_counts(options, within)?;
    if found.is_empty() {
        return Ok(found);
    }
    let admin: AdminClient<PlainContext> =
        client_config(options, Role::Producer)?.create_with_context(PlainContext::new())?;
    let asked: Vec<_> = found
        .iter()
        .map(|it| ResourceSpecifier::Topic(&it.topic))
        .collect();
    let settings = AdminOptions::new().request_timeout(Some(within));
    let answers = block_on(admin.describe_configs(&asked, &settings))?;
    let answers = answers.map_err(|error| match error {
        ClientError::AdminOp(
            RDKafkaErrorCode::UnsupportedFeature | RDKafkaErrorCode::OperationTimedOut,
        ) => KafkaError::SettingsUnsaid,
        other => other.into(),
    })?;
    for (it, answer) in found.iter_mut().zip(answers) {
        let resource = answer.map_err(|code| KafkaError::Refused {
            what: format!("to describe the settings of the topic {:?}", it.topic),
            detail: code.to_string(),
        })?;
        it.settings = by_name(resource);
    }
    Ok(found)
}

fn by_name(resource: ConfigResource) -> BTreeMap<String, String> {
    let entries = resource.entries.into_iter();
    entries
        .filter_map(|entry| Some((entry.name, entry.value?)))
        .collect()
}

fn find_counts(options: &KafkaOptions, within: Duration) -> Result<Vec<Found>, KafkaError> {
    let client: BaseConsumer<PlainContext> =
        client_config(options, Role::Reader)?.create_with_context(PlainContext::new())?;
    let mut found = Vec::new();
    for (role, topic) in options.topics.by_role() {
        let metadata = client
            .fetch_metadata(Some(topic), within.max(MISSING_FOR))
            .map_err(|error| unanswered(&client, options, topic, &error, within))?;
        let described = metadata.topics().iter().find(|it| it.name() == topic);
        let Some(described) = described.filter(|it| !it.partitions().is_empty()) else {
            if let Some(error) = described.and_then(|it| it.error()) {
                refuse_unless_missing(topic, error.into())?;
            }
            continue;
        };
        let replicas = described.partitions().iter().map(|it| it.replicas().len());
        found.push(Found {
            role,
            topic: topic.to_owned(),
            partitions: u32::try_from(described.partitions().len()).unwrap_or(u32::MAX),
            replicas: u16::try_from(replicas.min().unwrap_or(0)).unwrap_or(u16::MAX),
            settings: BTreeMap::new(),
        });
    }
    Ok(found)
}

fn refuse_unless_missing(topic: &str, code: RDKafkaErrorCode) -> Result<(), KafkaError> {
    match code {
        RDKafkaErrorCode::UnknownTopicOrPartition | RDKafkaErrorCode::UnknownTopic => Ok(()),
        code => Err(KafkaError::Refused {
            what: format!("the topic {topic:?}"),
            detail: code.to_string(),
        }),
    }
}
