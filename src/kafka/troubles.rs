//! What keeps Kafka from working now, by what we do there: said once in the log when it begins and when it is over, and
//! shown for as long as it lasts.

use std::collections::BTreeMap;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use metrics::{Gauge, gauge};
use rdkafka::error::RDKafkaErrorCode;
use tokio::time::Instant;

use super::options::KafkaOptions;
use super::telemetry::TROUBLE;

/// A trouble whose reason changes is said again after so long at the soonest.
const SAY_AGAIN_AFTER: Duration = Duration::from_secs(10);

/// What we do at the broker.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Debug)]
pub enum Doing {
    /// Speak to it at all.
    Connect,
    /// Read requests as a member of the group, and commit.
    Requests,
    /// Publish outcomes.
    Outcomes,
    /// Publish dead letters.
    DeadLetters,
    /// Publish misplaced requests where they belong.
    Forwards,
    /// Read campaigns.
    Campaigns,
}

impl Doing {
    const ALL: [Self; 6] = [
        Self::Connect,
        Self::Requests,
        Self::Outcomes,
        Self::DeadLetters,
        Self::Forwards,
        Self::Campaigns,
    ];

    /// Its name, as it is shown.
    #[must_use]
    pub fn name(self) -> &'static str {
        match self {
            Self::Connect => "connect",
            Self::Requests => "requests",
            Self::Outcomes => "outcomes",
            Self::DeadLetters => "dead_letters",
            Self::Forwards => "forwards",
            Self::Campaigns => "campaigns",
        }
    }

    /// What waits until it works again.
    fn consequence(self) -> &'static str {
        match self {
            Self::Connect => "nothing is read or told until it is back; nothing is lost",
            Self::Requests => {
                "nothing new is charged once the lease has run out; what is in the log stays there"
            }
            Self::Outcomes => {
                "what is decided is told once it works; until then it is not committed"
            }
            Self::DeadLetters | Self::Forwards => "their records are not committed until it works",
            Self::Campaigns => "campaigns are judged by what is known of them",
        }
    }
}

/// Something that does not work.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct Trouble {
    /// What does not.
    pub doing: Doing,
    /// How long it has not.
    pub lasts: Duration,
    /// Why, and what to do: a sentence.
    pub reason: String,
}

/// The troubles of one client.
pub struct Troubles {
    names: KafkaOptions,
    open: Mutex<BTreeMap<Doing, Open>>,
    /// How many are open: success, which is frequent, need not take the lock.
    count: AtomicUsize,
    gauges: [Gauge; Doing::ALL.len()],
}

struct Open {
    since: Instant,
    said_at: Instant,
    reason: String,
}

impl Troubles {
    pub(super) fn new(options: &KafkaOptions) -> Self {
        Self {
            names: options.clone(),
            open: Mutex::default(),
            count: AtomicUsize::new(0),
            gauges: Doing::ALL.map(|doing| {
                let gauge = gauge!(TROUBLE, "doing" => doing.name());
                gauge.set(0);
                gauge
            }),
        }
    }

    /// What does not work now.
    pub fn now(&self) -> Vec<Trouble> {
        let now = Instant::now();
        let trouble = |(doing, open): (&Doing, &Open)| Trouble {
            doing: *doing,
            lasts: now.saturating_duration_since(open.since),
            reason: open.reason.clone(),
        };
        self.open().iter().map(trouble).collect()
    }

    /// It does not work, for this reason of the client's.
    pub(super) fn begin(&self, doing: Doing, code: RDKafkaErrorCode, said: &str) {
        self.begin_at(
            Instant::now(),
            doing,
            reason(&self.names, doing, code, said),
        );
    }

    /// It works.
    pub(super) fn end(&self, doing: Doing) {
        if self.count.load(Ordering::Relaxed) == 0 {
            return;
        }
        let mut open = self.open();
        if let Some(ended) = open.remove(&doing) {
            self.count.store(open.len(), Ordering::Relaxed);
            self.gauges[doing as usize].set(0);
            let lasted_s = ended.since.elapsed().as_secs();
            tracing::info!(target: "almoner::kafka", "{} works again, after {lasted_s} s", doing.name());
        }
    }

    fn begin_at(&self, now: Instant, doing: Doing, reason: String) {
        let mut open = self.open();
        let is_new = !open.contains_key(&doing);
        let entry = open.entry(doing).or_insert_with(|| Open {
            since: now,
            said_at: now,
            reason: String::new(),
        });
        let is_said = entry.reason == reason
            || !is_new && now.saturating_duration_since(entry.said_at) < SAY_AGAIN_AFTER;
        entry.reason = reason;
        if !is_said {
            entry.said_at = now;
            tracing::error!(
                target: "almoner::kafka",
                "{} does not work: {}; {}", doing.name(), entry.reason, doing.consequence()
            );
        }
        self.count.store(open.len(), Ordering::Relaxed);
        self.gauges[doing as usize].set(1);
    }

