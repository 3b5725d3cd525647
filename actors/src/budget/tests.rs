use std::time::Duration;

use proptest::prelude::*;
use tokio::time::Instant;

use super::{Budget, Endpoint};

/// Four of them.
const ALL: [Endpoint; 4] = [
    Endpoint::Create,
    Endpoint::Confirm,
    Endpoint::Cancel,
    Endpoint::Read,
];

/// A budget and its time.
struct Driven {
    budget: Budget,
    now: Instant,
}

fn driven(per_second_max: u32, per_endpoint_second_max: u32) -> Driven {
    let now = Instant::now();
    Driven {
        budget: Budget::new(per_second_max, per_endpoint_second_max, now),
        now,
    }
}

impl Driven {
    fn pass(&mut self, time: Duration) {
        self.now += time;
    }

    /// Takes as soon as it may, by turns at these endpoints, for as many seconds.
    fn taken_in(&mut self, seconds: u64, endpoints: &[Endpoint]) -> u64 {
        let end = self.now + Duration::from_secs(seconds);
        let mut taken = 0;
        while self.now < end {
            let mut wait = Duration::MAX;
            for endpoint in endpoints {
                match self.budget.try_take(*endpoint, self.now) {
                    Ok(()) => {
                        taken += 1;
                        wait = Duration::ZERO;
                    }
                    Err(until) => wait = wait.min(until),
                }
            }
            self.pass(wait);
        }
        self.now = end;
        taken
    }
}

/// Over ten seconds, what is taken at the given endpoints is the rate, and at most the burst more.
fn check(
    per_second_max: u32,
    per_endpoint_second_max: u32,
    endpoints: &[Endpoint],
    rate_per_s: u64,
) {
    let mut driven = driven(per_second_max, per_endpoint_second_max);
    let taken = driven.taken_in(10, endpoints);
    let most = 10 * rate_per_s + rate_per_s / 20 + 1;
    let fewest = 10 * rate_per_s - 1;
    assert!(
        (fewest..=most + 4).contains(&taken),
        "{per_second_max} {per_endpoint_second_max} {endpoints:?}: {taken}"
    );
}

#[test]
fn limits_hold_for_the_account_and_for_each_endpoint() {
    check(100, 0, &ALL, 100);
    check(100, 0, &[Endpoint::Create], 100);
    check(100, 25, &[Endpoint::Create], 25);
    check(100, 25, &ALL[..2], 50);
    check(0, 25, &ALL, 100);
    check(40, 25, &ALL, 40);
    check(1, 0, &ALL, 1);
    check(20_000, 0, &ALL, 20_000);
}

#[test]
fn without_limits_nothing_waits() {
    let mut driven = driven(0, 0);
    for _ in 0..100_000 {
        assert_eq!(driven.budget.try_take(Endpoint::Create, driven.now), Ok(()));
    }
}

#[test]
fn after_the_wait_it_is_granted_and_not_before() {
    let mut driven = driven(10, 0);
    while driven.budget.try_take(Endpoint::Read, driven.now).is_ok() {}
    for _ in 0..20 {
        let wait = driven
            .budget
            .try_take(Endpoint::Read, driven.now)
            .unwrap_err();
        assert!(wait > Duration::ZERO);
        driven.pass(wait - Duration::from_nanos(1));
        assert!(driven.budget.try_take(Endpoint::Read, driven.now).is_err());
        driven.pass(Duration::from_nanos(1));
        assert_eq!(driven.budget.try_take(Endpoint::Read, driven.now), Ok(()));
    }
}

#[test]
fn asking_in_vain_costs_nothing() {
    let mut driven = driven(10, 10);
    let mut taken = 0;
    for _ in 0..10_000 {
        driven.pass(Duration::from_millis(1));
        for endpoint in [Endpoint::Read, Endpoint::Create] {
            taken += u32::from(driven.budget.try_take(endpoint, driven.now).is_ok());
        }
    }
    assert!((99..=102).contains(&taken), "{taken}");
}

