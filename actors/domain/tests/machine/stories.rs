//! Stories of single donations: what a history at random seldom shows, or an honest gateway never.

use almoner_domain::answer::{Answer, IntentStatus, Refused};
use almoner_domain::donation::{Donation, Event, PendingKind, Progress, Rules, Verdict};
use almoner_domain::outcome::Reason;

use crate::table::{at_ms, declined, defect, intent, row, row_of, seen_error};
use crate::{HOUR_MS, MINUTE_MS, RULES, SECOND_MS, T0_MS, donation, id};

/// Each event, when it happens, and the row that it makes.
#[track_caller]
fn check(progress: Progress, story: &[(i64, Event, &str)]) -> Progress {
    check_by(&RULES, progress, story)
}

#[track_caller]
fn check_by(rules: &Rules, mut progress: Progress, story: &[(i64, Event, &str)]) -> Progress {
    for (i, (after_ms, event, expected)) in story.iter().enumerate() {
        let now = at_ms(T0_MS + after_ms);
        let transition = donation().on(progress, event.clone(), now, rules);
        let transition = transition.unwrap();
        let actual = row(&transition);
        let words: Vec<&str> = actual.split_whitespace().collect();
        assert_eq!(words.join(" "), *expected, "event {i}: {event:?}");
        progress = transition.progress;
    }
    progress
}

fn answered(send: u16, answer: Answer) -> Event {
    Event::Answered { send, answer }
}

fn lost() -> Answer {
    Answer::Lost("timeout".into())
}

fn open(id: &str) -> Answer {
    intent(id, IntentStatus::RequiresConfirmation)
}

fn charged(id: &str) -> Answer {
    intent(id, IntentStatus::Succeeded)
}

fn first_sent() -> Progress {
    Progress::first_sent(T0_MS)
}

/// A donation whose second generation's confirm is on the wire, as send 6.
fn second_confirmed() -> Progress {
    let at = 25 * HOUR_MS;
    let listed = Answer::Listed(vec![row_of("pi_2", IntentStatus::RequiresConfirmation)]);
    check(
        first_sent(),
        &[
            (
                0,
                answered(1, seen_error(true)),
                "unknown list ask 0 unknown",
            ),
            (at, Event::Due, "unknown send list"),
            (
                at,
                answered(2, Answer::Listed(Vec::new())),
                "retrying create_intent 1 at once retrying",
            ),
            (at, Event::Due, "charging send create_intent 1"),
            (
                at,
                answered(3, open("pi_2")),
                "retrying list at once retrying",
            ),
            (at, Event::Due, "charging send list"),
            (
                at,
                answered(4, listed),
                "retrying confirm 1 at once retrying",
            ),
            (at, Event::Due, "charging send confirm 1"),
        ],
    )
}

#[test]
fn a_takeover_of_what_was_only_accepted_begins_where_the_accepting_write_left_it() {
    let judged = Event::Judged(Verdict::Charge);
    let progress = check(Progress::new(), &[(0, judged, "charging send charge")]);
    assert_eq!(progress, first_sent());
    check(progress, &[(0, Event::TakenOver, "unknown send charge")]);
}

#[test]
fn the_first_generation_turns_up_charged_and_is_adopted() {
    let at = 26 * HOUR_MS;
    let listed = |status| {
        Answer::Listed(vec![
            row_of("pi_2", status),
            row_of("pi_1", IntentStatus::Succeeded),
        ])
    };
    let progress = check(
        second_confirmed(),
        &[
            (
                at,
                answered(1, charged("pi_1")),
                "unknown discard pi_2 1 at once unknown",
            ),
            (at, Event::Due, "unknown send discard pi_2 1"),
            // Copies of what is known finish nothing while the surplus intent may charge.
            (at, answered(1, charged("pi_1")), "unknown stay"),
            (
                at,
                answered(6, intent("pi_2", IntentStatus::Processing)),
                "unknown list ask 0 unknown",
            ),
            (at, Event::Due, "unknown send list"),
            (
                at,
                answered(7, listed(IntentStatus::Processing)),
                "unknown discard pi_2 2 ask 1 unknown",
            ),
            (at, Event::Due, "unknown send discard pi_2 2"),
            (
                at,
                answered(8, intent("pi_2", IntentStatus::Canceled)),
                "unknown list at once unknown",
            ),
            (at, Event::Due, "unknown send list"),
            (at, answered(9, listed(IntentStatus::Canceled)), "succeeded"),
        ],
    );
    assert_eq!(progress.intent.as_deref(), Some("pi_1"));
}

