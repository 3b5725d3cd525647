//! The rows of the store in memory, and the conditions under which they change.

use std::collections::{BTreeMap, BTreeSet};
use std::ops::Bound::{Excluded, Unbounded};
use std::ops::Range;
use std::sync::Arc;

use almoner_domain::campaign::{Campaign, CampaignChange};
use almoner_domain::donation::{Donation, PendingKind, Progress, State};
use almoner_domain::duplicate::{Entry, Standing};
use almoner_domain::ids::{CampaignId, DonationId, Place, Shard};
use almoner_domain::money::Currency;
use almoner_domain::outcome::Told;
use foldhash::fast::FixedState;
use hashbrown::HashMap;

use crate::ports::{
    AcceptWrite, Accepted, AdvanceWrite, Advanced, Claimed, Cursor, DayTotal, Finish, FinishWrite,
    Finished, FirstState, KeptLetter, MarkWrite, Marked, Pending, Recorded, RowId, SendRow,
    StoreError, Unfinished, WindowEntry,
};
use crate::restore::{ShardMark, Sighting};

/// The most entries of a page.
const PAGE_ROWS: usize = 1000;

/// A table whose order is the same in every run.
type Table<K, V> = HashMap<K, V, FixedState>;

/// All that the store knows.
#[derive(Clone, Default)]
pub(super) struct Tables {
    /// Boxed, lest a growing store copies all that it has.
    #[expect(clippy::vec_box, reason = "see above")]
    rows: Vec<Box<Row>>,
    row_of: Table<DonationId, usize>,
    shards: BTreeMap<Shard, ShardRow>,
    campaigns: Table<CampaignId, Arc<Campaign>>,
    days: Table<(CampaignId, Currency, i32), (u64, i64)>,
    /// Donations that are not known yet, and of which the gateway's list has shown an intent.
    sighted: Table<DonationId, Sighting>,
    log_generations_raised: u32,
    pub(super) letters: Vec<KeptLetter>,
}

/// One donation; its [`RowId`] is its place in the vector, from 1.
#[derive(Clone)]
struct Row {
    donation: Arc<Donation>,
    shard: Shard,
    pending: Option<Box<(Pending, Progress)>>,
    finish: Option<Finish>,
    history: Option<Box<History>>,
}

/// What few donations have.
#[derive(Clone, Default)]
struct History {
    told: Vec<Told>,
    answered_by: Option<Place>,
    sends: BTreeMap<u16, SendRow>,
}

/// One shard. Its epoch is 0 until it was claimed.
#[derive(Clone, Default)]
struct ShardRow {
    epoch: u64,
    next_offset: Option<i64>,
    stream_ms: i64,
    /// Its donations, ascending.
    rows: Vec<RowId>,
    /// Its pending rows by due time.
    due: BTreeSet<(i64, RowId)>,
}

impl Tables {
    pub(super) fn accept(&mut self, write: AcceptWrite) -> Result<Accepted, StoreError> {
        if !self.owns(write.shard, write.epoch) {
            return Ok(Accepted::Fenced);
        }
        let id = write.donation.request.id;
        if let Some(known) = self.load(id) {
            return Ok(Accepted::Known(known));
        }
        if let FirstState::Finished(finish) = &write.first {
            check_refused(finish)?;
        }
        self.row_of.insert(id, self.rows.len());
        self.rows.push(Box::new(Row {
            donation: write.donation,
            shard: write.shard,
            pending: None,
            finish: None,
            history: None,
        }));
        let row = RowId(self.rows.len() as i64);
        self.shards.entry(write.shard).or_default().rows.push(row);
        if let Some(sighting) = self.sighted.remove(&id) {
            self.set_sighted(row, &sighting, Progress::new());
            return Ok(Accepted::Known(Box::new(self.recorded(row))));
        }
        match write.first {
            FirstState::Charging => {}
            FirstState::Pending {
                pending,
                progress,
                told,
            } => {
                self.set_pending(row, 1, pending, *progress);
                self.add_history(row, told, None, &[]);
            }
            FirstState::Finished(finish) => self.set_finish(row, *finish)?,
        }
        Ok(Accepted::New(row))
    }

    pub(super) fn advance(&mut self, write: AdvanceWrite) -> Result<Advanced, StoreError> {
        if !self.owns(write.shard, write.epoch) {
            return Ok(Advanced::Fenced);
        }
        let row = self.row(write.row, write.id)?;
        if row.shard != write.shard {
            return Err(impossible("the donation belongs to another shard"));
        }
        let version = row.pending.as_ref().map_or(0, |it| it.0.version);
        let is_over = row.finish.is_some() && write.pending.kind != PendingKind::Surplus;
        if is_over || version != write.seen_version {
            return Ok(Advanced::Lost(Box::new(self.recorded(write.row))));
        }
        if let (Some(told), Some(history)) = (&write.told, &row.history)
            && history.told.iter().any(|it| it.sequence == told.sequence)
        {
            return Err(impossible("this event's sequence is taken"));
        }
        self.set_pending(write.row, version + 1, write.pending, *write.progress);
        self.add_history(write.row, write.told, write.answered_by, &write.sends);
        Ok(Advanced::Done)
    }

