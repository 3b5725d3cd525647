//! The golden messages of `tests/contract/`: what is written today is, byte for byte, what was written before, and
//! what was written before can be read. `tests/contract/check.py` holds the same files against another MessagePack.
//!
//! A change of the contract is additive, and shows as a changed file: `ALMONER_GOLDEN=write cargo test -p
//! almoner-domain --test contract` rewrites all but those that Python writes.

#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic)]

#[path = "support/messages.rs"]
mod messages;
#[path = "support/node.rs"]
mod node;

use std::fs;
use std::path::PathBuf;

use almoner_domain::campaign::{self, CampaignChange};
use almoner_domain::outcome;
use almoner_domain::request::{self, Request, Rules};

use messages::Record;
use node::{Node, hex};

/// Written by `check.py`, in other encodings than ours: read here, never written.
const BY_PYTHON: &str = "request-donate-by-python";

fn path(name: &str, extension: &str) -> PathBuf {
    PathBuf::from(concat!(env!("CARGO_MANIFEST_DIR"), "/../../tests/contract"))
        .join(name)
        .with_extension(extension)
}

fn golden(name: &str) -> Vec<u8> {
    fs::read(path(name, "msgpack")).unwrap_or_else(|error| panic!("{name}: {error}"))
}

/// The record for a person: key, headers and value, in their order.
fn as_json(record: &Record) -> String {
    let text = |bytes: &[u8]| match std::str::from_utf8(bytes) {
        Ok(text) if !text.contains('\0') => Node::Text(text.into()),
        _ => hex(bytes),
    };
    let headers = record.headers.iter();
    let headers =
        headers.map(|(name, value)| Node::Array(vec![Node::Text(name.clone()), text(value)]));
    let json = Node::Map(vec![
        ("key".into(), text(&record.key)),
        ("headers".into(), Node::Array(headers.collect())),
        (
            "value".into(),
            rmp_serde::from_slice(&record.value).unwrap(),
        ),
    ]);
    serde_json::to_string_pretty(&json).unwrap() + "\n"
}

#[test]
fn what_is_written_is_what_was_written_before() {
    for record in messages::all() {
        let json = as_json(&record);
        if std::env::var("ALMONER_GOLDEN").is_ok_and(|mode| mode == "write") {
            fs::write(path(record.name, "msgpack"), &record.value).unwrap();
            fs::write(path(record.name, "json"), &json).unwrap();
        }
        assert_eq!(golden(record.name), record.value, "{}", record.name);
        assert_eq!(
            fs::read_to_string(path(record.name, "json")).unwrap(),
            json,
            "{}",
            record.name
        );
    }
}

#[test]
fn every_golden_file_is_checked() {
    let mut expected: Vec<_> = messages::all()
        .iter()
        .map(|record| record.name.to_owned())
        .collect();
    expected.push(BY_PYTHON.into());
    expected.sort();
    let mut found: Vec<_> = fs::read_dir(path("", ""))
        .unwrap()
        .map(|entry| entry.unwrap().path())
        .filter(|path| {
            path.extension()
                .is_some_and(|extension| extension == "msgpack")
        })
        .map(|path| path.file_stem().unwrap().to_str().unwrap().to_owned())
        .collect();
    found.sort();
    assert_eq!(found, expected);
}

fn read_request(name: &str, user_id: &str) -> Request {
    let record = request::Record {
        key: Some(user_id.as_bytes()),
        value: &golden(name),
        schema_version: Some(b"1"),
    };
    request::decode(&record, &Rules::default())
        .unwrap_or_else(|refusal| panic!("{name}: {refusal:?}"))
}

#[test]
fn what_was_written_is_read_and_written_back() {
    for record in messages::all() {
        let (name, key, value) = (record.name, Some(&record.key[..]), golden(record.name));
        match name.split_once('-').unwrap() {
            ("request", "rejected") => {
                let view = outcome::decode(&value).unwrap();
                assert!(view.is_rejection());
                assert_eq!(view.donation_id, messages::donation_id());
            }
            ("request", _) => assert_eq!(
                request::encode(&read_request(name, "user-42")),
                value,
                "{name}"
            ),
            ("campaign", _) => match campaign::decode(key, Some(&value), Some(b"1")).unwrap() {
                CampaignChange::Described(campaign) => {
                    assert_eq!(campaign.encode(), value, "{name}")
                }
                CampaignChange::Closed(_) => panic!("{name} is no tombstone"),
            },
            ("outcome", kind) => {
                let view = outcome::decode(&value).unwrap();
                assert_eq!(
                    view.event_type,
                    format!("donation.{}", kind.replace('-', "_"))
                );
                assert_eq!(view.donation_id, messages::donation_id());
            }
            ("dead", _) => assert!(!value.windows(4).any(|bytes| bytes == b"4111")),
            (other, _) => panic!("{other}: no such kind of message"),
        }
    }
}

#[test]
fn another_clients_encoding_means_the_same() {
    // The id as 16 bytes, no type, the fields in another order, wider integers, a field from the future.
    assert_ne!(golden(BY_PYTHON), golden("request-donate-full"));
    assert_eq!(
        read_request(BY_PYTHON, "user-42"),
        read_request("request-donate-full", "user-42")
    );
}
