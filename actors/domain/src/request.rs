//! Bytes from the outside → a request, or a refusal that says why and what to do.

use serde::{Deserialize, Serialize};

use crate::ids::{CampaignId, DonationId, UserId};
use crate::money::Money;

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
    pub metadata: Vec<(Box<str>, Box<str>)>,
}

/// The user's answer to a held donation.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct HoldAnswer {
    /// The held donation.
    pub id: DonationId,
    /// Who answers: it must be who gives.
    pub user_id: UserId,
}
