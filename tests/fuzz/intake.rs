//! A whole record of the requests topic, its key, headers and timestamp too: the intake's judgement of it.
//!
//! An input is a frame around a value, so that one file of the corpus is one record: a byte of flags, the partition,
//! then the key and each header with a byte that says how long it is, then the value. Every input is one record.

use std::sync::Arc;

use almoner::app::settings_of;
use almoner::config::Config;
use almoner_actors::intake::{Asked, FORWARDED, Incoming, read};
use almoner_actors::memory::{FixedDice, MemoryGateway, MemoryOutcomes, MemorySource, MemoryStore};
use almoner_actors::ports::{Clock, Forward, Header, RawRecord, TimestampType};
use almoner_actors::telemetry::Telemetry;
use almoner_actors::watchers::Watchers;
use almoner_actors::world::{Credits, World};
use almoner_domain::ids::{Place, Shard, UserId};
use almoner_domain::request::{self, Record, Refusal, Request};

use super::bounds::within;
use super::cards::check_letter;
use super::explore::{Fate, Target, fate, golden};
use super::mutate::Mutator;
use super::requests::{check_rejection, check_request};

const TOPIC: &str = "donations.requests";
const PARTITIONS: u32 = 4;
const OFFSET: i64 = 41;
const STAMPED_MS: i64 = 1_795_262_400_000;
const NOW_MS: i64 = 1_795_262_405_000;

/// The key is the user that the value names, whatever the frame says: else hardly a record would be placed right.
const KEY_FITS: u8 = 1;
/// The partition is the key's.
const PLACE_FITS: u8 = 2;
const NO_KEY: u8 = 4;
const NO_VALUE: u8 = 8;
const CLIENT_CLOCK: u8 = 16;
const NO_CLOCK: u8 = 32;

const HEADERS: [&str; 5] = [
    "schema-version",
    FORWARDED,
    "traceparent",
    "correlation-id",
    "card 4242424242424242",
];

/// What is in a frame.
struct Framed<'a> {
    flags: u8,
    partition: u32,
    key: &'a [u8],
    headers: Vec<Header<'a>>,
    value: &'a [u8],
}

fn unframed(mut bytes: &[u8]) -> Framed<'_> {
    let flags = byte(&mut bytes);
    let partition = u32::from(byte(&mut bytes)) % PARTITIONS;
    let key = sized(&mut bytes);
    let count = byte(&mut bytes) % 5;
    let headers = (0..count).map(|_| {
        let name = HEADERS[usize::from(byte(&mut bytes)) % HEADERS.len()];
        (name, Some(sized(&mut bytes)))
    });
    let headers = headers.collect();
    Framed {
        flags,
        partition,
        key,
        headers,
        value: bytes,
    }
}

fn byte(bytes: &mut &[u8]) -> u8 {
    let Some((first, rest)) = bytes.split_first() else {
        return 0;
    };
    *bytes = rest;
    *first
}

fn sized<'a>(bytes: &mut &'a [u8]) -> &'a [u8] {
    let length = usize::from(byte(bytes)).min(bytes.len());
    let (taken, rest) = bytes.split_at(length);
    *bytes = rest;
    taken
}

fn framed(flags: u8, partition: u8, key: &[u8], headers: &[(u8, &[u8])], value: &[u8]) -> Vec<u8> {
    let mut bytes = vec![flags, partition, key.len() as u8];
    bytes.extend(key);
    bytes.push(headers.len() as u8);
    for (name, value) in headers {
        bytes.extend([*name, value.len() as u8]);
        bytes.extend(*value);
    }
    bytes.extend(value);
    bytes
}

fn world() -> Arc<World> {
    let clock: Arc<dyn Clock> = Arc::new(FixedClock);
    let settings = settings_of(&Config::default(), PARTITIONS);
    let (alarms, _) = tokio::sync::mpsc::unbounded_channel();
    Arc::new(World {
        store: Arc::new(MemoryStore::new()),
        gateway: Arc::new(MemoryGateway::new(Arc::clone(&clock))),
        outcomes: Arc::new(MemoryOutcomes::default()),
        source: Arc::new(MemorySource::default()),
        clock,
        dice: Arc::new(FixedDice(0.5)),
        credits: Credits::new(settings.in_flight_max),
        settings,
        watchers: Watchers::default(),
        telemetry: Telemetry::new(),
        alarms,
    })
}

