use almoner_domain::answer::{Answer, Refused};
use proptest::prelude::*;

use super::BreakerSignal::{BadApiKey, Busy, Failed, Forbidden, OurDefect, Works};
use super::{Admit, Breaker, BreakerSignal, PAUSE_FIRST_MS, PAUSE_LONGEST_MS, PROBE_MS, PROBES};

const NOW: i64 = 1_000_000;

/// These answers, so many milliseconds apart, and whether the last one opens it.
fn check(answers: impl IntoIterator<Item = BreakerSignal>, apart_ms: i64, opens: bool) {
    let answers: Vec<_> = answers.into_iter().collect();
    let mut breaker = Breaker::new();
    let mut now = NOW;
    for answer in &answers {
        assert_eq!(breaker.admit(now), Admit::Yes, "{answers:?} opened early");
        breaker.answered(*answer, now);
        now += apart_ms;
    }
    let after = breaker.admit(now - apart_ms);
    assert_eq!(after != Admit::Yes, opens, "{answers:?}: {after:?}");
    assert_eq!(breaker.is_open(now - apart_ms), opens);
}

fn times(answer: BreakerSignal, count: usize) -> impl Iterator<Item = BreakerSignal> {
    std::iter::repeat_n(answer, count)
}

/// `count` answers of which every nth failed.
fn every(nth: usize, count: usize) -> impl Iterator<Item = BreakerSignal> {
    (1..=count).map(move |at| if at % nth == 0 { Failed } else { Works })
}

#[test]
fn failures_in_a_row_open_it() {
    check(times(Failed, 9), 0, false);
    check(times(Failed, 10), 0, true);
    check(times(Failed, 10), 60_000, true);
    check(
        times(Failed, 9).chain([Works]).chain(times(Failed, 9)),
        100,
        false,
    );
    check(times(Failed, 9).chain([Busy, Failed]), 0, true);
}

#[test]
fn a_window_of_which_half_failed_opens_it() {
    check(every(2, 38), 10, false);
    check(every(2, 40), 10, true);
    check(every(3, 10_000), 10, false);
    check(every(2, 1_000), 1_000, false); // too few in any window
    check(times(Works, 1_000).chain(every(2, 20)), 10, false);
}

#[test]
fn what_has_left_the_window_does_not_count() {
    let mut breaker = Breaker::new();
    every(2, 38).for_each(|answer| breaker.answered(answer, NOW));
    every(2, 38).for_each(|answer| breaker.answered(answer, NOW + 15_000));
    assert_eq!(breaker.admit(NOW + 15_000), Admit::Yes);
}

#[test]
fn a_wrong_api_key_opens_it_at_once() {
    check([BadApiKey], 0, true);
    check(times(Works, 100).chain([BadApiKey]), 0, true);
}

#[test]
fn defects_count_by_user_and_refusals_by_campaign() {
    let defect = |user| OurDefect { user };
    let refusal = |campaign| Forbidden { campaign };
    check(times(defect(1), 100), 0, false);
    check([defect(1), defect(2), defect(1), defect(2)], 0, false);
    check([defect(1), Works, defect(2), Works, defect(3)], 0, true);
    check([defect(1), defect(2), refusal(3), refusal(4)], 0, false);
    check([refusal(1), refusal(2), refusal(3)], 0, true);
    check((1..100).map(defect), 30_000, false); // two within any minute
}

#[test]
fn busy_is_no_failure() {
    check(times(Busy, 1_000), 0, false);
}

/// Opened at `NOW`.
fn opened() -> Breaker {
    let mut breaker = Breaker::new();
    breaker.answered(BadApiKey, NOW);
    breaker
}

#[test]
fn after_the_pause_a_few_probes_go_through_and_a_success_closes() {
    let mut breaker = opened();
    let until_ms = NOW + PAUSE_FIRST_MS;
    assert_eq!(breaker.admit(NOW), Admit::No { until_ms });
    breaker.answered(Works, NOW); // sent before
    assert_eq!(breaker.admit(until_ms - 1), Admit::No { until_ms });
    for _ in 0..PROBES {
        assert_eq!(breaker.admit(until_ms), Admit::Probe);
    }
    let later_ms = until_ms + PROBE_MS;
    assert_eq!(breaker.admit(until_ms), Admit::No { until_ms: later_ms });
    assert!(
        !breaker.is_open(until_ms),
        "a probe may still come of what is taken in"
    );
    breaker.answered(Works, until_ms + 1);
    assert_eq!(breaker.admit(until_ms + 1), Admit::Yes);
}

#[test]
fn probes_that_find_it_busy_or_are_lost_are_made_up_for() {
    let mut breaker = opened();
    let half_open = NOW + PAUSE_FIRST_MS;
    for _ in 0..PROBES {
        breaker.admit(half_open);
    }
    breaker.answered(Busy, half_open);
    assert_eq!(breaker.admit(half_open), Admit::Probe);
    assert_ne!(breaker.admit(half_open), Admit::Probe);
    for _ in 0..PROBES {
        assert_eq!(breaker.admit(half_open + PROBE_MS), Admit::Probe);
    }
    assert_ne!(breaker.admit(half_open + PROBE_MS), Admit::Probe);
}

