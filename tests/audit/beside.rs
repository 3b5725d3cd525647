//! An audit beside a service that goes on.

use std::sync::atomic::{AtomicBool, Ordering};
use std::thread;

use almoner::audit::{Audit, BookSums};
use almoner::gateway::GatewayCharge;

use crate::lines;
use crate::support::{NOW_MS, World, donation};

/// However the audit's reads fall between the writes, it finds nothing.
#[test]
fn donations_that_go_on_are_no_differences() {
    let world = World::new();
    let is_over = AtomicBool::new(false);
    thread::scope(|scope| {
        scope.spawn(|| {
            for n in 1..=400 {
                world.give(&donation(n));
            }
            is_over.store(true, Ordering::SeqCst);
        });
        let mut audits = 0;
        while !is_over.load(Ordering::SeqCst) || audits == 0 {
            assert_eq!(lines(&world.audit()), [""; 0]);
            audits += 1;
        }
    });
    assert_eq!(world.audit().checked.donations, 400);
}

/// What was accepted after the books were read is asked for, and taken as it is then.
#[test]
fn what_the_books_do_not_explain_is_looked_up_once_more() {
    let world = World::new();
    let donation = donation(1);
    let intent = world.give(&donation);
    let charge = GatewayCharge {
        intent_id: intent.id.into(),
        donation_id: Some(donation.request.id.to_string()),
        currency: "eur".into(),
        created_s: 1_795_000_000,
        charged: 1_250,
        refunded: 0,
    };
    let mut audit = Audit::new();
    assert_eq!(audit.wants(&charge), Some(donation.request.id));
    let books = world.books();
    let recorded = books.donation(donation.request.id).unwrap().unwrap();
    audit.donation(&recorded);
    assert_eq!(audit.wants(&charge), None);
    audit.charge(&charge);
    let sums = BookSums::still(books.totals().unwrap(), books.day_differences().unwrap());
    assert_eq!(lines(&audit.finish(&sums, NOW_MS)), [""; 0]);
}
