//! What is written can be read, with everything in it; the names are those of the stored forms.

use std::sync::Arc;

use proptest::prelude::*;

use super::*;
use crate::donation::{Donation, Trace};
use crate::ids::CampaignId;
use crate::keys;
use crate::money::{Currency, Money};
use crate::request::{DonationRequest, Information};
use crate::wire::MapWriter;

fn place(offset: i64) -> Place {
    Place {
        topic: "donations.requests".into(),
        partition: 3,
        offset,
    }
}

fn donation(metadata: Vec<(Box<str>, Box<str>)>) -> Donation {
    Donation {
        request: DonationRequest {
            id: DonationId([7; 16]),
            user_id: UserId::parse("u-1").unwrap(),
            campaign_id: CampaignId::parse("c-1").unwrap(),
            amount: Money::new(1250, Currency::from_code("EUR").unwrap()).unwrap(),
            payment_method: "pm_1".into(),
            gateway_customer: None,
            information: Some(Box::new(Information {
                metadata,
                ..Information::default()
            })),
        },
        place: place(41),
        shard_offset: 41,
        recorded_at_ms: 0,
        accepted_at_ms: 0,
        body_version: 1,
        trace: Some(Arc::new(Trace {
            traceparent: Some("00-1".into()),
            correlation_id: None,
        })),
    }
}

const STATES: [State; 8] = [
    State::Accepted,
    State::Held,
    State::Charging,
    State::Retrying,
    State::Unknown,
    State::Succeeded,
    State::Failed,
    State::Cancelled,
];
const KINDS: [PendingKind; 7] = [
    PendingKind::Held,
    PendingKind::Retrying,
    PendingKind::Unknown,
    PendingKind::Queued,
    PendingKind::Drained,
    PendingKind::Quarantined,
    PendingKind::Surplus,
];

fn any_what() -> impl Strategy<Value = What> {
    let reason = || proptest::sample::select(Reason::ALL.to_vec());
    prop_oneof![
        "ch_[a-z0-9]{1,24}".prop_map(|id| What::Succeeded {
            gateway_charge_id: id.into()
        }),
        (reason(), proptest::option::of("[a-z_]{1,30}")).prop_map(|(reason, code)| What::Failed {
            reason,
            decline_code: code.map(Into::into)
        }),
        reason().prop_map(|reason| What::Cancelled { reason }),
        (any::<[u8; 16]>(), any::<i64>()).prop_map(|(id, at)| What::NeedsConfirmation {
            duplicate_of: DonationId(id),
            expires_at_ms: at
        }),
        (proptest::sample::select(KINDS.to_vec()), any::<i64>()).prop_map(|(kind, at)| {
            What::Pending {
                kind,
                retry_at_ms: at,
            }
        }),
    ]
}

prop_compose! {
    fn any_told()(
        sequence in 1..=u32::MAX,
        occurred_at_ms: i64,
        status in proptest::sample::select(STATES.to_vec()),
        attempts: u8,
        what in any_what(),
    ) -> Told {
        Told { sequence, occurred_at_ms, status, attempts, what }
    }
}

/// What the view must say of `what`, beside what every outcome says.
fn check_what(view: &OutcomeView<'_>, what: &What) {
    let (mut charge, mut decline, mut duplicate, mut expires, mut retry) =
        (None, None, None, None, None);
    match what {
        What::Succeeded { gateway_charge_id } => charge = Some(&**gateway_charge_id),
        What::Failed { decline_code, .. } => decline = decline_code.as_deref(),
        What::Cancelled { .. } => {}
        What::NeedsConfirmation {
            duplicate_of,
            expires_at_ms,
        } => (duplicate, expires) = (Some(*duplicate_of), Some(*expires_at_ms)),
        What::Pending { retry_at_ms, .. } => retry = Some(*retry_at_ms),
    }
    assert_eq!(view.gateway_charge_id, charge);
    assert_eq!(
        view.receipt_id,
        charge.map(|_| keys::receipt_id(DonationId([7; 16])))
    );
    assert_eq!(view.decline_code, decline);
    assert_eq!(view.duplicate_of, duplicate);
    assert_eq!(view.expires_at_ms, expires);
    assert_eq!(view.retry_at_ms, retry);
}

