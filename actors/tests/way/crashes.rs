//! The process dies, or the store fails, and what is durable goes on.

use std::time::Duration;

use almoner_actors::memory::Plan;
use almoner_actors::ports::LogRange;
use almoner_domain::answer::Answer;
use almoner_domain::request::Request;

use crate::faults::{Fault, WAITED_FOR};
use crate::support::{ASKED, Durable, Instance, START_MS, SUCCEEDED, donate, id, settings, story};

#[test]
fn what_was_in_flight_at_a_crash_is_taken_over_with_the_same_key() {
    story(async || {
        let durable = Durable::at_first(1, Plan::Hang);
        let mut instance = Instance::start(&durable);
        instance.donate(1, "ann", 500);
        instance.until_calls(1).await;
        let durable = instance.die();
        let mut instance = Instance::start(&durable);
        instance.donate(1, "ann", 500);
        instance.settled().await;
        durable.gateway.let_go();
        assert_eq!(instance.events_of(id(1)).last().unwrap(), SUCCEEDED);
        assert_eq!(durable.gateway.charges_of(id(1)), 1);
    });
}

#[test]
fn what_the_log_has_lost_is_finished_from_the_store() {
    story(async || {
        let durable = Durable::at_first(1, Plan::Hang);
        let mut instance = Instance::start(&durable);
        instance.donate(1, "ann", 500);
        instance.until_calls(1).await;
        let durable = instance.die();
        let instance = Instance::start(&durable);
        instance.until_last(1, SUCCEEDED).await;
        instance.settled().await;
        assert_eq!(durable.gateway.charges_of(id(1)), 1);
    });
}

#[test]
fn a_window_survives_a_restart() {
    story(async || {
        let durable = Durable::plain();
        let mut instance = Instance::start(&durable);
        instance.donate(1, "ann", 500);
        instance.until_committed(1).await;
        let durable = instance.die();
        let mut instance = Instance::start_with(&durable, settings(), durable.log(1));
        instance.donate(2, "ann", 500);
        instance.until_committed(2).await;
        assert_eq!(instance.events_of(id(2)), [ASKED]);
    });
}

/// A donation that waits for its user's turn is not accepted yet; its double is already held. Then both are read again.
#[test]
fn after_a_crash_nobody_is_asked_about_the_first_of_two() {
    story(async || {
        let durable = Durable::at_first(1, Plan::Hang);
        let mut instance = Instance::start(&durable);
        let read = |instance: &mut Instance| {
            instance.donate(1, "ann", 500);
            instance.donate(2, "ann", 700);
            instance.donate(3, "ann", 700);
        };
        read(&mut instance);
        instance.until_last(3, ASKED).await;
        assert!(instance.events_of(id(2)).is_empty());
        let durable = instance.die();
        let mut instance = Instance::start(&durable);
        read(&mut instance);
        instance.until_committed(3).await;
        assert_eq!(instance.events_of(id(2)).last().unwrap(), SUCCEEDED);
        assert_eq!(instance.events_of(id(3)).last().unwrap(), ASKED);
        assert_eq!(durable.gateway.charges_of(id(3)), 0);
    });
}

/// The second was meant: so was the first, which is read again behind it.
#[test]
fn after_a_crash_nobody_is_asked_about_the_first_of_two_if_the_second_was_confirmed() {
    for is_charged_before in [false, true] {
        story(async || {
            let durable = Durable::at_first(1, Plan::Hang);
            let mut instance = Instance::start(&durable);
            let read = |instance: &mut Instance| {
                instance.donate(1, "ann", 500);
                instance.donate(2, "ann", 700);
                instance.donate(3, "ann", 700);
                instance.confirm(3, "ann");
            };
            read(&mut instance);
            let is_answered = |it: &Instance| {
                let all = it.durable.store.all();
                all.iter().any(|it| it.answered_by.is_some())
            };
            instance
                .until("the answer to be recorded", is_answered)
                .await;
            assert!(instance.events_of(id(2)).is_empty());
            let mut durable = instance.die();
            if is_charged_before {
                let instance = Instance::start(&durable); // it drives what is recorded, and has read nothing
                instance.until_last(3, SUCCEEDED).await;
                durable = instance.die();
            }
            let mut instance = Instance::start(&durable);
            read(&mut instance);
            instance.settled().await;
            assert!(!instance.events_of(id(2)).contains(&ASKED.to_owned()));
            for n in 1..=3 {
                assert_eq!(instance.events_of(id(n)).last().unwrap(), SUCCEEDED);
                assert_eq!(durable.gateway.charges_of(id(n)), 1);
            }
        });
    }
}

