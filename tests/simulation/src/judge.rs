//! The judge: what must hold of a history whatever happened in it. It is told of each thing as it happens, and looks at all
//! of it in the end; each finding names the invariant that is broken.

mod end;
mod restored;

use std::collections::{BTreeMap, BTreeSet};
use std::ops::Range;
use std::sync::Mutex;

use almoner_domain::ids::{DonationId, UserId};
use almoner_domain::outcome::{Message, OutcomeView, decode};

pub use end::at_the_end;

use crate::diary::{Diary, lock};
use crate::script::CARD_NUMBER;

/// Something that does not hold.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct Finding {
    /// Which invariant, by its id and name.
    pub invariant: &'static str,
    /// What is wrong.
    pub what: String,
}

/// No loss.
pub const I1: &str = "I1 no loss";
/// No double charge.
pub const I2: &str = "I2 no double charge";
/// Derived keys, frozen bodies.
pub const I3: &str = "I3 derived keys";
/// Accept first.
pub const I4: &str = "I4 accept first";
/// One charge of a user in flight.
pub const I5: &str = "I5 serial";
/// Nobody is told "failed" while money may have moved.
pub const I6: &str = "I6 unknown blocks";
/// The books have what the gateway charged.
pub const I7: &str = "I7 ledger balances";
/// Sequences, contents, all is told.
pub const I9: &str = "I9 outcomes";
/// Work in flight is bounded.
pub const I10: &str = "I10 bounded";
/// Who lost the partition starts nothing.
pub const I12: &str = "I12 fencing";
/// No card number shows.
pub const I13: &str = "I13 no secrets";
/// A double is not charged unless its user was asked.
pub const DOUBLES: &str = "doubles are asked about";
/// Nothing happens to a donation that cannot happen in its state.
pub const STEPS: &str = "steps that can be";
/// All comes to its end once the faults stop.
pub const LIVENESS: &str = "liveness";

/// What was told of one donation.
#[derive(Clone, Debug, Default)]
pub(crate) struct Heard {
    /// The content of each event, by its sequence.
    contents: BTreeMap<u32, String>,
    /// It was told that no money moved and none will.
    pub(crate) is_told_uncharged: bool,
    pub(crate) is_told_succeeded: bool,
}

/// How many charges of a donation stand.
#[derive(Clone, Copy, Debug)]
pub struct Standing {
    /// At the gateway.
    pub all: usize,
    /// Without those that it made later than it promises.
    pub in_time: usize,
}

/// A send on the wire.
struct Send {
    id: DonationId,
    call: String,
    sent_at_ms: i64,
}

struct Notes {
    diary: Diary,
    findings: Vec<Finding>,
    /// Places of the requests topic whose record was answered, or is a dead letter.
    answered: BTreeSet<(u32, i64)>,
    /// Places whose record the log has lost.
    lost: BTreeSet<(u32, i64)>,
    /// Places whose record was forwarded.
    forwarded: BTreeSet<(u32, i64)>,
    /// Where a forwarded record stood first.
    first_places: BTreeMap<(u32, i64), (u32, i64)>,
    heard: BTreeMap<DonationId, Heard>,
    /// Donations that an older store knows otherwise; and whether they were told to have succeeded before.
    restored: BTreeMap<DonationId, bool>,
    /// The body under each key.
    bodies: BTreeMap<String, String>,
    /// When an actor of each process last crashed, boot clock.
    crashed_at_ms: BTreeMap<u64, i64>,
    on_the_wire: BTreeMap<(u64, u32, u64, UserId), Vec<Send>>,
    /// Committed offsets that were looked at.
    committed: BTreeMap<u32, i64>,
}

/// What the judge has seen so far.
pub struct Judge {
    notes: Mutex<Notes>,
}

/// A send as it leaves its process.
pub struct Departure<'a> {
    /// Whose donation.
    pub id: DonationId,
    /// Who gives.
    pub user_id: &'a UserId,
    /// The process that sends.
    pub process: u64,
    /// The shard that it sends for.
    pub partition: u32,
    /// Under which assignment.
    pub generation: u64,
    /// Since when, boot clock. What its former owner, here or elsewhere, had permitted may still go out for a while.
    pub assigned_at_ms: i64,
    /// What is sent.
    pub call: String,
    /// Whether it can charge.
    pub moves_money: bool,
    /// Its key.
    pub key: Option<&'a str>,
    /// Its body.
    pub body: &'a str,
    /// When: boot clock.
    pub now_ms: i64,
    /// Whether the donation is durable.
    pub is_accepted: bool,
    /// Whether what is still on the wire of a donation charges nothing any more.
    pub is_over: &'a dyn Fn(DonationId) -> bool,
    /// How long its process's lease lasts yet; negative if it is over, none if it never owned the partition.
    pub lease_left_ms: Option<i64>,
    /// After this long a send is off the wire whatever became of it.
    pub timeout_ms: i64,
    /// A send that is older than this when its turn comes does not go out.
    pub deadline_ms: i64,
}

