//! The campaigns of a scenario: which there are, what each takes, and what its record says.

use almoner_domain::campaign::{Campaign, Status};
use almoner_domain::ids::CampaignId;

use crate::dice::{mix, scale};
use crate::scenario::{Giving, Scenario};

impl Scenario {
    /// Every campaign that traffic is for, the closed ones last. To be published on the campaigns topic
    /// ([`Campaign::encode`]) before the traffic.
    pub fn campaigns(&self) -> impl Iterator<Item = Campaign> {
        let open = (1..=self.campaigns.count).map(|rank| (open_id(rank), Status::Open, rank));
        let closed = (1..=u64::from(self.campaigns_closed))
            .map(|rank| (closed_id(rank), Status::Closed, rank));
        open.chain(closed).filter_map(|(id, status, rank)| {
            Some(Campaign {
                creator_account: format!("acct_{}", id.replace('-', "_")).into(),
                title: title(rank),
                campaign_id: CampaignId::parse(&id)?,
                version: 1,
                status,
                currency: giving_of(self, rank)?.currency,
                amount_minor_min: None,
                amount_minor_max: None,
            })
        })
    }
}

/// What people give to the campaign of this rank: its currency is its alone.
pub(crate) fn giving_of(scenario: &Scenario, rank: u64) -> Option<&Giving> {
    let weights = scenario
        .givings
        .iter()
        .map(|giving| u64::from(giving.weight));
    let mut left = scale(mix(scenario.seed, rank), weights.sum());
    scenario.givings.iter().find(|giving| {
        let weight = u64::from(giving.weight);
        let is_it = left < weight;
        left = left.saturating_sub(weight);
        is_it
    })
}

pub(crate) fn open_id(rank: u64) -> String {
    format!("campaign-{rank:06}")
}

pub(crate) fn closed_id(rank: u64) -> String {
    format!("closed-{rank:06}")
}

pub(crate) fn unknown_id(number: u64) -> String {
    format!("nobody-{number:06}")
}

fn title(rank: u64) -> Box<str> {
    const WHAT: [&str; 6] = [
        "A roof for",
        "Books for",
        "A new heart for",
        "Clean water for",
        "Ein Fahrrad für",
        "Une école à",
    ];
    const WHOM: [&str; 7] = [
        "Ana",
        "the shelter of Elm Street",
        "São Tomé",
        "Großmutter Ilse",
        "子ども食堂",
        "the village band",
        "Łódź",
    ];
    let pick = |list: &[&'static str], salt| list[mix(rank, salt) as usize % list.len()];
    format!("{} {}", pick(&WHAT, 1), pick(&WHOM, 2)).into()
}
