//! What an older store leaves of what was told: that is told anew, with the time of then, and maybe another end; but who was told to
//! have succeeded has.

use std::collections::BTreeSet;

use almoner_domain::ids::DonationId;

use super::Judge;
use crate::diary::lock;

impl Judge {
    /// An older store took the store's place, and knows these donations otherwise. Where two users gave one id, the other one may come
    /// first this time: the body is frozen anew, and the gateway holds it against the key's first one.
    pub fn restored(&self, others: BTreeSet<DonationId>) {
        let notes = &mut *lock(&self.notes);
        for id in others {
            let heard = notes.heard.remove(&id).unwrap_or_default();
            let prefix = format!("{id}:");
            notes.bodies.retain(|key, _| !key.starts_with(&prefix));
            *notes.restored.entry(id).or_default() |= heard.is_told_succeeded;
        }
    }

    /// Whether an older store has forgotten something of this donation.
    pub(super) fn was_restored(&self, id: DonationId) -> bool {
        lock(&self.notes).restored.contains_key(&id)
    }

    /// Whether it was told to have succeeded before an older store forgot that.
    pub(super) fn was_told_succeeded(&self, id: DonationId) -> bool {
        lock(&self.notes)
            .restored
            .get(&id)
            .copied()
            .unwrap_or(false)
    }
}
