//! Hostile networks between the instance and the gateway. What is lost on the way there has moved no money, what is lost
//! on the way back has; the instance cannot tell them apart, and both end right: gateway = ledger = outcomes.

mod naive;

use std::time::Duration;

use almoner_domain::ids::DonationId;

use crate::support::{Mishap, Post, Proxy, Weather, World, donate, id, judge};

/// Donations that are published together.
const WAVE: u32 = 40;
/// A wave is followed by the next one until so much has gone wrong in each direction.
const MISHAPS_MIN: u64 = 5;
const WAVES_MAX: u32 = 40;
/// Beyond the whole call's timeout.
const TIMEOUT_MS: &str = "1000";
const TOO_LATE: Duration = Duration::from_millis(1_500);

const CLEAR: Weather = Weather {
    per_mille: 0,
    mishaps: &[],
};
const HTTP2: (&str, &str) = ("ALMONER__GATEWAY__HTTP2_PRIOR_KNOWLEDGE", "true");
const IMPATIENT: [(&str, &str); 2] = [
    ("ALMONER__GATEWAY__TIMEOUT_MS", TIMEOUT_MS),
    ("ALMONER__GATEWAY__CONNECT_TIMEOUT_MS", TIMEOUT_MS),
];

fn stormy(mishaps: &'static [Mishap]) -> Weather {
    Weather {
        per_mille: 150,
        mishaps,
    }
}

/// As bad for connections that many calls share: one that breaks takes them all along.
fn rough(mishaps: &'static [Mishap]) -> Weather {
    Weather {
        per_mille: 80,
        mishaps,
    }
}

/// Donations through this weather until it has struck often enough: all are charged, once each, and all books agree.
fn check(there: Weather, back: Weather, env: &[(&str, &str)]) {
    let world = World::new(&["--latency-ms", "20"]);
    let proxy = Proxy::start(world.gateway.addr(), 7, there, back);
    let follower = world.follower();
    let publisher = world.publisher();
    let url = proxy.url();
    let through = [("ALMONER__GATEWAY__BASE_URL", url.as_str())];
    let instance = world.start_with(&[], &[&through, env].concat());
    let mut posts = Vec::new();
    for wave in 0.. {
        assert!(wave < WAVES_MAX, "the weather is fine");
        let donations = donations(wave);
        let places = publisher.publish(&donations);
        posts.extend(donations);
        follower.wait_answered(&places);
        follower.wait_ended(&ids(wave));
        let (lost_there, lost_back) = proxy.mishaps();
        if struck(there, lost_there) && struck(back, lost_back) {
            break;
        }
    }
    world.broker.wait_committed();
    instance.stop();

    let seen = follower.seen();
    let verdict = judge(&world, &posts, &seen);
    assert!(verdict.ok, "{verdict:#?}");
    let intents = world.gateway.intents();
    assert_eq!(intents.len(), posts.len(), "one intent for each");
    assert!(intents.iter().all(|it| it.is_unreversed_charge()));
    world.assert_audit_agrees();
}

/// Whether weather that is not clear has struck often enough.
fn struck(weather: Weather, mishaps: u64) -> bool {
    weather.per_mille == 0 || mishaps >= MISHAPS_MIN
}

fn ids(wave: u32) -> Vec<DonationId> {
    (wave * WAVE..(wave + 1) * WAVE).map(id).collect()
}

fn donations(wave: u32) -> Vec<Post> {
    let numbers = wave * WAVE..(wave + 1) * WAVE;
    numbers.map(|n| donate(n, &format!("user-{n}"))).collect()
}

#[test]
fn requests_are_lost_on_the_way_there() {
    check(stormy(&[Mishap::Cut, Mishap::Reset]), CLEAR, &[]);
}

#[test]
fn answers_are_lost_on_the_way_back() {
    check(CLEAR, stormy(&[Mishap::Cut, Mishap::Reset]), &[]);
}

#[test]
fn half_a_request_and_half_an_answer_arrive() {
    check(stormy(&[Mishap::Halve]), stormy(&[Mishap::Halve]), &[]);
}

#[test]
fn what_arrives_after_the_call_was_given_up_counts_once() {
    let late = stormy(&[Mishap::Delay(TOO_LATE)]);
    check(late, late, &IMPATIENT);
}

#[test]
fn streams_share_a_connection_that_is_reset() {
    let reset = rough(&[Mishap::Reset, Mishap::Halve]);
    check(reset, reset, &[HTTP2]);
}

#[test]
fn everything_at_once() {
    let storm = stormy(&[
        Mishap::Cut,
        Mishap::Reset,
        Mishap::Halve,
        Mishap::Delay(TOO_LATE),
    ]);
    check(storm, storm, &IMPATIENT);
}
