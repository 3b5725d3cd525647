//! One charge of a user at a time (I5): who has the turn, and who waits for it.

use almoner_domain::ids::DonationId;
use smallvec::SmallVec;

/// The user's turn: the first one has it, the others wait. Mostly it is taken by one, or by none.
#[derive(Default)]
pub(super) struct Turn(SmallVec<[DonationId; 1]>);

impl Turn {
    /// Takes the turn, or waits for it; says whether it was taken.
    pub(super) fn take(&mut self, id: DonationId) -> bool {
        if !self.0.contains(&id) {
            self.0.push(id);
        }
        self.0.first() == Some(&id)
    }

    /// Gives the turn back, if `id` has it, and says whose it is now.
    pub(super) fn give_back(&mut self, id: DonationId) -> Option<DonationId> {
        if self.0.first() != Some(&id) {
            self.leave(id);
            return None;
        }
        self.0.remove(0);
        self.0.first().copied()
    }

    /// Waits no more; says whether it did.
    pub(super) fn leave(&mut self, id: DonationId) -> bool {
        match self.0.iter().skip(1).position(|waiting| *waiting == id) {
            Some(at) => {
                self.0.remove(at + 1);
                true
            }
            None => false,
        }
    }

    /// How many wait.
    pub(super) fn waiting(&self) -> usize {
        self.0.len().saturating_sub(1)
    }
}
