//! A sentence for a person about each thing that can happen.

use std::borrow::Cow;

use super::{Reason, What};
use crate::donation::PendingKind;

impl What {
    /// What happened, what it means for the money, and what can be done.
    #[must_use]
    pub fn detail(&self) -> Cow<'static, str> {
        match self {
            Self::Succeeded { .. } => "The donation was charged.".into(),
            Self::Failed {
                reason: Reason::CardDeclined,
                decline_code: Some(code),
            } => format!(
                "The card was declined ({code}). Nothing was charged; try again with another card."
            )
            .into(),
            Self::Failed { reason, .. } | Self::Cancelled { reason } => reason.detail().into(),
            Self::NeedsConfirmation { .. } => {
                "The same user gave the same amount to the same campaign a moment ago. \
                 Nothing is charged for this donation unless the user confirms it."
            }
            .into(),
            Self::Pending { kind, .. } => pending(*kind).into(),
        }
    }
}

impl Reason {
    fn detail(self) -> &'static str {
        match self {
            Self::CampaignNotFound => "The campaign is not known. Nothing was charged.",
            Self::CampaignClosed => "The campaign takes no donations. Nothing was charged.",
            Self::CurrencyMismatch => {
                "The campaign takes no donations in this currency. Nothing was charged."
            }
            Self::AmountOutOfBounds => {
                "The amount is less or more than can be given here. Nothing was charged; try another amount."
            }
            Self::PaymentMethodInvalid => {
                "The payment method is not known or cannot be used any more. \
                 Nothing was charged; try again with another one."
            }
            Self::CardDeclined => {
                "The card was declined. Nothing was charged; try again with another card."
            }
            Self::AuthenticationRequired => {
                "The card's bank wants its owner to approve the payment, which cannot be done here. \
                 Nothing was charged; set the card up again, or try another one."
            }
            Self::VelocityBlocked => {
                "There were too many donations at once or in too short a time. Nothing was charged; try again later."
            }
            Self::AttemptsExhausted => {
                "The card was asked several times and did not pay. Nothing was charged; try again with another card."
            }
            Self::Expired => {
                "The donation could not be charged in time. Nothing was charged; try again."
            }
            Self::DuplicateDeclined => {
                "It looked like a donation made a moment before, and the user did not want a second one. \
                 Nothing was charged for it."
            }
            Self::DuplicateExpired => {
                "It looked like a donation made a moment before, and nobody confirmed it in time. \
                 Nothing was charged for it."
            }
        }
    }
}

fn pending(kind: PendingKind) -> &'static str {
    match kind {
        PendingKind::Held => {
            "It looks like a donation made a moment before and waits for the user's word. Nothing is charged until then."
        }
        PendingKind::Retrying => {
            "The card could not be charged yet and is asked again. Nothing was charged so far."
        }
        PendingKind::Unknown => {
            "It is not known yet whether the charge went through. The gateway is asked until it is; \
             nothing is charged twice."
        }
        PendingKind::Queued => {
            "There is much to do: the donation waits for its turn. Nothing was charged so far."
        }
        PendingKind::Drained => {
            "The service was stopped or moved in the middle of it. The donation goes on by itself; \
             nothing is charged twice."
        }
        PendingKind::Quarantined => {
            "A fault of ours stopped it. It is tried again and a person looks into it; nothing is charged twice."
        }
        PendingKind::Surplus => {
            "The payment provider charged more than once. What is too much is given back; the donation stands as told."
        }
    }
}