proptest! {
    #[test]
    fn an_outcome_is_read_as_it_was_written(
        told in any_told(),
        metadata in proptest::collection::btree_map("[a-z]{1,40}", "\\PC{0,40}", 0..=20),
        offset in 0..=i64::MAX,
    ) {
        let metadata: Vec<(Box<str>, Box<str>)> = metadata.into_iter().map(|(key, value)| (key.into(), value.into())).collect();
        let donation = donation(metadata.clone());
        let message = encode(&donation, &told, &place(offset));
        let view = decode(&message.value).unwrap();
        prop_assert_eq!(view.event_id, keys::event_id(donation.request.id, told.sequence));
        prop_assert_eq!(view.sequence, Some(told.sequence));
        prop_assert_eq!(view.event_type, told.what.event_type());
        prop_assert_eq!(view.donation_id, donation.request.id);
        prop_assert_eq!((view.user_id, view.campaign_id), ("u-1", Some("c-1")));
        prop_assert_eq!((view.amount_minor, view.currency), (Some(1250), Some("EUR")));
        prop_assert_eq!(view.status, Some(names::status(told.status)));
        prop_assert_eq!(view.reason, told.what.reason());
        prop_assert_eq!(view.detail, Some(&*told.what.detail()));
        prop_assert_eq!(view.attempts, Some(u64::from(told.attempts)));
        prop_assert_eq!(view.occurred_at_ms, Some(told.occurred_at_ms));
        prop_assert_eq!(view.source, Some(SourceView { topic: "donations.requests", partition: 3, offset }));
        let echoed: Vec<_> = view.metadata.iter().map(|(key, value)| ((*key).into(), (*value).into())).collect();
        prop_assert_eq!(echoed, metadata);
        prop_assert!(!view.is_rejection());
        check_what(&view, &told.what);
    }

    #[test]
    fn copies_differ_in_their_source_alone(told in any_told(), one in 0..=i64::MAX, other in 0..=i64::MAX) {
        let donation = donation(vec![]);
        let (one, other) = (encode(&donation, &told, &place(one)), encode(&donation, &told, &place(other)));
        let (mut one_view, mut other_view) = (decode(&one.value).unwrap(), decode(&other.value).unwrap());
        (one_view.source, other_view.source) = (None, None);
        prop_assert_eq!(one_view, other_view);
        prop_assert_eq!((one.key, one.headers), (other.key, other.headers));
    }

    #[test]
    fn no_bytes_panic_the_reader(value in proptest::collection::vec(any::<u8>(), 0..200)) {
        let _read = decode(&value);
    }
}

#[test]
fn headers_let_a_consumer_skip_without_decoding() {
    let told = Told {
        sequence: 1,
        occurred_at_ms: 5,
        status: State::Cancelled,
        attempts: 0,
        what: What::Cancelled {
            reason: Reason::DuplicateDeclined,
        },
    };
    let message = encode(&donation(vec![]), &told, &place(1));
    let id = DonationId([7; 16]);
    let event_id = keys::event_id(id, 1).to_string();
    let expected = [
        ("event-type", "donation.cancelled"),
        ("event-id", &event_id),
        ("donation-id", &id.to_string()),
        ("content-type", "application/msgpack"),
        ("schema-version", "1"),
        ("traceparent", "00-1"),
    ];
    let headers: Vec<_> = message
        .headers
        .iter()
        .map(|(name, value)| (*name, &**value))
        .collect();
    assert_eq!(headers, expected);
    assert_eq!(&*message.key, "u-1");
}

#[test]
fn a_rejection_is_read_as_it_was_written() {
    for reason in RejectionReason::ALL {
        let rejection = Rejection {
            request_type: "donate".into(),
            donation_id: DonationId([7; 16]),
            user_id: UserId::parse("u-1").unwrap(),
            reason,
            field: Some("key".into()),
            detail: "send user_id".into(),
        };
        let message = rejection.encode(2, &place(9), None);
        let view = decode(&message.value).unwrap();
        assert!(view.is_rejection());
        assert_eq!(view.event_id, keys::rejection_id(2, &place(9)));
        assert_eq!(view.sequence, None);
        assert_eq!(view.donation_id, rejection.donation_id);
        assert_eq!(view.reason, Some(reason.as_str()));
        assert_eq!(view.field, Some("key"));
        assert_eq!(view.request_type, Some("donate"));
        assert_eq!(view.detail, Some("send user_id"));
        assert_eq!(view.source.map(|source| source.offset), Some(9));
        assert_eq!(
            message.headers[0],
            ("event-type", "request.rejected".into())
        );
        assert_ne!(rejection.encode(3, &place(9), None).value, message.value);
    }
}

#[test]
fn what_is_not_known_comes_through() {
    let mut map = MapWriter::with_capacity(64);
    map.text(
        "event_id",
        &keys::event_id(DonationId([7; 16]), 1).to_string(),
    );
    map.text("type", "donation.framed");
    map.text("donation_id", &DonationId([7; 16]).to_string());
    map.text("user_id", "u-1");
    map.text("status", "golden");
    map.text("reason", "because");
    map.map("source", |inner| {
        inner.text("topic", "t");
        inner.uint("partition", 1);
        inner.uint("offset", 2);
        inner.text("cluster", "x");
    });
    map.flag("new", true);
    let bytes = map.finish();
    let view = decode(&bytes).unwrap();
    assert_eq!(view.event_type, "donation.framed");
    assert_eq!(
        (view.status, view.reason),
        (Some("golden"), Some("because"))
    );

    for (bytes, says) in [
        (&[0x80][..], "donation_id is missing"),
        (&[0xc0], "not a map"),
    ] {
        assert!(decode(bytes).unwrap_err().to_string().contains(says));
    }
}

#[test]
fn the_wire_spells_names_as_the_store_does() {
    let check = |value: serde_json::Value, text: &str| assert_eq!(value, text);
    for state in STATES {
        check(serde_json::to_value(state).unwrap(), names::status(state));
    }
    for kind in KINDS {
        check(
            serde_json::to_value(kind).unwrap(),
            names::pending_kind(kind),
        );
    }
    for reason in Reason::ALL {
        check(serde_json::to_value(reason).unwrap(), reason.as_str());
        assert_eq!(Reason::parse(reason.as_str()), Some(reason));
    }
    for reason in RejectionReason::ALL {
        check(serde_json::to_value(reason).unwrap(), reason.as_str());
    }
}