/// A slow donation keeps the offset back while the stream goes on for minutes; then all is read again.
#[test]
fn the_window_after_a_crash_is_as_old_as_the_offset() {
    story(async || {
        let durable = Durable::counted(|n, _| if n == 2 { Plan::Hang } else { Plan::Execute });
        let mut instance = Instance::start(&durable);
        instance.backlog(&[(START_MS, Request::Donate(donate(1, "ann", 500)))]);
        instance.until_committed(1).await;
        let eve = (START_MS + 1_000, Request::Donate(donate(2, "eve", 500)));
        let late = (START_MS + 900_000, Request::Donate(donate(3, "bob", 500)));
        instance.backlog(std::slice::from_ref(&eve));
        instance.until_calls(2).await;
        instance.backlog(std::slice::from_ref(&late));
        instance.until_last(3, SUCCEEDED).await;
        instance.pass(Duration::from_secs(1)).await;
        assert_eq!(instance.committed(), 1);
        let durable = instance.die();
        let mut instance = Instance::start_with(&durable, settings(), durable.log(4));
        let double = (START_MS + 2_000, Request::Donate(donate(4, "ann", 500)));
        instance.backlog(&[eve, double, late]);
        instance.until_committed(4).await;
        assert_eq!(instance.events_of(id(4)), [ASKED]);
    });
}

#[test]
fn what_two_crashes_kept_from_the_world_is_told_in_sequence() {
    story(async || {
        let durable = Durable::counted(|n, _| match n {
            1 => Plan::Say(Answer::BadApiKey),
            2..=12 => Plan::LoseRequest,
            _ => Plan::Execute,
        });
        let mut instance = Instance::start(&durable);
        durable.faults.first("publish", u32::MAX, Fault::Refuse);
        instance.donate(1, "ann", 500);
        let told = |it: &Instance, events: usize| it.durable.store.all()[0].told.len() == events;
        instance
            .until("retrying", |it| {
                it.durable.gateway.calls() == 1 && told(it, 1)
            })
            .await;
        let instance = Instance::start(&instance.die());
        instance.until("unknown", |it| told(it, 2)).await;
        let durable = instance.die();
        durable.faults.stop();
        let mut instance = Instance::start(&durable);
        instance.donate(1, "ann", 500);
        instance.until_last(1, SUCCEEDED).await;
        instance.settled().await;
        let mut sequences: Vec<_> = instance.outcomes().iter().map(|it| it.sequence).collect();
        sequences.dedup();
        assert_eq!(sequences, [Some(1), Some(2), Some(3)]);
    });
}

#[test]
fn every_write_and_read_can_fail_or_be_done_unheard() {
    for port in WAITED_FOR {
        for fault in [
            Fault::Refuse,
            Fault::LoseAnswer,
            Fault::AnswerAfterMs(3_000),
        ] {
            story(async || {
                let durable = Durable::at_first(5, Plan::LoseAnswer);
                durable.faults.first(port, 5, fault);
                let mut instance = Instance::start(&durable);
                instance.donate(1, "ann", 500);
                instance.donate(2, "ann", 500);
                instance.donate(3, "ann", 700);
                instance.until_last(2, ASKED).await;
                instance.confirm(2, "ann");
                instance.settled().await;
                for n in [1, 2, 3] {
                    let events = instance.events_of(id(n));
                    assert_eq!(events.last().unwrap(), SUCCEEDED, "{port} {fault:?}");
                    assert_eq!(durable.gateway.charges_of(id(n)), 1, "{port} {fault:?}");
                }
            });
        }
    }
}

#[test]
fn more_unfinished_donations_than_a_page_holds_are_all_taken_on() {
    story(async || {
        const COUNT: u32 = 2_300;
        let durable = Durable::at_first(COUNT, Plan::Hang);
        let many = almoner_actors::world::Settings {
            gateway_in_flight_max: 5_000,
            campaign_in_flight_max: 5_000,
            ..settings()
        };
        let mut instance = Instance::start_with(&durable, many, durable.log(0));
        for n in 1..=COUNT {
            instance.donate(n, &format!("user-{n}"), 500);
        }
        instance.until_calls(u64::from(COUNT)).await;
        let instance = Instance::start(&instance.die());
        instance.until_all_finished().await;
        assert_eq!(instance.durable.gateway.charges(), u64::from(COUNT));
    });
}

#[test]
fn a_log_that_does_not_belong_to_the_store_takes_no_credit() {
    story(async || {
        let durable = Durable::plain();
        let log = LogRange {
            committed: Some(3),
            low: 5,
            high: 9,
        };
        let mut instance = Instance::start_with(&durable, settings(), log);
        instance.next_offset = 5;
        instance.donate(1, "ann", 500); // read before anybody knows
        instance.pass(Duration::from_secs(1)).await;
        assert!(instance.alarms.try_recv().is_ok());
        assert_eq!(instance.world.credits.in_flight(), 0);
        let refused = instance.offer(6, START_MS, b"ann", b"");
        assert_eq!(refused, almoner_actors::ports::Admission::Closed);
        assert!(durable.store.is_empty());
    });
}
