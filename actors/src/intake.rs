//! From bytes to work: a record is decoded and checked on the consumer's thread, and handed to its shard's router in
//! batches. What cannot be done is classified here, so that the router only carries it out.

use std::sync::Arc;

use actix::prelude::Addr;
use almoner_domain::dead_letter::{self, DeadLetter};
use almoner_domain::donation::{Donation, Trace};
use almoner_domain::ids::{Place, Shard};
use almoner_domain::outcome::Rejection;
use almoner_domain::request::{self, HoldAnswer, Record, Refusal, Request};

use crate::lease::Lease;
use crate::ports::{Forward, RawRecord, TimestampType};
use crate::router::Router;
use crate::world::World;

mod assignment;

pub use assignment::ShardIntake;

/// The body version of a donation that the gateway cannot express: it is refused before anything is sent.
pub const INEXPRESSIBLE: u16 = 0;

/// The header of a record that was read on another partition: `topic/partition/offset`.
pub const FORWARDED: &str = "almoner-forwarded";

/// One record, read and checked.
#[derive(Clone, Debug)]
pub struct Incoming {
    /// Its offset.
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
            Asked::Donate(donation) => Some(quarantined(world, donation, self.offset, detail)),
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

/// A donation that was never accepted, as a dead letter of the record at `offset`.
#[must_use]
pub fn quarantined(world: &World, donation: &Donation, offset: i64, detail: &str) -> DeadLetter {
    let request = Request::Donate(donation.request.clone());
    let place = Place {
        offset,
        ..donation.place.clone()
    };
    requeued(world, &request, &place, donation.recorded_at_ms, detail)
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
    let place = Place {
        topic: Arc::clone(topic),
        partition: raw.shard.0,
        offset: raw.offset,
    };
    let arrived_ms = world.clock.wall_ms();
    let stream_ms = match raw.timestamp_type {
        TimestampType::LogAppendTime => raw.timestamp_ms,
        TimestampType::CreateTime | TimestampType::Missing => arrived_ms,
    };
    let asked = classify(world, raw, place, stream_ms, arrived_ms);
    Incoming {
        offset: raw.offset,
        stream_ms,
        asked,
    }
}

fn classify(
    world: &World,
    raw: &RawRecord<'_>,
    place: Place,
    stream_ms: i64,
    arrived_ms: i64,
) -> Asked {
    let settings = &world.settings;
    let header = |name: &str| {
        raw.headers
            .iter()
            .find(|(n, _)| *n == name)
            .and_then(|(_, value)| *value)
    };
    let record = Record {
        key: raw.key,
        value: raw.value.unwrap_or_default(),
        schema_version: header("schema-version"),
    };
    let request = match request::decode(&record, &settings.requests) {
        Ok(request) => request,
        Err(Refusal::Rejected(rejection)) => {
            return Asked::Rejected {
                rejection: Box::new(rejection),
                place,
                trace: trace(raw),
            };
        }
        Err(Refusal::DeadLetter { reason, detail }) => {
            return Asked::Dead(dead(world, raw, reason, &detail));
        }
    };
    let user_id = match &request {
        Request::Donate(donate) => &donate.user_id,
        Request::Confirm(hold) | Request::Cancel(hold) => &hold.user_id,
    };
    let owner = Shard(
        settings
            .partitioner
            .partition(user_id.as_str().as_bytes(), settings.partitions),
    );
    if owner != raw.shard {
        if header(FORWARDED).is_some() {
            let detail = format!("it was forwarded once, and belongs to partition {owner} still");
            return Asked::Dead(dead(world, raw, dead_letter::Reason::Misplaced, &detail));
        }
        return Asked::Elsewhere(Box::new(forward(raw, &place, owner)));
    }
    match request {
        Request::Donate(request) => Asked::Donate(Arc::new(Donation {
            body_version: world.gateway.freeze(&request).unwrap_or(INEXPRESSIBLE),
            request,
            place,
            recorded_at_ms: stream_ms,
            accepted_at_ms: arrived_ms,
            trace: trace(raw),
        })),
        Request::Confirm(hold) => Asked::AnswerHold {
            hold,
            confirmed: true,
            place,
            recorded_at_ms: stream_ms,
        },
        Request::Cancel(hold) => Asked::AnswerHold {
            hold,
            confirmed: false,
            place,
            recorded_at_ms: stream_ms,
        },
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

fn forward(raw: &RawRecord<'_>, place: &Place, to: Shard) -> Forward {
    let mut headers: Vec<_> = raw
        .headers
        .iter()
        .map(|(name, value)| (Box::from(*name), value.map(Box::from)))
        .collect();
    let from = format!("{}/{}/{}", place.topic, place.partition, place.offset);
    headers.push((FORWARDED.into(), Some(from.into_bytes().into())));
    Forward {
        to,
        key: raw.key.map(Box::from),
        value: raw.value.map(Box::from),
        headers,
    }
}

fn dead(
    world: &World,
    raw: &RawRecord<'_>,
    reason: dead_letter::Reason,
    detail: &str,
) -> Box<DeadLetter> {
    let headers = raw.headers.iter();
    Box::new(DeadLetter {
        key: raw.key.map(Vec::from),
        value: raw.value.map(Vec::from),
        headers: headers
            .map(|(name, value)| (Box::from(*name), value.map(Vec::from)))
            .collect(),
        topic: raw.topic.into(),
        partition: wire_partition(raw.shard.0),
        offset: raw.offset,
        timestamp_ms: raw.timestamp_ms,
        timestamp_type: match raw.timestamp_type {
            TimestampType::CreateTime => dead_letter::TimestampType::CreateTime,
            TimestampType::LogAppendTime => dead_letter::TimestampType::LogAppendTime,
            TimestampType::Missing => dead_letter::TimestampType::None,
        },
        group: (*world.settings.group_id).into(),
        reason,
        detail: detail.into(),
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