    pub(super) fn finish(&mut self, write: FinishWrite) -> Result<Finished, StoreError> {
        check_terminal(&write.finish)?;
        let row = self.row(write.row, write.donation.request.id)?;
        let version = row.pending.as_ref().map_or(0, |it| it.0.version);
        if row.finish.is_some() || version != write.seen_version {
            return Ok(Finished::Already(Box::new(self.recorded(write.row))));
        }
        let pending = row.pending.as_deref().cloned();
        let at_ms = write.finish.at_ms;
        self.set_finish(write.row, write.finish)?;
        if let Some(surplus) = write.surplus {
            let pending = Pending {
                version: version + 1,
                due_ms: at_ms,
                kind: PendingKind::Surplus,
            };
            self.set_pending(write.row, version + 1, pending, *surplus);
        } else if let Some((mut pending, progress)) = pending {
            pending.due_ms = at_ms;
            self.set_pending(write.row, pending.version + 1, pending, progress);
        }
        self.add_history(write.row, None, write.answered_by, &write.sends);
        Ok(Finished::Done)
    }

    pub(super) fn acknowledged(&mut self, id: DonationId) -> Result<(), StoreError> {
        let Some(&index) = self.row_of.get(&id) else {
            return Ok(());
        };
        let row = &mut self.rows[index];
        if row.finish.is_none() {
            return Err(impossible("the donation is not finished"));
        }
        let is_settled = |pending: &mut Box<(Pending, Progress)>| !pending.1.has_surplus();
        if let Some(pending) = row.pending.take_if(is_settled) {
            let key = (pending.0.due_ms, RowId(index as i64 + 1));
            self.shards.entry(row.shard).or_default().due.remove(&key);
        }
        Ok(())
    }

    pub(super) fn load(&self, id: DonationId) -> Option<Box<Recorded>> {
        let &index = self.row_of.get(&id)?;
        Some(Box::new(self.recorded(RowId(index as i64 + 1))))
    }

    pub(super) fn claim(&mut self, shard: Shard) -> Claimed {
        let log_generation = 1 + self.log_generations_raised;
        let row = self.shards.entry(shard).or_default();
        row.epoch += 1;
        Claimed {
            epoch: row.epoch,
            next_offset: row.next_offset,
            stream_ms: row.stream_ms,
            log_generation,
        }
    }

    pub(super) fn mark(&mut self, mark: MarkWrite) -> Marked {
        if !self.owns(mark.shard, mark.epoch) {
            return Marked::Fenced;
        }
        let row = self.shards.entry(mark.shard).or_default();
        row.next_offset = row.next_offset.max(Some(mark.next_offset));
        row.stream_ms = row.stream_ms.max(mark.stream_ms);
        Marked::Done
    }

    pub(super) fn recent(
        &self,
        shard: Shard,
        since_stream_ms: i64,
        after: Cursor,
    ) -> (Vec<WindowEntry>, Option<Cursor>) {
        let rows = self.rows_of(shard);
        let begin = rows.partition_point(|row| row.0 <= after.0);
        let mut page = Vec::new();
        for &id in &rows[begin..] {
            let row = &self.rows[index(id)];
            let state = row.finish.as_ref().map(|finish| finish.ending.state);
            let counts = matches!(state, None | Some(State::Succeeded));
            if !counts || row.donation.recorded_at_ms < since_stream_ms {
                continue;
            }
            let standing = match state {
                Some(_) => Standing::Counted,
                None => Standing::of_unfinished(row.kind()),
            };
            page.push(WindowEntry {
                user_id: row.donation.request.user_id.clone(),
                entry: Entry::recorded(&row.donation, standing, row.is_answered()),
            });
            if page.len() == PAGE_ROWS {
                return (page, Some(Cursor(id.0, 0)));
            }
        }
        (page, None)
    }

