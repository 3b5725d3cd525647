//! What is taken, what is refused, and with which words.

mod properties;

use super::*;
use crate::dead_letter::Reason;
use crate::money::{AMOUNT_MINOR_MAX, Currency};
use crate::outcome::RejectionReason;
use crate::wire::MapWriter;

const ID: &str = "0190a5b2-7c3d-7e4f-8a5b-6c7d8e9f0a1b";
const CARD: &str = "4111111111111111";

/// Writes a message field by field, in whatever way a client might.
type Write<'a> = &'a dyn Fn(&mut MapWriter);

fn message(write: impl Fn(&mut MapWriter)) -> Vec<u8> {
    let mut map = MapWriter::with_capacity(64);
    write(&mut map);
    map.finish()
}

fn identity(map: &mut MapWriter) {
    map.text("id", ID);
    map.text("user_id", "u-1");
}

/// A valid donation but for what `write` writes in the place of the fields named in `without`.
fn donate(without: &[&str], write: Write<'_>) -> Vec<u8> {
    message(|map| {
        identity(map);
        for (name, value) in [
            ("campaign_id", "c-1"),
            ("currency", "EUR"),
            ("payment_method", "pm_1"),
        ] {
            if !without.contains(&name) {
                map.text(name, value);
            }
        }
        if !without.contains(&"amount_minor") {
            map.uint("amount_minor", 1250);
        }
        write(map);
    })
}

fn decode_value(value: &[u8]) -> Result<Request, Refusal> {
    let record = Record {
        key: Some(b"u-1"),
        value,
        schema_version: Some(b"1"),
    };
    decode(&record, &Rules::default())
}

fn donation(value: &[u8]) -> DonationRequest {
    match decode_value(value) {
        Ok(Request::Donate(donation)) => donation,
        other => panic!("{other:?}"),
    }
}

/// The record is rejected for this field, and the sentence says `says`.
#[track_caller]
fn check_rejected(record: &Record<'_>, rules: &Rules, field: Option<&str>, says: &str) {
    match decode(record, rules) {
        Err(Refusal::Rejected(rejection)) => {
            assert_eq!(rejection.field.as_deref(), field, "{rejection:?}");
            assert!(rejection.detail.contains(says), "{}", rejection.detail);
            assert!(!rejection.detail.contains(CARD), "{}", rejection.detail);
            assert_eq!(rejection.donation_id.to_string(), ID);
            assert_eq!(rejection.user_id.as_str(), "u-1");
            assert_eq!(rejection.reason, RejectionReason::InvalidRequest);
        }
        other => panic!("{field:?}: {other:?}"),
    }
}

#[track_caller]
fn check_field(value: &[u8], field: &str, says: &str) {
    let record = Record {
        key: Some(b"u-1"),
        value,
        schema_version: None,
    };
    check_rejected(&record, &Rules::default(), Some(field), says);
}

#[track_caller]
fn check_dead(value: &[u8], schema_version: Option<&[u8]>, expected: Reason, says: &str) {
    let record = Record {
        key: Some(b"u-1"),
        value,
        schema_version,
    };
    match decode(&record, &Rules::default()) {
        Err(Refusal::DeadLetter { reason, detail }) => {
            assert_eq!(reason, expected, "{detail}");
            assert!(detail.contains(says), "{detail}");
        }
        other => panic!("{other:?}"),
    }
}

#[test]
fn the_least_request_is_a_donation() {
    let request = donation(&donate(&[], &|_| {}));
    assert_eq!(request.id.to_string(), ID);
    assert_eq!(request.campaign_id.as_str(), "c-1");
    assert_eq!(
        request.amount,
        Money::new(1250, Currency::from_code("EUR").unwrap()).unwrap()
    );
    assert_eq!(request.information, None);
}

