//! From a history that breaks an invariant to the smallest one that still does: events are left out, halves first, then
//! single ones; then the places at which ports fail.

use std::collections::BTreeSet;
use std::time::Duration;

use crate::defect::Defect;
use crate::history::{Told, run};
use crate::script::{Event, Script, Site};

/// The smallest script that was found within the time, and what it told.
pub struct Shrunk {
    /// What still breaks the invariant.
    pub script: Script,
    /// Its diary is kept.
    pub told: Told,
    /// Histories that were tried.
    pub tries: u32,
}

struct Shrinking<'a> {
    invariant: &'static str,
    defect: Option<&'static Defect>,
    is_over: &'a dyn Fn() -> bool,
    tries: u32,
}

/// Leaves out what does not matter for `invariant`, until nothing more can be left out or `is_over` says so.
#[must_use]
pub fn shrink(
    script: &Script,
    invariant: &'static str,
    defect: Option<&'static Defect>,
    is_over: &dyn Fn() -> bool,
) -> Shrunk {
    let mut shrinking = Shrinking {
        invariant,
        defect,
        is_over,
        tries: 0,
    };
    let mut script = shrinking.without_the_rest(script.clone());
    script.events = shrinking.fewest(script.events.clone(), |events| Script {
        events,
        ..script.clone()
    });
    let fired: Vec<Site> = run(&script, defect, false).fired.into_iter().collect();
    let with_sites = |sites: Vec<Site>| Script {
        sites_only: Some(sites.into_iter().collect()),
        ..script.clone()
    };
    if shrinking.breaks(&with_sites(fired.clone())) {
        let sites = shrinking.fewest(fired, with_sites);
        script.sites_only = Some(sites.into_iter().collect::<BTreeSet<_>>());
        script.events = shrinking.fewest(script.events.clone(), |events: Vec<Event>| Script {
            events,
            ..script.clone()
        });
    }
    let told = run(&script, defect, true);
    Shrunk {
        script,
        told,
        tries: shrinking.tries,
    }
}

impl Shrinking<'_> {
    fn breaks(&mut self, script: &Script) -> bool {
        self.tries += 1;
        let told = run(script, self.defect, false);
        told.findings
            .iter()
            .any(|finding| finding.invariant == self.invariant)
    }

    /// Plainer weather, where that changes nothing.
    fn without_the_rest(&mut self, script: Script) -> Script {
        let mut plainer = script;
        let tries: [fn(&mut Script); 3] = [
            |it| it.weather.crashes_permille = 0,
            |it| it.weather.port_faults_permille = 0,
            |it| it.weather.skews_ms = [0, 0],
        ];
        for change in tries {
            let mut tried = plainer.clone();
            change(&mut tried);
            if self.breaks(&tried) {
                plainer = tried;
            }
        }
        plainer
    }

    /// Delta debugging: chunks of half, a quarter, … down to one are left out while the invariant stays broken.
    fn fewest<T: Clone>(
        &mut self,
        mut all: Vec<T>,
        script_of: impl Fn(Vec<T>) -> Script,
    ) -> Vec<T> {
        let mut chunk = all.len().div_ceil(2);
        while chunk > 0 && !all.is_empty() {
            let mut at = 0;
            let before = all.len();
            while at < all.len() {
                if (self.is_over)() {
                    return all;
                }
                let mut fewer = all.clone();
                fewer.drain(at..(at + chunk).min(all.len()));
                if self.breaks(&script_of(fewer.clone())) {
                    all = fewer;
                } else {
                    at += chunk;
                }
            }
            if chunk > 1 || all.len() == before {
                chunk /= 2;
            }
        }
        all
    }
}

/// A clock of the machine's own, to stop shrinking after a while.
pub fn after(patience: Duration) -> impl Fn() -> bool {
    #[expect(
        clippy::disallowed_methods,
        reason = "a person waits here, in real time"
    )]
    let now = std::time::Instant::now;
    let began = now();
    move || now().duration_since(began) > patience
}