#[test]
fn both_generations_charged_end_once_and_not_in_circles() {
    let at = 26 * HOUR_MS;
    check(
        second_confirmed(),
        &[
            (
                at,
                answered(1, charged("pi_1")),
                "unknown discard pi_2 1 at once unknown",
            ),
            (at, Event::Due, "unknown send discard pi_2 1"),
            (at, answered(6, charged("pi_2")), "succeeded"),
        ],
    );
}

#[test]
fn an_answer_counts_once() {
    let soft = || declined("processing_error", None);
    let progress = check(
        first_sent(),
        &[
            (
                0,
                answered(1, soft()),
                "retrying confirm 1 soft decline 0 retrying",
            ),
            (0, answered(1, soft()), "retrying stay"),
            (0, Event::Due, "charging send confirm 1"),
            (0, answered(1, soft()), "charging stay"),
        ],
    );
    assert_eq!(progress.attempts, 1);
}

#[test]
fn a_late_answer_pins_the_intent_that_it_names() {
    check(
        first_sent(),
        &[
            (0, answered(1, lost()), "unknown charge at once unknown"),
            (0, Event::Due, "unknown send charge"),
            (
                0,
                answered(1, declined("processing_error", None)),
                "unknown stay",
            ),
            (0, answered(2, lost()), "unknown charge at once unknown"),
            (0, Event::Due, "unknown send fetch"),
        ],
    );
}

#[test]
fn an_empty_list_proves_nothing_younger_than_its_send() {
    let bound = 24 * HOUR_MS;
    let empty = || Answer::Listed(Vec::new());
    check(
        first_sent(),
        &[
            (
                0,
                answered(1, seen_error(true)),
                "unknown list ask 0 unknown",
            ),
            (bound - SECOND_MS, Event::Due, "unknown send list"),
            (
                bound + SECOND_MS,
                answered(2, empty()),
                "unknown list ask 1 unknown",
            ),
            (bound + SECOND_MS, Event::Due, "unknown send list"),
            (
                bound + SECOND_MS,
                answered(3, empty()),
                "retrying create_intent 1 at once retrying",
            ),
        ],
    );
}

#[test]
fn an_empty_list_proves_nothing_while_the_key_may_answer() {
    let soon = Rules {
        reconcile_bound_ms: 5 * HOUR_MS,
        ..RULES
    };
    let sent = 30 * HOUR_MS;
    let dead = sent + 24 * HOUR_MS;
    let empty = || Answer::Listed(Vec::new());
    check_by(
        &soon,
        Progress::new(),
        &[
            (
                0,
                Event::Judged(Verdict::Queue),
                "accepted charge ask 0 queued",
            ),
            (sent, Event::Due, "charging send charge"),
            (
                sent,
                answered(1, Answer::KeyMismatch),
                "unknown list ask 0 unknown",
            ),
            (dead - SECOND_MS, Event::Due, "unknown send list"),
            (dead, answered(2, empty()), "unknown list ask 1 unknown"),
            (dead, Event::Due, "unknown send list"),
            (
                dead,
                answered(3, empty()),
                "retrying create_intent 1 at once retrying",
            ),
        ],
    );
}