#[test]
fn ids_come_in_any_spelling_or_as_bytes() {
    let simple = ID.replace('-', "");
    for text in [
        ID,
        &ID.to_uppercase(),
        &simple,
        &format!("{{{ID}}}"),
        &format!("urn:uuid:{ID}"),
    ] {
        let value = message(|map| {
            map.text("type", "confirm");
            map.text("id", text);
            map.text("user_id", "u-1");
        });
        assert_eq!(decode_value(&value).unwrap().id().to_string(), ID, "{text}");
    }
    let mut value = vec![0x83, 0xa2, b'i', b'd', 0xc4, 16];
    value.extend(DonationId::parse(ID).unwrap().0);
    value.extend(
        [
            &[0xa7][..],
            b"user_id",
            &[0xa3],
            b"u-1",
            &[0xa4],
            b"type",
            &[0xa6],
            b"cancel",
        ]
        .concat(),
    );
    let Request::Cancel(answer) = decode_value(&value).unwrap() else {
        panic!()
    };
    assert_eq!(answer.id.to_string(), ID);
}

#[test]
fn unknown_fields_and_nils_are_skipped() {
    let value = donate(&[], &|map| {
        map.map("future", |inner| {
            inner.text("amount_minor", "no");
            inner.map("deeper", |inner| inner.uint("n", 1));
        });
        map.nil("message");
        map.nil("type");
        map.nil("metadata");
    });
    assert_eq!(donation(&value), donation(&donate(&[], &|_| {})));
}

#[test]
fn amounts_have_bounds_and_are_never_floats() {
    let amount = |write: Write<'_>, says| {
        check_field(&donate(&["amount_minor"], write), "amount_minor", says)
    };
    amount(
        &|_| {},
        "amount_minor is missing; send the amount in the currency's minor unit",
    );
    amount(
        &|map| map.uint("amount_minor", 0),
        "amount_minor is 0; send the amount in the currency's minor unit, more than 0 and at most 9007199254740991",
    );
    amount(
        &|map| map.uint("amount_minor", AMOUNT_MINOR_MAX + 1),
        "is too much",
    );
    amount(&|map| map.uint("amount_minor", u64::MAX), "is too much");
    amount(&|map| map.int("amount_minor", -5), "is negative");
    amount(
        &|map| map.float("amount_minor", 12.0),
        "is a float; send an integer",
    );
    amount(
        &|map| map.text("amount_minor", "12"),
        "is text; send an integer",
    );
    let most = donate(&["amount_minor"], &|map| {
        map.uint("amount_minor", AMOUNT_MINOR_MAX)
    });
    assert_eq!(donation(&most).amount.amount_minor(), AMOUNT_MINOR_MAX);
}

#[test]
fn every_text_field_has_its_limits() {
    let text = |name: &'static str, text: &str, says| {
        check_field(&donate(&[name], &|map| map.text(name, text)), name, says);
    };
    let long = "x".repeat(65);
    text("campaign_id", "", "1 to 64 characters");
    text("campaign_id", &long, "1 to 64 characters");
    text("campaign_id", "a b", "1 to 64 characters");
    text("currency", "eur", "send EUR");
    text("currency", "EURO", "not a currency of ISO 4217");
    text("currency", "XAU", "not a currency of ISO 4217");
    text("payment_method", CARD, "is a card number");
    text("payment_method", "4111 1111 1111 1111", "is a card number");
    text("payment_method", &format!("pm_{CARD}"), "is a card number");
    text("payment_method", "visa", "is not a token");
    text("payment_method", "pm_", "is not a token");
    text("payment_method", "pm_a-b", "is not a token");
    text(
        "payment_method",
        &format!("pm_{}", "a".repeat(253)),
        "is not a token",
    );
    text("gateway_customer", "pm_1", "cus_");
    text("message", &"é".repeat(501), "more than 500 characters");
    text("receipt_email", "nobody", "not a mail address");
    text(
        "receipt_email",
        &format!("{CARD}@example.org"),
        "not a mail address",
    );
    for name in ["campaign_id", "currency", "payment_method"] {
        check_field(&donate(&[name], &|_| {}), name, "is missing");
        check_field(
            &donate(&[name], &|map| map.uint(name, 7)),
            name,
            "is a number; send text",
        );
    }
    for name in ["gateway_customer", "message", "receipt_email"] {
        check_field(
            &donate(&[], &|map| map.uint(name, 7)),
            name,
            "is a number; send text",
        );
    }
    check_field(
        &donate(&[], &|map| map.text("anonymous", "yes")),
        "anonymous",
        "send a boolean",
    );
    check_field(
        &donate(&[], &|map| map.uint("created_at_ms", u64::MAX)),
        "created_at_ms",
        "64 bits",
    );
}

