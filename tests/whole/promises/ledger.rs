//! I7: the ledger balances, and has exactly what the gateway charged.

use std::collections::BTreeMap;

use super::Found;
use super::facts::{Facts, Stored};

/// The campaigns' days add up to the movements, and the movements to the donations that succeeded.
pub(super) fn balances(facts: &Facts, found: &mut Found) {
    let mut donations_minor: BTreeMap<String, i64> = BTreeMap::new();
    for stored in facts.stored.values().filter(|it| charged_by(it).is_some()) {
        *donations_minor.entry(stored.currency.clone()).or_default() += stored.amount_minor;
    }
    let movements = &facts.movements_minor;
    for (name, sums) in [
        ("the campaigns' days", &facts.days_minor),
        ("the donations that succeeded", &donations_minor),
    ] {
        if sums != movements {
            let what = format!("{name} add up to {sums:?}, the movements to {movements:?}");
            found.add("I7", what);
        }
    }
}

/// Every movement has its charge at the gateway, of the same amount.
pub(super) fn has_only_what_was_charged(facts: &Facts, found: &mut Found) {
    let held = facts.held_by_intents();
    for (id, stored) in &facts.stored {
        let Some(intent) = charged_by(stored) else {
            continue;
        };
        let charged = held
            .get(id)
            .and_then(|intents| intents.get(intent))
            .copied();
        if charged != Some(stored.amount_minor) {
            let booked = stored.amount_minor;
            let what = format!("{booked} is booked for {intent}, which holds {charged:?}");
            found.of("I7", *id, what);
        }
    }
}

/// At rest every charge has its movement.
pub(super) fn has_all_that_was_charged(facts: &Facts, found: &mut Found) {
    for (id, intents) in facts.held_by_intents() {
        for (intent, amount) in intents {
            let stored = facts.stored.get(&id);
            if stored.and_then(charged_by) != Some(intent) {
                found.of(
                    "I7",
                    id,
                    format!("{intent} holds {amount}, which is not booked"),
                );
            }
        }
    }
}

fn charged_by(stored: &Stored) -> Option<&str> {
    stored.ended.as_ref()?.charged_by.as_deref()
}