#[test]
fn a_keys_life_begins_with_its_first_use() {
    let queued = 30 * HOUR_MS;
    check(
        Progress::new(),
        &[
            (
                0,
                Event::Judged(Verdict::Queue),
                "accepted charge ask 0 queued",
            ),
            (queued, Event::Due, "charging send charge"),
            (
                queued,
                answered(1, Answer::NotSent("refused".into())),
                "retrying charge ask 0 retrying",
            ),
            (queued + 21 * HOUR_MS, Event::Due, "charging send charge"),
            (
                queued + 21 * HOUR_MS,
                answered(2, lost()),
                "unknown charge ask 1 unknown",
            ),
            (queued + 40 * HOUR_MS, Event::Due, "unknown send charge"),
            (
                queued + 40 * HOUR_MS,
                answered(3, lost()),
                "unknown charge ask 2 unknown",
            ),
            (queued + 41 * HOUR_MS, Event::Due, "unknown send list"),
        ],
    );
}

#[test]
fn a_confirm_past_its_keys_life_is_fetched_first() {
    check(
        first_sent(),
        &[
            (
                0,
                answered(1, declined("processing_error", None)),
                "retrying confirm 1 soft decline 0 retrying",
            ),
            (0, Event::Due, "charging send confirm 1"),
            (21 * HOUR_MS, Event::TakenOver, "unknown send fetch"),
        ],
    );
}

#[test]
fn what_is_too_old_expires_with_proof_only() {
    let old = 73 * HOUR_MS;
    let refused = || Answer::NotSent("refused".into());
    let soft = || declined("processing_error", None);
    check(
        first_sent(),
        &[
            (0, answered(1, refused()), "retrying charge ask 0 retrying"),
            (old, Event::Due, "failed Expired"),
        ],
    );
    check(
        first_sent(),
        &[
            (
                0,
                answered(1, soft()),
                "retrying confirm 1 soft decline 0 retrying",
            ),
            (0, Event::Due, "charging send confirm 1"),
            (
                old,
                answered(2, lost()),
                "unknown confirm 1 at once unknown",
            ),
            (old, Event::Due, "unknown cancel 1 at once unknown"),
            (old, Event::Due, "unknown send cancel 1"),
            (old, answered(3, defect()), "unknown fetch at once unknown"),
            (old, Event::Due, "unknown send fetch"),
            (old, answered(4, charged("pi_1")), "succeeded"),
        ],
    );
    check(
        first_sent(),
        &[
            (
                0,
                answered(1, seen_error(true)),
                "unknown list ask 0 unknown",
            ),
            (old, Event::Due, "unknown send list"),
            (
                old,
                answered(2, Answer::Listed(Vec::new())),
                "failed Expired",
            ),
        ],
    );
}

#[test]
fn a_refused_charge_fails_only_if_no_other_send_is_open() {
    let refused = || Answer::Refused(Refused::PaymentMethod);
    let day = 25 * HOUR_MS;
    check(
        first_sent(),
        &[(0, answered(1, refused()), "failed PaymentMethodInvalid")],
    );
    check(
        first_sent(),
        &[
            (0, Event::TakenOver, "unknown send charge"),
            (0, answered(2, refused()), "unknown list ask 0 unknown"),
            (day, Event::Due, "unknown send list"),
            (
                day,
                answered(3, Answer::Listed(Vec::new())),
                "failed PaymentMethodInvalid",
            ),
        ],
    );
}

#[test]
fn what_another_intent_says_is_no_proof() {
    let canceled = intent("pi_9", IntentStatus::Canceled);
    check(
        first_sent(),
        &[
            (
                0,
                answered(1, intent("pi_1", IntentStatus::Processing)),
                "unknown fetch ask 0 unknown",
            ),
            (0, Event::Due, "unknown send fetch"),
            (0, answered(2, canceled), "unknown list ask 1 unknown"),
        ],
    );
}

#[test]
fn a_drain_leaves_its_send_open() {
    let drained = Event::SetAside {
        kind: PendingKind::Drained,
        due_ms: 5,
    };
    check(
        first_sent(),
        &[
            (0, drained.clone(), "charging charge until 5 drained"),
            (0, answered(1, charged("pi_1")), "succeeded"),
        ],
    );
    check(
        first_sent(),
        &[
            (0, drained, "charging charge until 5 drained"),
            (0, Event::Due, "unknown send charge"),
        ],
    );
}

