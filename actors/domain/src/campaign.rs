//! The campaigns topic: who may receive what. The latest version of each campaign counts.

use serde::{Deserialize, Serialize};

use crate::card_number::masked;
use crate::dead_letter::{Reason as DeadLetterReason, Unreadable};
use crate::ids::CampaignId;
use crate::money::{AMOUNT_MINOR_MAX, Currency};
use crate::outcome::Reason;
use crate::request::DonationRequest;
use crate::wire::{self, MapWriter, Problem};

wire::field_names!(Field {
    CampaignId = "campaign_id",
    Version = "version",
    Status = "status",
    Currency = "currency",
    CreatorAccount = "creator_account",
    AmountMinorMin = "amount_minor_min",
    AmountMinorMax = "amount_minor_max",
    Title = "title",
});

type Fields<'a> = wire::Fields<'a, { Field::NAMES.len() }>;

/// A campaign as its latest version describes it.
#[derive(Clone, PartialEq, Eq, Debug, Serialize, Deserialize)]
pub struct Campaign {
    /// Its id; the key of the record.
    pub campaign_id: CampaignId,
    /// Counts its changes. A lower one than is known is old news.
    pub version: u64,
    /// Whether it takes donations.
    pub status: Status,
    /// The one currency that it takes.
    pub currency: Currency,
    /// The creator's account at the gateway, `acct_…`.
    pub creator_account: Box<str>,
    /// The least that it takes, in the currency's minor unit.
    pub amount_minor_min: Option<u64>,
    /// The most that it takes, in the currency's minor unit.
    pub amount_minor_max: Option<u64>,
    /// At most 500 characters, card numbers masked.
    pub title: Box<str>,
}

/// Whether a campaign takes donations.
#[derive(Clone, Copy, PartialEq, Eq, Hash, Debug, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Status {
    /// It does.
    Open,
    /// It does not.
    Closed,
}

impl Status {
    /// As the field `status` spells it.
    #[must_use]
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Open => "open",
            Self::Closed => "closed",
        }
    }

    /// The status that is spelt so. One that is not known here takes no donations: closing is the mistake that can
    /// be mended.
    fn parse(text: &str) -> Self {
        match text {
            "open" => Self::Open,
            _ => Self::Closed,
        }
    }
}

/// What a record of the campaigns topic says.
#[derive(Clone, PartialEq, Eq, Debug)]
pub enum CampaignChange {
    /// The campaign is now like this.
    Described(Campaign),
    /// A tombstone: the campaign is closed.
    Closed(CampaignId),
}

impl CampaignChange {
    /// The campaign that it is about.
    #[must_use]
    pub fn campaign_id(&self) -> &CampaignId {
        match self {
            Self::Described(campaign) => &campaign.campaign_id,
            Self::Closed(campaign_id) => campaign_id,
        }
    }
}

/// Reads a record of the campaigns topic: its key, its value (`None` is a tombstone) and its `schema-version` header.
///
/// # Errors
/// Why the record goes to the dead letters.
pub fn decode(
    key: Option<&[u8]>,
    value: Option<&[u8]>,
    schema_version: Option<&[u8]>,
) -> Result<CampaignChange, Unreadable> {
    let key = key
        .and_then(|key| std::str::from_utf8(key).ok())
        .and_then(CampaignId::parse)
        .ok_or_else(|| no_identity("the record's key is not a campaign's id"))?;
    let Some(value) = value else {
        return Ok(CampaignChange::Closed(key));
    };
    wire::check_schema_version(schema_version)?;
    let fields = Fields::read(Field::NAMES, value)?;
    campaign(&fields, key)
        .map(CampaignChange::Described)
        .map_err(|problem| match problem.field {
            Some("campaign_id") => no_identity(problem.detail),
            _ => Unreadable::new(DeadLetterReason::Undecodable, problem.detail),
        })
}

fn no_identity(detail: impl Into<String>) -> Unreadable {
    Unreadable::new(DeadLetterReason::NoIdentity, detail)
}

