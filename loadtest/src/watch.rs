//! What was asked against what was told: what is outstanding, how it ended, and what contradicts itself.

mod content;
mod dead_letter;
mod findings;
mod latency;
mod places;
mod report;
mod state;
#[cfg(test)]
pub(crate) mod story;
mod summary;

use std::collections::BTreeMap;

use almoner_domain::ids::DonationId;
use almoner_domain::keys;
use almoner_domain::outcome::{NotAnOutcome, OutcomeView};
use almoner_domain::request::DonationRequest;
use foldhash::fast::FixedState;
use hashbrown::{HashMap, HashSet};

pub use dead_letter::{DeadLetterCopy, NotADeadLetter};
pub use findings::Finding;
pub use latency::LatencyMs;
pub use state::Fate;
pub use summary::{Held, Outstanding, Sent, Summary};

use crate::planned::{Bad, Kind, Planned};
use crate::verdict::Sums;
use findings::Findings;
use latency::Latency;
use places::Places;
use state::{Flag, State};

/// Watches one run. Tell it of every message before it is published, of every outcome and of every dead letter; what
/// comes twice, late or in another order is counted once. Times are microseconds of one clock of the caller's.
pub struct Watch {
    donations: HashMap<DonationId, State, FixedState>,
    /// Of a double click: the donation that was meant once.
    doubles: HashMap<DonationId, DonationId, FixedState>,
    /// Hashes of garbage that is still to become a dead letter.
    garbage_open: HashSet<u64, FixedState>,
    garbage_done: HashSet<u64, FixedState>,
    /// Contents of events beyond those that a donation's state has room for.
    later_events: HashMap<(DonationId, u32), u32, FixedState>,
    /// Contents of rejections, by their event ids.
    rejections: HashMap<[u8; 16], u32, FixedState>,
    places: Places,
    latency: Latency,
    findings: Findings,
    is_all_asked: bool,
    sent: Sent,
    answered: u64,
    repeats_answered: u64,
    copies: u64,
    fates: [u64; Fate::ALL.len()],
    reasons: BTreeMap<Box<str>, u64>,
    rejected: BTreeMap<Box<str>, u64>,
    dead_letters: BTreeMap<Box<str>, u64>,
    held: Held,
    succeeded_minor: Sums,
}

impl Watch {
    /// Watches about so many donations; more are taken, at the price of growing.
    #[must_use]
    pub fn new(donations: usize) -> Self {
        Self {
            donations: HashMap::with_capacity_and_hasher(donations, FixedState::default()),
            doubles: HashMap::default(),
            garbage_open: HashSet::default(),
            garbage_done: HashSet::default(),
            later_events: HashMap::default(),
            rejections: HashMap::default(),
            places: Places::default(),
            latency: Latency::new(),
            findings: Findings::default(),
            is_all_asked: false,
            sent: Sent::default(),
            answered: 0,
            repeats_answered: 0,
            copies: 0,
            fates: [0; Fate::ALL.len()],
            reasons: BTreeMap::new(),
            rejected: BTreeMap::new(),
            dead_letters: BTreeMap::new(),
            held: Held::default(),
            succeeded_minor: Sums::new(),
        }
    }

    /// A message is about to be published. Say so before it is, since its outcome may be faster than its acknowledgement.
    pub fn asked(&mut self, planned: &Planned, now_us: u64) {
        self.sent.count(planned.kind);
        let Some(id) = planned.id else {
            self.garbage_open
                .insert(content::masked_hash(&planned.value));
            return;
        };
        if let Kind::DoubleClick { of } = planned.kind {
            self.doubles.insert(id, of);
        }
        let state = self
            .donations
            .entry(id)
            .or_insert_with(|| State::new(planned.request.as_ref(), now_us));
        state.requests = state.requests.saturating_add(1);
        match planned.kind {
            Kind::Confirm | Kind::Cancel => state.answers = state.answers.saturating_add(1),
            Kind::Bad(Bad::ClosedCampaign) => state.set(Flag::MustNotSucceed),
            _ => {}
        }
        if state.has(Flag::Adopted) && state.fate.is_some() {
            self.answered += state.all_answered();
        }
    }

    /// A donation of an earlier run, as the store knows it: its fate, if it is finished. What is not counts as
    /// outstanding. Its earlier events may have gone with an earlier broker, so they are not missed.
    pub fn adopt(&mut self, request: &DonationRequest, fate: Option<Fate>) {
        let mut state = State::new(Some(request), 0);
        state.set(Flag::Adopted);
        self.donations.insert(request.id, state);
        if let Some(fate) = fate {
            let currency = request.amount.currency().code();
            self.settle(
                request.id,
                fate,
                None,
                Some((currency, request.amount.amount_minor())),
            );
        }
    }

    /// Nothing new will be asked; answers to suspected doubles may still be.
    pub fn all_asked(&mut self) {
        self.is_all_asked = true;
    }

