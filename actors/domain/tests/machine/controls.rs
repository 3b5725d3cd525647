//! The check can fail: each machine that is wrong on purpose is caught, by the promise that it breaks.

use crate::histories::{first_violation, history, late_history};
use crate::history::Violation;
use crate::machines::{
    BELIEVES_AN_EMPTY_LIST, CANCELS_ONCE, EXPIRES_THE_UNKNOWN, FORGETS_THE_SURPLUS,
    FORGETS_WHAT_IS_OPEN, LOST_IS_NOT_MOVED, NEW_KEY_PER_RESEND, RESENDS_PAST_KEY_LIFE,
    TAKES_ANY_ANSWER, Wrong,
};

#[track_caller]
fn check(machine: &Wrong, cases: u32, expected: &[Violation]) {
    match first_violation(machine, history(), cases) {
        Some((violation, history)) => {
            println!("{violation:?} by {history:#?}");
            assert!(expected.contains(&violation), "{violation:?}");
        }
        None => panic!("not caught in {cases} histories"),
    }
}

#[test]
fn a_machine_that_takes_lost_for_not_moved_is_caught() {
    check(&LOST_IS_NOT_MOVED, 500, &[Violation::FailedButCharged]);
}

#[test]
fn a_machine_that_makes_a_new_key_per_resend_is_caught() {
    check(&NEW_KEY_PER_RESEND, 5_000, &[Violation::FailedButCharged]);
}

#[test]
fn a_machine_that_believes_an_empty_list_at_once_is_caught() {
    let expected = [Violation::DoubleCharge, Violation::FailedButCharged];
    check(&BELIEVES_AN_EMPTY_LIST, 1_000, &expected);
}

#[test]
fn a_machine_that_resends_past_its_keys_life_is_caught() {
    check(&RESENDS_PAST_KEY_LIFE, 5_000, &[Violation::DoubleCharge]);
}

#[test]
fn a_machine_that_takes_any_answer_for_the_present_one_is_caught() {
    let expected = [Violation::Attempts, Violation::FailedButCharged];
    check(&TAKES_ANY_ANSWER, 1_000, &expected);
}

#[test]
fn a_machine_that_forgets_what_is_open_is_caught() {
    check(&FORGETS_WHAT_IS_OPEN, 5_000, &[Violation::FailedButCharged]);
}

#[test]
fn a_machine_that_expires_what_is_unknown_is_caught() {
    check(&EXPIRES_THE_UNKNOWN, 5_000, &[Violation::FailedButCharged]);
}

#[test]
fn a_machine_that_cancels_only_once_is_caught() {
    check(&CANCELS_ONCE, 5_000, &[Violation::Stuck]);
}

#[test]
fn a_machine_that_forgets_the_surplus_is_caught() {
    let (violation, history) =
        first_violation(&FORGETS_THE_SURPLUS, late_history(), 5_000).unwrap();
    println!("{violation:?} by {history:#?}");
    assert_eq!(violation, Violation::Unrefunded);
}
