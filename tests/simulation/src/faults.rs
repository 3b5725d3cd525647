//! Which call of a port fails, and how: by dice that belong to the place, so that it fails the same whatever else is left
//! out of the history.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::Mutex;
use std::sync::atomic::{AtomicBool, Ordering};

use crate::chance::Chance;
use crate::diary::lock;
use crate::script::{Script, Site};

/// What happens to one call of a port.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Fault {
    /// Nothing.
    None,
    /// Its caller crashes, with nothing done.
    Panic,
    /// Nothing is done, and the caller is told.
    Refuse,
    /// It is done, and the caller is told that it may not be.
    LoseAnswer,
    /// It is done later.
    DelayMs(u64),
    /// It is done, and answered later.
    AnswerAfterMs(u64),
}

impl Fault {
    /// Its name, for the count of what was injected.
    #[must_use]
    pub fn name(self) -> Option<&'static str> {
        Some(match self {
            Self::None => return None,
            Self::Panic => "actor crashed",
            Self::Refuse => "call refused",
            Self::LoseAnswer => "answer of a port lost",
            Self::DelayMs(_) => "call delayed",
            Self::AnswerAfterMs(_) => "answer delayed",
        })
    }
}

/// The faults of one history.
pub struct Faults {
    seed: u64,
    permille: u64,
    crashes_permille: u64,
    only: Option<BTreeSet<Site>>,
    is_calm: AtomicBool,
    counts: Mutex<BTreeMap<(&'static str, u64), u32>>,
    fired: Mutex<BTreeSet<Site>>,
    injected: Mutex<BTreeMap<&'static str, u64>>,
    points: Mutex<BTreeMap<(&'static str, &'static str), u64>>,
}

impl Faults {
    /// The faults of this script.
    #[must_use]
    pub fn new(script: &Script) -> Self {
        Self {
            seed: script.seed,
            permille: script.weather.port_faults_permille,
            crashes_permille: script.weather.crashes_permille,
            only: script.sites_only.clone(),
            is_calm: AtomicBool::new(false),
            counts: Mutex::default(),
            fired: Mutex::default(),
            injected: Mutex::default(),
            points: Mutex::default(),
        }
    }

    /// From now on nothing fails.
    pub fn stop(&self) {
        self.is_calm.store(true, Ordering::Relaxed);
    }

    /// Whether nothing fails any more.
    #[must_use]
    pub fn is_calm(&self) -> bool {
        self.is_calm.load(Ordering::Relaxed)
    }

    /// The dice of the next time that `step` happens to `what`.
    pub fn dice(&self, step: &'static str, what: u64) -> Chance {
        let site = self.site(step, what);
        Chance::at(self.seed, step, what, site.n)
    }

    /// Whether something goes wrong this time: with these chances, unless it is calm or was left out. It is counted.
    pub fn happens(&self, step: &'static str, what: u64, permille: u64) -> Option<Chance> {
        let site = self.site(step, what);
        let mut dice = Chance::at(self.seed, step, what, site.n);
        if self.is_calm() || !dice.permille(permille) {
            return None;
        }
        if self.only.as_ref().is_some_and(|only| !only.contains(&site)) {
            return None;
        }
        lock(&self.fired).insert(site);
        Some(dice)
    }

    /// What happens to this call of a port.
    pub fn of(&self, step: &'static str, what: u64) -> Fault {
        let permille = self.permille + self.crashes_permille;
        let Some(mut dice) = self.happens(step, what, permille) else {
            return Fault::None;
        };
        let fault = if dice.below(permille) < self.crashes_permille {
            Fault::Panic
        } else {
            port_fault(&mut dice, step)
        };
        if let Some(name) = fault.name() {
            self.count(name);
            *lock(&self.points).entry((step, name)).or_default() += 1;
        }
        fault
    }

    /// Which calls of ports failed, how, and how often.
    #[must_use]
    pub fn points(&self) -> BTreeMap<(&'static str, &'static str), u64> {
        lock(&self.points).clone()
    }

    /// One more of these was injected.
    pub fn count(&self, name: &'static str) {
        *lock(&self.injected).entry(name).or_default() += 1;
    }

    /// How much was injected, by name.
    #[must_use]
    pub fn injected(&self) -> BTreeMap<&'static str, u64> {
        lock(&self.injected).clone()
    }

    /// Where something went wrong.
    #[must_use]
    pub fn fired(&self) -> BTreeSet<Site> {
        lock(&self.fired).clone()
    }

    fn site(&self, step: &'static str, what: u64) -> Site {
        let mut counts = lock(&self.counts);
        let count = counts.entry((step, what)).or_default();
        let n = *count;
        *count += 1;
        Site { step, what, n }
    }
}

fn port_fault(dice: &mut Chance, step: &'static str) -> Fault {
    let kind = dice.below(10);
    if step == "gateway" {
        return match kind {
            0..=2 => Fault::AnswerAfterMs(dice.below(40_000)),
            _ => Fault::DelayMs(dice.below(1_500)),
        };
    }
    match kind {
        0..=1 => Fault::Refuse,
        2..=3 => Fault::LoseAnswer,
        4..=7 => Fault::AnswerAfterMs(dice.below(2_000)),
        _ => Fault::DelayMs(dice.below(2_000)),
    }
}