    /// An outcome or a rejection was read.
    pub fn outcome(&mut self, outcome: &OutcomeView<'_>, now_us: u64) {
        let id = outcome.donation_id;
        if !self.donations.contains_key(&id) {
            self.findings.add(Finding::NeverAsked { id });
            return;
        }
        self.count_answer(outcome);
        if outcome.is_rejection() {
            self.rejection(outcome);
        } else if let Some(sequence) = outcome.sequence.filter(|sequence| *sequence > 0) {
            self.event(outcome, sequence, now_us);
        } else {
            self.findings.add(Finding::NoSequence { id });
        }
    }

    /// What was read from the outcomes topic is no outcome.
    pub fn unreadable_outcome(&mut self, fault: &NotAnOutcome) {
        self.findings.add(Finding::Unreadable {
            fault: fault.to_string(),
        });
    }

    /// A dead letter was read.
    pub fn dead_letter(&mut self, letter: &DeadLetterCopy<'_>) {
        let is_new = self.places.mark(letter.partition, letter.offset);
        if is_new {
            self.answered += 1;
            count(&mut self.dead_letters, letter.reason);
        } else {
            self.copies += 1;
        }
        let hash = content::masked_hash(letter.value);
        if self.garbage_done.contains(&hash) {
            return;
        }
        if self.garbage_open.remove(&hash) {
            self.garbage_done.insert(hash);
            return;
        }
        match letter
            .donation_id()
            .filter(|id| self.donations.contains_key(id))
        {
            None => self.findings.add(Finding::NeverSent {
                partition: letter.partition,
                offset: letter.offset,
            }),
            Some(id) => {
                self.note_answer(id, is_new, false);
                self.settle(id, Fate::DeadLetter, Some(letter.reason), None);
            }
        }
    }

    /// Whether everything that was asked has its fate, and every request its answer.
    #[must_use]
    pub fn is_resolved(&self) -> bool {
        self.is_all_asked && self.outstanding() == Outstanding::default()
    }

    /// How the donation ended, if it did; `None` also for one that was never asked.
    #[must_use]
    pub fn fate(&self, id: DonationId) -> Option<Fate> {
        self.donations.get(&id)?.fate
    }

    /// The request that a copy answers: each counts once, however many copies there are.
    fn count_answer(&mut self, outcome: &OutcomeView<'_>) {
        let id = outcome.donation_id;
        let Some(source) = &outcome.source else {
            return self.findings.add(Finding::NoSource { id });
        };
        let is_adopted = self
            .donations
            .get(&id)
            .is_some_and(|state| state.has(Flag::Adopted));
        if is_adopted {
            return; // its place may be one of an earlier log: its requests are answered by its end
        }
        let is_new = self.places.mark(source.partition, source.offset);
        if is_new {
            self.answered += 1;
        } else {
            self.copies += 1;
        }
        let is_of_answer = matches!(outcome.request_type, Some("confirm" | "cancel"));
        self.note_answer(id, is_new, is_of_answer);
        if is_new && outcome.is_rejection() {
            count(&mut self.rejected, outcome.reason.unwrap_or("none"));
        }
    }

    fn note_answer(&mut self, id: DonationId, is_new: bool, is_of_answer: bool) {
        let Some(state) = self.donations.get_mut(&id).filter(|_| is_new) else {
            return;
        };
        state.answered = state.answered.saturating_add(1);
        if state.answered > state.requests {
            self.findings.add(Finding::TooManyAnswers { id });
        } else if state.answered > 1 + state.answers && !is_of_answer {
            self.repeats_answered += 1;
        }
    }

    fn rejection(&mut self, outcome: &OutcomeView<'_>) {
        let id = outcome.donation_id;
        let content = content::hash(outcome);
        let event_id = outcome.event_id.into_bytes();
        if *self.rejections.entry(event_id).or_insert(content) != content {
            self.findings.add(Finding::RejectionDiffers { id });
        }
        if outcome.request_type != Some("donate") {
            return;
        }
        let reason = outcome.reason.unwrap_or("none");
        if self.donations.get(&id).is_some_and(State::is_sound) {
            self.findings.add(Finding::SoundRequestRejected {
                id,
                reason: reason.to_owned(),
            });
        }
        self.settle(id, Fate::Rejected, Some(reason), None);
    }

    fn event(&mut self, outcome: &OutcomeView<'_>, sequence: u32, now_us: u64) {
        let id = outcome.donation_id;
        if outcome.event_id != keys::event_id(id, sequence) {
            self.findings
                .add(Finding::EventIdNotDerived { id, sequence });
        }
        if !self.is_new_event(outcome, sequence) {
            return;
        }
        self.check_request(outcome);
        match Fate::of_event(outcome.event_type) {
            Some(fate) => self.ended(outcome, sequence, fate, now_us),
            None => self.went_on(outcome, sequence),
        }
    }

