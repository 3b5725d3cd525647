//! Donations of which the gateway's list has shown an intent: they go on from that.

use almoner_actors::ports::{AcceptWrite, Accepted, Pending, RowId};
use almoner_domain::donation::{PendingKind, Progress};
use rusqlite::params;

use super::super::sighted::{Sighted, Sighting};
use super::super::tail::Open;
use super::{Answer, Batch};

impl Batch<'_, '_> {
    pub(super) fn put_sightings(&mut self, sightings: &[Sighting]) -> Answer<()> {
        for sighting in sightings {
            match self.by_id(sighting.donation_id)? {
                Some(recorded) if recorded.finish.is_some() => {}
                Some(recorded) => {
                    let accepted_at_ms = recorded.donation.accepted_at_ms;
                    let (version, progress) = match recorded.pending {
                        Some((pending, progress)) => (pending.version, progress),
                        None => (0, Progress::first_sent(accepted_at_ms)),
                    };
                    let progress = progress.sighted(&sighting.intent_id, sighting.is_charged);
                    let pending = Pending {
                        version: version + 1,
                        due_ms: accepted_at_ms,
                        kind: PendingKind::Unknown,
                    };
                    let seq = recorded.row.0;
                    self.put_pending(seq, recorded.shard, version + 1, &pending, &progress)?;
                    self.known.tail.settled(seq);
                }
                None => self.remember(sighting)?,
            }
        }
        Ok(Ok(()))
    }

    fn remember(&mut self, sighting: &Sighting) -> rusqlite::Result<()> {
        let Sighting {
            donation_id,
            intent_id,
            is_charged,
        } = sighting;
        self.connection
            .prepare_cached(
                "INSERT OR REPLACE INTO sighted (id, intent_id, is_charged) VALUES (?1, ?2, ?3)",
            )?
            .execute(params![&donation_id.0[..], intent_id, is_charged])?;
        let sighted = Sighted {
            intent_id: intent_id.clone(),
            is_charged: *is_charged,
        };
        self.known.sighted.insert(*donation_id, sighted);
        Ok(())
    }

    /// The first write of a donation that was sighted: what the checks computed is dropped, as if it had been known.
    pub(super) fn accept_sighted(
        &mut self,
        seq: i64,
        write: &AcceptWrite,
        sighted: &Sighted,
    ) -> Answer<Accepted> {
        let donation = &*write.donation;
        let id = donation.request.id;
        self.insert_donation(seq, write)?;
        let progress = Progress::new().sighted(&sighted.intent_id, sighted.is_charged);
        let pending = Pending {
            version: 1,
            due_ms: donation.accepted_at_ms,
            kind: PendingKind::Unknown,
        };
        self.put_pending(seq, write.shard, 1, &pending, &progress)?;
        self.connection
            .prepare_cached("DELETE FROM sighted WHERE id = ?1")?
            .execute([&id.0[..]])?;
        let recorded = match self.recorded(RowId(seq), id)? {
            Ok(recorded) => recorded,
            Err(error) => return Ok(Err(error)),
        };
        let shard = write.shard;
        let open = Open { shard, id };
        self.known
            .tail
            .accepted(open, donation.recorded_at_ms, false);
        self.known.sighted.remove(&id);
        Ok(Ok(Accepted::Known(recorded)))
    }
}
