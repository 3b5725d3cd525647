//! Gateway, ledger and outcomes, held against each other to the cent and donation by donation.

use std::collections::{BTreeMap, BTreeSet, HashMap};

use almoner_domain::ids::DonationId;
use almoner_domain::money::{Currency, Money};
use serde::{Deserialize, Serialize};

use crate::watch::{Fate, Watch};

/// Sums in minor units by ISO 4217 code.
pub type Sums = BTreeMap<String, i128>;

/// What the gateway charged, by donation.
pub type ChargesById = HashMap<DonationId, Charges>;

/// What the gateway charged for one donation and did not give back.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Default)]
pub struct Charges {
    /// Successful charges that were not refunded in whole: 1 at most, or a card was charged twice.
    pub count: u32,
    /// Their sum less refunds, in ISO 4217's minor unit (which is not always the gateway's).
    pub amount_minor: u64,
}

/// What the three books say.
#[derive(Clone, PartialEq, Eq, Debug, Default)]
pub struct Books {
    /// What the gateway charged and did not give back.
    pub gateway_minor: Sums,
    /// What the ledger's movements add up to.
    pub ledger_minor: Sums,
    /// What was told to have succeeded.
    pub outcomes_minor: Sums,
    /// The gateway's charges, donation by donation.
    pub charges: ChargesById,
}

/// Whether the money is right.
#[derive(Clone, PartialEq, Eq, Debug, Serialize, Deserialize)]
pub struct Verdict {
    /// No findings.
    pub ok: bool,
    /// What the gateway charged, in minor units by currency.
    pub gateway_minor: Sums,
    /// What the ledger says, in minor units by currency.
    pub ledger_minor: Sums,
    /// What was told, in minor units by currency.
    pub outcomes_minor: Sums,
    /// What is wrong: a sentence each, with what to look at.
    pub findings: Vec<String>,
}

impl Verdict {
    /// Judges the books, and adds what was found elsewhere.
    pub fn of(books: Books, findings: impl IntoIterator<Item = String>) -> Self {
        let mut all: Vec<String> = findings.into_iter().collect();
        all.extend(charged_twice(&books.charges));
        all.extend(differences(&books));
        Self {
            ok: all.is_empty(),
            gateway_minor: books.gateway_minor,
            ledger_minor: books.ledger_minor,
            outcomes_minor: books.outcomes_minor,
            findings: all,
        }
    }
}

impl Watch {
    /// The verdict on a run that is over: the watch's own findings, the outcomes it saw against gateway and ledger, and
    /// each donation against its charges.
    #[must_use]
    pub fn verdict(
        &self,
        gateway_minor: Sums,
        ledger_minor: Sums,
        charges: ChargesById,
    ) -> Verdict {
        let own = self
            .findings(true)
            .into_iter()
            .map(|finding| finding.to_string());
        let findings: Vec<String> = own.chain(self.misjudged(&charges)).collect();
        let books = Books {
            gateway_minor,
            ledger_minor,
            outcomes_minor: self.summary().succeeded_minor,
            charges,
        };
        Verdict::of(books, findings)
    }

    /// Donations whose fate is not what the gateway did, by id.
    fn misjudged(&self, charges: &ChargesById) -> Vec<String> {
        let mut found = Vec::new();
        let mut known = 0;
        for (id, fate, amount_minor) in self.donations() {
            let charge = charges.get(&id);
            known += usize::from(charge.is_some());
            if let Some(text) = misjudged(fate, amount_minor, charge.copied().unwrap_or_default()) {
                found.push((id, text));
            }
        }
        if known < charges.len() {
            let asked: BTreeSet<DonationId> = self.donations().map(|(id, ..)| id).collect();
            let strangers = charges.keys().filter(|id| !asked.contains(*id));
            found.extend(strangers.map(|id| (*id, NEVER_ASKED.to_owned())));
        }
        found.sort_unstable();
        found
            .into_iter()
            .map(|(id, text)| format!("donation {id}: {text}"))
            .collect()
    }
}

