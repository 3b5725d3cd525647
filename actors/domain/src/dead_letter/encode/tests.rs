//! Headers as Spring Kafka reads them, and nothing that looks like a card number.

use super::*;
use crate::dead_letter::{Reason, TimestampType};

fn letter(key: &str, value: &[u8], headers: Vec<Header>) -> DeadLetter {
    DeadLetter {
        key: Some(key.into()),
        value: Some(value.into()),
        headers,
        topic: "donations.requests".into(),
        partition: 7,
        offset: 258,
        timestamp_ms: 1_790_000_000_000,
        timestamp_type: TimestampType::LogAppendTime,
        group: "almoner".into(),
        reason: Reason::Undecodable,
        detail: "the value is not MessagePack".into(),
        attempts: 2,
        first_failure_ms: 1_790_000_000_500,
    }
}

fn value<'a>(encoded: &'a Encoded, name: &str) -> Option<&'a [u8]> {
    let mut named = encoded
        .headers
        .iter()
        .rev()
        .filter(|(header, _)| **header == *name);
    named.next().and_then(|(_, value)| value.as_deref())
}

#[test]
fn headers_have_springs_names_and_encoding() {
    let encoded = letter(
        "u-1",
        b"\xc1",
        vec![("traceparent".into(), Some(b"00-1".to_vec()))],
    )
    .encode();
    assert_eq!(encoded.key.as_deref(), Some(&b"u-1"[..]));
    assert_eq!(encoded.value.as_deref(), Some(&b"\xc1"[..]));
    for (name, expected) in [
        ("traceparent", &b"00-1"[..]),
        ("kafka_dlt-original-topic", b"donations.requests"),
        ("kafka_dlt-original-partition", &[0, 0, 0, 7]),
        ("kafka_dlt-original-offset", &[0, 0, 0, 0, 0, 0, 1, 2]),
        (
            "kafka_dlt-original-timestamp",
            &1_790_000_000_000_i64.to_be_bytes(),
        ),
        ("kafka_dlt-original-timestamp-type", b"LogAppendTime"),
        ("kafka_dlt-original-consumer-group", b"almoner"),
        ("kafka_dlt-exception-fqcn", b"almoner.undecodable"),
        (
            "kafka_dlt-exception-message",
            b"the value is not MessagePack",
        ),
        ("almoner-attempts", b"2"),
        ("almoner-first-failure-ms", b"1790000000500"),
    ] {
        assert_eq!(value(&encoded, name), Some(expected), "{name}");
    }
    assert_eq!(value(&encoded, "almoner-masked"), None);
}

#[test]
fn card_numbers_are_masked_wherever_they_stand() {
    let header = |name: &str, value: &str| (name.into(), Some(value.as_bytes().to_vec()));
    for one in [
        letter("4111111111111111", b"\xc1", vec![]),
        letter("u-1", b"pan 4111111111111111", vec![]),
        letter("u-1", b"\xc1", vec![header("x", "4111111111111111")]),
        letter("u-1", b"\xc1", vec![header("4111111111111111", "x")]),
    ] {
        let encoded = one.encode();
        assert_eq!(value(&encoded, "almoner-masked"), Some(&b"true"[..]));
        let all: Vec<u8> = encoded
            .headers
            .into_iter()
            .flat_map(|(name, value)| {
                [name.as_bytes().to_vec(), value.unwrap_or_default()].concat()
            })
            .chain(encoded.key.unwrap_or_default())
            .chain(encoded.value.unwrap_or_default())
            .collect();
        assert!(!all.windows(4).any(|bytes| bytes == b"4111"));
    }
}

#[test]
fn every_reason_is_read_back() {
    for reason in Reason::ALL {
        assert_eq!(Reason::parse(reason.as_str()), Some(reason));
    }
    assert_eq!(Reason::parse("almoner.tired"), None);
}