    fn open(&self) -> MutexGuard<'_, BTreeMap<Doing, Open>> {
        self.open.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// Whether the broker has said no, or that there is no such topic: until somebody changes that.
pub(super) fn is_refusal(code: RDKafkaErrorCode) -> bool {
    matches!(
        code,
        RDKafkaErrorCode::TopicAuthorizationFailed
            | RDKafkaErrorCode::GroupAuthorizationFailed
            | RDKafkaErrorCode::ClusterAuthorizationFailed
            | RDKafkaErrorCode::Authentication
            | RDKafkaErrorCode::SaslAuthenticationFailed
            | RDKafkaErrorCode::UnknownTopicOrPartition
            | RDKafkaErrorCode::UnknownTopic
            | RDKafkaErrorCode::KafkaStorageError
    )
}

/// Why something does not work, and what to do about it.
fn reason(names: &KafkaOptions, doing: Doing, code: RDKafkaErrorCode, said: &str) -> String {
    let topics = &names.topics;
    let (topic, role, right) = match doing {
        Doing::Connect | Doing::Requests => (&topics.requests, "requests", "Read"),
        Doing::Forwards => (&topics.requests, "requests", "Write"),
        Doing::Outcomes => (&topics.outcomes, "outcomes", "Write"),
        Doing::DeadLetters => (&topics.dead_letters, "dead_letters", "Write"),
        Doing::Campaigns => (&topics.campaigns, "campaigns", "Read"),
    };
    match code {
        RDKafkaErrorCode::TopicAuthorizationFailed => format!(
            "the broker does not grant us {right} on the topic {topic:?}: grant it in the broker's ACLs"
        ),
        RDKafkaErrorCode::GroupAuthorizationFailed => format!(
            "the broker does not grant us Read on the group {:?}: grant it in the broker's ACLs",
            names.group_id
        ),
        RDKafkaErrorCode::Authentication | RDKafkaErrorCode::SaslAuthenticationFailed => format!(
            "the broker does not take our credentials ({said}): check sasl.* in kafka.client"
        ),
        RDKafkaErrorCode::UnknownTopicOrPartition
        | RDKafkaErrorCode::UnknownTopic
        | RDKafkaErrorCode::UnknownPartition => format!(
            "the topic {topic:?} does not exist: make it (almoner migrate), or correct kafka.topics.{role}"
        ),
        RDKafkaErrorCode::MessageSizeTooLarge => format!(
            "a record is larger than the topic {topic:?} takes: raise its max.message.bytes"
        ),
        RDKafkaErrorCode::NotEnoughReplicas | RDKafkaErrorCode::NotEnoughReplicasAfterAppend => {
            format!(
                "fewer brokers than min.insync.replicas have the topic {topic:?}: bring them back"
            )
        }
        RDKafkaErrorCode::KafkaStorageError => {
            format!("the broker's disk fails it for the topic {topic:?}: has it room?")
        }
        RDKafkaErrorCode::MessageTimedOut
        | RDKafkaErrorCode::AllBrokersDown
        | RDKafkaErrorCode::BrokerTransportFailure => format!(
            "no broker answers at {} ({said}): does it run, with room on its disk?",
            names.bootstrap_servers
        ),
        _ => said.to_owned(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const DENIED: RDKafkaErrorCode = RDKafkaErrorCode::TopicAuthorizationFailed;

    fn troubles() -> Troubles {
        Troubles::new(&KafkaOptions::new("broker:9092", "almoner"))
    }

    fn check(troubles: &Troubles, expected: &[(Doing, &str)]) {
        let now = troubles.now();
        let is_it = |(trouble, (doing, part)): (&Trouble, &(Doing, &str))| {
            trouble.doing == *doing && trouble.reason.contains(part)
        };
        let all = now.len() == expected.len() && now.iter().zip(expected).all(is_it);
        assert!(all, "{now:#?}, expected {expected:?}");
    }

    #[test]
    fn each_lasts_from_its_first_failure_to_the_next_success() {
        let troubles = troubles();
        check(&troubles, &[]);
        troubles.begin(Doing::Outcomes, DENIED, "");
        troubles.begin(
            Doing::Requests,
            RDKafkaErrorCode::GroupAuthorizationFailed,
            "",
        );
        troubles.begin(
            Doing::Outcomes,
            RDKafkaErrorCode::UnknownTopicOrPartition,
            "",
        );
        let group = (Doing::Requests, "Read on the group \"almoner\"");
        let missing = (Doing::Outcomes, "\"donations.outcomes\" does not exist");
        check(&troubles, &[group, missing]);
        troubles.end(Doing::Campaigns);
        check(&troubles, &[group, missing]);
        troubles.end(Doing::Outcomes);
        check(&troubles, &[group]);
        troubles.end(Doing::Requests);
        check(&troubles, &[]);
    }

    #[test]
    fn each_reason_names_the_right_and_the_topic() {
        let named = |doing, part| {
            let troubles = troubles();
            troubles.begin(doing, DENIED, "");
            check(&troubles, &[(doing, part)]);
        };
        named(Doing::Requests, "Read on the topic \"donations.requests\"");
        named(Doing::Forwards, "Write on the topic \"donations.requests\"");
        named(Doing::Outcomes, "Write on the topic \"donations.outcomes\"");
        named(
            Doing::DeadLetters,
            "Write on the topic \"donations.dead-letters\"",
        );
        named(
            Doing::Campaigns,
            "Read on the topic \"donations.campaigns\"",
        );
    }
}