    pub(super) fn unfinished(
        &self,
        shard: Shard,
        after: Cursor,
    ) -> (Vec<Unfinished>, Option<Cursor>) {
        let is_first_phase = after == Cursor::default() || after.0 == i64::MIN;
        let mut page = Vec::new();
        if is_first_phase {
            let rows = self.rows_of(shard);
            let begin = rows.partition_point(|row| row.0 <= after.1);
            for &id in &rows[begin..] {
                let row = &self.rows[index(id)];
                if row.finish.is_some() || row.pending.is_some() {
                    continue;
                }
                page.push(row.unfinished());
                if page.len() == PAGE_ROWS {
                    return (page, Some(Cursor(i64::MIN, id.0)));
                }
            }
        }
        let Some(shard) = self.shards.get(&shard) else {
            return (page, None);
        };
        let begin = if is_first_phase {
            Unbounded
        } else {
            Excluded((after.0, RowId(after.1)))
        };
        for &(due_ms, id) in shard.due.range((begin, Unbounded)) {
            page.push(self.rows[index(id)].unfinished());
            if page.len() == PAGE_ROWS {
                return (page, Some(Cursor(due_ms, id.0)));
            }
        }
        (page, None)
    }

    pub(super) fn campaign(&self, id: &CampaignId) -> Option<Arc<Campaign>> {
        self.campaigns.get(id).cloned()
    }

    pub(super) fn put_campaign(&mut self, change: CampaignChange) {
        let id = change.campaign_id().clone();
        let known = self.campaigns.get(&id).map(|known| &**known);
        if let Some(changed) = Campaign::apply(known, change) {
            self.campaigns.insert(id, Arc::new(changed));
        }
    }

    pub(super) fn keep_letter(&mut self, letter: KeptLetter) {
        let same = |it: &KeptLetter| (&it.place, it.sha256) == (&letter.place, letter.sha256);
        if !self.letters.iter().any(same) {
            self.letters.push(letter);
        }
    }

    pub(super) fn marks(&self) -> Vec<ShardMark> {
        let mark = |(shard, row): (&Shard, &ShardRow)| ShardMark {
            shard: *shard,
            next_offset: row.next_offset,
            stream_ms: row.stream_ms,
        };
        self.shards.iter().map(mark).collect()
    }

    pub(super) fn put_sightings(&mut self, sightings: Vec<Sighting>) {
        for sighting in sightings {
            match self.row_of.get(&sighting.donation_id) {
                Some(&index) if self.rows[index].finish.is_some() => {}
                Some(&index) => {
                    let began = Progress::first_sent(self.rows[index].donation.accepted_at_ms);
                    self.set_sighted(RowId(index as i64 + 1), &sighting, began);
                }
                None => drop(self.sighted.insert(sighting.donation_id, sighting)),
            }
        }
    }

    pub(super) fn tell_lost(&mut self, shard: Shard, lost: &Range<i64>) {
        for id in self.rows_of(shard).to_vec() {
            let row = &self.rows[index(id)];
            let finish = row.finish.clone();
            let is_untold = row.pending.is_none() && lost.contains(&row.donation.shard_offset);
            let Some(finish) = finish.filter(|_| is_untold) else {
                continue;
            };
            let progress = Progress::first_sent(row.donation.accepted_at_ms).ended(&finish.ending);
            let pending = Pending {
                version: 1,
                due_ms: finish.at_ms,
                kind: PendingKind::Drained,
            };
            self.set_pending(id, 1, pending, progress);
        }
    }

    /// The donation goes on from the intent that was sighted; `began` is how far it has come if it has no pending row.
    fn set_sighted(&mut self, id: RowId, sighting: &Sighting, began: Progress) {
        let row = &self.rows[index(id)];
        let due_ms = row.donation.accepted_at_ms;
        let (version, progress) = match row.pending.as_deref().cloned() {
            Some((pending, progress)) => (pending.version, progress),
            None => (0, began),
        };
        let pending = Pending {
            version: version + 1,
            due_ms,
            kind: PendingKind::Unknown,
        };
        let progress = progress.sighted(&sighting.intent_id, sighting.is_charged);
        self.set_pending(id, version + 1, pending, progress);
    }

    pub(super) fn all(&self) -> Vec<Recorded> {
        (1..=self.rows.len() as i64)
            .map(|row| self.recorded(RowId(row)))
            .collect()
    }

    pub(super) fn any(&self, is_so: impl FnMut(&Recorded) -> bool) -> bool {
        let mut is_so = is_so;
        let rows = (1..=self.rows.len() as i64).rev(); // mostly the newest ones
        rows.map(|row| self.recorded(RowId(row)))
            .any(|it| is_so(&it))
    }

    pub(super) fn len(&self) -> usize {
        self.rows.len()
    }

    pub(super) fn sends(&self, id: DonationId) -> Vec<SendRow> {
        let row = self.row_of.get(&id).map(|&index| &self.rows[index]);
        row.and_then(|row| row.history.as_ref())
            .map(|history| history.sends.values().cloned().collect())
            .unwrap_or_default()
    }

