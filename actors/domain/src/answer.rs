//! What a gateway's answer means for the money, and which kind of thing comes next (`CHARGES.md`, "The answers").
//! The adapter turns HTTP into an [`Answer`]; [`Answer::money`] is the table; `donation` decides with the history.

use serde::{Deserialize, Serialize};

/// What an intent's `status` says.
#[derive(Clone, Copy, PartialEq, Eq, Hash, Debug, Serialize, Deserialize)]
pub enum IntentStatus {
    /// The money moved.
    Succeeded,
    /// Not known yet.
    Processing,
    /// The user must act, which nobody here can.
    RequiresAction,
    /// No money moved; a payment method may be named and confirmed (again).
    RequiresPaymentMethod,
    /// No money moved; it was never confirmed.
    RequiresConfirmation,
    /// It never charges any more.
    Canceled,
}

/// What the gateway showed of one payment intent.
#[derive(Clone, PartialEq, Eq, Hash, Debug, Serialize, Deserialize)]
pub struct Intent {
    /// `pi_…`.
    pub id: Box<str>,
    /// Its status as of this answer.
    pub status: IntentStatus,
    /// When the gateway created it, in seconds since 1970: its UTC day is the charge's day in the books.
    pub created_s: i64,
    /// The latest charge, `ch_…` or `py_…`.
    pub charge_id: Option<Box<str>>,
}

/// One answer to one send, or what stood in its place.
#[derive(Clone, PartialEq, Eq, Debug, Serialize, Deserialize)]
pub enum Answer {
    /// A 200 with an intent, or an error that says nothing but in what state its intent is.
    Intent(Intent),
    /// A 200 to a list: the donation's own intents in it.
    Listed(Vec<Intent>),
    /// The intent's charge is refunded whole: by this send, or before it.
    Refunded,
    /// A 402: the card's answer. This, and nothing else, is an attempt.
    Declined {
        /// The error's `code`.
        code: Box<str>,
        /// The card network's reason, where the gateway gives it.
        decline_code: Option<Box<str>>,
        /// The intent that the error carries.
        intent: Option<Intent>,
    },
    /// A 400 or 404 of a known kind: this can never be charged.
    Refused(Refused),
    /// 400 `idempotency_error`: our body changed, or the key lives elsewhere.
    KeyMismatch,
    /// Any other 4xx: our defect. The text is the gateway's, for a person.
    OurDefect {
        /// The HTTP status.
        status: u16,
        /// Type, code and parameter as the gateway names them.
        what: Box<str>,
    },
    /// 401: our API key is wrong.
    BadApiKey,
    /// 403: this account or method is refused.
    Forbidden,
    /// 409: another send of the key runs.
    KeyInUse,
    /// 429: not executed.
    RateLimited {
        /// What `Retry-After` said.
        retry_after_ms: Option<u64>,
    },
    /// 5xx: indeterminate. Replayed, the key is burnt.
    ServerError {
        /// The HTTP status.
        status: u16,
        /// `Idempotent-Replayed: true`.
        replayed: bool,
    },
    /// Connection refused, connect timeout, DNS, TLS: the request never left.
    NotSent(Box<str>),
    /// Any other failure on the way, a timeout, an answer that cannot be read: money may have moved.
    Lost(Box<str>),
}

/// Why a charge can never be made.
#[derive(Clone, Copy, PartialEq, Eq, Hash, Debug, Serialize, Deserialize)]
pub enum Refused {
    /// `resource_missing` of the method or the customer.
    PaymentMethod,
    /// `amount_too_small`, `amount_too_large`.
    Amount,
}

/// What one answer says of the money that its send might have moved.
#[derive(Clone, Copy, PartialEq, Eq, Hash, Debug)]
pub enum MoneyMoved {
    /// The user was charged.
    Charged,
    /// This send moved nothing, and never will.
    NotMoved,
    /// Money may have moved, or may yet.
    Unknown,
    /// This send was not executed; it says nothing of earlier sends of the same key.
    NotExecuted,
}

