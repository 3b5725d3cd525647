//! What each call writes, and under which condition. All of a batch is one transaction; nothing here is answered before
//! its commit.

mod beside;
mod shared;
mod sighted;
mod untold;

use almoner_actors::ports::{
    AcceptWrite, Accepted, AdvanceWrite, Advanced, Finish, FinishWrite, Finished, FirstState,
    Pending, Recorded, RowId, StoreError,
};
use almoner_domain::donation::{Donation, PendingKind, Progress, State};
use almoner_domain::ids::{CampaignId, DonationId, Shard};
use almoner_domain::money::Currency;
use foldhash::fast::FixedState;
use hashbrown::HashMap;
use rusqlite::{Connection, params};

use super::known::Known;
use super::letters;
use super::ops::Op;
use super::rows;
use super::statements::Statements;
use super::tail::Open;
use crate::store::codes::{Account, Code};

/// A result of a call; the outer error is the engine's, and undoes what the call wrote.
type Answer<T> = rusqlite::Result<Result<T, StoreError>>;

/// The sums of a batch, written once per campaign, currency and day.
type Days = HashMap<(CampaignId, Currency, i32), (i64, i64), FixedState>;

/// A batch on its way.
pub(super) struct Batch<'a, 'c> {
    pub(super) connection: &'c Connection,
    pub(super) statements: &'a mut Statements<'c>,
    pub(super) known: &'a mut Known,
    pub(super) days: Days,
}

impl Batch<'_, '_> {
    /// Writes what the call says and keeps the answer with it.
    ///
    /// # Errors
    /// The engine's; then the call's answer is not set, and what it wrote must be rolled back.
    pub(super) fn apply(&mut self, op: &mut Op) -> rusqlite::Result<()> {
        match op {
            Op::Accept(call) => {
                let answer = self.accept(&call.write)?;
                call.set(answer);
            }
            Op::Finish(call) => {
                let answer = self.finish(&call.write)?;
                call.set(answer);
            }
            Op::Advance(call) => {
                let answer = self.advance(&call.write)?;
                call.set(answer);
            }
            Op::Acknowledged(call) => {
                let answer = self.acknowledged(call.write)?;
                call.set(answer);
            }
            Op::Claim(call) => {
                let answer = self.claim(call.write)?;
                call.set(Ok(answer));
            }
            Op::Mark(call) => {
                let answer = self.mark(&call.write)?;
                call.set(Ok(answer));
            }
            Op::PutCampaign(call) => {
                let answer = self.put_campaign(&call.write)?;
                call.set(answer);
            }
            Op::KeepLetter(call) => {
                letters::insert(self.connection, &call.write)?;
                call.set(Ok(()));
            }
            Op::PutSightings(call) => {
                let answer = self.put_sightings(&call.write)?;
                call.set(answer);
            }
            Op::TellLost(call) => {
                let (shard, lost) = &call.write;
                let told = self.tell_lost(*shard, lost)?;
                call.set(Ok(told));
            }
            Op::RaiseLogGeneration(call) => {
                let answer = self.raise_log_generation()?;
                call.set(Ok(answer));
            }
            Op::Locate(_) => {}
        }
        Ok(())
    }

    /// Writes the sums of the campaigns' days.
    pub(super) fn flush_days(&mut self) -> rusqlite::Result<()> {
        for ((campaign_id, currency, day), (count, amount_minor)) in self.days.drain() {
            self.statements.campaign_day.execute(params![
                campaign_id.as_str(),
                currency.code(),
                day,
                count,
                amount_minor
            ])?;
        }
        Ok(())
    }

