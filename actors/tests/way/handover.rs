//! A shard goes from one owner to another: as planned, or not.

use std::sync::Arc;
use std::sync::atomic::{AtomicI64, Ordering};
use std::time::Duration;

use almoner_actors::memory::Plan;
use almoner_actors::ports::{Admission, Clock, Done, Store};
use almoner_actors::world::Alarm;

use crate::faults::Fault;
use crate::support::{ASKED, Durable, Instance, SHARD, START_MS, SUCCEEDED, id, settings, story};

const DRAINED: &str = "donation.pending drained";

#[test]
fn a_planned_handover_drains_and_sets_aside_what_is_on_the_wire() {
    story(async || {
        let durable = Durable::at_first(1, Plan::Hang);
        let mut instance = Instance::start(&durable);
        instance.donate(1, "ann", 500);
        instance.donate(2, "ann", 600);
        instance.until_calls(1).await;
        let durable = instance.hand_over().await;
        let mut instance = Instance::start_with(&durable, settings(), durable.log(2));
        assert_eq!(instance.events_of(id(1)), [DRAINED]);
        let not_accepted: [&str; 0] = [];
        assert_eq!(instance.events_of(id(2)), not_accepted, "it is read again");
        assert_eq!(instance.committed(), 1);
        assert_eq!(durable.gateway.calls(), 1, "a handover repeats no send");
        instance.donate(2, "ann", 600);
        instance.settled().await;
        assert_eq!(instance.events_of(id(1)).last().unwrap(), SUCCEEDED);
        assert_eq!(instance.events_of(id(2)), [SUCCEEDED]);
        durable.gateway.let_go();
        assert_eq!(durable.gateway.charges_of(id(1)), 1);
    });
}

/// True time, as a process sees it that was suspended.
struct Jumping {
    inner: Arc<dyn Clock>,
    ahead_ms: AtomicI64,
}

impl Clock for Jumping {
    fn wall_ms(&self) -> i64 {
        self.inner.wall_ms() + self.ahead_ms.load(Ordering::Relaxed)
    }

    fn boot_ms(&self) -> i64 {
        self.inner.boot_ms() + self.ahead_ms.load(Ordering::Relaxed)
    }
}

/// The process is suspended for longer than a session between its assignment and the start of the shard's router.
#[test]
fn a_lease_counts_from_the_assignment_however_late_the_router_starts() {
    story(async || {
        let mut durable = Durable::plain();
        let clock = Arc::new(Jumping {
            inner: Arc::clone(&durable.clock),
            ahead_ms: AtomicI64::new(0),
        });
        durable.clock = clock.clone();
        durable.faults.plan(|touch| match touch.port {
            "commit" => Fault::Refuse, // the partition may be another's by now
            _ => Fault::None,
        });
        let mut instance = Instance::start(&durable);
        let session_ms = settings().session_timeout_ms;
        clock.ahead_ms.store(session_ms, Ordering::Relaxed);
        instance.donate(1, "ann", 500);
        instance.pass(Duration::from_secs(10)).await;
        assert_eq!(durable.gateway.calls(), 0);
        durable.faults.plan(|_| Fault::None);
        instance.until_last(1, SUCCEEDED).await;
        assert_eq!(durable.gateway.charges_of(id(1)), 1);
    });
}

