//! Each promise has a control: facts that are doctored in one place, and the promise that they break by its name.

use std::collections::{BTreeMap, BTreeSet};

use almoner_domain::ids::{CampaignId, UserId};
use almoner_domain::keys;
use almoner_domain::money::{Currency, Money};
use almoner_domain::request::DonationRequest;

use super::facts::{Did, Ended, Event, Facts, Key, Send, Stored, What};
use super::{Broken, broken, broken_at_rest};
use crate::support::{Place, id};

const AMOUNT: i64 = 1_250;
const ACCEPTED_MS: i64 = 1_000;

fn place(n: u32) -> Place {
    Place {
        partition: n % 2,
        offset: i64::from(n / 2),
    }
}

fn request(n: u32) -> DonationRequest {
    DonationRequest {
        id: id(n),
        user_id: UserId::parse("user-1").unwrap(),
        campaign_id: CampaignId::parse("wells").unwrap(),
        amount: Money::new(AMOUNT.cast_unsigned(), Currency::from_code("EUR").unwrap()).unwrap(),
        payment_method: "pm_card_visa".into(),
        gateway_customer: None,
        information: None,
    }
}

fn did(n: u32, intent: &str, what: What) -> Did {
    Did {
        at_ms: ACCEPTED_MS + 5,
        key: Some(keys::charge(id(n))),
        intent: intent.to_owned(),
        donation_id: Some(id(n)),
        what,
    }
}

fn created(n: u32, intent: &str) -> Did {
    let what = What::Created {
        amount: AMOUNT,
        currency: "eur".to_owned(),
        payment_method: Some("pm_card_visa".to_owned()),
    };
    did(n, intent, what)
}

fn charged(n: u32, intent: &str) -> Did {
    did(n, intent, What::Charged { amount: AMOUNT })
}

fn event(n: u32, sequence: u32, event_type: &str) -> Event {
    Event {
        donation_id: id(n),
        event_id: keys::event_id(id(n), sequence),
        sequence: Some(sequence),
        event_type: event_type.to_owned(),
        place: place(n),
        content: format!("{event_type} of {n}"),
    }
}

/// Donations 0 to 3, all charged and told; 2 after an event that it is pending.
fn sound() -> Facts {
    let intents = ["pi_0", "pi_1", "pi_2", "pi_3"];
    let numbered = || (0..).zip(intents);
    let stored = |(n, intent): (u32, &str)| Stored {
        place: place(n),
        answered_by: None,
        accepted_at_ms: ACCEPTED_MS,
        amount_minor: AMOUNT,
        currency: "EUR".to_owned(),
        is_pending: false,
        ended: Some(Ended {
            event_type: "donation.succeeded".to_owned(),
            sequence: if n == 2 { 2 } else { 1 },
            charged_by: Some(intent.to_owned()),
        }),
    };
    Facts {
        asked: (0..4).map(|n| (place(n), Some(request(n)))).collect(),
        committed: BTreeMap::from([(0, 2), (1, 2)]),
        told: vec![
            event(0, 1, "donation.succeeded"),
            event(1, 1, "donation.succeeded"),
            event(2, 1, "donation.pending"),
            event(2, 2, "donation.succeeded"),
            event(3, 1, "donation.succeeded"),
        ],
        dead_letters: BTreeSet::new(),
        stored: numbered().map(|it| (id(it.0), stored(it))).collect(),
        movements_minor: BTreeMap::from([("EUR".to_owned(), 4 * AMOUNT)]),
        days_minor: BTreeMap::from([("EUR".to_owned(), 4 * AMOUNT)]),
        journal: numbered()
            .flat_map(|(n, intent)| [created(n, intent), charged(n, intent)])
            .collect(),
        keys: (0..4)
            .map(|n| Key {
                key: keys::charge(id(n)),
                fingerprint: 7,
            })
            .collect(),
        sends: (0..4).map(|n| send(n, Some(200))).collect(),
    }
}

fn send(n: u32, status: Option<u16>) -> Send {
    Send {
        at_ms: ACCEPTED_MS + 5,
        key: keys::charge(id(n)),
        status,
    }
}

fn stored(facts: &mut Facts, n: u32) -> &mut Stored {
    facts.stored.get_mut(&id(n)).unwrap()
}

fn ended(facts: &mut Facts, n: u32) -> &mut Ended {
    stored(facts, n).ended.as_mut().unwrap()
}

fn forget_outcomes_of(facts: &mut Facts, n: u32) {
    facts.told.retain(|event| event.donation_id != id(n));
}

/// The promises that are broken at rest once the sound facts are doctored.
fn check(doctor: impl FnOnce(&mut Facts), expected: &[&str]) {
    named(broken_at_rest, doctor, expected);
}

