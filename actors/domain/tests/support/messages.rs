//! One message of every type, from typed content.

use std::sync::Arc;

use almoner_domain::campaign::{Campaign, Status};
use almoner_domain::dead_letter::{DeadLetter, Reason as DeadLetterReason, TimestampType};
use almoner_domain::donation::{Donation, PendingKind, State, Trace};
use almoner_domain::ids::{CampaignId, DonationId, Place, UserId};
use almoner_domain::money::{Currency, Money};
use almoner_domain::outcome::{self, Message, Reason, Rejection, RejectionReason, Told, What};
use almoner_domain::request::{self, DonationRequest, HoldAnswer, Information, Request};

/// A record as it stands in a topic.
pub struct Record {
    pub name: &'static str,
    pub key: Vec<u8>,
    pub headers: Vec<(String, Vec<u8>)>,
    pub value: Vec<u8>,
}

/// Every message that is written here.
pub fn all() -> Vec<Record> {
    [
        requests(),
        campaigns(),
        outcomes(),
        vec![rejection(), dead_letter()],
    ]
    .into_iter()
    .flatten()
    .collect()
}

pub fn donation_id() -> DonationId {
    DonationId::parse("01a0b5b2-7c3d-7e4f-8a5b-6c7d8e9f0a1b").unwrap()
}

fn user_id() -> UserId {
    UserId::parse("user-42").unwrap()
}

fn minimal() -> DonationRequest {
    DonationRequest {
        id: donation_id(),
        user_id: user_id(),
        campaign_id: CampaignId::parse("campaign-7").unwrap(),
        amount: Money::new(1250, Currency::from_code("EUR").unwrap()).unwrap(),
        payment_method: "pm_card_visa".into(),
        gateway_customer: None,
        information: None,
    }
}

fn full() -> DonationRequest {
    DonationRequest {
        gateway_customer: Some("cus_9s6XKzkNRiz8i3".into()),
        information: Some(Box::new(Information {
            created_at_ms: Some(1_790_000_000_123),
            message: Some("Für die Bienen 🐝".into()),
            anonymous: Some(true),
            receipt_email: Some("giver@example.org".into()),
            metadata: vec![
                ("channel".into(), "app".into()),
                ("locale".into(), "de-DE".into()),
            ],
        })),
        ..minimal()
    }
}

fn requests() -> Vec<Record> {
    let answer = || HoldAnswer {
        id: donation_id(),
        user_id: user_id(),
    };
    [
        ("request-donate-minimal", Request::Donate(minimal())),
        ("request-donate-full", Request::Donate(full())),
        ("request-confirm", Request::Confirm(answer())),
        ("request-cancel", Request::Cancel(answer())),
    ]
    .map(|(name, request)| Record {
        name,
        key: request.user_id().as_str().into(),
        headers: [
            ("content-type", "application/msgpack"),
            ("schema-version", "1"),
        ]
        .map(|(name, value)| (name.into(), value.into()))
        .into(),
        value: request::encode(&request),
    })
    .into()
}

fn campaigns() -> Vec<Record> {
    let open = Campaign {
        campaign_id: CampaignId::parse("campaign-7").unwrap(),
        version: 3,
        status: Status::Open,
        currency: Currency::from_code("EUR").unwrap(),
        creator_account: "acct_1MtJvkLkdIwHu7ix".into(),
        amount_minor_min: Some(100),
        amount_minor_max: Some(500_000),
        title: "Wild bees".into(),
    };
    let closed = Campaign {
        version: 4,
        status: Status::Closed,
        amount_minor_min: None,
        amount_minor_max: None,
        title: "".into(),
        ..open.clone()
    };
    [("campaign-open", open), ("campaign-closed", closed)]
        .map(|(name, campaign)| Record {
            name,
            key: campaign.campaign_id.as_str().into(),
            headers: vec![("schema-version".into(), b"1".into())],
            value: campaign.encode(),
        })
        .into()
}

fn place() -> Place {
    Place {
        topic: "donations.requests".into(),
        partition: 17,
        offset: 4_294_967_301,
    }
}

