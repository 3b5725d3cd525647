//! How long to wait, as data: a schedule grows from its first pause by doubling up to its longest; the actors add
//! full jitter from the dice.

/// How a pause grows with each fruitless try.
#[derive(Clone, Copy, PartialEq, Eq, Hash, Debug)]
pub struct Schedule {
    /// The first pause, in milliseconds.
    pub first_ms: u64,
    /// The longest, in milliseconds.
    pub longest_ms: u64,
}

/// Asking about an unknown outcome, and resending what the gateway did not execute: soon, then ever more patiently.
pub const ASK: Schedule = Schedule {
    first_ms: 200,
    longest_ms: 5 * 60_000,
};

/// A soft decline: the issuer needs a moment.
pub const SOFT_DECLINE: Schedule = Schedule {
    first_ms: 1_000,
    longest_ms: 60_000,
};

/// What only a person can mend (a wrong key, a defect of ours): seldom enough to be no load, often enough that the
/// mended thing goes on by itself.
pub const MENDING: Schedule = Schedule {
    first_ms: 5_000,
    longest_ms: 10 * 60_000,
};