const NEVER_ASKED: &str = "the gateway charged it, but nobody asked; look for its request on the topic, or an earlier run's";

/// What is wrong between a donation's fate and its charges. More than one charge is named elsewhere.
fn misjudged(fate: Option<Fate>, amount_minor: u64, charges: Charges) -> Option<String> {
    match (fate, charges.count) {
        (Some(Fate::Succeeded), 0) => Some(
            "it was told to have succeeded, but the gateway has no charge; look for its charge id at the gateway".into(),
        ),
        (Some(Fate::Succeeded), 1) => (charges.amount_minor != amount_minor).then(|| {
            format!(
                "it was to be {amount_minor} minor units, and the gateway holds {}; look for refunds and at the currency's unit",
                charges.amount_minor
            )
        }),
        (Some(fate), 1..) if fate != Fate::Succeeded => Some(format!(
            "it was told to have {}, but the gateway charged it; refund it, and look at its answers in the store",
            match fate {
                Fate::Cancelled => "been cancelled",
                Fate::Rejected => "been rejected",
                Fate::DeadLetter => "become a dead letter",
                Fate::Failed | Fate::Succeeded => "failed",
            }
        )),
        (None, 1..) => Some("the gateway charged it, but it has no outcome; look at its state in the store".into()),
        _ => None,
    }
}

/// Each donation that was charged more than once, by id.
fn charged_twice(charges: &ChargesById) -> impl Iterator<Item = String> {
    let mut twice: Vec<_> = charges
        .iter()
        .filter(|(_, charges)| charges.count > 1)
        .collect();
    twice.sort_unstable_by_key(|(id, _)| **id);
    twice.into_iter().map(|(id, charges)| {
        format!(
            "donation {id}: the gateway charged it {} times, {} minor units in all; refund what is too much, \
             and look at its sends and keys in the store",
            charges.count, charges.amount_minor
        )
    })
}

/// Where the sums differ: gateway against ledger, ledger against outcomes.
fn differences(books: &Books) -> Vec<String> {
    let sums = [
        &books.gateway_minor,
        &books.ledger_minor,
        &books.outcomes_minor,
    ];
    let codes: BTreeSet<&String> = sums.iter().flat_map(|sums| sums.keys()).collect();
    let mut found = Vec::new();
    for code in codes {
        let [gateway, ledger, outcomes] = sums.map(|sums| sums.get(code).copied().unwrap_or(0));
        let shown = |minor| amount_text(minor, code);
        if gateway != ledger {
            found.push(format!(
                "{code}: the gateway holds {}, the ledger {}: {} {}",
                shown(gateway),
                shown(ledger),
                shown(gateway.abs_diff(ledger).try_into().unwrap_or(i128::MAX)),
                if gateway > ledger {
                    "were charged and not booked; look for charges without a movement"
                } else {
                    "were booked and not charged; look for movements whose charge the gateway does not have"
                }
            ));
        }
        if ledger != outcomes {
            found.push(format!(
                "{code}: the ledger holds {}, the outcomes {}: {} {}",
                shown(ledger),
                shown(outcomes),
                shown(ledger.abs_diff(outcomes).try_into().unwrap_or(i128::MAX)),
                if ledger > outcomes {
                    "were booked and not told; look for finished donations whose outcome is not acknowledged"
                } else {
                    "were told and not booked; look for outcomes without a movement"
                }
            ));
        }
    }
    found
}

/// As a person writes it, where it is an amount of a currency; else as it is.
fn amount_text(minor: i128, code: &str) -> String {
    let money = u64::try_from(minor)
        .ok()
        .zip(Currency::from_code(code))
        .and_then(|(minor, currency)| Money::new(minor, currency));
    match money {
        Some(money) => money.to_string(),
        None => format!("{minor} minor units of {code}"),
    }
}

#[cfg(test)]
mod tests;
