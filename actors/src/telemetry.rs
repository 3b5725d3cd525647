//! What the actors count and measure: every name stands here once, the handles are held, and no donation costs a
//! look-up. Names end in their unit; ids never become labels.

mod metric;

use almoner_domain::dead_letter::DeadLetter;
use almoner_domain::donation::{Ending, Event, IllegalTransition, State};
use almoner_domain::ids::{DonationId, Shard};
use almoner_domain::outcome::{Reason, Rejection, RejectionReason};
use metrics::{Counter, Gauge, Histogram};

use crate::ports::PublishError;
pub use metric::{Kind, Metric};

/// Every metric of the actors.
pub const METRICS: &[Metric] = &[
    Metric::counter(
        "almoner_donations_total",
        &["status", "reason"],
        "Finished donations",
    ),
    Metric::counter(
        "almoner_requests_rejected_total",
        &["reason"],
        "Refused requests",
    ),
    Metric::counter(
        "almoner_dead_letters_total",
        &["reason"],
        "Records that could not be processed",
    ),
    Metric::histogram(
        "almoner_stage_duration_seconds",
        &["stage"],
        "Time of a stage: gateway, whole",
    ),
    Metric::gauge(
        "almoner_gateway_in_flight",
        &[],
        "Calls to the gateway on the wire",
    ),
    Metric::gauge(
        "almoner_gateway_waiting",
        &[],
        "Sends that wait for budget or breaker",
    ),
    Metric::gauge(
        "almoner_gateway_breaker_open",
        &[],
        "1 while the breaker is not closed",
    ),
    Metric::gauge("almoner_flights", &["partition"], "Donations in flight"),
    Metric::gauge(
        "almoner_pending",
        &["partition"],
        "Donations that the store drives on",
    ),
    Metric::gauge(
        "almoner_unknown",
        &["partition"],
        "Donations of which money may have moved",
    ),
    Metric::gauge(
        "almoner_surplus",
        &["partition"],
        "Donations that the gateway charged beside what was told, and that is not refunded yet",
    ),
    Metric::counter(
        "almoner_surplus_charges_total",
        &["told"],
        "Charges that the gateway made beside what was told: those beside `succeeded` are refunded, the others wait for a \
         person",
    ),
    Metric::gauge(
        "almoner_users_active",
        &["partition"],
        "User actors and windows in memory",
    ),
    Metric::gauge(
        "almoner_shards_owned",
        &[],
        "Partitions that this instance owns",
    ),
    Metric::counter("almoner_actors_started_total", &["kind"], "Actors started"),
    Metric::counter(
        "almoner_actors_passivated_total",
        &["kind"],
        "Actors let go while idle",
    ),
    Metric::counter(
        "almoner_actors_restarted_total",
        &["kind"],
        "Actors restarted after a panic, and shards that began anew",
    ),
    Metric::counter(
        "almoner_actors_quarantined_total",
        &["kind"],
        "Actors set aside after many panics",
    ),
    Metric::counter(
        "almoner_illegal_transitions_total",
        &["event"],
        "Events that a donation could not take",
    ),
    Metric::counter(
        "almoner_publish_failures_total",
        &[],
        "Messages that the broker did not acknowledge",
    ),
];

/// The handles of what is counted for every donation.
pub struct Telemetry {
    succeeded: Counter,
    users_started: Counter,
    gateway: Histogram,
    whole: Histogram,
    gateway_in_flight: Gauge,
    gateway_waiting: Gauge,
    breaker_open: Gauge,
}

impl Default for Telemetry {
    fn default() -> Self {
        Self::new()
    }
}

/// The target under which each step of each donation is traced.
pub const STEP: &str = "almoner::step";

/// One step of one donation: what happens to it, and in which state.
pub(crate) fn step(state: State, event: &Event) {
    tracing::trace!(target: STEP, state = state.as_str(), event = event.name());
}

impl Telemetry {
    /// Takes the handles from the recorder that is installed now.
    #[must_use]
    pub fn new() -> Self {
        Self {
            succeeded: metrics::counter!("almoner_donations_total", "status" => "succeeded", "reason" => ""),
            users_started: metrics::counter!("almoner_actors_started_total", "kind" => "user"),
            gateway: metrics::histogram!("almoner_stage_duration_seconds", "stage" => "gateway"),
            whole: metrics::histogram!("almoner_stage_duration_seconds", "stage" => "whole"),
            gateway_in_flight: metrics::gauge!("almoner_gateway_in_flight"),
            gateway_waiting: metrics::gauge!("almoner_gateway_waiting"),
            breaker_open: metrics::gauge!("almoner_gateway_breaker_open"),
        }
    }

