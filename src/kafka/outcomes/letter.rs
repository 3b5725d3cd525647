//! A dead letter as it is written, and how it is cut where the broker does not take it whole.

use std::fmt::Write as _;

use almoner_actors::ports::{Done, KeptLetter, OwnedHeader, PublishError};
use almoner_domain::dead_letter::DeadLetter;
use almoner_domain::ids::Place;
use sha2::{Digest, Sha256};

use super::delivery::{Kind, Parcel};
use super::owned_headers;

/// The header with the length of the value before it was cut, in bytes, as a decimal number.
const CUT_LENGTH: &str = "almoner-cut-length";
/// The header with the SHA-256 of the value before it was cut, in lower-case hexadecimal.
const SHA256: &str = "almoner-sha256";

/// The longest of a dead letter's own headers is a sentence.
const OUR_HEADER_BYTES_MAX: usize = 4096;

/// A dead letter's record.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct Letter {
    /// Where the record was read.
    pub place: Place,
    /// The key as it came.
    pub key: Option<Box<[u8]>>,
    /// The value as it came, but for masked card numbers; its beginning, once cut.
    pub value: Option<Vec<u8>>,
    /// The headers as they came, and ours.
    pub headers: Vec<OwnedHeader>,
}

impl Letter {
    pub(super) fn into_parcel(self, done: Done<Result<(), PublishError>>) -> Parcel {
        let headers = owned_headers(&self.headers);
        Parcel {
            kind: Kind::DeadLetter,
            partition: None,
            key: self.key.clone(),
            value: self.value.clone(),
            headers,
            letter: Some(Box::new(self)),
            done,
        }
    }

    /// The letter as the store keeps it, before it is cut.
    pub(super) fn kept(&self) -> KeptLetter {
        KeptLetter {
            place: self.place.clone(),
            sha256: Sha256::digest(self.bytes()).into(),
            key: self.key.clone(),
            value: self.value.as_deref().map(Into::into),
            headers: self.headers.clone(),
        }
    }

    /// Whether it is not the whole one any more.
    pub(super) fn was_cut(&self) -> bool {
        // Ours are behind all others, so nobody can pretend.
        self.headers
            .last()
            .is_some_and(|(name, _)| **name == *SHA256)
    }

    /// Whether there is something left to cut.
    pub(super) fn can_be_cut(&self) -> bool {
        let has_more = !self.bytes().is_empty() || self.key.is_some();
        has_more || !self.headers.iter().all(is_small_and_ours)
    }

    /// The letter with the first half of its value, and headers that say what the whole one was. A letter without a value
    /// loses its key and the headers that are not a dead letter's.
    pub(super) fn cut(mut self) -> Self {
        let whole = (!self.was_cut()).then(|| {
            let text = |text: String| Some(text.into_bytes().into());
            [
                (CUT_LENGTH.into(), text(self.bytes().len().to_string())),
                (SHA256.into(), text(hex(&Sha256::digest(self.bytes())))),
            ]
        });
        match &mut self.value {
            Some(value) if !value.is_empty() => value.truncate(value.len() / 2),
            _ => {
                self.key = None;
                self.headers.retain(is_small_and_ours);
            }
        }
        self.headers.extend(whole.into_iter().flatten());
        self
    }

    fn bytes(&self) -> &[u8] {
        self.value.as_deref().unwrap_or_default()
    }
}

/// Whether this header says what is known of a dead letter, and not whatever its sender pleased.
fn is_small_and_ours((name, value): &OwnedHeader) -> bool {
    let is_ours = name.starts_with("kafka_dlt-") || name.starts_with("almoner-");
    is_ours && value.as_ref().map_or(0, |it| it.len()) <= OUR_HEADER_BYTES_MAX
}

impl From<DeadLetter> for Letter {
    fn from(letter: DeadLetter) -> Self {
        let place = Place {
            topic: (*letter.topic).into(),
            partition: letter.partition.cast_unsigned(),
            offset: letter.offset,
        };
        let encoded = letter.encode();
        let boxed =
            |(name, value): (Box<str>, Option<Vec<u8>>)| (name, value.map(Vec::into_boxed_slice));
        Self {
            place,
            key: encoded.key.map(Vec::into_boxed_slice),
            value: encoded.value,
            headers: encoded.headers.into_iter().map(boxed).collect(),
        }
    }
}

fn hex(bytes: &[u8]) -> String {
    bytes.iter().fold(String::new(), |mut text, byte| {
        // Writing to a String does not fail.
        let _ = write!(text, "{byte:02x}");
        text
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    fn letter(key: Option<&[u8]>, value: Option<Vec<u8>>, headers: Vec<OwnedHeader>) -> Letter {
        Letter {
            place: Place {
                topic: "donations.requests".into(),
                partition: 0,
                offset: 7,
            },
            key: key.map(Into::into),
            value,
            headers,
        }
    }

    fn header(letter: &Letter, name: &str) -> String {
        let found: Vec<_> = letter
            .headers
            .iter()
            .filter(|(of, _)| **of == *name)
            .collect();
        assert_eq!(found.len(), 1, "{name}");
        String::from_utf8(found[0].1.clone().unwrap().into_vec()).unwrap()
    }

    #[test]
    fn a_letter_cut_twice_still_says_what_the_whole_one_was() {
        let whole = letter(None, Some(b"abc".repeat(4)), Vec::new());
        let cut = whole.clone().cut().cut();
        assert_eq!(cut.value.as_deref(), Some(&b"abc"[..]));
        assert_eq!(header(&cut, CUT_LENGTH), "12");
        assert_eq!(header(&cut, SHA256), hex(&whole.kept().sha256));
    }

    #[test]
    fn a_letter_that_is_large_without_a_value_loses_its_key_and_headers() {
        let named = |name: &str, bytes: usize| (name.into(), Some(vec![b'x'; bytes].into()));
        let headers = vec![
            named("theirs", 10),
            named("almoner-pretended", OUR_HEADER_BYTES_MAX + 1),
            named("kafka_dlt-exception-fqcn", 10),
        ];
        let cut = letter(Some(b"key"), None, headers).cut();
        let names: Vec<_> = cut.headers.iter().map(|(name, _)| &**name).collect();
        assert_eq!(names, ["kafka_dlt-exception-fqcn", CUT_LENGTH, SHA256]);
        assert_eq!((&cut.key, cut.can_be_cut()), (&None, false));
    }

    #[test]
    fn an_empty_letter_cannot_be_cut() {
        for value in [None, Some(Vec::new())] {
            assert!(!letter(None, value, Vec::new()).can_be_cut());
        }
    }
}
