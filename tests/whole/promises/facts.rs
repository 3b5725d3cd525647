//! What can be seen from outside, in plain data.

use std::collections::{BTreeMap, BTreeSet};

use almoner_domain::ids::DonationId;
use almoner_domain::request::DonationRequest;
use uuid::Uuid;

use crate::support::Place;

/// All that is known at a moment.
#[derive(Clone, Default, Debug)]
pub struct Facts {
    /// The requests, by place; none where nothing can be read.
    pub asked: BTreeMap<Place, Option<DonationRequest>>,
    /// All below is committed, by partition.
    pub committed: BTreeMap<u32, i64>,
    /// The outcomes, in the topic's order within each donation.
    pub told: Vec<Event>,
    /// The requests that are dead letters.
    pub dead_letters: BTreeSet<Place>,
    /// The store's donations.
    pub stored: BTreeMap<DonationId, Stored>,
    /// The sums of the ledger's movements, by currency.
    pub movements_minor: BTreeMap<String, i64>,
    /// The sums of the campaigns' days, by currency.
    pub days_minor: BTreeMap<String, i64>,
    /// What the gateway did, in its order.
    pub journal: Vec<Did>,
    /// The keys whose answers the gateway keeps, in the order of their use.
    pub keys: Vec<Key>,
    /// What was sent to the gateway under a key, in the order of arrival.
    pub sends: Vec<Send>,
}

/// An outcome or a rejection.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct Event {
    pub donation_id: DonationId,
    pub event_id: Uuid,
    /// None: a rejection.
    pub sequence: Option<u32>,
    pub event_type: String,
    /// The request that this copy answers.
    pub place: Place,
    /// All of it but for its source.
    pub content: String,
}

/// A donation as it is recorded.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct Stored {
    /// The request that was accepted.
    pub place: Place,
    /// The user's answer that decided it, if it was held.
    pub answered_by: Option<Place>,
    pub accepted_at_ms: i64,
    pub amount_minor: i64,
    pub currency: String,
    /// The store drives it on, or has still to tell of it.
    pub is_pending: bool,
    pub ended: Option<Ended>,
}

/// The finish of a donation.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct Ended {
    /// Of the event that tells of it.
    pub event_type: String,
    pub sequence: u32,
    /// The intent, if it was charged.
    pub charged_by: Option<String>,
}

/// A thing that the gateway did.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct Did {
    pub at_ms: i64,
    /// The key of the request that did it; none if it came late or by itself.
    pub key: Option<String>,
    pub intent: String,
    pub donation_id: Option<DonationId>,
    pub what: What,
}

/// What it did. Amounts are in the smallest unit.
#[derive(Clone, PartialEq, Eq, Debug)]
pub enum What {
    Created {
        amount: i64,
        currency: String,
        payment_method: Option<String>,
    },
    Charged {
        amount: i64,
    },
    Refunded {
        amount: i64,
    },
    Canceled,
}

/// A key and the hash of what was asked under it.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct Key {
    pub key: String,
    pub fingerprint: u64,
}

/// A request with a key, as the gateway saw it.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct Send {
    pub at_ms: i64,
    pub key: String,
    /// None: no sound answer went out.
    pub status: Option<u16>,
}

impl Send {
    /// Its answer leaves nothing to be asked again.
    fn is_answered(&self) -> bool {
        matches!(self.status, Some(200 | 400..=408 | 410..=428))
    }
}

impl Facts {
    /// The sends of a key that had its answer already: who sent it again had not heard that, or had forgotten it.
    pub fn repeats(&self) -> Vec<&Send> {
        let mut answered = BTreeSet::<&str>::new();
        let mut again = Vec::new();
        for send in &self.sends {
            if answered.contains(send.key.as_str()) {
                again.push(send);
            }
            if send.is_answered() {
                answered.insert(&send.key);
            }
        }
        again
    }

    /// What a donation asks for, from the first request of its id.
    pub fn asked_of(&self) -> BTreeMap<DonationId, &DonationRequest> {
        let mut found = BTreeMap::new();
        for request in self.asked.values().flatten() {
            found.entry(request.id).or_insert(request);
        }
        found
    }

    /// The requests that were answered by an outcome, a rejection or a dead letter.
    pub fn answered(&self) -> BTreeSet<Place> {
        let told = self.told.iter().map(|event| event.place);
        told.chain(self.dead_letters.iter().copied()).collect()
    }

    /// What each intent holds of its user's money: charged and not given back.
    pub fn held_by_intents(&self) -> BTreeMap<DonationId, BTreeMap<&str, i64>> {
        let mut held: BTreeMap<_, BTreeMap<&str, i64>> = BTreeMap::new();
        for did in &self.journal {
            let change = match did.what {
                What::Charged { amount } => amount,
                What::Refunded { amount } => -amount,
                What::Created { .. } | What::Canceled => continue,
            };
            if let Some(id) = did.donation_id {
                *held.entry(id).or_default().entry(&did.intent).or_default() += change;
            }
        }
        for intents in held.values_mut() {
            intents.retain(|_, amount| *amount != 0);
        }
        held
    }

    /// How many charges the gateway made that are not in the books: in flight, or lost.
    pub fn charged_and_not_booked(&self) -> u64 {
        let held = self.held_by_intents();
        let charged = held.iter().filter(|(_, intents)| !intents.is_empty());
        let is_open = |id: &DonationId| {
            let stored = self.stored.get(id);
            stored.is_none_or(|stored| stored.ended.is_none())
        };
        charged.filter(|(id, _)| is_open(id)).count() as u64
    }
}
