//! A panic in each kind of actor, wherever it has code: as it starts, in a message, in a timer (a future that it
//! spawned). And what follows when it does not end: step by step, up to the end of the process.

use std::sync::Arc;
use std::sync::atomic::{AtomicU32, Ordering};
use std::time::Duration;

use almoner_actors::ports::{Admission, Intake};
use almoner_actors::world::{Alarm, Settings};
use almoner_domain::request::{self, Request};

use crate::faults::Fault;
use crate::support::{Durable, Instance, SUCCEEDED, donate, id, settings, story};

/// The calls of this port meet these faults, one after the other, the last of which is a panic; what is in flight comes
/// to its end all the same.
fn check(place: &str, port: &'static str, faults: &'static [Fault], settings: Settings) {
    story(async || {
        let durable = Durable::plain();
        let calls = Arc::new(AtomicU32::new(0));
        let counted = Arc::clone(&calls);
        durable.faults.plan(move |touch| {
            if touch.port != port {
                return Fault::None;
            }
            let call = counted.fetch_add(1, Ordering::Relaxed) as usize;
            faults.get(call).copied().unwrap_or(Fault::None)
        });
        let mut instance = Instance::start_with(&durable, settings, durable.log(0));
        instance.donate(1, "ann", 500);
        instance.donate(2, "bob", 500);
        instance.pass(Duration::from_secs(31)).await;
        instance.donate(3, "eve", 500);
        instance.settled().await;
        assert!(
            calls.load(Ordering::Relaxed) > faults.len() as u32,
            "{place}"
        );
        for n in 1..=3 {
            let mut events = instance.events_of(id(n));
            events.dedup(); // an outcome can be told twice
            assert_eq!(events, [SUCCEEDED], "{place}");
            assert_eq!(durable.gateway.charges_of(id(n)), 1, "{place}");
        }
        assert!(instance.alarms.try_recv().is_err(), "{place}");
    });
}

#[test]
fn every_kind_of_actor_survives_a_panic_wherever_it_has_code() {
    use Fault::{None, Panic, Refuse};
    check("a router's start", "claim", &[Panic], settings());
    check("a router's message", "publish", &[Panic], settings());
    check("a router's interval", "mark", &[Panic], settings());
    check("a user's message", "accept", &[Panic], settings());
    check("a user's timer", "accept", &[Refuse, Panic], settings());
    check("a campaign's start", "campaign", &[Panic], settings());
    check(
        "a campaign's timer",
        "campaign",
        &[Refuse, Panic],
        settings(),
    );
    check(
        "a campaign's message",
        "campaign",
        &[None, Panic],
        settings(),
    );
    check("the gateway's message", "gateway", &[Panic], settings());
    let one_a_second = Settings {
        gateway_per_second_max: 1,
        ..settings()
    };
    check(
        "the gateway's timer",
        "gateway",
        &[None, Panic],
        one_a_second,
    );
}

/// What is left drains in its time, as the process does before it ends; and the one that comes after it finishes what
/// was in flight.
async fn check_escalates(port: &'static str, who: &str) {
    let durable = Durable::plain();
    durable.faults.first(port, u32::MAX, Fault::Panic);
    let mut instance = Instance::start(&durable);
    for n in 1..=20 {
        instance.donate(n, &format!("user-{n}"), 500);
    }
    let alarm = tokio::time::timeout(Duration::from_secs(60), instance.alarms.recv()).await;
    match alarm {
        Ok(Some(Alarm::Escalated { what })) => assert!(what.contains(who), "{what}"),
        other => panic!("{port}: {other:?}"),
    }
    let requests: Vec<(i64, Request)> = (1..=20)
        .map(|n| {
            (
                durable.clock.wall_ms(),
                Request::Donate(donate(n, &format!("user-{n}"), 500)),
            )
        })
        .collect();
    instance.drain().await;
    instance.die();
    durable.faults.stop();
    let mut instance = Instance::start_with(&durable, settings(), durable.log(20));
    instance.backlog(&requests[instance.next_offset as usize..]);
    instance.settled().await;
    for n in 1..=20 {
        assert_eq!(durable.gateway.charges_of(id(n)), 1, "{port}");
    }
}

#[test]
fn a_router_that_keeps_crashing_ends_the_process_and_the_next_one_goes_on() {
    story(async || check_escalates("mark", "the router of shard 0").await);
    story(async || check_escalates("claim", "the router of shard 0").await);
}

#[test]
fn a_gateway_actor_that_keeps_crashing_ends_the_process_and_the_next_one_goes_on() {
    story(async || check_escalates("gateway", "the gateway actor").await);
}

/// Neither is anything taken in beyond the bound meanwhile, nor is anything lost or done twice.
#[test]
fn a_store_that_poisons_itself_holds_the_intake_until_it_is_open_again() {
    story(async || {
        let durable = Durable::plain();
        let few = Settings {
            in_flight_max: 20,
            ..settings()
        };
        let mut instance = Instance::start_with(&durable, few, durable.log(0));
        instance.donate(1, "ann", 500);
        instance.settled().await;
        durable.store.poison(Some("planned: the disk is full"));
        let mut n = 1;
        loop {
            let request = Request::Donate(donate(n + 1, &format!("user-{n}"), 500));
            let (at_ms, value) = (durable.clock.wall_ms(), request::encode(&request));
            let key = request.user_id().as_str().as_bytes();
            if instance.offer(instance.next_offset, at_ms, key, &value) != Admission::Taken {
                break;
            }
            instance.next_offset += 1;
            n += 1;
        }
        assert_eq!(n, 21);
        instance.intake.flush();
        instance.pass(Duration::from_secs(600)).await;
        assert!(!instance.intake.has_credit());
        assert_eq!((instance.committed(), durable.gateway.charges()), (1, 1));
        assert!(
            instance.alarms.try_recv().is_err(),
            "it is opened again, not we"
        );
        durable.store.poison(None);
        instance.settled().await;
        assert_eq!(durable.gateway.charges(), 21);
    });
}
