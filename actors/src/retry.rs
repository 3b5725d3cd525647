//! From a pause as the domain states it to milliseconds. The `backoff` crate is used here and nowhere else: it is
//! unmaintained, its own jitter exceeds the cap and cannot be replayed from a seed.

use std::time::Duration;

use almoner_domain::donation::Pause;
use almoner_domain::retry::Schedule;
use backoff::ExponentialBackoffBuilder;
use backoff::backoff::Backoff;

/// How long to wait from now on, in milliseconds; `dice` in `[0, 1)` spreads those that failed together.
///
/// A backoff is anything from a tenth of its step up to the whole of it: never nothing, never beyond the cap.
/// `Retry-After` is waited out, and up to a quarter more.
#[must_use]
pub fn pause_ms(pause: &Pause, now_wall_ms: i64, dice: f64) -> u64 {
    match *pause {
        Pause::None => 0,
        Pause::Backoff { schedule, n } => {
            let longest = step_ms(schedule, n);
            let shortest = longest / 10;
            shortest + share(longest - shortest, dice)
        }
        Pause::RetryAfter { ms } => ms.saturating_add(share(ms / 4, dice)),
        Pause::Until { ms } => u64::try_from(ms.saturating_sub(now_wall_ms)).unwrap_or(0),
    }
}

/// When the pause is over: wall clock, milliseconds since 1970.
#[must_use]
pub fn due_ms(pause: &Pause, now_wall_ms: i64, dice: f64) -> i64 {
    now_wall_ms.saturating_add_unsigned(pause_ms(pause, now_wall_ms, dice))
}

/// After as many doublings every schedule has reached its longest pause.
const DOUBLINGS_MAX: u16 = 63;

/// The nth step of the schedule, from 0: `first · 2^n`, at most the longest.
fn step_ms(schedule: Schedule, n: u16) -> u64 {
    let longest = Duration::from_millis(schedule.longest_ms);
    let mut steps = ExponentialBackoffBuilder::new()
        .with_initial_interval(Duration::from_millis(schedule.first_ms))
        .with_multiplier(2.0)
        .with_max_interval(longest)
        .with_randomization_factor(0.0)
        .with_max_elapsed_time(None)
        .build();
    let mut step = longest;
    for _ in 0..=n.min(DOUBLINGS_MAX) {
        step = steps.next_backoff().unwrap_or(longest).min(longest);
        if step == longest {
            break;
        }
    }
    u64::try_from(step.as_millis()).unwrap_or(schedule.longest_ms)
}

fn share(of: u64, dice: f64) -> u64 {
    (of as f64 * dice.clamp(0.0, 1.0)) as u64
}

#[cfg(test)]
mod tests {
    use almoner_domain::donation::Pause;
    use almoner_domain::retry::{ASK, MENDING, SOFT_DECLINE, Schedule};
    use proptest::prelude::*;

    use super::{due_ms, pause_ms, step_ms};

    const NOW: i64 = 1_700_000_000_000;
    const ALMOST_ONE: f64 = 1.0 - f64::EPSILON;

    /// The pause with the lowest, the middle and the highest dice.
    fn check(pause: Pause, expected: [u64; 3]) {
        for (dice, expected) in [0.0, 0.5, ALMOST_ONE].into_iter().zip(expected) {
            let ms = pause_ms(&pause, NOW, dice);
            assert!(ms.abs_diff(expected) <= 1, "{pause:?} {dice}: {ms}");
            let due = NOW + i64::try_from(ms).unwrap();
            assert_eq!(due_ms(&pause, NOW, dice), due);
        }
    }

    #[test]
    fn each_kind_of_pause() {
        let schedule = Schedule {
            first_ms: 200,
            longest_ms: 1_500,
        };
        check(Pause::None, [0, 0, 0]);
        check(Pause::Backoff { schedule, n: 0 }, [20, 110, 200]);
        check(Pause::Backoff { schedule, n: 1 }, [40, 220, 400]);
        check(Pause::Backoff { schedule, n: 2 }, [80, 440, 800]);
        check(Pause::Backoff { schedule, n: 3 }, [150, 825, 1_500]);
        let n = u16::MAX;
        check(Pause::Backoff { schedule, n }, [150, 825, 1_500]);
        check(Pause::RetryAfter { ms: 2_000 }, [2_000, 2_250, 2_500]);
        check(Pause::Until { ms: NOW + 7 }, [7, 7, 7]);
        check(Pause::Until { ms: NOW - 7 }, [0, 0, 0]);
    }

    #[test]
    fn the_ends_of_the_scale_do_not_wrap() {
        assert_eq!(pause_ms(&Pause::Until { ms: i64::MIN }, i64::MAX, 0.0), 0);
        assert_eq!(
            pause_ms(&Pause::RetryAfter { ms: u64::MAX }, NOW, ALMOST_ONE),
            u64::MAX
        );
        let forever = Pause::RetryAfter { ms: u64::MAX };
        assert_eq!(due_ms(&forever, NOW, 0.0), i64::MAX);
        let schedule = Schedule {
            first_ms: 5_000,
            longest_ms: 10,
        };
        assert_eq!(step_ms(schedule, 0), 10);
    }

    proptest! {
        #[test]
        fn a_step_is_the_doubled_first_up_to_the_longest(
            schedule in prop::sample::select(vec![ASK, SOFT_DECLINE, MENDING]),
            n in 0_u16..80,
            dice in 0.0..1.0,
        ) {
            let doubled = 2_u64.checked_pow(n.into()).and_then(|by| schedule.first_ms.checked_mul(by));
            let expected = doubled.unwrap_or(u64::MAX).min(schedule.longest_ms);
            prop_assert_eq!(step_ms(schedule, n), expected);
            let ms = pause_ms(&Pause::Backoff { schedule, n }, NOW, dice);
            prop_assert!((expected / 10..=expected).contains(&ms), "{}", ms);
        }
    }
}