/// Wherever a donation stands when the handover begins, the next owner brings all to their end, with one charge each.
#[test]
fn a_handover_at_any_stage_loses_and_repeats_nothing() {
    let stages = [
        ("campaign", Fault::DelayMs(40_000)),
        ("accept", Fault::DelayMs(2_000)),
        ("accept", Fault::DelayMs(40_000)),
        ("accept", Fault::Refuse),
        ("advance", Fault::DelayMs(2_000)),
        ("advance", Fault::DelayMs(40_000)),
        ("advance", Fault::Refuse),
        ("finish", Fault::DelayMs(2_000)),
        ("finish", Fault::Refuse),
        ("load", Fault::DelayMs(2_000)),
        ("publish", Fault::DelayMs(2_000)),
        ("publish", Fault::Refuse),
        ("mark", Fault::Refuse),
        ("commit", Fault::Refuse),
        ("gateway", Fault::DelayMs(20_000)),
        ("gateway", Fault::AnswerAfterMs(28_000)),
        ("gateway", Fault::AnswerAfterMs(50_000)),
        ("gateway", Fault::Refuse),
    ];
    for (port, fault) in stages {
        for after_ms in [1, 300, 2_500, 12_000] {
            story(async || {
                let durable = Durable::plain();
                durable.faults.first(port, 7, fault);
                let mut instance = Instance::start(&durable);
                instance.donate(1, "ann", 500);
                instance.donate(2, "ann", 500);
                instance.donate(3, "ann", 700);
                instance.donate(4, "bob", 700);
                instance.pass(Duration::from_millis(after_ms)).await;
                instance.confirm(2, "ann");
                instance.donate(1, "ann", 500);
                instance.pass(Duration::from_millis(20)).await;
                let durable = instance.hand_over().await;
                durable.faults.stop();
                let mut instance = Instance::start_with(&durable, settings(), durable.log(6));
                for offset in instance.next_offset..6 {
                    match offset {
                        0 | 5 => instance.donate(1, "ann", 500),
                        1 => instance.donate(2, "ann", 500),
                        2 => instance.donate(3, "ann", 700),
                        3 => instance.donate(4, "bob", 700),
                        _ => instance.confirm(2, "ann"),
                    };
                }
                instance.settled().await;
                for n in 1..=4 {
                    let events = instance.events_of(id(n));
                    let what = format!("{n}: {port} {fault:?} after {after_ms} ms: {events:?}");
                    assert!(events.iter().any(|event| event == SUCCEEDED), "{what}");
                    assert_eq!(durable.gateway.charges_of(id(n)), 1, "{what}");
                }
            });
        }
    }
}

#[test]
fn a_late_answer_to_what_was_handed_over_is_recorded_by_whoever_learns_it() {
    story(async || {
        let durable = Durable::at_first(1, Plan::Hang);
        let mut instance = Instance::start(&durable);
        instance.donate(1, "ann", 500);
        instance.until_calls(1).await;
        let durable = instance.hand_over().await;
        durable.gateway.let_go();
        tokio::time::sleep(Duration::from_secs(1)).await;
        assert!(durable.store.all()[0].finish.is_some());
        let instance = Instance::start_with(&durable, settings(), durable.log(1));
        instance.settled().await;
        let mut events = instance.events_of(id(1));
        events.dedup(); // nobody knows whether the first one was heard
        assert_eq!(events, [DRAINED, SUCCEEDED]);
        assert_eq!(durable.gateway.calls(), 1);
    });
}

#[test]
fn a_late_answer_that_is_being_read_at_a_drain_is_not_dropped() {
    story(async || {
        let instance = Instance::reading_a_late_answer().await;
        let durable = instance.hand_over().await;
        tokio::time::sleep(Duration::from_secs(2)).await;
        assert!(durable.store.all()[0].finish.is_some());
    });
}

#[test]
fn a_shard_that_was_taken_away_in_flight_is_finished_by_the_next_owner() {
    story(async || {
        let durable = Durable::at_first(1, Plan::Hang);
        let mut instance = Instance::start(&durable);
        instance.donate(1, "ann", 500);
        instance.donate(2, "ann", 500);
        instance.until_calls(1).await;
        instance.until_last(2, ASKED).await;
        let durable = instance.lose();
        let mut instance = Instance::start_with(&durable, settings(), durable.log(2));
        instance.donate(1, "ann", 500);
        instance.donate(2, "ann", 500);
        instance.pass(Duration::from_secs(1)).await;
        durable.gateway.let_go();
        instance.confirm(2, "ann");
        instance.settled().await;
        assert_eq!(durable.gateway.charges(), 2);
    });
}

