//! One charge of a user at a time (I5): who has the turn, and who waits for it.

use std::collections::VecDeque;

use almoner_domain::ids::DonationId;

/// The user's turn.
#[derive(Default)]
pub(super) struct Turn {
    taken_by: Option<DonationId>,
    queue: VecDeque<DonationId>,
}

impl Turn {
    /// Takes the turn, or waits for it; says whether it was taken.
    pub(super) fn take(&mut self, id: DonationId) -> bool {
        if self.taken_by.is_none() || self.taken_by == Some(id) {
            self.taken_by = Some(id);
            return true;
        }
        if !self.queue.contains(&id) {
            self.queue.push_back(id);
        }
        false
    }

    /// Gives the turn back, if `id` has it, and says whose it is now.
    pub(super) fn give_back(&mut self, id: DonationId) -> Option<DonationId> {
        if self.taken_by != Some(id) {
            self.leave(id);
            return None;
        }
        self.taken_by = self.queue.pop_front();
        self.taken_by
    }

    /// Waits no more; says whether it did.
    pub(super) fn leave(&mut self, id: DonationId) -> bool {
        let before = self.queue.len();
        self.queue.retain(|waiting| *waiting != id);
        self.queue.len() < before
    }

    /// How many wait.
    pub(super) fn waiting(&self) -> usize {
        self.queue.len()
    }
}