fn trace() -> Trace {
    Trace {
        traceparent: Some("00-4bf92f3577b34da6a3ce929d0e0e4736-00f067aa0ba902b7-01".into()),
        correlation_id: Some("order-9".into()),
    }
}

fn outcomes() -> Vec<Record> {
    let donation = |request| Donation {
        request,
        place: place(),
        shard_offset: place().offset,
        recorded_at_ms: 1_790_000_000_500,
        accepted_at_ms: 1_790_000_000_600,
        body_version: 1,
        trace: Some(Arc::new(trace())),
    };
    let told = |sequence, status, attempts, what| Told {
        sequence,
        occurred_at_ms: 1_790_000_001_000,
        status,
        attempts,
        what,
    };
    let succeeded = What::Succeeded {
        gateway_charge_id: "ch_3MmlLrLkdIwHu7ix0snN0B15".into(),
    };
    let failed = What::Failed {
        reason: Reason::CardDeclined,
        decline_code: Some("insufficient_funds".into()),
    };
    let cancelled = What::Cancelled {
        reason: Reason::DuplicateDeclined,
    };
    let asked = What::NeedsConfirmation {
        duplicate_of: DonationId::parse("01a0b5b2-7c3d-7e4f-8a5b-000000000001").unwrap(),
        expires_at_ms: 1_790_000_900_500,
    };
    let pending = What::Pending {
        kind: PendingKind::Unknown,
        retry_at_ms: 1_790_000_031_000,
    };
    [
        (
            "outcome-succeeded",
            full(),
            told(1, State::Succeeded, 0, succeeded),
        ),
        (
            "outcome-failed",
            minimal(),
            told(2, State::Failed, 1, failed),
        ),
        (
            "outcome-cancelled",
            minimal(),
            told(2, State::Cancelled, 0, cancelled),
        ),
        (
            "outcome-needs-confirmation",
            minimal(),
            told(1, State::Held, 0, asked),
        ),
        (
            "outcome-pending",
            minimal(),
            told(1, State::Unknown, 0, pending),
        ),
    ]
    .map(|(name, request, told)| {
        published(name, outcome::encode(&donation(request), &told, &place()))
    })
    .into()
}

fn published(name: &'static str, message: Message) -> Record {
    Record {
        name,
        key: message.key.as_bytes().into(),
        headers: message
            .headers
            .into_iter()
            .map(|(name, value)| (name.into(), value.as_bytes().into()))
            .collect(),
        value: message.value,
    }
}

fn rejection() -> Record {
    let rejection = Rejection {
        request_type: "donate".into(),
        donation_id: donation_id(),
        user_id: user_id(),
        reason: RejectionReason::InvalidRequest,
        field: Some("currency".into()),
        detail: "currency is not in upper case; send EUR".into(),
    };
    published(
        "request-rejected",
        rejection.encode(1, &place(), Some(&trace())),
    )
}

/// A request without an id, with a card number in what should be its message and one as an integer.
fn dead_letter() -> Record {
    let mut value = vec![0x83];
    for text in ["user_id", "user-42", "message", "card 4111 1111 1111 1111"] {
        value.push(0xa0 | u8::try_from(text.len()).unwrap());
        value.extend(text.as_bytes());
    }
    value.extend(b"\xa4card\xcf");
    value.extend(5_555_555_555_554_444_u64.to_be_bytes());
    let letter = DeadLetter {
        key: Some(b"user-42".into()),
        value: Some(value),
        headers: vec![("correlation-id".into(), Some(b"order-9".into()))],
        topic: place().topic.as_ref().into(),
        partition: 17,
        offset: place().offset,
        timestamp_ms: 1_790_000_000_500,
        timestamp_type: TimestampType::LogAppendTime,
        group: "almoner".into(),
        reason: DeadLetterReason::NoIdentity,
        detail: "id is missing".into(),
        attempts: 1,
        first_failure_ms: 1_790_000_000_700,
    };
    let encoded = letter.encode();
    Record {
        name: "dead-letter",
        key: encoded.key.unwrap(),
        headers: encoded
            .headers
            .into_iter()
            .map(|(name, value)| (name.into(), value.unwrap()))
            .collect(),
        value: encoded.value.unwrap(),
    }
}
