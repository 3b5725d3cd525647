//! Everything in one process: an embedded broker, the gateway simulator with its faults, the store, the instance, and
//! people who give. The demo shows it; the benchmark measures it.

mod books;
mod follow;
mod progress;
mod publish;
mod stage;
mod tables;

pub use books::judge;
pub use follow::Follower;
pub use progress::{Now, Progress};
pub use publish::{Publisher, publish_campaigns};
pub use stage::{CLIENT_WAIT_MS, PARTITIONS, Stage, StageError, StageOptions};
pub use tables::{Outcome, table};

use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use almoner_loadtest::Watch;
use tokio::time::Instant;

/// What was asked and told so far, shared by who publishes and who follows.
#[derive(Clone)]
pub struct Watching {
    watch: Arc<Mutex<Watch>>,
    began: Instant,
}

impl Watching {
    /// From now on.
    #[must_use]
    pub fn new(watch: Watch) -> Self {
        Self {
            watch: Arc::new(Mutex::new(watch)),
            began: Instant::now(),
        }
    }

    /// The watch, for a moment.
    pub fn lock(&self) -> MutexGuard<'_, Watch> {
        self.watch.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Microseconds since the beginning.
    #[must_use]
    pub fn now_us(&self) -> u64 {
        u64::try_from(self.began.elapsed().as_micros()).unwrap_or(u64::MAX)
    }
}