fn user_of(value: &[u8]) -> Option<UserId> {
    let record = Record {
        key: None,
        value,
        schema_version: None,
    };
    match request::decode(&record, &request::Rules::default()) {
        Err(Refusal::Rejected(rejection)) => Some(rejection.user_id),
        _ => None,
    }
}

fn owner(world: &World, key: &[u8]) -> u32 {
    world.settings.partitioner.partition(key, PARTITIONS)
}

fn target(world: &World, topic: &Arc<str>, input: &[u8]) -> Fate {
    let framed = unframed(input);
    let user = user_of(framed.value).filter(|_| framed.flags & KEY_FITS != 0);
    let key = user
        .as_ref()
        .map_or(framed.key, |user| user.as_str().as_bytes());
    let partition = if framed.flags & PLACE_FITS != 0 {
        owner(world, key)
    } else {
        framed.partition
    };
    let raw = RawRecord {
        topic: TOPIC,
        shard: Shard(partition),
        offset: OFFSET,
        timestamp_ms: STAMPED_MS,
        timestamp_type: match framed.flags {
            flags if flags & CLIENT_CLOCK != 0 => TimestampType::CreateTime,
            flags if flags & NO_CLOCK != 0 => TimestampType::Missing,
            _ => TimestampType::LogAppendTime,
        },
        key: (framed.flags & NO_KEY == 0).then_some(key),
        value: (framed.flags & NO_VALUE == 0).then_some(framed.value),
        headers: framed.headers,
    };
    check_judged(world, topic, &raw, input.len())
}

/// The record has a fate, and the fate is the record's.
fn check_judged(world: &World, topic: &Arc<str>, raw: &RawRecord<'_>, input_bytes: usize) -> Fate {
    let incoming = within(input_bytes, || read(world, topic, raw));
    assert_eq!(incoming.offset, OFFSET);
    let is_stamped = raw.timestamp_type == TimestampType::LogAppendTime;
    assert_eq!(
        incoming.stream_ms,
        if is_stamped { STAMPED_MS } else { NOW_MS }
    );
    match &incoming.asked {
        Asked::Donate(donation) => {
            check_mine(world, raw, &donation.request.user_id, &donation.place);
            let request = Request::Donate(donation.request.clone());
            check_request(&request, &donation.request.user_id);
            check_quarantined(world, &incoming, &request);
            fate(&format!("donate, traced {}", donation.trace.is_some()))
        }
        Asked::AnswerHold {
            hold,
            confirmed,
            place,
            recorded_at_ms,
        } => {
            check_mine(world, raw, &hold.user_id, place);
            assert_eq!(*recorded_at_ms, incoming.stream_ms);
            let request = if *confirmed {
                Request::Confirm(hold.clone())
            } else {
                Request::Cancel(hold.clone())
            };
            check_request(&request, &hold.user_id);
            check_quarantined(world, &incoming, &request);
            fate(&format!("answer {confirmed}"))
        }
        Asked::Rejected {
            rejection, place, ..
        } => {
            check_rejection(rejection);
            check_place(raw, place);
            fate(&format!("rejected {}", rejection.detail))
        }
        Asked::Dead(letter) => {
            check_letter(letter);
            assert_eq!(
                (letter.key.as_deref(), letter.value.as_deref()),
                (raw.key, raw.value)
            );
            assert_eq!(letter.headers.len(), raw.headers.len());
            fate(&format!(
                "dead {} {}",
                letter.reason.as_str(),
                letter.detail
            ))
        }
        Asked::Elsewhere(forward) => {
            check_forward(world, topic, raw, forward);
            fate("elsewhere")
        }
    }
}

/// It is this shard's, and known by where it stood first: nowhere else in this shard.
fn check_mine(world: &World, raw: &RawRecord<'_>, user_id: &UserId, place: &Place) {
    assert_eq!(owner(world, user_id.as_str().as_bytes()), raw.shard.0);
    assert_eq!(raw.key, Some(user_id.as_str().as_bytes()));
    check_place(raw, place);
}

fn check_place(raw: &RawRecord<'_>, place: &Place) {
    assert!(place.partition < PARTITIONS && &*place.topic == TOPIC);
    let is_here = (place.partition, place.offset) == (raw.shard.0, raw.offset);
    let headers = raw
        .headers
        .iter()
        .filter(|(name, _)| *name == FORWARDED)
        .count();
    assert!(is_here || place.partition != raw.shard.0 && headers == 1);
}

