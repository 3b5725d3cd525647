//! What the actors count and measure: every name stands here once, the handles are held, and no donation costs a
//! look-up. Names end in their unit; ids never become labels.

use almoner_domain::dead_letter::DeadLetter;
use almoner_domain::donation::{Ending, IllegalTransition, State};
use almoner_domain::ids::{DonationId, Shard};
use almoner_domain::outcome::{Reason, Rejection, RejectionReason};
use metrics::{Counter, Gauge, Histogram, Unit};

use crate::ports::PublishError;

/// One metric: its name, unit, kind and meaning. Docs and dashboards are checked against this table.
pub const METRICS: &[(&str, Kind, Unit, &str)] = &[
    (
        "almoner_donations_total",
        Kind::Counter,
        Unit::Count,
        "Finished donations by status and reason",
    ),
    (
        "almoner_requests_rejected_total",
        Kind::Counter,
        Unit::Count,
        "Refused requests by reason",
    ),
    (
        "almoner_dead_letters_total",
        Kind::Counter,
        Unit::Count,
        "Records that could not be processed, by reason",
    ),
    (
        "almoner_stage_duration_seconds",
        Kind::Histogram,
        Unit::Seconds,
        "Time by stage: gateway, whole",
    ),
    (
        "almoner_gateway_in_flight",
        Kind::Gauge,
        Unit::Count,
        "Calls to the gateway on the wire",
    ),
    (
        "almoner_gateway_waiting",
        Kind::Gauge,
        Unit::Count,
        "Sends that wait for budget or breaker",
    ),
    (
        "almoner_gateway_breaker_open",
        Kind::Gauge,
        Unit::Count,
        "1 while the breaker is not closed",
    ),
    (
        "almoner_flights",
        Kind::Gauge,
        Unit::Count,
        "Donations in flight, by partition",
    ),
    (
        "almoner_pending",
        Kind::Gauge,
        Unit::Count,
        "Donations that the store drives on, by partition",
    ),
    (
        "almoner_unknown",
        Kind::Gauge,
        Unit::Count,
        "Donations of which money may have moved, by partition",
    ),
    (
        "almoner_surplus",
        Kind::Gauge,
        Unit::Count,
        "Donations that the gateway charged beside what was told, and that is not refunded yet, by partition",
    ),
    (
        "almoner_surplus_charges_total",
        Kind::Counter,
        Unit::Count,
        "Charges that the gateway made beside what was told, by what was told: those beside `succeeded` are refunded, \
         the others wait for a person",
    ),
    (
        "almoner_users_active",
        Kind::Gauge,
        Unit::Count,
        "User actors and windows in memory, by partition",
    ),
    (
        "almoner_shards_owned",
        Kind::Gauge,
        Unit::Count,
        "Partitions that this instance owns",
    ),
    (
        "almoner_actors_started_total",
        Kind::Counter,
        Unit::Count,
        "Actors started, by kind",
    ),
    (
        "almoner_actors_passivated_total",
        Kind::Counter,
        Unit::Count,
        "Actors let go while idle, by kind",
    ),
    (
        "almoner_actors_restarted_total",
        Kind::Counter,
        Unit::Count,
        "Actors restarted after a panic, by kind",
    ),
    (
        "almoner_actors_quarantined_total",
        Kind::Counter,
        Unit::Count,
        "Actors set aside after many panics, by kind",
    ),
    (
        "almoner_illegal_transitions_total",
        Kind::Counter,
        Unit::Count,
        "Events that a donation could not take",
    ),
    (
        "almoner_publish_failures_total",
        Kind::Counter,
        Unit::Count,
        "Messages that the broker did not acknowledge",
    ),
];

/// What kind of metric.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Kind {
    /// It only grows.
    Counter,
    /// It goes up and down.
    Gauge,
    /// Its values fall into buckets.
    Histogram,
}

/// The handles of what is counted for every donation.
pub struct Telemetry {
    succeeded: Counter,
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

impl Telemetry {
    /// Describes every metric to the installed recorder and takes the handles.
    #[must_use]
    pub fn new() -> Self {
        for (name, kind, unit, meaning) in METRICS {
            match kind {
                Kind::Counter => metrics::describe_counter!(*name, *unit, *meaning),
                Kind::Gauge => metrics::describe_gauge!(*name, *unit, *meaning),
                Kind::Histogram => metrics::describe_histogram!(*name, *unit, *meaning),
            }
        }
        Self {
            succeeded: metrics::counter!("almoner_donations_total", "status" => "succeeded", "reason" => ""),
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

    /// An actor was started.
    pub fn actors_started(&self, kind: &'static str) {
        metrics::counter!("almoner_actors_started_total", "kind" => kind).increment(1);
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
