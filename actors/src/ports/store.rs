//! The store: what is durable, and under which condition it changes.

use std::sync::Arc;

use almoner_domain::campaign::{Campaign, CampaignChange};
use almoner_domain::donation::{Donation, Ending, PendingKind, Progress, State};
use almoner_domain::duplicate::Entry;
use almoner_domain::ids::{CampaignId, DonationId, Place, Shard, UserId};
use almoner_domain::money::Currency;
use almoner_domain::outcome::Told;
use smallvec::SmallVec;

use super::{Done, Dropped};

/// The engine's own handle of a donation's row, so that a finish needs no look-up.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Debug, Default)]
pub struct RowId(pub i64);

/// Why the store did not answer. Nothing, everything or a part may be durable: read again, or do the same again.
#[derive(Clone, PartialEq, Eq, Debug, thiserror::Error)]
pub enum StoreError {
    /// A write or an fsync failed: the store reopens itself, and until then takes nothing.
    #[error("the store is being opened again after a failed write: {0}")]
    Poisoned(Arc<str>),
    /// The server did not say what came of it.
    #[error("the store did not answer: {0}")]
    Unanswered(Arc<str>),
    /// This one operation cannot be done; others can.
    #[error("the store cannot do this: {0}")]
    Impossible(Arc<str>),
    /// Too much is in hand: nothing was done, and the same may be done again later.
    #[error("the store has too much in hand: do it again later")]
    Busy,
    /// The store stopped.
    #[error("the store has stopped")]
    Stopped,
}

/// The pending row of an unfinished donation: the responsibility for it, and its outbox.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct Pending {
    /// Raised by one with each change; a change names the version that it saw.
    pub version: u32,
    /// When it is looked at again, wall clock, milliseconds since 1970.
    pub due_ms: i64,
    /// Why it is pending.
    pub kind: PendingKind,
}

/// A finished donation as it was recorded.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct Finish {
    /// How it ended.
    pub ending: Ending,
    /// When that was recorded, wall clock, milliseconds since 1970.
    pub at_ms: i64,
    /// The sequence of the event that tells of it.
    pub sequence: u32,
}

impl Finish {
    /// The event that tells of it: the same content however often it is made.
    #[must_use]
    pub fn told(&self) -> Told {
        self.ending.told(self.sequence, self.at_ms)
    }

    /// The day of the charge in the books, if money moved: the UTC day, counted from 1970, of the intent's `created`,
    /// whoever records it and whenever.
    #[must_use]
    pub fn day(&self) -> Option<i32> {
        let charged = self.ending.state == State::Succeeded;
        let created_s = self.ending.created_s.unwrap_or(self.at_ms.div_euclid(1000));
        charged.then(|| i32::try_from(created_s.div_euclid(86_400)).unwrap_or(i32::MAX))
    }
}

/// The state in which a donation is accepted.
#[derive(Clone, PartialEq, Eq, Debug)]
pub enum FirstState {
    /// It is charged at once: its first send is permitted by this write.
    Charging,
    /// The store drives it on: held or queued.
    Pending {
        /// Version 1.
        pending: Pending,
        /// How far it has come.
        progress: Box<Progress>,
        /// The event that tells of it.
        told: Option<Told>,
    },
    /// It was refused before any charge.
    Finished(Box<Finish>),
}

/// The first write of a donation's id.
#[derive(Clone, Debug)]
pub struct AcceptWrite {
    /// The donation with its frozen request.
    pub donation: Arc<Donation>,
    /// The shard that writes.
    pub shard: Shard,
    /// The shard's epoch as its owner knows it.
    pub epoch: u64,
    /// The state to begin in.
    pub first: FirstState,
}

/// What came of an accept.
#[derive(Clone, PartialEq, Eq, Debug)]
pub enum Accepted {
    /// It is new, and durable.
    New(RowId),
    /// The id was known: what is recorded decides, and nothing was written.
    Known(Box<Recorded>),
    /// The shard has another owner: nothing was written.
    Fenced,
}

/// All that is recorded of one donation.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct Recorded {
    /// The engine's handle.
    pub row: RowId,
    /// The donation as accepted.
    pub donation: Arc<Donation>,
    /// The shard that keeps it.
    pub shard: Shard,
    /// Its pending row, if it has one, with how far it has come.
    pub pending: Option<(Pending, Progress)>,
    /// Its finish, if it has one. A finished donation may still have a pending row: its outcome is not acknowledged.
    pub finish: Option<Finish>,
    /// The events that were told, but for the finish's own, in sequence.
    pub told: Vec<Told>,
    /// The record with the user's answer to a hold, if it was held and answered: the first answer wins.
    pub answered_by: Option<Place>,
}