    fn accept(&mut self, write: &AcceptWrite) -> Answer<Accepted> {
        if !self.known.owns(write.shard, write.epoch) {
            return Ok(Ok(Accepted::Fenced));
        }
        if let FirstState::Finished(finish) = &write.first
            && !matches!(finish.ending.state, State::Failed | State::Cancelled)
        {
            return Ok(Err(impossible(
                "a donation is accepted as finished only if it is refused",
            )));
        }
        let donation = &*write.donation;
        let id = donation.request.id;
        if let Some(seq) = self.known.keys.row(self.statements, id)? {
            return Ok(self.recorded(RowId(seq), id)?.map(Accepted::Known));
        }
        let seq = self.known.tail.next_seq();
        if let Some(sighted) = self.known.sighted.get(&id).cloned() {
            return self.accept_sighted(seq, write, &sighted);
        }
        self.insert_donation(seq, write)?;
        match &write.first {
            FirstState::Charging => {}
            FirstState::Pending {
                pending,
                progress,
                told,
            } => {
                self.put_pending(seq, write.shard, 1, pending, progress)?;
                self.add_history(seq, told.as_ref(), None, &[])?;
            }
            FirstState::Finished(finish) => self.insert_finish(seq, donation, finish)?,
        }
        let is_open = matches!(write.first, FirstState::Charging);
        let open = Open {
            shard: write.shard,
            id,
        };
        self.known
            .tail
            .accepted(open, donation.recorded_at_ms, is_open);
        Ok(Ok(Accepted::New(RowId(seq))))
    }

    fn insert_donation(&mut self, seq: i64, write: &AcceptWrite) -> rusqlite::Result<()> {
        let Donation {
            request,
            place,
            shard_offset,
            recorded_at_ms,
            accepted_at_ms,
            body_version,
            trace,
        } = &*write.donation;
        let information = request
            .information
            .as_deref()
            .map(rows::to_blob)
            .transpose()?;
        self.statements.donation.execute(params![
            seq,
            write.shard.0,
            recorded_at_ms,
            &request.id.0[..],
            request.user_id.as_str(),
            request.campaign_id.as_str(),
            request.amount.amount_minor().cast_signed(),
            request.amount.currency().code(),
            request.payment_method,
            request.gateway_customer,
            body_version,
            accepted_at_ms,
            write.epoch.cast_signed(),
            place.topic,
            place.partition,
            place.offset,
            trace.as_ref().and_then(|it| it.traceparent.as_deref()),
            trace.as_ref().and_then(|it| it.correlation_id.as_deref()),
            information,
            (*shard_offset != place.offset).then_some(shard_offset),
        ])?;
        self.known.keys.accepted(request.id, seq);
        Ok(())
    }

    fn insert_finish(
        &mut self,
        seq: i64,
        donation: &Donation,
        finish: &Finish,
    ) -> rusqlite::Result<()> {
        let ending = &finish.ending;
        let amount = donation.request.amount;
        let day = finish.day();
        let moved = day.is_some();
        self.statements.finish.execute(params![
            seq,
            ending.state.code(),
            ending.reason.map(Code::code),
            ending.decline_code,
            ending.intent_id,
            ending.charge_id,
            ending.created_s,
            finish.at_ms,
            ending.attempts,
            finish.sequence,
            moved.then(|| Account::GatewayClearing.code()),
            moved.then(|| Account::Campaign.code()),
            moved.then(|| amount.amount_minor().cast_signed()),
            moved.then(|| amount.currency().code()),
            day,
        ])?;
        if let Some(day) = day {
            let key = (donation.request.campaign_id.clone(), amount.currency(), day);
            let sums = self.days.entry(key).or_default();
            sums.0 += 1;
            // At most 2048 calls of at most 2^53 in a batch: that cannot overflow; the table refuses a sum that does.
            sums.1 = sums.1.saturating_add_unsigned(amount.amount_minor());
        }
        Ok(())
    }

