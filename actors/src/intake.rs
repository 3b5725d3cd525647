//! From bytes to work: a record is decoded and checked on the consumer's thread, and handed to its shard's router in
//! batches. What cannot be done is classified here, so that the router only carries it out.

use std::fmt::Write as _;
use std::sync::Arc;

use actix::prelude::Addr;
use almoner_domain::dead_letter::{self, DeadLetter};
use almoner_domain::donation::{Donation, Trace};
use almoner_domain::ids::{Place, Shard, UserId};
use almoner_domain::outcome::Rejection;
use almoner_domain::request::{self, HoldAnswer, Record, Refusal, Request};

use crate::lease::Lease;
use crate::ports::{Forward, RawRecord, TimestampType};
use crate::router::Router;
use crate::world::{Settings, World};

mod assignment;
mod forwarded;

pub use assignment::ShardIntake;
pub use forwarded::FORWARDED;

/// The body version of a donation that the gateway cannot express: it is refused before anything is sent.
pub const INEXPRESSIBLE: u16 = 0;

/// One record, read and checked.
#[derive(Clone, Debug)]
pub struct Incoming {
    /// Its offset in its shard's log, of which the watermark is made. The places below are where the record stood
    /// first, if it was forwarded.
    pub offset: i64,
    /// Its timestamp: stream time.
    pub stream_ms: i64,
    /// What it asks for.
    pub asked: Asked,
}

/// What a record asks for.
#[derive(Clone, Debug)]
pub enum Asked {
    /// A donation.
    Donate(Arc<Donation>),
    /// An answer to a hold.
    AnswerHold {
        /// Which, and who.
        hold: HoldAnswer,
        /// Confirmed, or cancelled.
        confirmed: bool,
        /// Where it stands.
        place: Place,
        /// Its record time.
        recorded_at_ms: i64,
    },
    /// Nothing that can be done.
    Rejected {
        /// Why.
        rejection: Box<Rejection>,
        /// Where it stands.
        place: Place,
        /// Its trace headers.
        trace: Option<Arc<Trace>>,
    },
    /// Nothing that can be read.
    Dead(Box<DeadLetter>),
    /// It belongs to another shard.
    Elsewhere(Box<Forward>),
}

impl Incoming {
    /// The record as a dead letter, as far as it can be rebuilt; `None` for one of which only its refusal is known.
    #[must_use]
    pub fn as_dead_letter(&self, world: &World, detail: &str) -> Option<DeadLetter> {
        match &self.asked {
            Asked::Donate(donation) => Some(quarantined(world, donation, detail)),
            Asked::AnswerHold {
                hold,
                confirmed,
                place,
                recorded_at_ms,
            } => {
                let request = hold_request(hold.clone(), *confirmed);
                Some(requeued(world, &request, place, *recorded_at_ms, detail))
            }
            Asked::Dead(letter) => Some((**letter).clone()),
            Asked::Rejected { .. } | Asked::Elsewhere(_) => None,
        }
    }
}

/// A donation that was never accepted, as a dead letter.
#[must_use]
pub fn quarantined(world: &World, donation: &Donation, detail: &str) -> DeadLetter {
    let request = Request::Donate(donation.request.clone());
    let recorded_at_ms = donation.recorded_at_ms;
    requeued(world, &request, &donation.place, recorded_at_ms, detail)
}

/// The same dead letter for the record at this place, which asks for the same.
pub(crate) fn at(place: Place, letter: DeadLetter) -> DeadLetter {
    DeadLetter {
        topic: (*place.topic).into(),
        partition: wire_partition(place.partition),
        offset: place.offset,
        ..letter
    }
}

/// An answer to a hold, as it was asked for.
pub(crate) fn hold_request(hold: HoldAnswer, confirmed: bool) -> Request {
    if confirmed {
        Request::Confirm(hold)
    } else {
        Request::Cancel(hold)
    }
}

/// A request that an actor crashes on, as a dead letter: what was read of it is written again.
pub(crate) fn requeued(
    world: &World,
    request: &Request,
    place: &Place,
    recorded_at_ms: i64,
    detail: &str,
) -> DeadLetter {
    DeadLetter {
        key: Some(request.user_id().as_str().into()),
        value: Some(request::encode(request)),
        headers: Vec::new(),
        topic: (*place.topic).into(),
        partition: wire_partition(place.partition),
        offset: place.offset,
        timestamp_ms: recorded_at_ms,
        timestamp_type: dead_letter::TimestampType::LogAppendTime,
        group: (*world.settings.group_id).into(),
        reason: dead_letter::Reason::Quarantined,
        detail: detail.into(),
        attempts: 1,
        first_failure_ms: world.clock.wall_ms(),
    }
}

/// Reads one record for the shard that read it.
#[must_use]
pub fn read(world: &World, topic: &Arc<str>, raw: &RawRecord<'_>) -> Incoming {
    let arrived_ms = world.clock.wall_ms();
    let stream_ms = match raw.timestamp_type {
        TimestampType::LogAppendTime => raw.timestamp_ms,
        TimestampType::CreateTime | TimestampType::Missing => arrived_ms,
    };
    let asked = classify(world, topic, raw, stream_ms, arrived_ms);
    Incoming {
        offset: raw.offset,
        stream_ms,
        asked,
    }
}

