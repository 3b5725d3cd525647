//! Fields that are missing, of another kind, or beyond their limits.

use super::{Fate, Table, dead, rejected};
use crate::support::Fields;

/// MessagePack of nil, true, 7.5, an empty array and an empty map.
const NIL: &[u8] = &[0xc0];
const TRUE: &[u8] = &[0xc3];
const FLOAT: &[u8] = &[0xcb, 0x40, 0x1e, 0, 0, 0, 0, 0, 0];
const ARRAY: &[u8] = &[0x90];

pub fn rows(table: &mut Table) {
    identity(table);
    missing(table);
    mistyped(table);
    limits(table);
    types(table);
}

fn identity(table: &mut Table) {
    let nobody = |why: &str| dead("almoner.no_identity", why);
    table.field(
        "no id",
        |it| it.without("id"),
        nobody("id is missing; send a UUID as text or 16 bytes"),
    );
    table.field(
        "a nil id",
        |it| it.raw("id", NIL),
        nobody("id is missing; send a UUID as text or 16 bytes"),
    );
    table.field(
        "an id that is no UUID",
        |it| it.text("id", "donation-7"),
        nobody("id is not a UUID; send it as text or as 16 bytes"),
    );
    table.field(
        "an id of 15 bytes",
        |it| it.raw("id", &[&[0xc4, 15][..], &[7; 15]].concat()),
        nobody("id is not a UUID; send it as text or as 16 bytes"),
    );
    table.field(
        "an id that is a number",
        |it| it.uint("id", 7),
        nobody("id is a number; send a UUID as text or 16 bytes"),
    );
    let id = 0x7000_u128 + u128::from(table.number());
    table.field(
        "an id of 16 bytes",
        |it| it.raw("id", &[&[0xc4, 16][..], &id.to_be_bytes()].concat()),
        Fate::Succeeded,
    );
    table.record(
        "no user_id",
        |post| post.value = Some(Fields::donate(1, "u").without("user_id").bytes()),
        nobody("user_id is missing"),
    );
    for (name, user) in [
        ("an empty user_id", String::new()),
        ("a user_id with a space", "user 7".to_owned()),
        ("a user_id of 65 characters", "u".repeat(65)),
    ] {
        table.record(
            name,
            |post| {
                post.value = Some(Fields::donate(1, &user).bytes());
                post.key = Some(user.into_bytes());
            },
            nobody("user_id is not 1 to 64 characters of A–Z a–z 0–9 _ - . :"),
        );
    }
    let longest = super::user_in(table.number() % 4, &"u".repeat(60));
    let longest = format!("{longest:u<64}");
    let number = table.number();
    table.record(
        "a user_id of 64 characters",
        |post| {
            *post = Fields::donate(number, &longest).post();
        },
        Fate::Succeeded,
    );
}

fn missing(table: &mut Table) {
    let amount =
        "send the amount in the currency's minor unit, more than 0 and at most 9007199254740991";
    for (field, sentence) in [
        ("campaign_id", "campaign_id is missing".to_owned()),
        ("amount_minor", format!("amount_minor is missing; {amount}")),
        ("currency", "currency is missing".to_owned()),
        ("payment_method", "payment_method is missing".to_owned()),
    ] {
        let fate = rejected(field, &sentence);
        table.field("a field is missing", |it| it.without(field), fate.clone());
        table.field("a field is nil", |it| it.raw(field, NIL), fate);
    }
    table.field(
        "no type is donate",
        |it| it.without("type"),
        Fate::Succeeded,
    );
}

