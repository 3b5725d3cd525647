//! Chance from a seed: the same numbers on every machine and after every restart.

use rand::rngs::Xoshiro256PlusPlus;
use rand::{Rng, SeedableRng};

/// A stream of chance. The algorithm is named, so it stays what it is when the `rand` crate moves on; numbers in a
/// range are made here for the same reason.
pub(crate) struct Dice(Xoshiro256PlusPlus);

/// How often something happens, ready to be compared with a throw.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Share(u64);

impl Share {
    /// `share` is from 0 to 1; what is beyond counts as the nearer end.
    pub(crate) fn of(share: f64) -> Self {
        Self((share * 2f64.powi(64)) as u64)
    }

    /// Whether a throw falls into the share.
    pub(crate) fn takes(self, throw: u64) -> bool {
        throw < self.0
    }

    /// The share of a throw that falls into this one or the one beside it.
    pub(crate) fn and(self, other: Self) -> Self {
        Self(self.0.saturating_add(other.0))
    }
}

impl Dice {
    /// A stream of its own for each `stream` of a seed.
    pub(crate) fn new(seed: u64, stream: u64) -> Self {
        Self(Xoshiro256PlusPlus::seed_from_u64(mix(seed, stream)))
    }

    /// Any number.
    pub(crate) fn throw(&mut self) -> u64 {
        self.0.next_u64()
    }

    /// A number from 0 to below `n`; 0 if `n` is 0.
    pub(crate) fn below(&mut self, n: u64) -> u64 {
        scale(self.throw(), n)
    }

    /// A number from 0 to below 1.
    pub(crate) fn unit(&mut self) -> f64 {
        (self.throw() >> 11) as f64 * 2f64.powi(-53)
    }

    pub(crate) fn chance(&mut self, share: Share) -> bool {
        share.takes(self.throw())
    }

    /// One of a list that is never empty.
    pub(crate) fn pick<T: Copy, const N: usize>(&mut self, list: &[T; N]) -> T {
        const { assert!(N > 0, "there is nothing to pick") };
        list[self.below(N as u64) as usize]
    }

    pub(crate) fn fill(&mut self, bytes: &mut [u8]) {
        self.0.fill_bytes(bytes);
    }
}

/// From any number to one below `n`.
pub(crate) fn scale(throw: u64, n: u64) -> u64 {
    ((u128::from(throw) * u128::from(n)) >> 64) as u64
}

/// Two numbers into one that looks like neither (SplitMix64's finish).
pub(crate) fn mix(a: u64, b: u64) -> u64 {
    let mut mixed = a ^ b.wrapping_add(1).wrapping_mul(0x9e37_79b9_7f4a_7c15);
    mixed = (mixed ^ (mixed >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
    mixed = (mixed ^ (mixed >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
    mixed ^ (mixed >> 31)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_stream_is_what_it_always_was() {
        let mut dice = Dice::new(1, 0);
        let thrown = [dice.throw(), dice.throw(), dice.below(1000)];
        assert_eq!(
            thrown,
            [2_012_775_937_921_775_851, 10_968_666_948_299_887_549, 731]
        );
    }

    #[test]
    fn streams_of_a_seed_differ() {
        let throws = |stream| Dice::new(7, stream).throw();
        assert_ne!(throws(0), throws(1));
    }

    #[test]
    fn shares_are_kept_to() {
        for share in [0.0, 0.03, 0.5, 1.0] {
            let mut dice = Dice::new(3, 0);
            let took = (0..100_000)
                .filter(|_| dice.chance(Share::of(share)))
                .count();
            let off = (took as f64 / 100_000.0 - share).abs();
            assert!(off < 0.005, "{share}: {took}");
        }
    }

    #[test]
    fn every_number_below_comes() {
        let mut dice = Dice::new(3, 0);
        let mut seen = [0; 7];
        for _ in 0..7_000 {
            seen[dice.below(7) as usize] += 1;
        }
        assert!(
            seen.iter().all(|count| (800..1200).contains(count)),
            "{seen:?}"
        );
        assert_eq!(dice.below(0), 0);
    }
}
