//! What a record of the campaigns topic may say, and what it changes.

use proptest::prelude::*;

use super::*;
use crate::ids::{DonationId, UserId};
use crate::money::Money;

fn described(version: u64, status: Status) -> Campaign {
    Campaign {
        campaign_id: CampaignId::parse("c-1").unwrap(),
        version,
        status,
        currency: Currency::from_code("EUR").unwrap(),
        creator_account: "acct_1".into(),
        amount_minor_min: Some(100),
        amount_minor_max: Some(10_000),
        title: "Bees".into(),
    }
}

#[test]
fn a_campaign_refuses_what_it_does_not_take() {
    let request = |amount_minor, currency| DonationRequest {
        id: DonationId([1; 16]),
        user_id: UserId::parse("u-1").unwrap(),
        campaign_id: CampaignId::parse("c-1").unwrap(),
        amount: Money::new(amount_minor, Currency::from_code(currency).unwrap()).unwrap(),
        payment_method: "pm_1".into(),
        gateway_customer: None,
        information: None,
    };
    let open = described(1, Status::Open);
    for (amount_minor, currency, expected) in [
        (100, "EUR", None),
        (10_000, "EUR", None),
        (99, "EUR", Some(Reason::AmountOutOfBounds)),
        (10_001, "EUR", Some(Reason::AmountOutOfBounds)),
        (500, "USD", Some(Reason::CurrencyMismatch)),
    ] {
        assert_eq!(
            open.refuses(&request(amount_minor, currency)),
            expected,
            "{amount_minor} {currency}"
        );
    }
    let closed = described(1, Status::Closed);
    assert_eq!(
        closed.refuses(&request(500, "USD")),
        Some(Reason::CampaignClosed)
    );
    let boundless = Campaign {
        amount_minor_min: None,
        amount_minor_max: None,
        ..open
    };
    assert_eq!(boundless.refuses(&request(1, "EUR")), None);
}

#[test]
fn the_latest_version_counts_and_nothing_old_opens_a_closed_one() {
    let (open, closed) = (Status::Open, Status::Closed);
    let tombstone = || CampaignChange::Closed(CampaignId::parse("c-1").unwrap());
    let check = |known: Option<(u64, Status)>, change, expected: Option<(u64, Status)>| {
        let known = known.map(|(version, status)| described(version, status));
        let expected = expected.map(|(version, status)| described(version, status));
        assert_eq!(Campaign::apply(known.as_ref(), change), expected);
    };
    let set = |version, status| CampaignChange::Described(described(version, status));
    check(None, set(5, open), Some((5, open)));
    check(Some((5, open)), set(6, closed), Some((6, closed)));
    check(Some((5, closed)), set(6, open), Some((6, open)));
    check(Some((5, open)), set(4, closed), None);
    check(Some((5, open)), set(5, open), None);
    check(Some((5, open)), set(5, closed), Some((5, closed)));
    check(Some((5, closed)), set(5, open), None);
    check(Some((5, open)), tombstone(), Some((5, closed)));
    check(Some((5, closed)), tombstone(), None);
    check(None, tombstone(), None);
}

fn record(write: impl Fn(&mut MapWriter)) -> Vec<u8> {
    let mut map = MapWriter::with_capacity(64);
    write(&mut map);
    map.finish()
}

/// A sound record, but for `name`, which is as `write` writes it.
fn but_for(name: &str, write: impl Fn(&mut MapWriter)) -> Vec<u8> {
    record(|map| {
        let texts = [
            ("campaign_id", "c-1"),
            ("status", "open"),
            ("currency", "EUR"),
            ("creator_account", "acct_1"),
        ];
        for (known, value) in texts.into_iter().filter(|(known, _)| *known != name) {
            map.text(known, value);
        }
        if name != "version" {
            map.uint("version", 1);
        }
        write(map);
    })
}

