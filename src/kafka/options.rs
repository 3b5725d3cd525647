//! What one says of the broker: where it is, who we are in the group, which topics, and what librdkafka is told besides.

use std::collections::BTreeMap;
use std::fmt;

use almoner_domain::partition::Partitioner;

/// The names of our topics.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct Topics {
    /// What front ends ask for; key: the user's id.
    pub requests: String,
    /// What became of it; key: the user's id.
    pub outcomes: String,
    /// What could not be read.
    pub dead_letters: String,
    /// Who may receive; compacted, key: the campaign's id.
    pub campaigns: String,
}

impl Topics {
    /// Each topic with the name of its role, as the configuration calls it.
    #[must_use]
    pub fn by_role(&self) -> [(&'static str, &str); 4] {
        [
            ("requests", &self.requests),
            ("outcomes", &self.outcomes),
            ("dead_letters", &self.dead_letters),
            ("campaigns", &self.campaigns),
        ]
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

/// All that is said of the broker.
#[derive(Clone, PartialEq, Eq)]
pub struct KafkaOptions {
    /// `host:port`, several with commas.
    pub bootstrap_servers: String,
    /// The consumer group: its members share the partitions.
    pub group_id: String,
    /// Makes this a static member: a restart within the session takes its partitions up again without a rebalance.
    /// Two processes with one id are fatal to the older one.
    pub group_instance_id: Option<String>,
    /// The topics.
    pub topics: Topics,
    /// How keys become partitions.
    pub partitioner: Partitioner,
    /// Without a sign of life for this long the group gives our partitions to others; also the length of the lease.
    pub session_timeout_ms: u32,
    /// How long a planned handover may drain; librdkafka's `max.poll.interval.ms` is set above it.
    pub drain_timeout_ms: u32,
    /// More for librdkafka, by its own names: `sasl.password`, `ssl.ca.location`, … Secrets stand here in the clear.
    pub client: BTreeMap<String, String>,
}

impl KafkaOptions {
    /// The usual options for a broker.
    #[must_use]
    pub fn new(bootstrap_servers: impl Into<String>, group_id: impl Into<String>) -> Self {
        Self {
            bootstrap_servers: bootstrap_servers.into(),
            group_id: group_id.into(),
            group_instance_id: None,
            topics: Topics::default(),
            partitioner: Partitioner::default(),
            session_timeout_ms: 45_000,
            drain_timeout_ms: 25_000,
            client: BTreeMap::new(),
        }
    }
}

// By hand: the values of `client` may be secret.
impl fmt::Debug for KafkaOptions {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("KafkaOptions")
            .field("bootstrap_servers", &self.bootstrap_servers)
            .field("group_id", &self.group_id)
            .field("group_instance_id", &self.group_instance_id)
            .field("topics", &self.topics)
            .field("partitioner", &self.partitioner)
            .field("session_timeout_ms", &self.session_timeout_ms)
            .field("drain_timeout_ms", &self.drain_timeout_ms)
            .field("client", &self.client.keys().collect::<Vec<_>>())
            .finish()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn debug_shows_no_secret() {
        let mut options = KafkaOptions::new("localhost:9092", "almoner");
        options
            .client
            .insert("sasl.password".to_owned(), "hunter2".to_owned());
        let shown = format!("{options:?}");
        assert!(
            shown.contains("sasl.password") && !shown.contains("hunter2"),
            "{shown}"
        );
    }
}
