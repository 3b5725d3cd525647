//! A donation's row: what is read of it, what its first write says, and what a later one changes.

use std::collections::BTreeMap;
use std::sync::Arc;

use almoner_actors::ports::{
    AcceptWrite, Finish, FirstState, Pending, Recorded, RowId, SendRow, StoreError, Unfinished,
};
use almoner_domain::donation::{Donation, Ending, Progress, Trace};
use almoner_domain::ids::{CampaignId, DonationId, Place, Shard, UserId};
use almoner_domain::money::{Currency, Money};
use almoner_domain::outcome::Told;
use almoner_domain::request::DonationRequest;
use foldhash::fast::FixedState;
use scylla::value::MaybeUnset::{self, Set, Unset};
use scylla::{DeserializeRow, SerializeRow};
use serde::Serialize;
use serde::de::DeserializeOwned;
use std::hash::BuildHasher;
use uuid::Uuid;

use super::db::unreadable;
use crate::store::codes::Code;

/// A value that is left as it is, or set, also to nothing.
type Cell<T> = MaybeUnset<Option<T>>;

/// The handle of a donation's row: it follows from the id, so that it need not be kept.
pub(super) fn row_of(id: DonationId) -> RowId {
    let hash = FixedState::with_seed(0x616c_6d6f_6e65_7221).hash_one(id.0);
    RowId((hash >> 1).cast_signed())
}

/// The columns of `donation`, but for its sends: those are for a trace alone.
#[derive(DeserializeRow, Clone, Debug)]
pub(super) struct DonationRow {
    id: Uuid,
    /// How often the row was written after the first time: each write names the one that it saw.
    pub(super) revision: i32,
    /// Who wrote last: a number of the call's own, by which it knows its write again.
    pub(super) writer: i64,
    shard: i32,
    pub(super) epoch: i64,
    pub(super) recorded_at_ms: i64,
    accepted_at_ms: i64,
    user_id: String,
    campaign_id: String,
    pub(super) amount_minor: i64,
    currency: String,
    payment_method: String,
    gateway_customer: Option<String>,
    body_version: i32,
    source_topic: String,
    source_partition: i32,
    source_offset: i64,
    shard_offset: i64,
    traceparent: Option<String>,
    correlation_id: Option<String>,
    information: Option<Vec<u8>>,
    version: Option<i32>,
    due_ms: Option<i64>,
    kind: Option<i32>,
    progress: Option<Vec<u8>>,
    state: Option<i32>,
    reason: Option<i32>,
    decline_code: Option<String>,
    intent_id: Option<String>,
    charge_id: Option<String>,
    created_s: Option<i64>,
    finished_at_ms: Option<i64>,
    attempts: Option<i32>,
    sequence: Option<i32>,
    answered_topic: Option<String>,
    answered_partition: Option<i32>,
    answered_offset: Option<i64>,
    told: Option<BTreeMap<i32, Vec<u8>>>,
}

impl DonationRow {
    pub(super) fn id(&self) -> DonationId {
        DonationId(self.id.into_bytes())
    }

    pub(super) fn shard(&self) -> Shard {
        Shard(self.shard.cast_unsigned())
    }

    pub(super) fn is_finished(&self) -> bool {
        self.state.is_some()
    }

    /// The version of its pending row; 0 if it has none.
    pub(super) fn version(&self) -> u32 {
        self.version.unwrap_or(0).cast_unsigned()
    }

    /// When its pending row is due, if it has one.
    pub(super) fn due_ms(&self) -> Option<i64> {
        self.version.and(self.due_ms)
    }

    pub(super) fn is_answered(&self) -> bool {
        self.answered_topic.is_some()
    }

    /// Whether an event with this sequence was told.
    pub(super) fn has_told(&self, sequence: u32) -> bool {
        let told = self.told.as_ref();
        told.is_some_and(|it| it.contains_key(&sequence.cast_signed()))
    }

    pub(super) fn pending(&self) -> Result<Option<(Pending, Progress)>, StoreError> {
        let Some(version) = self.version else {
            return Ok(None);
        };
        let pending = Pending {
            version: version.cast_unsigned(),
            due_ms: self.due_ms.unwrap_or(0),
            kind: code(self.kind)?.ok_or_else(|| unreadable("a pending row without a kind"))?,
        };
        let progress = self.progress.as_deref();
        let progress = progress.ok_or_else(|| unreadable("a pending row without progress"))?;
        Ok(Some((pending, from_blob(progress)?)))
    }

