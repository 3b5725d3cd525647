//! What an audit remembers of each donation: little, since there are millions.

use std::hash::BuildHasher;

use almoner_actors::ports::Recorded;
use almoner_domain::donation::State;
use almoner_domain::ids::DonationId;
use almoner_domain::money::{Currency, Money};
use foldhash::fast::FixedState;
use hashbrown::HashMap;

/// Intents are remembered by a hash: equal ones are the same but for one in 2^64.
const HASHER: FixedState = FixedState::with_seed(0);
/// Another seed than [`HASHER`]'s, which chose the table: within one table its hashes are much alike.
const IN_TABLE: FixedState = FixedState::with_seed(1);

/// A table that grows holds its entries twice: with many small ones, only a small part of them at a time.
const TABLES: usize = 64;

/// The donations by id.
pub(super) struct Ledger {
    tables: [HashMap<DonationId, Known, FixedState>; TABLES],
}

/// A donation as it was recorded, and what was found of it at the gateway.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(super) struct Known {
    amount_minor: u64,
    /// The hash of the intent that stands for it; 0 as long as none does.
    intent: u64,
    /// Seconds since 1970, up to the year 2106.
    accepted_s: u32,
    pub currency: Currency,
    pub state: State,
    /// The gateway's charge was found.
    pub is_found: bool,
    /// It was accepted before what is compared begins: it explains its charge, and is not counted.
    pub is_beyond: bool,
}

impl Known {
    pub(super) fn of(recorded: &Recorded, is_beyond: bool) -> Self {
        let request = &recorded.donation.request;
        let (state, intent_id) = match (&recorded.finish, &recorded.pending) {
            (Some(finish), _) => (finish.ending.state, finish.ending.intent_id.as_deref()),
            (None, Some((_, progress))) => (progress.state, progress.intent.as_deref()),
            // Without a pending row it is on its way.
            (None, None) => (State::Charging, None),
        };
        let accepted_s = recorded.donation.accepted_at_ms.max(0) / 1000;
        Self {
            amount_minor: request.amount.amount_minor(),
            intent: intent_id.map_or(0, hash),
            accepted_s: u32::try_from(accepted_s).unwrap_or(u32::MAX),
            currency: request.amount.currency(),
            state,
            is_found: false,
            is_beyond,
        }
    }

    /// Whether nothing was ever sent to the gateway.
    pub(super) fn is_unsent(&self) -> bool {
        matches!(self.state, State::Held | State::Accepted)
    }

    /// Whether this intent stands for the donation; where the books name none, the first one that is found does.
    pub(super) fn stands_for(&self, intent_id: &str) -> bool {
        self.intent == 0 || self.intent == hash(intent_id)
    }

    /// Its charge was found: no other intent stands for it from now on.
    pub(super) fn found(&mut self, intent_id: &str) {
        self.intent = hash(intent_id);
        self.is_found = true;
    }

    pub(super) fn amount(&self) -> Option<Money> {
        Money::new(self.amount_minor, self.currency)
    }

    pub(super) fn age_s(&self, now_ms: i64) -> u64 {
        let age_s = now_ms / 1000 - i64::from(self.accepted_s);
        u64::try_from(age_s).unwrap_or(0)
    }
}

impl Ledger {
    pub(super) fn get(&self, id: DonationId) -> Option<Known> {
        self.tables[table(id)].get(&id).copied()
    }

    /// Whether it is new.
    pub(super) fn put(&mut self, id: DonationId, known: Known) -> bool {
        self.tables[table(id)].insert(id, known).is_none()
    }

    pub(super) fn iter(&self) -> impl Iterator<Item = (DonationId, Known)> {
        let of_each = |table| HashMap::iter(table).map(|(id, known)| (*id, *known));
        self.tables.iter().flat_map(of_each)
    }
}

impl Default for Ledger {
    fn default() -> Self {
        Self {
            tables: std::array::from_fn(|_| HashMap::with_hasher(IN_TABLE)),
        }
    }
}

fn table(id: DonationId) -> usize {
    usize::try_from(HASHER.hash_one(id) >> 58).unwrap_or(0)
}

/// Never 0.
fn hash(intent_id: &str) -> u64 {
    HASHER.hash_one(intent_id).max(1)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_entry_is_small() {
        // A table is at least 7/16 full, and has a byte of its own for each entry: 94 bytes a donation at most.
        assert!((size_of::<(DonationId, Known)>() + 1) * 16 / 7 <= 100);
        assert!(TABLES.is_power_of_two() && TABLES == 1 << (64 - 58));
    }
}
