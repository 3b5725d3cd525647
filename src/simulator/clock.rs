//! The simulator's clock: the machine's, or one that a test moves by hand.

use std::sync::Arc;
use std::sync::atomic::{AtomicI64, Ordering};
use std::time::{Duration, SystemTime, UNIX_EPOCH};

/// Tells the time by which intents are dated, keys expire and late things happen.
#[derive(Clone, Debug, Default)]
pub enum Clock {
    /// The machine's wall clock.
    #[default]
    System,
    /// Milliseconds since 1970, moved by hand. Latencies and delays of answers still take real time.
    Manual(Arc<AtomicI64>),
}

impl Clock {
    /// A clock that stands at this time until it is moved.
    pub fn manual(now_ms: i64) -> Self {
        Self::Manual(Arc::new(AtomicI64::new(now_ms)))
    }

    /// Moves a manual clock; the machine's is left alone.
    pub fn advance(&self, by: Duration) {
        if let Self::Manual(now_ms) = self {
            let by_ms = i64::try_from(by.as_millis()).unwrap_or(i64::MAX);
            now_ms.fetch_add(by_ms, Ordering::SeqCst);
        }
    }

    /// Milliseconds since 1970.
    pub fn now_ms(&self) -> i64 {
        match self {
            Self::System => wall_ms(),
            Self::Manual(now_ms) => now_ms.load(Ordering::SeqCst),
        }
    }
}

#[expect(
    clippy::disallowed_methods,
    reason = "the simulator is the outside world, and this is its clock"
)]
fn wall_ms() -> i64 {
    let since_1970 = SystemTime::now().duration_since(UNIX_EPOCH);
    since_1970.map_or(0, |it| i64::try_from(it.as_millis()).unwrap_or(i64::MAX))
}
