//! The gateway charges beside what stands: the surplus is refunded, and nothing else changes.

use std::sync::Arc;
use std::sync::atomic::{AtomicU32, Ordering};
use std::time::Duration;

use almoner_actors::memory::Plan;
use almoner_actors::ports::{LogRange, Recorded};
use almoner_actors::world::Settings;
use almoner_domain::answer::{Answer, Intent, IntentStatus};
use almoner_domain::donation::{Call, PendingKind, State};

use crate::support::{Durable, Instance, SUCCEEDED, id, settings, story};

/// A gateway that should have settled all within a minute.
fn soon_settled() -> Settings {
    let mut settings = settings();
    settings.rules.reconcile_bound_ms = 60_000;
    settings
}

fn log(high: i64) -> LogRange {
    LogRange {
        committed: None,
        low: 0,
        high,
    }
}

/// A durable world in which the charge's key is burnt, and the second generation's confirm hangs; and the refunds that
/// were asked for.
fn two_generations(refund: Plan) -> (Durable, Arc<AtomicU32>, Arc<AtomicU32>) {
    let (confirms, refunds) = (Arc::new(AtomicU32::new(0)), Arc::new(AtomicU32::new(0)));
    let counts = (Arc::clone(&confirms), Arc::clone(&refunds));
    let durable = Durable::new(move |call| match call.call {
        Call::Charge => Plan::Say(Answer::ServerError {
            status: 500,
            replayed: true,
        }),
        Call::Confirm { .. } => {
            counts.0.fetch_add(1, Ordering::Relaxed);
            Plan::Hang
        }
        Call::Reverse { .. } if counts.1.fetch_add(1, Ordering::Relaxed) == 0 => refund.clone(),
        _ => Plan::Execute,
    });
    (durable, confirms, refunds)
}

/// Until the second generation is charged, while the first one is charged too.
async fn charged_twice(instance: &mut Instance, confirms: &AtomicU32) {
    instance.donate(1, "ann", 500);
    let is_on_wire = |_: &Instance| confirms.load(Ordering::Relaxed) == 1;
    instance.until("confirm on the wire", is_on_wire).await;
    instance.durable.gateway.charge_beside(id(1));
    instance.durable.gateway.let_go();
    assert_eq!(instance.durable.gateway.charges_of(id(1)), 2);
}

fn recorded(durable: &Durable) -> Recorded {
    durable.store.all().remove(0)
}

#[test]
fn what_both_generations_charged_is_refunded_once() {
    story(async || {
        let (durable, confirms, refunds) = two_generations(Plan::Execute);
        let mut instance = Instance::start_with(&durable, soon_settled(), log(0));
        charged_twice(&mut instance, &confirms).await;
        instance.until_last(1, SUCCEEDED).await;
        instance.settled().await;
        assert_eq!(durable.gateway.charges_of(id(1)), 1);
        assert_eq!(refunds.load(Ordering::Relaxed), 1);
        let succeeded = |event: &&String| *event == SUCCEEDED;
        assert!(instance.events_of(id(1)).iter().filter(succeeded).count() >= 1);
    });
}

#[test]
fn a_refund_without_an_answer_is_asked_for_by_the_same_key_after_a_crash_too() {
    story(async || {
        let (durable, confirms, refunds) = two_generations(Plan::Hang);
        let mut instance = Instance::start_with(&durable, soon_settled(), log(0));
        charged_twice(&mut instance, &confirms).await;
        let is_on_wire = |_: &Instance| refunds.load(Ordering::Relaxed) == 1;
        instance.until("refund on the wire", is_on_wire).await;
        let next_offset = instance.next_offset;
        let durable = instance.die();
        let pending = recorded(&durable).pending.unwrap();
        assert_eq!(pending.0.kind, PendingKind::Surplus);
        assert!(pending.1.has_surplus() && pending.1.state == State::Succeeded);

        let instance = Instance::start_with(&durable, soon_settled(), durable.log(next_offset));
        instance.until_all_finished().await;
        assert_eq!(durable.gateway.charges_of(id(1)), 1);
        assert_eq!(refunds.load(Ordering::Relaxed), 2);
        assert_eq!(instance.events_of(id(1)).last().unwrap(), SUCCEEDED);
    });
}

/// The first send hangs until it is given up; the second one is answered so. Then the first one is, too.
async fn answered_late(second: Plan, last_event: &str, late: Answer) -> Instance {
    let mut charges = 0;
    let durable = Durable::new(move |call| match call.call {
        Call::Charge => {
            charges += 1;
            if charges == 1 {
                Plan::Hang
            } else {
                second.clone()
            }
        }
        _ => Plan::Execute,
    });
    let mut instance = Instance::start(&durable);
    instance.donate(1, "ann", 500);
    instance.until_last(1, last_event).await;
    instance.settled().await;
    instance.durable.gateway.say(&late);
    instance.pass(Duration::from_secs(1)).await;
    instance
}

fn charged(intent: &str) -> Answer {
    Answer::Intent(Intent {
        id: intent.into(),
        status: IntentStatus::Succeeded,
        created_s: 1_790_000_000,
        charge_id: Some("ch_other".into()),
    })
}

#[test]
fn a_charge_that_turns_up_after_the_success_is_refunded() {
    story(async || {
        let instance = answered_late(Plan::Execute, SUCCEEDED, charged("pi_other")).await;
        instance.until_all_finished().await;
        let calls = instance.durable.gateway.calls();
        assert_eq!(calls, 3, "two sends of the charge, and the refund");
        assert_eq!(instance.durable.gateway.charges_of(id(1)), 1);
    });
}

#[test]
fn the_own_charge_told_late_changes_nothing() {
    story(async || {
        let own = charged(&format!("pi_{}_0", id(1)));
        let instance = answered_late(Plan::Execute, SUCCEEDED, own).await;
        instance.settled().await;
        assert_eq!(instance.durable.gateway.calls(), 2);
    });
}

#[test]
fn a_charge_that_turns_up_after_the_failure_stays_pending_for_a_person() {
    story(async || {
        let declined = Plan::Decline {
            code: "card_declined",
        };
        let failed = "donation.failed card_declined";
        let instance = answered_late(declined, failed, charged("pi_other")).await;
        for _ in 0..3 {
            let recorded = recorded(&instance.durable);
            assert_eq!(recorded.finish.unwrap().ending.state, State::Failed);
            let (pending, progress) = recorded.pending.unwrap();
            assert_eq!(pending.kind, PendingKind::Surplus);
            assert_eq!(*progress.surplus, ["pi_other".into()]);
            instance.pass(Duration::from_secs(3_700)).await;
        }
        assert_eq!(
            instance.durable.gateway.calls(),
            2,
            "nothing is refunded by itself"
        );
        assert_eq!(instance.events_of(id(1)).last().unwrap(), failed);
    });
}
