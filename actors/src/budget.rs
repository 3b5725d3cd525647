//! The budget of the gateway's account: how many requests this instance may send, in all and per endpoint. The gateway
//! can be slower than its promise, so a 429 halves the rate and successes win it back step by step.

mod gate;

use std::time::Duration;

use governor::clock::Clock;
use governor::nanos::Nanos;
use tokio::time::Instant;

use gate::{Gate, PassedTime, Start};

/// What the gateway limits by itself, besides the account as a whole.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Endpoint {
    /// Creating an intent, confirmed or not.
    Create,
    /// Confirming a pinned intent.
    Confirm,
    /// Cancelling one.
    Cancel,
    /// Fetching and listing.
    Read,
    /// Refunding a charge.
    Refund,
}

/// How many endpoints there are.
pub const ENDPOINTS: usize = 5;

impl Endpoint {
    /// All of them, each at its own place.
    pub const ALL: [Self; ENDPOINTS] = [
        Self::Create,
        Self::Confirm,
        Self::Cancel,
        Self::Read,
        Self::Refund,
    ];
}

/// One instance's part of the account's rate. Times come as arguments, so that a simulation drives it.
#[derive(Debug)]
pub struct Budget {
    limits: Limits,
    /// What part of the account's rates is ours: owned partitions over all.
    share: f64,
    adaption: Adaption,
    takes: Takes,
    clock: PassedTime,
    zero: Instant,
    account: Gate,
    endpoints: [Gate; ENDPOINTS],
    /// The endpoint let one through that has not passed the account yet: it need not pass there again.
    passed: [bool; ENDPOINTS],
}

/// The account's rates, in requests a second. 0 is none.
#[derive(Clone, Copy, Debug)]
struct Limits {
    per_second_max: u32,
    per_endpoint_second_max: u32,
}

impl Budget {
    /// The account's limits, 0 for none; the whole of it is ours until [`Budget::set_share`] says otherwise. `now` is
    /// where its clock begins.
    #[must_use]
    pub fn new(per_second_max: u32, per_endpoint_second_max: u32, now: Instant) -> Self {
        let mut budget = Self {
            limits: Limits {
                per_second_max,
                per_endpoint_second_max,
            },
            share: 1.0,
            adaption: Adaption::new(),
            takes: Takes::default(),
            clock: PassedTime::default(),
            zero: now,
            account: Gate::Open,
            endpoints: [const { Gate::Open }; ENDPOINTS],
            passed: [false; ENDPOINTS],
        };
        budget.build(Start::Full);
        budget
    }

    /// Takes the right to one request, for at once.
    ///
    /// # Errors
    /// How long to wait before another try can succeed; nothing was taken.
    pub fn try_take(&mut self, endpoint: Endpoint, now: Instant) -> Result<(), Duration> {
        self.pass_endpoint(endpoint, now)?;
        self.account.pass(&self.clock)?;
        self.passed[endpoint as usize] = false;
        self.takes.count(self.clock.now());
        Ok(())
    }

    /// Whether this endpoint, for its own part, lets a request through at once. That is kept for the next one that is
    /// taken there.
    ///
    /// # Errors
    /// How long to wait before it can.
    pub fn pass_endpoint(&mut self, endpoint: Endpoint, now: Instant) -> Result<(), Duration> {
        self.turn_to(now);
        let at = endpoint as usize;
        if !self.passed[at] {
            self.endpoints[at].pass(&self.clock)?;
            self.passed[at] = true;
        }
        Ok(())
    }

    /// The gateway answered 429: half the rate from now on, though not twice within a second, since the answers to what
    /// was sent before come in still.
    pub fn on_rate_limited(&mut self, now: Instant) {
        self.turn_to(now);
        let observed = self.takes.per_second(self.clock.now());
        if self.adaption.shrink(now, observed) {
            self.build(Start::Empty);
        }
    }

    /// The gateway executed a request: after a second without a 429, and once a second, a step back towards the full
    /// rate.
    pub fn on_success(&mut self, now: Instant) {
        self.turn_to(now);
        if self.adaption.grow(now) {
            self.build(Start::Empty);
        }
    }

    /// How many partitions are ours, of all. One that moves is counted by who drains it, then by nobody, then by who is
    /// assigned it. With none there is no
    /// budget at all.
    pub fn set_share(&mut self, owned: u32, all: u32) {
        let share = f64::from(owned.min(all)) / f64::from(all.max(1));
        if (share - self.share).abs() > f64::EPSILON {
            self.share = share;
            self.build(Start::Empty);
        }
    }

