//! A record of the campaigns topic → what it says.

use std::sync::Arc;

use almoner_domain::campaign::{Campaign, CampaignChange, CampaignStatus};
use almoner_domain::dead_letter::{DeadLetter, DeadReason};
use almoner_domain::ids::{CampaignId, Place};
use almoner_domain::money::Currency;
use rdkafka::message::{BorrowedMessage, Message};
use serde::Deserialize;

/// What the record says; a dead letter if that cannot be told.
pub(super) fn decode(
    record: &BorrowedMessage<'_>,
    topic: &Arc<str>,
) -> Result<CampaignChange, DeadLetter> {
    change(record.key(), record.payload()).ok_or_else(|| DeadLetter {
        place: Place {
            topic: Arc::clone(topic),
            partition: record.partition().cast_unsigned(),
            offset: record.offset(),
        },
        reason: DeadReason::Undecodable,
    })
}

fn change(key: Option<&[u8]>, value: Option<&[u8]>) -> Option<CampaignChange> {
    let campaign_id = CampaignId::parse(std::str::from_utf8(key?).ok()?)?;
    let Some(value) = value else {
        return Some(CampaignChange::Closed(campaign_id));
    };
    let fields: Fields = rmp_serde::from_slice(value).ok()?;
    Some(CampaignChange::Set(Campaign {
        campaign_id,
        version: fields.version,
        status: if fields.status == "open" {
            CampaignStatus::Open
        } else {
            CampaignStatus::Closed
        },
        currency: Currency::from_code(&fields.currency)?,
        creator_account: fields.creator_account.into(),
        amount_minor_min: fields.amount_minor_min,
        amount_minor_max: fields.amount_minor_max,
        title: fields.title.into(),
    }))
}

#[derive(Deserialize)]
struct Fields {
    version: u64,
    status: String,
    currency: String,
    creator_account: String,
    amount_minor_min: Option<u64>,
    amount_minor_max: Option<u64>,
    title: String,
}