    pub(super) fn finish(&self) -> Result<Option<Finish>, StoreError> {
        let Some(state) = code(self.state)? else {
            return Ok(None);
        };
        Ok(Some(Finish {
            ending: Ending {
                state,
                reason: code(self.reason)?,
                decline_code: boxed(&self.decline_code),
                intent_id: boxed(&self.intent_id),
                charge_id: boxed(&self.charge_id),
                created_s: self.created_s,
                attempts: number(self.attempts.unwrap_or(0))?,
            },
            at_ms: self.finished_at_ms.unwrap_or(0),
            sequence: number(self.sequence.unwrap_or(0))?,
        }))
    }

    pub(super) fn donation(&self) -> Result<Donation, StoreError> {
        let amount = Currency::from_code(&self.currency)
            .zip(u64::try_from(self.amount_minor).ok())
            .and_then(|(currency, minor)| Money::new(minor, currency))
            .ok_or_else(|| unreadable("not an amount"))?;
        let information = self.information.as_deref().map(from_blob).transpose()?;
        let is_traced = self.traceparent.is_some() || self.correlation_id.is_some();
        Ok(Donation {
            request: DonationRequest {
                id: self.id(),
                user_id: UserId::parse(&self.user_id)
                    .ok_or_else(|| unreadable("not a user's id"))?,
                campaign_id: CampaignId::parse(&self.campaign_id)
                    .ok_or_else(|| unreadable("not a campaign's id"))?,
                amount,
                payment_method: self.payment_method.as_str().into(),
                gateway_customer: boxed(&self.gateway_customer),
                information,
            },
            place: Place {
                topic: self.source_topic.as_str().into(),
                partition: self.source_partition.cast_unsigned(),
                offset: self.source_offset,
            },
            shard_offset: self.shard_offset,
            recorded_at_ms: self.recorded_at_ms,
            accepted_at_ms: self.accepted_at_ms,
            body_version: number(self.body_version)?,
            trace: is_traced.then(|| {
                Arc::new(Trace {
                    traceparent: boxed(&self.traceparent),
                    correlation_id: boxed(&self.correlation_id),
                })
            }),
        })
    }

    pub(super) fn recorded(&self) -> Result<Box<Recorded>, StoreError> {
        let told = self.told.iter().flat_map(BTreeMap::values);
        let answered = (
            &self.answered_topic,
            self.answered_partition,
            self.answered_offset,
        );
        let answered_by = match answered {
            (Some(topic), Some(partition), Some(offset)) => Some(Place {
                topic: topic.as_str().into(),
                partition: partition.cast_unsigned(),
                offset,
            }),
            _ => None,
        };
        Ok(Box::new(Recorded {
            row: row_of(self.id()),
            donation: Arc::new(self.donation()?),
            shard: self.shard(),
            pending: self.pending()?,
            finish: self.finish()?,
            told: told.map(|it| from_blob(it)).collect::<Result<_, _>>()?,
            answered_by,
        }))
    }

    pub(super) fn unfinished(&self) -> Result<Unfinished, StoreError> {
        let donation = Arc::new(self.donation()?);
        Ok(Unfinished {
            id: donation.request.id,
            user_id: donation.request.user_id.clone(),
            due_ms: self.due_ms().unwrap_or(self.accepted_at_ms),
            kind: self.version.and(code(self.kind)?),
            donation,
            is_answered: self.is_answered(),
        })
    }
}

/// The first write of an id.
#[derive(SerializeRow)]
pub(super) struct NewDonation<'a> {
    id: Uuid,
    revision: i32,
    writer: i64,
    shard: i32,
    epoch: i64,
    accepted_epoch: i64,
    recorded_at_ms: i64,
    accepted_at_ms: i64,
    user_id: &'a str,
    campaign_id: &'a str,
    amount_minor: i64,
    currency: &'a str,
    payment_method: &'a str,
    gateway_customer: MaybeUnset<&'a str>,
    body_version: i32,
    source_topic: &'a str,
    source_partition: i32,
    source_offset: i64,
    shard_offset: i64,
    traceparent: MaybeUnset<&'a str>,
    correlation_id: MaybeUnset<&'a str>,
    information: MaybeUnset<Vec<u8>>,
    #[scylla(flatten)]
    first: Stages,
    told: MaybeUnset<BTreeMap<i32, Vec<u8>>>,
}

