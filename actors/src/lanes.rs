//! Who is sent next when the gateway cannot take all: lanes by weight, campaigns in turn within a lane, and first what
//! would soon outlive its key.

use std::collections::VecDeque;

use foldhash::fast::FixedState;
use hashbrown::HashMap;
use hashbrown::hash_map::Entry;

use crate::budget::{ENDPOINTS, Endpoint};

/// What waits to be sent, in four lanes. Every operation takes constant time.
///
/// Of any 100 pops in a row, a lane gets at least its floor ([`Lane`]) while something waits in it for an endpoint that
/// has budget.
#[derive(Debug)]
pub struct Lanes<T> {
    lanes: [Queue<T>; LANES],
    /// Where the wheel stands.
    turn: usize,
    len: usize,
}

/// What a send is for.
#[derive(Clone, Copy, PartialEq, Eq, Hash, Debug)]
pub enum Lane {
    /// A donation's first send: it gets what the others leave.
    Live,
    /// A resend, a fetch, a list: what an unknown outcome waits for. At least 10 %.
    Ask,
    /// A confirm after a soft decline. At least 10 %.
    Retry,
    /// Refunds, payouts and reconciliation. At least 2 %.
    Background,
}

const LANES: usize = 4;

/// Turns of the wheel until it begins anew; two rounds are the 100 pops of the floors.
const ROUND: usize = 50;

impl<T> Lanes<T> {
    /// Nothing waits.
    #[must_use]
    pub fn new() -> Self {
        Self {
            lanes: std::array::from_fn(|_| Queue::default()),
            turn: 0,
            len: 0,
        }
    }

    /// Adds what waits for an endpoint, behind what waits for it of its campaign. `urgent` is what has little of its key's life left (six
    /// hours): it goes before all that is not, in its lane.
    pub fn push(
        &mut self,
        lane: Lane,
        endpoint: Endpoint,
        campaign_hash: u64,
        urgent: bool,
        item: T,
    ) {
        let queue = &mut self.lanes[lane as usize];
        let turns = if urgent {
            &mut queue.urgent
        } else {
            &mut queue.usual
        };
        turns[endpoint as usize].push(campaign_hash, item);
        self.len += 1;
    }

    /// Takes what is sent next, of what waits for an endpoint that has budget: what waits for another keeps nobody back.
    pub fn pop(&mut self, has_budget: impl Fn(Endpoint) -> bool) -> Option<T> {
        let leftover = [Lane::Live, Lane::Ask, Lane::Retry, Lane::Background];
        let item = [lane_of(self.turn)]
            .into_iter()
            .chain(leftover)
            .find_map(|lane| self.lanes[lane as usize].pop(&has_budget))?;
        self.turn = (self.turn + 1) % ROUND;
        self.len -= 1;
        Some(item)
    }

    /// How many wait.
    #[must_use]
    pub fn len(&self) -> usize {
        self.len
    }

    /// Whether nothing waits.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.len == 0
    }
}

impl<T> Default for Lanes<T> {
    fn default() -> Self {
        Self::new()
    }
}

/// Whose turn it is: one in ten is an ask, one in ten a retry, one in fifty is for the background. Turns that are fixed
/// hold the floors whatever comes and goes, which a count of credits does not.
fn lane_of(turn: usize) -> Lane {
    match (turn, turn % 10) {
        (25, _) => Lane::Background,
        (_, 3) => Lane::Ask,
        (_, 8) => Lane::Retry,
        _ => Lane::Live,
    }
}

/// One lane, by endpoint.
#[derive(Debug)]
struct Queue<T> {
    urgent: [Turns<T>; ENDPOINTS],
    usual: [Turns<T>; ENDPOINTS],
    /// Whose turn it is among the endpoints.
    turn: usize,
}

impl<T> Default for Queue<T> {
    fn default() -> Self {
        Self {
            urgent: std::array::from_fn(|_| Turns::default()),
            usual: std::array::from_fn(|_| Turns::default()),
            turn: 0,
        }
    }
}

impl<T> Queue<T> {
    fn pop(&mut self, has_budget: &impl Fn(Endpoint) -> bool) -> Option<T> {
        let in_turn = (0..ENDPOINTS).map(|i| (self.turn + i) % ENDPOINTS);
        for turns in [&mut self.urgent, &mut self.usual] {
            for at in in_turn.clone() {
                let waits = !turns[at].ring.is_empty() && has_budget(Endpoint::ALL[at]);
                if let Some(item) = waits.then(|| turns[at].pop()).flatten() {
                    self.turn = (at + 1) % ENDPOINTS;
                    return Some(item);
                }
            }
        }
        None
    }
}

/// Campaigns in turn, one item each: a viral one cannot starve another. Two whose hashes are equal share a turn.
#[derive(Debug)]
struct Turns<T> {
    /// The campaigns of which something waits, each once.
    ring: VecDeque<u64>,
    waiting: HashMap<u64, VecDeque<T>, FixedState>,
}

impl<T> Default for Turns<T> {
    fn default() -> Self {
        Self {
            ring: VecDeque::new(),
            waiting: HashMap::default(),
        }
    }
}

impl<T> Turns<T> {
    fn push(&mut self, campaign: u64, item: T) {
        match self.waiting.entry(campaign) {
            Entry::Occupied(mut queue) => queue.get_mut().push_back(item),
            Entry::Vacant(free) => {
                free.insert(VecDeque::from([item]));
                self.ring.push_back(campaign);
            }
        }
    }

    fn pop(&mut self) -> Option<T> {
        let campaign = self.ring.pop_front()?;
        let queue = self.waiting.get_mut(&campaign)?;
        let item = queue.pop_front();
        if queue.is_empty() {
            self.waiting.remove(&campaign);
        } else {
            self.ring.push_back(campaign);
        }
        item
    }
}

#[cfg(test)]
mod tests;
