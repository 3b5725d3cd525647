//! Campaigns: one row each, changed by conditional writes, since every instance reads the same topic.

use almoner_actors::ports::StoreError;
use almoner_domain::campaign::{Campaign, CampaignChange};
use almoner_domain::ids::CampaignId;
use almoner_domain::money::Currency;
use scylla::{DeserializeRow, SerializeRow};

use super::core::Core;
use super::db::{Applied, unanswered, unreadable};
use super::rows::{code, code_of};
use super::shards::TRIES;

#[derive(DeserializeRow, SerializeRow, Debug)]
struct CampaignRow {
    campaign_id: String,
    revision: i32,
    version: i64,
    status: i32,
    currency: String,
    creator_account: String,
    amount_minor_min: Option<i64>,
    amount_minor_max: Option<i64>,
    title: String,
}

#[derive(SerializeRow)]
struct CampaignRowChange {
    #[scylla(flatten)]
    row: CampaignRow,
    seen_revision: i32,
}

impl Core {
    pub(super) async fn campaign(&self, id: &CampaignId) -> Result<Option<Campaign>, StoreError> {
        let row = self.campaign_row(id).await?;
        row.map(|row| row.campaign()).transpose()
    }

    pub(super) async fn put_campaign(&self, change: &CampaignChange) -> Result<(), StoreError> {
        let id = change.campaign_id();
        let statements = &self.db.statements;
        for _ in 0..TRIES {
            let known = self.campaign_row(id).await?;
            let before = known.as_ref().map(CampaignRow::campaign).transpose()?;
            let Some(campaign) = Campaign::apply(before.as_ref(), change.clone()) else {
                return Ok(());
            };
            let row = CampaignRow::new(&campaign, known.as_ref().map_or(0, |it| it.revision + 1))?;
            let applied = match known {
                None => self.db.conditional(&statements.new_campaign, row).await?,
                Some(known) => {
                    let seen_revision = known.revision;
                    let change = CampaignRowChange { row, seen_revision };
                    (self.db.conditional(&statements.change_campaign, change)).await?
                }
            };
            // Whatever else came of it is read, and found to be done or not.
            if let Applied::Yes = applied {
                return Ok(());
            }
        }
        Err(unanswered(
            "the campaign's row is changed by others all the time",
        ))
    }

    async fn campaign_row(&self, id: &CampaignId) -> Result<Option<CampaignRow>, StoreError> {
        let campaign = &self.db.statements.campaign;
        self.db.read_one(campaign, (id.as_str(),)).await
    }
}

impl CampaignRow {
    fn new(campaign: &Campaign, revision: i32) -> Result<Self, StoreError> {
        let (Ok(version), Ok(amount_minor_min), Ok(amount_minor_max)) = (
            i64::try_from(campaign.version),
            campaign.amount_minor_min.map(i64::try_from).transpose(),
            campaign.amount_minor_max.map(i64::try_from).transpose(),
        ) else {
            let why = "a number of the campaign is over 2^63";
            return Err(StoreError::Impossible(why.into()));
        };
        Ok(Self {
            campaign_id: campaign.campaign_id.as_str().to_owned(),
            revision,
            version,
            status: code_of(campaign.status),
            currency: campaign.currency.code().to_owned(),
            creator_account: campaign.creator_account.to_string(),
            amount_minor_min,
            amount_minor_max,
            title: campaign.title.to_string(),
        })
    }

    fn campaign(&self) -> Result<Campaign, StoreError> {
        Ok(Campaign {
            campaign_id: CampaignId::parse(&self.campaign_id)
                .ok_or_else(|| unreadable("not a campaign's id"))?,
            version: self.version.cast_unsigned(),
            status: code(Some(self.status))?.ok_or_else(|| unreadable("no status"))?,
            currency: Currency::from_code(&self.currency)
                .ok_or_else(|| unreadable("not a currency"))?,
            creator_account: self.creator_account.as_str().into(),
            amount_minor_min: self.amount_minor_min.map(i64::cast_unsigned),
            amount_minor_max: self.amount_minor_max.map(i64::cast_unsigned),
            title: self.title.as_str().into(),
        })
    }
}
