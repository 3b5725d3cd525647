//! Bytes from the outside → a request, or a refusal that says why and what to do.

mod decode;
mod encode;
mod limits;

use serde::{Deserialize, Serialize};

use crate::dead_letter;
use crate::ids::{CampaignId, DonationId, UserId};
use crate::money::Money;
use crate::outcome::Rejection;

pub use decode::decode;
pub use encode::encode;
pub(crate) use limits::is_token;

/// One record of the requests topic, as the broker handed it over. A record without a value is an empty one.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct Record<'a> {
    /// The record's key, which must be the request's `user_id`.
    pub key: Option<&'a [u8]>,
    /// MessagePack, a named map.
    pub value: &'a [u8],
    /// The header `schema-version`, if there is one.
    pub schema_version: Option<&'a [u8]>,
}

/// What the configuration says of requests.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct Rules {
    /// The types that are taken; the others are rejected.
    pub request_types_allowed: RequestTypes,
    /// A larger value is rejected.
    pub value_bytes_max: usize,
}

/// Room for every field at its limit, and for as much again that is not known here.
const VALUE_BYTES_MAX: usize = 128 * 1024;

impl Default for Rules {
    fn default() -> Self {
        Self {
            request_types_allowed: RequestTypes::all(),
            value_bytes_max: VALUE_BYTES_MAX,
        }
    }
}

/// What a request wants.
#[derive(Clone, Copy, PartialEq, Eq, Hash, Debug)]
pub enum RequestType {
    /// Give.
    Donate,
    /// Charge a held donation.
    Confirm,
    /// Drop a held donation.
    Cancel,
}

impl RequestType {
    /// Every type that is built.
    pub const ALL: [Self; 3] = [Self::Donate, Self::Confirm, Self::Cancel];

    /// As the field `type` spells it.
    #[must_use]
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Donate => "donate",
            Self::Confirm => "confirm",
            Self::Cancel => "cancel",
        }
    }

    /// The type that is spelt so.
    #[must_use]
    pub fn parse(text: &str) -> Option<Self> {
        Self::ALL.into_iter().find(|known| known.as_str() == text)
    }
}

/// A set of request types.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct RequestTypes(u8);

impl RequestTypes {
    /// Every type that is built.
    #[must_use]
    pub fn all() -> Self {
        RequestType::ALL.into_iter().collect()
    }

    /// Whether the type is one of these.
    #[must_use]
    pub fn contains(self, request_type: RequestType) -> bool {
        self.0 & 1 << request_type as u8 != 0
    }

    /// These types, in the order of [`RequestType::ALL`].
    pub fn iter(self) -> impl Iterator<Item = RequestType> {
        RequestType::ALL
            .into_iter()
            .filter(move |known| self.contains(*known))
    }
}

impl FromIterator<RequestType> for RequestTypes {
    fn from_iter<I: IntoIterator<Item = RequestType>>(types: I) -> Self {
        Self(types.into_iter().fold(0, |set, one| set | 1 << one as u8))
    }
}

/// Why a record is no request that can be done.
#[derive(Clone, PartialEq, Eq, Debug)]
pub enum Refusal {
    /// It can be read who asked and about which donation: they are told, by `request.rejected`.
    Rejected(Rejection),
    /// Nobody can be told: it goes to the dead letters.
    DeadLetter {
        /// Why.
        reason: dead_letter::Reason,
        /// A sentence for who looks at the dead letters. It repeats nothing of the record.
        detail: String,
    },
}

impl From<dead_letter::Unreadable> for Refusal {
    fn from(unreadable: dead_letter::Unreadable) -> Self {
        Self::DeadLetter {
            reason: unreadable.reason,
            detail: unreadable.detail,
        }
    }
}

/// What a front end asks for.
#[derive(Clone, PartialEq, Eq, Debug)]
pub enum Request {
    /// Give.
    Donate(DonationRequest),
    /// Yes, charge the held donation.
    Confirm(HoldAnswer),
    /// No, drop the held donation.
    Cancel(HoldAnswer),
}

impl Request {
    /// What it wants.
    #[must_use]
    pub fn request_type(&self) -> RequestType {
        match self {
            Self::Donate(_) => RequestType::Donate,
            Self::Confirm(_) => RequestType::Confirm,
            Self::Cancel(_) => RequestType::Cancel,
        }
    }

    /// The donation that it is about.
    #[must_use]
    pub fn id(&self) -> DonationId {
        match self {
            Self::Donate(donation) => donation.id,
            Self::Confirm(answer) | Self::Cancel(answer) => answer.id,
        }
    }

    /// Who asks; the key of the record.
    #[must_use]
    pub fn user_id(&self) -> &UserId {
        match self {
            Self::Donate(donation) => &donation.user_id,
            Self::Confirm(answer) | Self::Cancel(answer) => &answer.user_id,
        }
    }
}

/// A request to give, checked.
#[derive(Clone, PartialEq, Eq, Debug, Serialize, Deserialize)]
pub struct DonationRequest {
    /// Minted by the caller, reused for retries.
    pub id: DonationId,
    /// Who gives.
    pub user_id: UserId,
    /// What receives.
    pub campaign_id: CampaignId,
    /// How much.
    pub amount: Money,
    /// The gateway's token, `pm_…`.
    pub payment_method: Box<str>,
    /// The gateway's customer, `cus_…`, where the token is saved to one.
    pub gateway_customer: Option<Box<str>>,
    /// What is information only; boxed, since most requests bring none.
    pub information: Option<Box<Information>>,
}

impl DonationRequest {
    /// Whether a repeat under the same id asks for the same: what decides is compared, information is not.
    ///
    /// # Errors
    /// The name on the wire of the first field that differs.
    pub fn same_content(&self, other: &Self) -> Result<(), &'static str> {
        let differs = [
            ("user_id", self.user_id != other.user_id),
            ("campaign_id", self.campaign_id != other.campaign_id),
            (
                "amount_minor",
                self.amount.amount_minor() != other.amount.amount_minor(),
            ),
            (
                "currency",
                self.amount.currency() != other.amount.currency(),
            ),
            (
                "payment_method",
                self.payment_method != other.payment_method,
            ),
            (
                "gateway_customer",
                self.gateway_customer != other.gateway_customer,
            ),
        ];
        match differs.iter().find(|(_, differs)| *differs) {
            Some((field, _)) => Err(field),
            None => Ok(()),
        }
    }
}

/// The fields of a request that decide nothing. Of a repeated request the first one's count.
#[derive(Clone, PartialEq, Eq, Debug, Default, Serialize, Deserialize)]
pub struct Information {
    /// The client's clock, in milliseconds since 1970: never used to decide anything.
    pub created_at_ms: Option<i64>,
    /// At most 500 characters, card numbers masked.
    pub message: Option<Box<str>>,
    /// Whether the campaign's page shows the name.
    pub anonymous: Option<bool>,
    /// Where a receipt is mailed.
    pub receipt_email: Option<Box<str>>,
    /// At most 20 entries of 40 and 500 characters, card numbers masked; echoed in outcomes.
    pub metadata: Metadata,
}

/// Entries of text to text, in the order in which they came; no key twice.
pub type Metadata = Vec<(Box<str>, Box<str>)>;

/// The user's answer to a held donation.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct HoldAnswer {
    /// The held donation.
    pub id: DonationId,
    /// Who answers: it must be who gives.
    pub user_id: UserId,
}

#[cfg(test)]
mod tests;