fn classify(
    world: &World,
    topic: &Arc<str>,
    raw: &RawRecord<'_>,
    stream_ms: i64,
    arrived_ms: i64,
) -> Asked {
    let settings = &world.settings;
    let here = Place {
        topic: Arc::clone(topic),
        partition: raw.shard.0,
        offset: raw.offset,
    };
    let first_place = forwarded::first_place(raw, topic, settings.partitions);
    let schema_version = (raw.headers.iter()).find(|(name, _)| *name == "schema-version");
    let record = Record {
        key: raw.key,
        value: raw.value.unwrap_or_default(),
        schema_version: schema_version.and_then(|(_, value)| *value),
    };
    let request = match request::decode(&record, &settings.requests) {
        Ok(request) => request,
        Err(Refusal::Rejected(rejection)) => {
            // Nothing is forwarded to where it does not belong: then the header is not ours.
            let first_place =
                first_place.filter(|_| owner(settings, &rejection.user_id) == raw.shard);
            return Asked::Rejected {
                rejection: Box::new(rejection),
                place: first_place.unwrap_or(here),
                trace: trace(raw),
            };
        }
        Err(Refusal::DeadLetter { reason, detail }) => {
            let place = first_place.unwrap_or(here);
            return Asked::Dead(dead(world, raw, &place, reason, detail));
        }
    };
    let owner = owner(settings, request.user_id());
    match first_place {
        Some(place) if owner != raw.shard => {
            let reason = dead_letter::Reason::Misplaced;
            let detail = format!("it was forwarded once, and belongs to partition {owner} still");
            Asked::Dead(dead(world, raw, &place, reason, detail))
        }
        None if owner != raw.shard => {
            Asked::Elsewhere(Box::new(forwarded::forward(raw, &here, owner)))
        }
        first_place => {
            let place = first_place.unwrap_or(here);
            asked_for(world, request, raw, place, stream_ms, arrived_ms)
        }
    }
}

/// The shard that a user's requests belong to.
fn owner(settings: &Settings, user_id: &UserId) -> Shard {
    let key = user_id.as_str().as_bytes();
    Shard(settings.partitioner.partition(key, settings.partitions))
}

fn asked_for(
    world: &World,
    request: Request,
    raw: &RawRecord<'_>,
    place: Place,
    stream_ms: i64,
    arrived_ms: i64,
) -> Asked {
    let (hold, confirmed) = match request {
        Request::Donate(request) => {
            return Asked::Donate(Arc::new(Donation {
                body_version: world.gateway.freeze(&request).unwrap_or(INEXPRESSIBLE),
                request,
                place,
                shard_offset: raw.offset,
                recorded_at_ms: stream_ms,
                accepted_at_ms: arrived_ms,
                trace: trace(raw),
            }));
        }
        Request::Confirm(hold) => (hold, true),
        Request::Cancel(hold) => (hold, false),
    };
    Asked::AnswerHold {
        hold,
        confirmed,
        place,
        recorded_at_ms: stream_ms,
    }
}

fn trace(raw: &RawRecord<'_>) -> Option<Arc<Trace>> {
    let text = |name: &str| {
        let (_, value) = raw.headers.iter().find(|(n, _)| *n == name)?;
        std::str::from_utf8((*value)?).ok().map(Box::from)
    };
    if raw.headers.is_empty() {
        return None;
    }
    let trace = Trace {
        traceparent: text("traceparent"),
        correlation_id: text("correlation-id"),
    };
    (trace != Trace::default()).then(|| Arc::new(trace))
}

/// The record as a dead letter that names the record's place; its detail says where a forwarded one was read.
fn dead(
    world: &World,
    raw: &RawRecord<'_>,
    place: &Place,
    reason: dead_letter::Reason,
    mut detail: String,
) -> Box<DeadLetter> {
    let (partition, offset) = (raw.shard.0, raw.offset);
    if (place.partition, place.offset) != (partition, offset) {
        let _ = write!(
            detail,
            "; it was read in partition {partition} at offset {offset}"
        ); // a String takes it
    }
    let headers = raw.headers.iter();
    Box::new(DeadLetter {
        key: raw.key.map(Vec::from),
        value: raw.value.map(Vec::from),
        headers: headers
            .map(|(name, value)| (Box::from(*name), value.map(Vec::from)))
            .collect(),
        topic: (*place.topic).into(),
        partition: wire_partition(place.partition),
        offset: place.offset,
        timestamp_ms: raw.timestamp_ms,
        timestamp_type: match raw.timestamp_type {
            TimestampType::CreateTime => dead_letter::TimestampType::CreateTime,
            TimestampType::LogAppendTime => dead_letter::TimestampType::LogAppendTime,
            TimestampType::Missing => dead_letter::TimestampType::None,
        },
        group: (*world.settings.group_id).into(),
        reason,
        detail: detail.into_boxed_str(),
        attempts: 1,
        first_failure_ms: world.clock.wall_ms(),
    })
}

/// Kafka counts partitions in signed integers.
fn wire_partition(partition: u32) -> i32 {
    i32::try_from(partition).unwrap_or(i32::MAX)
}

/// One shard as the intake knows it.
struct Entry {
    router: Addr<Router>,
    lease: Arc<Lease>,
    batch: Vec<Incoming>,
}
