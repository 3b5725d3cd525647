//! Waiting by progress: as long as something goes on, a slow machine has time.

use std::time::Duration;

use tokio::time::Instant;

/// Without any progress for so long, a wait has failed.
pub const PATIENCE: Duration = Duration::from_secs(90);
/// How often it is looked.
const LOOK_EVERY: Duration = Duration::from_millis(20);

/// A deadline that each progress puts off.
pub struct Patience {
    seen: u64,
    ends_at: Instant,
}

impl Patience {
    pub fn new() -> Self {
        Self {
            seen: 0,
            ends_at: Instant::now() + PATIENCE,
        }
    }

    /// Whether nothing has gone on for too long. `progress` is any number that changes with it.
    pub fn is_over(&mut self, progress: u64) -> bool {
        if progress != self.seen {
            self.seen = progress;
            self.ends_at = Instant::now() + PATIENCE;
        }
        Instant::now() >= self.ends_at
    }
}

/// Looks again and again until there is something, as long as `progress` changes.
pub fn wait_until<T>(
    what: &str,
    progress: impl Fn() -> u64,
    mut look: impl FnMut() -> Option<T>,
) -> T {
    let mut patience = Patience::new();
    loop {
        if let Some(found) = look() {
            return found;
        }
        assert!(
            !patience.is_over(progress()),
            "waited in vain for {what}: nothing went on for {PATIENCE:?}"
        );
        std::thread::sleep(LOOK_EVERY);
    }
}
