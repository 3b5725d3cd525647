//! How the topics are meant to be, how they are, and what of the difference is dangerous.

use std::collections::BTreeMap;
use std::time::Duration;

use rdkafka::admin::{AdminClient, AdminOptions, ConfigResource, ResourceSpecifier};
use rdkafka::consumer::{BaseConsumer, Consumer};
use rdkafka::error::{KafkaError as ClientError, RDKafkaErrorCode};

use super::{KafkaError, KafkaOptions, MISSING_FOR, PlainContext, Role, client_config, unanswered};

/// Partitions of the topics that hold little.
const FEW_PARTITIONS: u32 = 4;

/// How the topics are meant to be.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct Layout {
    /// Partitions of requests and outcomes.
    pub partitions: u32,
    /// Copies of each partition; none: the broker's default.
    pub replication_factor: Option<u16>,
    /// Copies that must have a record before it is acknowledged; none: the broker's default.
    pub min_insync_replicas: Option<u16>,
    /// How long requests and outcomes are kept.
    pub retention: Duration,
    /// How long dead letters are kept.
    pub dead_letters_retention: Duration,
    /// The longest outage planned for.
    pub outage_max: Duration,
}

/// What one topic is meant to be.
pub struct Wanted {
    /// How many partitions.
    pub partitions: u32,
    /// Its settings, by the broker's names.
    pub settings: Vec<(&'static str, String)>,
}

impl Layout {
    /// What the topic of this role is meant to be.
    #[must_use]
    pub fn wanted(&self, role: &str) -> Wanted {
        let mut settings = vec![("message.timestamp.type", "LogAppendTime".to_owned())];
        let retention = match role {
            "campaigns" => None,
            "dead_letters" => Some(self.dead_letters_retention),
            _ => Some(self.retention),
        };
        match retention {
            None => settings.push(("cleanup.policy", "compact".to_owned())),
            Some(kept) => {
                settings.push(("cleanup.policy", "delete".to_owned()));
                settings.push(("retention.ms", kept.as_millis().to_string()));
                settings.push(("retention.bytes", "-1".to_owned()));
            }
        }
        settings.extend(
            self.min_insync_replicas
                .map(|count| ("min.insync.replicas", count.to_string())),
        );
        let partitions = match role {
            "requests" | "outcomes" => self.partitions,
            _ => FEW_PARTITIONS,
        };
        Wanted {
            partitions,
            settings,
        }
    }
}

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
    fn setting(&self, name: &str) -> Option<&str> {
        self.settings.get(name).map(String::as_str)
    }

