//! A limit a minute for one entity, by governor, with the actors' clock.

use std::num::NonZeroU32;
use std::time::Duration;

use governor::clock::FakeRelativeClock;
use governor::middleware::NoOpMiddleware;
use governor::nanos::Nanos;
use governor::state::{InMemoryState, NotKeyed};
use governor::{Quota, RateLimiter};

type Direct = RateLimiter<NotKeyed, InMemoryState, FakeRelativeClock, NoOpMiddleware<Nanos>>;

/// So many a minute, the whole minute's worth at once at most. Without a limit it costs nothing.
pub struct Limiter(Option<Box<Limited>>);

struct Limited {
    limiter: Direct,
    clock: FakeRelativeClock,
    clock_ms: i64,
}

impl Limiter {
    /// A limit of `per_minute_max`; 0 for none.
    #[must_use]
    pub fn per_minute(per_minute_max: u32) -> Self {
        Self(NonZeroU32::new(per_minute_max).map(|max| {
            let clock = FakeRelativeClock::default();
            let limiter = RateLimiter::direct_with_clock(Quota::per_minute(max), clock.clone());
            Box::new(Limited {
                limiter,
                clock,
                clock_ms: i64::MIN,
            })
        }))
    }

    /// Takes one, if there is one. `now_ms` reads the boot clock, where there is a limit.
    pub fn take(&mut self, now_ms: impl FnOnce() -> i64) -> bool {
        match &mut self.0 {
            None => true,
            Some(limited) => limited.at(now_ms()).check().is_ok(),
        }
    }
}

impl Limited {
    fn at(&mut self, now_ms: i64) -> &Direct {
        if self.clock_ms == i64::MIN {
            self.clock_ms = now_ms;
        }
        let passed_ms = now_ms.saturating_sub(self.clock_ms).max(0);
        self.clock
            .advance(Duration::from_millis(passed_ms.unsigned_abs()));
        self.clock_ms = self.clock_ms.max(now_ms);
        &self.limiter
    }
}