#[test]
fn a_quarantined_donation_with_an_open_send_is_unknown() {
    let quarantined = Event::SetAside {
        kind: PendingKind::Quarantined,
        due_ms: 5,
    };
    let queued = Event::Judged(Verdict::Queue);
    check(
        first_sent(),
        &[(0, quarantined.clone(), "unknown charge until 5 unknown")],
    );
    check(
        Progress::new(),
        &[
            (0, queued, "accepted charge ask 0 queued"),
            (0, quarantined, "accepted charge until 5 quarantined"),
        ],
    );
}

#[test]
fn a_hold_ends_in_stream_time_and_is_asked_once() {
    let hold = Event::Judged(Verdict::Hold {
        duplicate_of: id(9),
    });
    let asked = |until_ms: i64| format!("held charge until {} held", T0_MS + until_ms);
    let within = RULES.confirm_within_ms;
    let story = [
        (MINUTE_MS, hold.clone(), &*asked(within)),
        (within - SECOND_MS, Event::HoldLapsed, &*asked(within)),
    ];
    let held = check(Progress::new(), &story);
    check(
        held.clone(),
        &[(within, Event::HoldLapsed, "cancelled DuplicateExpired")],
    );
    check(
        held.clone(),
        &[(0, Event::UserDeclined, "cancelled DuplicateDeclined")],
    );
    let confirmed = check(
        held,
        &[(0, Event::UserConfirmed, "accepted charge at once queued")],
    );
    let again = donation().on(confirmed.clone(), hold, at_ms(T0_MS), &RULES);
    assert_eq!(
        again.unwrap_err().to_string(),
        "a donation that is accepted cannot take the event \"judged\""
    );
    let closed = Event::Judged(Verdict::Refuse {
        reason: Reason::CampaignClosed,
    });
    check(confirmed, &[(0, closed, "failed CampaignClosed")]);
}

#[test]
fn the_list_is_read_from_before_the_accept_to_after_the_last_send() {
    let mut progress = first_sent();
    progress.permitted_at_ms = T0_MS + HOUR_MS;
    let t0_s = T0_MS / 1_000;
    let (from_s, to_s) = donation().listed_s(&progress, 30 * SECOND_MS);
    assert_eq!((from_s - t0_s, to_s - t0_s), (-300, 3_600 + 30 + 600));
}

#[test]
fn what_a_restored_store_accepts_anew_is_listed_from_when_it_was_asked_for() {
    let asked_hours_ago = Donation {
        accepted_at_ms: T0_MS + 5 * HOUR_MS,
        ..donation()
    };
    let progress = Progress::first_sent(asked_hours_ago.accepted_at_ms);
    let (from_s, to_s) = asked_hours_ago.listed_s(&progress, 30 * SECOND_MS);
    let t0_s = T0_MS / 1_000;
    assert_eq!((from_s - t0_s, to_s - t0_s), (-300, 5 * 3_600 + 30 + 600));
}

#[test]
fn what_a_restored_store_learns_to_be_charged_is_fetched_and_never_charged() {
    let sighted = Progress::new().sighted("pi_1", true);
    check(
        sighted,
        &[
            (0, Event::Due, "unknown send fetch"),
            (0, answered(1, charged("pi_1")), "succeeded"),
        ],
    );
}

#[test]
fn what_a_restored_store_learns_not_to_be_charged_never_is() {
    let sighted = Progress::new().sighted("pi_1", false);
    let story = [
        (0, Event::Due, "unknown send fetch"),
        (
            0,
            answered(1, intent("pi_1", IntentStatus::RequiresPaymentMethod)),
            "unknown cancel 1 at once unknown",
        ),
        (0, Event::Due, "unknown send cancel 1"),
        (
            0,
            answered(2, intent("pi_1", IntentStatus::Canceled)),
            "failed Expired",
        ),
    ];
    check(sighted, &story);
    // Of one that is pinned the list says nothing new.
    let pinned = second_confirmed();
    assert_eq!(pinned.clone().sighted("pi_9", false), pinned);
}
