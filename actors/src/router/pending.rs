//! The pending donations of a shard, by when they are due.

use std::collections::BTreeSet;

use almoner_domain::donation::PendingKind;
use almoner_domain::ids::{DonationId, UserId};
use hashbrown::HashMap;

/// What the store drives on, by due time; and what each is, to bound and to show it.
#[derive(Default)]
pub(super) struct PendingSet {
    by_due: BTreeSet<(i64, DonationId)>,
    /// The unknown ones by themselves: they do not wait behind what was only queued.
    unknown_by_due: BTreeSet<(i64, DonationId)>,
    pub(super) known: HashMap<DonationId, PendingEntry, foldhash::fast::FixedState>,
    held: usize,
    pub(super) surplus: usize,
    pub(super) is_full: bool,
}

pub(super) struct PendingEntry {
    pub(super) due_ms: i64,
    pub(super) kind: PendingKind,
    pub(super) user_id: UserId,
    /// Whether its latest event was acknowledged in this owner's time.
    pub(super) is_acknowledged: bool,
}

impl PendingSet {
    pub(super) fn put(&mut self, id: DonationId, entry: PendingEntry) {
        self.take(id);
        self.due_of(entry.kind).insert((entry.due_ms, id));
        self.held += usize::from(entry.kind == PendingKind::Held);
        self.surplus += usize::from(entry.kind == PendingKind::Surplus);
        self.known.insert(id, entry);
    }

    pub(super) fn take(&mut self, id: DonationId) -> Option<PendingEntry> {
        let entry = self.known.remove(&id)?;
        self.due_of(entry.kind).remove(&(entry.due_ms, id));
        self.held -= usize::from(entry.kind == PendingKind::Held);
        self.surplus -= usize::from(entry.kind == PendingKind::Surplus);
        Some(entry)
    }

    fn due_of(&mut self, kind: PendingKind) -> &mut BTreeSet<(i64, DonationId)> {
        match kind {
            PendingKind::Unknown => &mut self.unknown_by_due,
            _ => &mut self.by_due,
        }
    }

    pub(super) fn first_due(&self, is_unknown: bool, now_ms: i64) -> Option<DonationId> {
        let by_due = match is_unknown {
            true => &self.unknown_by_due,
            false => &self.by_due,
        };
        let (due_ms, id) = by_due.first()?;
        (*due_ms <= now_ms).then_some(*id)
    }

    pub(super) fn unknown(&self) -> usize {
        self.unknown_by_due.len()
    }

    /// What the store must drive on. A held one waits for its user, whose answer must be read: it stops no intake.
    pub(super) fn driven(&self) -> usize {
        self.known.len() - self.held
    }
}
