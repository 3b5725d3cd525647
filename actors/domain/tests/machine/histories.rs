//! Histories at random, and what holds in every one.

use almoner_domain::donation::{Call, PendingKind, Rules, State, Verdict};
use almoner_domain::outcome::Reason;
use proptest::collection::vec;
use proptest::option;
use proptest::prelude::*;
use proptest::strategy::ValueTree;
use proptest::test_runner::{Config, TestError, TestRng, TestRunner};

use crate::history::{History, Op, Refusal, Story, Violation};
use crate::machines::{Machine, Real};
use crate::oracle::Decision;
use crate::world;
use crate::{HOUR_MS, MINUTE_MS, RULES, id};

fn decision() -> impl Strategy<Value = Decision> {
    let permille = 0..1_000_u16;
    prop_oneof![
        2 => Just(Decision::Charge),
        4 => Just(Decision::SoftDecline),
        1 => Just(Decision::HardDecline),
        1 => Just(Decision::NeedsUser),
        1 => Just(Decision::RequiresAction),
        2 => (any::<bool>(), permille.clone()).prop_map(|(charged, after_permille)| {
            Decision::Processing { charged, after_permille }
        }),
        1 => Just(Decision::Refuse),
        3 => Just(Decision::ErrorBefore),
        1 => Just(Decision::ErrorHalfway),
        2 => Just(Decision::ErrorAfter),
        2 => permille.prop_map(|after_permille| Decision::ErrorRolledForward { after_permille }),
    ]
}

fn refusal() -> impl Strategy<Value = Refusal> {
    prop_oneof![
        1 => Just(Refusal::NotSent),
        1 => option::of(0..60_000_u64).prop_map(Refusal::RateLimited),
        1 => Just(Refusal::BadApiKey),
        1 => Just(Refusal::Forbidden),
        1 => Just(Refusal::OurDefect),
        3 => Just(Refusal::KeyInUse),
    ]
}

fn sleep_ms() -> impl Strategy<Value = i64> {
    prop_oneof![0..2 * MINUTE_MS, 0..5 * HOUR_MS, 18 * HOUR_MS..30 * HOUR_MS,]
}

fn op() -> impl Strategy<Value = Op> {
    let kind = prop_oneof![
        Just(PendingKind::Queued),
        Just(PendingKind::Drained),
        Just(PendingKind::Quarantined),
    ];
    prop_oneof![
        6 => decision().prop_map(Op::Answer),
        3 => decision().prop_map(Op::LoseAnswer),
        3 => Just(Op::LoseRequest),
        2 => refusal().prop_map(Op::NotExecuted),
        3 => (any::<u8>(), decision()).prop_map(|(which, decision)| Op::ExecuteLate(which, decision)),
        3 => any::<u8>().prop_map(Op::DeliverLate),
        2 => (option::of(decision()), any::<bool>())
            .prop_map(|(executed, left)| Op::TakeOver { executed, left }),
        1 => (kind, 0..HOUR_MS).prop_map(|(kind, for_ms)| Op::SetAside(kind, for_ms)),
        1 => any::<bool>().prop_map(|confirms| Op::User { confirms }),
        3 => sleep_ms().prop_map(Op::Sleep),
    ]
}

fn rules() -> impl Strategy<Value = Rules> {
    // Stripe's figures, and a gateway that settles sooner than its keys die.
    let reconcile_bound_ms = prop_oneof![Just(24 * HOUR_MS), Just(5 * HOUR_MS)];
    (1..6_u8, reconcile_bound_ms).prop_map(|(attempts_max, reconcile_bound_ms)| Rules {
        attempts_max,
        reconcile_bound_ms,
        ..RULES
    })
}

pub fn history() -> impl Strategy<Value = History> {
    let verdict = prop_oneof![
        12 => Just(Verdict::Charge),
        1 => Just(Verdict::Queue),
        2 => Just(Verdict::Hold { duplicate_of: id(9) }),
        1 => Just(Verdict::Refuse { reason: Reason::CampaignClosed }),
    ];
    (verdict, rules(), vec(op(), 0..40), vec(decision(), 0..6)).prop_map(
        |(verdict, rules, ops, calm)| History {
            verdict,
            rules,
            settles_in_ms: rules.reconcile_bound_ms,
            ops,
            calm,
        },
    )
}

/// The same, but the gateway settles what a 500 left open long after it said it would: two charges can be.
pub fn late_history() -> impl Strategy<Value = History> {
    let sleep = (20..60_i64).prop_map(|hours| Op::Sleep(hours * HOUR_MS));
    let rolled = (600..1_000_u16)
        .prop_map(|after_permille| Op::LoseAnswer(Decision::ErrorRolledForward { after_permille }));
    let begin =
        (rolled, vec(sleep, 1..4)).prop_map(|(rolled, sleeps)| [vec![rolled], sleeps].concat());
    (history(), option::weighted(0.8, begin)).prop_map(|(history, begin)| History {
        settles_in_ms: 4 * 24 * HOUR_MS,
        ops: [begin.unwrap_or_default(), history.ops].concat(),
        ..history
    })
}

