//! Chance from a seed: a stream for what is generated, and dice by place for what happens on the way, so that taking one
//! event out of a history leaves the others as they were.

/// `SplitMix64`: a few lines, and the same on every machine.
#[derive(Clone, Debug)]
pub struct Chance(u64);

impl Chance {
    /// The stream of this seed.
    #[must_use]
    pub fn new(seed: u64) -> Self {
        Self(seed)
    }

    /// The dice of one place: the `n`th time that `step` happens to `what`.
    #[must_use]
    pub fn at(seed: u64, step: &str, what: u64, n: u32) -> Self {
        let place = [hash(step.as_bytes()), what, u64::from(n)];
        Self(
            place
                .into_iter()
                .fold(seed, |mixed, word| mix(mixed ^ word)),
        )
    }

    /// 64 bits.
    pub fn bits(&mut self) -> u64 {
        self.0 = self.0.wrapping_add(0x9e37_79b9_7f4a_7c15);
        mix(self.0)
    }

    /// A number in `0..end`.
    pub fn below(&mut self, end: u64) -> u64 {
        self.bits() % end.max(1)
    }

    /// A number in `from..end`.
    pub fn between(&mut self, from: i64, end: i64) -> i64 {
        let width = u64::try_from(end - from).unwrap_or(1);
        from + i64::try_from(self.below(width)).unwrap_or(0)
    }

    /// True so many times of a thousand.
    pub fn permille(&mut self, of: u64) -> bool {
        self.below(1_000) < of
    }

    /// One of these.
    pub fn pick<'a, T>(&mut self, from: &'a [T]) -> Option<&'a T> {
        let i = usize::try_from(self.below(from.len() as u64)).unwrap_or(0);
        from.get(i)
    }
}

fn mix(mut z: u64) -> u64 {
    z = (z ^ (z >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
    z = (z ^ (z >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
    z ^ (z >> 31)
}

/// FNV-1a: of names, keys and traces.
#[must_use]
pub fn hash(bytes: &[u8]) -> u64 {
    hash_on(0xcbf2_9ce4_8422_2325, bytes)
}

/// The same, going on from another hash.
#[must_use]
pub fn hash_on(before: u64, bytes: &[u8]) -> u64 {
    let step = |hash: u64, byte: &u8| (hash ^ u64::from(*byte)).wrapping_mul(0x0100_0000_01b3);
    bytes.iter().fold(before, step)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_same_place_has_the_same_dice_and_another_one_others() {
        let roll = |step, what, n| Chance::at(7, step, what, n).bits();
        assert_eq!(roll("accept", 1, 0), roll("accept", 1, 0));
        let rolls = [
            roll("accept", 1, 0),
            roll("accept", 1, 1),
            roll("accept", 2, 0),
            roll("finish", 1, 0),
        ];
        for (i, first) in rolls.iter().enumerate() {
            assert!(rolls[i + 1..].iter().all(|other| other != first));
        }
    }

    /// The same on every machine.
    #[test]
    fn a_seed_is_these_numbers() {
        let mut chance = Chance::new(1);
        assert_eq!(chance.bits(), 0x910a_2dec_8902_5cc1);
        assert_eq!(hash(b"foobar"), 0x8594_4171_f739_67e8);
    }
}
