//! How the wire spells what happened.

use super::{Reason, RejectionReason, What};
use crate::donation::{PendingKind, State};

impl What {
    /// The `type` of the event, which is also the header `event-type`.
    #[must_use]
    pub fn event_type(&self) -> &'static str {
        match self {
            Self::Succeeded { .. } => "donation.succeeded",
            Self::Failed { .. } => "donation.failed",
            Self::Cancelled { .. } => "donation.cancelled",
            Self::NeedsConfirmation { .. } => "donation.needs_confirmation",
            Self::Pending { .. } => "donation.pending",
        }
    }

    /// The `reason` of the event, where it has one.
    #[must_use]
    pub fn reason(&self) -> Option<&'static str> {
        match self {
            Self::Failed { reason, .. } | Self::Cancelled { reason } => Some(reason.as_str()),
            Self::Pending { kind, .. } => Some(pending_kind(*kind)),
            Self::Succeeded { .. } | Self::NeedsConfirmation { .. } => None,
        }
    }
}

impl Reason {
    /// Every reason.
    pub const ALL: [Self; 12] = [
        Self::CampaignNotFound,
        Self::CampaignClosed,
        Self::CurrencyMismatch,
        Self::AmountOutOfBounds,
        Self::PaymentMethodInvalid,
        Self::CardDeclined,
        Self::AuthenticationRequired,
        Self::VelocityBlocked,
        Self::AttemptsExhausted,
        Self::Expired,
        Self::DuplicateDeclined,
        Self::DuplicateExpired,
    ];

    /// As the field `reason` spells it; the label `reason`.
    #[must_use]
    pub fn as_str(self) -> &'static str {
        match self {
            Self::CampaignNotFound => "campaign_not_found",
            Self::CampaignClosed => "campaign_closed",
            Self::CurrencyMismatch => "currency_mismatch",
            Self::AmountOutOfBounds => "amount_out_of_bounds",
            Self::PaymentMethodInvalid => "payment_method_invalid",
            Self::CardDeclined => "card_declined",
            Self::AuthenticationRequired => "authentication_required",
            Self::VelocityBlocked => "velocity_blocked",
            Self::AttemptsExhausted => "attempts_exhausted",
            Self::Expired => "expired",
            Self::DuplicateDeclined => "duplicate_declined",
            Self::DuplicateExpired => "duplicate_expired",
        }
    }

    /// The reason that is spelt so.
    #[must_use]
    pub fn parse(text: &str) -> Option<Self> {
        Self::ALL.into_iter().find(|known| known.as_str() == text)
    }
}

impl RejectionReason {
    /// Every reason.
    pub const ALL: [Self; 7] = [
        Self::InvalidRequest,
        Self::IdReused,
        Self::NotHeld,
        Self::AlreadyAnswered,
        Self::WrongUser,
        Self::NotFound,
        Self::TooLate,
    ];

    /// As the field `reason` spells it; the label `reason`.
    #[must_use]
    pub fn as_str(self) -> &'static str {
        match self {
            Self::InvalidRequest => "invalid_request",
            Self::IdReused => "id_reused",
            Self::NotHeld => "not_held",
            Self::AlreadyAnswered => "already_answered",
            Self::WrongUser => "wrong_user",
            Self::NotFound => "not_found",
            Self::TooLate => "too_late",
        }
    }
}

/// As the field `status` spells a state.
pub(super) fn status(state: State) -> &'static str {
    match state {
        State::Accepted => "accepted",
        State::Held => "held",
        State::Charging => "charging",
        State::Retrying => "retrying",
        State::Unknown => "unknown",
        State::Succeeded => "succeeded",
        State::Failed => "failed",
        State::Cancelled => "cancelled",
    }
}

/// As the field `reason` of `donation.pending` spells a kind.
pub(super) fn pending_kind(kind: PendingKind) -> &'static str {
    match kind {
        PendingKind::Held => "held",
        PendingKind::Retrying => "retrying",
        PendingKind::Unknown => "unknown",
        PendingKind::Queued => "queued",
        PendingKind::Drained => "drained",
        PendingKind::Quarantined => "quarantined",
        PendingKind::Surplus => "surplus",
    }
}
