//! Each kind of finding, made by tampering, and named by the ids of what was tampered with.

use almoner::gateway::GatewayCharge;
use almoner_domain::answer::Intent;
use almoner_domain::donation::{Donation, PendingKind, State};

use crate::lines;
use crate::support::{START_MS, World, donation, earlier, failed, succeeded, with_amount};

/// One right donation, then the tampering: it leaves these findings, the last of which is often a sum.
fn check(tamper: impl FnOnce(&World) -> Vec<String>) {
    let world = World::new();
    world.give(&donation(1));
    let mut expected = tamper(&world);
    let mut found = lines(&world.audit());
    expected.sort();
    found.sort();
    assert_eq!(found, expected);
}

fn finding(kind: &str, donation: &Donation, intent: &str) -> String {
    format!("{kind} {} {intent}", donation.request.id)
}

const TOTALS: &str = "totals_differ - -";

#[test]
fn charged_twice() {
    check(|world| {
        let second = world.charge_again(&donation(1));
        vec![
            finding("charged_twice", &donation(1), &second.id),
            TOTALS.into(),
        ]
    });
}

#[test]
fn charged_twice_while_open() {
    check(|world| {
        world.accept(&donation(2));
        let first = world.charge(&donation(2));
        world.charge_again(&donation(2));
        // The newest is found first; of an open donation nobody knows yet which one stands for it.
        vec![
            finding("charged_twice", &donation(2), &first.id),
            TOTALS.into(),
        ]
    });
}

#[test]
fn a_surplus_charge_that_was_given_back_is_none() {
    check(|world| {
        let second = world.charge_again(&donation(1));
        world.refund(&second, 1_250);
        vec![]
    });
}

#[test]
fn missing_at_the_gateway() {
    check(|world| {
        world.succeed(&donation(2), &intent("pi_missing"));
        vec![
            finding("not_at_gateway", &donation(2), "pi_missing"),
            TOTALS.into(),
        ]
    });
}

#[test]
fn charged_by_another_intent_than_recorded() {
    check(|world| {
        let charged = world.charge(&donation(2));
        world.succeed(&donation(2), &intent("pi_missing"));
        vec![finding("other_intent", &donation(2), &charged.id)]
    });
}

#[test]
fn another_amount() {
    check(|world| {
        let charged = world.charge(&with_amount(&donation(2), 1_300, "EUR"));
        world.succeed(&donation(2), &charged);
        vec![
            finding("other_amount", &donation(2), &charged.id),
            TOTALS.into(),
        ]
    });
}

#[test]
fn another_currency() {
    check(|world| {
        let charged = world.charge(&with_amount(&donation(2), 1_250, "CHF"));
        world.succeed(&donation(2), &charged);
        vec![
            finding("other_currency", &donation(2), &charged.id),
            TOTALS.into(),
            TOTALS.into(),
        ]
    });
}

#[test]
fn given_back_past_the_runtime() {
    check(|world| {
        let charged = world.give(&donation(2));
        world.refund(&charged, 50);
        vec![
            finding("refund_not_known", &donation(2), &charged.id),
            TOTALS.into(),
        ]
    });
}

#[test]
fn charged_but_failed() {
    check(|world| {
        let charged = world.charge(&donation(2));
        world.fail(&donation(2));
        vec![
            finding("charged_but_failed", &donation(2), &charged.id),
            TOTALS.into(),
        ]
    });
}

#[test]
fn charged_but_cancelled() {
    check(|world| {
        let charged = world.charge(&donation(2));
        let row = world.accept(&donation(2));
        let mut ending = failed();
        ending.state = State::Cancelled;
        world.finish(&donation(2), row, ending);
        vec![
            finding("charged_but_cancelled", &donation(2), &charged.id),
            TOTALS.into(),
        ]
    });
}

#[test]
fn charged_but_held() {
    check(|world| {
        let charged = world.charge(&donation(2));
        world.accept_pending(&donation(2), PendingKind::Held, State::Held);
        vec![
            finding("charged_but_held", &donation(2), &charged.id),
            TOTALS.into(),
        ]
    });
}

#[test]
fn charged_but_still_queued() {
    check(|world| {
        let charged = world.charge(&donation(2));
        world.accept_pending(&donation(2), PendingKind::Queued, State::Accepted);
        vec![
            finding("charged_but_not_sent", &donation(2), &charged.id),
            TOTALS.into(),
        ]
    });
}

