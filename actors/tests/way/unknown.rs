//! Lost answers, declines and outages of the gateway.

use std::sync::{Arc, Mutex};
use std::time::Duration;

use almoner_actors::memory::Plan;
use almoner_domain::answer::Answer;
use almoner_domain::donation::Call;
use tokio::time::Instant;

use crate::faults::Fault;
use crate::support::{Durable, Instance, SUCCEEDED, id, story};

#[test]
fn a_lost_answer_is_asked_with_the_same_key() {
    story(async || {
        let durable = Durable::at_first(3, Plan::LoseAnswer);
        let mut instance = Instance::start(&durable);
        instance.donate(1, "ann", 500);
        instance.settled().await;
        assert_eq!(instance.events_of(id(1)), [SUCCEEDED]);
        assert_eq!(durable.gateway.charges_of(id(1)), 1);
    });
}

#[test]
fn a_long_outage_makes_it_pending_and_then_it_succeeds() {
    story(async || {
        let durable = Durable::at_first(9, Plan::LoseRequest);
        let mut instance = Instance::start(&durable);
        instance.donate(1, "ann", 500);
        instance.until_committed(1).await;
        assert_eq!(instance.events_of(id(1)), ["donation.pending unknown"]);
        assert_eq!(instance.world.credits.in_flight(), 0);
        instance.until_last(1, SUCCEEDED).await;
        instance.settled().await;
        assert_eq!(durable.gateway.charges_of(id(1)), 1);
    });
}

#[test]
fn soft_declines_are_confirmed_again_until_the_attempts_are_exhausted() {
    story(async || {
        let durable = Durable::new(|call| match call.call {
            Call::Charge | Call::Confirm { .. } => Plan::Decline {
                code: "processing_error",
            },
            _ => Plan::Execute,
        });
        let mut instance = Instance::start(&durable);
        instance.donate(1, "ann", 500);
        instance
            .until_last(1, "donation.failed attempts_exhausted")
            .await;
        assert_eq!(durable.gateway.charges(), 0);
        assert_eq!(
            durable.gateway.calls(),
            6,
            "a charge, four confirms, a cancel"
        );
        instance.settled().await;
    });
}

#[test]
fn a_gateway_that_refuses_our_key_leaves_donations_waiting() {
    story(async || {
        let durable = Durable::at_first(3, Plan::Say(Answer::BadApiKey));
        let mut instance = Instance::start(&durable);
        instance.donate(1, "ann", 500);
        instance.until_last(1, SUCCEEDED).await;
        assert_eq!(durable.gateway.charges_of(id(1)), 1);
        instance.settled().await;
    });
}

#[test]
fn a_send_that_never_comes_back_is_asked_for_by_the_same_key() {
    story(async || {
        let durable = Durable::at_first(1, Plan::Hang);
        let mut instance = Instance::start(&durable);
        instance.donate(1, "ann", 500);
        instance.donate(2, "ann", 600);
        instance.settled().await;
        assert_eq!(instance.events_of(id(1)), [SUCCEEDED]);
        assert_eq!(instance.events_of(id(2)).last().unwrap(), SUCCEEDED);
        durable.gateway.let_go();
        instance.settled().await;
        assert_eq!(durable.gateway.charges(), 2);
    });
}

#[test]
fn an_answer_that_comes_after_it_became_pending_is_told_at_once() {
    story(async || {
        let durable = Durable::at_first(9, Plan::Hang);
        let mut instance = Instance::start(&durable);
        instance.donate(1, "ann", 500);
        instance.until_committed(1).await;
        assert_eq!(instance.events_of(id(1)), ["donation.pending unknown"]);
        durable.gateway.let_go();
        instance.pass(Duration::from_millis(10)).await;
        assert_eq!(
            instance.events_of(id(1)),
            ["donation.pending unknown", SUCCEEDED]
        );
        instance.settled().await;
        assert_eq!(durable.gateway.charges(), 1);
    });
}

#[test]
fn requests_that_meet_a_late_answer_are_answered() {
    story(async || {
        let mut instance = Instance::reading_a_late_answer().await;
        instance.donate(1, "ann", 500);
        instance.confirm(1, "ann");
        instance.settled().await;
        let mut events = instance.events_of(id(1));
        events.sort();
        let not_held = "request.rejected not_held";
        assert_eq!(
            events,
            ["donation.pending unknown", SUCCEEDED, SUCCEEDED, not_held]
        );
    });
}

/// The write that permits a send may hang in the store. What it permits is decided anew then: meanwhile its key may have
/// died, and would execute once more.
#[test]
fn what_was_permitted_long_ago_is_not_sent() {
    for (step, first_call) in [("accept", 0), ("advance", 1)] {
        story(async || {
            let durable = Durable::at_first(1, Plan::LoseAnswer);
            let (mut decided, mut hangs) = (Instant::now(), true);
            let ages = Arc::new(Mutex::new(Vec::new()));
            let noted = Arc::clone(&ages);
            durable.faults.plan(move |touch| {
                if touch.port == "gateway" {
                    noted.lock().unwrap().push(decided.elapsed());
                }
                if !matches!(touch.port, "accept" | "advance") {
                    return Fault::None;
                }
                decided = Instant::now();
                let is_hung = touch.port == step && std::mem::take(&mut hangs);
                if is_hung {
                    Fault::DelayMs(40_000)
                } else {
                    Fault::None
                }
            });
            let mut instance = Instance::start(&durable);
            instance.donate(1, "ann", 500);
            instance.settled().await;
            let ages = ages.lock().unwrap();
            assert!(ages.len() > first_call, "{step}");
            assert!(
                ages.iter().all(|age| age.as_secs() < 30),
                "{step}: {ages:?}"
            );
            assert_eq!(durable.gateway.charges_of(id(1)), 1, "{step}");
        });
    }
}
