//! A record of the campaigns topic → what it says, or the dead letter that it becomes.

use almoner_actors::ports::Clock;
use almoner_domain::campaign::{self, CampaignChange};
use almoner_domain::dead_letter::{DeadLetter, TimestampType, Unreadable};
use rdkafka::Timestamp;
use rdkafka::message::{BorrowedMessage, Message};

use crate::clock::SystemClock;
use crate::kafka::headers;

/// What the record says; a dead letter if that cannot be told.
pub(super) fn decode(
    record: &BorrowedMessage<'_>,
    group: &str,
) -> Result<CampaignChange, Box<DeadLetter>> {
    let headers = headers::readable(record);
    let version = headers.iter().find(|(name, _)| *name == "schema-version");
    let version = version.and_then(|(_, value)| *value);
    campaign::decode(record.key(), record.payload(), version)
        .map_err(|why| Box::new(letter(record, group, why)))
}

fn letter(record: &BorrowedMessage<'_>, group: &str, why: Unreadable) -> DeadLetter {
    let headers = headers::readable(record).into_iter();
    let headers = headers.map(|(name, value)| (name.into(), value.map(Vec::from)));
    let (timestamp_type, timestamp_ms) = match record.timestamp() {
        Timestamp::NotAvailable => (TimestampType::None, -1),
        Timestamp::CreateTime(ms) => (TimestampType::CreateTime, ms),
        Timestamp::LogAppendTime(ms) => (TimestampType::LogAppendTime, ms),
    };
    DeadLetter {
        key: record.key().map(Vec::from),
        value: record.payload().map(Vec::from),
        headers: headers.collect(),
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