#[test]
fn what_cannot_be_read_is_a_dead_letter() {
    use DeadLetterReason::{DuplicateField, NoIdentity, SchemaTooNew, TrailingBytes, Undecodable};
    let check = |key: Option<&[u8]>, value: &[u8], version: Option<&[u8]>, reason, says: &str| {
        let unreadable = decode(key, Some(value), version).unwrap_err();
        assert_eq!(unreadable.reason, reason, "{unreadable}");
        assert!(unreadable.detail.contains(says), "{unreadable}");
    };
    let c_1 = Some(&b"c-1"[..]);
    let sound = but_for("", |_| {});
    assert!(decode(c_1, Some(&sound), Some(b"1")).is_ok());
    check(None, &sound, None, NoIdentity, "key");
    check(
        Some(b"c-2"),
        &sound,
        None,
        NoIdentity,
        "is not the record's key",
    );
    check(c_1, &sound, Some(b"2"), SchemaTooNew, "above 1");
    check(
        c_1,
        &[&sound[..], &[0]].concat(),
        None,
        TrailingBytes,
        "send one message a record",
    );
    check(
        c_1,
        &but_for("", |map| map.text("status", "open")),
        None,
        DuplicateField,
        "status",
    );
    check(c_1, &[], None, Undecodable, "empty");
    for name in ["version", "status", "currency", "creator_account"] {
        check(
            c_1,
            &but_for(name, |_| {}),
            None,
            Undecodable,
            &format!("{name} is missing"),
        );
        check(
            c_1,
            &but_for(name, |map| map.flag(name, true)),
            None,
            Undecodable,
            &format!("{name} is a boolean"),
        );
    }
    check(
        c_1,
        &but_for("campaign_id", |_| {}),
        None,
        NoIdentity,
        "is missing",
    );
    check(
        c_1,
        &but_for("currency", |map| map.text("currency", "eur")),
        None,
        Undecodable,
        "ISO 4217",
    );
    let card = |map: &mut MapWriter| map.text("creator_account", "4111111111111111");
    check(
        c_1,
        &but_for("creator_account", card),
        None,
        Undecodable,
        "acct_",
    );
    let turned = |map: &mut MapWriter| {
        map.uint("amount_minor_min", 2);
        map.uint("amount_minor_max", 1);
    };
    check(
        c_1,
        &but_for("", turned),
        None,
        Undecodable,
        "more than amount_minor_max",
    );
    let much = |map: &mut MapWriter| map.uint("amount_minor_max", u64::MAX);
    check(
        c_1,
        &but_for("", much),
        None,
        Undecodable,
        "is more than 9007199254740991",
    );
    let long = "x".repeat(501);
    check(
        c_1,
        &but_for("", |map| map.text("title", &long)),
        None,
        Undecodable,
        "500 characters",
    );
}

#[test]
fn tombstones_close_titles_are_masked_and_statuses_to_come_are_closed() {
    let key = Some(&b"c-1"[..]);
    let tombstone = decode(key, None, None).unwrap();
    assert_eq!(
        tombstone,
        CampaignChange::Closed(CampaignId::parse("c-1").unwrap())
    );
    assert_eq!(tombstone.campaign_id().as_str(), "c-1");

    let value = but_for("status", |map| {
        map.text("status", "paused");
        map.text("title", "give to 4111 1111 1111 1111");
        map.text("colour", "green");
    });
    let CampaignChange::Described(campaign) = decode(key, Some(&value), None).unwrap() else {
        panic!()
    };
    assert_eq!(campaign.status, Status::Closed);
    assert_eq!(&*campaign.title, "give to **** **** **** ****");
}

prop_compose! {
    fn any_campaign()(
        id in "[A-Za-z0-9_.:-]{1,64}",
        version: u64,
        status in proptest::sample::select(vec![Status::Open, Status::Closed]),
        currency in proptest::sample::select(vec!["EUR", "JPY", "KWD"]),
        account in "acct_[A-Za-z]{1,24}",
        bounds in proptest::option::of((0..=AMOUNT_MINOR_MAX, 0..=AMOUNT_MINOR_MAX)),
        title in "[a-zé ]{0,100}",
    ) -> Campaign {
        Campaign {
            campaign_id: CampaignId::parse(&id).unwrap(),
            version,
            status,
            currency: Currency::from_code(currency).unwrap(),
            creator_account: account.into(),
            amount_minor_min: bounds.map(|(one, other)| one.min(other)),
            amount_minor_max: bounds.map(|(one, other)| one.max(other)),
            title: title.into(),
        }
    }
}

proptest! {
    #[test]
    fn decode_is_the_inverse_of_encode(campaign in any_campaign()) {
        let value = campaign.encode();
        let key = campaign.campaign_id.as_str().as_bytes().to_vec();
        prop_assert_eq!(decode(Some(&key), Some(&value), None), Ok(CampaignChange::Described(campaign)));
    }

    #[test]
    fn any_bytes_have_a_fate(key in any::<Option<Vec<u8>>>(), value in any::<Vec<u8>>()) {
        let _fate = decode(key.as_deref(), Some(&value), None);
    }
}