impl Judge {
    /// A judge who has seen nothing yet, and writes what he finds into the diary too.
    #[must_use]
    pub fn new(diary: Diary) -> Self {
        let notes = Notes {
            diary,
            findings: Vec::new(),
            answered: BTreeSet::new(),
            lost: BTreeSet::new(),
            forwarded: BTreeSet::new(),
            first_places: BTreeMap::new(),
            heard: BTreeMap::new(),
            restored: BTreeMap::new(),
            bodies: BTreeMap::new(),
            crashed_at_ms: BTreeMap::new(),
            on_the_wire: BTreeMap::new(),
            committed: BTreeMap::new(),
        };
        Self {
            notes: Mutex::new(notes),
        }
    }

    /// Something does not hold.
    pub fn find(&self, invariant: &'static str, what: String) {
        lock(&self.notes).find(invariant, what);
    }

    /// What does not hold, so far.
    #[must_use]
    pub fn findings(&self) -> Vec<Finding> {
        lock(&self.notes).findings.clone()
    }

    /// A message is about to be kept by the broker. `charges` says how many charges of a donation stand.
    pub fn published(
        &self,
        message: &Message,
        charges: impl Fn(DonationId) -> Standing,
    ) -> Option<String> {
        self.look_for_card_number(&message.value, "an outcome");
        let view = match decode(&message.value) {
            Ok(view) => view,
            Err(error) => {
                self.find(I9, format!("an outcome cannot be read: {error}"));
                return None;
            }
        };
        let mut notes = lock(&self.notes);
        if let Some(source) = &view.source {
            notes.answered.insert((source.partition, source.offset));
        }
        if !view.is_rejection() {
            let stand = charges(view.donation_id);
            notes.heard_of(&view, stand);
        }
        Some(said(&view))
    }

    /// A dead letter is about to be kept. Only what was never accepted may become one.
    pub fn dead_letter(&self, partition: u32, offset: i64, value: &[u8], is_accepted: bool) {
        self.look_for_card_number(value, "a dead letter");
        if is_accepted {
            let what = format!(
                "offset {offset} of partition {partition} is a dead letter, and was accepted"
            );
            self.find(I1, what);
        }
        lock(&self.notes).answered.insert((partition, offset));
    }

    /// A record was forwarded to its partition: what is told of it names the place where it stood first.
    pub fn forwarded(&self, from: (u32, i64), to: (u32, i64)) {
        let mut notes = lock(&self.notes);
        notes.forwarded.insert(from);
        notes.first_places.insert(to, from);
    }

    /// The log has lost these records, and a person has accepted that.
    pub fn lost(&self, partition: u32, offsets: Range<i64>) {
        let places = offsets.map(|offset| (partition, offset));
        lock(&self.notes).lost.extend(places);
    }

    /// All below `next_offset` is committed: it has its fate (I1).
    pub fn committed(&self, partition: u32, next_offset: i64) {
        let mut notes = lock(&self.notes);
        let before = notes.committed.get(&partition).copied().unwrap_or(0);
        for offset in before..next_offset {
            if !notes.has_fate((partition, offset)) {
                let what = format!(
                    "offset {offset} of partition {partition} is committed and has no fate"
                );
                notes.find(I1, what);
            }
        }
        notes.committed.insert(partition, next_offset.max(before));
    }

    /// A send leaves its process.
    pub fn departs(&self, it: &Departure<'_>) {
        let mut notes = lock(&self.notes);
        let find = |notes: &mut Notes, invariant, what: String| {
            notes.find(invariant, format!("{}: {what}", it.id));
        };
        if !it.is_accepted {
            find(
                &mut notes,
                I4,
                format!("{} is sent, and nothing of it is durable", it.call),
            );
        }
        if it.lease_left_ms.is_none_or(|left_ms| left_ms <= 0) {
            let what = format!(
                "process {} sends {} for partition {}, with {:?} ms left of its lease",
                it.process, it.call, it.partition, it.lease_left_ms
            );
            find(&mut notes, I12, what);
        }
        if let Some(key) = it.key {
            if !key.starts_with(&format!("{}:", it.id)) {
                find(&mut notes, I3, format!("the key {key} is not its own"));
            }
            let body = notes
                .bodies
                .entry(key.into())
                .or_insert_with(|| it.body.into())
                .clone();
            if body != it.body {
                find(
                    &mut notes,
                    I3,
                    format!("the key {key} has two bodies: {body} and {}", it.body),
                );
            }
        }
        if !it.moves_money || (it.is_over)(it.id) {
            return;
        }
        let owner = (it.process, it.partition, it.generation, it.user_id.clone());
        let wire = notes.on_the_wire.entry(owner).or_default();
        wire.retain(|send| it.now_ms - send.sent_at_ms < it.timeout_ms && !(it.is_over)(send.id));
        let others = wire
            .iter()
            .map(|send| send.call.clone())
            .collect::<Vec<_>>();
        wire.push(Send {
            id: it.id,
            call: format!("{} {}", it.id, it.call),
            sent_at_ms: it.now_ms,
        });
        let crashed_at_ms = notes
            .crashed_at_ms
            .get(&it.process)
            .copied()
            .unwrap_or(i64::MIN / 2);
        let taken_over_ms = it.now_ms - it.assigned_at_ms.max(crashed_at_ms);
        if !others.is_empty() && taken_over_ms > it.timeout_ms + it.deadline_ms {
            let what = format!(
                "{} is sent while {others:?} of its user is on the wire",
                it.call
            );
            find(&mut notes, I5, what);
        }
    }

