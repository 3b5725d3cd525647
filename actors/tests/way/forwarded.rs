//! Records that stand in another shard's partition: told by where they stood first, done with where they stand.

mod shards;

use std::time::Duration;

use almoner_actors::memory::Plan;
use almoner_domain::request::Request;

use self::shards::{
    FIRST, OTHER, THIRD, Written, ann, assert_told, borrowed, buried, committed, read, start,
    the_forward, told, until_done,
};
use crate::faults::Fault;
use crate::support::{ASKED, Durable, SHARD, SUCCEEDED, donate, hold_answer, id, story};

#[test]
fn what_is_forwarded_is_told_by_its_first_place_and_done_where_it_stands() {
    story(async || {
        let durable = Durable::at_first(1, Plan::Hang);
        let mut instance = start(&durable);
        let ann = ann();
        let request = Request::Donate(donate(1, &ann, 500));
        read(&mut instance, &Written::new(OTHER, 41, &ann, &request));
        let forward = the_forward(&instance).await;
        assert_eq!(forward.to, SHARD);
        until_done(&instance, OTHER, 42).await;
        read(&mut instance, &Written::delivered(forward, 7));
        instance.until_calls(1).await;
        instance.pass(Duration::from_secs(1)).await;
        assert!(committed(&durable, SHARD).is_none_or(|it| it == 7));
        read(&mut instance, &Written::new(SHARD, 8, &ann, &request));
        durable.gateway.let_go();
        until_done(&instance, SHARD, 9).await;
        let here = "donations.requests/0/8";
        assert_told(&instance, &[(SUCCEEDED, FIRST), (SUCCEEDED, here)]);
        assert_eq!(instance.world.credits.in_flight(), 0);
        assert_eq!(durable.gateway.charges(), 1);
    });
}

/// A record, the place that it is known by, and why it is rejected.
fn check_rejected(written: &Written, known_as: &str, reason: &str) {
    story(async || {
        let durable = Durable::plain();
        let mut instance = start(&durable);
        read(&mut instance, written);
        until_done(&instance, written.shard, written.offset + 1).await;
        assert_told(&instance, &[(reason, known_as)]);
        assert_eq!(instance.world.credits.in_flight(), 0);
    });
}

#[test]
fn a_rejection_has_one_identity_wherever_its_request_is_read() {
    let ann = ann();
    let donation = Request::Donate(donate(1, &ann, 500));
    let bad = |shard, offset| Written::new(shard, offset, "another key", &donation);
    check_rejected(&bad(OTHER, 41), FIRST, "invalid_request");
    check_rejected(&bad(SHARD, 7).from(FIRST), FIRST, "invalid_request");
    check_rejected(&bad(SHARD, 9_999).from(FIRST), FIRST, "invalid_request");
    let answer = Request::Confirm(hold_answer(1, &ann));
    let answer = |offset| Written::new(SHARD, offset, &ann, &answer).from(FIRST);
    check_rejected(&answer(7), FIRST, "not_found");
    check_rejected(&answer(9_999), FIRST, "not_found");
}

#[test]
fn an_id_used_again_is_rejected_by_its_first_place() {
    story(async || {
        let durable = Durable::plain();
        let mut instance = start(&durable);
        let ann = ann();
        let request = |amount| Request::Donate(donate(1, &ann, amount));
        read(&mut instance, &Written::new(SHARD, 7, &ann, &request(500)));
        let other = Written::new(SHARD, 8, &ann, &request(600)).from(FIRST);
        read(&mut instance, &other);
        until_done(&instance, SHARD, 9).await;
        let here = "donations.requests/0/7";
        assert_told(&instance, &[(SUCCEEDED, here), ("id_reused", FIRST)]);
    });
}

/// Which is the end of it: partitioners that disagree would send it back and forth.
#[test]
fn what_is_forwarded_to_a_wrong_partition_is_a_dead_letter_at_its_first_place() {
    story(async || {
        let durable = Durable::plain();
        let mut instance = start(&durable);
        let ann = ann();
        let request = Request::Donate(donate(1, &ann, 500));
        let twice = Written::new(THIRD, 500, &ann, &request).from(FIRST);
        read(&mut instance, &twice);
        until_done(&instance, THIRD, 501).await;
        let letter = "almoner.misplaced donations.requests/1/41: it was forwarded once, and belongs to \
                      partition 0 still; it was read in partition 2 at offset 500";
        assert_eq!(buried(&instance), [letter]);
        assert!(durable.outcomes.published().forwards.is_empty());
    });
}

#[test]
fn a_header_that_is_not_ours_changes_nothing() {
    let ann = ann();
    let donation = Request::Donate(donate(1, &ann, 500));
    let here = "donations.requests/0/7";
    for forged in [
        "",
        "41",
        here,
        "donations.requests/0/8",
        "donations.requests/3/41",
        "donations.requests/1/-1",
        "donations.campaigns/1/41",
    ] {
        story(async || {
            let durable = Durable::plain();
            let mut instance = start(&durable);
            read(
                &mut instance,
                &Written::new(SHARD, 7, &ann, &donation).from(forged),
            );
            until_done(&instance, SHARD, 8).await;
            assert_told(&instance, &[(SUCCEEDED, here)]);
        });
        let bad = Written::new(SHARD, 7, "another key", &donation).from(forged);
        check_rejected(&bad, here, "invalid_request");
    }
    // Nobody forwards to where it does not belong.
    let bad = Written::new(THIRD, 500, "another key", &donation).from(FIRST);
    check_rejected(&bad, "donations.requests/2/500", "invalid_request");
}

