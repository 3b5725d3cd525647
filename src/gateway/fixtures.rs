//! A donation as the tests of this folder need one.

use almoner_domain::donation::Donation;
use almoner_domain::ids::{CampaignId, DonationId, Place, UserId};
use almoner_domain::money::{Currency, Money};
use almoner_domain::request::DonationRequest;

/// 12.50 EUR of `user_1` for `campaign_1`, paid with `pm_1`; its body is of version 1.
pub(super) fn donation(id: DonationId) -> Donation {
    Donation {
        request: DonationRequest {
            id,
            user_id: UserId::parse("user_1").unwrap(),
            campaign_id: CampaignId::parse("campaign_1").unwrap(),
            amount: Money::new(1_250, Currency::from_code("EUR").unwrap()).unwrap(),
            payment_method: "pm_1".into(),
            gateway_customer: None,
            information: None,
        },
        place: Place {
            topic: "donations.requests".into(),
            partition: 0,
            offset: 0,
        },
        shard_offset: 0,
        recorded_at_ms: 0,
        accepted_at_ms: 0,
        body_version: 1,
        trace: None,
    }
}
