//! I9: outcomes at least once, equal content per event, sequences without gaps.

use std::collections::{BTreeMap, BTreeSet};

use almoner_domain::keys;

use super::Found;
use super::facts::Facts;

/// The first copy of an event comes after the first copy of the one before it; each has the id that its sequence makes.
pub(super) fn in_sequence(facts: &Facts, found: &mut Found) {
    let mut highest = BTreeMap::new();
    for event in &facts.told {
        let (id, Some(sequence)) = (event.donation_id, event.sequence) else {
            continue;
        };
        let so_far = highest.entry(id).or_insert(0);
        if sequence > *so_far + 1 || sequence == 0 {
            found.of("I9", id, format!("event {sequence} follows event {so_far}"));
        }
        *so_far = sequence.max(*so_far);
        if event.event_id != keys::event_id(id, sequence) {
            found.of("I9", id, format!("event {sequence} has an id of its own"));
        }
    }
}

/// All copies of an event are equal, but for their source.
pub(super) fn equal_content(facts: &Facts, found: &mut Found) {
    let mut contents = BTreeMap::new();
    for event in &facts.told {
        let first = contents.entry(event.event_id).or_insert(&event.content);
        if *first != &event.content {
            let what = format!("told {} and {} under one id", first, event.content);
            found.of("I9", event.donation_id, what);
        }
    }
}

/// An end that was told is the one that is recorded.
pub(super) fn as_recorded(facts: &Facts, found: &mut Found) {
    for event in &facts.told {
        let ended = facts
            .stored
            .get(&event.donation_id)
            .and_then(|stored| stored.ended.as_ref());
        let Some(sequence) = event.sequence else {
            continue;
        };
        let is_recorded = match ended {
            Some(ended) if sequence == ended.sequence => event.event_type == ended.event_type,
            Some(ended) => sequence < ended.sequence,
            None => !is_end(&event.event_type),
        };
        if !is_recorded {
            let what = format!(
                "told {} as event {sequence}; recorded: {ended:?}",
                event.event_type
            );
            found.of("I9", event.donation_id, what);
        }
    }
}

/// At rest every end is told.
pub(super) fn all_told(facts: &Facts, found: &mut Found) {
    let told: BTreeSet<_> = facts
        .told
        .iter()
        .filter_map(|event| Some((event.donation_id, event.sequence?)))
        .collect();
    for (id, stored) in &facts.stored {
        if let Some(ended) = &stored.ended
            && !told.contains(&(*id, ended.sequence))
        {
            found.of("I9", *id, format!("{} was not told", ended.event_type));
        }
    }
}

fn is_end(event_type: &str) -> bool {
    [
        "donation.succeeded",
        "donation.failed",
        "donation.cancelled",
    ]
    .contains(&event_type)
}