fn mistyped(table: &mut Table) {
    for (field, value, sentence) in [
        ("type", FLOAT, "type is a float; send text"),
        ("campaign_id", ARRAY, "campaign_id is an array; send text"),
        ("currency", TRUE, "currency is a boolean; send text"),
        (
            "payment_method",
            ARRAY,
            "payment_method is an array; send text",
        ),
        (
            "gateway_customer",
            TRUE,
            "gateway_customer is a boolean; send text",
        ),
        (
            "created_at_ms",
            FLOAT,
            "created_at_ms is a float; send an integer",
        ),
        ("message", ARRAY, "message is an array; send text"),
        ("anonymous", &[1], "anonymous is a number; send a boolean"),
        (
            "receipt_email",
            TRUE,
            "receipt_email is a boolean; send text",
        ),
        (
            "metadata",
            ARRAY,
            "metadata is an array; send a map of text to text",
        ),
        (
            "metadata",
            &[0x81, 1, 0xa1, b'x'],
            "metadata has a key that is a number; send text",
        ),
        (
            "metadata",
            &[0x81, 0xa1, b'x', 1],
            "metadata has a value that is a number; send text",
        ),
    ] {
        table.field(
            "another kind",
            |it| it.raw(field, value),
            rejected(field, sentence),
        );
    }
}

fn limits(table: &mut Table) {
    let not_a_name = "campaign_id is not 1 to 64 characters of A–Z a–z 0–9 _ - . :";
    let mut text = |field: &'static str, most: String, beyond: String, sentence: &str| {
        table.field("at its limit", |it| it.text(field, &most), Fate::Succeeded);
        table.field(
            "beyond it",
            |it| it.text(field, &beyond),
            rejected(field, sentence),
        );
    };
    text("campaign_id", "c".repeat(64), "c".repeat(65), not_a_name);
    text(
        "payment_method",
        format!("pm_{}", "x".repeat(252)),
        format!("pm_{}", "x".repeat(253)),
        "payment_method is not a token of the gateway's, like pm_…, of at most 255 letters, digits and _",
    );
    text(
        "gateway_customer",
        format!("cus_{}", "x".repeat(251)),
        format!("cus_{}", "x".repeat(252)),
        "gateway_customer is not a customer of the gateway's, cus_…; leave it out where the token is saved to none",
    );
    text(
        "message",
        "💚".repeat(500),
        "💚".repeat(501),
        "message has more than 500 characters",
    );
    text(
        "receipt_email",
        format!("{}@example.org", "x".repeat(242)),
        format!("{}@example.org", "x".repeat(243)),
        "receipt_email is not a mail address of at most 254 characters",
    );
    metadata_limits(table);
    for (name, campaign) in [
        ("an empty campaign", ""),
        ("a campaign's path", "../campaign-1"),
    ] {
        table.field(
            name,
            |it| it.text("campaign_id", campaign),
            rejected("campaign_id", not_a_name),
        );
    }
    for created_at_ms in [i64::MIN, i64::MAX] {
        table.field(
            "a client's clock far off",
            |it| it.int("created_at_ms", created_at_ms),
            Fate::Succeeded,
        );
    }
    table.field(
        "a client's clock beyond 64 bits with a sign",
        |it| it.uint("created_at_ms", u64::MAX),
        rejected(
            "created_at_ms",
            "created_at_ms is more than 64 bits with a sign hold",
        ),
    );
}

fn metadata_limits(table: &mut Table) {
    let keys: Vec<_> = (0..21).map(|n| format!("key-{n}")).collect();
    let entries: Vec<_> = keys.iter().map(|key| (key.as_str(), "value")).collect();
    let (key, value) = ("k".repeat(41), "v".repeat(501));
    let mut row = |most: &[(&str, &str)], beyond: &[(&str, &str)], sentence: &str| {
        table.field(
            "at its limit",
            |it| it.texts("metadata", most),
            Fate::Succeeded,
        );
        table.field(
            "beyond it",
            |it| it.texts("metadata", beyond),
            rejected("metadata", sentence),
        );
    };
    row(
        &entries[..20],
        &entries,
        "metadata has more than 20 entries",
    );
    row(
        &[(&key[..40], "v")],
        &[(&key, "v")],
        "metadata has a key of more than 40 characters",
    );
    row(
        &[("k", &value[..500])],
        &[("k", &value)],
        "metadata has a value of more than 500 characters",
    );
    row(
        &[],
        &[("k", "1"), ("k", "2")],
        "metadata has the same key twice",
    );
}

fn types(table: &mut Table) {
    for request_type in ["refund", "tip", "DONATE", "", "donate "] {
        table.field(
            "a type that is not known",
            |it| it.text("type", request_type),
            rejected(
                "type",
                "type is not known here; send donate or confirm or cancel",
            ),
        );
    }
}
