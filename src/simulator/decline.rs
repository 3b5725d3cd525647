//! The declines a card can answer with: Stripe's codes and sentences.

use serde::{Deserialize, Serialize};

/// Why a card was not charged.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Decline {
    /// The bank gives no reason.
    Generic,
    /// Not enough money on the account.
    InsufficientFunds,
    /// The card is past its date.
    ExpiredCard,
    /// Something went wrong on the way; may go through another time.
    ProcessingError,
    /// Taken for fraud.
    Fraudulent,
    /// The security code is wrong.
    IncorrectCvc,
    /// The card was reported lost.
    LostCard,
    /// The card was reported stolen.
    StolenCard,
    /// The card's limit is reached.
    VelocityExceeded,
    /// The bank did not answer; may go through another time.
    IssuerNotAvailable,
    /// The bank asks to try again later.
    TryAgainLater,
    /// The bank wants the owner to authenticate.
    AuthenticationRequired,
}

impl Decline {
    /// The error's `code`, its `decline_code` where Stripe's test cards have one, and the sentence for a person.
    pub(crate) fn words(self) -> (&'static str, Option<&'static str>, &'static str) {
        const DECLINED: &str = "card_declined";
        const SENTENCE: &str = "Your card was declined.";
        match self {
            Self::Generic => (DECLINED, Some("generic_decline"), SENTENCE),
            Self::InsufficientFunds => (
                DECLINED,
                Some("insufficient_funds"),
                "Your card has insufficient funds.",
            ),
            Self::ExpiredCard => ("expired_card", None, "Your card has expired."),
            Self::ProcessingError => (
                "processing_error",
                None,
                "An error occurred while processing your card. Try again in a little bit.",
            ),
            Self::Fraudulent => (DECLINED, Some("fraudulent"), SENTENCE),
            Self::IncorrectCvc => (
                "incorrect_cvc",
                None,
                "Your card's security code is incorrect.",
            ),
            Self::LostCard => (DECLINED, Some("lost_card"), SENTENCE),
            Self::StolenCard => (DECLINED, Some("stolen_card"), SENTENCE),
            Self::VelocityExceeded => (
                DECLINED,
                Some("card_velocity_exceeded"),
                "Your card was declined for making repeated attempts too frequently or exceeding its amount limit.",
            ),
            Self::IssuerNotAvailable => (DECLINED, Some("issuer_not_available"), SENTENCE),
            Self::TryAgainLater => (DECLINED, Some("try_again_later"), SENTENCE),
            Self::AuthenticationRequired => (
                "authentication_required",
                Some("authentication_required"),
                "Your card was declined. This transaction requires authentication.",
            ),
        }
    }
}