/// One send, as it is recorded with the answer that followed it (for a trace, and as a fact about its key).
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct SendRow {
    /// The send's number, from 1.
    pub send: u16,
    /// The call's name.
    pub call: &'static str,
    /// The key, where the call has one.
    pub key: Option<String>,
    /// When it was permitted, wall clock.
    pub at_ms: i64,
    /// The epoch of the owner that sent it. Of a donation's first send, which has no row while it is under way, it is the
    /// one that the donation was accepted under.
    pub epoch: u64,
    /// The answer's class, once there is one.
    pub answer: Option<&'static str>,
}

/// A change of an unfinished donation: a wait, a permission to send, a takeover. Of a finished one, what becomes of a
/// surplus ([`PendingKind::Surplus`]), and nothing else.
#[derive(Clone, Debug)]
pub struct AdvanceWrite {
    /// The donation.
    pub id: DonationId,
    /// Its row.
    pub row: RowId,
    /// The shard that writes.
    pub shard: Shard,
    /// The shard's epoch as its owner knows it: a permission to send is fenced.
    pub epoch: u64,
    /// The version of the pending row that was seen; 0 if there was none.
    pub seen_version: u32,
    /// The pending row from now on; its version is `seen_version + 1`.
    pub pending: Pending,
    /// How far it has come.
    pub progress: Box<Progress>,
    /// Sends to be recorded, or recorded again with their answers.
    pub sends: SmallVec<[SendRow; 1]>,
    /// The event that tells of it.
    pub told: Option<Told>,
    /// The record with the user's answer to a hold, if that decided it.
    pub answered_by: Option<Place>,
}

/// What came of a conditional change.
#[derive(Clone, PartialEq, Eq, Debug)]
pub enum Advanced {
    /// It is durable.
    Done,
    /// The pending row has another version, or the donation is finished: nothing was written.
    Lost(Box<Recorded>),
    /// The shard has another owner: nothing was written.
    Fenced,
}

/// The finish of a donation, which is also its movement in the ledger. Facts are not fenced: whoever learns an answer
/// records it. But what an answer makes of a donation follows from how far it had come: a former owner that saw less
/// reads what is recorded first, lest it finish beside a send, or tell under a sequence that is taken.
#[derive(Clone, Debug)]
pub struct FinishWrite {
    /// The donation.
    pub donation: Arc<Donation>,
    /// Its row.
    pub row: RowId,
    /// The finish.
    pub finish: Finish,
    /// The version of the pending row that was seen; 0 if there was none. A row stays until the outcome is
    /// acknowledged ([`Store::acknowledged`]), due now.
    pub seen_version: u32,
    /// How far it has come, where the gateway charged it beside this finish: recorded with it as a pending row, due at
    /// once, that stays until the surplus is dealt with.
    pub surplus: Option<Box<Progress>>,
    /// Sends to be recorded, or recorded again with their answers.
    pub sends: SmallVec<[SendRow; 1]>,
    /// The record with the user's answer to a hold, if that decided it.
    pub answered_by: Option<Place>,
}

/// What came of a finish.
#[derive(Clone, PartialEq, Eq, Debug)]
pub enum Finished {
    /// It is durable.
    Done,
    /// It was finished before, or has come further than was seen: that stands, and nothing was written.
    Already(Box<Recorded>),
}

/// How far a shard has been done.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct MarkWrite {
    /// The shard.
    pub shard: Shard,
    /// Its epoch as its owner knows it.
    pub epoch: u64,
    /// All offsets below have their fate.
    pub next_offset: i64,
    /// The shard's stream time.
    pub stream_ms: i64,
}

/// What came of a mark.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Marked {
    /// It is durable, and may be committed at the broker.
    Done,
    /// The shard has another owner.
    Fenced,
}

/// A shard as its new owner finds it.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Default)]
pub struct Claimed {
    /// The epoch, raised by this claim: from 1.
    pub epoch: u64,
    /// All offsets below have their fate; none if the shard is new.
    pub next_offset: Option<i64>,
    /// Stream time goes on from here.
    pub stream_ms: i64,
    /// Which log this is, counted from 1; raised when an operator says that the log is another one.
    pub log_generation: u32,
}

