//! A request → the bytes that a client sends. The service only reads requests; clients, tests and load tests write.

use super::decode::Field;
use super::{DonationRequest, Request};
use crate::wire::MapWriter;

/// The request's canonical bytes: every field that it has, in the order of the contract, in MessagePack's shortest
/// form, the id as text. What [`super::decode`] reads from them is equal to `request`.
#[must_use]
pub fn encode(request: &Request) -> Vec<u8> {
    let mut map = MapWriter::with_capacity(256);
    map.text(Field::Type.name(), request.request_type().as_str());
    map.uuid(Field::Id.name(), &request.id().as_uuid());
    map.text(Field::UserId.name(), request.user_id().as_str());
    if let Request::Donate(donation) = request {
        encode_donation(&mut map, donation);
    }
    map.finish()
}

fn encode_donation(map: &mut MapWriter, donation: &DonationRequest) {
    map.text(Field::CampaignId.name(), donation.campaign_id.as_str());
    map.uint(Field::AmountMinor.name(), donation.amount.amount_minor());
    map.text(Field::Currency.name(), donation.amount.currency().code());
    map.text(Field::PaymentMethod.name(), &donation.payment_method);
    map.text_if(
        Field::GatewayCustomer.name(),
        donation.gateway_customer.as_deref(),
    );
    let Some(information) = &donation.information else {
        return;
    };
    if let Some(created_at_ms) = information.created_at_ms {
        map.int(Field::CreatedAtMs.name(), created_at_ms);
    }
    map.text_if(Field::Message.name(), information.message.as_deref());
    if let Some(anonymous) = information.anonymous {
        map.flag(Field::Anonymous.name(), anonymous);
    }
    map.text_if(
        Field::ReceiptEmail.name(),
        information.receipt_email.as_deref(),
    );
    if !information.metadata.is_empty() {
        map.texts(Field::Metadata.name(), &information.metadata);
    }
}