/// The same, at any moment.
fn check_now(doctor: impl FnOnce(&mut Facts), expected: &[&str]) {
    named(broken, doctor, expected);
}

#[track_caller]
fn named(judge: fn(&Facts) -> Vec<Broken>, doctor: impl FnOnce(&mut Facts), expected: &[&str]) {
    let mut facts = sound();
    doctor(&mut facts);
    let found = judge(&facts);
    let promises: BTreeSet<_> = found.iter().map(|broken| broken.promise).collect();
    let expected: BTreeSet<_> = expected.iter().copied().collect();
    assert_eq!(promises, expected, "{found:#?}");
}

#[test]
fn sound_facts_break_nothing() {
    check(|_| {}, &[]);
}

#[test]
fn a_donation_is_missing() {
    let lose = |facts: &mut Facts| {
        facts.stored.remove(&id(1));
        forget_outcomes_of(facts, 1);
        facts.journal.retain(|did| did.donation_id != Some(id(1)));
        let less = BTreeMap::from([("EUR".to_owned(), 3 * AMOUNT)]);
        (facts.movements_minor, facts.days_minor) = (less.clone(), less);
    };
    check_now(lose, &["I1"]);
}

#[test]
fn an_offset_is_committed_without_a_fate() {
    let open = |facts: &mut Facts| {
        forget_outcomes_of(facts, 3);
        stored(facts, 3).is_pending = false;
    };
    check_now(open, &["I1"]);
    // Pending, it would be the store's.
    let pending = |facts: &mut Facts| {
        forget_outcomes_of(facts, 3);
        stored(facts, 3).is_pending = true;
    };
    check_now(pending, &[]);
    check(pending, &["I1", "I9"]);
    // So would a user's answer to a question.
    let confirmed = |facts: &mut Facts| {
        facts.asked.insert(place(4), None);
        facts.committed.insert(0, 3);
        stored(facts, 3).answered_by = Some(place(4));
    };
    check_now(confirmed, &["I1"]);
    let pending = |facts: &mut Facts| {
        confirmed(facts);
        stored(facts, 3).is_pending = true;
    };
    check_now(pending, &[]);
}

#[test]
fn a_request_is_not_committed_in_the_end() {
    let less = BTreeMap::from([(0, 2), (1, 1)]);
    check(|facts| facts.committed = less, &["I1"]);
}

#[test]
fn a_donation_is_charged_twice() {
    let again = [created(1, "pi_9"), charged(1, "pi_9")];
    check_now(|facts| facts.journal.extend(again), &["I2", "I3", "I6"]);
    let same_intent = charged(1, "pi_1");
    check_now(|facts| facts.journal.push(same_intent), &["I2", "I7"]);
}

#[test]
fn a_surplus_that_was_given_back_is_no_double_charge() {
    let mut later = created(1, "pi_9");
    later.key = Some(keys::intent(id(1), 1));
    let refunded = did(1, "pi_1", What::Refunded { amount: AMOUNT });
    let adopt = |facts: &mut Facts| {
        facts.journal.extend([later, refunded, charged(1, "pi_9")]);
        ended(facts, 1).charged_by = Some("pi_9".to_owned());
    };
    check(adopt, &[]);
}

#[test]
fn a_key_is_made_up_or_used_for_two_bodies() {
    let made_up = Key {
        key: "6f0b5c0e-random".to_owned(),
        fingerprint: 7,
    };
    check_now(|facts| facts.keys.push(made_up), &["I3"]);
    let of_a_process = Key {
        key: format!("{}:charge:4711", id(1)),
        fingerprint: 7,
    };
    check_now(|facts| facts.keys.push(of_a_process), &["I3"]);
    let of_nobody = Key {
        key: keys::charge(id(99)),
        fingerprint: 7,
    };
    check_now(|facts| facts.keys.push(of_nobody), &["I3"]);
    let other_body = Key {
        key: keys::charge(id(1)),
        fingerprint: 8,
    };
    check_now(|facts| facts.keys.push(other_body), &["I3"]);
}

#[test]
fn an_intent_asks_for_another_amount() {
    let more = |facts: &mut Facts| {
        for did in facts.journal.iter_mut().filter(|it| it.intent == "pi_0") {
            match &mut did.what {
                What::Created { amount, .. } | What::Charged { amount } => *amount += 1,
                _ => {}
            }
        }
    };
    check_now(more, &["I3", "I7"]);
}

#[test]
fn the_gateway_knows_what_was_not_accepted_or_only_later() {
    let lose = |facts: &mut Facts| {
        facts.stored.remove(&id(2));
        facts.committed.insert(0, 1);
        forget_outcomes_of(facts, 2);
        let less = BTreeMap::from([("EUR".to_owned(), 3 * AMOUNT)]);
        (facts.movements_minor, facts.days_minor) = (less.clone(), less);
    };
    check_now(lose, &["I4"]);
    let late = |facts: &mut Facts| stored(facts, 2).accepted_at_ms = ACCEPTED_MS + 6;
    check_now(late, &["I4"]);
}

