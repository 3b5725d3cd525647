//! The same id again: while it is in flight, pending, held or finished, with the same content or another one.

use std::time::Duration;

use almoner_actors::memory::Plan;

use crate::faults::Fault;
use crate::support::{ASKED, Durable, Instance, SUCCEEDED, id, story};

const UNKNOWN: &str = "donation.pending unknown";
const REUSED: &str = "request.rejected id_reused";

#[test]
fn a_repeat_is_told_the_same_and_charges_nothing() {
    story(async || {
        let durable = Durable::plain();
        let mut instance = Instance::start(&durable);
        for _ in 0..3 {
            instance.donate(1, "ann", 500);
        }
        instance.until_committed(3).await;
        instance.donate(1, "ann", 500);
        instance.until_committed(4).await;
        let offsets: Vec<i64> = instance.outcomes().iter().map(|seen| seen.offset).collect();
        assert_eq!(offsets, [0, 1, 2, 3]);
        assert_eq!(instance.events_of(id(1)), [SUCCEEDED; 4]);
        assert_eq!(durable.gateway.charges_of(id(1)), 1);
    });
}

#[test]
fn a_repeat_while_it_is_on_the_wire_waits_for_its_fate() {
    story(async || {
        let durable = Durable::at_first(1, Plan::Hang);
        let mut instance = Instance::start(&durable);
        instance.donate(1, "ann", 500);
        instance.until_calls(1).await;
        instance.donate(1, "ann", 500);
        instance.donate(1, "ann", 600);
        instance.donate(1, "ann", 500);
        instance.pass(Duration::from_secs(5)).await;
        assert_eq!(instance.outcomes(), []);
        durable.gateway.let_go();
        instance.settled().await;
        let told = [SUCCEEDED, SUCCEEDED, SUCCEEDED, REUSED];
        let mut events = instance.events_of(id(1));
        events.sort();
        assert_eq!(events, told);
        assert_eq!(durable.gateway.charges(), 1);
    });
}

#[test]
fn a_repeat_of_a_pending_one_is_told_so_and_hurries_nothing() {
    story(async || {
        let durable = Durable::at_first(9, Plan::LoseRequest);
        let mut instance = Instance::start(&durable);
        instance.donate(1, "ann", 500);
        instance.until_committed(1).await;
        let calls = durable.gateway.calls();
        instance.donate(1, "ann", 500);
        instance.until_committed(2).await;
        assert_eq!(instance.events_of(id(1)), [UNKNOWN, UNKNOWN]);
        assert_eq!(durable.gateway.calls(), calls);
        instance.until_last(1, SUCCEEDED).await;
        instance.settled().await;
        assert_eq!(durable.gateway.charges(), 1);
    });
}

#[test]
fn the_same_id_with_other_content_is_rejected() {
    story(async || {
        let durable = Durable::plain();
        let mut instance = Instance::start(&durable);
        instance.donate(1, "ann", 500);
        instance.until_committed(1).await;
        instance.donate(1, "ann", 600);
        instance.until_committed(2).await;
        assert_eq!(instance.events_of(id(1)), [SUCCEEDED, REUSED]);
        assert_eq!(durable.gateway.charges_of(id(1)), 1);
    });
}

#[test]
fn a_repeat_of_what_is_recorded_is_told_so_beside_another_content_in_flight() {
    story(async || {
        let durable = Durable::plain();
        let mut instance = Instance::start(&durable);
        instance.donate(1, "ann", 500);
        instance.until_committed(1).await;
        durable.faults.first("accept", 1, Fault::DelayMs(2_000));
        instance.donate(1, "ann", 600);
        instance.pass(Duration::from_secs(1)).await;
        instance.donate(1, "ann", 500);
        instance.settled().await;
        assert_eq!(instance.events_of(id(1)), [SUCCEEDED, REUSED, SUCCEEDED]);
    });
}

#[test]
fn other_content_for_one_that_is_being_taken_on_is_rejected() {
    story(async || {
        let durable = Durable::counted(|n, _| match n {
            1..=6 => Plan::LoseRequest,
            7 => Plan::Hang,
            _ => Plan::Execute,
        });
        let mut instance = Instance::start(&durable);
        instance.donate(1, "ann", 500);
        instance.until_calls(7).await;
        instance.donate(1, "ann", 600);
        instance.donate(1, "ann", 500);
        instance.pass(Duration::from_secs(1)).await;
        durable.gateway.let_go();
        instance.settled().await;
        assert_eq!(
            instance.events_of(id(1)),
            [UNKNOWN, SUCCEEDED, REUSED, SUCCEEDED]
        );
        assert_eq!(durable.gateway.charges(), 1);
    });
}

#[test]
fn another_users_use_of_a_pending_id_is_rejected_and_stops_nothing() {
    story(async || {
        let durable = Durable::at_first(9, Plan::LoseRequest);
        let mut instance = Instance::start(&durable);
        instance.donate(1, "ann", 500);
        instance.until_committed(1).await;
        instance.donate(1, "bob", 500);
        instance.until_committed(2).await;
        assert_eq!(instance.events_of(id(1)), [UNKNOWN, REUSED]);
        instance.until_last(1, SUCCEEDED).await;
        instance.donate(2, "bob", 500);
        instance.settled().await;
        assert_eq!(instance.events_of(id(2)), [SUCCEEDED], "it is no double");
    });
}

#[test]
fn a_repeat_of_a_held_one_asks_again_and_frees_nothing() {
    story(async || {
        let durable = Durable::plain();
        let mut instance = Instance::start(&durable);
        instance.donate(1, "ann", 500);
        instance.donate(2, "ann", 500);
        instance.donate(2, "ann", 500);
        instance.until_committed(3).await;
        instance.donate(2, "ann", 500);
        instance.until_committed(4).await;
        assert_eq!(instance.events_of(id(2)), [ASKED; 3]);
        instance.confirm(2, "ann");
        instance.settled().await;
        assert_eq!(durable.gateway.charges(), 2);
    });
}

/// What was to be published again is not the next flight's.
#[test]
fn a_refused_publish_does_not_end_what_comes_after_it() {
    story(async || {
        let durable = Durable::plain();
        let mut instance = Instance::start(&durable);
        durable.faults.first("publish", 1, Fault::Refuse);
        instance.donate(1, "ann", 500);
        instance.pass(Duration::from_millis(50)).await;
        instance.donate(1, "ann", 500);
        instance.pass(Duration::from_millis(50)).await;
        assert_eq!(instance.events_of(id(1)), [SUCCEEDED, SUCCEEDED]);
        durable.faults.first("accept", 1, Fault::DelayMs(2_000));
        instance.donate(1, "ann", 600);
        instance.settled().await;
        assert_eq!(instance.events_of(id(1)), [SUCCEEDED, SUCCEEDED, REUSED]);
    });
}
