//! What must hold of a history whatever happened in it: each function says in words what does not.

use std::collections::{BTreeMap, BTreeSet};

use almoner_actors::ports::Recorded;
use almoner_domain::donation::State;
use almoner_domain::ids::DonationId;
use almoner_domain::outcome::{OutcomeView, REQUEST_REJECTED, decode};

use crate::support::Durable;

const WINDOW_MS: i64 = 60_000;

/// I1: what is committed has its fate. It is looked at again and again, and goes on from where it was.
#[derive(Default)]
pub struct Committed {
    /// Everything below has its fate.
    below: i64,
    /// Outcomes that were read.
    outcomes: usize,
    answered: BTreeSet<i64>,
}

impl Committed {
    pub fn judge(&mut self, durable: &Durable) -> Vec<String> {
        let committed = durable.committed().unwrap_or(0);
        if committed <= self.below {
            return Vec::new();
        }
        let published = durable.outcomes.published();
        for message in &published.messages[self.outcomes..] {
            let view: OutcomeView<'_> = decode(&message.value).unwrap();
            self.answered
                .extend(view.source.map(|source| source.offset));
        }
        self.outcomes = published.messages.len();
        let letters = published.dead_letters.iter();
        self.answered.extend(letters.map(|letter| letter.offset));
        let unanswered = (self.below..committed).filter(|it| !self.answered.contains(it));
        let findings =
            unanswered.map(|offset| format!("offset {offset} is committed and has no fate"));
        let findings = findings.collect();
        self.below = committed;
        findings
    }
}

/// I9: sequences without gaps, in the order of their first publication, one content per event, and all is told.
pub fn events(durable: &Durable) -> Vec<String> {
    let mut findings = Vec::new();
    let mut sequences: BTreeMap<DonationId, u32> = BTreeMap::new();
    let mut contents: BTreeMap<(DonationId, u32), String> = BTreeMap::new();
    for message in durable.outcomes.published().messages {
        let mut view: OutcomeView<'_> = decode(&message.value).unwrap();
        if view.event_type == REQUEST_REJECTED {
            continue;
        }
        let (id, sequence) = (view.donation_id, view.sequence.unwrap_or(0));
        let known = sequences.entry(id).or_default();
        if sequence > *known + 1 {
            findings.push(format!("{id}: event {sequence} after {known}"));
        }
        *known = sequence.max(*known);
        view.source = None;
        let content = format!("{view:?}");
        let first = contents.entry((id, sequence)).or_insert(content.clone());
        if *first != content {
            let two = format!("{id}: event {sequence} has two contents: {first} and {content}");
            findings.push(two);
        }
    }
    for recorded in durable.store.all() {
        let id = recorded.donation.request.id;
        let last = recorded.finish.map(|finish| finish.sequence);
        let told = sequences.remove(&id);
        if told != last {
            findings.push(format!("{id}: told up to {told:?} of {last:?}"));
        }
    }
    let unrecorded = sequences.keys();
    findings.extend(unrecorded.map(|id| format!("{id} was told of, and is not recorded")));
    findings
}

/// I2, I7: all is finished; one charge, if and only if it is recorded as succeeded, and booked.
pub fn money(durable: &Durable) -> Vec<String> {
    let mut findings = Vec::new();
    let mut succeeded = 0;
    for recorded in durable.store.all() {
        let id = recorded.donation.request.id;
        let charges = durable.gateway.charges_of(id);
        let state = state(&recorded);
        succeeded += u64::from(state == Some(State::Succeeded));
        if charges != usize::from(state == Some(State::Succeeded)) {
            findings.push(format!("{id} is {state:?} with {charges} charges"));
        }
        if let (None, _) | (_, Some(_)) = (state, &recorded.pending) {
            let pending = &recorded.pending;
            findings.push(format!("{id} is {state:?} and pending as {pending:?}"));
        }
    }
    let days = durable.store.campaign_days();
    let booked: u64 = days.iter().map(|day| day.count).sum();
    let charged = durable.gateway.charges();
    if booked != succeeded || charged != succeeded {
        findings.push(format!(
            "{booked} booked, {succeeded} recorded, {charged} charged"
        ));
    }
    findings
}

/// No double was charged of which nobody was asked.
pub fn doubles(durable: &Durable) -> Vec<String> {
    let mut charged = durable.store.all();
    charged.retain(|it| state(it) == Some(State::Succeeded));
    charged.sort_by_key(|it| it.donation.place.offset);
    let mut findings = Vec::new();
    for (i, later) in charged.iter().enumerate() {
        let twin = charged[..i].iter().find(|first| is_double(first, later));
        if let Some(twin) = twin.filter(|_| later.answered_by.is_none()) {
            let ids = [twin, later].map(|it| it.donation.request.id);
            let [first, later] = ids;
            findings.push(format!(
                "{later} is a double of {first}, and nobody was asked"
            ));
        }
    }
    findings
}

fn is_double(first: &Recorded, later: &Recorded) -> bool {
    let (a, b) = (&first.donation, &later.donation);
    a.request.user_id == b.request.user_id
        && a.request.campaign_id == b.request.campaign_id
        && a.request.amount == b.request.amount
        && b.recorded_at_ms - a.recorded_at_ms <= WINDOW_MS
}

fn state(recorded: &Recorded) -> Option<State> {
    (recorded.finish.as_ref()).map(|finish| finish.ending.state)
}
