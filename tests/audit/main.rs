//! Audits of worlds that are right, and of worlds that somebody tampered with.
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic)]

mod beside;
mod command;
mod list;
#[allow(
    dead_code,
    reason = "the tests of the gateway's client use the rest of it"
)]
#[path = "../gateway/server.rs"]
mod server;
mod support;
mod tampered;

use almoner::audit::AuditReport;
use almoner_domain::donation::{PendingKind, State};
use almoner_domain::money::Currency;
use support::{World, donation, donation_of, earlier};

/// The findings, one a line: kind, donation, intent.
fn lines(report: &AuditReport) -> Vec<String> {
    let line = |it: &almoner::audit::Finding| {
        let id = it.donation_id().unwrap_or_else(|| "-".into());
        format!("{} {id} {}", it.kind(), it.intent_id().unwrap_or("-"))
    };
    report.findings.kept.iter().map(line).collect()
}

/// Some of everything that is right.
fn right_world() -> World {
    let world = World::new();
    for n in 1..=3 {
        world.give(&donation(n));
    }
    // The gateway writes 5 ISK as 500, and 500 MGA as 5.
    world.give(&donation_of(4, 5_000, "ISK", "pm_card_visa"));
    world.give(&donation_of(5, 500_000, "MGA", "pm_card_visa"));
    let declined = donation_of(6, 1_250, "EUR", "pm_card_chargeDeclined");
    world.call(&declined, almoner_domain::donation::Call::Charge, None);
    world.fail(&declined);
    world.post(
        "/v1/payment_intents",
        "amount=900&currency=eur&payment_method=pm_card_visa&confirm=true&off_session=true\
         &payment_method_types[]=card",
    );
    world
}

#[test]
fn a_right_world_is_equal() {
    let report = right_world().audit();
    assert_eq!(lines(&report), [""; 0]);
    let checked = report.checked;
    assert_eq!(
        (
            checked.donations,
            checked.intents,
            checked.intents_of_others
        ),
        (6, 6, 1)
    );
    let sums: Vec<_> = report
        .totals
        .iter()
        .map(|(currency, it)| {
            let of_books = (it.ledger_minor, it.campaign_days_minor);
            (
                currency.code(),
                it.gateway_minor,
                it.donations_minor,
                of_books,
            )
        })
        .collect();
    let expected = [("EUR", 3_750), ("ISK", 5_000), ("MGA", 500_000)]
        .map(|(code, minor)| (code, minor, minor, (Some(minor), Some(minor))));
    assert_eq!(sums, expected);
    let text = report.to_text();
    for part in [
        "37.50 (3)",
        "5000 (1)",
        "5000.00 (1)",
        "open: none",
        "equal: ",
    ] {
        assert!(text.contains(part), "no {part:?} in\n{text}");
    }
}

#[test]
fn nothing_is_equal_to_nothing() {
    let report = World::new().audit();
    assert!(report.is_ok());
    assert!(report.totals.is_empty());
}

#[test]
fn what_is_open_is_no_difference() {
    let world = right_world();
    let unknown = earlier(&donation(7), 5_000);
    world.accept_pending(&unknown, PendingKind::Unknown, State::Unknown);
    world.accept_pending(&donation(8), PendingKind::Unknown, State::Unknown);
    world.charge(&donation(8));
    world.accept_pending(&donation(9), PendingKind::Held, State::Held);
    world.accept(&donation(10));
    let report = world.audit();
    assert_eq!(lines(&report), [""; 0]);
    assert_eq!(report.open.count, 4);
    let eur = Currency::from_code("EUR").unwrap();
    let unknown = report.open.unknown();
    assert_eq!((unknown.count, unknown.oldest_age_s), (2, 605));
    assert_eq!(unknown.amount_minor[&eur], 2_500);
    assert_eq!(report.totals[&eur].open_charged_minor, 1_250);
    assert_eq!(report.totals[&eur].gateway_minor, 5_000);
    assert!(
        report
            .to_text()
            .contains("unknown: 2, 25.00 EUR, the oldest 605 s")
    );
}

#[test]
fn many_pages_are_read_to_their_end() {
    let world = World::new();
    for n in 1..=230 {
        world.give(&donation(n));
    }
    assert!(world.audit().is_ok());
    world.charge(&donation(300));
    for n in 231..=240 {
        world.give(&donation(n));
    }
    assert_eq!(lines(&world.audit()).len(), 2);
}
