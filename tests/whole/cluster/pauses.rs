//! How long a shard's users wait while it moves: the time around a takeover in which no donation ends.

use std::collections::BTreeMap;

use super::members::{Cluster, Takeover};

/// Prints median and worst pause of these takeovers. Nothing is asserted: a pause depends on the machine.
pub fn print(what: &str, cluster: &Cluster, takeovers: &[Takeover]) {
    let mut pauses_ms = pauses_ms(cluster, takeovers);
    pauses_ms.sort_unstable();
    if let (Some(median), Some(worst)) = (pauses_ms.get(pauses_ms.len() / 2), pauses_ms.last()) {
        eprintln!(
            "{what}: {} shards moved; pause, median {median} ms, worst {worst} ms",
            pauses_ms.len()
        );
    }
}

fn pauses_ms(cluster: &Cluster, takeovers: &[Takeover]) -> Vec<i64> {
    let mut ends_ms: BTreeMap<u32, Vec<i64>> = BTreeMap::new();
    for told in &cluster.trial.follower.seen().outcomes {
        let (place, view) = (told.place(), told.view());
        // What a drain sets aside is told too, and is no end.
        if view.event_type != "donation.pending" {
            let ends_ms = ends_ms.entry(place.partition).or_default();
            ends_ms.extend(view.occurred_at_ms);
        }
    }
    let pause_ms = |takeover: &Takeover| {
        let ends_ms = ends_ms.get(&takeover.shard)?;
        let before = ends_ms
            .iter()
            .filter(|at_ms| **at_ms <= takeover.at_ms)
            .max()?;
        let after = ends_ms
            .iter()
            .filter(|at_ms| **at_ms > takeover.at_ms)
            .min()?;
        Some(after - before)
    };
    takeovers.iter().filter_map(pause_ms).collect()
}
