//! Many actors of a shard fail at once: the shard begins anew inside the process, and what was in flight goes on.

use std::time::Duration;

use almoner_actors::world::Alarm;

use crate::faults::{Fault, WAITED_FOR};
use crate::support::{Durable, Instance, SUCCEEDED, id, story};

/// Donations by these ids crash whoever accepts them.
fn is_poison(touch: &crate::faults::Touch, ids: std::ops::RangeInclusive<u32>) -> bool {
    touch.port == "accept" && ids.into_iter().any(|n| touch.id == Some(id(n)))
}

/// So many donations, each of a user of its own.
fn donate_each(instance: &mut Instance, ids: std::ops::RangeInclusive<u32>) {
    for n in ids {
        instance.donate(n, &format!("user-{n}"), 500);
    }
}

#[test]
fn a_shard_whose_users_fail_begins_anew_and_its_neighbours_are_charged_once() {
    for port in WAITED_FOR.into_iter().chain(["gateway"]) {
        story(async || {
            let durable = Durable::plain();
            durable.faults.plan(move |touch| {
                if is_poison(&touch, 1..=10) {
                    Fault::Panic
                } else if touch.port == port && touch.id != Some(id(31)) {
                    Fault::AnswerAfterMs(20_000)
                } else {
                    Fault::None
                }
            });
            let mut instance = Instance::start(&durable);
            donate_each(&mut instance, 21..=30);
            instance.pass(Duration::from_secs(1)).await;
            donate_each(&mut instance, 1..=10);
            instance.pass(Duration::from_secs(10)).await;
            durable.faults.stop();
            // Who failed is as good as anybody now.
            instance.donate(31, "user-10", 700);
            instance.until(port, |it| it.committed() == 21).await;
            instance.settled().await;
            for n in (21..=30).chain([31]) {
                assert_eq!(durable.gateway.charges_of(id(n)), 1, "{port}: {n}");
                let events = instance.events_of(id(n));
                assert_eq!(events.last().map(String::as_str), Some(SUCCEEDED), "{port}");
            }
            assert!(instance.alarms.try_recv().is_err(), "{port}");
        });
    }
}

#[test]
fn users_that_fail_still_after_the_shard_began_anew_three_times_end_the_process() {
    story(async || {
        let durable = Durable::plain();
        durable.faults.first("accept", u32::MAX, Fault::Panic);
        let mut instance = Instance::start(&durable);
        for round in 0..3 {
            donate_each(&mut instance, round * 10 + 1..=round * 10 + 10);
            instance.until_committed(i64::from(round) * 10 + 10).await;
            assert!(instance.alarms.try_recv().is_err(), "round {round}");
        }
        donate_each(&mut instance, 31..=40);
        instance.until_committed(40).await;
        let alarm = instance.alarms.try_recv();
        assert!(matches!(alarm, Ok(Alarm::Escalated { .. })), "{alarm:?}");
    });
}
