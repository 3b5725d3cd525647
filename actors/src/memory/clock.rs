//! Time and chance that a test sets.

use std::sync::atomic::{AtomicI64, Ordering};

use crate::ports::{Clock, Dice};

/// A clock that stands still until it is moved.
#[derive(Debug)]
pub struct ManualClock {
    wall_ms: AtomicI64,
    boot_ms: AtomicI64,
}

impl ManualClock {
    /// Wall clock at `wall_ms`, boot clock at an hour.
    #[must_use]
    pub fn at(wall_ms: i64) -> Self {
        Self {
            wall_ms: AtomicI64::new(wall_ms),
            boot_ms: AtomicI64::new(3_600_000),
        }
    }

    /// Moves both clocks on.
    pub fn advance_ms(&self, ms: i64) {
        self.wall_ms.fetch_add(ms, Ordering::SeqCst);
        self.boot_ms.fetch_add(ms, Ordering::SeqCst);
    }
}

impl Clock for ManualClock {
    fn wall_ms(&self) -> i64 {
        self.wall_ms.load(Ordering::SeqCst)
    }

    fn boot_ms(&self) -> i64 {
        self.boot_ms.load(Ordering::SeqCst)
    }
}

/// Dice that always show the same.
#[derive(Clone, Copy, Debug)]
pub struct FixedDice(pub f64);

impl Dice for FixedDice {
    fn roll(&self) -> f64 {
        self.0
    }
}
