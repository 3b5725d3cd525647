//! A campaign: who may receive, in which currency, how much.

use crate::ids::CampaignId;
use crate::money::Currency;

/// Whether a campaign takes donations.
#[derive(Clone, Copy, PartialEq, Eq, Hash, Debug)]
pub enum CampaignStatus {
    /// It does.
    Open,
    /// It does not.
    Closed,
}

/// A campaign as its newest known version says.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct Campaign {
    /// Its id, the key of the record.
    pub campaign_id: CampaignId,
    /// A lower version than the known one is ignored.
    pub version: u64,
    /// Open or closed.
    pub status: CampaignStatus,
    /// The one currency that it takes.
    pub currency: Currency,
    /// The creator's account at the gateway, `acct_…`.
    pub creator_account: Box<str>,
    /// The least that it takes, if it says so.
    pub amount_minor_min: Option<u64>,
    /// The most that it takes, if it says so.
    pub amount_minor_max: Option<u64>,
    /// For people.
    pub title: Box<str>,
}

/// What a record of the campaigns topic says.
#[derive(Clone, PartialEq, Eq, Debug)]
pub enum CampaignChange {
    /// The campaign is so from now on.
    Set(Campaign),
    /// A tombstone: it is closed.
    Closed(CampaignId),
}
