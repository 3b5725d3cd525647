//! What is not one donation's: shards, campaigns, the log's generation.

use almoner_actors::ports::{Claimed, MarkWrite, Marked};
use almoner_domain::campaign::{Campaign, CampaignChange};
use almoner_domain::ids::Shard;
use rusqlite::params;

use super::super::known::ShardRow;
use super::super::rows;
use super::{Answer, Batch, impossible};
use crate::store::codes::Code;

impl Batch<'_, '_> {
    pub(super) fn claim(&mut self, shard: Shard) -> rusqlite::Result<Claimed> {
        let mut row = self.known.shards.get(&shard).copied().unwrap_or_default();
        row.epoch += 1;
        self.put_shard(shard, row)?;
        Ok(Claimed {
            epoch: row.epoch,
            next_offset: row.next_offset,
            stream_ms: row.stream_ms,
            log_generation: self.known.log_generation,
        })
    }

    pub(super) fn mark(&mut self, mark: &MarkWrite) -> rusqlite::Result<Marked> {
        if !self.known.owns(mark.shard, mark.epoch) {
            return Ok(Marked::Fenced);
        }
        let mut row = self
            .known
            .shards
            .get(&mark.shard)
            .copied()
            .unwrap_or_default();
        row.next_offset = row.next_offset.max(Some(mark.next_offset));
        row.stream_ms = row.stream_ms.max(mark.stream_ms);
        self.put_shard(mark.shard, row)?;
        Ok(Marked::Done)
    }

    fn put_shard(&mut self, shard: Shard, row: ShardRow) -> rusqlite::Result<()> {
        self.connection
            .prepare_cached(
                "INSERT INTO shard (shard, epoch, next_offset, stream_ms) VALUES (?1, ?2, ?3, ?4) \
                 ON CONFLICT (shard) DO UPDATE SET epoch = excluded.epoch, \
                 next_offset = excluded.next_offset, stream_ms = excluded.stream_ms",
            )?
            .execute((
                shard.0,
                row.epoch.cast_signed(),
                row.next_offset,
                row.stream_ms,
            ))?;
        self.known.shards.insert(shard, row);
        Ok(())
    }

    pub(super) fn put_campaign(&mut self, change: &CampaignChange) -> Answer<()> {
        let known = rows::campaign(self.connection, change.campaign_id())?;
        match Campaign::apply(known.as_ref(), change.clone()) {
            Some(campaign) => self.set_campaign(&campaign),
            None => Ok(Ok(())),
        }
    }

    fn set_campaign(&mut self, campaign: &Campaign) -> Answer<()> {
        let (Ok(version), Ok(min), Ok(max)) = (
            i64::try_from(campaign.version),
            campaign.amount_minor_min.map(i64::try_from).transpose(),
            campaign.amount_minor_max.map(i64::try_from).transpose(),
        ) else {
            return Ok(Err(impossible("a number of the campaign is over 2^63")));
        };
        self.connection
            .prepare_cached(
                "INSERT INTO campaign (campaign_id, version, status, currency, creator_account, \
                 amount_minor_min, amount_minor_max, title) VALUES (?1, ?2, ?3, ?4, ?5, ?6, ?7, ?8) \
                 ON CONFLICT (campaign_id) DO UPDATE SET version = excluded.version, \
                 status = excluded.status, currency = excluded.currency, \
                 creator_account = excluded.creator_account, amount_minor_min = excluded.amount_minor_min, \
                 amount_minor_max = excluded.amount_minor_max, title = excluded.title",
            )?
            .execute(params![
                campaign.campaign_id.as_str(),
                version,
                campaign.status.code(),
                campaign.currency.code(),
                campaign.creator_account,
                min,
                max,
                campaign.title,
            ])?;
        Ok(Ok(()))
    }

    pub(super) fn raise_log_generation(&mut self) -> rusqlite::Result<u32> {
        let raised = self.known.log_generation + 1;
        self.connection
            .execute("UPDATE store SET log_generation = ?1", [raised])?;
        // What was done of the other log says nothing of this one.
        self.connection
            .execute("UPDATE shard SET next_offset = NULL", [])?;
        for shard in self.known.shards.values_mut() {
            shard.next_offset = None;
        }
        self.known.log_generation = raised;
        Ok(raised)
    }
}