#[test]
fn a_share_is_what_is_owned_of_all() {
    let mut driven = driven(96, 0);
    driven.budget.set_share(1, 48);
    assert_eq!(driven.taken_in(10, &ALL), 19, "two a second, none at once");
    driven.budget.set_share(0, 48);
    assert_eq!(driven.taken_in(10, &ALL), 0);
    driven.budget.set_share(48, 48);
    let taken = driven.taken_in(10, &ALL);
    assert!((955..=965).contains(&taken), "{taken}");
}

#[test]
fn a_429_halves_and_successes_win_back() {
    let mut driven = driven(100, 0);
    driven.budget.on_rate_limited(driven.now);
    driven.budget.on_rate_limited(driven.now); // of the same second
    assert!((495..=505).contains(&driven.taken_in(10, &ALL)));
    driven.budget.on_rate_limited(driven.now);
    assert_eq!(driven.budget.adapted(), 0.25);
    for _ in 0..14 {
        driven.budget.on_success(driven.now); // within the second of the 429, or of the last step
        driven.pass(Duration::from_secs(1));
        driven.budget.on_success(driven.now);
    }
    assert!(driven.budget.adapted() < 1.0);
    driven.pass(Duration::from_secs(1));
    driven.budget.on_success(driven.now);
    assert_eq!(driven.budget.adapted(), 1.0);
    assert!((995..=1_005).contains(&driven.taken_in(10, &ALL)));
}

/// Each second begins with successes and ends in refusals, as where a gateway takes so many a second.
#[test]
fn successes_before_a_429_do_not_keep_the_rate_up() {
    let mut driven = driven(100, 0);
    for _ in 0..100 {
        driven.budget.on_success(driven.now);
        let too_many = driven.budget.adapted() > 0.25;
        driven.pass(Duration::from_millis(900));
        if too_many {
            driven.budget.on_rate_limited(driven.now);
        }
        driven.pass(Duration::from_millis(100));
        assert!(driven.budget.adapted() <= 0.5);
    }
    assert!(driven.budget.adapted() > 0.1);
}

#[test]
fn a_gateway_that_refuses_everything_is_still_asked() {
    let mut driven = driven(100, 25);
    for _ in 0..100 {
        driven.budget.on_rate_limited(driven.now);
        driven.pass(Duration::from_secs(1));
    }
    let taken = driven.taken_in(100, &ALL);
    assert!((150..=160).contains(&taken), "{taken}");
}

#[test]
fn an_account_without_limits_takes_its_rate_from_the_429() {
    let mut driven = driven(0, 0);
    for _ in 0..1_000 {
        driven
            .budget
            .try_take(Endpoint::Create, driven.now)
            .unwrap();
    }
    driven.budget.on_rate_limited(driven.now);
    let taken = driven.taken_in(1, &ALL);
    assert!((495..=505).contains(&taken), "{taken}");
    for _ in 0..10 {
        driven.budget.on_success(driven.now);
        driven.pass(Duration::from_secs(1));
    }
    for _ in 0..100_000 {
        assert_eq!(driven.budget.try_take(Endpoint::Create, driven.now), Ok(()));
    }
}

proptest! {
    /// Whatever is told it meanwhile, no second has more than the rate and one burst.
    #[test]
    fn no_second_has_more_than_its_rate(
        told in prop::collection::vec((0_u8..4, 1_u64..50, 1_u32..48), 1..300),
    ) {
        let mut driven = driven(200, 0);
        let mut taken = Vec::new();
        for (what, ms, owned) in told {
            driven.pass(Duration::from_millis(ms));
            match what {
                0 => driven.budget.on_rate_limited(driven.now),
                1 => driven.budget.on_success(driven.now),
                2 => driven.budget.set_share(owned, 48),
                _ => driven.budget.set_share(48, 48),
            }
            while driven.budget.try_take(Endpoint::Create, driven.now).is_ok() {
                taken.push(driven.now);
            }
        }
        for (index, first) in taken.iter().enumerate() {
            let within = taken[index..].iter().take_while(|at| **at < *first + Duration::from_secs(1));
            prop_assert!(within.count() <= 200 + 11 + 1);
        }
    }
}