    /// Whether the event was not read before; if it was, its content must be the same.
    fn is_new_event(&mut self, outcome: &OutcomeView<'_>, sequence: u32) -> bool {
        let id = outcome.donation_id;
        let content = content::hash(outcome);
        let Some(state) = self.donations.get_mut(&id) else {
            return false;
        };
        let known = match state.content_mut(sequence) {
            Some(slot) => std::mem::replace(slot, if *slot == 0 { content } else { *slot }),
            None => {
                let slot = self.later_events.entry((id, sequence)).or_default();
                std::mem::replace(slot, if *slot == 0 { content } else { *slot })
            }
        };
        if known == 0 {
            state.saw(sequence);
        } else if known != content {
            self.findings.add(Finding::ContentDiffers { id, sequence });
        }
        known == 0
    }

    /// Whether the outcome speaks of what was asked.
    fn check_request(&mut self, outcome: &OutcomeView<'_>) {
        let id = outcome.donation_id;
        if let Some(state) = self.donations.get(&id)
            && !state.is_about(outcome)
        {
            self.findings.add(Finding::OtherThanAsked { id });
        }
    }

    /// The first event of this sequence, and a last one.
    fn ended(&mut self, outcome: &OutcomeView<'_>, sequence: u32, fate: Fate, now_us: u64) {
        let id = outcome.donation_id;
        if outcome.status != Some(fate.as_str()) {
            self.findings.add(Finding::StatusDiffers { id, sequence });
        }
        let Some(state) = self.donations.get_mut(&id) else {
            return;
        };
        let contradicts = state.fate.is_some_and(|known| known.contradicts(fate));
        if state.ended_at_sequence != 0 || contradicts {
            return self.findings.add(Finding::EndedTwice { id });
        }
        state.ended_at_sequence = sequence.try_into().unwrap_or(u16::MAX);
        if state.open_at_sequence > state.ended_at_sequence {
            self.findings.add(Finding::WentOnAfterItsEnd { id });
        }
        if fate == Fate::Succeeded && state.has(Flag::MustNotSucceed) {
            self.findings.add(Finding::ClosedCampaignCharged { id });
        }
        if !state.has(Flag::Adopted) {
            self.latency
                .record(now_us.saturating_sub(state.asked_at_us));
        }
        let amount = outcome.currency.zip(outcome.amount_minor);
        self.settle(id, fate, outcome.reason, amount);
    }

    /// The first event of this sequence, and none that ends it.
    fn went_on(&mut self, outcome: &OutcomeView<'_>, sequence: u32) {
        /// Statuses after which more must come. Others (refunded, disputed, what is not known here) may follow an end.
        const OPEN: [&str; 5] = ["accepted", "held", "charging", "retrying", "unknown"];
        let id = outcome.donation_id;
        let Some(state) = self.donations.get_mut(&id) else {
            return;
        };
        if outcome.status.is_some_and(|status| OPEN.contains(&status)) {
            let sequence = sequence.try_into().unwrap_or(u16::MAX);
            state.open_at_sequence = state.open_at_sequence.max(sequence);
            if state.ended_at_sequence != 0 && sequence > state.ended_at_sequence {
                self.findings.add(Finding::WentOnAfterItsEnd { id });
            }
        }
        if outcome.event_type == "donation.needs_confirmation" && !state.has(Flag::Held) {
            state.set(Flag::Held);
            self.held.asked += 1;
            // An end that was read before its question.
            if state.ended_at_sequence != 0 {
                self.held.count(state.hold_ended);
            }
        }
    }

    /// The donation has its fate. A rejection or a dead letter of one of its requests gives way to its own end.
    fn settle(
        &mut self,
        id: DonationId,
        fate: Fate,
        reason: Option<&str>,
        amount: Option<(&str, u64)>,
    ) {
        let Some(state) = self.donations.get_mut(&id) else {
            return;
        };
        match state.fate {
            Some(known) if !known.gives_way_to(fate) => return,
            Some(known) => self.fates[known as usize] -= 1,
            None => {}
        }
        state.fate = Some(fate);
        self.fates[fate as usize] += 1;
        if state.has(Flag::Adopted) {
            self.answered += state.all_answered();
        }
        if let Some(reason) = reason.filter(|_| matches!(fate, Fate::Failed | Fate::Cancelled)) {
            count(&mut self.reasons, reason);
            state.hold_ended = summary::HoldEnded::of(reason);
        }
        if state.has(Flag::Held) && fate.is_of_donation() {
            self.held.count(state.hold_ended);
        }
        if let Some((currency, amount_minor)) = amount.filter(|_| fate == Fate::Succeeded) {
            match self.succeeded_minor.get_mut(currency) {
                Some(sum) => *sum += i128::from(amount_minor),
                None => {
                    self.succeeded_minor
                        .insert(currency.to_owned(), amount_minor.into());
                }
            }
        }
    }
}

fn count(counts: &mut BTreeMap<Box<str>, u64>, name: &str) {
    match counts.get_mut(name) {
        Some(count) => *count += 1,
        None => {
            counts.insert(name.into(), 1);
        }
    }
}

#[cfg(test)]
mod tests;
