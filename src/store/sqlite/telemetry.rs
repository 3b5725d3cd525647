//! What the writer shows of itself, by handles that are held.

use std::time::Duration;

use metrics::{Gauge, Histogram, gauge, histogram};

pub(super) struct Telemetry {
    operations: Histogram,
    commit_seconds: Histogram,
    poisoned: Gauge,
}

impl Telemetry {
    pub(super) fn new() -> Self {
        let telemetry = Self {
            operations: histogram!("almoner_store_batch_operations"),
            commit_seconds: histogram!("almoner_store_commit_seconds"),
            poisoned: gauge!("almoner_store_poisoned"),
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
