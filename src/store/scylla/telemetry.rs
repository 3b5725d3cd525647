//! What the session shows of itself, by handles that are held.

use almoner_actors::telemetry::Metric;
use metrics::{Counter, Gauge, Histogram, counter, gauge, histogram};
use tokio::time::Instant;

/// Every metric of the store.
pub(crate) const METRICS: &[Metric] = &[
    Metric::counter(
        REQUESTS,
        &["kind"],
        "Requests to ScyllaDB or Cassandra: conditional writes, plain ones, reads",
    ),
    Metric::histogram(
        REQUEST_SECONDS,
        &[],
        "Time of a request to ScyllaDB or Cassandra",
    ),
    Metric::gauge(
        UNANSWERED,
        &[],
        "1 while ScyllaDB or Cassandra does not answer",
    ),
];

const REQUESTS: &str = "almoner_cql_requests_total";
const REQUEST_SECONDS: &str = "almoner_cql_request_seconds";
const UNANSWERED: &str = "almoner_cql_unanswered";

pub(super) struct Telemetry {
    conditional: Counter,
    upserts: Counter,
    reads: Counter,
    request_seconds: Histogram,
    unanswered: Gauge,
}

impl Telemetry {
    pub(super) fn new() -> Self {
        let telemetry = Self {
            conditional: counter!(REQUESTS, "kind" => "conditional"),
            upserts: counter!(REQUESTS, "kind" => "upsert"),
            reads: counter!(REQUESTS, "kind" => "read"),
            request_seconds: histogram!(REQUEST_SECONDS),
            unanswered: gauge!(UNANSWERED),
        };
        telemetry.usable(true);
        telemetry
    }

    pub(super) fn conditional(&self) {
        self.conditional.increment(1);
    }

    pub(super) fn upsert(&self) {
        self.upserts.increment(1);
    }

    pub(super) fn read(&self) {
        self.reads.increment(1);
    }

    pub(super) fn begin(&self) -> Instant {
        Instant::now()
    }

    pub(super) fn end(&self, began: Instant) {
        self.request_seconds.record(began.elapsed());
    }

    /// Whether the server answers.
    pub(super) fn usable(&self, is_usable: bool) {
        self.unanswered.set(if is_usable { 0.0 } else { 1.0 });
    }
}
