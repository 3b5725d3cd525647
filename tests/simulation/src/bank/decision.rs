//! What the gateway decides about a request: mostly to do it.

use almoner_domain::answer::{IntentStatus, Refused};

use crate::chance::Chance;

/// What the gateway does with a request that it executes.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Decision {
    /// It charges, or does what else was asked for.
    Charge,
    /// 402 that may be tried again.
    SoftDecline(&'static str),
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
    /// 400 before execution: it is not stored. A cancel or a refund is refused.
    Refuse(Refused),
    /// 200, and the intent shows that no money moved. A cancel comes too early or too late.
    NotMoved(IntentStatus),
    /// A cancel comes right after the user has paid after all.
    PaidBefore,
    /// A stored 500, nothing done.
    ErrorBefore,
    /// A stored 500, the intent made, but not charged.
    ErrorHalfway,
    /// A stored 500, all done.
    ErrorAfter,
    /// A stored 500, all done later.
    ErrorRolledForward {
        /// How the intent stands then.
        as_: IntentStatus,
        /// When.
        after_ms: i64,
    },
}

impl Decision {
    /// One that is no plain charge. What is settled later is settled within `bound_ms`, by a gateway that breaks its word mostly late.
    pub fn trouble(dice: &mut Chance, bound_ms: i64, is_late: bool) -> Self {
        if is_late && dice.permille(250) {
            let after_ms = dice.between(bound_ms / 3, bound_ms);
            return Self::rolled_forward(dice, after_ms);
        }
        let after_ms = match dice.below(4) {
            0 => dice.between(0, bound_ms),
            1 => dice.between(0, 10 * 60_000),
            _ => dice.between(0, 20_000),
        };
        match dice.below(54) {
            0..=15 => {
                let codes = [
                    "processing_error",
                    "issuer_not_available",
                    "try_again_later",
                ];
                Self::SoftDecline(codes[dice.below(3) as usize])
            }
            16..=23 => Self::HardDecline,
            24..=26 => Self::NeedsUser,
            27..=28 => Self::RequiresAction,
            29..=33 => Self::Processing {
                is_charged: dice.permille(600),
                after_ms,
            },
            34 => Self::Refuse(Refused::PaymentMethod),
            35 => Self::Refuse(Refused::Amount),
            50..=52 => {
                let shown = [
                    IntentStatus::RequiresPaymentMethod,
                    IntentStatus::RequiresConfirmation,
                    IntentStatus::Canceled,
                ];
                Self::NotMoved(shown[dice.below(3) as usize])
            }
            53 => Self::PaidBefore,
            36..=40 => Self::ErrorBefore,
            41..=43 => Self::ErrorHalfway,
            44..=47 => Self::ErrorAfter,
            _ => Self::rolled_forward(dice, after_ms),
        }
    }

    fn rolled_forward(dice: &mut Chance, after_ms: i64) -> Self {
        let as_ = match dice.below(10) {
            0 => IntentStatus::RequiresAction,
            1 => IntentStatus::Processing,
            2 => IntentStatus::RequiresPaymentMethod,
            _ => IntentStatus::Succeeded,
        };
        Self::ErrorRolledForward { as_, after_ms }
    }
}
