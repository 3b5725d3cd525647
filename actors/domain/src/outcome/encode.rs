//! Outcomes and rejections → records. This runs once for every donation, so it writes MessagePack directly.

use std::borrow::Cow;

use uuid::Uuid;

use super::names::status;
use super::{Message, Rejection, Told, What};
use crate::donation::{Donation, Trace};
use crate::ids::Place;
use crate::keys;
use crate::wire::{self, CONTENT_TYPE, MapWriter};

wire::field_names!(Field {
    EventId = "event_id",
    Sequence = "sequence",
    Type = "type",
    DonationId = "donation_id",
    UserId = "user_id",
    CampaignId = "campaign_id",
    AmountMinor = "amount_minor",
    Currency = "currency",
    Status = "status",
    Reason = "reason",
    Detail = "detail",
    DeclineCode = "decline_code",
    GatewayChargeId = "gateway_charge_id",
    ReceiptId = "receipt_id",
    DuplicateOf = "duplicate_of",
    ExpiresAtMs = "expires_at_ms",
    RetryAtMs = "retry_at_ms",
    Attempts = "attempts",
    OccurredAtMs = "occurred_at_ms",
    Metadata = "metadata",
    Source = "source",
    RequestType = "request_type",
    AtFault = "field",
});

wire::field_names!(SourceField {
    Topic = "topic",
    Partition = "partition",
    Offset = "offset",
});

/// The `type` of a rejection.
pub const REQUEST_REJECTED: &str = "request.rejected";

/// The record that tells `told` of `donation`, as a copy that answers the request at `source`. Two copies differ in
/// `source` alone. A field that does not apply is left out.
#[must_use]
pub fn encode(donation: &Donation, told: &Told, source: &Place) -> Message {
    let request = &donation.request;
    let event_type = told.what.event_type();
    let id = request.id.as_uuid();
    let event_id = keys::event_id(request.id, told.sequence);
    let information = request.information.as_deref();

    let mut map = MapWriter::with_capacity(576);
    map.uuid(Field::EventId.name(), &event_id);
    map.uint(Field::Sequence.name(), told.sequence.into());
    map.text(Field::Type.name(), event_type);
    map.uuid(Field::DonationId.name(), &id);
    map.text(Field::UserId.name(), request.user_id.as_str());
    map.text(Field::CampaignId.name(), request.campaign_id.as_str());
    map.uint(Field::AmountMinor.name(), request.amount.amount_minor());
    map.text(Field::Currency.name(), request.amount.currency().code());
    map.text(Field::Status.name(), status(told.status));
    map.text_if(Field::Reason.name(), told.what.reason());
    map.text(Field::Detail.name(), &told.what.detail());
    encode_what(&mut map, donation, &told.what);
    map.uint(Field::Attempts.name(), told.attempts.into());
    map.int(Field::OccurredAtMs.name(), told.occurred_at_ms);
    if let Some(information) = information
        && !information.metadata.is_empty()
    {
        map.texts(Field::Metadata.name(), &information.metadata);
    }
    encode_source(&mut map, source);

    Message {
        key: request.user_id.as_str().into(),
        value: map.finish(),
        headers: headers(event_type, &event_id, &id, donation.trace.as_deref()),
    }
}

/// The fields that one type of event alone has.
fn encode_what(map: &mut MapWriter, donation: &Donation, what: &What) {
    match what {
        What::Succeeded { gateway_charge_id } => {
            map.text(Field::GatewayChargeId.name(), gateway_charge_id);
            map.uuid(
                Field::ReceiptId.name(),
                &keys::receipt_id(donation.request.id),
            );
        }
        What::Failed { decline_code, .. } => {
            map.text_if(Field::DeclineCode.name(), decline_code.as_deref());
        }
        What::Cancelled { .. } => {}
        What::NeedsConfirmation {
            duplicate_of,
            expires_at_ms,
        } => {
            map.uuid(Field::DuplicateOf.name(), &duplicate_of.as_uuid());
            map.int(Field::ExpiresAtMs.name(), *expires_at_ms);
        }
        What::Pending { retry_at_ms, .. } => map.int(Field::RetryAtMs.name(), *retry_at_ms),
    }
}

impl Rejection {
    /// The record that tells the user, about the request at `place` in the log's given generation. `trace` is the
    /// request's.
    #[must_use]
    pub fn encode(&self, log_generation: u32, place: &Place, trace: Option<&Trace>) -> Message {
        let event_id = keys::rejection_id(log_generation, place);
        let id = self.donation_id.as_uuid();
        let mut map = MapWriter::with_capacity(448);
        map.uuid(Field::EventId.name(), &event_id);
        map.text(Field::Type.name(), REQUEST_REJECTED);
        map.uuid(Field::DonationId.name(), &id);
        map.text(Field::UserId.name(), self.user_id.as_str());
        map.text(Field::Reason.name(), self.reason.as_str());
        map.text(Field::Detail.name(), &self.detail);
        encode_source(&mut map, place);
        map.text(Field::RequestType.name(), &self.request_type);
        map.text_if(Field::AtFault.name(), self.field.as_deref());
        Message {
            key: self.user_id.as_str().into(),
            value: map.finish(),
            headers: headers(REQUEST_REJECTED, &event_id, &id, trace),
        }
    }
}

fn encode_source(map: &mut MapWriter, source: &Place) {
    map.map(Field::Source.name(), |inner| {
        inner.text(SourceField::Topic.name(), &source.topic);
        inner.uint(SourceField::Partition.name(), source.partition.into());
        inner.int(SourceField::Offset.name(), source.offset);
    });
}

fn headers(
    event_type: &'static str,
    event_id: &Uuid,
    donation_id: &Uuid,
    trace: Option<&Trace>,
) -> Vec<(&'static str, Cow<'static, str>)> {
    let text = |id: &Uuid| Cow::Owned(id.hyphenated().to_string());
    let mut headers = Vec::with_capacity(7);
    headers.push(("event-type", event_type.into()));
    headers.push(("event-id", text(event_id)));
    headers.push(("donation-id", text(donation_id)));
    headers.push(("content-type", CONTENT_TYPE.into()));
    headers.push(("schema-version", wire::SCHEMA_VERSION_TEXT.into()));
    if let Some(trace) = trace {
        headers.extend(
            trace
                .traceparent
                .clone()
                .map(|value| ("traceparent", Cow::Owned(value.into()))),
        );
        headers.extend(
            trace
                .correlation_id
                .clone()
                .map(|value| ("correlation-id", Cow::Owned(value.into()))),
        );
    }
    headers
}