#[test]
fn it_is_charged_again_while_the_first_try_is_unknown() {
    let mut second = created(1, "pi_9");
    second.key = Some(keys::intent(id(1), 1));
    let again = |facts: &mut Facts| {
        facts.journal.retain(|it| *it != charged(1, "pi_1"));
        facts.journal.extend([second, charged(1, "pi_9")]);
        ended(facts, 1).charged_by = Some("pi_9".to_owned());
    };
    check_now(again, &["I6"]);
}

#[test]
fn it_was_told_failed_and_is_charged() {
    let fail = |facts: &mut Facts| {
        facts.told[0] = event(0, 1, "donation.failed");
        let ended = ended(facts, 0);
        ended.event_type = "donation.failed".to_owned();
        ended.charged_by = None;
        let less = BTreeMap::from([("EUR".to_owned(), 3 * AMOUNT)]);
        (facts.movements_minor, facts.days_minor) = (less.clone(), less);
    };
    check(fail, &["I6", "I7"]);
}

#[test]
fn the_ledger_is_off_by_a_cent() {
    let off = |sums: &mut BTreeMap<String, i64>| *sums.get_mut("EUR").unwrap() += 1;
    check_now(|facts| off(&mut facts.days_minor), &["I7"]);
    check_now(|facts| off(&mut facts.movements_minor), &["I7"]);
    check_now(|facts| stored(facts, 1).amount_minor += 1, &["I7"]);
}

#[test]
fn a_charge_is_not_booked_and_a_booking_not_charged() {
    let not_booked = |facts: &mut Facts| {
        stored(facts, 1).ended = None;
        stored(facts, 1).is_pending = true;
        forget_outcomes_of(facts, 1);
        let less = BTreeMap::from([("EUR".to_owned(), 3 * AMOUNT)]);
        (facts.movements_minor, facts.days_minor) = (less.clone(), less);
    };
    check_now(not_booked, &[]); // it is still in flight
    check(not_booked, &["I1", "I7"]);
    let not_charged = |facts: &mut Facts| facts.journal.retain(|it| *it != charged(1, "pi_1"));
    check_now(not_charged, &["I7"]);
}

#[test]
fn a_charge_has_no_outcome() {
    let untold = |facts: &mut Facts| facts.told.retain(|it| it.sequence != Some(2));
    check(untold, &["I9"]);
}

#[test]
fn an_outcome_is_told_twice_with_other_content() {
    let mut other = event(3, 1, "donation.succeeded");
    other.place.offset += 1;
    let equal = other.clone();
    check(|facts| facts.told.push(equal), &[]);
    other.content.push('!');
    check_now(|facts| facts.told.push(other), &["I9"]);
}

#[test]
fn a_sequence_has_a_gap_or_an_id_of_its_own() {
    let gap = |facts: &mut Facts| {
        forget_outcomes_of(facts, 2);
        facts.told.push(event(2, 2, "donation.succeeded"));
    };
    check_now(gap, &["I9"]);
    let swapped = |facts: &mut Facts| facts.told.swap(2, 3);
    check_now(swapped, &["I9"]);
    let own_id = |facts: &mut Facts| facts.told[0].event_id = keys::event_id(id(0), 5);
    check_now(own_id, &["I9"]);
}

#[test]
fn what_was_told_is_not_what_is_recorded() {
    let other = |facts: &mut Facts| facts.told[0].event_type = "donation.failed".to_owned();
    check_now(other, &["I9"]);
    let forgotten = |facts: &mut Facts| ended(facts, 2).sequence = 1;
    check_now(forgotten, &["I9"]);
}

#[test]
fn two_instances_charge_one_donation_each_under_a_key_of_its_own() {
    let mut others = created(1, "pi_9");
    others.key = Some(keys::intent(id(1), 1));
    let both = |facts: &mut Facts| facts.journal.extend([others, charged(1, "pi_9")]);
    check_now(both, &["I2", "I6"]);
}

#[test]
fn a_send_that_had_its_answer_is_repeated() {
    let check = |more: &[Send], expected: usize| {
        let mut facts = sound();
        facts.sends.extend_from_slice(more);
        assert_eq!(facts.repeats().len(), expected, "{more:?}");
    };
    check(&[], 0);
    check(&[send(1, Some(200))], 1);
    check(&[send(9, Some(402)), send(9, Some(402))], 1);
    // Who heard nothing, or that it is not over, asks again.
    check(
        &[
            send(9, None),
            send(9, Some(500)),
            send(9, Some(429)),
            send(9, Some(409)),
            send(9, Some(200)),
        ],
        0,
    );
}