    fn number(&self, name: &str) -> Option<i64> {
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
    let runtime = tokio::runtime::Builder::new_current_thread().build();
    let runtime = runtime.map_err(|error| KafkaError::Client(error.to_string()))?;
    let settings = AdminOptions::new().request_timeout(Some(within));
    let answers = runtime.block_on(admin.describe_configs(&asked, &settings));
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

/// How a topic is otherwise than meant: one line each. None: it is as meant.
#[must_use]
pub fn differences(found: &Found, layout: &Layout) -> Vec<String> {
    let wanted = layout.wanted(found.role);
    let mut lines = Vec::new();
    if found.partitions != wanted.partitions && is_counted(found.role) {
        lines.push(format!(
            "it has {} partitions, and kafka.layout.partitions is {}",
            found.partitions, wanted.partitions
        ));
    }
    if let Some(replicas) = layout.replication_factor
        && found.replicas != replicas
    {
        lines.push(format!(
            "it has {} copies of each partition, and kafka.layout.replication_factor is {replicas}",
            found.replicas
        ));
    }
    for (name, value) in wanted.settings {
        let is = found.setting(name);
        if is != Some(value.as_str()) {
            lines.push(format!(
                "{name} is {}, and should be {value}",
                is.unwrap_or("not said")
            ));
        }
    }
    lines
}

/// Whether its number of partitions is configured.
fn is_counted(role: &str) -> bool {
    matches!(role, "requests" | "outcomes")
}

/// What of the topics' state can cost donations: one line each, with what to do.
#[must_use]
pub fn dangers(found: &[Found], layout: &Layout) -> Vec<String> {
    found.iter().flat_map(|it| dangers_of(it, layout)).collect()
}

fn dangers_of(found: &Found, layout: &Layout) -> Vec<String> {
    let topic = &found.topic;
    let mut lines = Vec::new();
    let is_compacted = found
        .setting("cleanup.policy")
        .map(|policy| policy.contains("compact"));
    match (found.role, is_compacted) {
        ("requests" | "outcomes" | "dead_letters", Some(true)) => lines.push(format!(
            "topic {topic}: it is compacted, which drops all of a key but the last: set cleanup.policy=delete"
        )),
        ("campaigns", Some(false)) => lines.push(format!(
            "topic {topic}: it is not compacted, so campaigns are forgotten with its retention: set \
             cleanup.policy=compact"
        )),
        _ => {}
    }
    lines.extend(dangers_of_copies(found));
    if found.role == "requests" {
        lines.extend(dangers_of_requests(found, layout));
    }
    lines
}

fn dangers_of_copies(found: &Found) -> Option<String> {
    let Found {
        topic, replicas, ..
    } = found;
    match found.number("min.insync.replicas")? {
        1 if *replicas > 1 => Some(format!(
            "topic {topic}: min.insync.replicas is 1 with {replicas} copies: what one broker alone has acknowledged is \
             lost with it: set min.insync.replicas=2"
        )),
        least if least > i64::from(*replicas) => Some(format!(
            "topic {topic}: min.insync.replicas is {least} with {replicas} copies: nothing can be written: set at most \
             {replicas}"
        )),
        _ => None,
    }
}

fn dangers_of_requests(found: &Found, layout: &Layout) -> Vec<String> {
    let topic = &found.topic;
    let mut lines = Vec::new();
    let outage_ms = i64::try_from(layout.outage_max.as_millis()).unwrap_or(i64::MAX);
    if let Some(kept_ms) = found
        .number("retention.ms")
        .filter(|kept_ms| (0..outage_ms).contains(kept_ms))
    {
        lines.push(format!(
            "topic {topic}: retention.ms is {kept_ms}, and kafka.layout.outage_s plans for {outage_ms}: a longer \
             outage than the retention loses requests: set retention.ms={outage_ms} or more"
        ));
    }
    if let Some(bytes) = found.number("retention.bytes").filter(|bytes| *bytes >= 0) {
        lines.push(format!(
            "topic {topic}: retention.bytes is {bytes}: requests that come fast are dropped unread, however new: set \
             retention.bytes=-1"
        ));
    }
    if found.setting("message.timestamp.type") == Some("CreateTime") {
        lines.push(format!(
            "topic {topic}: message.timestamp.type is CreateTime: the clocks of whoever publishes do not count, so doubles \
             and ages are judged by when we read: set message.timestamp.type=LogAppendTime"
        ));
    }
    if found.partitions != layout.partitions {
        lines.push(format!(
            "topic {topic}: it has {} partitions, and kafka.layout.partitions is {}: the topic's number counts, since a \
             user's shard follows from it: correct the key, and never add partitions",
            found.partitions, layout.partitions
        ));
    }
    lines
}

#[cfg(test)]
mod tests {
    use super::*;

    fn layout() -> Layout {
        Layout {
            partitions: 8,
            replication_factor: Some(3),
            min_insync_replicas: Some(2),
            retention: Duration::from_secs(700),
            dead_letters_retention: Duration::from_secs(3_000),
            outage_max: Duration::from_secs(300),
        }
    }

    /// As it is meant to be, but for this.
    fn found(role: &'static str, changes: &[(&str, &str)]) -> Found {
        let wanted = layout().wanted(role);
        let mut found = Found {
            role,
            topic: role.to_owned(),
            partitions: wanted.partitions,
            replicas: 3,
            settings: BTreeMap::new(),
        };
        let settings = wanted.settings.into_iter();
        found
            .settings
            .extend(settings.map(|(name, value)| (name.to_owned(), value)));
        for (name, value) in changes {
            match *name {
                "partitions" => found.partitions = value.parse().unwrap(),
                "replicas" => found.replicas = value.parse().unwrap(),
                _ => drop(
                    found
                        .settings
                        .insert((*name).to_owned(), (*value).to_owned()),
                ),
            }
        }
        found
    }

    /// Each line has its part, in order, and there are no others.
    fn check(lines: &[String], parts: &[&str]) {
        let is_it = lines.len() == parts.len()
            && lines
                .iter()
                .zip(parts)
                .all(|(line, part)| line.contains(part));
        assert!(is_it, "{lines:#?}, expected {parts:?}");
    }

    #[test]
    fn what_is_as_meant_is_neither_different_nor_dangerous() {
        for role in ["requests", "outcomes", "dead_letters", "campaigns"] {
            let found = found(role, &[]);
            check(&differences(&found, &layout()), &[]);
            check(&dangers(&[found], &layout()), &[]);
        }
    }

    #[test]
    fn each_danger_is_one_line_that_says_what_to_do() {
        let dangerous = |role, change, expected: &[&str]| {
            check(&dangers(&[found(role, &[change])], &layout()), expected);
        };
        dangerous(
            "requests",
            ("retention.ms", "299999"),
            &["set retention.ms=300000"],
        );
        dangerous("requests", ("retention.ms", "300000"), &[]);
        dangerous("requests", ("retention.ms", "-1"), &[]);
        dangerous("outcomes", ("retention.ms", "1"), &[]);
        dangerous(
            "requests",
            ("retention.bytes", "1000"),
            &["retention.bytes=-1"],
        );
        dangerous(
            "requests",
            ("message.timestamp.type", "CreateTime"),
            &["set message.timestamp.type=LogAppendTime"],
        );
        dangerous("outcomes", ("message.timestamp.type", "CreateTime"), &[]);
        for role in ["requests", "outcomes", "dead_letters", "campaigns"] {
            let one = ("min.insync.replicas", "1");
            dangerous(role, one, &["set min.insync.replicas=2"]);
            let four = ("min.insync.replicas", "4");
            dangerous(role, four, &["nothing can be written"]);
            check(
                &dangers(&[found(role, &[one, ("replicas", "1")])], &layout()),
                &[],
            );
        }
        dangerous("requests", ("partitions", "9"), &["it has 9 partitions"]);
        dangerous("outcomes", ("partitions", "9"), &[]);
        let compacted = ("cleanup.policy", "compact,delete");
        dangerous("requests", compacted, &["set cleanup.policy=delete"]);
        let deleted = ("cleanup.policy", "delete");
        dangerous("campaigns", deleted, &["set cleanup.policy=compact"]);
    }

    #[test]
    fn what_differs_is_named_with_both_values() {
        let changes = [
            ("partitions", "9"),
            ("replicas", "1"),
            ("retention.ms", "5"),
            ("min.insync.replicas", "1"),
        ];
        let expected = [
            "9 partitions, and kafka.layout.partitions is 8",
            "1 copies of each partition, and kafka.layout.replication_factor is 3",
            "retention.ms is 5, and should be 700000",
            "min.insync.replicas is 1, and should be 2",
        ];
        check(
            &differences(&found("requests", &changes), &layout()),
            &expected,
        );
        // Whoever says nothing of copies takes what there is.
        let silent = Layout {
            replication_factor: None,
            min_insync_replicas: None,
            ..layout()
        };
        check(
            &differences(&found("requests", &changes), &silent),
            &[expected[0], expected[2]],
        );
    }
}
