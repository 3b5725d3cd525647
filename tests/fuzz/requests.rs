//! A value of the requests topic: a request within its limits, a rejection that says why, or a dead letter.

use almoner_domain::dead_letter::{DeadLetter, TimestampType};
use almoner_domain::ids::{Place, UserId};
use almoner_domain::money::AMOUNT_MINOR_MAX;
use almoner_domain::outcome::{self, REQUEST_REJECTED, Rejection};
use almoner_domain::request::{Information, Record, Refusal, Request, Rules, decode, encode};

use super::bounds::within;
use super::cards::{check_letter, check_sentence};
use super::explore::{Fate, Target, fate, golden};
use super::mutate::Mutator;

/// A sound request.
const SOUND: &[(&str, &str)] = &[
    ("type", "donate"),
    ("id", "018f6b2e-5c1a-7abc-8def-0123456789ab"),
    ("user_id", "user_1"),
    ("campaign_id", "campaign:7"),
    ("amount_minor", "1250"),
    ("currency", "EUR"),
    ("payment_method", "pm_1"),
    ("gateway_customer", "cus_9"),
    ("created_at_ms", "1795262400000"),
    ("message", "for the bees"),
    ("anonymous", "true"),
    ("receipt_email", "ann@example.org"),
    ("metadata", "{}"),
];

const LIKELY: &[&str] = &[
    "018f6b2e-5c1a-7abc-8def-0123456789ab",
    "user_1",
    "campaign:7",
    "EUR",
    "JPY",
    "eur",
    "pm_1",
    "cus_9",
    "donate",
    "confirm",
    "cancel",
    "refund",
    "ann@example.org",
    "4242424242424242",
    "pm_4242424242424242",
    "é",
    "a b",
    "",
];

pub fn words() -> Vec<&'static [u8]> {
    let names = SOUND.iter().map(|(name, _)| name);
    names.chain(LIKELY).map(|text| text.as_bytes()).collect()
}

/// A sound request but for some fields.
pub fn invent(mutator: &mut Mutator) -> Vec<u8> {
    mutator.map(SOUND, LIKELY)
}

/// The fate of the value, under whatever key fits it.
fn target(value: &[u8]) -> Fate {
    let read = |key: Option<&[u8]>| {
        let record = Record {
            key,
            value,
            schema_version: None,
        };
        within(value.len(), || decode(&record, &Rules::default()))
    };
    let user_id = match read(None) {
        Ok(request) => panic!("taken without a key: {request:?}"),
        Err(Refusal::Rejected(rejection)) => rejection.user_id,
        Err(Refusal::DeadLetter { reason, detail }) => {
            check_letter(&letter(value, reason, &detail));
            return fate(&format!("dead {} {detail}", reason.as_str()));
        }
    };
    let key = Some(user_id.as_str().as_bytes());
    let judged = read(key);
    assert_eq!(judged, read(key), "another fate the second time");
    match judged {
        Ok(request) => {
            check_request(&request, &user_id);
            fate(&format!("taken {}", request.request_type().as_str()))
        }
        Err(Refusal::Rejected(rejection)) => {
            check_rejection(&rejection);
            fate(&format!("rejected {}", rejection.detail))
        }
        Err(dead @ Refusal::DeadLetter { .. }) => panic!("readable, and yet {dead:?}"),
    }
}

fn letter(value: &[u8], reason: almoner_domain::dead_letter::Reason, detail: &str) -> DeadLetter {
    DeadLetter {
        key: None,
        value: Some(value.to_vec()),
        headers: Vec::new(),
        topic: "donations.requests".into(),
        partition: 0,
        offset: 7,
        timestamp_ms: 0,
        timestamp_type: TimestampType::LogAppendTime,
        group: "almoner".into(),
        reason,
        detail: detail.into(),
        attempts: 1,
        first_failure_ms: 0,
    }
}

/// It is within its limits, and written again it is the same.
pub fn check_request(request: &Request, user_id: &UserId) {
    assert_eq!(request.user_id(), user_id);
    let again = encode(request);
    let record = Record {
        key: Some(user_id.as_str().as_bytes()),
        value: &again,
        schema_version: Some(b"1"),
    };
    assert_eq!(decode(&record, &Rules::default()).as_ref(), Ok(request));
    let Request::Donate(donation) = request else {
        return;
    };
    assert!((1..=AMOUNT_MINOR_MAX).contains(&donation.amount.amount_minor()));
    check_no_card(&donation.payment_method);
    check_no_card(donation.gateway_customer.as_deref().unwrap_or_default());
    if let Some(information) = &donation.information {
        check_information(information);
    }
}

fn check_information(information: &Information) {
    let message = information.message.as_deref().unwrap_or_default();
    assert!(message.chars().count() <= 500);
    check_no_card(message);
    check_no_card(information.receipt_email.as_deref().unwrap_or_default());
    assert!(information.metadata.len() <= 20);
    for (key, value) in &information.metadata {
        assert!(key.chars().count() <= 40 && value.chars().count() <= 500);
        check_no_card(key);
        check_no_card(value);
    }
}

fn check_no_card(text: &str) {
    assert!(
        !almoner_domain::card_number::contains_card_number(text),
        "{text}"
    );
}

/// It says why, and what is published of it can be read.
pub fn check_rejection(rejection: &Rejection) {
    check_sentence(&rejection.detail);
    check_sentence(&format!("type {}", rejection.request_type));
    assert!(rejection.request_type.chars().count() <= 32);
    let place = Place {
        topic: "donations.requests".into(),
        partition: 0,
        offset: 7,
    };
    let message = rejection.encode(1, &place, None);
    let view = outcome::decode(&message.value).unwrap();
    assert_eq!(view.event_type, REQUEST_REJECTED);
    assert_eq!(view.detail, Some(&*rejection.detail));
    assert_eq!(view.user_id, &*message.key);
}

pub fn requests() -> Target {
    Target {
        seeds: golden("request-"),
        words: words(),
        invent: Some(invent),
        inputs: 20_000,
        reaches: &[
            "taken donate",
            "taken confirm",
            "taken cancel",
            "dead almoner.undecodable",
            "dead almoner.trailing_bytes",
            "dead almoner.duplicate_field",
            "dead almoner.no_identity",
            "rejected amount_minor",
            "rejected currency",
            "rejected payment_method is a card number",
            "rejected campaign_id",
            "rejected gateway_customer",
            "rejected created_at_ms",
            "rejected message",
            "rejected anonymous",
            "rejected receipt_email",
            "rejected metadata",
            "rejected type",
        ],
        read: Box::new(target),
    }
}
