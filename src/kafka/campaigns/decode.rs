//! A record of the campaigns topic → what it says, or the dead letter that it becomes.

use almoner_actors::ports::Clock;
use almoner_domain::campaign::{self, CampaignChange};
use almoner_domain::dead_letter::{DeadLetter, TimestampType, Unreadable};
use rdkafka::Timestamp;
use rdkafka::message::{BorrowedMessage, Headers, Message};

use crate::clock::SystemClock;

/// What the record says; a dead letter if that cannot be told.
pub(super) fn decode(
    record: &BorrowedMessage<'_>,
    group: &str,
) -> Result<CampaignChange, Box<DeadLetter>> {
    let version = record.headers().and_then(|headers| {
        headers
            .iter()
            .find(|header| header.key == "schema-version")
            .and_then(|header| header.value)
    });
    campaign::decode(record.key(), record.payload(), version)
        .map_err(|why| Box::new(letter(record, group, why)))
}

fn letter(record: &BorrowedMessage<'_>, group: &str, why: Unreadable) -> DeadLetter {
    let headers = record.headers().map_or_else(Vec::new, |headers| {
        headers
            .iter()
            .map(|header| (header.key.into(), header.value.map(Vec::from)))
            .collect()
    });
    let (timestamp_type, timestamp_ms) = match record.timestamp() {
        Timestamp::NotAvailable => (TimestampType::None, -1),
        Timestamp::CreateTime(ms) => (TimestampType::CreateTime, ms),
        Timestamp::LogAppendTime(ms) => (TimestampType::LogAppendTime, ms),
    };
    DeadLetter {
        key: record.key().map(Vec::from),
        value: record.payload().map(Vec::from),
        headers,
        topic: record.topic().into(),
        partition: record.partition(),
        offset: record.offset(),
        timestamp_ms,
        timestamp_type,
        group: group.into(),
        reason: why.reason,
        detail: why.detail.into(),
        attempts: 1,
        first_failure_ms: SystemClock.wall_ms(),
    }
}
