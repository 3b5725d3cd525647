//! Short texts with a form of their own, from command lines, headers, paths and rows: what is taken is written as it was
//! read, or read again as the same.

use almoner::simulator::{ChargeId, Currency as GatewayCurrency, IntentId, RefundId};
use almoner_domain::card_number::{contains_card_number, is_card_number};
use almoner_domain::ids::{CampaignId, DonationId, Place, UserId};
use almoner_domain::money::Currency;
use almoner_domain::partition::Partitioner;

use super::bounds::within;
use super::explore::{Fate, Target, fate};

fn target(input: &[u8]) -> Fate {
    let Ok(text) = std::str::from_utf8(input) else {
        return "no text".into();
    };
    within(input.len(), || taken(text))
}

fn taken(text: &str) -> Fate {
    let mut takers = Vec::new();
    if let Some(id) = DonationId::parse(text) {
        assert_eq!(DonationId::parse(&id.to_string()), Some(id));
        takers.push("donation");
    }
    if let Some(id) = UserId::parse(text) {
        assert_eq!(id.as_str(), text);
        takers.push("user");
    }
    if let Some(id) = CampaignId::parse(text) {
        assert_eq!(id.as_str(), text);
        takers.push("campaign");
    }
    if let Some(place) = Place::parse(text) {
        assert_eq!(Place::parse(&place.to_string()), Some(place));
        takers.push("place");
    }
    if let Some(currency) = Currency::from_code(text) {
        assert_eq!(currency.code(), text);
        takers.push("currency");
    }
    if text.parse::<Partitioner>().is_ok() {
        takers.push("partitioner");
    }
    assert!(!is_card_number(text) || contains_card_number(text));
    takers.extend(simulators(text));
    fate(&takers.join(" "))
}

/// The simulator's ids are written as they were read.
fn simulators(text: &str) -> Option<&'static str> {
    if let Ok(id) = text.parse::<IntentId>() {
        assert_eq!(id.to_string(), text);
        return Some("intent");
    }
    if let Ok(id) = text.parse::<ChargeId>() {
        assert_eq!(id.to_string(), text);
        return Some("charge");
    }
    if let Ok(id) = text.parse::<RefundId>() {
        assert_eq!(id.to_string(), text);
        return Some("refund");
    }
    let currency: Result<GatewayCurrency, _> = serde_json::from_value(text.into());
    currency.is_ok().then_some("gateway's currency")
}

pub fn words() -> Target {
    let words: [&[u8]; 14] = [
        b"018f6b2e-5c1a-7abc-8def-0123456789ab",
        b"018F6B2E5C1A7ABC8DEF0123456789AB",
        b"user_1",
        b"campaign:7",
        b"donations.requests/3/1047",
        b"/-1/-1",
        b"EUR",
        b"eur",
        b"murmur2_random",
        b"pi_3",
        b"ch_3",
        b"re_3",
        b"0123456789abcdef",
        b"000000000012",
    ];
    Target {
        seeds: words.iter().map(|word| word.to_vec()).collect(),
        words: words.to_vec(),
        invent: None,
        inputs: 10_000,
        reaches: &["donation", "user campaign", "place", "no text"],
        read: Box::new(target),
    }
}