/// Set aside, it asks for the same.
fn check_quarantined(world: &World, incoming: &Incoming, request: &Request) {
    let letter = incoming
        .as_dead_letter(world, "it crashed its actor")
        .unwrap();
    let record = Record {
        key: letter.key.as_deref(),
        value: letter.value.as_deref().unwrap(),
        schema_version: None,
    };
    assert_eq!(
        request::decode(&record, &world.settings.requests).as_ref(),
        Ok(request)
    );
    check_letter(&letter);
}

/// Where it is sent on to, it is taken, and known by where it stood here.
fn check_forward(world: &World, topic: &Arc<str>, raw: &RawRecord<'_>, forward: &Forward) {
    assert_ne!(forward.to, raw.shard);
    let there = RawRecord {
        shard: forward.to,
        offset: 99,
        key: forward.key.as_deref(),
        value: forward.value.as_deref(),
        headers: forward
            .headers
            .iter()
            .map(|(name, value)| (&**name, value.as_deref()))
            .collect(),
        ..raw.clone()
    };
    let place = match read(world, topic, &there).asked {
        Asked::Donate(donation) => donation.place.clone(),
        Asked::AnswerHold { place, .. } => place,
        other => panic!("sent on, and then {other:?}"),
    };
    assert_eq!((place.partition, place.offset), (raw.shard.0, OFFSET));
}

/// It is always the same time.
pub struct FixedClock;

impl Clock for FixedClock {
    fn wall_ms(&self) -> i64 {
        NOW_MS
    }

    fn boot_ms(&self) -> i64 {
        0
    }
}

fn invent(mutator: &mut Mutator) -> Vec<u8> {
    let fits = [0, KEY_FITS, KEY_FITS | PLACE_FITS, KEY_FITS | PLACE_FITS][mutator.below(4)];
    let flags = fits | [0, 0, NO_KEY, NO_VALUE, CLIENT_CLOCK, NO_CLOCK][mutator.below(6)];
    let places: [&[u8]; 6] = [
        b"donations.requests/0/7",
        b"donations.requests/3/0",
        b"donations.requests/9/1",
        b"other/1/1",
        b"1",
        b"2",
    ];
    let headers: Vec<(u8, &[u8])> = (0..mutator.below(4))
        .map(|_| (mutator.byte(), mutator.one(&places)))
        .collect();
    let value = super::requests::invent(mutator);
    framed(flags, mutator.byte(), b"user_1", &headers, &value)
}

pub fn records() -> Target {
    let world = world();
    let topic: Arc<str> = TOPIC.into();
    let right = KEY_FITS | PLACE_FITS;
    let seeds = golden("request-").into_iter().flat_map(|value| {
        // Sent on to where it does not belong, too.
        let again = (0..4_u8).map(|partition| {
            let place = format!("donations.requests/{}/7", (partition + 1) % 4);
            framed(KEY_FITS, partition, b"", &[(1, place.as_bytes())], &value)
        });
        let again: Vec<_> = again.collect();
        let forwarded: (u8, &[u8]) = (1, b"donations.requests/0/7");
        [
            framed(right, 0, b"", &[(0, b"1"), (3, b"c-1")], &value),
            framed(KEY_FITS, 0, b"", &[forwarded], &value),
            framed(KEY_FITS, 1, b"", &[], &value),
            framed(KEY_FITS, 2, b"", &[], &value),
            framed(right, 0, b"", &[(0, b"2")], &value),
            framed(
                right,
                0,
                b"",
                &[(0, b"1"), (1, b"4242424242424242")],
                &value[..value.len() / 2],
            ),
        ]
        .into_iter()
        .chain(again)
    });
    let mut words = super::requests::words();
    words.extend([
        &b"\x01\x16donations.requests/0/7"[..],
        b"donations.requests/1/2",
    ]);
    Target {
        seeds: seeds.collect(),
        words,
        invent: Some(invent),
        inputs: 20_000,
        reaches: &[
            "donate, traced false",
            "donate, traced true",
            "answer true",
            "answer false",
            "elsewhere",
            "rejected the record has no key",
            "rejected the record's key",
            "rejected amount_minor",
            "dead almoner.undecodable",
            "dead almoner.trailing_bytes",
            "dead almoner.duplicate_field",
            "dead almoner.schema_too_new",
            "dead almoner.no_identity",
            "dead almoner.misplaced",
        ],
        read: Box::new(move |input| target(&world, &topic, input)),
    }
}