    pub(super) fn campaign_days(&self) -> Vec<DayTotal> {
        let total = |(key, sums): (&(CampaignId, Currency, i32), &(u64, i64))| DayTotal {
            campaign_id: key.0.clone(),
            currency: key.1,
            day: key.2,
            count: sums.0,
            amount_minor: sums.1,
        };
        let mut days: Vec<_> = self.days.iter().map(total).collect();
        days.sort();
        days
    }

    pub(super) fn raise_log_generation(&mut self) {
        self.log_generations_raised += 1;
    }

    fn owns(&self, shard: Shard, epoch: u64) -> bool {
        epoch > 0
            && self
                .shards
                .get(&shard)
                .is_some_and(|row| row.epoch == epoch)
    }

    fn rows_of(&self, shard: Shard) -> &[RowId] {
        self.shards.get(&shard).map_or(&[], |shard| &shard.rows)
    }

    fn row(&self, row: RowId, id: DonationId) -> Result<&Row, StoreError> {
        usize::try_from(row.0)
            .ok()
            .and_then(|number| self.rows.get(number.checked_sub(1)?))
            .map(|row| &**row)
            .filter(|row| row.donation.request.id == id)
            .ok_or_else(|| impossible("no such donation"))
    }

    fn recorded(&self, id: RowId) -> Recorded {
        let row = &self.rows[index(id)];
        let history = row.history.as_deref();
        Recorded {
            row: id,
            donation: Arc::clone(&row.donation),
            shard: row.shard,
            pending: row.pending.as_deref().cloned(),
            finish: row.finish.clone(),
            told: history.map(|it| it.told.clone()).unwrap_or_default(),
            answered_by: history.and_then(|it| it.answered_by.clone()),
        }
    }

    fn set_pending(&mut self, id: RowId, version: u32, pending: Pending, progress: Progress) {
        let row = &mut self.rows[index(id)];
        let due = &mut self.shards.entry(row.shard).or_default().due;
        if let Some(before) = &row.pending {
            due.remove(&(before.0.due_ms, id));
        }
        due.insert((pending.due_ms, id));
        row.pending = Some(Box::new((Pending { version, ..pending }, progress)));
    }

    /// Fails, with nothing changed, where the sum of the campaign's day would overflow.
    fn set_finish(&mut self, id: RowId, finish: Finish) -> Result<(), StoreError> {
        let row = &mut self.rows[index(id)];
        if let Some(day) = finish.day() {
            let request = &row.donation.request;
            let key = (request.campaign_id.clone(), request.amount.currency(), day);
            let sums = self.days.entry(key).or_default();
            let sum = sums.1.checked_add_unsigned(request.amount.amount_minor());
            sums.1 = sum.ok_or_else(|| impossible("the sum of the campaign's day is over 2^63"))?;
            sums.0 += 1;
        }
        row.finish = Some(finish);
        Ok(())
    }

    fn add_history(
        &mut self,
        id: RowId,
        told: Option<Told>,
        answered_by: Option<Place>,
        sends: &[SendRow],
    ) {
        if told.is_none() && answered_by.is_none() && sends.is_empty() {
            return;
        }
        let history = self.rows[index(id)].history.get_or_insert_default();
        history.told.extend(told);
        history.answered_by = history.answered_by.take().or(answered_by);
        let numbered = sends.iter().map(|send| (send.send, send.clone()));
        history.sends.extend(numbered);
    }
}

impl Row {
    fn kind(&self) -> Option<PendingKind> {
        self.pending.as_ref().map(|pending| pending.0.kind)
    }

    fn is_answered(&self) -> bool {
        let history = self.history.as_ref();
        history.is_some_and(|it| it.answered_by.is_some())
    }

    fn unfinished(&self) -> Unfinished {
        let pending = self.pending.as_ref();
        Unfinished {
            id: self.donation.request.id,
            user_id: self.donation.request.user_id.clone(),
            due_ms: pending.map_or(self.donation.accepted_at_ms, |it| it.0.due_ms),
            kind: self.kind(),
            donation: Arc::clone(&self.donation),
            is_answered: self.is_answered(),
        }
    }
}

fn index(row: RowId) -> usize {
    (row.0 - 1) as usize
}

fn check_terminal(finish: &Finish) -> Result<(), StoreError> {
    if finish.ending.state.is_terminal() {
        Ok(())
    } else {
        Err(impossible("a finish needs a terminal state"))
    }
}

/// Before any charge a donation is refused; it cannot have succeeded.
fn check_refused(finish: &Finish) -> Result<(), StoreError> {
    match finish.ending.state {
        State::Failed | State::Cancelled => Ok(()),
        _ => Err(impossible(
            "a donation is accepted as finished only if it is refused",
        )),
    }
}

fn impossible(why: &str) -> StoreError {
    StoreError::Impossible(why.into())
}
