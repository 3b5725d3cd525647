//! "Same user, campaign and amount within the window": what one user gave of late, in stream time.

use smallvec::SmallVec;

use crate::donation::{Donation, PendingKind};
use crate::ids::DonationId;
use crate::money::{Currency, Money};
use crate::request::DonationRequest;

/// How a donation counts towards doubles.
#[derive(Clone, Copy, PartialEq, Eq, Hash, Debug)]
pub enum Standing {
    /// Not finished: it counts however old it is.
    Open,
    /// Not finished, the user was asked: it counts however old it is.
    Held,
    /// Succeeded: it counts until the window has passed it.
    Counted,
}

impl Standing {
    /// Of what is not finished, by what it is pending as, if it is.
    #[must_use]
    pub fn of_unfinished(kind: Option<PendingKind>) -> Self {
        match kind {
            Some(PendingKind::Held) => Self::Held,
            _ => Self::Open,
        }
    }
}

/// Where and when a request was read.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct Read {
    /// In stream time, milliseconds since 1970.
    pub at_ms: i64,
    /// In the shard's log.
    pub offset: i64,
}

impl Read {
    /// Of a donation's request.
    #[must_use]
    pub fn of(donation: &Donation) -> Self {
        Self {
            at_ms: donation.recorded_at_ms,
            offset: donation.shard_offset,
        }
    }
}

/// How a donation ended.
#[derive(Clone, Copy, PartialEq, Eq, Hash, Debug)]
pub enum Settled {
    /// It succeeded: it counts until the window has passed it.
    Counted,
    /// It failed or was cancelled: it does not count any more.
    Gone,
}

/// What a window keeps of one donation: 40 bytes.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct Entry {
    id: DonationId,
    /// Of campaign and currency. Should two of a user's campaigns collide, the user is asked needlessly, no more.
    hash: u32,
    /// The low bits: which of two records came first is told as long as fewer than 2^31 lie between them.
    offset: u32,
    amount_minor: u64,
    /// Stream time × 8, whether its user was asked, standing.
    at_ms_and_standing: i64,
}

impl Entry {
    /// What is kept of a request. If it is held, its user is asked.
    #[must_use]
    pub fn new(request: &DonationRequest, read: Read, standing: Standing) -> Self {
        let campaign_id = request.campaign_id.as_str();
        Self::of(request.id, campaign_id, request.amount, read, standing)
    }

    /// What is kept of a donation that is recorded; `is_answered` if it was held and its user has answered.
    #[must_use]
    pub fn recorded(donation: &Donation, standing: Standing, is_answered: bool) -> Self {
        Self::new(&donation.request, Read::of(donation), standing).confirmed_if(is_answered)
    }

    /// The same, where no more of the request is at hand.
    #[must_use]
    pub fn of(
        id: DonationId,
        campaign_id: &str,
        amount: Money,
        read: Read,
        standing: Standing,
    ) -> Self {
        Self {
            id,
            hash: hash(campaign_id, amount.currency()),
            offset: low_bits(read.offset),
            amount_minor: amount.amount_minor(),
            at_ms_and_standing: read.at_ms.saturating_mul(1 << LOW_BITS) & !LOW_MASK
                | standing.bits(),
        }
        .confirmed_if(standing == Standing::Held)
    }

    /// The same; where it is confirmed, the user was asked whether it is meant, and said yes.
    #[must_use]
    pub fn confirmed_if(mut self, is_confirmed: bool) -> Self {
        self.at_ms_and_standing |= if is_confirmed { ASKED } else { 0 };
        self
    }

    /// The donation.
    #[must_use]
    pub fn id(&self) -> DonationId {
        self.id
    }

    /// When its request was read, in stream time, milliseconds since 1970.
    #[must_use]
    pub fn at_ms(&self) -> i64 {
        self.at_ms_and_standing >> LOW_BITS
    }

    /// How it counts.
    #[must_use]
    pub fn standing(&self) -> Standing {
        match self.at_ms_and_standing & STANDING_MASK {
            OPEN => Standing::Open,
            HELD => Standing::Held,
            _ => Standing::Counted,
        }
    }

    fn set_standing(&mut self, standing: Standing) {
        self.at_ms_and_standing = self.at_ms_and_standing & !STANDING_MASK | standing.bits();
    }

    /// Whether its user was asked about it, and it stands behind this offset in the log: then it is the double, confirmed or
    /// not. The other one was its cause, was lost in a crash before it was accepted, and is read again.
    fn is_double_behind(&self, offset: i64) -> bool {
        let distance = self.offset.wrapping_sub(low_bits(offset)).cast_signed();
        self.at_ms_and_standing & ASKED != 0 && distance > 0
    }

