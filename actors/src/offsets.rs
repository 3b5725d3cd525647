//! How far a partition is done, when its records are done out of order: the offset that may be committed.

use std::collections::VecDeque;

/// The records of one partition that are begun, and the low water below which all have their fate (I1).
///
/// Memory is proportional to what is in flight, however far apart the offsets lie.
#[derive(Debug)]
pub struct Offsets {
    /// One past the highest offset that was begun.
    next: i64,
    /// What was begun, in order; what is done goes when it stands first, or when most are done.
    begun: VecDeque<Record>,
    in_flight: usize,
}

#[derive(Debug)]
struct Record {
    offset: i64,
    done: bool,
}

/// Whether a record is new to its partition.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Begun {
    /// It is in flight from now on, until it is done.
    New,
    /// It was begun before (it may be done by now): nothing changed.
    Repeat,
}

/// Below this many records it is not worth sweeping the done ones out.
const SWEEP_MIN: usize = 64;

impl Offsets {
    /// Reading goes on at `next`; all below is done.
    #[must_use]
    pub fn starting_at(next: i64) -> Self {
        Self {
            next,
            begun: VecDeque::new(),
            in_flight: 0,
        }
    }

    /// A record was read. Offsets come in order; those that were jumped over hold no record, so they count as done.
    pub fn begin(&mut self, offset: i64) -> Begun {
        if offset < self.next {
            return Begun::Repeat;
        }
        let done = false;
        self.begun.push_back(Record { offset, done });
        self.in_flight += 1;
        self.next = offset + 1;
        Begun::New
    }

    /// A record has its fate. Answers whether it was in flight; another time changes nothing.
    pub fn done(&mut self, offset: i64) -> bool {
        let Some(at) = self.position(offset) else {
            return false;
        };
        let record = &mut self.begun[at];
        if std::mem::replace(&mut record.done, true) {
            return false;
        }
        self.in_flight -= 1;
        while self.begun.front().is_some_and(|record| record.done) {
            self.begun.pop_front();
        }
        if self.begun.len() > SWEEP_MIN + 2 * self.in_flight {
            self.begun.retain(|record| !record.done);
        }
        true
    }

    /// The offset to commit: all below it have their fate.
    #[must_use]
    pub fn low_water(&self) -> i64 {
        self.begun.front().map_or(self.next, |first| first.offset)
    }

    /// How many records are begun and not done.
    #[must_use]
    pub fn in_flight(&self) -> usize {
        self.in_flight
    }

    /// Mostly offsets have no gaps, and the place is plain; else it is looked for.
    fn position(&self, offset: i64) -> Option<usize> {
        let first = self.begun.front()?.offset;
        let plain = usize::try_from(offset.checked_sub(first)?).ok()?;
        if (self.begun.get(plain)).is_some_and(|record| record.offset == offset) {
            return Some(plain);
        }
        self.begun
            .binary_search_by_key(&offset, |record| record.offset)
            .ok()
    }
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeSet;

    use proptest::prelude::*;

    use super::{Begun, Offsets, SWEEP_MIN};

    /// Begins and finishes (`Ok` begins, `Err` finishes) from 10 on, and where the low water stands in the end.
    fn check(steps: &[Result<i64, i64>], low_water: i64, in_flight: usize) {
        let mut offsets = Offsets::starting_at(10);
        for step in steps {
            match *step {
                Ok(offset) => assert_eq!(offsets.begin(offset), Begun::New),
                Err(offset) => assert!(offsets.done(offset)),
            }
        }
        assert_eq!(offsets.low_water(), low_water, "{steps:?}");
        assert_eq!(offsets.in_flight(), in_flight, "{steps:?}");
    }

    #[test]
    fn the_low_water_waits_for_the_slowest() {
        check(&[], 10, 0);
        check(&[Ok(10)], 10, 1);
        check(&[Ok(10), Err(10)], 11, 0);
        check(&[Ok(10), Ok(11), Ok(12), Err(12), Err(11)], 10, 1);
        check(&[Ok(10), Ok(11), Ok(12), Err(12), Err(10)], 11, 1);
        check(&[Ok(10), Ok(11), Err(11), Err(10)], 12, 0);
    }

    #[test]
    fn a_gap_counts_as_done() {
        check(&[Ok(15)], 15, 1);
        check(&[Ok(10), Ok(1 << 40), Err(10)], 1 << 40, 1);
        check(&[Ok(10), Ok(1 << 40), Err(1 << 40)], 10, 1);
        check(&[Ok(10), Ok(20), Err(20), Err(10)], 21, 0);
    }

    #[test]
    fn what_was_begun_is_a_repeat_and_what_is_not_in_flight_cannot_be_done() {
        let mut offsets = Offsets::starting_at(10);
        assert_eq!(offsets.begin(9), Begun::Repeat);
        assert_eq!(offsets.begin(12), Begun::New);
        for repeat in [10, 11, 12] {
            assert_eq!(offsets.begin(repeat), Begun::Repeat);
        }
        for absent in [i64::MIN, 9, 11, 13, i64::MAX] {
            assert!(!offsets.done(absent), "{absent}");
        }
        assert!(offsets.done(12));
        assert!(!offsets.done(12));
        assert_eq!(offsets.low_water(), 13);
    }

    #[test]
    fn one_slow_record_does_not_keep_the_others_in_memory() {
        let mut offsets = Offsets::starting_at(0);
        offsets.begin(0);
        for offset in 1..100_000 {
            offsets.begin(offset);
            offsets.done(offset);
            assert!(offsets.begun.len() <= SWEEP_MIN + 3);
        }
        assert_eq!(offsets.low_water(), 0);
        offsets.done(0);
        assert_eq!(offsets.low_water(), 100_000);
    }

    proptest! {
        /// Against the plainest thing that can be right: the set of what is in flight.
        #[test]
        fn equals_a_naive_set(
            start in 0_i64..1_000,
            steps in prop::collection::vec((any::<bool>(), 0_i64..8, any::<prop::sample::Index>()), 0..600),
        ) {
            let mut offsets = Offsets::starting_at(start);
            let (mut next, mut set) = (start, BTreeSet::new());
            for (begin, step, pick) in steps {
                if begin {
                    let offset = next + step - 1; // now and then a repeat, now and then a gap
                    let expected = if offset < next { Begun::Repeat } else { Begun::New };
                    prop_assert_eq!(offsets.begin(offset), expected);
                    if expected == Begun::New {
                        set.insert(offset);
                        next = offset + 1;
                    }
                } else {
                    let offset = start + pick.index(usize::try_from(next - start).unwrap() + 2) as i64;
                    prop_assert_eq!(offsets.done(offset), set.remove(&offset));
                }
                prop_assert_eq!(offsets.low_water(), set.first().copied().unwrap_or(next));
                prop_assert_eq!(offsets.in_flight(), set.len());
                prop_assert!(offsets.begun.len() <= SWEEP_MIN + 2 * set.len() + 2);
            }
        }
    }
}
