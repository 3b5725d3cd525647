//! What can be wrong with the broker or with what was said of it, and what to do about it.

/// Why Kafka cannot be used.
#[derive(Clone, PartialEq, Eq, Debug, thiserror::Error)]
pub enum KafkaError {
    /// No broker answered.
    #[error(
        "no Kafka broker answered at {bootstrap_servers} within {waited_ms} ms ({detail}): check kafka.bootstrap_servers \
         and that the broker runs"
    )]
    Unreachable {
        /// Whom we asked.
        bootstrap_servers: String,
        /// How long.
        waited_ms: u64,
        /// What the client said last.
        detail: String,
    },
    /// The broker has no such topic.
    #[error(
        "the topic {topic:?} does not exist: make it (almoner migrate), or correct kafka.topics.{role}"
    )]
    TopicMissing {
        /// Its name.
        topic: String,
        /// Which of our topics it should be.
        role: &'static str,
    },
    /// The broker answered, and does not let us.
    #[error(
        "the broker refused {what}: {detail}: check the credentials in kafka.client and the broker's ACLs"
    )]
    Refused {
        /// What we asked for.
        what: String,
        /// What it said.
        detail: String,
    },
    /// The broker answers, but not this. librdkafka's mock cluster is such a one.
    #[error(
        "the broker did not say how the topics are set: it is too old, too slow, or no Apache Kafka"
    )]
    SettingsUnsaid,
    /// A client option that contradicts what no donation may be lost without.
    #[error("kafka.client.{key} = {theirs:?} cannot be: it must be {ours:?}, {why}; remove it")]
    Contradicts {
        /// librdkafka's name of the setting.
        key: String,
        /// What was given.
        theirs: String,
        /// What it must be.
        ours: String,
        /// Why.
        why: &'static str,
    },
    /// A client option that has a key of its own in our configuration.
    #[error("kafka.client.{key} is set by {instead}: set that one")]
    HasItsOwnKey {
        /// librdkafka's name of the setting.
        key: String,
        /// The key to be used.
        instead: &'static str,
    },
    /// A client option that this build does not know.
    #[error(
        "kafka.client.{key} = {value:?} needs a build with the Cargo feature `{feature}`: \
         cargo build --release --features {feature}"
    )]
    FeatureMissing {
        /// librdkafka's name of the setting.
        key: String,
        /// What was given; a setting whose value may be secret is not shown.
        value: String,
        /// The feature to be built in.
        feature: &'static str,
    },
    /// A client option that librdkafka does not take.
    #[error("kafka.client.{key}: {detail}: see librdkafka's CONFIGURATION.md")]
    Setting {
        /// librdkafka's name of the setting.
        key: String,
        /// What librdkafka says of it.
        detail: String,
    },
    /// The client could not be made, or cannot go on.
    #[error("the Kafka client failed: {0}")]
    Client(String),
}

impl KafkaError {
    /// Whether a restart may cure it, without anybody changing the configuration.
    #[must_use]
    pub fn is_transient(&self) -> bool {
        matches!(
            self,
            Self::Unreachable { .. }
                | Self::TopicMissing { .. }
                | Self::Refused { .. }
                | Self::Client(_)
        )
    }
}

impl From<rdkafka::error::KafkaError> for KafkaError {
    fn from(error: rdkafka::error::KafkaError) -> Self {
        match error {
            rdkafka::error::KafkaError::ClientConfig(_, detail, key, _) => {
                Self::Setting { key, detail }
            }
            other => Self::Client(other.to_string()),
        }
    }
}