#[test]
fn a_misplaced_record_with_a_header_of_somebody_elses_is_forwarded_all_the_same() {
    story(async || {
        let durable = Durable::plain();
        let mut instance = start(&durable);
        let ann = ann();
        let request = Request::Donate(donate(1, &ann, 500));
        let misplaced = Written::new(OTHER, 41, &ann, &request).from("made up");
        read(&mut instance, &misplaced);
        let forward = the_forward(&instance).await;
        read(&mut instance, &Written::delivered(forward, 7));
        until_done(&instance, SHARD, 8).await;
        assert_told(&instance, &[(SUCCEEDED, FIRST)]);
    });
}

#[test]
fn after_a_crash_it_is_known_by_the_same_place() {
    for is_read_again in [true, false] {
        story(async || {
            let durable = Durable::at_first(1, Plan::Hang);
            let mut instance = start(&durable);
            let ann = ann();
            let request = Request::Donate(donate(1, &ann, 500));
            let forwarded = Written::new(SHARD, 7, &ann, &request).from(FIRST);
            read(&mut instance, &forwarded);
            instance.until_calls(1).await;
            let durable = instance.die();
            let mut instance = start(&durable);
            if is_read_again {
                read(&mut instance, &forwarded);
                until_done(&instance, SHARD, 8).await;
            }
            instance.until_last(1, SUCCEEDED).await;
            instance.until_all_finished().await;
            let told = told(&instance);
            assert!(told.iter().all(|(_, place)| place == FIRST), "{told:?}");
            assert_eq!(durable.gateway.charges_of(id(1)), 1);
        });
    }
}

/// Who forwards may crash before its offset is committed, and forwards again: then there are two of one.
#[test]
fn an_answer_to_a_hold_that_is_forwarded_twice_is_one_answer() {
    story(async || {
        let durable = Durable::plain();
        let mut instance = start(&durable);
        let ann = ann();
        for (offset, n) in [(7, 1), (8, 2)] {
            let request = Request::Donate(donate(n, &ann, 500));
            read(&mut instance, &Written::new(SHARD, offset, &ann, &request));
        }
        until_done(&instance, SHARD, 9).await;
        let answer = Request::Confirm(hold_answer(2, &ann));
        for offset in [9, 10] {
            let forwarded = Written::new(SHARD, offset, &ann, &answer).from(FIRST);
            read(&mut instance, &forwarded);
        }
        read(&mut instance, &Written::new(SHARD, 11, &ann, &answer));
        until_done(&instance, SHARD, 12).await;
        let expected = [
            (SUCCEEDED, "donations.requests/0/7"),
            (ASKED, "donations.requests/0/8"),
            (SUCCEEDED, FIRST),
            (SUCCEEDED, FIRST),
            ("already_answered", "donations.requests/0/11"),
        ];
        let mut told = told(&instance);
        told[..2].sort_by(|a, b| a.1.cmp(&b.1)); // two donations keep no order
        assert_eq!(borrowed(&told), expected);
        assert_eq!(durable.gateway.charges(), 2);
    });
}

/// As `after_a_crash_nobody_is_asked_about_the_first_of_two`, of two that stood elsewhere the other way round.
#[test]
fn which_of_two_came_first_is_told_by_where_they_stand() {
    story(async || {
        let durable = Durable::at_first(1, Plan::Hang);
        let mut instance = start(&durable);
        let ann = ann();
        let write = |offset, n, amount| {
            let request = Request::Donate(donate(n, &ann, amount));
            Written::new(SHARD, offset, &ann, &request)
        };
        let records = [
            write(7, 1, 500),
            write(8, 2, 700).from("donations.requests/1/900"),
            write(9, 3, 700).from("donations.requests/2/501"),
        ];
        records.iter().for_each(|it| read(&mut instance, it));
        instance.until_last(3, ASKED).await;
        assert!(instance.events_of(id(2)).is_empty());
        let durable = instance.die();
        let mut instance = start(&durable);
        records.iter().for_each(|it| read(&mut instance, it));
        until_done(&instance, SHARD, 10).await;
        assert_eq!(instance.events_of(id(2)).last().unwrap(), SUCCEEDED);
        assert_eq!(instance.events_of(id(3)).last().unwrap(), ASKED);
    });
}

#[test]
fn the_dead_letters_of_a_user_set_aside_name_the_first_places() {
    story(async || {
        let durable = Durable::plain();
        durable.faults.plan(|touch| match touch.port {
            "accept" => Fault::Panic,
            _ => Fault::None,
        });
        let mut instance = start(&durable);
        let ann = ann();
        let request = Request::Donate(donate(1, &ann, 500));
        let forwarded = Written::new(SHARD, 7, &ann, &request).from(FIRST);
        read(&mut instance, &forwarded);
        read(&mut instance, &Written::new(SHARD, 8, &ann, &request));
        until_done(&instance, SHARD, 9).await;
        let buried = buried(&instance);
        let here = "donations.requests/0/8";
        for (letter, place) in buried.iter().zip([FIRST, here]) {
            assert!(
                letter.starts_with(&format!("almoner.quarantined {place}: ")),
                "{letter}"
            );
        }
        assert_eq!(buried.len(), 2);
        assert_eq!(instance.world.credits.in_flight(), 0);
    });
}
