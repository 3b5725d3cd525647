//! What the gateway saw and did: I2 no double charge, I3 derived keys, I4 accept first, I6 unknown blocks.

use std::collections::{BTreeMap, BTreeSet};

use almoner_domain::ids::DonationId;

use super::Found;
use super::facts::{Did, Facts, What};

/// What may follow the donation's id in a key, but for the one first charge: each is counted.
const STEPS: [&str; 4] = ["intent", "confirm", "cancel", "reversal"];
/// Outcomes that say that no money was taken.
const NOT_CHARGED: [&str; 2] = ["donation.failed", "donation.cancelled"];

/// At most one intent of a donation holds money.
pub(super) fn no_double_charge(facts: &Facts, found: &mut Found) {
    for (id, intents) in facts.held_by_intents() {
        if intents.len() > 1 {
            found.of("I2", id, format!("charged by {intents:?}"));
        }
    }
    let mut charged = BTreeSet::new();
    for did in &facts.journal {
        if matches!(did.what, What::Charged { .. }) && !charged.insert(&did.intent) {
            found.add("I2", format!("intent {} was charged twice", did.intent));
        }
    }
}

/// Keys name a donation that was asked for and a step of the protocol; under a key the same was asked each time; an
/// intent asks for what the request asks; a donation has one intent by its first key, others by keys of their own.
pub(super) fn derived_keys(facts: &Facts, found: &mut Found) {
    let asked = facts.asked_of();
    let mut fingerprints = BTreeMap::new();
    for key in &facts.keys {
        let donation = derived_from(&key.key).filter(|id| asked.contains_key(id));
        if donation.is_none() {
            found.add("I3", format!("key {:?} is no donation's", key.key));
        }
        let first = fingerprints.entry(&key.key).or_insert(key.fingerprint);
        if *first != key.fingerprint {
            found.add(
                "I3",
                format!("under key {:?} two things were asked", key.key),
            );
        }
    }
    let mut by_first_key = BTreeSet::new();
    for did in &facts.journal {
        let What::Created {
            amount,
            currency,
            payment_method,
        } = &did.what
        else {
            continue;
        };
        let Some((id, request)) = did.donation_id.and_then(|id| Some((id, asked.get(&id)?))) else {
            found.add("I3", format!("intent {} is no donation's", did.intent));
            continue;
        };
        let wanted = (
            request.amount.amount_minor().cast_signed(),
            request.amount.currency().code().to_lowercase(),
        );
        let is_frozen = wanted == (*amount, currency.to_lowercase())
            && payment_method
                .as_deref()
                .is_none_or(|method| method == &*request.payment_method);
        if !is_frozen {
            found.of("I3", id, format!("{} asks for something else", did.intent));
        }
        let is_later = did
            .key
            .as_deref()
            .is_some_and(|key| key.contains(":intent:"));
        if !is_later && !by_first_key.insert(id) {
            found.of("I3", id, format!("{} is a second first intent", did.intent));
        }
    }
}

/// What the gateway has seen was accepted before.
pub(super) fn accept_first(facts: &Facts, found: &mut Found) {
    for did in facts.journal.iter().filter(|did| is_created(did)) {
        let Some(id) = did.donation_id else { continue };
        match facts.stored.get(&id) {
            None => found.of("I4", id, "the gateway knows it, and the store does not"),
            Some(stored) if stored.accepted_at_ms > did.at_ms => {
                found.of("I4", id, "the gateway knew it before it was accepted");
            }
            Some(_) => {}
        }
    }
}

/// No intent is charged while another one of the donation may be: those must be cancelled, or given back, before.
pub(super) fn unknown_blocks(facts: &Facts, found: &mut Found) {
    let mut open: BTreeMap<DonationId, BTreeSet<&str>> = BTreeMap::new();
    for did in &facts.journal {
        let Some(id) = did.donation_id else { continue };
        let others = open.entry(id).or_default();
        match did.what {
            What::Created { .. } => drop(others.insert(&did.intent)),
            What::Canceled | What::Refunded { .. } => drop(others.remove(did.intent.as_str())),
            What::Charged { .. } if others.iter().any(|other| *other != did.intent) => {
                found.of("I6", id, "charged while another intent of it was open");
            }
            What::Charged { .. } => {}
        }
    }
}

/// At rest nobody who has paid was told that it failed.
pub(super) fn nobody_was_told_failed(facts: &Facts, found: &mut Found) {
    let held = facts.held_by_intents();
    for event in &facts.told {
        let is_held = held
            .get(&event.donation_id)
            .is_some_and(|intents| !intents.is_empty());
        if is_held && NOT_CHARGED.contains(&event.event_type.as_str()) {
            let what = format!("told {}, and the gateway charged it", event.event_type);
            found.of("I6", event.donation_id, what);
        }
    }
}

/// The donation that a key is derived from.
fn derived_from(key: &str) -> Option<DonationId> {
    let (id, step) = key.split_once(':')?;
    let (name, _) = step.split_once(':')?;
    let is_known = step == "charge:1" || STEPS.contains(&name);
    is_known.then(|| DonationId::parse(id))?
}

fn is_created(did: &Did) -> bool {
    matches!(did.what, What::Created { .. })
}
