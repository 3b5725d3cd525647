//! How long donations take, from before they are published until their end is read.

use hdrhistogram::Histogram;
use serde::{Deserialize, Serialize};

/// How long donations took from being published to their end, in milliseconds.
#[derive(Clone, Copy, PartialEq, Debug, Default, Serialize, Deserialize)]
pub struct LatencyMs {
    /// Half of them took no longer.
    pub p50: f64,
    /// 99 of 100 took no longer.
    pub p99: f64,
    /// 999 of 1,000 took no longer.
    pub p999: f64,
    /// None took longer.
    pub max: f64,
}

/// `None` could be only if the bounds made no histogram, and they are constants that do.
pub(super) struct Latency(Option<Histogram<u64>>);

/// What takes longer counts as this.
const LONGEST_US: u64 = 24 * 3_600 * 1_000_000;
const SIGNIFICANT_DIGITS: u8 = 3;

impl Latency {
    pub(super) fn new() -> Self {
        Self(Histogram::new_with_bounds(1, LONGEST_US, SIGNIFICANT_DIGITS).ok())
    }

    pub(super) fn record(&mut self, us: u64) {
        if let Some(histogram) = &mut self.0 {
            histogram.saturating_record(us);
        }
    }

    /// All 0 before the first.
    pub(super) fn ms(&self) -> LatencyMs {
        let Some(histogram) = self.0.as_ref().filter(|histogram| !histogram.is_empty()) else {
            return LatencyMs::default();
        };
        let ms = |us: u64| us as f64 / 1_000.0;
        let at = |quantile| ms(histogram.value_at_quantile(quantile));
        LatencyMs {
            p50: at(0.5),
            p99: at(0.99),
            p999: at(0.999),
            max: ms(histogram.max()),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn quantiles_are_those_of_what_was_recorded() {
        let mut latency = Latency::new();
        assert_eq!(latency.ms(), LatencyMs::default());
        for us in 1..=10_000 {
            latency.record(us);
        }
        latency.record(u64::MAX);
        let LatencyMs {
            p50,
            p99,
            p999,
            max,
        } = latency.ms();
        for (found, expected) in [(p50, 5.0), (p99, 9.9), (p999, 9.99), (max, 86_400_000.0)] {
            assert!(
                (found / expected - 1.0).abs() < 0.002,
                "{found} for {expected}"
            );
        }
    }
}