#[test]
fn charged_for_a_donation_that_nobody_knows() {
    check(|world| {
        let charged = world.charge(&donation(2));
        vec![
            finding("charge_not_known", &donation(2), &charged.id),
            TOTALS.into(),
        ]
    });
}

#[test]
fn a_success_without_a_charge_id() {
    check(|world| {
        let charged = world.charge(&donation(2));
        let row = world.accept(&donation(2));
        let mut ending = succeeded(&charged);
        ending.charge_id = None;
        world.finish(&donation(2), row, ending);
        vec![finding("no_charge_id", &donation(2), &charged.id)]
    });
}

#[test]
fn a_campaigns_day_is_gone() {
    check(|world| {
        world.tamper("DELETE FROM campaign_day");
        vec!["day_missing - -".into(), TOTALS.into()]
    });
}

#[test]
fn a_campaigns_day_differs() {
    check(|world| {
        world.tamper("UPDATE campaign_day SET amount_minor = amount_minor + 1");
        vec!["day_differs - -".into(), TOTALS.into()]
    });
}

#[test]
fn a_movement_is_gone() {
    check(|world| {
        world.tamper("DELETE FROM finish");
        // The donation is open now, and its charge explained; but the day has more than the movements.
        vec!["day_differs - -".into(), TOTALS.into()]
    });
}

#[test]
fn a_movement_and_its_day_differ_together() {
    check(|world| {
        world.tamper("UPDATE finish SET amount_minor = amount_minor + 1");
        world.tamper("UPDATE campaign_day SET amount_minor = amount_minor + 1");
        vec![TOTALS.into()]
    });
}

#[test]
fn an_outside_change_of_the_donation_differs() {
    check(|world| {
        let charged = world.give(&donation(2));
        world.tamper("UPDATE donation SET amount_minor = 1251 WHERE seq = 2");
        vec![
            finding("other_amount", &donation(2), &charged.id),
            TOTALS.into(),
        ]
    });
}

/// An audit of a part takes nothing else for a difference, and still finds what is in it.
#[test]
fn since_a_moment() {
    let world = World::new();
    world.give(&earlier(&donation(1), 3_600_000));
    // Accepted long before, charged just now: it is explained, and not counted.
    world.succeed(&earlier(&donation(2), 3_600_000), &intent("pi_missing"));
    world.give(&donation(3));
    let since = |ms| world.audit_since(Some(ms)).unwrap();
    let report = since(START_MS);
    assert_eq!(lines(&report), [""; 0]);
    assert_eq!(report.checked.donations, 1);
    let totals: Vec<_> = report.totals.values().collect();
    assert_eq!(
        (totals[0].gateway_minor, totals[0].ledger_minor),
        (1_250, None)
    );
    assert!(
        report
            .to_text()
            .contains("accepted since 2026-11-21T00:00:00Z")
    );
    assert_eq!(
        lines(&since(START_MS - 3_600_000))[0],
        finding("not_at_gateway", &donation(2), "pi_missing")
    );
    let charged = world.charge(&donation(4));
    assert_eq!(
        lines(&since(START_MS))[0],
        finding("charge_not_known", &donation(4), &charged.id)
    );
}

/// Too many findings are counted, not kept.
#[test]
fn the_findings_are_bounded() {
    let mut audit = almoner::audit::Audit::new();
    for n in 0..10_007 {
        audit.charge(&GatewayCharge {
            intent_id: format!("pi_{n}"),
            donation_id: Some(format!("not a uuid {n}")),
            currency: "eur".into(),
            created_s: 1_795_000_000,
            charged: 100,
            refunded: 0,
        });
    }
    let books = World::new().books();
    let sums = almoner::audit::BookSums::still(books.totals().unwrap(), vec![]);
    let report = audit.finish(&sums, 0);
    assert_eq!(
        (report.findings.kept.len(), report.findings.left_out),
        (10_000, 8)
    );
    assert!(report.to_text().contains("… and 8 more"));
}

fn intent(id: &str) -> Intent {
    Intent {
        id: id.into(),
        status: almoner_domain::answer::IntentStatus::Succeeded,
        created_s: START_MS / 1000,
        charge_id: Some("ch_1".into()),
    }
}