#[test]
fn metadata_is_a_small_map_of_text() {
    let entries = |count: usize, key: &str, value: &str| -> Vec<(Box<str>, Box<str>)> {
        (0..count)
            .map(|i| (format!("{key}{i}").into(), value.into()))
            .collect()
    };
    let metadata = |entries: &[(Box<str>, Box<str>)], says| {
        check_field(
            &donate(&[], &|map| map.texts("metadata", entries)),
            "metadata",
            says,
        );
    };
    metadata(&entries(21, "k", "v"), "more than 20 entries");
    metadata(&entries(1, &"k".repeat(40), "v"), "key of more than 40");
    metadata(&entries(1, "k", &"é".repeat(501)), "value of more than 500");
    metadata(
        &[entries(1, "k", "v"), entries(1, "k", "w")].concat(),
        "same key twice",
    );
    check_field(
        &donate(&[], &|map| map.map("metadata", |inner| inner.uint("k", 1))),
        "metadata",
        "a value that is a number; send text",
    );
    check_field(
        &donate(&[], &|map| map.text("metadata", "x")),
        "metadata",
        "send a map",
    );
    let most = entries(20, &"k".repeat(38), &"é".repeat(500));
    let request = donation(&donate(&[], &|map| map.texts("metadata", &most)));
    assert_eq!(request.information.unwrap().metadata, most);
}

#[test]
fn card_numbers_in_free_text_are_masked() {
    let value = donate(&[], &|map| {
        map.text("message", "my card is 4111 1111 1111 1111");
        map.texts(
            "metadata",
            &[("note".into(), CARD.into()), (CARD.into(), ID.into())],
        );
    });
    let information = donation(&value).information.unwrap();
    assert_eq!(
        information.message.as_deref(),
        Some("my card is **** **** **** ****")
    );
    let hidden: Box<str> = "*".repeat(16).into();
    assert_eq!(
        information.metadata,
        [("note".into(), hidden.clone()), (hidden, ID.into())]
    );
}

#[test]
fn the_records_key_is_its_user() {
    let value = donate(&[], &|_| {});
    for key in [None, Some(&b"u-2"[..]), Some(b""), Some(b"\xff")] {
        let record = Record {
            key,
            value: &value,
            schema_version: None,
        };
        check_rejected(&record, &Rules::default(), Some("key"), "send user_id");
    }
}

#[test]
fn types_that_are_not_taken_are_named_with_those_that_are() {
    let typed = |text: &str| {
        message(|map| {
            identity(map);
            map.text("type", text);
        })
    };
    check_field(&typed("refund"), "type", "send donate or confirm or cancel");
    check_field(&typed(CARD), "type", "is not known here");
    let Err(Refusal::Rejected(rejection)) = decode_value(&typed(CARD)) else {
        panic!()
    };
    assert_eq!(&*rejection.request_type, "****************");
    check_field(
        &message(|map| {
            identity(map);
            map.uint("type", 1);
        }),
        "type",
        "send text",
    );

    let rules = Rules {
        request_types_allowed: [RequestType::Confirm].into_iter().collect(),
        ..Rules::default()
    };
    let (absent, cancel) = (donate(&[], &|_| {}), typed("cancel"));
    for value in [&absent, &cancel] {
        let record = Record {
            key: Some(b"u-1"),
            value,
            schema_version: None,
        };
        check_rejected(
            &record,
            &rules,
            Some("type"),
            "is not taken here; send confirm",
        );
    }
}

#[test]
fn the_whole_value_has_a_limit_and_named_fields() {
    let value = donate(&[], &|map| map.text("future", &"x".repeat(1000)));
    let rules = Rules {
        value_bytes_max: 1000,
        ..Rules::default()
    };
    let record = Record {
        key: Some(b"u-1"),
        value: &value,
        schema_version: None,
    };
    check_rejected(&record, &rules, None, "send at most 1000");

    let mut unnamed = message(identity);
    unnamed[0] += 1;
    unnamed.extend([0x07, 0x07]);
    let record = Record {
        key: Some(b"u-1"),
        value: &unnamed,
        schema_version: None,
    };
    check_rejected(&record, &Rules::default(), None, "name is not text");
}

