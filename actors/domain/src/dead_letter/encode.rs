//! A dead letter → a record, with the headers that Spring Kafka writes, in its encoding: numbers in big endian bytes
//! of their Java width, texts in UTF-8. The headers of our own are decimal text.

use super::{DeadLetter, Header};
use crate::card_number::{mask_message, mask_text, masked};

/// The record that goes to the dead letters.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct Encoded {
    /// The original key, masked.
    pub key: Option<Vec<u8>>,
    /// The original value, masked.
    pub value: Option<Vec<u8>>,
    /// The original headers, masked, then those that say what happened. Of two with one name the last one counts.
    pub headers: Vec<Header>,
}

impl DeadLetter {
    /// The record to be published.
    #[must_use]
    pub fn encode(self) -> Encoded {
        let mut encoded = Encoded {
            key: self.key,
            value: self.value,
            headers: self.headers,
        };
        let was_masked = mask(&mut encoded);
        let mut add = |name: &str, value: &[u8]| {
            encoded.headers.push((name.into(), Some(value.to_vec())));
        };
        add("kafka_dlt-original-topic", self.topic.as_bytes());
        add(
            "kafka_dlt-original-partition",
            &self.partition.to_be_bytes(),
        );
        add("kafka_dlt-original-offset", &self.offset.to_be_bytes());
        add(
            "kafka_dlt-original-timestamp",
            &self.timestamp_ms.to_be_bytes(),
        );
        add(
            "kafka_dlt-original-timestamp-type",
            self.timestamp_type.as_str().as_bytes(),
        );
        add("kafka_dlt-original-consumer-group", self.group.as_bytes());
        add("kafka_dlt-exception-fqcn", self.reason.as_str().as_bytes());
        add(
            "kafka_dlt-exception-message",
            masked(&self.detail).as_bytes(),
        );
        add("almoner-attempts", self.attempts.to_string().as_bytes());
        add(
            "almoner-first-failure-ms",
            self.first_failure_ms.to_string().as_bytes(),
        );
        if was_masked {
            add("almoner-masked", b"true");
        }
        encoded
    }
}

/// Masks key, value and headers; says whether there was anything to mask.
fn mask(record: &mut Encoded) -> bool {
    let mut any = record.key.as_mut().is_some_and(|key| mask_text(key));
    any |= record
        .value
        .as_mut()
        .is_some_and(|value| mask_message(value));
    for (name, value) in &mut record.headers {
        let hidden = masked(name);
        if hidden != **name {
            any = true;
            *name = hidden.into();
        }
        any |= value.as_mut().is_some_and(|value| mask_text(value));
    }
    any
}

#[cfg(test)]
mod tests;