    /// A donation ended.
    pub fn finished(&self, ending: &Ending) {
        if ending.state == State::Succeeded {
            return self.succeeded.increment(1);
        }
        let reason = ending.reason.map_or("", Reason::as_str);
        metrics::counter!("almoner_donations_total", "status" => ending.state.as_str(), "reason" => reason)
            .increment(1);
    }

    /// A request was refused.
    pub fn rejected(&self, rejection: &Rejection) {
        let reason = RejectionReason::as_str(rejection.reason);
        metrics::counter!("almoner_requests_rejected_total", "reason" => reason).increment(1);
    }

    /// A record became a dead letter.
    pub fn dead_letter(&self, letter: &DeadLetter) {
        metrics::counter!("almoner_dead_letters_total", "reason" => letter.reason.as_str())
            .increment(1);
    }

    /// A call to the gateway came back.
    pub fn gateway_ms(&self, _call: &'static str, ms: i64) {
        self.gateway.record(seconds(ms));
    }

    /// A flight ended.
    pub fn whole_ms(&self, ms: i64) {
        self.whole.record(seconds(ms));
    }

    /// The gateway actor's state.
    pub fn gateway(&self, in_flight: usize, waiting: usize, breaker_closed: bool) {
        self.gateway_in_flight.set(count(in_flight));
        self.gateway_waiting.set(count(waiting));
        self.breaker_open
            .set(if breaker_closed { 0.0 } else { 1.0 });
    }

    /// A shard's state.
    pub fn shard(&self, shard: Shard, users: usize, flights: usize, pending: usize) {
        let partition = shard.to_string();
        metrics::gauge!("almoner_users_active", "partition" => partition.clone()).set(count(users));
        metrics::gauge!("almoner_flights", "partition" => partition.clone()).set(count(flights));
        metrics::gauge!("almoner_pending", "partition" => partition).set(count(pending));
    }

    /// How many donations of a shard are unknown.
    pub fn unknown(&self, shard: Shard, unknown: usize) {
        metrics::gauge!("almoner_unknown", "partition" => shard.to_string()).set(count(unknown));
    }

    /// How many donations of a shard have a surplus that is not refunded.
    pub fn surplus(&self, shard: Shard, surplus: usize) {
        metrics::gauge!("almoner_surplus", "partition" => shard.to_string()).set(count(surplus));
    }

    /// The gateway charged a donation beside what was told of it.
    pub fn surplus_found(&self, id: DonationId, told: State) {
        tracing::error!(donation = %id, told = told.as_str(), "the gateway charged it beside what was told");
        metrics::counter!("almoner_surplus_charges_total", "told" => told.as_str()).increment(1);
    }

    /// How many shards are ours.
    pub fn shards_owned(&self, shards: usize) {
        metrics::gauge!("almoner_shards_owned").set(count(shards));
    }

    /// A user's actor was started.
    pub fn user_started(&self) {
        self.users_started.increment(1);
    }

    /// A campaign's actor was started.
    pub fn campaign_started(&self) {
        metrics::counter!("almoner_actors_started_total", "kind" => "campaign").increment(1);
    }

    /// Actors were let go.
    pub fn actors_passivated(&self, kind: &'static str, actors: usize) {
        metrics::counter!("almoner_actors_passivated_total", "kind" => kind)
            .increment(actors as u64);
    }

    /// An actor was restarted.
    pub fn actor_restarted(&self, kind: &'static str) {
        metrics::counter!("almoner_actors_restarted_total", "kind" => kind).increment(1);
    }

    /// An actor was set aside.
    pub fn quarantined(&self, kind: &'static str) {
        metrics::counter!("almoner_actors_quarantined_total", "kind" => kind).increment(1);
    }

    /// The broker did not acknowledge a message.
    pub fn publish_failed(&self, error: &PublishError) {
        tracing::debug!(%error, "published again soon");
        metrics::counter!("almoner_publish_failures_total").increment(1);
    }

    /// An event that a donation could not take: a defect, or a fact that contradicts a proof.
    pub fn illegal(&self, id: DonationId, illegal: &IllegalTransition) {
        tracing::error!(donation = %id, %illegal, "illegal transition");
        metrics::counter!("almoner_illegal_transitions_total", "event" => illegal.event)
            .increment(1);
    }
}

#[expect(
    clippy::cast_precision_loss,
    reason = "a gauge is a float; counts stay far below 2^53"
)]
fn count(number: usize) -> f64 {
    number as f64
}

#[expect(
    clippy::cast_precision_loss,
    reason = "a histogram is of floats; durations stay far below 2^53 ms"
)]
fn seconds(ms: i64) -> f64 {
    ms as f64 / 1000.0
}
