//! What a consumer reads of an outcome or a rejection. Types, statuses, reasons and fields that are not known here
//! come through, as the contract asks of every consumer.

use uuid::Uuid;

use super::encode::{Field, REQUEST_REJECTED, SourceField};
use crate::ids::DonationId;
use crate::wire::{self, Problem, Value};

/// An outcome or a rejection, borrowed from its bytes. What it does not have is `None`.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct OutcomeView<'a> {
    /// The event's id: the same for every copy.
    pub event_id: Uuid,
    /// From 1 without gaps for a donation; a rejection has none.
    pub sequence: Option<u32>,
    /// `donation.…` or `request.rejected`.
    pub event_type: &'a str,
    /// The donation that it is about.
    pub donation_id: DonationId,
    /// The user who is told.
    pub user_id: &'a str,
    /// What receives.
    pub campaign_id: Option<&'a str>,
    /// The amount in the currency's minor unit.
    pub amount_minor: Option<u64>,
    /// ISO 4217.
    pub currency: Option<&'a str>,
    /// The donation's state after the event.
    pub status: Option<&'a str>,
    /// Why.
    pub reason: Option<&'a str>,
    /// A sentence for a person.
    pub detail: Option<&'a str>,
    /// The card network's reason of a decline.
    pub decline_code: Option<&'a str>,
    /// The gateway's charge.
    pub gateway_charge_id: Option<&'a str>,
    /// The receipt.
    pub receipt_id: Option<Uuid>,
    /// The donation that a held one looks like.
    pub duplicate_of: Option<DonationId>,
    /// When the question to the user lapses, in milliseconds since 1970.
    pub expires_at_ms: Option<i64>,
    /// When a pending donation is looked at again, in milliseconds since 1970.
    pub retry_at_ms: Option<i64>,
    /// 402s so far.
    pub attempts: Option<u64>,
    /// When it was decided, in milliseconds since 1970.
    pub occurred_at_ms: Option<i64>,
    /// The request's metadata. Entries that are not text to text are left out.
    pub metadata: Vec<(&'a str, &'a str)>,
    /// The place of the request that this copy answers.
    pub source: Option<SourceView<'a>>,
    /// What a rejected request wanted.
    pub request_type: Option<&'a str>,
    /// The field at fault in a rejected request.
    pub field: Option<&'a str>,
}

/// A place in a log, borrowed.
#[derive(Clone, Copy, PartialEq, Eq, Hash, Debug)]
pub struct SourceView<'a> {
    /// The topic's name.
    pub topic: &'a str,
    /// The partition.
    pub partition: u32,
    /// The offset.
    pub offset: i64,
}

/// The bytes are no outcome; the text says why.
#[derive(Clone, PartialEq, Eq, Debug, thiserror::Error)]
#[error("this is not an outcome: {0}; read it with the version of the contract that wrote it")]
pub struct NotAnOutcome(String);

type Fields<'a> = wire::Fields<'a, { Field::NAMES.len() }>;

/// Reads an outcome or a rejection.
///
/// # Errors
/// The bytes are no single named map, lack what every event has, or a known field is of another kind.
pub fn decode(value: &[u8]) -> Result<OutcomeView<'_>, NotAnOutcome> {
    let fields =
        Fields::read(Field::NAMES, value).map_err(|fault| NotAnOutcome(fault.to_string()))?;
    view(&fields).map_err(|problem| NotAnOutcome(problem.detail.into()))
}

impl OutcomeView<'_> {
    /// Whether it speaks of a request and not of a donation.
    #[must_use]
    pub fn is_rejection(&self) -> bool {
        self.event_type == REQUEST_REJECTED
    }
}

fn view<'a>(fields: &Fields<'a>) -> Result<OutcomeView<'a>, Problem> {
    let required = |field, id: Option<Uuid>| id.ok_or_else(|| fields.problem(field, "is missing"));
    let donation_id = required(Field::DonationId, uuid(fields, Field::DonationId)?)?;
    Ok(OutcomeView {
        event_id: required(Field::EventId, uuid(fields, Field::EventId)?)?,
        sequence: small(fields, Field::Sequence)?,
        event_type: fields.required_text(Field::Type)?,
        donation_id: DonationId(donation_id.into_bytes()),
        user_id: fields.required_text(Field::UserId)?,
        campaign_id: fields.text(Field::CampaignId)?,
        amount_minor: fields.uint(Field::AmountMinor)?,
        currency: fields.text(Field::Currency)?,
        status: fields.text(Field::Status)?,
        reason: fields.text(Field::Reason)?,
        detail: fields.text(Field::Detail)?,
        decline_code: fields.text(Field::DeclineCode)?,
        gateway_charge_id: fields.text(Field::GatewayChargeId)?,
        receipt_id: uuid(fields, Field::ReceiptId)?,
        duplicate_of: uuid(fields, Field::DuplicateOf)?.map(|id| DonationId(id.into_bytes())),
        expires_at_ms: fields.int(Field::ExpiresAtMs)?,
        retry_at_ms: fields.int(Field::RetryAtMs)?,
        attempts: fields.uint(Field::Attempts)?,
        occurred_at_ms: fields.int(Field::OccurredAtMs)?,
        metadata: metadata(fields)?,
        source: source(fields)?,
        request_type: fields.text(Field::RequestType)?,
        field: fields.text(Field::AtFault)?,
    })
}

fn uuid(fields: &Fields<'_>, field: Field) -> Result<Option<Uuid>, Problem> {
    fields
        .text(field)?
        .map(|text| Uuid::try_parse(text).map_err(|_| fields.problem(field, "is not a UUID")))
        .transpose()
}

fn small(fields: &Fields<'_>, field: Field) -> Result<Option<u32>, Problem> {
    fields
        .uint(field)?
        .map(|number| u32::try_from(number).map_err(|_| fields.problem(field, "is too much")))
        .transpose()
}

fn metadata<'a>(fields: &Fields<'a>) -> Result<Vec<(&'a str, &'a str)>, Problem> {
    match fields.value(Field::Metadata) {
        None => Ok(Vec::new()),
        Some(Value::Map(map)) => Ok(map
            .entries()
            .filter_map(|(key, value)| Some((as_text(key)?, as_text(value)?)))
            .collect()),
        Some(other) => Err(fields.wrong_kind(Field::Metadata, other, "a map")),
    }
}

fn source<'a>(fields: &Fields<'a>) -> Result<Option<SourceView<'a>>, Problem> {
    let map = match fields.value(Field::Source) {
        None => return Ok(None),
        Some(Value::Map(map)) => map,
        Some(other) => return Err(fields.wrong_kind(Field::Source, other, "a map")),
    };
    let (mut topic, mut partition, mut offset) = (None, None, None);
    for (name, value) in map.entries() {
        match (as_text(name), value) {
            (Some(name), Value::Str(_)) if name == SourceField::Topic.name() => {
                topic = as_text(value);
            }
            (Some(name), Value::UInt(number)) if name == SourceField::Partition.name() => {
                partition = u32::try_from(number).ok();
            }
            (Some(name), Value::UInt(number)) if name == SourceField::Offset.name() => {
                offset = i64::try_from(number).ok();
            }
            _ => {}
        }
    }
    match (topic, partition, offset) {
        (Some(topic), Some(partition), Some(offset)) => Ok(Some(SourceView {
            topic,
            partition,
            offset,
        })),
        _ => Err(fields.problem(Field::Source, "is not topic, partition and offset")),
    }
}

fn as_text(value: Value<'_>) -> Option<&str> {
    match value {
        Value::Str(bytes) => std::str::from_utf8(bytes).ok(),
        _ => None,
    }
}
