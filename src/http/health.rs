//! What the rest of the instance says of its health: who still beats, what it needs to be ready, and what an operator
//! wants to see beside.

use std::sync::atomic::{AtomicBool, AtomicI64, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use serde::Serialize;
use serde_json::{Map, Value};

/// A component that has not beaten for longer than this, in milliseconds, is taken for stuck.
pub const BEAT_WITHIN_MS: i64 = 30_000;

/// The health of an instance: shared, and cheap to update.
#[derive(Debug)]
pub struct Health {
    hearts: Mutex<Vec<Arc<Pulse>>>,
    conditions: [AtomicBool; Condition::ALL.len()],
    /// Why a condition is not met, where that is known.
    reasons: Mutex<[Option<Box<str>>; Condition::ALL.len()]>,
    details: Mutex<Map<String, Value>>,
}

/// What an instance needs to be ready. At the start only [`Condition::NotDraining`] is met.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Condition {
    /// The store is open and takes writes.
    StoreUsable,
    /// The consumer is a member of its group.
    GroupJoined,
    /// The instance is not being shut down.
    NotDraining,
    /// The gateway has answered once with our key.
    GatewayKeyAccepted,
}

/// A component's right to say that it lives. Dropping it says nothing, as when a thread dies: the component is then
/// reported stuck.
#[derive(Debug)]
pub struct Heart(Arc<Pulse>);

#[derive(Debug)]
struct Pulse {
    name: Box<str>,
    /// On the boot clock.
    last_ms: AtomicI64,
    stopped: AtomicBool,
}

/// The body of `/livez` and `/readyz`.
#[derive(Clone, PartialEq, Debug, Serialize)]
pub struct Report {
    /// `ok` if every check is.
    pub status: &'static str,
    /// What was looked at.
    pub checks: Vec<Check>,
    /// What an operator wants to see beside: it decides nothing.
    #[serde(skip_serializing_if = "Map::is_empty")]
    pub details: Map<String, Value>,
}

/// One thing that was looked at.
#[derive(Clone, PartialEq, Eq, Debug, Serialize)]
pub struct Check {
    /// The component or the condition.
    pub name: Box<str>,
    /// Whether it is as it should be.
    pub ok: bool,
    /// How it is, in a sentence.
    pub detail: String,
}

impl Condition {
    /// Every condition.
    pub const ALL: [Self; 4] = [
        Self::StoreUsable,
        Self::GroupJoined,
        Self::NotDraining,
        Self::GatewayKeyAccepted,
    ];

    /// The name of its check.
    #[must_use]
    pub fn name(self) -> &'static str {
        match self {
            Self::StoreUsable => "store_usable",
            Self::GroupJoined => "group_joined",
            Self::NotDraining => "not_draining",
            Self::GatewayKeyAccepted => "gateway_key_accepted",
        }
    }

    fn detail(self, is_met: bool) -> &'static str {
        match (self, is_met) {
            (Self::StoreUsable, true) => "The store takes writes.",
            (Self::StoreUsable, false) => {
                "The store is not open, or is being opened again after a failed write."
            }
            (Self::GroupJoined, true) => "The consumer is a member of its group.",
            (Self::GroupJoined, false) => {
                "The consumer has not joined its group: is the broker there?"
            }
            (Self::NotDraining, true) => "Requests are taken in.",
            (Self::NotDraining, false) => "The instance is being shut down and takes nothing in.",
            (Self::GatewayKeyAccepted, true) => "The gateway has accepted our key.",
            (Self::GatewayKeyAccepted, false) => {
                "The gateway has not been asked yet whether it accepts our key."
            }
        }
    }
}

impl Default for Health {
    fn default() -> Self {
        Self::new()
    }
}

impl Health {
    /// Nobody beats yet, and nothing is met but that the instance is not being shut down.
    #[must_use]
    pub fn new() -> Self {
        Self {
            hearts: Mutex::default(),
            conditions: Condition::ALL
                .map(|condition| AtomicBool::new(condition == Condition::NotDraining)),
            reasons: Mutex::default(),
            details: Mutex::default(),
        }
    }

    /// A component lives from now on, `boot_ms` on the boot clock, and says so at least every
    /// [`BEAT_WITHIN_MS`].
    pub fn heart(&self, name: &str, boot_ms: i64) -> Heart {
        let pulse = Arc::new(Pulse {
            name: name.into(),
            last_ms: AtomicI64::new(boot_ms),
            stopped: AtomicBool::new(false),
        });
        lock(&self.hearts).push(Arc::clone(&pulse));
        Heart(pulse)
    }

    /// A condition is met, or is not any more.
    pub fn set(&self, condition: Condition, is_met: bool) {
        self.conditions[condition as usize].store(is_met, Ordering::Relaxed);
    }

    /// A condition is not met, for this reason: a sentence. It is shown for as long as the condition is not met.
    pub fn unmet(&self, condition: Condition, reason: &str) {
        lock(&self.reasons)[condition as usize] = Some(reason.into());
        self.set(condition, false);
    }

    /// What an operator sees in `/readyz` under this name from now on: shards owned, the breaker, the lag.
    pub fn detail(&self, name: &str, value: Value) {
        lock(&self.details).insert(name.to_owned(), value);
    }

    /// Whether every component beats. Nothing outside the process counts.
    #[must_use]
    pub fn live(&self, boot_ms: i64) -> Report {
        let mut hearts = lock(&self.hearts);
        hearts.retain(|pulse| !pulse.stopped.load(Ordering::Relaxed));
        let checks = hearts.iter().map(|pulse| pulse.check(boot_ms)).collect();
        Report::of(checks, Map::new())
    }

    /// Whether every condition is met, with the details.
    #[must_use]
    pub fn ready(&self) -> Report {
        let reasons = lock(&self.reasons).clone();
        let check = |condition: Condition| {
            let ok = self.conditions[condition as usize].load(Ordering::Relaxed);
            let reason = reasons[condition as usize].as_deref().filter(|_| !ok);
            Check {
                name: condition.name().into(),
                ok,
                detail: reason.unwrap_or(condition.detail(ok)).to_owned(),
            }
        };
        let checks = Condition::ALL.map(check).into();
        Report::of(checks, lock(&self.details).clone())
    }
}

impl Heart {
    /// The component lives, `boot_ms` on the boot clock.
    pub fn beat(&self, boot_ms: i64) {
        self.0.last_ms.store(boot_ms, Ordering::Relaxed);
    }

    /// The component ends as it should, and is not asked any more.
    pub fn stop(self) {
        self.0.stopped.store(true, Ordering::Relaxed);
    }
}

impl Pulse {
    fn check(&self, boot_ms: i64) -> Check {
        let silent_ms = boot_ms.saturating_sub(self.last_ms.load(Ordering::Relaxed));
        let ok = silent_ms <= BEAT_WITHIN_MS;
        let seconds = silent_ms.max(0) / 1000;
        Check {
            name: self.name.clone(),
            ok,
            detail: if ok {
                format!("It beat {seconds} s ago.")
            } else {
                format!(
                    "It has not beaten for {seconds} s: it is stuck, and the process is to be restarted."
                )
            },
        }
    }
}

impl Report {
    /// Whether every check is as it should be.
    #[must_use]
    pub fn is_ok(&self) -> bool {
        self.checks.iter().all(|check| check.ok)
    }

    fn of(checks: Vec<Check>, details: Map<String, Value>) -> Self {
        let mut report = Self {
            status: "ok",
            checks,
            details,
        };
        if !report.is_ok() {
            report.status = "unavailable";
        }
        report
    }
}

fn lock<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}
