//! Actors crash, once or for good: what they were doing goes on, or is set aside, and their neighbours notice nothing.

use std::time::Duration;

use almoner_actors::memory::Plan;
use almoner_domain::answer::Answer;

use crate::faults::{Fault, WAITED_FOR};
use crate::support::{ASKED, Durable, Instance, SUCCEEDED, id, settings, story};

/// Whatever call an actor crashes on, once, twice or three times: all come to their end, charged once.
#[test]
fn a_crash_at_any_call_of_a_port_loses_nothing() {
    for port in WAITED_FOR.into_iter().chain(["dead_letter", "gateway"]) {
        for skip in 0..5 {
            for times in 1..=3 {
                story(async || {
                    let durable = Durable::at_first(6, Plan::LoseAnswer);
                    let mut calls = 0;
                    durable.faults.plan(move |touch| {
                        calls += u32::from(touch.port == port);
                        let hits =
                            touch.port == port && (skip..skip + times).contains(&(calls - 1));
                        if hits { Fault::Panic } else { Fault::None }
                    });
                    let what = format!("{times} crashes at {port} after {skip}");
                    let mut instance = Instance::start(&durable);
                    instance.donate(1, "ann", 500);
                    instance.donate(2, "ann", 500);
                    instance.donate(3, "ann", 700);
                    instance.publish_at(3, b"ann", b"\xc1 no MessagePack");
                    instance.next_offset += 1;
                    instance.donate(1, "ann", 600);
                    instance.until(&what, |it| it.committed() == 5).await;
                    instance.confirm(2, "ann");
                    instance.donate(3, "ann", 700);
                    instance.until(&what, |it| it.committed() == 7).await;
                    instance.until_all_finished().await;
                    for n in 1..=3 {
                        assert_eq!(durable.gateway.charges_of(id(n)), 1, "{what}");
                        let events = instance.events_of(id(n));
                        assert!(
                            events.iter().any(|it| it == SUCCEEDED),
                            "{what}: {events:?}"
                        );
                    }
                    assert!(!durable.outcomes.published().dead_letters.is_empty());
                });
            }
        }
    }
}

#[test]
fn a_user_that_crashes_for_good_is_set_aside_and_its_neighbours_go_on() {
    story(async || {
        let durable = Durable::plain();
        durable.faults.plan(|touch| match touch.port {
            "accept" if touch.id == Some(id(1)) => Fault::Panic,
            _ => Fault::None,
        });
        let mut instance = Instance::start(&durable);
        instance.donate(1, "ann", 500);
        instance.donate(2, "bob", 500);
        instance.donate(1, "ann", 500);
        instance.settled().await;
        assert_eq!(instance.events_of(id(2)), [SUCCEEDED]);
        let letters = durable.outcomes.published().dead_letters;
        let offsets: Vec<i64> = letters.iter().map(|letter| letter.offset).collect();
        assert_eq!(offsets, [0, 2]);
        durable.faults.stop();
        instance.pass(Duration::from_secs(3_700)).await;
        instance.donate(1, "ann", 500);
        instance.settled().await;
        assert_eq!(instance.events_of(id(1)), [SUCCEEDED], "it is no double");
    });
}

#[test]
fn what_was_accepted_before_its_user_crashed_for_good_is_pending_and_tried_again() {
    story(async || {
        let durable = Durable::at_first(1, Plan::LoseAnswer);
        durable.faults.plan(|touch| match touch.port {
            "advance" => Fault::Panic,
            _ => Fault::None,
        });
        let mut instance = Instance::start(&durable);
        instance.donate(1, "ann", 500);
        instance.pass(Duration::from_millis(700)).await;
        durable.faults.stop();
        instance.until_committed(1).await;
        let told = ["donation.pending unknown"];
        assert_eq!(instance.events_of(id(1)), told, "a send is open");
        instance.donate(2, "ann", 600);
        instance.until_committed(2).await;
        assert_eq!(durable.outcomes.published().dead_letters.len(), 1);
        instance.settled().await;
        assert_eq!(instance.events_of(id(1)).last().unwrap(), SUCCEEDED);
        assert_eq!(durable.gateway.charges_of(id(1)), 1);
    });
}

