//! What every actor of an instance shares: the ports, the settings, the credits, and who waits for an outcome.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicU64, AtomicUsize, Ordering};

use almoner_domain::donation::Rules;
use almoner_domain::ids::Shard;
use almoner_domain::partition::Partitioner;

use tokio::sync::mpsc::UnboundedSender;

use crate::ports::{Clock, Dice, Gateway, Outcomes, Source, Store};
use crate::telemetry::Telemetry;
use crate::watchers::Watchers;

/// The ports and settings of one instance.
pub struct World {
    /// What is durable.
    pub store: Arc<dyn Store>,
    /// The payment gateway.
    pub gateway: Arc<dyn Gateway>,
    /// Where outcomes, dead letters and forwards go.
    pub outcomes: Arc<dyn Outcomes>,
    /// Where records come from.
    pub source: Arc<dyn Source>,
    /// What time it is.
    pub clock: Arc<dyn Clock>,
    /// Chance.
    pub dice: Arc<dyn Dice>,
    /// The figures.
    pub settings: Settings,
    /// What is in flight, and whether more may come.
    pub credits: Credits,
    /// Who waits for a donation's end.
    pub watchers: Watchers,
    /// Counters and histograms, their handles held.
    pub telemetry: Telemetry,
    /// Where alarms go: to whoever runs the process.
    pub alarms: UnboundedSender<Alarm>,
}

/// The figures that the actors need of the configuration.
#[derive(Clone, Debug)]
pub struct Settings {
    /// The protocol's figures.
    pub rules: Rules,
    /// What may be asked for on the requests topic.
    pub requests: almoner_domain::request::Rules,
    /// How keys become partitions.
    pub partitioner: Partitioner,
    /// How many partitions the requests topic has.
    pub partitions: u32,
    /// The consumer group, as dead letters name it.
    pub group_id: Arc<str>,
    /// The window of suspected doubles, in stream time.
    pub duplicate_window_ms: i64,
    /// How long a user's gifts are kept in memory, in stream time: never less than the window.
    pub window_kept_ms: i64,
    /// Donations in flight in the instance.
    pub in_flight_max: usize,
    /// Donations of one user that wait for its turn.
    pub user_waiting_max: usize,
    /// Donations of one user that are held.
    pub user_held_max: usize,
    /// Charges of one campaign in flight in one shard.
    pub campaign_in_flight_max: usize,
    /// Donations of one campaign a minute in one shard; 0 for no limit.
    pub campaign_per_minute_max: u32,
    /// Donations of one user a minute; 0 for no limit.
    pub user_per_minute_max: u32,
    /// Declined cards of one campaign a minute in one shard, after which it is taken for card testing; 0 for no limit.
    pub campaign_declines_per_minute_max: u32,
    /// How old a campaign actor's knowledge of its campaign may be.
    pub campaign_ttl_ms: i64,
    /// Whether a campaign that nobody knows takes donations.
    pub unknown_campaigns_accepted: bool,
    /// A wait up to this long is not told, and stays in flight.
    pub quiet_ms: i64,
    /// A donation that is in flight for longer than this is told to be pending at its next wait.
    pub in_flight_ms: i64,
    /// A donation that waits for its user's turn for longer than this becomes pending.
    pub queue_patience_ms: i64,
    /// How long the gateway may take for a call.
    pub gateway_timeout_ms: i64,
    /// The write that permits a send is younger than this when the bytes go out.
    pub send_deadline_ms: i64,
    /// The broker's session timeout: how long a lease lasts.
    pub session_timeout_ms: i64,
    /// How long a drain waits for what is on the wire.
    pub drain_timeout_ms: i64,
    /// Pending donations of a shard, at which it takes in no more.
    pub pending_max: usize,
    /// Unknown donations of a shard, at which it takes in no more.
    pub unknown_max: usize,
    /// Calls to the gateway in flight in the instance.
    pub gateway_in_flight_max: usize,
    /// Calls a second to the gateway's account; 0 for no limit.
    pub gateway_per_second_max: u32,
    /// Calls a second to one endpoint of the gateway; 0 for no limit.
    pub gateway_endpoint_per_second_max: u32,
    /// Whether nothing is taken in unless every partition is ours: the store cannot be shared.
    pub needs_every_partition: bool,
}

/// Bounds what is in flight: the consumer polls only while there is credit.
#[derive(Debug)]
pub struct Credits {
    in_flight: AtomicUsize,
    in_flight_max: usize,
    /// Shards that are full of pending or unknown donations.
    full_shards: AtomicUsize,
    gateway_open: AtomicBool,
    key_accepted: AtomicBool,
    /// Taken from the log since the start.
    taken: AtomicU64,
}

impl Credits {
    /// Credit for this many requests in flight.
    #[must_use]
    pub fn new(in_flight_max: usize) -> Self {
        Self {
            in_flight: AtomicUsize::new(0),
            in_flight_max,
            full_shards: AtomicUsize::new(0),
            gateway_open: AtomicBool::new(true),
            key_accepted: AtomicBool::new(false),
            taken: AtomicU64::new(0),
        }
    }