/// How far a donation has come: its pending row and its finish.
#[derive(SerializeRow, Default)]
pub(super) struct Stages {
    version: Cell<i32>,
    due_ms: Cell<i64>,
    kind: Cell<i32>,
    progress: Cell<Vec<u8>>,
    state: Cell<i32>,
    reason: Cell<i32>,
    decline_code: Cell<String>,
    intent_id: Cell<String>,
    charge_id: Cell<String>,
    created_s: Cell<i64>,
    finished_at_ms: Cell<i64>,
    attempts: Cell<i32>,
    sequence: Cell<i32>,
}

impl Stages {
    pub(super) fn set_pending(
        &mut self,
        version: u32,
        pending: &Pending,
        progress: &Progress,
    ) -> Result<(), StoreError> {
        self.progress = Set(Some(to_blob(progress)?));
        self.kind = Set(Some(code_of(pending.kind)));
        self.move_pending(version, pending.due_ms);
        Ok(())
    }

    /// The pending row stays what it is, and is due then.
    pub(super) fn move_pending(&mut self, version: u32, due_ms: i64) {
        self.version = Set(Some(version.cast_signed()));
        self.due_ms = Set(Some(due_ms));
    }

    pub(super) fn drop_pending(&mut self) {
        (self.version, self.due_ms) = (Set(None), Set(None));
        (self.kind, self.progress) = (Set(None), Set(None));
    }

    pub(super) fn set_finish(&mut self, finish: &Finish) {
        let ending = &finish.ending;
        let text = |it: &Option<Box<str>>| match it {
            Some(text) => Set(Some(text.to_string())),
            None => Unset,
        };
        self.state = Set(Some(code_of(ending.state)));
        self.reason = match ending.reason {
            Some(reason) => Set(Some(code_of(reason))),
            None => Unset,
        };
        self.decline_code = text(&ending.decline_code);
        self.intent_id = text(&ending.intent_id);
        self.charge_id = text(&ending.charge_id);
        self.created_s = match ending.created_s {
            Some(created_s) => Set(Some(created_s)),
            None => Unset,
        };
        self.finished_at_ms = Set(Some(finish.at_ms));
        self.attempts = Set(Some(ending.attempts.into()));
        self.sequence = Set(Some(finish.sequence.cast_signed()));
    }
}

impl<'a> NewDonation<'a> {
    pub(super) fn new(write: &'a AcceptWrite, writer: i64) -> Result<Self, StoreError> {
        let donation = &*write.donation;
        let request = &donation.request;
        let trace = donation.trace.as_deref();
        let information = request.information.as_deref().map(to_blob).transpose()?;
        let mut first = Stages::default();
        let mut new_told = Unset;
        // Only what is to be charged at once has revision 0: it is finished without being read.
        let mut revision = 0;
        match &write.first {
            FirstState::Charging => {}
            FirstState::Pending {
                pending,
                progress,
                told,
            } => {
                first.set_pending(1, pending, progress)?;
                revision = 1;
                if let Some(told) = told {
                    new_told = Set(told_map(told)?);
                }
            }
            FirstState::Finished(finish) => {
                first.set_finish(finish);
                revision = 1;
            }
        }
        Ok(Self {
            id: request.id.as_uuid(),
            revision,
            writer,
            shard: write.shard.0.cast_signed(),
            epoch: write.epoch.cast_signed(),
            accepted_epoch: write.epoch.cast_signed(),
            recorded_at_ms: donation.recorded_at_ms,
            accepted_at_ms: donation.accepted_at_ms,
            user_id: request.user_id.as_str(),
            campaign_id: request.campaign_id.as_str(),
            amount_minor: request.amount.amount_minor().cast_signed(),
            currency: request.amount.currency().code(),
            payment_method: &request.payment_method,
            gateway_customer: MaybeUnset::from_option(request.gateway_customer.as_deref()),
            body_version: donation.body_version.into(),
            source_topic: &donation.place.topic,
            source_partition: donation.place.partition.cast_signed(),
            source_offset: donation.place.offset,
            shard_offset: donation.shard_offset,
            traceparent: MaybeUnset::from_option(trace.and_then(|it| it.traceparent.as_deref())),
            correlation_id: MaybeUnset::from_option(
                trace.and_then(|it| it.correlation_id.as_deref()),
            ),
            information: MaybeUnset::from_option(information),
            first,
            told: new_told,
        })
    }
}