/// Runs histories through the machine until one breaks a promise. Always the same ones, so that a control is caught
/// every time or never.
pub fn first_violation(
    machine: &impl Machine,
    histories: impl Strategy<Value = History>,
    cases: u32,
) -> Option<(Violation, History)> {
    let config = Config {
        cases,
        failure_persistence: None,
        max_shrink_iters: 2_000,
        ..Config::default()
    };
    let rng = TestRng::deterministic_rng(config.rng_algorithm);
    let mut runner = TestRunner::new_with_rng(config, rng);
    let result = runner.run(&histories, |history| match world::run(machine, &history) {
        Ok(_) => Ok(()),
        Err(violation) => Err(TestCaseError::fail(format!("{violation:?}"))),
    });
    match result {
        Ok(()) => None,
        Err(TestError::Fail(_, history)) => {
            Some((world::run(machine, &history).unwrap_err(), history))
        }
        Err(TestError::Abort(why)) => panic!("{why}"),
    }
}

proptest! {
    #![proptest_config(Config {
        cases: Config::default().cases * 16,
        failure_persistence: None,
        ..Config::default()
    })]

    #[test]
    fn every_promise_holds_in_every_history(history in history()) {
        prop_assert_eq!(world::run(&Real, &history).err(), None);
    }
}

proptest! {
    // Each asks for days.
    #![proptest_config(Config {
        cases: Config::default().cases * 2,
        failure_persistence: None,
        ..Config::default()
    })]

    #[test]
    fn no_surplus_charge_stays_whatever_the_gateway_does(history in late_history()) {
        prop_assert_eq!(world::run(&Real, &history).err(), None);
    }
}

/// Those histories are worth something only if there are two charges in some.
#[test]
fn the_late_histories_have_surplus_charges() {
    let stories = stories(late_history(), 500);
    let count = |what: &str, is: &dyn Fn(&Story) -> bool| {
        let n = stories.iter().filter(|story| is(story)).count();
        println!("{n:6} {what}");
        assert!(n > 0, "no history: {what}");
    };
    count("reversed", &|s| !s.progress.reversed.is_empty());
    count("reversed after a second try", &|s| {
        let is_reversal = |call: &&Call| matches!(call, Call::Reverse { .. });
        s.calls.iter().filter(is_reversal).count() > 1
    });
    count("charged after it failed", &|s| s.progress.has_surplus());
}

/// The histories are worth something only if they get everywhere.
#[test]
fn the_histories_get_everywhere() {
    let stories = stories(history(), 5_000);
    let count = |what: &str, is: &dyn Fn(&Story) -> bool| {
        let n = stories.iter().filter(|story| is(story)).count();
        println!("{n:6} {what}");
        assert!(n > 0, "no history: {what}");
    };
    let has = |story: &Story, is: fn(&Call) -> bool| story.calls.iter().any(is);
    count("succeeded", &|s| s.ending.state == State::Succeeded);
    count("cancelled", &|s| s.ending.state == State::Cancelled);
    for reason in [
        Reason::CardDeclined,
        Reason::AuthenticationRequired,
        Reason::AttemptsExhausted,
        Reason::PaymentMethodInvalid,
        Reason::AmountOutOfBounds,
        Reason::Expired,
        Reason::CampaignClosed,
        Reason::DuplicateDeclined,
        Reason::DuplicateExpired,
    ] {
        count(&format!("{reason:?}"), &|s| s.ending.reason == Some(reason));
    }
    count("listed", &|s| has(s, |c| *c == Call::List));
    count("fetched", &|s| has(s, |c| *c == Call::Fetch));
    count("confirmed again", &|s| {
        has(s, |c| matches!(c, Call::Confirm { n: 2.. }))
    });
    count("cancelled twice", &|s| {
        has(s, |c| matches!(c, Call::Cancel { n: 2.. }))
    });
    count("cancelled, yet succeeded", &|s| {
        has(s, |c| matches!(c, Call::Cancel { .. })) && s.ending.state == State::Succeeded
    });
    count("generation 2, succeeded", &|s| {
        s.progress.generation == 2 && s.ending.state == State::Succeeded
    });
    count("generation 2, failed", &|s| {
        s.progress.generation == 2 && s.ending.state == State::Failed
    });
    count("a second intent of generation 2", &|s| {
        has(s, |c| matches!(c, Call::CreateIntent { n: 2.. }))
    });
    count("a surplus intent discarded", &|s| {
        has(s, |c| matches!(c, Call::Discard { .. }))
    });
    let steps_max = stories.iter().map(|story| story.calm_steps).max();
    println!("{:6} steps at the most once it is calm", steps_max.unwrap());
}

fn stories(histories: impl Strategy<Value = History>, n: u32) -> Vec<Story> {
    let mut runner = TestRunner::deterministic();
    let mut stories = Vec::new();
    for _ in 0..n {
        let history = histories.new_tree(&mut runner).unwrap().current();
        match world::run(&Real, &history) {
            Ok(story) => stories.push(story),
            Err(violation) => panic!("{violation:?} by {history:#?}"),
        }
    }
    stories
}

#[test]
fn an_untroubled_charge_is_one_send() {
    let history = History {
        verdict: Verdict::Charge,
        rules: RULES,
        settles_in_ms: RULES.reconcile_bound_ms,
        ops: Vec::new(),
        calm: Vec::new(),
    };
    let story = world::run(&Real, &history).unwrap();
    assert_eq!(story.calls, [Call::Charge]);
    assert_eq!(story.ending.state, State::Succeeded);
    assert_eq!(story.progress.sequence, 0);
}