    fn finish(&mut self, write: &FinishWrite) -> Answer<Finished> {
        if !write.finish.ending.state.is_terminal() {
            return Ok(Err(impossible("a finish needs a terminal state")));
        }
        let (seq, id) = (write.row.0, write.donation.request.id);
        let has_no_row = self.known.tail.is_open(seq, id);
        if !has_no_row || write.seen_version != 0 || write.surplus.is_some() {
            let recorded = match self.recorded(write.row, id)? {
                Ok(recorded) => recorded,
                Err(error) => return Ok(Err(error)),
            };
            let version = recorded.pending.as_ref().map_or(0, |it| it.0.version);
            if recorded.finish.is_some() || version != write.seen_version {
                return Ok(Ok(Finished::Already(recorded)));
            }
            self.keep_outbox(write, recorded.shard, version)?;
        }
        self.insert_finish(seq, &write.donation, &write.finish)?;
        self.add_history(seq, None, write.answered_by.as_ref(), &write.sends)?;
        self.known.tail.settled(seq);
        Ok(Ok(Finished::Done))
    }

    /// The pending row, if there is one or must be, is due at once.
    fn keep_outbox(
        &mut self,
        write: &FinishWrite,
        shard: Shard,
        version: u32,
    ) -> rusqlite::Result<()> {
        let due_ms = write.finish.at_ms;
        let Some(progress) = &write.surplus else {
            self.connection
                .prepare_cached(
                    "UPDATE pending SET version = version + 1, due_ms = ?2 WHERE seq = ?1",
                )?
                .execute((write.row.0, due_ms))?;
            return Ok(());
        };
        let pending = Pending {
            version: version + 1,
            due_ms,
            kind: PendingKind::Surplus,
        };
        self.put_pending(write.row.0, shard, pending.version, &pending, progress)
    }

    fn advance(&mut self, write: &AdvanceWrite) -> Answer<Advanced> {
        if !self.known.owns(write.shard, write.epoch) {
            return Ok(Ok(Advanced::Fenced));
        }
        let recorded = match self.recorded(write.row, write.id)? {
            Ok(recorded) if recorded.shard == write.shard => recorded,
            Ok(_) => return Ok(Err(impossible("the donation belongs to another shard"))),
            Err(error) => return Ok(Err(error)),
        };
        let version = recorded.pending.as_ref().map_or(0, |it| it.0.version);
        let is_over = recorded.finish.is_some() && write.pending.kind != PendingKind::Surplus;
        if is_over || version != write.seen_version {
            return Ok(Ok(Advanced::Lost(recorded)));
        }
        let seq = write.row.0;
        self.put_pending(
            seq,
            write.shard,
            version + 1,
            &write.pending,
            &write.progress,
        )?;
        let answered_by = write.answered_by.as_ref();
        self.add_history(seq, write.told.as_ref(), answered_by, &write.sends)?;
        self.known.tail.settled(seq);
        Ok(Ok(Advanced::Done))
    }

    fn acknowledged(&mut self, id: DonationId) -> Answer<()> {
        let Some(recorded) = self.by_id(id)? else {
            return Ok(Ok(()));
        };
        if recorded.finish.is_none() {
            return Ok(Err(impossible("the donation is not finished")));
        }
        let is_settled = |(_, progress): &(Pending, Progress)| !progress.has_surplus();
        if recorded.pending.as_ref().is_some_and(is_settled) {
            self.connection
                .prepare_cached("DELETE FROM pending WHERE seq = ?1")?
                .execute([recorded.row.0])?;
        }
        Ok(Ok(()))
    }

    /// The donation with this id.
    fn by_id(&mut self, id: DonationId) -> rusqlite::Result<Option<Box<Recorded>>> {
        match self.known.keys.row(self.statements, id)? {
            Some(seq) => rows::by_row(self.connection, RowId(seq)),
            None => Ok(None),
        }
    }

    /// The donation in this row, if it is the one that the caller means.
    fn recorded(&self, row: RowId, id: DonationId) -> Answer<Box<Recorded>> {
        let recorded = rows::by_row(self.connection, row)?;
        Ok(recorded
            .filter(|recorded| recorded.donation.request.id == id)
            .ok_or_else(|| impossible("no such donation")))
    }
}

fn impossible(why: &str) -> StoreError {
    StoreError::Impossible(why.into())
}