/// A later write of a donation's row: what it does not set stays as it is.
#[derive(SerializeRow)]
pub(super) struct Change {
    id: Uuid,
    pub(super) seen_revision: i32,
    revision: i32,
    pub(super) writer: i64,
    epoch: MaybeUnset<i64>,
    #[scylla(flatten)]
    pub(super) stages: Stages,
    answered_topic: MaybeUnset<String>,
    answered_partition: MaybeUnset<i32>,
    answered_offset: MaybeUnset<i64>,
    told: MaybeUnset<BTreeMap<i32, Vec<u8>>>,
    sends: MaybeUnset<BTreeMap<i32, Vec<u8>>>,
}

/// A send as it is kept.
#[derive(Serialize)]
struct KeptSend<'a> {
    call: &'a str,
    key: Option<&'a str>,
    at_ms: i64,
    answer: Option<&'a str>,
    epoch: u64,
}

impl Change {
    /// Changes nothing yet but the revision, of the row that had this one.
    pub(super) fn of(id: DonationId, seen_revision: i32, writer: i64) -> Self {
        Self {
            id: id.as_uuid(),
            seen_revision,
            revision: seen_revision + 1,
            writer,
            epoch: Unset,
            stages: Stages::default(),
            answered_topic: Unset,
            answered_partition: Unset,
            answered_offset: Unset,
            told: Unset,
            sends: Unset,
        }
    }

    pub(super) fn revision(&self) -> i32 {
        self.revision
    }

    pub(super) fn by_owner(&mut self, epoch: u64) {
        self.epoch = Set(epoch.cast_signed());
    }

    /// The user's answer to a hold, which `row` does not have yet.
    pub(super) fn answered(&mut self, place: Option<&Place>, row: &DonationRow) {
        if let Some(place) = place.filter(|_| !row.is_answered()) {
            self.answered_topic = Set(place.topic.to_string());
            self.answered_partition = Set(place.partition.cast_signed());
            self.answered_offset = Set(place.offset);
        }
    }

    pub(super) fn tell(&mut self, told: Option<&Told>) -> Result<(), StoreError> {
        if let Some(told) = told {
            self.told = Set(told_map(told)?);
        }
        Ok(())
    }

    pub(super) fn add_sends(&mut self, sends: &[SendRow]) -> Result<(), StoreError> {
        if sends.is_empty() {
            return Ok(());
        }
        let kept = sends.iter().map(|send| {
            let blob = to_blob(&KeptSend {
                call: send.call,
                key: send.key.as_deref(),
                at_ms: send.at_ms,
                answer: send.answer,
                epoch: send.epoch,
            })?;
            Ok((i32::from(send.send), blob))
        });
        self.sends = Set(kept.collect::<Result<_, StoreError>>()?);
        Ok(())
    }
}

fn told_map(told: &Told) -> Result<BTreeMap<i32, Vec<u8>>, StoreError> {
    Ok(BTreeMap::from([(
        told.sequence.cast_signed(),
        to_blob(told)?,
    )]))
}

fn boxed(text: &Option<String>) -> Option<Box<str>> {
    text.as_deref().map(Into::into)
}

/// The value of a code in a column.
pub(super) fn code<T: Code>(code: Option<i32>) -> Result<Option<T>, StoreError> {
    let Some(code) = code else {
        return Ok(None);
    };
    match T::of(code.into()) {
        Some(value) => Ok(Some(value)),
        None => Err(unreadable("a code of a newer release")),
    }
}

/// A code as a column has it.
pub(super) fn code_of(value: impl Code) -> i32 {
    value.code() as i32
}

fn number<T: TryFrom<i32>>(column: i32) -> Result<T, StoreError> {
    T::try_from(column).map_err(|_| unreadable("a number that is out of its range"))
}

/// MessagePack, named maps → a value.
pub(super) fn from_blob<T: DeserializeOwned>(bytes: &[u8]) -> Result<T, StoreError> {
    rmp_serde::from_slice(bytes).map_err(unreadable)
}

/// A value → MessagePack, named maps.
pub(super) fn to_blob<T: Serialize + ?Sized>(value: &T) -> Result<Vec<u8>, StoreError> {
    rmp_serde::to_vec_named(value).map_err(|error| StoreError::Impossible(error.to_string().into()))
}
