//! What a consumer reads of a dead letter.

use almoner_domain::ids::DonationId;
use almoner_domain::request::{self, Record, Rules};

/// A record of the dead letters topic, borrowed.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct DeadLetterCopy<'a> {
    /// The record's key.
    pub key: Option<&'a [u8]>,
    /// The record's value; empty if it has none.
    pub value: &'a [u8],
    /// Why it is here: `almoner.…`.
    pub reason: &'a str,
    /// The partition where it stood.
    pub partition: u32,
    /// The offset where it stood.
    pub offset: i64,
}

/// A record of the dead letters topic without the headers that each of ours has.
#[derive(Clone, Copy, PartialEq, Eq, Debug, thiserror::Error)]
#[error(
    "this is no dead letter of ours: its header {0} is missing or of another form; look who else writes to the topic"
)]
pub struct NotADeadLetter(&'static str);

const PARTITION: &str = "kafka_dlt-original-partition";
const OFFSET: &str = "kafka_dlt-original-offset";
const REASON: &str = "kafka_dlt-exception-fqcn";

impl<'a> DeadLetterCopy<'a> {
    /// Reads a record of the dead letters topic. Of two headers of one name the last one counts.
    ///
    /// # Errors
    /// The first header that is missing or of another form.
    pub fn read(
        key: Option<&'a [u8]>,
        value: Option<&'a [u8]>,
        headers: impl IntoIterator<Item = (&'a str, Option<&'a [u8]>)>,
    ) -> Result<Self, NotADeadLetter> {
        let (mut partition, mut offset, mut reason) = (None, None, None);
        for (name, value) in headers {
            match name {
                PARTITION => partition = value,
                OFFSET => offset = value,
                REASON => reason = value,
                _ => {}
            }
        }
        let partition = partition
            .and_then(|bytes| Some(i32::from_be_bytes(bytes.try_into().ok()?)))
            .and_then(|partition| u32::try_from(partition).ok());
        let offset = offset.and_then(|bytes| Some(i64::from_be_bytes(bytes.try_into().ok()?)));
        let reason = reason.and_then(|bytes| std::str::from_utf8(bytes).ok());
        Ok(Self {
            key,
            value: value.unwrap_or_default(),
            reason: reason.ok_or(NotADeadLetter(REASON))?,
            partition: partition.ok_or(NotADeadLetter(PARTITION))?,
            offset: offset.ok_or(NotADeadLetter(OFFSET))?,
        })
    }

    /// The donation that it asked for, where that can be read: the request was sound, and could not be handled.
    pub(super) fn donation_id(&self) -> Option<DonationId> {
        let record = Record {
            key: self.key,
            value: self.value,
            schema_version: None,
        };
        request::decode(&record, &Rules::default())
            .ok()
            .map(|request| request.id())
    }
}

#[cfg(test)]
mod tests {
    use almoner_domain::dead_letter::{DeadLetter, Encoded, Reason, TimestampType};

    use super::*;

    fn letter() -> Encoded {
        DeadLetter {
            key: Some(b"user-1".to_vec()),
            value: Some(b"{}".to_vec()),
            headers: vec![(OFFSET.into(), Some(b"of an earlier life".to_vec()))],
            topic: "donations.requests".into(),
            partition: 3,
            offset: 1 << 40,
            timestamp_ms: -1,
            timestamp_type: TimestampType::None,
            group: "almoner".into(),
            reason: Reason::TrailingBytes,
            detail: "".into(),
            attempts: 1,
            first_failure_ms: 0,
        }
        .encode()
    }

    fn read(letter: &Encoded) -> Result<DeadLetterCopy<'_>, NotADeadLetter> {
        let headers = letter.headers.iter();
        DeadLetterCopy::read(
            letter.key.as_deref(),
            letter.value.as_deref(),
            headers.map(|(name, value)| (&**name, value.as_deref())),
        )
    }

    #[test]
    fn what_the_service_writes_is_read() {
        let expected = DeadLetterCopy {
            key: Some(b"user-1"),
            value: b"{}",
            reason: "almoner.trailing_bytes",
            partition: 3,
            offset: 1 << 40,
        };
        assert_eq!(read(&letter()), Ok(expected));
    }

    #[test]
    fn what_others_write_is_named() {
        for name in [PARTITION, OFFSET, REASON] {
            let mut letter = letter();
            letter.headers.retain(|(header, _)| **header != *name);
            assert_eq!(read(&letter), Err(NotADeadLetter(name)));
        }
    }
}