/// The codes of a 402 after which the same card may be asked again.
const SOFT_DECLINES: [&str; 3] = [
    "processing_error",
    "issuer_not_available",
    "try_again_later",
];

/// The code of a 402 (or of an intent's state) that only the user can cure.
pub const AUTHENTICATION_REQUIRED: &str = "authentication_required";

impl Answer {
    /// The table of `CHARGES.md`, its column "means".
    #[must_use]
    pub fn money(&self) -> MoneyMoved {
        match self {
            Self::Intent(intent) => intent.status.money(),
            Self::Listed(intents)
                if intents.iter().any(|i| i.status == IntentStatus::Succeeded) =>
            {
                MoneyMoved::Charged
            }
            Self::Listed(_) => MoneyMoved::Unknown,
            Self::Declined {
                intent: Some(intent),
                ..
            } if intent.status == IntentStatus::Succeeded => MoneyMoved::Charged,
            Self::Declined { .. } | Self::Refused(_) | Self::Refunded => MoneyMoved::NotMoved,
            Self::KeyMismatch | Self::ServerError { .. } | Self::Lost(_) => MoneyMoved::Unknown,
            Self::OurDefect { .. }
            | Self::BadApiKey
            | Self::Forbidden
            | Self::KeyInUse
            | Self::RateLimited { .. }
            | Self::NotSent(_) => MoneyMoved::NotExecuted,
        }
    }

    /// Whether a decline may be asked again on the same intent.
    #[must_use]
    pub fn is_soft_decline(&self) -> bool {
        match self {
            Self::Declined {
                code, decline_code, ..
            } => {
                SOFT_DECLINES.contains(&&**code)
                    || decline_code
                        .as_deref()
                        .is_some_and(|decline| SOFT_DECLINES.contains(&decline))
            }
            _ => false,
        }
    }

    /// The intent that this answer names, which pins it to the donation.
    #[must_use]
    pub fn intent(&self) -> Option<&Intent> {
        match self {
            Self::Intent(intent) => Some(intent),
            Self::Declined { intent, .. } => intent.as_ref(),
            _ => None,
        }
    }

    /// A short name for logs, metrics and the row of the send; the label `class`.
    #[must_use]
    pub fn class(&self) -> &'static str {
        match self {
            Self::Intent(intent) => intent.status.as_str(),
            Self::Listed(_) => "listed",
            Self::Refunded => "refunded",
            Self::Declined { .. } => "declined",
            Self::Refused(_) => "refused",
            Self::KeyMismatch => "idempotency_error",
            Self::OurDefect { .. } => "our_defect",
            Self::BadApiKey => "bad_api_key",
            Self::Forbidden => "forbidden",
            Self::KeyInUse => "key_in_use",
            Self::RateLimited { .. } => "rate_limited",
            Self::ServerError { .. } => "server_error",
            Self::NotSent(_) => "not_sent",
            Self::Lost(_) => "lost",
        }
    }
}

impl IntentStatus {
    /// What an intent in this status says of the money.
    #[must_use]
    pub fn money(self) -> MoneyMoved {
        match self {
            Self::Succeeded => MoneyMoved::Charged,
            Self::Processing => MoneyMoved::Unknown,
            Self::RequiresAction
            | Self::RequiresPaymentMethod
            | Self::RequiresConfirmation
            | Self::Canceled => MoneyMoved::NotMoved,
        }
    }

    /// The status as the gateway spells it.
    #[must_use]
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Succeeded => "succeeded",
            Self::Processing => "processing",
            Self::RequiresAction => "requires_action",
            Self::RequiresPaymentMethod => "requires_payment_method",
            Self::RequiresConfirmation => "requires_confirmation",
            Self::Canceled => "canceled",
        }
    }

    /// The status that the gateway spells so.
    #[must_use]
    pub fn parse(text: &str) -> Option<Self> {
        [
            Self::Succeeded,
            Self::Processing,
            Self::RequiresAction,
            Self::RequiresPaymentMethod,
            Self::RequiresConfirmation,
            Self::Canceled,
        ]
        .into_iter()
        .find(|status| status.as_str() == text)
    }
}