#[test]
fn who_was_fenced_sends_and_takes_nothing_and_says_so_if_the_broker_does_not() {
    story(async || {
        let durable = Durable::plain();
        let mut instance = Instance::start(&durable);
        instance.donate(1, "ann", 500);
        instance.until_committed(1).await;
        durable.store.claim(SHARD, Done::new(|_| {}));
        instance.donate(2, "ann", 600);
        instance.donate(3, "bob", 600);
        instance.pass(Duration::from_secs(1)).await;
        assert_eq!(instance.world.credits.in_flight(), 0);
        assert_eq!(durable.gateway.charges(), 1);
        let refused = instance.offer(3, START_MS, b"ann", b"");
        assert_eq!(refused, Admission::Closed);
        assert!(instance.alarms.try_recv().is_err());
        instance.pass(Duration::from_secs(120)).await;
        let alarm = instance.alarms.try_recv();
        assert!(matches!(alarm, Ok(Alarm::Escalated { .. })), "{alarm:?}");
        instance.hand_over().await;
    });
}

#[test]
fn a_partition_that_is_assigned_again_without_a_word_has_one_owner() {
    story(async || {
        use almoner_actors::ports::Intake;
        let durable = Durable::at_first(1, Plan::Hang);
        let mut instance = Instance::start(&durable);
        instance.donate(1, "ann", 500);
        instance.until_calls(1).await;
        instance.intake.assigned(SHARD, durable.log(1));
        instance.next_offset = 0;
        instance.donate(1, "ann", 500);
        instance.settled().await;
        assert_eq!(instance.events_of(id(1)), [SUCCEEDED]);
        assert_eq!(durable.gateway.charges(), 1);
    });
}

/// What waits for its user's turn at the deadline leaves the queue as it is set aside: it is not sent meanwhile, and what
/// was decided to be told of it is.
#[test]
fn what_waits_at_the_drains_deadline_is_set_aside_and_not_sent() {
    story(async || {
        let durable = Durable::counted(|n, _| if n == 2 { Plan::Hang } else { Plan::Execute });
        let mut instance = Instance::start(&durable);
        instance.donate(1, "ann", 500);
        instance.donate(2, "ann", 500);
        instance.until_last(2, ASKED).await;
        instance.donate(3, "ann", 700);
        instance.until_calls(2).await;
        instance.confirm(2, "ann");
        instance.pass(Duration::from_millis(100)).await;
        let mut writes = 0;
        durable.faults.plan(move |touch| {
            writes += u32::from(touch.port == "advance" && touch.id == Some(id(2)));
            let is_first = touch.port == "advance" && touch.id == Some(id(2)) && writes == 1;
            if is_first { Fault::Refuse } else { Fault::None }
        });
        let durable = instance.hand_over().await;
        assert_eq!(durable.gateway.calls(), 2);
        durable.faults.stop();
        let instance = Instance::start_with(&durable, settings(), durable.log(4));
        assert_eq!(instance.events_of(id(2)), [ASKED, DRAINED]);
        durable.gateway.let_go();
        instance.settled().await;
        assert_eq!(durable.gateway.charges(), 3);
    });
}

#[test]
fn a_former_owners_late_answer_is_recorded_behind_what_was_told_meanwhile() {
    story(async || {
        let durable = Durable::counted(|n, _| match n {
            1 => Plan::Hang,
            2..=9 => Plan::LoseRequest,
            _ => Plan::Execute,
        });
        let mut instance = Instance::start(&durable);
        instance.donate(1, "ann", 500);
        instance.until_calls(1).await;
        let mut instance = Instance::start(&instance.lose());
        instance.donate(1, "ann", 500);
        instance.until_last(1, "donation.pending unknown").await;
        durable.gateway.let_go();
        instance.settled().await;
        let told: Vec<_> = instance.outcomes().iter().map(|it| it.sequence).collect();
        assert_eq!(told, [Some(1), Some(2)]);
        assert_eq!(instance.events_of(id(1)).last().unwrap(), SUCCEEDED);
        assert_eq!(durable.gateway.charges(), 1);
    });
}