    /// What of the full rate is used at present, in `(0, 1]`: for the metrics.
    #[must_use]
    pub fn adapted(&self) -> f64 {
        self.adaption.factor
    }

    fn turn_to(&self, now: Instant) {
        let nanos = now.saturating_duration_since(self.zero).as_nanos();
        let nanos = u64::try_from(nanos).unwrap_or(u64::MAX);
        self.clock.turn_to(nanos);
    }

    /// governor's quotas never change, so a new rate is a new limiter.
    fn build(&mut self, start: Start) {
        let gate = |rate: Option<f64>| match rate {
            Some(rate) => Gate::at(rate, start, &self.clock),
            None => Gate::Open,
        };
        let ours = |max: u32| (max > 0).then(|| f64::from(max) * self.share * self.adaption.factor);
        let unlimited = self.limits.per_second_max == 0 && self.limits.per_endpoint_second_max == 0;
        // Without a limit of its own the account has, for a while, the rate at which it said 429.
        let account = if unlimited && self.share > 0.0 {
            self.adaption.rate_where_unlimited()
        } else {
            ours(self.limits.per_second_max)
        };
        self.account = gate(account);
        let endpoint = ours(self.limits.per_endpoint_second_max);
        self.endpoints = std::array::from_fn(|_| gate(endpoint));
    }
}

/// Additive increase, multiplicative decrease.
#[derive(Debug)]
struct Adaption {
    /// What of the full rate is used.
    factor: f64,
    shrunk_at: Option<Instant>,
    grown_at: Option<Instant>,
    /// The latest 429.
    refused_at: Option<Instant>,
    /// Requests a second when the first 429 came.
    observed: f64,
}

/// No faster than this are changes made.
const CHANGE_EVERY: Duration = Duration::from_secs(1);
/// With each second of successes: from half to the full rate in ten.
const STEP: f64 = 1.0 / 20.0;
/// Something gets through whatever the gateway says, or nobody would notice that it recovered.
const FACTOR_MIN: f64 = 1.0 / 64.0;

/// The least rate where none is configured, in requests a second: a 429 that came in a quiet moment says little of
/// what the gateway takes, and with less it would take minutes to find that out.
const RATE_MIN: f64 = 50.0;

impl Adaption {
    fn new() -> Self {
        Self {
            factor: 1.0,
            shrunk_at: None,
            grown_at: None,
            refused_at: None,
            observed: 0.0,
        }
    }

    fn shrink(&mut self, now: Instant, observed: f64) -> bool {
        self.refused_at = Some(now);
        // Whether it has just grown is no matter: a second may begin with successes and end in refusals each time.
        if !is_past(self.shrunk_at, now) {
            return false;
        }
        if self.factor >= 1.0 {
            self.observed = observed.max(1.0);
        }
        self.shrunk_at = Some(now);
        self.factor = (self.factor / 2.0).max(FACTOR_MIN);
        true
    }

    fn grow(&mut self, now: Instant) -> bool {
        if self.factor >= 1.0 || !is_past(self.refused_at, now) || !is_past(self.grown_at, now) {
            return false;
        }
        self.grown_at = Some(now);
        self.factor = (self.factor + STEP).min(1.0);
        true
    }

    fn rate_where_unlimited(&self) -> Option<f64> {
        (self.factor < 1.0).then_some((self.observed * self.factor).max(RATE_MIN))
    }
}

fn is_past(at: Option<Instant>, now: Instant) -> bool {
    at.is_none_or(|at| now.saturating_duration_since(at) >= CHANGE_EVERY)
}

/// How many requests were sent in this second and in the one before.
#[derive(Default, Debug)]
struct Takes {
    second: u64,
    now: u32,
    before: u32,
}

impl Takes {
    fn count(&mut self, now: Nanos) {
        self.turn_to(now);
        self.now = self.now.saturating_add(1);
    }

    fn per_second(&mut self, now: Nanos) -> f64 {
        self.turn_to(now);
        f64::from(self.now.max(self.before))
    }

    fn turn_to(&mut self, now: Nanos) {
        let second = now.as_u64() / 1_000_000_000;
        if second != self.second {
            self.before = if second == self.second + 1 {
                self.now
            } else {
                0
            };
            self.now = 0;
            self.second = second;
        }
    }
}

#[cfg(test)]
mod tests;
