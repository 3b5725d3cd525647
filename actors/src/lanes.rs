//! Who is sent next when the gateway cannot take all: lanes by weight, campaigns in turn within a lane, and first what
//! would soon outlive its key.

use std::collections::VecDeque;

use foldhash::fast::FixedState;
use hashbrown::HashMap;
use hashbrown::hash_map::Entry;

/// What waits to be sent, in four lanes. Every operation takes constant time.
///
/// Of any 100 pops in a row, a lane gets at least its floor ([`Lane`]) while something waits in it.
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

    /// Adds what waits, behind what waits of its campaign. `urgent` is what has little of its key's life left (six
    /// hours): it goes before all that is not, in its lane.
    pub fn push(&mut self, lane: Lane, campaign_hash: u64, urgent: bool, item: T) {
        let queue = &mut self.lanes[lane as usize];
        let turns = if urgent {
            &mut queue.urgent
        } else {
            &mut queue.usual
        };
        turns.push(campaign_hash, item);
        self.len += 1;
    }

    /// Takes what is sent next.
    pub fn pop(&mut self) -> Option<T> {
        let first = lane_of(self.turn);
        self.turn = (self.turn + 1) % ROUND;
        let leftover = [Lane::Live, Lane::Ask, Lane::Retry, Lane::Background];
        let item = [first]
            .into_iter()
            .chain(leftover)
            .find_map(|lane| self.lanes[lane as usize].pop())?;
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

/// One lane.
#[derive(Debug)]
struct Queue<T> {
    urgent: Turns<T>,
    usual: Turns<T>,
}

impl<T> Default for Queue<T> {
    fn default() -> Self {
        Self {
            urgent: Turns::default(),
            usual: Turns::default(),
        }
    }
}

impl<T> Queue<T> {
    fn pop(&mut self) -> Option<T> {
        self.urgent.pop().or_else(|| self.usual.pop())
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
mod tests {
    use std::collections::BTreeSet;

    use proptest::prelude::*;

    use super::{Lane, Lanes};

    const ALL: [Lane; 4] = [Lane::Live, Lane::Ask, Lane::Retry, Lane::Background];
    const FLOORS: [usize; 4] = [78, 10, 10, 2];

    fn drain<T>(lanes: &mut Lanes<T>) -> Vec<T> {
        std::iter::from_fn(|| lanes.pop()).collect()
    }

    /// Pushes (lane, campaign, urgent), each named by its place, and the order that they are popped in.
    fn check(pushes: &[(Lane, u64, bool)], expected: &[usize]) {
        let mut lanes = Lanes::new();
        for (name, (lane, campaign, urgent)) in pushes.iter().enumerate() {
            lanes.push(*lane, *campaign, *urgent, name);
        }
        assert_eq!(lanes.len(), pushes.len());
        assert_eq!(drain(&mut lanes), expected);
        assert!(lanes.is_empty());
    }

    #[test]
    fn within_a_lane_campaigns_go_in_turn_and_what_is_urgent_goes_first() {
        let (usual, urgent) = (false, true);
        let live = |campaign| (Lane::Live, campaign, usual);
        check(&[], &[]);
        check(&[live(7), live(7), live(7)], &[0, 1, 2]);
        check(&[live(7), live(7), live(8), live(9)], &[0, 2, 3, 1]);
        let ask = |campaign, urgent| (Lane::Ask, campaign, urgent);
        check(
            &[
                ask(7, usual),
                ask(8, urgent),
                ask(8, urgent),
                ask(9, urgent),
            ],
            &[1, 3, 2, 0],
        );
    }

    #[test]
    fn a_turn_that_a_lane_does_not_use_goes_to_the_others() {
        let mut lanes = Lanes::new();
        for lane in [Lane::Background, Lane::Retry, Lane::Ask] {
            lanes.push(lane, 1, false, lane);
        }
        assert_eq!(
            drain(&mut lanes),
            [Lane::Ask, Lane::Retry, Lane::Background]
        );
    }

    #[test]
    fn a_viral_campaign_delays_another_by_no_more_than_its_turns() {
        let mut lanes = Lanes::new();
        for _ in 0..10_000 {
            lanes.push(Lane::Live, 1, false, 1);
        }
        for _ in 0..10 {
            lanes.push(Lane::Live, 2, false, 2);
        }
        let first: Vec<u64> = std::iter::from_fn(|| lanes.pop()).take(20).collect();
        assert_eq!(first.iter().filter(|campaign| **campaign == 2).count(), 10);
    }

    #[test]
    fn with_all_waiting_each_lane_has_its_floor_of_any_hundred() {
        let mut lanes = Lanes::new();
        for lane in ALL {
            (0..1_000).for_each(|_| lanes.push(lane, 1, false, lane));
        }
        let popped: Vec<Lane> = std::iter::from_fn(|| lanes.pop()).take(1_000).collect();
        for window in popped.windows(100) {
            let counts = ALL.map(|lane| window.iter().filter(|popped| **popped == lane).count());
            assert_eq!(counts, FLOORS);
        }
    }

    proptest! {
        /// Whatever comes and goes: nothing is lost or made up, each campaign's come in order, and a lane in which
        /// something waited through 100 pops had its floor of them.
        #[test]
        fn nothing_is_lost_and_the_floors_hold(
            rounds in prop::collection::vec((0_usize..4, 0_u64..5, any::<bool>(), 0_usize..40, 0_usize..60), 1..80),
        ) {
            let mut lanes = Lanes::new();
            let mut waiting = BTreeSet::new();
            let mut in_lane = [0_usize; 4];
            // Of each pop: the lane that it was of, and which lanes had something before it.
            let mut pops: Vec<(usize, [bool; 4])> = Vec::new();
            let mut last = std::collections::HashMap::new();
            let mut name = 0_u32;
            for (lane, campaign, urgent, pushed, popped) in rounds {
                for _ in 0..pushed {
                    lanes.push(ALL[lane], campaign, urgent, (lane, campaign, urgent, name));
                    waiting.insert(name);
                    in_lane[lane] += 1;
                    name += 1;
                }
                for _ in 0..popped {
                    let had = in_lane.map(|count| count > 0);
                    let Some((lane, campaign, urgent, name)) = lanes.pop() else {
                        prop_assert!(waiting.is_empty());
                        break;
                    };
                    prop_assert!(waiting.remove(&name));
                    prop_assert!(last.insert((lane, campaign, urgent), name) < Some(name));
                    in_lane[lane] -= 1;
                    pops.push((lane, had));
                }
                prop_assert_eq!(lanes.len(), waiting.len());
            }
            for window in pops.windows(100) {
                for (lane, floor) in FLOORS.into_iter().enumerate() {
                    let waited = window.iter().all(|(_, had)| had[lane]);
                    let had = window.iter().filter(|(popped, _)| *popped == lane).count();
                    prop_assert!(!waited || had >= floor, "{:?}: {}", ALL[lane], had);
                }
            }
            let rest: BTreeSet<u32> = drain(&mut lanes).into_iter().map(|(.., name)| name).collect();
            prop_assert_eq!(rest, waiting);
        }

        /// However many others wait, a campaign's nth item goes no later than in the nth round of turns.
        #[test]
        fn no_campaign_waits_longer_than_its_turns(
            others in prop::collection::vec((1_u64..20, 1_usize..500), 0..20),
            own in 1_usize..20,
        ) {
            let mut lanes = Lanes::new();
            for (campaign, count) in &others {
                (0..*count).for_each(|_| lanes.push(Lane::Retry, *campaign, false, *campaign));
            }
            (0..own).for_each(|_| lanes.push(Lane::Retry, 0, false, 0));
            let campaigns = others.iter().map(|(campaign, _)| campaign).collect::<BTreeSet<_>>().len() + 1;
            let popped = drain(&mut lanes);
            let last = popped.iter().rposition(|campaign| *campaign == 0).unwrap();
            prop_assert!(last < own * campaigns);
        }
    }
}
