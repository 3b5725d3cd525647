//! A record of the campaigns topic: a campaign, its end, or a dead letter.

use almoner_domain::campaign::{Campaign, CampaignChange, decode};

use super::bounds::within;
use super::cards::check_sentence;
use super::explore::{Fate, Target, fate, golden};
use super::mutate::Mutator;

/// A sound campaign.
const SOUND: &[(&str, &str)] = &[
    ("campaign_id", KEY),
    ("version", "3"),
    ("status", "open"),
    ("currency", "EUR"),
    ("creator_account", "acct_1"),
    ("amount_minor_min", "100"),
    ("amount_minor_max", "500000"),
    ("title", "A well for the village"),
];

const LIKELY: &[&str] = &[
    KEY,
    "open",
    "closed",
    "EUR",
    "acct_1",
    "4242424242424242",
    "A well for the village",
    "é",
];

/// The key of every record: the golden messages' own, and one of a campaign that they do not tell of.
const KEY: &str = "campaign_1";

fn invent(mutator: &mut Mutator) -> Vec<u8> {
    mutator.map(SOUND, LIKELY)
}

fn target(value: &[u8]) -> Fate {
    let keys = ["campaign-7", KEY];
    let mut fates: Vec<_> = keys.iter().map(|key| judge(key, value)).collect();
    // One of the keys may be the value's: the fate under it says more.
    fates.sort_by_key(|fate| fate.contains("not the record's key"));
    fates.swap_remove(0)
}

fn judge(key: &str, value: &[u8]) -> Fate {
    let read = || {
        within(value.len(), || {
            decode(Some(key.as_bytes()), Some(value), None)
        })
    };
    let judged = read();
    assert_eq!(judged, read(), "another fate the second time");
    match judged {
        Ok(CampaignChange::Described(campaign)) => {
            check_campaign(key, &campaign);
            fate(&format!("described {:?}", campaign.status))
        }
        Ok(CampaignChange::Closed(_)) => panic!("closed by a value"),
        Err(unreadable) => {
            check_sentence(&unreadable.detail);
            fate(&format!("dead {}", unreadable))
        }
    }
}

/// Written again it is the same, and told again it changes nothing.
fn check_campaign(key: &str, campaign: &Campaign) {
    assert_eq!(campaign.campaign_id.as_str(), key);
    assert!(campaign.title.chars().count() <= 500);
    assert!(!almoner_domain::card_number::contains_card_number(
        &campaign.title
    ));
    let again = decode(Some(key.as_bytes()), Some(&campaign.encode()), Some(b"1"));
    let change = CampaignChange::Described(campaign.clone());
    assert_eq!(again.as_ref(), Ok(&change));
    assert_eq!(Campaign::apply(Some(campaign), change), None);
    let closed = Campaign::apply(
        Some(campaign),
        CampaignChange::Closed(campaign.campaign_id.clone()),
    );
    assert!(closed.is_none_or(|closed| closed.version == campaign.version));
}

pub fn campaigns() -> Target {
    let words: Vec<_> = SOUND
        .iter()
        .map(|(name, _)| name)
        .chain(LIKELY)
        .map(|text| text.as_bytes())
        .collect();
    Target {
        seeds: golden("campaign-"),
        words,
        invent: Some(invent),
        inputs: 10_000,
        reaches: &[
            "described Open",
            "described Closed",
            "dead almoner.undecodable",
            "dead almoner.no_identity",
            "dead almoner.trailing_bytes",
            "dead almoner.duplicate_field",
        ],
        read: Box::new(target),
    }
}
