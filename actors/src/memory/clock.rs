//! Time and chance in memory: time is tokio's, which a test may pause, so that hours pass in milliseconds.

use tokio::time::Instant;

use crate::ports::{Clock, Dice};

/// A clock that goes with tokio's time.
#[derive(Debug)]
pub struct TokioClock {
    began: Instant,
    began_wall_ms: i64,
}

impl TokioClock {
    /// It is `began_wall_ms` now. Call it inside a runtime.
    #[must_use]
    pub fn starting_at(began_wall_ms: i64) -> Self {
        Self {
            began: Instant::now(),
            began_wall_ms,
        }
    }

    fn passed_ms(&self) -> i64 {
        i64::try_from(self.began.elapsed().as_millis()).unwrap_or(i64::MAX)
    }
}

impl Clock for TokioClock {
    fn wall_ms(&self) -> i64 {
        self.began_wall_ms.saturating_add(self.passed_ms())
    }

    fn boot_ms(&self) -> i64 {
        self.passed_ms()
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
