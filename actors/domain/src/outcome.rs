//! What is told to the world: outcomes of donations and rejections of requests, and their bytes on the wire.

mod detail;
mod encode;
mod names;
mod view;

use std::borrow::Cow;

use serde::{Deserialize, Serialize};

use crate::donation::{PendingKind, State};
use crate::ids::{DonationId, Place, UserId};

pub use encode::{REQUEST_REJECTED, encode};
pub use view::{NotAnOutcome, OutcomeView, SourceView, decode};

/// One event of one donation: what the commit that decided it stored. Its content is the same however often it is
/// published; only `source` differs, which names the request that a copy answers.
#[derive(Clone, PartialEq, Eq, Debug, Serialize, Deserialize)]
pub struct Told {
    /// From 1, without gaps.
    pub sequence: u32,
    /// When it was decided: wall clock, milliseconds since 1970.
    pub occurred_at_ms: i64,
    /// The state after the event.
    pub status: State,
    /// 402s so far; 0 where the first answer was a success.
    pub attempts: u8,
    /// What happened.
    pub what: What,
}

/// What happened to a donation.
#[derive(Clone, PartialEq, Eq, Debug, Serialize, Deserialize)]
pub enum What {
    /// `donation.succeeded`
    Succeeded {
        /// The gateway's charge (or its intent, where the charge was not named).
        gateway_charge_id: Box<str>,
    },
    /// `donation.failed`
    Failed {
        /// Why.
        reason: Reason,
        /// The card network's reason of a decline.
        decline_code: Option<Box<str>>,
    },
    /// `donation.cancelled`
    Cancelled {
        /// Why.
        reason: Reason,
    },
    /// `donation.needs_confirmation`
    NeedsConfirmation {
        /// The donation that this one looks like.
        duplicate_of: DonationId,
        /// When the question lapses, in milliseconds since 1970.
        expires_at_ms: i64,
    },
    /// `donation.pending`
    Pending {
        /// Why it takes long.
        kind: PendingKind,
        /// When it is looked at again, in milliseconds since 1970.
        retry_at_ms: i64,
    },
}

/// Why a donation failed or was cancelled. The list is open: more may come.
#[derive(Clone, Copy, PartialEq, Eq, Hash, Debug, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Reason {
    /// Nobody knows the campaign.
    CampaignNotFound,
    /// The campaign takes no donations.
    CampaignClosed,
    /// The campaign, or the gateway, does not take this currency.
    CurrencyMismatch,
    /// The campaign, or the gateway, does not take this amount.
    AmountOutOfBounds,
    /// The gateway does not know the payment method.
    PaymentMethodInvalid,
    /// The card said no.
    CardDeclined,
    /// The card wants its owner to authenticate.
    AuthenticationRequired,
    /// Too many at once or in too short a time.
    VelocityBlocked,
    /// The card did not say yes within the attempts.
    AttemptsExhausted,
    /// It could not be charged within the time.
    Expired,
    /// The user said no to a suspected double.
    DuplicateDeclined,
    /// The user did not answer about a suspected double.
    DuplicateExpired,
}

/// A refused request, `request.rejected`: it speaks of a request, never of a donation's state.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct Rejection {
    /// `donate`, `confirm`, `cancel` or what stood there.
    pub request_type: Box<str>,
    /// The id that the request named.
    pub donation_id: DonationId,
    /// The user that the request named; the key of the record.
    pub user_id: UserId,
    /// Why.
    pub reason: RejectionReason,
    /// The field at fault.
    pub field: Option<Box<str>>,
    /// A sentence for a person: what is wrong and what to do.
    pub detail: Box<str>,
}

/// Why a request was rejected. The list is open: more may come.
#[derive(Clone, Copy, PartialEq, Eq, Hash, Debug, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum RejectionReason {
    /// A field is missing or out of its limits.
    InvalidRequest,
    /// The id was used for another donation.
    IdReused,
    /// The donation to be confirmed or cancelled is not held.
    NotHeld,
    /// The question was answered before.
    AlreadyAnswered,
    /// The donation is another user's.
    WrongUser,
    /// Nobody knows the donation.
    NotFound,
    /// The question had lapsed.
    TooLate,
}

/// Where an outcome goes and what it says: a record to be published.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct Message {
    /// The user's id.
    pub key: Box<str>,
    /// MessagePack, named maps.
    pub value: Vec<u8>,
    /// `event-type`, `event-id`, `donation-id`, `content-type`, `schema-version` and the request's trace headers.
    pub headers: Vec<(&'static str, Cow<'static, str>)>,
}

/// The place that a copy of an outcome answers.
pub type Source = Place;

#[cfg(test)]
mod tests;
