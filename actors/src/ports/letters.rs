//! Where dead letters are kept whole that are larger than the broker takes.

use almoner_domain::ids::Place;

use super::{Done, OwnedHeader, StoreError};

/// A dead letter as it would have been published, had the broker taken it: its card numbers are masked.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct KeptLetter {
    /// Where the record was read: first, if it was forwarded.
    pub place: Place,
    /// SHA-256 of the value. Another log may have another letter at the same place.
    pub sha256: [u8; 32],
    /// The record's key.
    pub key: Option<Box<[u8]>>,
    /// The record's value.
    pub value: Option<Box<[u8]>>,
    /// The record's headers, and those of a dead letter.
    pub headers: Vec<OwnedHeader>,
}

/// The store's part for dead letters.
pub trait Letters: Send + Sync {
    /// Calls `done` once the letter is durable. Kept again (same place, same value), it changes nothing.
    fn keep_letter(&self, letter: KeptLetter, done: Done<Result<(), StoreError>>);
}