    /// An actor crashed. What it had permitted waits in the gateway actor's lanes or is on the wire still, and what goes on
    /// in its place need not know of it: across an unplanned takeover two sends may overlap.
    pub fn crashed(&self, process: u64, now_ms: i64) {
        lock(&self.notes).crashed_at_ms.insert(process, now_ms);
    }

    /// The answer to a send has come back to its process.
    pub fn is_back(
        &self,
        process: u64,
        partition: u32,
        generation: u64,
        user_id: &UserId,
        send: &str,
    ) {
        let owner = (process, partition, generation, user_id.clone());
        if let Some(wire) = lock(&self.notes).on_the_wire.get_mut(&owner)
            && let Some(at) = wire.iter().position(|it| it.call == send)
        {
            wire.remove(at);
        }
    }

    pub(crate) fn heard(&self) -> BTreeMap<DonationId, Heard> {
        lock(&self.notes).heard.clone()
    }

    fn look_for_card_number(&self, value: &[u8], what: &str) {
        if value
            .windows(CARD_NUMBER.len())
            .any(|window| window == CARD_NUMBER.as_bytes())
        {
            self.find(I13, format!("{what} shows a card's number"));
        }
    }
}

impl Notes {
    /// The record at this place was answered, is a dead letter, or was forwarded.
    fn has_fate(&self, place: (u32, i64)) -> bool {
        let first = self.first_places.get(&place).unwrap_or(&place);
        [&self.answered, &self.lost]
            .into_iter()
            .any(|known| known.contains(first))
            || self.lost.contains(&place)
            || self.forwarded.contains(&place)
    }

    fn find(&mut self, invariant: &'static str, what: String) {
        self.diary.note(|| format!("FOUND {invariant}: {what}"));
        self.findings.push(Finding { invariant, what });
    }

    /// I9: a sequence without gaps, and one content per event. I6: who was charged is not told otherwise.
    fn heard_of(&mut self, view: &OutcomeView<'_>, stand: Standing) {
        let (id, sequence) = (view.donation_id, view.sequence.unwrap_or(0));
        let heard = self.heard.entry(id).or_default();
        let last = heard.contents.keys().next_back().copied().unwrap_or(0);
        let content = content(view);
        let first = heard
            .contents
            .entry(sequence)
            .or_insert_with(|| content.clone())
            .clone();
        match view.event_type {
            "donation.failed" | "donation.cancelled" => heard.is_told_uncharged = true,
            "donation.succeeded" => heard.is_told_succeeded = true,
            _ => {}
        }
        let (is_uncharged, is_charged) = (heard.is_told_uncharged, heard.is_told_succeeded);
        if sequence > last + 1 {
            self.find(I9, format!("{id}: event {sequence} after {last}"));
        }
        if first != content {
            self.find(
                I9,
                format!("{id}: event {sequence} has two contents: {first} and {content}"),
            );
        }
        if is_uncharged && stand.in_time > 0 {
            self.find(
                I6,
                format!("{id}: it is told {}, and is charged", view.event_type),
            );
        }
        if is_uncharged && is_charged {
            self.find(
                I9,
                format!("{id}: it is told to have failed and to have succeeded"),
            );
        }
        if view.event_type == "donation.succeeded" && stand.all == 0 {
            self.find(
                I7,
                format!("{id}: it is told to have succeeded, and nothing is charged"),
            );
        }
    }
}

/// All of an event but for the place that a copy answers.
fn content(view: &OutcomeView<'_>) -> String {
    let mut view = view.clone();
    view.source = None;
    format!("{view:?}")
}

/// A line for the diary.
fn said(view: &OutcomeView<'_>) -> String {
    let source = view.source.as_ref().map(|it| (it.partition, it.offset));
    let (id, kind, reason) = (
        view.donation_id,
        view.event_type,
        view.reason.unwrap_or("-"),
    );
    format!("{id} {kind} {reason} #{:?} for {source:?}", view.sequence)
}