#[test]
fn what_nobody_can_be_told_about_is_a_dead_letter() {
    let good = donate(&[], &|_| {});
    let with = |write: Write<'_>| message(write);
    check_dead(&[], None, Reason::Undecodable, "empty");
    check_dead(&[0xc0], None, Reason::Undecodable, "not a map");
    check_dead(&[0x93, 1, 2, 3], None, Reason::Undecodable, "not a map");
    check_dead(b"{\"id\":1}", None, Reason::Undecodable, "not a map");
    check_dead(
        &good[..good.len() - 1],
        None,
        Reason::Undecodable,
        "middle of a value",
    );
    check_dead(
        &[&good[..], &[0]].concat(),
        None,
        Reason::TrailingBytes,
        "bytes left: 1",
    );
    check_dead(
        &[&good[..], &good].concat(),
        None,
        Reason::TrailingBytes,
        "send one message a record",
    );
    check_dead(
        &donate(&[], &|map| map.text("user_id", "u-1")),
        None,
        Reason::DuplicateField,
        "user_id stands there twice",
    );
    check_dead(
        &donate(&[], &|map| {
            map.nil("type");
            map.nil("type");
        }),
        None,
        Reason::DuplicateField,
        "type",
    );
    check_dead(
        &donate(&[], &|map| {
            map.nil("x");
            map.nil("y");
            map.nil("x");
        }),
        None,
        Reason::DuplicateField,
        "not known here",
    );
    check_dead(&good, Some(b"2"), Reason::SchemaTooNew, "above 1");
    check_dead(
        &good,
        Some(b"99999999999999999999"),
        Reason::SchemaTooNew,
        "above 1",
    );
    check_dead(&good, Some(b"one"), Reason::Undecodable, "schema-version");
    check_dead(&good, Some(b""), Reason::Undecodable, "schema-version");
    check_dead(
        &with(&|map| map.text("user_id", "u-1")),
        None,
        Reason::NoIdentity,
        "id is missing",
    );
    check_dead(
        &with(&|map| map.text("id", ID)),
        None,
        Reason::NoIdentity,
        "user_id is missing",
    );
    check_dead(
        &with(&|map| {
            map.text("id", "7");
            map.text("user_id", "u-1");
        }),
        None,
        Reason::NoIdentity,
        "not a UUID",
    );
    check_dead(
        &with(&|map| {
            map.uint("id", 7);
            map.text("user_id", "u-1");
        }),
        None,
        Reason::NoIdentity,
        "is a number",
    );
    check_dead(
        &with(&|map| {
            map.text("id", ID);
            map.text("user_id", "a b");
        }),
        None,
        Reason::NoIdentity,
        "user_id is not 1 to 64",
    );
    check_dead(
        &with(&|map| {
            map.text("id", ID);
            map.uint("user_id", 1);
        }),
        None,
        Reason::NoIdentity,
        "user_id is a number",
    );
}

#[test]
fn same_content_names_the_first_field_that_differs() {
    let first = donation(&donate(&[], &|_| {}));
    let check = |change: &dyn Fn(&mut DonationRequest), expected| {
        let mut other = first.clone();
        change(&mut other);
        assert_eq!(first.same_content(&other), expected);
        assert_eq!(other.same_content(&first), expected);
    };
    let eur = |amount| Money::new(amount, Currency::from_code("EUR").unwrap()).unwrap();
    check(&|_| {}, Ok(()));
    check(&|other| other.information = Some(Box::default()), Ok(()));
    check(
        &|other| other.user_id = UserId::parse("u-2").unwrap(),
        Err("user_id"),
    );
    check(
        &|other| other.campaign_id = CampaignId::parse("c-2").unwrap(),
        Err("campaign_id"),
    );
    check(&|other| other.amount = eur(1251), Err("amount_minor"));
    check(
        &|other| other.amount = Money::new(1250, Currency::from_code("USD").unwrap()).unwrap(),
        Err("currency"),
    );
    check(
        &|other| other.payment_method = "pm_2".into(),
        Err("payment_method"),
    );
    check(
        &|other| other.gateway_customer = Some("cus_1".into()),
        Err("gateway_customer"),
    );
    check(
        &|other| {
            other.payment_method = "pm_2".into();
            other.amount = eur(9);
        },
        Err("amount_minor"),
    );
}
