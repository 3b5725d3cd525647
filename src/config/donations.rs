//! `[donations]`: what is done with a donation, and how long things may take.

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

/// What is done with a donation, and how long things may take.
#[derive(Clone, PartialEq, Eq, Debug, Serialize, Deserialize, JsonSchema)]
#[serde(default)]
pub struct Donations {
    /// Which requests are obeyed; the others are rejected. Who may write to the topic may ask for all of these, since the
    /// topic's access list is the only authentication.
    #[schemars(length(min = 1))]
    pub request_types: Vec<RequestType>,
    /// What is done with a donation to a campaign that is not known.
    pub unknown_campaigns: UnknownCampaigns,
    /// How old, in seconds, a campaign's state may be before it is read again.
    #[schemars(range(min = 1, max = 3_600))]
    pub campaign_ttl_s: u32,
    /// Within how many seconds a second donation of the same user, campaign and amount is held, and the user asked whether
    /// it is meant.
    #[schemars(
        range(min = 1, max = 3_600),
        extend("x-why" = "every donation of the window is kept in memory")
    )]
    pub duplicate_window_s: u32,
    /// How long, in seconds, the user has to answer. After that the held donation is cancelled (`duplicate_expired`),
    /// uncharged.
    #[schemars(range(min = 10, max = 604_800))]
    pub confirm_within_s: u64,
    /// How many times a donation's card may decline before the donation fails. Waits and failures of the gateway do not count.
    #[schemars(
        range(min = 1, max = 10),
        extend("x-why" = "the gateway cancels an intent that is confirmed too often")
    )]
    pub attempts_max: u32,
    /// How old, in seconds, an undecided donation may get, by the time of its record. Then it fails, if it is proven that
    /// no money moved.
    #[schemars(range(min = 3_600, max = 2_592_000))]
    pub max_age_s: u64,
    /// How many donations of a partition may be pending. At that bound the partition is not read on: Kafka keeps the rest.
    #[schemars(
        range(min = 1, max = 10_000_000),
        extend("x-why" = "each one costs 40 bytes of memory")
    )]
    pub pending_max: u32,
    /// How many donations of a partition may have an unknown outcome at the gateway. At that bound the partition is not
    /// read on.
    #[schemars(range(min = 1, max = 10_000_000))]
    pub unknown_max: u32,
}

/// What a request may ask for.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "snake_case")]
pub enum RequestType {
    /// Give.
    Donate,
    /// Yes, charge the held donation.
    Confirm,
    /// No, drop the held donation.
    Cancel,
}

/// What is done with a donation to a campaign that is not known.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Default, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "snake_case")]
pub enum UnknownCampaigns {
    /// It fails, uncharged.
    #[default]
    Reject,
    /// It is charged, in whatever currency: for installations without a campaigns topic.
    Accept,
}

impl RequestType {
    /// The same in the domain's words.
    pub fn in_domain(self) -> almoner_domain::request::RequestType {
        match self {
            Self::Donate => almoner_domain::request::RequestType::Donate,
            Self::Confirm => almoner_domain::request::RequestType::Confirm,
            Self::Cancel => almoner_domain::request::RequestType::Cancel,
        }
    }
}

impl Default for Donations {
    fn default() -> Self {
        Self {
            request_types: vec![
                RequestType::Donate,
                RequestType::Confirm,
                RequestType::Cancel,
            ],
            unknown_campaigns: UnknownCampaigns::default(),
            campaign_ttl_s: 30,
            duplicate_window_s: 60,
            confirm_within_s: 900,
            attempts_max: 5,
            max_age_s: 259_200,
            pending_max: 100_000,
            unknown_max: 10_000,
        }
    }
}
