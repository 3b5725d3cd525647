//! What the writer shows of itself, by handles that are held.

use std::time::Duration;

use almoner_actors::telemetry::Metric;
use metrics::{Gauge, Histogram, gauge, histogram};

/// Every metric of the store.
pub(crate) const METRICS: &[Metric] = &[
    Metric::histogram(BATCH_OPERATIONS, &[], "Calls that one commit made durable"),
    Metric::histogram(COMMIT_SECONDS, &[], "Time of a commit, its fsync included"),
    Metric::gauge(
        POISONED,
        &[],
        "1 while the store is opened again after a failed write",
    ),
];

const BATCH_OPERATIONS: &str = "almoner_store_batch_operations";
const COMMIT_SECONDS: &str = "almoner_store_commit_seconds";
const POISONED: &str = "almoner_store_poisoned";

pub(super) struct Telemetry {
    operations: Histogram,
    commit_seconds: Histogram,
    poisoned: Gauge,
}

impl Telemetry {
    pub(super) fn new() -> Self {
        let telemetry = Self {
            operations: histogram!(BATCH_OPERATIONS),
            commit_seconds: histogram!(COMMIT_SECONDS),
            poisoned: gauge!(POISONED),
        };
        telemetry.poisoned(false);
        telemetry
    }

    /// A batch of so many calls is durable; its commit took so long.
    pub(super) fn committed(&self, operations: usize, took: Duration) {
        self.operations.record(operations as f64);
        self.commit_seconds.record(took);
    }

    /// Whether the store takes nothing, since it must be opened again first.
    pub(super) fn poisoned(&self, is_poisoned: bool) {
        self.poisoned.set(if is_poisoned { 1.0 } else { 0.0 });
    }
}
