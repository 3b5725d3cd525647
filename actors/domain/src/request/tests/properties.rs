//! For every request, for any bytes, for any mixture of types.

use proptest::prelude::*;

use super::super::*;
use super::{ID, decode_value};
use crate::dead_letter::Reason;
use crate::money::{AMOUNT_MINOR_MAX, Currency};
use crate::wire::MapWriter;

prop_compose! {
    fn any_information()(
        created_at_ms in any::<Option<i64>>(),
        message in proptest::option::of("[a-zé ]{0,500}"),
        anonymous in any::<Option<bool>>(),
        receipt_email in proptest::option::of("[a-z.]{1,20}@[a-z]{1,20}"),
        metadata in proptest::collection::btree_map("[a-zü]{0,40}", "\\PC{0,40}", 0..=20),
    ) -> Option<Box<Information>> {
        let information = Information {
            created_at_ms,
            message: message.map(Into::into),
            anonymous,
            receipt_email: receipt_email.map(Into::into),
            metadata: metadata.into_iter().map(|(key, value)| (key.into(), crate::card_number::masked(&value).into())).collect(),
        };
        (information != Information::default()).then(|| Box::new(information))
    }
}

prop_compose! {
    fn any_request()(
        id in any::<[u8; 16]>(),
        user_id in "[A-Za-z0-9_.:-]{1,64}",
        campaign_id in "[A-Za-z0-9_.:-]{1,64}",
        amount_minor in 1..=AMOUNT_MINOR_MAX,
        currency in proptest::sample::select(vec!["EUR", "JPY", "KWD", "CLF"]),
        payment_method in "(pm|card|src|tok)_[A-Za-z_]{1,240}",
        gateway_customer in proptest::option::of("cus_[A-Za-z]{1,24}"),
        information in any_information(),
        which in 0..4,
    ) -> Request {
        let (id, user_id) = (DonationId(id), UserId::parse(&user_id).unwrap());
        match which {
            0 => Request::Confirm(HoldAnswer { id, user_id }),
            1 => Request::Cancel(HoldAnswer { id, user_id }),
            _ => Request::Donate(DonationRequest {
                id,
                user_id,
                campaign_id: CampaignId::parse(&campaign_id).unwrap(),
                amount: Money::new(amount_minor, Currency::from_code(currency).unwrap()).unwrap(),
                payment_method: payment_method.into(),
                gateway_customer: gateway_customer.map(Into::into),
                information,
            }),
        }
    }
}

/// Any MessagePack value, as bytes.
fn any_value() -> impl Strategy<Value = Vec<u8>> {
    let leaf = prop_oneof![
        Just(vec![0xc0]),
        Just(vec![0xc3]),
        any::<i8>()
            .prop_map(|n| n.to_be_bytes().to_vec())
            .prop_filter("a number", |b| b[0] < 0x80 || b[0] >= 0xe0),
        any::<u64>().prop_map(|n| [&[0xcf][..], &n.to_be_bytes()].concat()),
        any::<i64>().prop_map(|n| [&[0xd3][..], &n.to_be_bytes()].concat()),
        any::<f64>().prop_map(|n| [&[0xcb][..], &n.to_be_bytes()].concat()),
        proptest::collection::vec(any::<u8>(), 0..40).prop_map(|b| [
            &[0xd9, b.len() as u8][..],
            &b
        ]
        .concat()),
        proptest::collection::vec(any::<u8>(), 0..40).prop_map(|b| [
            &[0xc4, b.len() as u8][..],
            &b
        ]
        .concat()),
        "[a-z_0-9]{0,31}"
            .prop_map(|text| [&[0xa0 | text.len() as u8][..], text.as_bytes()].concat()),
    ];
    leaf.prop_recursive(4, 20, 4, |inner| {
        prop_oneof![
            proptest::collection::vec(inner.clone(), 0..4).prop_map(|items| [
                &[0x90 | items.len() as u8][..],
                &items.concat()
            ]
            .concat()),
            proptest::collection::vec((inner.clone(), inner), 0..4).prop_map(|entries| {
                let mut bytes = vec![0x80 | entries.len() as u8];
                for (key, value) in entries {
                    bytes.extend(key);
                    bytes.extend(value);
                }
                bytes
            }),
        ]
    })
}

proptest! {
    #[test]
    fn decode_is_the_inverse_of_encode(request in any_request()) {
        let value = encode(&request);
        let record = Record { key: Some(request.user_id().as_str().as_bytes()), value: &value, schema_version: None };
        prop_assert_eq!(decode(&record, &Rules::default()), Ok(request));
    }

    #[test]
    fn any_bytes_have_a_fate(value in proptest::collection::vec(any::<u8>(), 0..200), key in any::<Option<Vec<u8>>>()) {
        let record = Record { key: key.as_deref(), value: &value, schema_version: None };
        let _fate = decode(&record, &Rules::default());
    }

    #[test]
    fn damaged_requests_have_a_fate(request in any_request(), at in any::<prop::sample::Index>(), byte in any::<u8>()) {
        let mut value = encode(&request);
        let at = at.index(value.len());
        value[at] = byte;
        let record = Record { key: Some(request.user_id().as_str().as_bytes()), value: &value, schema_version: None };
        let _fate = decode(&record, &Rules::default());
    }

    #[test]
    fn wrong_types_are_rejected_where_the_sender_is_known_and_dead_letters_else(
        values in proptest::collection::vec(proptest::option::of(any_value()), 11),
        has_id: bool, has_user: bool,
    ) {
        let mut map = MapWriter::with_capacity(64);
        if has_id {
            map.text("id", ID);
        }
        if has_user {
            map.text("user_id", "u-1");
        }
        let names = ["type", "campaign_id", "amount_minor", "currency", "payment_method", "gateway_customer",
            "created_at_ms", "message", "anonymous", "receipt_email", "metadata"];
        for (name, value) in names.into_iter().zip(values) {
            if let Some(value) = value {
                map.raw(name, &value);
            }
        }
        match decode_value(&map.finish()) {
            Ok(_) => prop_assert!(has_id && has_user),
            Err(Refusal::Rejected(_)) => prop_assert!(has_id && has_user),
            Err(Refusal::DeadLetter { reason, .. }) => {
                prop_assert!(!(has_id && has_user));
                prop_assert_eq!(reason, Reason::NoIdentity);
            }
        }
    }
}
