//! How far it has come, for who waits: on a terminal once a second, else every ten seconds.

use std::cell::Cell;
use std::io::IsTerminal;
use std::time::{Duration, Instant};

use almoner_simulation::many::Sum;

/// The line on the way.
pub struct Progress {
    began: Instant,
    shown: Cell<Instant>,
    every: Duration,
}

#[expect(
    clippy::disallowed_methods,
    reason = "a person waits here, in real time"
)]
fn now() -> Instant {
    Instant::now()
}

impl Progress {
    /// It begins now.
    pub fn new() -> Self {
        let is_terminal = std::io::stderr().is_terminal();
        let every = Duration::from_secs(if is_terminal { 1 } else { 10 });
        Self {
            began: now(),
            shown: Cell::new(now()),
            every,
        }
    }

    /// A line, if it is time for one.
    pub fn show(&self, sum: &Sum) {
        if now().duration_since(self.shown.get()) >= self.every {
            self.shown.set(now());
            self.end(sum);
        }
    }

    /// A line.
    pub fn end(&self, sum: &Sum) {
        let seconds = now().duration_since(self.began).as_secs_f64();
        let rate = sum.histories as f64 / seconds.max(0.001);
        let (histories, faults) = (sum.histories, sum.faults());
        eprintln!(
            "{histories} histories in {seconds:.0} s, {rate:.0} a second, {faults} faults so far"
        );
    }
}