#[test]
fn a_probe_that_fails_doubles_the_pause_up_to_the_longest() {
    let mut breaker = opened();
    let mut now = NOW;
    let mut pauses = Vec::new();
    for failure in [Failed, BadApiKey].repeat(4) {
        let Admit::No { until_ms } = breaker.admit(now) else {
            panic!("it is open");
        };
        pauses.push(until_ms - now);
        now = until_ms;
        assert_eq!(breaker.admit(now), Admit::Probe);
        breaker.answered(failure, now);
    }
    let longest = PAUSE_LONGEST_MS;
    assert_eq!(
        pauses,
        [500, 1_000, 2_000, 4_000, 8_000, 16_000, longest, longest]
    );
}

#[test]
fn a_refusal_is_a_sign_of_health_unless_refusals_opened_it() {
    let refusal = Forbidden { campaign: 4 };
    let failures: Vec<_> = times(Failed, 10).collect();
    let refusals: Vec<_> = (1..=3).map(|campaign| Forbidden { campaign }).collect();
    for (opening, closes) in [(failures, true), (refusals, false), (vec![BadApiKey], true)] {
        let mut breaker = Breaker::new();
        opening
            .iter()
            .for_each(|answer| breaker.answered(*answer, NOW));
        let half_open = NOW + PAUSE_FIRST_MS;
        assert_eq!(breaker.admit(half_open), Admit::Probe);
        breaker.answered(refusal, half_open);
        assert_eq!(
            breaker.admit(half_open) == Admit::Yes,
            closes,
            "{opening:?}"
        );
    }
}

#[test]
fn the_pause_goes_on_growing_unless_it_was_well_for_a_while() {
    for (well_ms, pause_ms) in [(1_000, 1_000), (PAUSE_LONGEST_MS + 1, PAUSE_FIRST_MS)] {
        let mut breaker = opened();
        let closed = NOW + PAUSE_FIRST_MS;
        assert_eq!(breaker.admit(closed), Admit::Probe);
        breaker.answered(Works, closed);
        let again = closed + well_ms;
        breaker.answered(BadApiKey, again);
        let until_ms = again + pause_ms;
        assert_eq!(breaker.admit(again), Admit::No { until_ms });
    }
}

#[test]
fn what_each_answer_says_of_the_gateway() {
    let lost: Box<str> = "reset".into();
    let error = |replayed| Answer::ServerError {
        status: 500,
        replayed,
    };
    let declined = Answer::Declined {
        code: "card_declined".into(),
        decline_code: None,
        intent: None,
    };
    let defect = Answer::OurDefect {
        status: 400,
        what: "parameter_unknown".into(),
    };
    let busy = Answer::RateLimited {
        retry_after_ms: None,
    };
    for (answer, signal) in [
        (Answer::Listed(Vec::new()), Works),
        (declined, Works),
        (Answer::Refused(Refused::Amount), Works),
        (Answer::KeyMismatch, Works),
        (Answer::KeyInUse, Works),
        (error(true), Works),
        (error(false), Failed),
        (Answer::NotSent(lost.clone()), Failed),
        (Answer::Lost(lost), Failed),
        (busy, Busy),
        (Answer::BadApiKey, BadApiKey),
        (defect, OurDefect { user: 7 }),
        (Answer::Forbidden, Forbidden { campaign: 8 }),
    ] {
        assert_eq!(BreakerSignal::of(&answer, 7, 8), signal, "{answer:?}");
    }
}

proptest! {
    /// However it got where it is: once the gateway works again, it is closed within the longest pause and a probe's
    /// time, and what it names as the end of a wait lies ahead.
    #[test]
    fn it_always_comes_back(
        steps in prop::collection::vec((0_u8..6, any::<bool>(), 0_i64..5_000), 0..300),
    ) {
        let mut breaker = Breaker::new();
        let mut now = 0;
        for (class, send, ms) in steps {
            now += ms;
            if send && let Admit::No { until_ms } = breaker.admit(now) {
                prop_assert!(until_ms > now);
            }
            let id = u64::try_from(now).unwrap() % 4;
            let class = [Works, Busy, Failed, BadApiKey, OurDefect { user: id }, Forbidden { campaign: id }]
                [usize::from(class)];
            breaker.answered(class, now);
        }
        let end = now + PAUSE_LONGEST_MS + PROBE_MS;
        if let Admit::No { until_ms } = breaker.admit(now) {
            prop_assert!(until_ms <= end);
            prop_assert!(breaker.admit(until_ms) == Admit::Probe);
            now = until_ms;
        }
        breaker.answered(Works, now);
        prop_assert_eq!(breaker.admit(now), Admit::Yes);
    }
}