#[test]
fn an_answer_to_a_hold_of_a_user_set_aside_is_kept_and_the_hold_stays() {
    story(async || {
        let durable = Durable::plain();
        let mut instance = Instance::start(&durable);
        instance.donate(1, "ann", 500);
        instance.donate(2, "ann", 500);
        instance.until_last(2, ASKED).await;
        durable.faults.first("load", 4, Fault::Panic);
        instance.confirm(2, "ann");
        instance.until_committed(3).await;
        assert_eq!(durable.outcomes.published().dead_letters.len(), 1);
        assert_eq!(instance.events_of(id(2)), [ASKED]);
        instance.pass(Duration::from_secs(3_700)).await;
        instance.at_end();
        instance.settled().await;
        let lapsed = "donation.cancelled duplicate_expired";
        assert_eq!(instance.events_of(id(2)), [ASKED, lapsed]);
    });
}

#[test]
fn a_campaign_that_crashes_for_good_queues_its_donations_and_stops_nobody() {
    story(async || {
        let durable = Durable::plain();
        durable.faults.first("campaign", 4, Fault::Panic);
        let mut instance = Instance::start(&durable);
        instance.donate(1, "ann", 500);
        instance.donate(2, "bob", 500);
        instance.until_committed(2).await;
        for n in [1, 2] {
            assert_eq!(instance.events_of(id(n)), ["donation.pending queued"]);
        }
        assert!(instance.alarms.try_recv().is_err());
        instance.pass(Duration::from_secs(3_600)).await;
        instance.settled().await;
        assert_eq!(durable.gateway.charges(), 2);
    });
}

#[test]
fn users_come_and_go_under_traffic() {
    story(async || {
        let durable = Durable::new({
            let mut calls = 0;
            move |_| {
                calls += 1;
                if calls % 7 == 0 {
                    Plan::LoseAnswer
                } else {
                    Plan::Execute
                }
            }
        });
        durable.faults.plan(|touch| match touch.port {
            "finish" => Fault::DelayMs(4_000),
            _ => Fault::None,
        });
        let mut instance = Instance::start_with(
            &durable,
            almoner_actors::world::Settings {
                duplicate_window_ms: 1,
                window_kept_ms: 1,
                ..settings()
            },
            durable.log(0),
        );
        for n in 1..=300 {
            instance.donate(n, &format!("user-{}", n % 11), 500);
            instance.pass(Duration::from_millis(777)).await;
        }
        instance.settled().await;
        for n in 1..=300 {
            assert_eq!(durable.gateway.charges_of(id(n)), 1);
            assert_eq!(instance.events_of(id(n)), [SUCCEEDED]);
        }
    });
}

/// An event is recorded, and its user's actor crashes before it has said so: it is told all the same.
#[test]
fn what_was_recorded_right_before_a_crash_is_told() {
    story(async || {
        let durable = Durable::counted(|n, _| match n {
            1..=8 => Plan::Say(Answer::NotSent("planned".into())),
            9..=16 => Plan::LoseRequest,
            _ => Plan::Execute,
        });
        let mut crashes = 1;
        durable.faults.plan(move |touch| match touch.port {
            "advance" => Fault::AnswerAfterMs(2_000),
            "load" if touch.id == Some(id(3)) && std::mem::take(&mut crashes) > 0 => Fault::Panic,
            _ => Fault::None,
        });
        let mut instance = Instance::start(&durable);
        instance.donate(1, "ann", 500);
        let is_recorded =
            |it: &Instance| it.durable.store.all().iter().any(|it| it.told.len() == 2);
        instance
            .until("it is recorded as unknown", is_recorded)
            .await;
        instance.confirm(3, "ann");
        instance.settled().await;
        let own = id(1).to_string();
        let told = instance
            .outcomes()
            .into_iter()
            .filter(|it| it.donation_id == own);
        let mut sequences: Vec<_> = told.filter_map(|it| it.sequence).collect();
        sequences.dedup();
        assert_eq!(sequences, [1, 2, 3]);
    });
}