fn campaign(fields: &Fields<'_>, key: CampaignId) -> Result<Campaign, Problem> {
    if fields.required_text(Field::CampaignId)? != key.as_str() {
        return Err(fields.problem(
            Field::CampaignId,
            "is not the record's key; send it as the key",
        ));
    }
    let campaign = Campaign {
        campaign_id: key,
        version: fields
            .uint(Field::Version)?
            .ok_or_else(|| fields.problem(Field::Version, "is missing"))?,
        status: Status::parse(fields.required_text(Field::Status)?),
        currency: Currency::from_code(fields.required_text(Field::Currency)?).ok_or_else(|| {
            fields.problem(
                Field::Currency,
                "is not a currency of ISO 4217; send EUR or the like",
            )
        })?,
        creator_account: creator_account(fields)?.into(),
        amount_minor_min: bound(fields, Field::AmountMinorMin)?,
        amount_minor_max: bound(fields, Field::AmountMinorMax)?,
        title: title(fields)?,
    };
    match (campaign.amount_minor_min, campaign.amount_minor_max) {
        (Some(min), Some(max)) if min > max => {
            Err(fields.problem(Field::AmountMinorMin, "is more than amount_minor_max"))
        }
        _ => Ok(campaign),
    }
}

fn creator_account<'a>(fields: &Fields<'a>) -> Result<&'a str, Problem> {
    let account = fields.required_text(Field::CreatorAccount)?;
    if crate::request::is_token(account) {
        return Ok(account);
    }
    Err(fields.problem(
        Field::CreatorAccount,
        "is not an account of the gateway's; send acct_…",
    ))
}

fn bound(fields: &Fields<'_>, field: Field) -> Result<Option<u64>, Problem> {
    let bound = fields.uint(field)?;
    if bound.is_some_and(|bound| bound > AMOUNT_MINOR_MAX) {
        return Err(fields.problem(field, &format!("is more than {AMOUNT_MINOR_MAX}")));
    }
    Ok(bound)
}

/// Characters of `title`.
const TITLE_CHARS_MAX: usize = 500;

fn title(fields: &Fields<'_>) -> Result<Box<str>, Problem> {
    let text = fields.text(Field::Title)?.unwrap_or_default();
    if text.chars().nth(TITLE_CHARS_MAX).is_some() {
        return Err(fields.problem(
            Field::Title,
            &format!("has more than {TITLE_CHARS_MAX} characters"),
        ));
    }
    Ok(masked(text).into())
}

impl Campaign {
    /// The value of the record that describes the campaign, every field in the order of the contract.
    #[must_use]
    pub fn encode(&self) -> Vec<u8> {
        let mut map = MapWriter::with_capacity(192);
        map.text(Field::CampaignId.name(), self.campaign_id.as_str());
        map.uint(Field::Version.name(), self.version);
        map.text(Field::Status.name(), self.status.as_str());
        map.text(Field::Currency.name(), self.currency.code());
        map.text(Field::CreatorAccount.name(), &self.creator_account);
        map.uint_if(Field::AmountMinorMin.name(), self.amount_minor_min);
        map.uint_if(Field::AmountMinorMax.name(), self.amount_minor_max);
        if !self.title.is_empty() {
            map.text(Field::Title.name(), &self.title);
        }
        map.finish()
    }

    /// What is known of a campaign after `change`, of what was `known` before; `None` if nothing is to be written.
    ///
    /// A lower version is old news. An equal one may be read again (a log is, after a restart), so it counts, but it
    /// never opens what is closed: a tombstone has no version, and what it closed must not open at every restart.
    #[must_use]
    pub fn apply(known: Option<&Self>, change: CampaignChange) -> Option<Self> {
        let changed = match (known, change) {
            (None, CampaignChange::Described(campaign)) => return Some(campaign),
            (None, CampaignChange::Closed(_)) => return None,
            (Some(known), CampaignChange::Closed(_)) => Self {
                status: Status::Closed,
                ..known.clone()
            },
            (Some(known), CampaignChange::Described(campaign)) => {
                let reopens = known.status == Status::Closed && campaign.status == Status::Open;
                if campaign.version < known.version || campaign.version == known.version && reopens
                {
                    return None;
                }
                campaign
            }
        };
        (known != Some(&changed)).then_some(changed)
    }

    /// Why this campaign does not take the donation, if it does not.
    #[must_use]
    pub fn refuses(&self, request: &DonationRequest) -> Option<Reason> {
        let amount_minor = request.amount.amount_minor();
        if self.status == Status::Closed {
            Some(Reason::CampaignClosed)
        } else if self.currency != request.amount.currency() {
            Some(Reason::CurrencyMismatch)
        } else if self.amount_minor_min.is_some_and(|min| amount_minor < min)
            || self.amount_minor_max.is_some_and(|max| amount_minor > max)
        {
            Some(Reason::AmountOutOfBounds)
        } else {
            None
        }
    }
}

#[cfg(test)]
mod tests;
