//! The proof of the donation's machine (`Donation::on`): histories against an oracle gateway, controls that the same
//! check must catch, and the table of `CHARGES.md` row by row.
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic)]

mod anything;
mod controls;
mod driver;
mod histories;
mod history;
mod machines;
mod oracle;
mod stories;
mod table;
mod world;

use almoner_domain::donation::{Donation, Rules};
use almoner_domain::ids::{CampaignId, DonationId, Place, UserId};
use almoner_domain::money::{Currency, Money};
use almoner_domain::request::DonationRequest;

/// When every story begins, milliseconds since 1970.
const T0_MS: i64 = 1_800_000_000_000;
const SECOND_MS: i64 = 1_000;
const MINUTE_MS: i64 = 60 * SECOND_MS;
const HOUR_MS: i64 = 60 * MINUTE_MS;

/// Stripe's figures.
const RULES: Rules = Rules {
    attempts_max: 5,
    key_lifetime_ms: 24 * HOUR_MS,
    reconcile_bound_ms: 24 * HOUR_MS,
    max_age_ms: 72 * HOUR_MS,
    confirm_within_ms: 30 * MINUTE_MS,
};

fn id(n: u8) -> DonationId {
    DonationId([n; 16])
}

fn donation() -> Donation {
    Donation {
        request: DonationRequest {
            id: id(7),
            user_id: UserId::parse("ada").unwrap(),
            campaign_id: CampaignId::parse("wells").unwrap(),
            amount: Money::new(2_500, Currency::from_code("EUR").unwrap()).unwrap(),
            payment_method: "pm_1".into(),
            gateway_customer: None,
            information: None,
        },
        place: Place {
            topic: "donations.requests".into(),
            partition: 3,
            offset: 41,
        },
        shard_offset: 41,
        recorded_at_ms: T0_MS,
        accepted_at_ms: T0_MS,
        body_version: 1,
        trace: None,
    }
}
