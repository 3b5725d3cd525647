//! `[kafka]`: where requests are read and outcomes are written.

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use super::client_options::ClientOptions;

/// The Kafka cluster that donations come from and outcomes go to.
#[derive(Clone, PartialEq, Debug, Serialize, Deserialize, JsonSchema)]
#[serde(default)]
pub struct Kafka {
    /// The brokers to begin with, `host:port`, separated by commas; the others are learnt from them.
    #[schemars(length(min = 1))]
    pub bootstrap_servers: String,
    /// The consumer group. All instances of one installation share it; another name reads everything anew.
    #[schemars(length(min = 1))]
    pub group_id: String,
    /// This instance's fixed name in the group (static membership): a restart within the session keeps its partitions.
    /// Every instance needs a name of its own. Empty: the broker gives a name at each start.
    #[serde(with = "empty_is_none")]
    #[schemars(with = "String")]
    pub instance_id: Option<String>,
    /// How the producers of the requests choose a partition from the key. It must be the one that they use, since it
    /// decides which instance a user's donations belong to.
    pub partitioner: Partitioner,
    /// How long, in milliseconds, an instance keeps its partitions without a sign of life. It is also the lease: after
    /// so long without an acknowledged commit no charge is sent.
    #[schemars(
        range(min = 6_000, max = 1_800_000),
        extend("x-why" = "brokers refuse what is outside, unless told otherwise")
    )]
    pub session_timeout_ms: u32,
    /// The topics' names.
    pub topics: Topics,
    /// How the topics are meant to be.
    pub layout: Layout,
    /// Any option of librdkafka, passed on as it is: `client."security.protocol" = "SASL_SSL"`. Options that the runtime
    /// sets itself are refused. Passwords and keys among them are secrets.
    pub client: ClientOptions,
}

/// The topics' names; each must be another one.
#[derive(Clone, PartialEq, Eq, Debug, Serialize, Deserialize, JsonSchema)]
#[serde(default)]
pub struct Topics {
    /// The topic that requests are read from.
    pub requests: String,
    /// The topic that outcomes are written to.
    pub outcomes: String,
    /// The topic for what cannot be read or done, and has nobody to be answered to.
    pub dead_letters: String,
    /// The compacted topic that campaigns are read from.
    pub campaigns: String,
}

/// How the topics are meant to be: `almoner migrate` makes those that are missing so, and a start says what is dangerously
/// otherwise.
#[derive(Clone, PartialEq, Eq, Debug, Serialize, Deserialize, JsonSchema)]
#[serde(default)]
pub struct Layout {
    /// How many partitions requests have, and outcomes. The requests' number is for good, since a user's shard follows
    /// from it: a multiple of the instances planned.
    #[schemars(range(min = 1, max = 10_000))]
    pub partitions: u32,
    /// How many copies each partition has. 0: as the broker does by default.
    #[schemars(range(max = 100))]
    pub replication_factor: u16,
    /// How many copies must have a record before it is acknowledged: 2 where there are three. 0: as the broker does by default.
    #[schemars(range(max = 100))]
    pub min_insync_replicas: u16,
    /// How long, in seconds, requests and outcomes are kept.
    #[schemars(range(min = 60, max = 315_360_000))]
    pub retention_s: u64,
    /// How long, in seconds, dead letters are kept.
    #[schemars(range(min = 60, max = 315_360_000))]
    pub dead_letters_retention_s: u64,
    /// The longest outage planned for, in seconds: so long all instances may stand still without a request leaving the
    /// log unread.
    #[schemars(range(min = 60, max = 315_360_000))]
    pub outage_s: u64,
}

/// How a key becomes a partition.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Default, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "snake_case")]
pub enum Partitioner {
    /// Murmur2, as Java's clients do by default.
    #[default]
    Murmur2Random,
    /// CRC32, as librdkafka's clients do by default (C, Python, Go, Rust, .NET).
    ConsistentRandom,
}

impl Partitioner {
    /// The same in the domain's words.
    pub fn in_domain(self) -> almoner_domain::partition::Partitioner {
        match self {
            Self::Murmur2Random => almoner_domain::partition::Partitioner::Murmur2Random,
            Self::ConsistentRandom => almoner_domain::partition::Partitioner::ConsistentRandom,
        }
    }
}

impl Default for Kafka {
    fn default() -> Self {
        Self {
            bootstrap_servers: "127.0.0.1:9092".to_owned(),
            group_id: "almoner".to_owned(),
            instance_id: None,
            partitioner: Partitioner::default(),
            session_timeout_ms: 45_000,
            topics: Topics::default(),
            layout: Layout::default(),
            client: ClientOptions::default(),
        }
    }
}

impl Default for Topics {
    fn default() -> Self {
        Self {
            requests: "donations.requests".to_owned(),
            outcomes: "donations.outcomes".to_owned(),
            dead_letters: "donations.dead-letters".to_owned(),
            campaigns: "donations.campaigns".to_owned(),
        }
    }
}

const DAY_S: u64 = 24 * 3_600;

impl Default for Layout {
    fn default() -> Self {
        Self {
            partitions: 48,
            replication_factor: 0,
            min_insync_replicas: 0,
            retention_s: 7 * DAY_S,
            dead_letters_retention_s: 30 * DAY_S,
            outage_s: 3 * DAY_S,
        }
    }
}

/// TOML has no null: the empty text stands for "none".
pub(super) mod empty_is_none {
    use serde::{Deserialize, Deserializer, Serializer};

    pub fn serialize<S: Serializer>(value: &Option<String>, to: S) -> Result<S::Ok, S::Error> {
        to.serialize_str(value.as_deref().unwrap_or_default())
    }

    pub fn deserialize<'de, D: Deserializer<'de>>(from: D) -> Result<Option<String>, D::Error> {
        let text = String::deserialize(from)?;
        Ok(if text.is_empty() { None } else { Some(text) })
    }
}