    /// Whether another request may be taken in.
    #[must_use]
    pub fn available(&self) -> bool {
        self.in_flight() < self.in_flight_max
            && self.full_shards.load(Ordering::Relaxed) == 0
            && self.gateway_open.load(Ordering::Relaxed)
    }

    /// One more is in flight.
    pub fn take(&self) {
        self.in_flight.fetch_add(1, Ordering::Relaxed);
        self.taken.fetch_add(1, Ordering::Relaxed);
    }

    /// So many have their fate, or went with their shard.
    pub fn give_back(&self, requests: usize) {
        self.in_flight.fetch_sub(requests, Ordering::Relaxed);
    }

    /// Requests in flight.
    #[must_use]
    pub fn in_flight(&self) -> usize {
        self.in_flight.load(Ordering::Relaxed)
    }

    /// Requests taken in since the start.
    #[must_use]
    pub fn taken(&self) -> u64 {
        self.taken.load(Ordering::Relaxed)
    }

    /// A shard became full of pending donations, or has room again.
    pub fn shard_full(&self, full: bool) {
        if full {
            self.full_shards.fetch_add(1, Ordering::Relaxed);
        } else {
            self.full_shards.fetch_sub(1, Ordering::Relaxed);
        }
    }

    /// The gateway executed a call, so it knows our key.
    pub fn accept_key(&self) {
        self.key_accepted.store(true, Ordering::Relaxed);
    }

    /// Whether the gateway has accepted our key once.
    #[must_use]
    pub fn key_accepted(&self) -> bool {
        self.key_accepted.load(Ordering::Relaxed)
    }

    /// The breaker closed or opened: while it is open, Kafka is the queue.
    pub fn gateway_usable(&self, usable: bool) {
        self.gateway_open.store(usable, Ordering::Relaxed);
    }

    /// Whether the breaker is closed.
    #[must_use]
    pub fn is_gateway_usable(&self) -> bool {
        self.gateway_open.load(Ordering::Relaxed)
    }
}

/// Something that a person, or the process's end, must cure.
#[derive(Clone, PartialEq, Eq, Debug)]
pub enum Alarm {
    /// Requests left the log before they were read.
    RequestsLost {
        /// Of which shard.
        shard: Shard,
        /// The first lost offset.
        from: i64,
        /// The first offset that is still there.
        to: i64,
    },
    /// The log ends before what is done: it is another log.
    AnotherLog {
        /// Of which shard.
        shard: Shard,
        /// All offsets below are done, says the store or the group.
        marked: i64,
        /// Where the log ends.
        high: i64,
    },
    /// The broker has committed more than the store knows: the store is older (a restored backup, an empty volume).
    OlderStore {
        /// Of which shard.
        shard: Shard,
        /// All offsets below are done, says the store.
        marked: i64,
        /// What is committed.
        committed: i64,
    },
    /// A partition beyond the recorded count was assigned.
    PartitionsChanged {
        /// Which.
        assigned: Shard,
        /// How many there are, as recorded.
        partitions: u32,
    },
    /// The source cannot go on.
    SourceFailed {
        /// Why.
        reason: String,
    },
    /// Something out of restarts took the process with it.
    Escalated {
        /// What.
        what: String,
    },
}

impl std::fmt::Display for Alarm {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        match self {
            Self::RequestsLost { shard, from, to } => write!(
                f,
                "requests_lost: the log of partition {shard} begins at {to}, but {from} was to be read next: \
                 {} requests are gone; the partition stands still until somebody has looked at it",
                to - from
            ),
            Self::AnotherLog {
                shard,
                marked,
                high,
            } => write!(
                f,
                "the log of partition {shard} ends at {high}, but all below {marked} is done already: this is \
                 another log; if that is meant, start with --new-log"
            ),
            Self::OlderStore {
                shard,
                marked,
                committed,
            } => write!(
                f,
                "partition {shard} is committed up to {committed}, but the store knows only what is below {marked}: \
                 the store is older than the log (a restored backup, an empty volume); start with --after-restore"
            ),
            Self::PartitionsChanged {
                assigned,
                partitions,
            } => write!(
                f,
                "partition {assigned} was assigned, but the store was made for {partitions} partitions: the count of \
                 the requests topic is fixed, since a user's partition follows from it"
            ),
            Self::SourceFailed { reason } => write!(f, "the consumer cannot go on: {reason}"),
            Self::Escalated { what } => f.write_str(what),
        }
    }
}

impl World {
    /// Hands the alarm to the process, which decides how it ends.
    pub fn raise(&self, alarm: Alarm) {
        tracing::error!(%alarm, "alarm");
        // Nobody listens any more only when the process is already ending.
        let _ = self.alarms.send(alarm);
    }
}
