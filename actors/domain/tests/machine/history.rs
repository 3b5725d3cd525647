//! What can happen to a donation, what it comes to, and the promises that can be broken on the way.

use almoner_domain::donation::{Call, Ending, PendingKind, Progress, Rules, Verdict};

use crate::oracle::Decision;

/// A promise that was broken.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Violation {
    /// Two successful charges.
    DoubleCharge,
    /// A surplus charge that nobody gives back, or a charge after "failed" that nobody is told of.
    Unrefunded,
    /// Told "failed" or "cancelled", and the gateway has a charge, or can still make one.
    FailedButCharged,
    /// Told "succeeded", and the gateway has no such charge.
    FalseSuccess,
    /// Faults have stopped, and it does not end.
    Stuck,
    /// A key that is not the donation's, or that was sent with other bytes before.
    Key,
    /// A call that needs a pinned intent, without one.
    NothingPinned,
    /// More than the maximum, or something counted that is no 402.
    Attempts,
    /// A number that must only grow did not.
    WentBack,
    /// A faithful driver's event was refused, or a terminal donation took one.
    Illegal,
}

/// One thing that happens. Where it does not fit, it is left out.
#[derive(Clone, Debug)]
pub enum Op {
    /// The send is executed and answered.
    Answer(Decision),
    /// The send is executed, its answer is lost (and may turn up later).
    LoseAnswer(Decision),
    /// The send is on its way for ever, or until it is executed late.
    LoseRequest,
    /// Something says that the send was not executed.
    NotExecuted(Refusal),
    /// A send that was on its way is executed now.
    ExecuteLate(u8, Decision),
    /// An answer, seen before or not, is delivered now.
    DeliverLate(u8),
    /// The owner dies; another one goes on at once. Its last send never left, is on its way, or was executed.
    TakeOver {
        executed: Option<Decision>,
        left: bool,
    },
    /// It is set aside, with its send on the wire or without one.
    SetAside(PendingKind, i64),
    /// The user answers.
    User { confirms: bool },
    /// Time passes.
    Sleep(i64),
}

/// Answers that prove that their send was not executed.
#[derive(Clone, Copy, Debug)]
pub enum Refusal {
    NotSent,
    RateLimited(Option<u64>),
    BadApiKey,
    Forbidden,
    OurDefect,
    KeyInUse,
}

/// A whole history: how it begins, what happens, and how cards answer once nothing disturbs any more.
#[derive(Clone, Debug)]
pub struct History {
    pub verdict: Verdict,
    pub rules: Rules,
    /// Within this after a send's permission the gateway settles all of it: its own bound, or a much later moment.
    pub settles_in_ms: i64,
    pub ops: Vec<Op>,
    pub calm: Vec<Decision>,
}

/// What a history came to.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct Story {
    pub ending: Ending,
    pub progress: Progress,
    pub calls: Vec<Call>,
    pub calm_steps: usize,
}
