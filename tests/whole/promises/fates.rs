//! I1, no loss: every request below a committed offset has its fate.

use super::Found;
use std::collections::BTreeSet;

use super::facts::Facts;

/// Below a committed offset each request is answered, or its donation is pending in the store.
pub(super) fn no_loss(facts: &Facts, found: &mut Found) {
    let answered = facts.answered();
    let pending: BTreeSet<_> = facts
        .stored
        .values()
        .filter(|stored| stored.is_pending)
        .flat_map(|stored| [Some(stored.place), stored.answered_by])
        .flatten()
        .collect();
    for place in facts.asked.keys() {
        let is_committed = facts
            .committed
            .get(&place.partition)
            .is_some_and(|committed| place.offset < *committed);
        if is_committed && !answered.contains(place) && !pending.contains(place) {
            found.add("I1", format!("{place:?} is committed and has no fate"));
        }
    }
}

/// At rest every request is committed and answered, and every donation has ended.
pub(super) fn all_done(facts: &Facts, found: &mut Found) {
    let answered = facts.answered();
    for place in facts.asked.keys() {
        let committed = facts.committed.get(&place.partition).copied();
        if committed.is_none_or(|committed| place.offset >= committed) {
            found.add("I1", format!("{place:?} is not committed"));
        }
        if !answered.contains(place) {
            found.add("I1", format!("{place:?} is not answered"));
        }
    }
    for id in facts.asked_of().into_keys() {
        match facts.stored.get(&id) {
            None => found.of("I1", id, "the store does not know it"),
            Some(stored) if stored.ended.is_none() => found.of("I1", id, "it has not ended"),
            Some(stored) if stored.is_pending => found.of("I1", id, "it is still pending"),
            Some(_) => {}
        }
    }
}
