//! A dead letter as it is written, and how it is cut where the broker does not take it whole.

use std::fmt::Write as _;

use almoner_actors::ports::{Done, OwnedHeader, PublishError};
use almoner_domain::dead_letter::DeadLetter;
use sha2::{Digest, Sha256};

use super::delivery::{Kind, Parcel};
use super::owned_headers;

/// The header with the length of the value before it was cut, in bytes, as a decimal number.
const CUT_LENGTH: &str = "almoner-cut-length";
/// The header with the SHA-256 of the value before it was cut, in lower-case hexadecimal.
const SHA256: &str = "almoner-sha256";

/// A dead letter's record.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct Letter {
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

    /// Whether there is something left to cut.
    pub(super) fn can_be_cut(&self) -> bool {
        self.value.as_ref().is_some_and(|value| !value.is_empty())
    }

    /// The letter with the first half of its value, and headers that say what the whole one was.
    pub(super) fn cut(&self) -> Self {
        let mut cut = self.clone();
        let Some(value) = &mut cut.value else {
            return cut;
        };
        if !cut.headers.iter().any(|(name, _)| **name == *CUT_LENGTH) {
            let length = value.len().to_string();
            cut.headers
                .push((CUT_LENGTH.into(), Some(length.into_bytes().into())));
            cut.headers.push((
                SHA256.into(),
                Some(hex(&Sha256::digest(&*value)).into_bytes().into()),
            ));
        }
        value.truncate(value.len() / 2);
        cut
    }
}

impl From<DeadLetter> for Letter {
    fn from(letter: DeadLetter) -> Self {
        let encoded = letter.encode();
        let boxed =
            |(name, value): (Box<str>, Option<Vec<u8>>)| (name, value.map(Vec::into_boxed_slice));
        Self {
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

    #[test]
    fn a_letter_cut_twice_still_says_what_the_whole_one_was() {
        let whole = Letter {
            key: None,
            value: Some(b"abc".repeat(4)),
            headers: Vec::new(),
        };
        let cut = whole.cut().cut();
        assert_eq!(cut.value.as_deref(), Some(&b"abc"[..]));
        let header = |name: &str| {
            let found: Vec<_> = cut.headers.iter().filter(|(of, _)| **of == *name).collect();
            assert_eq!(found.len(), 1, "{name}");
            String::from_utf8(found[0].1.clone().unwrap().into_vec()).unwrap()
        };
        assert_eq!(header(CUT_LENGTH), "12");
        assert_eq!(header(SHA256), hex(&Sha256::digest(b"abcabcabcabc")));
    }

    #[test]
    fn an_empty_letter_cannot_be_cut() {
        for value in [None, Some(Vec::new())] {
            assert!(
                !Letter {
                    key: None,
                    value,
                    headers: Vec::new()
                }
                .can_be_cut()
            );
        }
    }
}
