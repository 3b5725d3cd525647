//! Dead letters: what could not be read, kept with its reason.

use crate::ids::Place;

/// Why a record became a dead letter.
#[derive(Clone, Copy, PartialEq, Eq, Hash, Debug)]
pub enum DeadReason {
    /// Not MessagePack, or not a map.
    Undecodable,
}

/// A record that could not be processed, as it came but for masked card numbers.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct DeadLetter {
    /// Where it stood.
    pub place: Place,
    /// Why.
    pub reason: DeadReason,
}