    /// Whether it still counts at `stream_ms`.
    fn counts(&self, stream_ms: i64, window_ms: i64) -> bool {
        self.standing() != Standing::Counted || stream_ms.saturating_sub(self.at_ms()) <= window_ms
    }
}

const LOW_BITS: u32 = 3;
const LOW_MASK: i64 = 0b111;
const ASKED: i64 = 0b100;
const STANDING_MASK: i64 = 0b011;
const OPEN: i64 = 0;
const HELD: i64 = 1;
const COUNTED: i64 = 2;

impl Standing {
    fn bits(self) -> i64 {
        match self {
            Self::Open => OPEN,
            Self::Held => HELD,
            Self::Counted => COUNTED,
        }
    }
}

fn low_bits(offset: i64) -> u32 {
    offset.cast_unsigned() as u32
}

/// The hash of campaign and currency (FNV-1a, 64 bits folded to 32): the same after every restart and on every machine.
fn hash(campaign_id: &str, currency: Currency) -> u32 {
    const BASIS: u64 = 0xcbf2_9ce4_8422_2325;
    const PRIME: u64 = 0x0100_0000_01b3;
    // A slash is in no campaign's id, so no campaign and currency run into another pair.
    let hash = (campaign_id.bytes())
        .chain([b'/'])
        .chain(currency.code().bytes())
        .fold(BASIS, |hash, byte| {
            (hash ^ u64::from(byte)).wrapping_mul(PRIME)
        });
    (hash ^ (hash >> 32)) as u32
}

/// What one user gave of late. Most users have one entry, which lies inside without an allocation of its own.
#[derive(Clone, PartialEq, Eq, Debug, Default)]
pub struct Window {
    entries: SmallVec<[Entry; 1]>,
}

impl Window {
    /// The latest donation that `request` looks like: another id, the same campaign, currency and amount, not finished
    /// or read at most `window_ms` before it, and not a double itself that stands behind it in the log.
    #[must_use]
    pub fn suspect(
        &self,
        request: &DonationRequest,
        read: Read,
        window_ms: i64,
    ) -> Option<DonationId> {
        if self.is_empty() {
            return None;
        }
        let hash = hash(request.campaign_id.as_str(), request.amount.currency());
        let amount_minor = request.amount.amount_minor();
        self.entries
            .iter()
            .filter(|entry| {
                entry.hash == hash
                    && entry.amount_minor == amount_minor
                    && entry.id != request.id
                    && entry.counts(read.at_ms, window_ms)
                    && !entry.is_double_behind(read.offset)
            })
            .max_by_key(|entry| entry.at_ms())
            .map(Entry::id)
    }

    /// Adds a donation, or says anew how it stands (a confirmed one is `Open` again).
    pub fn insert(&mut self, entry: Entry) {
        match self.find(entry.id) {
            Some(at) => self.entries[at] = entry,
            None => self.entries.push(entry),
        }
    }

    /// A held donation was confirmed: it is open again, at its old time. Says whether it was held.
    pub fn confirm(&mut self, id: DonationId) -> bool {
        let Some(at) = self.find(id) else {
            return false;
        };
        let was_held = self.entries[at].standing() == Standing::Held;
        if was_held {
            self.entries[at].set_standing(Standing::Open);
        }
        was_held
    }

    /// A donation ended. Says whether it was there.
    pub fn settle(&mut self, id: DonationId, settled: Settled) -> bool {
        let Some(at) = self.find(id) else {
            return false;
        };
        match settled {
            Settled::Counted => self.entries[at].set_standing(Standing::Counted),
            Settled::Gone => {
                self.entries.swap_remove(at);
            }
        }
        true
    }

    /// Drops what the window has passed.
    pub fn prune(&mut self, stream_ms: i64, window_ms: i64) {
        self.entries
            .retain(|entry| entry.counts(stream_ms, window_ms));
    }

    /// Whether nothing is kept, so that the user's actor may be passivated.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.entries.is_empty()
    }

    /// How many donations wait for the user's word.
    #[must_use]
    pub fn held_count(&self) -> usize {
        self.entries
            .iter()
            .filter(|entry| entry.standing() == Standing::Held)
            .count()
    }

    /// What is kept, in no order.
    #[must_use]
    pub fn entries(&self) -> &[Entry] {
        &self.entries
    }

    fn find(&self, id: DonationId) -> Option<usize> {
        self.entries.iter().position(|entry| entry.id == id)
    }
}

impl FromIterator<Entry> for Window {
    fn from_iter<I: IntoIterator<Item = Entry>>(entries: I) -> Self {
        let mut window = Self::default();
        for entry in entries {
            window.insert(entry);
        }
        window
    }
}

#[cfg(test)]
mod tests;
