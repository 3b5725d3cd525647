//! The names of things: a donation's 16 bytes, a user's and a campaign's text, a place in a Kafka log.

use std::fmt;
use std::sync::Arc;

use serde::{Deserialize, Serialize};
use uuid::Uuid;

/// A donation's id, minted by the caller before it submits and reused for every retry: 16 bytes, shown as a
/// lower-case hyphenated UUID.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
pub struct DonationId(pub [u8; 16]);

impl DonationId {
    /// Parses a UUID in any of its usual spellings.
    #[must_use]
    pub fn parse(text: &str) -> Option<Self> {
        Uuid::try_parse(text)
            .ok()
            .map(|uuid| Self(uuid.into_bytes()))
    }

    /// The id as a UUID, which is also the namespace of everything derived from it.
    #[must_use]
    pub fn as_uuid(&self) -> Uuid {
        Uuid::from_bytes(self.0)
    }
}

impl fmt::Display for DonationId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.as_uuid().as_hyphenated().fmt(f)
    }
}

impl fmt::Debug for DonationId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        fmt::Display::fmt(self, f)
    }
}

/// The most characters that a user's or a campaign's id has.
pub const NAME_CHARS_MAX: usize = 64;

/// Whether `text` can name a user or a campaign: 1 to 64 characters of `A–Z a–z 0–9 _ - . :`.
#[must_use]
pub fn is_name(text: &str) -> bool {
    (1..=NAME_CHARS_MAX).contains(&text.len())
        && text
            .bytes()
            .all(|b| b.is_ascii_alphanumeric() || matches!(b, b'_' | b'-' | b'.' | b':'))
}

macro_rules! name {
    ($(#[$doc:meta])* $name:ident) => {
        $(#[$doc])*
        #[derive(Clone, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
        pub struct $name(Arc<str>);

        impl $name {
            /// The id, if `text` can be one ([`is_name`]).
            #[must_use]
            pub fn parse(text: &str) -> Option<Self> {
                is_name(text).then(|| Self(text.into()))
            }

            /// The id as text.
            #[must_use]
            pub fn as_str(&self) -> &str {
                &self.0
            }
        }

        impl fmt::Display for $name {
            fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                f.write_str(&self.0)
            }
        }

        impl fmt::Debug for $name {
            fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                f.write_str(&self.0)
            }
        }
    };
}

name!(
    /// A user who gives.
    UserId
);
name!(
    /// A campaign that receives.
    CampaignId
);

/// A shard: one Kafka partition and its actors.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Debug, Serialize, Deserialize)]
pub struct Shard(pub u32);

impl fmt::Display for Shard {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.0.fmt(f)
    }
}

/// Where a record stands in a log. It is the `source` of the outcome that answers the record, and shown as
/// `topic/partition/offset`.
#[derive(Clone, PartialEq, Eq, Hash, Debug, Serialize, Deserialize)]
pub struct Place {
    /// The topic's name.
    pub topic: Arc<str>,
    /// The partition.
    pub partition: u32,
    /// The record's offset.
    pub offset: i64,
}

impl Place {
    /// Parses what is shown of a place, and nothing but that: no sign, no leading zero.
    #[must_use]
    pub fn parse(text: &str) -> Option<Self> {
        let [topic, partition, offset] =
            <[&str; 3]>::try_from(text.split('/').collect::<Vec<_>>()).ok()?;
        let place = Self {
            topic: topic.into(),
            partition: partition.parse().ok()?,
            offset: offset.parse().ok().filter(|it| *it >= 0)?,
        };
        (!topic.is_empty() && place.to_string() == text).then_some(place)
    }
}

impl fmt::Display for Place {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}/{}/{}", self.topic, self.partition, self.offset)
    }
}

#[cfg(test)]
mod tests {
    use super::Place;

    #[test]
    fn a_place_is_a_topic_a_partition_and_an_offset_written_in_one_way() {
        let check = |text: &str, is_one: bool| {
            let shown = Place::parse(text).map(|it| it.to_string());
            assert_eq!(shown.as_deref(), is_one.then_some(text), "{text}");
        };
        check("donations.requests/3/1047", true);
        check("r/0/0", true);
        check("r/4294967295/9223372036854775807", true);
        for bad in [
            "",
            "r/3",
            "/3/1047",
            "a/b/7",
            "a/3/x",
            "a/b/3/7",
            "r/3/1047/",
            "r/3/-1",
            "r/+3/7",
            "r/03/7",
            "r/3/ 7",
            "r/4294967296/0",
            "r/0/9223372036854775808",
        ] {
            check(bad, false);
        }
    }
}
