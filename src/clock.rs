//! What time it is, and chance, from the machine: the one place that asks it.

use almoner_actors::ports::{Clock, Dice};
use rustix::time::{ClockId, clock_gettime};

/// The machine's clocks.
#[derive(Clone, Copy, Debug, Default)]
pub struct SystemClock;

impl Clock for SystemClock {
    fn wall_ms(&self) -> i64 {
        now_ms(ClockId::Realtime)
    }

    fn boot_ms(&self) -> i64 {
        now_ms(ClockId::Boottime)
    }
}

fn now_ms(clock: ClockId) -> i64 {
    let now = clock_gettime(clock);
    now.tv_sec * 1_000 + now.tv_nsec / 1_000_000
}

/// The machine's dice, for jitter alone.
#[derive(Clone, Copy, Debug, Default)]
pub struct RandomDice;

impl Dice for RandomDice {
    fn roll(&self) -> f64 {
        rand::random()
    }
}
