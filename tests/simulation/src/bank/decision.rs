//! What the gateway decides about a request: mostly to do it.

use crate::chance::Chance;

/// What the gateway does with a request that it executes.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Decision {
    /// It charges, or does what else was asked for.
    Charge,
    /// 402 that may be tried again.
    SoftDecline,
    /// 402 for good.
    HardDecline,
    /// 402 `authentication_required`.
    NeedsUser,
    /// 200 `requires_action`.
    RequiresAction,
    /// 200 `processing`, settled later.
    Processing {
        /// Whether it is charged then.
        is_charged: bool,
        /// When.
        after_ms: i64,
    },
    /// 400 before execution: it is not stored.
    Refuse,
    /// A stored 500, nothing done.
    ErrorBefore,
    /// A stored 500, the intent made, but not charged.
    ErrorHalfway,
    /// A stored 500, all done.
    ErrorAfter,
    /// A stored 500, all done later.
    ErrorRolledForward {
        /// When.
        after_ms: i64,
    },
}

impl Decision {
    /// One that is no plain charge. What is settled later is settled within `bound_ms`.
    pub fn trouble(dice: &mut Chance, bound_ms: i64) -> Self {
        let after_ms = match dice.below(4) {
            0 => dice.between(0, bound_ms),
            1 => dice.between(0, 10 * 60_000),
            _ => dice.between(0, 20_000),
        };
        match dice.below(50) {
            0..=15 => Self::SoftDecline,
            16..=23 => Self::HardDecline,
            24..=26 => Self::NeedsUser,
            27..=28 => Self::RequiresAction,
            29..=33 => Self::Processing {
                is_charged: dice.permille(600),
                after_ms,
            },
            34..=35 => Self::Refuse,
            36..=40 => Self::ErrorBefore,
            41..=43 => Self::ErrorHalfway,
            44..=47 => Self::ErrorAfter,
            _ => Self::ErrorRolledForward { after_ms },
        }
    }
}