/// Where a page ended; `Cursor::default()` begins.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Debug, Default)]
pub struct Cursor(pub i64, pub i64);

/// One donation of a window: what the check for doubles needs of it, and no more, since there are many.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct WindowEntry {
    /// Who gave.
    pub user_id: UserId,
    /// What, and how it stands.
    pub entry: Entry,
}

/// One unfinished donation, or a finished one whose outcome was not acknowledged.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct Unfinished {
    /// The donation.
    pub id: DonationId,
    /// Who gives.
    pub user_id: UserId,
    /// When it is looked at; for one that has no pending row, when it was accepted.
    pub due_ms: i64,
    /// Why it is pending; none if it has no pending row.
    pub kind: Option<PendingKind>,
    /// What the check for doubles needs of it.
    pub donation: Arc<Donation>,
    /// Whether it was held, and its user has answered.
    pub is_answered: bool,
}

/// The sum of the charges of one campaign, currency and day.
#[derive(Clone, PartialEq, Eq, PartialOrd, Ord, Debug)]
pub struct DayTotal {
    /// The campaign.
    pub campaign_id: CampaignId,
    /// The currency.
    pub currency: Currency,
    /// The UTC day, counted from 1970.
    pub day: i32,
    /// How many charges.
    pub count: u64,
    /// Their sum.
    pub amount_minor: i64,
}

/// The store. A write answers only once it is durable, and doing it again changes nothing: its condition then fails,
/// and what is recorded is answered.
pub trait Store: Send + Sync {
    /// Calls `done` once the donation is durable in its first state, or with what is recorded under its id. Exactly
    /// one of any number of accepts of one id is [`Accepted::New`].
    fn accept(&self, write: AcceptWrite, done: Done<Result<Accepted, StoreError>>);

    /// Calls `done` once the change is durable, if the pending row had the version that was seen (0: none), there is no
    /// finish (or the change is of its surplus), and the epoch is the shard's.
    fn advance(&self, write: AdvanceWrite, done: Done<Result<Advanced, StoreError>>);

    /// Calls `done` once the finish, its movement and the campaign's day are durable, together, if the pending row had
    /// the version that was seen (0: none). The first one wins.
    fn finish(&self, write: FinishWrite, done: Done<Result<Finished, StoreError>>);

    /// The outcome of a finished donation was acknowledged: its pending row goes, unless it has a surplus. Repeated, it
    /// changes nothing.
    fn acknowledged(&self, id: DonationId, done: Done<Result<(), StoreError>>);

    /// All that is recorded of a donation.
    fn load(&self, id: DonationId, done: Done<Result<Option<Box<Recorded>>, StoreError>>);

    /// Raises the shard's epoch, durably, and says where the shard stands. Nothing of a shard is read before this.
    fn claim(&self, shard: Shard, done: Done<Result<Claimed, StoreError>>);

    /// Calls `done` once the mark is durable. A mark never goes back.
    fn mark(&self, mark: MarkWrite, done: Done<Result<Marked, StoreError>>);

    /// A page of the shard's donations that were recorded (stream time) at or after `since_stream_ms` and are not
    /// failed or cancelled, and the cursor of the next page; a page with a cursor need not be full.
    #[expect(
        clippy::type_complexity,
        reason = "a page and its cursor need no name of their own"
    )]
    fn recent(
        &self,
        shard: Shard,
        since_stream_ms: i64,
        after: Cursor,
        done: Done<Result<(Vec<WindowEntry>, Option<Cursor>), StoreError>>,
    );

    /// A page of the shard's unfinished donations by due time, those without a pending row first, and the cursor of
    /// the next page. Finished ones whose outcome was not acknowledged are among them.
    #[expect(
        clippy::type_complexity,
        reason = "a page and its cursor need no name of their own"
    )]
    fn unfinished(
        &self,
        shard: Shard,
        after: Cursor,
        done: Done<Result<(Vec<Unfinished>, Option<Cursor>), StoreError>>,
    );

    /// The campaign, if anybody knows it.
    fn campaign(&self, id: CampaignId, done: Done<Result<Option<Arc<Campaign>>, StoreError>>);

    /// Calls `done` once the change is durable; a lower version than the recorded one changes nothing.
    fn put_campaign(&self, change: CampaignChange, done: Done<Result<(), StoreError>>);
}

impl<T> Dropped for Result<T, StoreError> {
    fn dropped() -> Self {
        Err(StoreError::Stopped)
    }
}
