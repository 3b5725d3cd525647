//! One limit that a request has to pass: governor's limiter on a clock that is driven from outside.

use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::Duration;

use governor::clock::Clock;
use governor::middleware::NoOpMiddleware;
use governor::nanos::Nanos;
use governor::state::{InMemoryState, NotKeyed};
use governor::{Quota, RateLimiter};

/// What a request has to pass.
#[derive(Debug)]
pub(super) enum Gate {
    /// No limit.
    Open,
    /// No request at all.
    Shut,
    /// So many a second.
    Limited(Box<Limiter>),
}

/// Whether a new limiter allows a burst at once. One that replaces another does not: changes of the rate would add up
/// to more than the rate.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(super) enum Start {
    /// A burst may come at once.
    Full,
    /// It has to be waited for.
    Empty,
}

/// Nothing ends this but another rate, so look again now and then.
const SHUT_WAIT: Duration = Duration::from_secs(1);

/// What may come at once is what the rate allows in a twentieth of a second: timers are no finer than milliseconds.
const BURSTS_PER_SECOND: f64 = 20.0;

impl Gate {
    /// A limit of as many requests a second; nothing or less is shut.
    pub(super) fn at(rate_per_s: f64, start: Start, clock: &PassedTime) -> Self {
        if rate_per_s <= 0.0 {
            return Self::Shut;
        }
        let burst = ((rate_per_s / BURSTS_PER_SECOND) as u32).saturating_add(1);
        let period = Duration::from_secs_f64(1.0 / rate_per_s);
        let (Some(quota), Ok(burst)) = (Quota::with_period(period), burst.try_into()) else {
            return Self::Open; // more than one each nanosecond
        };
        let limiter = RateLimiter::direct_with_clock(quota.allow_burst(burst), clock.clone());
        if start == Start::Empty {
            // It is new and holds exactly the burst, so this cannot fail.
            let _taken = limiter.check_n(burst);
        }
        Self::Limited(Box::new(limiter))
    }

    /// Lets one through, or says how long to wait.
    pub(super) fn pass(&self, clock: &PassedTime) -> Result<(), Duration> {
        match self {
            Self::Open => Ok(()),
            Self::Shut => Err(SHUT_WAIT),
            Self::Limited(limiter) => {
                (limiter.check()).map_err(|until| until.wait_time_from(clock.now()))
            }
        }
    }
}

/// The time that was last passed in, in nanoseconds since the budget's beginning.
#[derive(Clone, Default, Debug)]
pub(super) struct PassedTime(Arc<AtomicU64>);

impl PassedTime {
    /// It never goes back.
    pub(super) fn turn_to(&self, nanos: u64) {
        self.0.fetch_max(nanos, Ordering::Relaxed);
    }
}

impl Clock for PassedTime {
    type Instant = Nanos;

    fn now(&self) -> Nanos {
        Nanos::new(self.0.load(Ordering::Relaxed))
    }
}

type Limiter = RateLimiter<NotKeyed, InMemoryState, PassedTime, NoOpMiddleware<Nanos>>;
