//! Many histories, on as many threads as there are cores: each history itself is one thread.

use std::collections::BTreeMap;
use std::ops::Range;
use std::sync::Mutex;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::thread;
use std::time::Duration;

use crate::coverage::Steps;
use crate::defect::Defect;
use crate::diary::lock;
use crate::history::{Told, run};
use crate::judge::Finding;
use crate::script::generate;

/// What came of many histories.
#[derive(Clone, Debug, Default)]
pub struct Sum {
    /// Histories that were lived.
    pub histories: u64,
    /// Records in them.
    pub records: u64,
    /// Virtual time in them.
    pub virtual_ms: i64,
    /// What was injected.
    pub injected: BTreeMap<&'static str, u64>,
    /// Which answers came to which calls.
    pub answers: BTreeMap<(&'static str, &'static str), u64>,
    /// In which state what happened.
    pub steps: Steps,
    /// Which calls of ports failed, and how.
    pub points: BTreeMap<(&'static str, &'static str), u64>,
    /// The histories in which something did not hold, by their seeds.
    pub broken: BTreeMap<u64, Vec<Finding>>,
}

impl Sum {
    fn add(&mut self, seed: u64, told: Told) {
        self.histories += 1;
        self.records += told.records;
        self.virtual_ms += told.virtual_ms;
        for (name, n) in told.injected {
            *self.injected.entry(name).or_default() += n;
        }
        for (answer, n) in told.answers {
            *self.answers.entry(answer).or_default() += n;
        }
        for (point, n) in told.points {
            *self.points.entry(point).or_default() += n;
        }
        for (step, n) in told.steps {
            *self.steps.entry(step).or_default() += n;
        }
        if !told.findings.is_empty() {
            self.broken.insert(seed, told.findings);
        }
    }

    /// How much was injected in all.
    #[must_use]
    pub fn faults(&self) -> u64 {
        self.injected.values().sum()
    }
}

/// Lives the histories of these seeds, until one is broken (and those begun with it are through). `show` is called now and
/// then with what came of it so far.
#[must_use]
pub fn live(
    seeds: Range<u64>,
    defect: Option<&'static Defect>,
    threads: usize,
    show: impl Fn(&Sum),
) -> Sum {
    let (next, is_broken) = (AtomicU64::new(seeds.start), AtomicBool::new(false));
    let sum = Mutex::new(Sum::default());
    let work = || {
        while !is_broken.load(Ordering::Relaxed) {
            let seed = next.fetch_add(1, Ordering::Relaxed);
            if seed >= seeds.end {
                return;
            }
            let _named = Seed(seed);
            let told = run(&generate(seed), defect, false);
            is_broken.fetch_or(!told.findings.is_empty(), Ordering::Relaxed);
            lock(&sum).add(seed, told);
        }
    };
    thread::scope(|scope| {
        let workers: Vec<_> = (0..threads.max(1)).map(|_| scope.spawn(work)).collect();
        while !workers.iter().all(|worker| worker.is_finished()) {
            thread::sleep(Duration::from_millis(100));
            let so_far = lock(&sum).clone();
            show(&so_far);
        }
    });
    sum.into_inner().unwrap()
}

/// Says which history it was if it ends in a panic.
struct Seed(u64);

impl Drop for Seed {
    fn drop(&mut self) {
        if thread::panicking() {
            eprintln!("the history of seed {} panicked", self.0);
        }
    }
}
